"""A passive observer of chronyd: what it reports holds the truth, and agrees with who asked.

All hosts of one machine share one clock, so every true offset is 0.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.daemons import Daemon, chrony_client, poll, ptp4l, wait_for_measurements
from tests.namespaces import Host

pytestmark = [pytest.mark.interop, pytest.mark.namespaces, pytest.mark.slow]


@contextmanager
def capturing(host: Host, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """clocksync capture in `host`, which has begun; it ends at Ctrl-C."""
    command = [sys.executable, "-m", "clocksync", "capture", host.device, "--json", *options]
    process = host.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        # Its packet socket is open once the kernel lists one.
        while process.poll() is None:
            listed = host.run(["cat", "/proc/net/packet"]).stdout
            if len(listed.splitlines()) > 1:
                break
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def finish(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    (pair,) = json.loads(out)["pairs"]
    assert pair["impossible"] == 0, pair
    return dict(pair)


def test_the_passive_offset_agrees_with_the_active_one(
    hosts: tuple[Host, Host], chronyd_in_namespace: Daemon
) -> None:
    server, client = hosts
    program = f"import clocksync; m = clocksync.measure_sync(['{server.ipv4}'], burst=True, "
    program += "timeout_ns=10**10); r = m.hosts[0]; print(r.offset_ns, r.error_bound_ns)"
    with capturing(client) as process:
        said = client.run([sys.executable, "-c", program]).stdout
        pair = finish(process)
    offset, bound = (int(each) / 1e9 for each in said.split())
    assert (pair["observer"], pair["relative_to"]) == ("client", "client")
    assert pair["exchanges"] == 8
    assert pair["interleaved"] > 0
    assert abs(pair["offset_s"]) <= pair["error_bound_s"]
    assert abs(pair["offset_s"] - offset) <= pair["error_bound_s"] + bound


def test_a_capture_at_the_server_holds_the_truth(
    hosts: tuple[Host, Host], chronyd_in_namespace: Daemon
) -> None:
    server, client = hosts
    options = "iburst xleave minpoll -4 maxpoll -4"
    with capturing(server) as process:
        with chrony_client(server.ipv4, host=client, options=options) as daemon:
            wait_for_measurements(daemon, 12)
        pair = finish(process)
    assert pair["observer"] == "server"
    assert pair["interleaved"] > 0
    reading = pair["server_to_capture"]
    assert abs(reading["offset_s"]) <= reading["error_bound_s"]


def test_a_ptp_master_is_read_without_taking_part(hosts: tuple[Host, Host]) -> None:
    master, slave = hosts
    with capturing(slave) as process:
        with ptp4l(master, "priority1 1"), ptp4l(slave, "slaveOnly 1") as asking:
            # It says an offset whenever it has asked and was answered.
            poll(asking, lambda: len(re.findall("master offset|rms", asking.output)) >= 8, 60)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    (pair,) = (each for each in document["pairs"] if each["exchanges"])
    assert (pair["protocol"], pair["client"], pair["server"]) == ("PTP", slave.ipv4, master.ipv4)
    assert pair["observer"] == "client"
    assert abs(pair["offset_s"]) <= pair["error_bound_s"]
    assert pair["impossible"] == 0
