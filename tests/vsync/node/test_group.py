"""What an application sees of a group: on real sockets, in one process."""

import asyncio
import threading
import time
from contextlib import contextmanager, nullcontext

import pytest

from clocksync.runtime.errors import BadConfig
from tests.vsync.node.loopback import (
    CONFIG,
    SOON_S,
    blocking,
    free_ports,
    joinings,
    messages,
    seen,
    together,
)
from vsync.check import judge, read_files
from vsync.config import RingConfig
from vsync.events import Configuration, Messages, SetTimer, Submit
from vsync.identity import Service
from vsync.node.joining import join
from vsync.node.message import Message, NotAMember
from vsync.node.told import SlowConsumer
from vsync.states import Timer

pytestmark = pytest.mark.slow


def run(program, seconds=3 * SOON_S):
    """A test that is a coroutine."""
    asyncio.run(asyncio.wait_for(program, seconds))


def test_all_members_see_the_same_messages_with_the_same_stamps():
    async def program():
        async with together(3) as groups:
            for n in range(20):
                for group in groups:
                    await group.multicast(b"%d of %d" % (n, group.id))
            got = [await messages(group, 60) for group in groups]
            assert got[0] == got[1] == got[2]
            stamps = [message.timestamp for message in got[0]]
            assert stamps == sorted(set(stamps))
            now = time.time_ns()
            assert all(abs(m.timestamp - now) <= m.error + 10 * 10**9 for m in got[0])
            assert len({message.name for message in got[0]}) == 60

    run(program())


@pytest.mark.parametrize("service", Service)
def test_a_message_is_delivered_to_its_sender_with_its_stamp(service):
    async def program():
        async with together(3) as groups:
            message = await groups[1].deliver(b"hello", service)
            assert (message.payload, message.origin, message.service) == (b"hello", 2, service)
            (elsewhere,) = await messages(groups[0], 1)
            assert elsewhere == message

    run(program())


def test_many_messages_at_once_keep_their_order():
    async def program():
        async with together(2) as (one, other):
            sent = [b"%d" % n for n in range(5000)]
            await one.multicast(b"first")
            handles = await one.multicast_many(sent)
            await one.multicast(b"last")
            assert len(handles) == 5000
            got = [message.payload for message in await messages(other, 5002)]
            assert got == [b"first", *sent, b"last"]

    run(program())


def test_messages_come_by_the_datagram_for_who_wants_speed():
    async def program():
        async with together(2) as (one, other):
            await one.multicast_many([b"x"] * 3000)
            count = 0
            async for events in other.batches():
                assert all(isinstance(event, Messages | Configuration) for event in events)
                count += sum(len(e.payloads) for e in events if isinstance(e, Messages))
                if count == 3000:
                    break

    run(program())


@pytest.mark.parametrize("size", [0, 1400, 60_000, 1 << 20, 8 << 20])
def test_messages_of_any_size_arrive_whole(size):
    async def program():
        async with together(2) as (one, other):
            payload = bytes(range(256)) * (size // 256 + 1)
            await one.multicast(payload[:size])
            (message,) = await messages(other, 1)
            assert message.payload == payload[:size]

    run(program())


def test_who_leaves_is_told_apart_from_who_is_lost():
    async def program():
        first, second = joinings(2)
        async with first as group:
            async with second as leaving:
                await seen(group, (1, 2))
                await seen(leaving, (1, 2))
                await leaving.multicast(b"my last words")
            before = await seen(group, (1,))
        assert [m.payload for m in before if isinstance(m, Message)] == [b"my last words"]
        assert leaving.has_ended
        with pytest.raises(NotAMember):
            await leaving.multicast(b"too late")

    run(program())


def test_iteration_ends_when_the_member_has_left():
    async def program():
        async with together(1) as (group,):
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(drained(group))
                await group.deliver(b"x")
                await group.leave()
            assert [e.payload for e in reading.result() if isinstance(e, Message)] == [b"x"]

    run(program())


def test_an_exception_of_the_application_ends_its_membership_cleanly():
    async def program():
        first, second = joinings(2)
        async with first as group:

            async def fail():
                async with second as failing:
                    await seen(group, (1, 2))
                    await seen(failing, (1, 2))
                    raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await fail()
            await seen(group, (1,))

    run(program())


def test_a_cancelled_wait_leaves_the_message_on_its_way():
    async def program():
        async with together(2) as (one, other):
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(one.deliver(b"sent all the same"))
                await asyncio.sleep(0)
                waiting.cancel()
            (message,) = await messages(other, 1)
            assert message.payload == b"sent all the same"
            assert (await one.deliver(b"next")).payload == b"next"

    run(program())


def test_who_sends_faster_than_the_ring_waits_and_loses_nothing():
    config = RingConfig.within(300_000_000, queue_messages_max=50)

    async def program():
        async with together(2, config=config) as (one, other):

            async def send():
                for n in range(2000):
                    await one.multicast(b"%d" % n)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(send())
                got = await messages(other, 2000)
            assert [int(message.payload) for message in got] == list(range(2000))

    run(program())


def block(seconds):
    """What an application does that computes, or waits where it should not."""
    time.sleep(seconds)


async def drained(group):
    """All there is, to its end."""
    return [event async for event in group]


def test_a_blocked_event_loop_does_not_lose_the_ring():
    """The application works for five token timeouts and more without a pause."""

    async def program():
        async with together(3) as groups:
            block(5 * CONFIG.token_loss_ns / 1e9)
            await groups[0].multicast(b"still here")
            for group in groups:
                async with asyncio.timeout(SOON_S):
                    async for event in group:
                        assert not isinstance(event, Configuration), event
                        break

    run(program())


async def chat(group, count):
    """Say something, and go on when it has come back."""
    for n in range(count):
        await group.deliver(b"%d" % n)


def test_who_waits_for_each_message_goes_on_without_waking_the_rings_thread():
    async def program():
        # A machine that stalls for longer than the timeout would part them.
        async with together(3, config=RingConfig.within(3_000_000_000)) as groups:
            group, told_in = groups[1], []
            right = group.told

            def told(events):
                told_in.append(threading.get_ident())
                right(events)

            group.told = told
            rotations = group.loop.rotations
            await chat(group, 200)
            assert told_in.count(threading.get_ident()) > 20
            assert group.loop.rotations - rotations < 200
            assert [m.payload for m in await messages(groups[2], 200)] == [
                b"%d" % n for n in range(200)
            ]

    run(program())


@contextmanager
def waiting(loop):
    """The ring's thread has nothing to do, and stays so."""
    is_waiting, go_on = threading.Event(), threading.Event()

    def wait():
        if loop._inputs:
            return [(loop._wake, 0)]
        is_waiting.set()
        go_on.wait(SOON_S)
        del loop._wait
        return []

    loop._wait = wait
    loop.post(lambda: None)
    assert is_waiting.wait(SOON_S)
    try:
        yield
    finally:
        go_on.set()


@pytest.mark.parametrize("error", [RuntimeError("in a step"), KeyboardInterrupt()])
def test_what_goes_wrong_in_the_callers_thread_ends_the_member(error, monkeypatch):
    async def program():
        async with together(2) as (one, other):
            right = one.loop.engine.step

            def step(now, clock, event):
                if isinstance(event, Submit) and event.payloads == [b"x"]:
                    raise error
                return right(now, clock, event)

            monkeypatch.setattr(one.loop.engine, "step", step)
            is_the_callers = not isinstance(error, Exception)
            told = pytest.raises(type(error)) if is_the_callers else nullcontext()
            with waiting(one.loop), told:
                await one.multicast_many([b"x"])
            await seen(other, (2,))
            with pytest.raises(type(error)):
                await seen(one, (1, 2, 3))

    run(program())


def test_a_timer_set_in_the_callers_thread_wakes_the_ring_sooner():
    async def program():
        async with together(2) as (one, _):
            loop = one.loop
            with waiting(loop):
                assert loop._waits
                generation = loop.engine._generations[Timer.MERGE]
                loop._on_set_timer(SetTimer(Timer.MERGE, generation, loop._due_ns - 1))
                assert not loop._waits

    run(program())


def test_a_slow_consumer_slows_the_ring_down_and_loses_nothing():
    async def program():
        async with together(2, backlog_bytes=50_000) as (one, other):
            payload = bytes(1000)
            await one.multicast_many([payload] * 150)
            await asyncio.sleep(0.5)
            got = await asyncio.gather(messages(one, 150), messages(other, 150))
            assert got[0] == got[1]

    run(program())


def test_who_does_not_take_its_messages_at_all_has_to_go_and_the_others_go_on():
    async def program():
        first, second = joinings(2)
        second.backlog_bytes = 10_000
        async with first as group:
            async with second as slow:
                await seen(group, (1, 2))
                await seen(slow, (1, 2))
                await group.multicast_many([bytes(1000)] * 5000)
                before = await seen(group, (1,))
                with pytest.raises(SlowConsumer, match="delivered and not taken"):
                    await drained(slow)
            late = 5000 - sum(isinstance(event, Message) for event in before)
            assert len(await messages(group, late) if late else []) == late

    run(program())


def test_members_of_another_group_on_the_same_ports_are_not_heard():
    async def program():
        ports = free_ports(2)
        at = {1: f"127.0.0.1:{ports[0]}", 2: f"127.0.0.1:{ports[1]}"}
        async with (
            join(
                "a", id=1, listen=at[1], peers={2: at[2]}, insecure_plaintext=True, config=CONFIG
            ) as one,
            join("b", id=2, listen=at[2], peers={1: at[1]}, insecure_plaintext=True, config=CONFIG),
        ):
            await seen(one, (1,))
            await asyncio.sleep(0.5)
            assert one.configuration is not None
            assert one.configuration.members == (1,)
            assert one.loop.dropped["wrong cluster"] > 0

    run(program())


def test_histories_of_a_group_keep_every_promise(tmp_path):
    async def program():
        members = joinings(2)
        for one in members:
            one.history = tmp_path / f"{one.id}.jsonl"
        async with members[0] as group, members[1] as other:
            await seen(group, (1, 2))
            await seen(other, (1, 2))
            for service in Service:
                await group.multicast_many([b"x"] * 100, service)
                await other.deliver(b"y", service)
            await messages(group, 202)

    run(program())
    events = read_files(sorted(tmp_path.glob("*.jsonl")))
    assert not judge(events).violations
    assert sum(event["event"] == "deliver" for event in events) >= 404
    assert sum(event["event"] == "leave" for event in events) == 2


def test_ipv6_does_too():
    async def program():
        ports = free_ports(2)
        at = {n: f"[::1]:{port}" for n, port in enumerate(ports, 1)}
        config = RingConfig.within(300_000_000, datagram_bytes=1452)
        plain = {"insecure_plaintext": True, "config": config}
        async with (
            join("v6", id=1, listen=at[1], peers={2: at[2]}, **plain) as one,
            join("v6", id=2, listen=at[2], peers={1: at[1]}, **plain) as other,
        ):
            await seen(one, (1, 2))
            await other.multicast(b"six")
            assert [m.payload for m in await messages(one, 1)] == [b"six"]

    run(program())


# Without asyncio


def test_a_program_without_asyncio_sees_the_same():
    with blocking(2) as (one, other):
        message = one.deliver(b"hello", Service.SAFE)
        assert other.receive(SOON_S) == message
        assert one.receive(SOON_S) == message
        other.multicast_many([b"%d" % n for n in range(100)])
        got = [one.receive(SOON_S) for _ in range(100)]
        assert [m.payload for m in got if isinstance(m, Message)] == [b"%d" % n for n in range(100)]
        other.leave(SOON_S)
        with pytest.raises(NotAMember):
            other.multicast(b"too late")


# What cannot be


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"insecure_plaintext": False}, "no key: make one with `vsync key generate FILE`"),
        ({"key": "/nowhere/key"}, "contradict each other"),
        ({"insecure_plaintext": False, "key": "/nowhere/key"}, "/nowhere/key"),
        ({"id": 0}, "--id 0 is not in 1 to 65534"),
        ({"id": 65535}, "--id 65535 is not in"),
        ({"peers": {1: "127.0.0.1:1"}}, "--peer 1 is this member itself"),
        ({"peers": {0: "127.0.0.1:1"}}, "--peer 0: members are"),
        ({"group": ""}, "a group needs a name"),
        ({"listen": "127.0.0.1"}, "is no address"),
        ({"listen": "no.such.host.invalid:1"}, "cannot be resolved"),
        ({"listen": "192.0.2.1:5000"}, "--listen 192.0.2.1:5000: cannot assign requested address"),
        ({"peers": {2: "[::1]:5000"}}, "not of one family"),
        ({"state": "/proc/nowhere"}, "--state /proc/nowhere"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(change, says):
    plain = {"group": "g", "id": 1, "listen": "127.0.0.1:0", "peers": {}}
    plain |= {"insecure_plaintext": True} | change
    with pytest.raises(BadConfig, match=says) as refused, join(**plain):
        pass
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("wrong", ["text", None, 5])
def test_a_message_is_bytes(wrong):
    with blocking(1) as (group,), pytest.raises(TypeError, match="a message is bytes"):
        group.multicast(wrong)


def test_a_message_over_the_limit_is_the_callers_mistake():
    config = RingConfig.within(300_000_000, message_bytes_max=100)
    with blocking(1, config=config) as (group,):
        with pytest.raises(ValueError, match="101 bytes: message_bytes_max is 100"):
            group.multicast(bytes(101))
        group.multicast(bytes(100))
