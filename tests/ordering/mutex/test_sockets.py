"""Mutexes over real sockets: several members on the loopback, each with a socket of its own."""

import asyncio
import os
import socket
import subprocess
import sys
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND
from ordering.mutex import ALGORITHMS, EpochBegan, EpochConfig, LinkedMutex, join
from ordering.mutex.sockets import free_endpoints, measure_on_sockets

# Leases that no busy machine misses: losing one is right, but not what is tested here.
PATIENT = EpochConfig(heartbeat_ns=100 * MILLISECOND, lease_ns=3_000 * MILLISECOND)
LIMIT_S = 60


async def members(stack, count, **settings):
    """The mutexes of a group, by number."""
    where = dict(enumerate(free_endpoints(count), start=1))
    mutexes = {}
    for me, listen in where.items():
        peers = {peer: address for peer, address in where.items() if peer != me}
        joined = join(me, listen=listen, peers=peers, **settings)
        mutexes[me] = await stack.enter_async_context(joined)
    return mutexes


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_members_enter_one_at_a_time_and_all_can_leave(algorithm):
    inside, tokens = [], []

    async def work(mutex):
        for _ in range(5):
            async with mutex.acquire() as grant:
                inside.append(grant)
                assert len(inside) == 1
                tokens.append(grant.fencing_token)
                await asyncio.sleep(0)
                inside.remove(grant)

    async def main():
        async with asyncio.timeout(LIMIT_S), AsyncExitStack() as stack:
            group = await members(stack, 3, algorithm=algorithm, epochs=False)
            async with asyncio.TaskGroup() as tasks:
                for mutex in group.values():
                    tasks.create_task(work(mutex))

    asyncio.run(main())
    assert len(tokens) == 15
    assert tokens == sorted(set(tokens))


@pytest.mark.slow
def test_with_epochs_a_member_leaves_and_the_others_go_on():
    async def main():
        async with asyncio.timeout(LIMIT_S), AsyncExitStack() as outer:
            async with AsyncExitStack() as inner:
                where = dict(enumerate(free_endpoints(3), start=1))

                def joined(me):
                    peers = {peer: address for peer, address in where.items() if peer != me}
                    return join(me, listen=where[me], peers=peers, config=PATIENT)

                group = {2: await outer.enter_async_context(joined(2))}
                group[3] = await outer.enter_async_context(joined(3))
                leader = await inner.enter_async_context(joined(1))
                async with leader.acquire() as first:
                    pass
            async with group[3].acquire() as second:
                assert second.fencing_token > first.fencing_token
            core = group[3].core
            assert isinstance(core, LinkedMutex)
            assert core.inner.members == (2, 3)
            began = [event for event in group[3].events if isinstance(event, EpochBegan)]
            assert began[-1].members == (2, 3)

    asyncio.run(main())


@pytest.mark.slow
def test_what_is_measured_on_sockets_is_what_is_predicted():
    rows = {row.algorithm: row for row in asyncio.run(measure_on_sockets(3))}
    assert list(rows) == [*ALGORITHMS, "ring, agreed", "ring, safe"]
    assert rows["central"].messages == 3
    assert rows["ricart-agrawala"].messages == 4
    assert rows["lamport-queue"].messages == rows["majority"].messages == 6
    assert rows["suzuki-kasami"].messages == 3
    assert rows["ring, agreed"].messages > 2, "a request, a release, and the token"
    assert all(row.tokens_grew for row in rows.values())


def test_groups_of_different_names_do_not_hear_each_other():
    async def main():
        where = free_endpoints(2)
        async with AsyncExitStack() as stack:
            for me, name in ((1, "one"), (2, "another")):
                joined = join(
                    me,
                    listen=where[me - 1],
                    peers={3 - me: where[2 - me]},
                    name=name,
                    epochs=False,
                )
                mutex = await stack.enter_async_context(joined)
            with pytest.raises(TimeoutError):
                async with mutex.acquire(timeout_s=0.05):
                    pass

    asyncio.run(main())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"algorithm": "hope"}, "'hope' is no algorithm: choose from central"),
        ({"me": 2}, "member 2 is this one"),
        ({"listen": "nowhere"}, "write host:port"),
        ({"peers": {2: "127.0.0.1:0"}}, "member 2 at 127.0.0.1:0: not a port of its own"),
        ({"peers": {2: "127.0.0.1:4100"}}, "not a port of its own"),
    ],
)
def test_impossible_groups_are_refused_in_a_line(given, says):
    settings = {"me": 1, "listen": "127.0.0.1:4100", "peers": {2: "127.0.0.1:4101"}} | given

    async def main():
        async with join(settings.pop("me"), **settings):
            pass

    with pytest.raises(BadConfig, match=says) as raised:
        asyncio.run(main())
    assert "\n" not in str(raised.value)


MEMBER = """
import asyncio, sys
from clocksync.runtime.units import MILLISECOND
from ordering.mutex import EpochConfig, join

me, where = int(sys.argv[1]), dict(enumerate(sys.argv[2:], start=1))
config = EpochConfig(heartbeat_ns=50 * MILLISECOND, lease_ns=1000 * MILLISECOND)

async def main():
    listen = where.pop(me)
    async with join(me, listen=listen, peers=where, config=config) as mutex:
        async with mutex.acquire():
            pass
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            async with mutex.acquire() as grant:
                print(grant.fencing_token, *mutex.core.inner.members, flush=True)
                await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def said(process):
    """The next line of a member."""
    return process.stdout.readline().split()


@pytest.mark.slow
def test_the_others_go_on_when_the_holder_is_killed():
    where = free_endpoints(3)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with ExitStack() as stack:
        processes = {}
        for me in (1, 2, 3):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", MEMBER, str(me), *where],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(process.kill)
            processes[me] = process
        assert all(said(process) == ["ready"] for process in processes.values())
        processes[1].stdin.write("enter\n")
        processes[1].stdin.flush()
        first, *members = map(int, said(processes[1]))
        assert 1 in members
        processes[1].kill()  # the coordinator, and inside
        processes[3].stdin.write("enter\n")
        processes[3].stdin.flush()
        second, *members = map(int, said(processes[3]))
        assert second > first
        assert 1 not in members


@pytest.mark.slow
def test_garbage_is_no_message_of_anybody():
    async def main():
        where = dict(enumerate(free_endpoints(2), start=1))
        async with asyncio.timeout(LIMIT_S), AsyncExitStack() as stack:
            mutexes = []
            for me in (1, 2):
                joined = join(
                    me, listen=where[me], peers={3 - me: where[3 - me]}, epochs=False, name="g"
                )
                mutexes.append(await stack.enter_async_context(joined))
            host, _, port = where[1].rpartition(":")
            with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                for size in range(300):
                    stranger.sendto(
                        bytes([0xC1, 0x0C, 1, 0x20][:size]) + bytes(size), (host, int(port))
                    )
            async with mutexes[1].acquire() as grant:
                assert grant.fencing_token == 1 << 44 | 1
            assert mutexes[0].core.links.strangers == 0, "nothing came through the envelope"

    asyncio.run(main())
