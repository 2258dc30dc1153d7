"""Reference broadcasts on real sockets: hosts in namespaces, whose true offsets are known."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from importlib import resources

import jsonschema
import pytest

from clocksync.peers.endpoint import Endpoint, PeerSettings, wrong_clock
from clocksync.rbs.beacon import Beacon
from clocksync.rbs.receiver import FRAMES, Ended, ReceiverSettings
from clocksync.rbs.report import to_document
from clocksync.rbs.run import ReferenceBroadcasts
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security import keys
from tests.namespaces import bridge
from tests.sockets.two_bridges import two_bridges

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(240)]

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/rbs-1.json").read_text())
GROUP = ("239.192.0.7", 3191)
OFFSETS = {1: 0, 2: 3 * SECOND, 3: -5 * MILLISECOND, 4: 40_000}
COMMAND = [sys.executable, "-m", "clocksync", "rbs"]


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "fleet.key"
    keys.generate(path)
    return path


def network(number, address, key):
    return PeerSettings(id=number, listen=(address, 3190), key_file=key, multicast=GROUP)


async def inside(host, stack, manager):
    """Enter it in that host: its sockets are born there."""
    with host.inside():
        return await stack.enter_async_context(manager)


def beacon(number, host, key):
    # Slow enough that a machine that stalls for a while misses a part of them, not all.
    core = Beacon(number, 20 * MILLISECOND)
    return Endpoint(core, FRAMES, network(number, host.ipv4, key))


def receiver(number, networks, **settings):
    settings = ReceiverSettings(**{"broadcasts": 40, **settings})
    return ReferenceBroadcasts(networks, settings, clock=wrong_clock(OFFSETS[number], 0))


async def ended(receivers):
    async with asyncio.timeout(90):
        return [await each.ended() for each in receivers]


def check(whole, pairs):
    """Every pair is known, its bound holds the truth and is one."""
    found = {(relation.a, relation.b): relation for relation in whole.relations()}
    assert set(found) == pairs
    for (a, b), relation in found.items():
        assert OFFSETS[b] - OFFSETS[a] in relation.interval
        assert relation.error_bound_ns < 50 * MILLISECOND
        converted = whole.convert(relation.as_of, a, b)
        assert relation.as_of + OFFSETS[b] - OFFSETS[a] in converted
    return found


def test_four_receivers_on_a_bridge_know_all_pairs(key):
    async def run():
        async with AsyncExitStack() as stack:
            *hosts, last = stack.enter_context(bridge(5))
            found = [
                await inside(host, stack, receiver(n, [network(n, host.ipv4, key)]))
                for n, host in enumerate(hosts, 1)
            ]
            await inside(last, stack, beacon(100, last, key))
            assert await ended(found) == [Ended.HEARD] * 4
            return found

    for whole in asyncio.run(run()):
        pairs = check(whole, {(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)})
        assert all(relation.broadcasts >= 3 for relation in pairs.values())
        assert any(relation.bias_ns is not None for relation in pairs.values())
        assert whole.core.web.loops() == ([], 4)
        document = to_document(whole.core, 0)
        jsonschema.validate(document, SCHEMA)
        assert document["cautions"] == []
        with pytest.raises(NotSynchronised, match="clocks of 1 and 9"):
            whole.convert(0, 1, 9)


def test_three_datagrams_in_ten_may_be_lost(key):
    async def run():
        async with AsyncExitStack() as stack:
            *hosts, last = stack.enter_context(bridge(4))
            for host in hosts:
                host.lose(0.3)
            found = [
                await inside(host, stack, receiver(n, [network(n, host.ipv4, key)]))
                for n, host in enumerate(hosts, 1)
            ]
            await inside(last, stack, beacon(100, last, key))
            assert await ended(found) == [Ended.HEARD] * 3
            return found

    for whole in asyncio.run(run()):
        check(whole, {(1, 2), (1, 3), (2, 3)})


def test_hosts_on_two_bridges_are_joined_by_one_that_is_on_both(key):
    """Nothing passes between the bridges, but what the shared host has found."""

    async def run():
        async with AsyncExitStack() as stack:
            left, right, shared = stack.enter_context(two_bridges(2, 2))
            both = [network(2, shared.ipv4, key), network(2, shared.ipv4_right, key)]
            found = [
                await inside(left[1], stack, receiver(1, [network(1, left[1].ipv4, key)])),
                await inside(shared, stack, receiver(2, both)),
                await inside(right[1], stack, receiver(3, [network(3, right[1].ipv4, key)])),
            ]
            await inside(left[0], stack, beacon(100, left[0], key))
            await inside(right[0], stack, beacon(101, right[0], key))
            await ended(found)
            return found

    found = asyncio.run(run())
    for whole in found:
        pairs = check(whole, {(1, 2), (1, 3), (2, 3)})
        assert (pairs[1, 3].hops, pairs[1, 3].via) == (2, 2)
    assert set(found[0].core.contacts) == {2}, "1 hears nothing of 3 itself"


def test_who_lacks_the_key_moves_nothing(key, tmp_path):
    other = tmp_path / "other.key"
    keys.generate(other)

    async def run():
        async with AsyncExitStack() as stack:
            *hosts, last = stack.enter_context(bridge(4))
            found = [
                await inside(hosts[n], stack, receiver(n + 1, [network(n + 1, hosts[n].ipv4, key)]))
                for n in (0, 1)
            ]
            stranger = receiver(3, [network(3, hosts[2].ipv4, other)])
            await inside(hosts[2], stack, stranger)
            await inside(last, stack, beacon(100, last, key))
            await ended(found)
            assert stranger.core.count == 0
            return found

    for whole in asyncio.run(run()):
        check(whole, {(1, 2)})


def test_without_probes_the_bound_is_what_was_assumed(key):
    settings = {"two_way": False, "arrival_spread_ns": SECOND}

    async def run():
        async with AsyncExitStack() as stack:
            *hosts, last = stack.enter_context(bridge(3))
            found = [
                await inside(host, stack, receiver(n, [network(n, host.ipv4, key)], **settings))
                for n, host in enumerate(hosts, 1)
            ]
            await inside(last, stack, beacon(100, last, key))
            await ended(found)
            return found

    for whole in asyncio.run(run()):
        pairs = {(relation.a, relation.b): relation for relation in whole.relations()}
        assert OFFSETS[2] in pairs[1, 2].interval
        assert pairs[1, 2].bias_ns is None
        document = to_document(whole.core, 0)
        jsonschema.validate(document, SCHEMA)
        assert (document["bound"], document["arrival_spread_s"]) == ("arrival spread assumed", 1.0)


def test_the_commands_on_a_bridge(key, tmp_path):
    """As a user runs them: a beacon of so many, and a receiver that is told to stop."""
    with bridge(4) as hosts:
        addresses = [f"{host.ipv4}:3190" for host in hosts]
        common = ["--group", "239.192.0.7:3191", "--key", str(key)]

        def start(host, *arguments):
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            return hosts[host].popen([*COMMAND, *arguments, *common], **pipes)

        def receive(host, *arguments):
            numbered = ["--id", str(host + 1), "--listen", addresses[host]]
            return start(host, "receiver", *numbered, *arguments)

        figure = tmp_path / "precision.svg"
        running = [
            receive(0, "--broadcasts", "40", "--json"),
            receive(1, "--broadcasts", "40", "--offset", "3", "--plot", str(figure)),
            receive(2, "--duration", "60", "--offset=-5ms", "--json"),
        ]
        sender = start(3, "beacon", "--id", "100", "--listen", addresses[3])
        first, second = (process.communicate(timeout=100) for process in running[:2])
        running[2].send_signal(signal.SIGINT)
        third = running[2].communicate(timeout=100)
        sender.terminate()
        said, _ = sender.communicate(timeout=100)
    assert [process.returncode for process in (*running, sender)] == [0, 0, 0, 0]
    assert said.decode().startswith("beacon 100 to 239.192.0.7:3191 every 10.0 ms\nsent ")
    for output, errors in (first, third):
        document = json.loads(output)
        jsonschema.validate(document, SCHEMA)
        assert errors == b""
        pairs = {(pair["a"], pair["b"]): pair for pair in document["pairs"]}
        assert set(pairs) == {(1, 2), (1, 3), (2, 3)}
        for pair, truth in (((1, 2), 3.0), ((1, 3), -0.005), ((2, 3), -3.005)):
            assert abs(pairs[pair]["offset_s"] - truth) <= pairs[pair]["error_bound_s"]
    assert json.loads(first[0])["broadcasts"] == 40
    text = second[0].decode()
    assert " s ahead" in text
    assert "3 pairs from" in text
    assert figure.read_text().startswith("<?xml")


def test_a_receiver_without_a_group_or_with_two_numbers_cannot_be(key):
    async def run(networks):
        return ReferenceBroadcasts(networks)

    plain = PeerSettings(id=1, listen=("127.0.0.1", 0))
    for networks, words in (
        ([], "needs the multicast group"),
        ([plain], "needs the multicast group"),
        ([network(1, "127.0.0.1", key), network(2, "127.0.0.1", key)], "one number"),
    ):
        with pytest.raises(BadConfig, match=words):
            asyncio.run(run(networks))
