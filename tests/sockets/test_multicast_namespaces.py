"""Three processes in three network namespaces, with and without loss: the demo itself."""

import json
import sys

import pytest

from tests.namespaces import bridge
from tools import demo_multicast

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.mark.parametrize("order", ["total", "sequencer", "total-causal"])
def test_members_in_namespaces_agree(order: str) -> None:
    with bridge(3) as hosts:
        ended = demo_multicast.run(order, 300, 0, hosts)
    assert [(one.code, one.errors) for one in ended] == [(0, "")] * 3
    assert len({str(one.told["digest"]) for one in ended}) == 1
    assert [one.told["delivered"] for one in ended] == [900] * 3


def test_members_agree_though_the_network_loses_one_datagram_in_ten() -> None:
    with bridge(3) as hosts:
        for host in hosts:
            host.lose(0.1)
        ended = demo_multicast.run("total", 100, 0, hosts)
    assert [(one.code, one.errors) for one in ended] == [(0, "")] * 3
    assert len({str(one.told["digest"]) for one in ended}) == 1


def test_a_member_that_is_not_there_is_named_by_the_others() -> None:
    with bridge(2) as hosts:
        command = [sys.executable, "-m", "ordering", "demo", "--id=1", "--count=1", "--json"]
        command += [f"--listen={hosts[0].ipv4}:4000", f"--peer=2={hosts[1].ipv4}:4000"]
        process = hosts[0].popen(
            [*command, "--timeout=0.5"], stdout=demo_multicast.subprocess.PIPE, stderr=-1
        )
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.decode() == f"ordering: not reached: member 2 at {hosts[1].ipv4}:4000\n"
    assert json.loads(output)["agreed"] is None
