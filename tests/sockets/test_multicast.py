"""Groups over real sockets on loopback: every order, bad networks, bad datagrams, bad settings."""

import asyncio
import json
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from clocksync.runtime import envelope, mmsg
from clocksync.runtime.addresses import parse_endpoint
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import BadConfig, MisusedCore
from ordering.demo import Tally, multicast, parse_peers, unattended
from ordering.links.segment import Segment
from ordering.multicast import Closed, Group, MemberSettings, NotReached, Order, Rule, join
from ordering.multicast.group import DELIVERIES_MAX, cluster_of
from ordering.multicast.properties import Observed, What, judge
from tests.relay import Relay

PATIENCE_S = 60.0


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(110):
            await test()

    asyncio.run(bounded())


def free_addresses(count: int, host: str = "127.0.0.1") -> list[str]:
    """Addresses nobody listens on: the sockets that find them are closed only when all are."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            sock.bind((host, 0))
            shown = f"[{host}]" if ":" in host else host
            found.append(f"{shown}:{sock.getsockname()[1]}")
        return found


@asynccontextmanager
async def groups(count: int, host: str = "127.0.0.1", **options: Any) -> AsyncIterator[list[Group]]:
    """Members 1 to `count` of one group, all in this process, which have reached each other."""
    where = dict(enumerate(free_addresses(count, host), start=1))
    async with AsyncExitStack() as stack:
        joined = [
            await stack.enter_async_context(
                join(me, listen=where[me], peers=_without(where, me), **options)
            )
            for me in where
        ]
        for group in joined:
            await group.reach(PATIENCE_S)
        yield joined


def _without(where: dict[int, str], me: int) -> dict[int, str]:
    return {member: address for member, address in where.items() if member != me}


async def record(group: Group, observed: Observed, expected: int) -> None:
    """Write down deliveries until there are as many as expected."""
    log = observed.logs[group.member.me]
    delivered = 0
    async with asyncio.timeout(PATIENCE_S):
        async for delivery in group:
            log.append((What.DELIVERED, delivery.origin, delivery.message))
            while group.previews:
                preview = group.previews.popleft()
                log += [(What.PREVIEWED, preview.origin, text) for text in preview.messages]
            delivered += 1
            if delivered == expected:
                return


async def talk(joined: list[Group], each: int, observed: Observed) -> None:
    """Everybody multicasts `each` messages of all sizes, and takes everybody's."""

    async def say(group: Group) -> None:
        sizes = random.Random(group.member.me)
        for number in range(each):
            text = b"%d from %d " % (number, group.member.me)
            message = text.ljust(sizes.choice((0, 64, 3000)), b".")
            observed.logs[group.member.me].append((What.MULTICAST, group.member.me, message))
            await group.multicast(message)
            if number % 7 == 0:
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        for group in joined:
            tasks.create_task(record(group, observed, each * len(joined)))
            tasks.create_task(say(group))


@pytest.mark.parametrize("order", list(Order))
def test_every_order_holds_between_three_members(order: Order) -> None:
    async def test() -> None:
        async with groups(3, order=order) as joined:
            observed = Observed({1: [], 2: [], 3: []})
            await talk(joined, 200, observed)
            observed.is_quiet = True
            # Previews are taken beside deliveries here, so their place among them tells nothing.
            offences = [line for line in judge(observed, order) if "what_was_seen" not in line]
            assert offences == []

    run(test)


@pytest.mark.slow
@pytest.mark.parametrize("order", [Order.TOTAL, Order.CAUSAL])
def test_order_holds_over_a_network_that_loses_repeats_corrupts_and_reorders(order: Order) -> None:
    async def test() -> None:
        one, two = free_addresses(2)
        faults = {"loss": 0.15, "duplication": 0.1, "reordering": 0.2, "corruption": 0.05}
        faults |= {"replay": 0.1, "hold_ns": 5_000_000, "forward_delay_ns": 1_000_000}
        with (
            Relay(parse_endpoint(two), seed=1, **faults) as there,
            Relay(parse_endpoint(one), seed=2, **faults) as back,
        ):
            relays = {2: "{}:{}".format(*there.address)}, {1: "{}:{}".format(*back.address)}
            async with (
                join(1, listen=one, peers=relays[0], order=order) as first,
                join(2, listen=two, peers=relays[1], order=order) as second,
            ):
                await first.reach(PATIENCE_S)
                await second.reach(PATIENCE_S)
                observed = Observed({1: [], 2: []})
                await talk([first, second], 80, observed)
                observed.is_quiet = True
                assert judge(observed, order) == []
                assert first.driver.counters.malformed[envelope.BAD_CHECKSUM] > 0
                assert first.member.links.of[2].counters.resent > 0
                assert second.member.links.of[1].counters.duplicates > 0

    run(test)


@pytest.mark.parametrize(("host", "batched"), [("::1", True), ("127.0.0.1", False), ("::1", False)])
def test_order_holds_over_ipv6_and_without_batched_system_calls(
    host: str, batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with groups(2, host) as joined:
            observed = Observed({1: [], 2: []})
            await talk(joined, 50, observed)
            observed.is_quiet = True
            assert judge(observed, Order.TOTAL) == []
            address = joined[0].driver.address
            with socket.socket(
                socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
            ) as sock:
                sock.sendto(b"foreign", address)
                malformed = joined[0].driver.counters.malformed
                assert await joined[0].wait_for(lambda: malformed.total() == 1, PATIENCE_S)

    if not batched:
        monkeypatch.setattr(mmsg, "available", lambda: False)
    run(test)


@contextmanager
def stranger(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Somebody who sends what they like."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        yield sock


def _segment(**changed: Any) -> Segment:
    given = {"incarnation": 77, "to_incarnation": 0, "sequence": 0, "received_up_to": 0}
    given |= {"received_beyond": 0, "window": 256, "payload": b"", **changed}
    return Segment(**given)


def _cluster(group: Group) -> int:
    return cluster_of("", group.member.members, group.member.settings)


async def _both_deliver(joined: list[Group], text: bytes) -> None:
    await joined[0].multicast(text)
    async with asyncio.timeout(PATIENCE_S):
        for group in joined:
            async for delivery in group:
                assert delivery.message == text
                break


def test_foreign_datagrams_are_counted_by_reason_and_change_nothing() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            group = joined[0]
            cluster = _cluster(group)
            good = Envelope((Segment,), cluster, 2).encode(_segment())
            newer = good[:2] + b"\x09" + good[3:]
            bad = {
                b"": envelope.TOO_SHORT,
                b"GET / HTTP/1.1\r\n": envelope.FOREIGN_MAGIC,
                newer: envelope.OTHER_VERSION,
                Envelope((Segment,), cluster + 1, 2).encode(_segment()): envelope.WRONG_CLUSTER,
                good[:-1] + b"\xff": envelope.BAD_CHECKSUM,
                bytes(20_000): "longer than any of ours",
            }
            strangers = group.member.links.strangers
            with stranger() as sock:
                for datagram in bad:
                    sock.sendto(datagram, group.driver.address)
                unknown = Envelope((Segment,), cluster, 9).encode(_segment())
                sock.sendto(unknown, group.driver.address)
                counted = group.driver.counters.malformed
                assert await group.wait_for(
                    lambda: (
                        counted.total() >= len(bad) and group.member.links.strangers > strangers
                    ),
                    PATIENCE_S,
                )
            assert counted == dict.fromkeys(bad.values(), 1)
            assert group.notices == []
            await _both_deliver(joined, b"still here")

    run(test)


def test_members_that_were_told_different_things_say_so() -> None:
    async def test() -> None:
        one, two = free_addresses(2)
        async with (
            join(1, listen=one, peers={2: two}, order="total") as first,
            join(2, listen=two, peers={1: one}, order="fifo") as second,
        ):
            assert await first.wait_for(lambda: bool(first.notices), PATIENCE_S)
            assert await second.wait_for(lambda: bool(second.notices), PATIENCE_S)
            assert first.notices == [
                "member 2: it belongs to another group: the order, the rule, the name and the "
                "members must be the same everywhere"
            ]
            with pytest.raises(NotReached, match=f"not reached: member 2 at {two}"):
                await first.reach(0.01)
            first._close()
            second._close()

    run(test)


def test_two_processes_with_one_number_are_told_apart_and_told_of() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            (spare,) = free_addresses(1)
            second = "{}:{}".format(*joined[1].driver.address)
            async with join(1, listen=spare, peers={2: second}) as impostor:
                assert await joined[1].wait_for(lambda: bool(joined[1].notices), PATIENCE_S)
                assert joined[1].notices[0].startswith("member 1: another process says it is")
                assert impostor.member.unreached == [2]
                await _both_deliver(joined, b"from the real one")
                impostor._close()

    run(test)


def test_a_datagram_in_our_own_name_is_told_of() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            datagram = Envelope((Segment,), _cluster(joined[0]), 1).encode(_segment())
            with stranger() as sock:
                sock.sendto(datagram, joined[0].driver.address)
                assert await joined[0].wait_for(lambda: bool(joined[0].notices), PATIENCE_S)
            assert "somebody else uses this number" in joined[0].notices[0]

    run(test)


def test_a_flood_of_hellos_is_answered_less_often_than_it_asks() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            group, flood = joined[0], 3000
            sent, received = group.driver.counters.sent, group.driver.counters.received
            codec = Envelope((Segment,), _cluster(group), 2)
            ours = group.member.links.incarnation
            datagrams = [
                codec.encode(
                    _segment(to_incarnation=0 if n % 2 else ours, sequence=n, payload=b"x")
                )
                for n in range(100)
            ]
            with stranger() as sock:
                for begun in range(100, flood + 1, 100):
                    for datagram in datagrams:
                        sock.sendto(datagram, group.driver.address)
                    assert await group.wait_for(
                        lambda begun=begun: group.driver.counters.received >= received + begun,
                        PATIENCE_S,
                    )
            assert group.driver.counters.sent - sent < flood // 10
            assert group.member.links.of[2].counters.other_incarnation > flood // 4
            await _both_deliver(joined, b"through the flood")

    run(test)


def test_a_peer_whose_stream_makes_no_sense_is_not_read_any_more() -> None:
    async def test() -> None:
        async with groups(2, order="total") as joined:
            joined[1].member.links.multicast([(99, b"no such record")])
            joined[1].driver.call(lambda now: joined[1].member.note(b""))
            assert await joined[0].wait_for(lambda: bool(joined[0].notices), PATIENCE_S)
            assert "its stream makes no sense" in joined[0].notices[0]

    run(test)


def test_who_does_not_take_its_deliveries_makes_its_peers_wait() -> None:
    async def test() -> None:
        async with groups(2, order="fifo") as joined:
            first, second = joined
            draining = asyncio.ensure_future(_drain(first))
            messages = [bytes(8)] * 4096
            for _ in range(DELIVERIES_MAX // 4096 + 1):
                await first.multicast_many(messages)
                await first.wait_for(lambda: first.member.links.of[2].is_flushed, PATIENCE_S)
            assert await second.wait_for(lambda: second._is_shut, PATIENCE_S)
            # What the open window still takes is bounded; then the sender comes to wait.
            sent = first.member.sent
            while first.has_room:
                await first.multicast_many([bytes(60_000)])
                sent += 1
                await asyncio.sleep(0)
            assert first.backlog_bytes > 0
            taken = 0
            async with asyncio.timeout(PATIENCE_S):
                async for batch in second.batches():
                    taken += len(batch.messages)
                    if taken == sent:
                        break
            await first.wait_for(lambda: first.has_room, PATIENCE_S)
            draining.cancel()

    run(test)


async def _drain(group: Group) -> None:
    async for _ in group.batches():
        pass


def test_who_does_not_take_its_own_deliveries_comes_to_wait_itself() -> None:
    async def test() -> None:
        async with groups(2, order="fifo") as joined:
            first = joined[0]
            draining = asyncio.ensure_future(_drain(joined[1]))
            while first.has_room:
                await first.multicast_many([b""] * 4096)
                await asyncio.sleep(0)
            assert first._untaken < 2 * DELIVERIES_MAX
            waiting = asyncio.ensure_future(first.multicast(b"waits"))
            taken = 0
            async with asyncio.timeout(PATIENCE_S):
                async for batch in first.batches():
                    taken += len(batch.messages)
                    if batch.messages[-1] == b"waits":
                        break
            await waiting
            assert taken == first.member.sent
            draining.cancel()

    run(test)


def test_a_dead_member_is_named_with_how_long_it_is_waited_for() -> None:
    async def test() -> None:
        async with groups(3) as joined:
            joined[2]._close()
            await joined[0].multicast(b"nobody will deliver this")
            assert await joined[0].wait_for(lambda: joined[0].waiting() is not None, PATIENCE_S)
            acknowledged = joined[0].member.order
            await joined[0].wait_for(lambda: acknowledged.waiting() == [3], PATIENCE_S)
            waiting = joined[0].waiting()
            assert waiting is not None
            assert waiting[0] == (3,)
            assert 0 <= waiting[1] < PATIENCE_S
            assert set(await joined[0].leave(timeout_s=0.01)) <= {2, 3}
            joined[1]._close()

    run(test)


def test_who_leaves_ends_its_own_iteration_and_is_missed_by_nobody() -> None:
    async def test() -> None:
        async with groups(3) as joined:
            await joined[2].multicast(b"goodbye")
            assert await joined[2].leave() == ()
            with pytest.raises(Closed, match="has left"):
                await joined[2].multicast(b"too late")
            assert [d.message async for d in joined[2]] in ([], [b"goodbye"])
            await joined[0].multicast(b"and we go on")
            async with asyncio.timeout(PATIENCE_S):
                for group in joined[:2]:
                    deliveries = aiter(group)
                    assert (await anext(deliveries)).message == b"goodbye"
                    assert (await anext(deliveries)).message == b"and we go on"
            assert joined[0].member.left == {3}

    run(test)


def test_a_message_that_is_too_long_is_refused_and_the_longest_is_not() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            with pytest.raises(MisusedCore, match="65536 bytes: at most 65535"):
                await joined[0].multicast(bytes(65_536))
            await _both_deliver(joined, bytes(65_535))

    run(test)


def test_a_failure_of_the_core_reaches_whoever_waits() -> None:
    async def test() -> None:
        async with groups(2) as joined:

            def broken(*_: object) -> None:
                raise AssertionError("a bug")

            joined[0].member.order.settle = broken  # type: ignore[method-assign]
            await joined[0].multicast(b"x")
            with pytest.raises(Closed, match="a bug"):
                async for _ in joined[0]:
                    pass
            joined[1]._close()

    run(test)


@pytest.mark.parametrize(
    ("listen", "peers", "options", "says"),
    [
        ("127.0.0.1:1", {1: "127.0.0.1:2"}, {}, "member 1 is this one, and is named as a peer"),
        ("127.0.0.1:1", {}, {}, "at least two members"),
        (":1", {2: "127.0.0.1:2"}, {}, "is no address"),
        ("127.0.0.1", {2: "127.0.0.1:2"}, {}, "is no address"),
        ("127.0.0.1:70000", {2: "127.0.0.1:2"}, {}, "0 to 65535"),
        ("127.0.0.1:1", {2: "127.0.0.1:0"}, {}, "a peer needs a port"),
        ("127.0.0.1:1", {2: "127.0.0.1:1"}, {}, "is where this member listens"),
        ("127.0.0.1:1", {2: "127.0.0.1:2", 3: "127.0.0.1:2"}, {}, "members 2 and 3 are both"),
        ("127.0.0.1:1", {2: "[::1]:2"}, {}, "IPv4 and IPv6 do not mix"),
        ("127.0.0.1:1", {70_000: "127.0.0.1:2"}, {}, "member 70000 is not in 0 to 65535"),
        ("127.0.0.1:1", {2: "127.0.0.1:2"}, {"order": "chaos"}, "choose from fifo, causal"),
        ("127.0.0.1:1", {2: "127.0.0.1:2"}, {"rule": "none"}, "choose from full, sparing"),
        (
            "127.0.0.1:1",
            {2: "127.0.0.1:2"},
            {"settings": MemberSettings(sequencer=5)},
            "the sequencer 5 is no member",
        ),
    ],
)
def test_impossible_settings_are_named(
    listen: str, peers: dict[int, str], options: dict[str, Any], says: str
) -> None:
    async def test() -> None:
        with pytest.raises(BadConfig, match=says):
            async with join(1, listen=listen, peers=peers, **options):
                pass

    run(test)


def test_it_listens_where_it_was_told_and_nowhere_else() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            host, port = joined[0].driver.address
            assert host == "127.0.0.1"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
                elsewhere.bind(("127.0.0.2", port))  # it would be taken by a wildcard

    run(test)


def test_groups_of_different_members_rules_and_names_do_not_hear_each_other() -> None:
    settings = MemberSettings()
    numbers = {
        cluster_of("", (1, 2), settings),
        cluster_of("", (1, 3), settings),
        cluster_of("x", (1, 2), settings),
        cluster_of("", (1, 2), MemberSettings(rule=Rule.FULL)),
        cluster_of("", (1, 2), MemberSettings(order=Order.FIFO)),
        cluster_of("", (1, 2), MemberSettings(sequencer=2)),
    }
    assert len(numbers) == 6
    assert cluster_of("", (2, 1), settings) in numbers


# The demo.


def test_members_whose_sequences_differ_say_so() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            tallies = [Tally(1), Tally(2)]
            # As if member 2 had delivered something else: only its digest differs.
            tallies[1]._hash.update(b"what nobody else has seen")
            agreed = await asyncio.gather(
                *(
                    unattended(group, tally, 20, 0, PATIENCE_S)
                    for group, tally in zip(joined, tallies, strict=True)
                )
            )
            assert agreed == [False, False]
            assert [tally.delivered for tally in tallies] == [40, 40]

    run(test)


def test_a_digest_tells_sequences_apart() -> None:
    async def test() -> None:
        async with groups(2, order="fifo") as joined:
            tallies = [Tally(1), Tally(2)]
            for group, tally in zip(joined, tallies, strict=True):
                await multicast(group, tally, [b"mine"])
            for group, tally in zip(joined, tallies, strict=True):
                async for batch in group.batches():
                    tally.take(batch)
                    if tally.delivered == 2:
                        break
            # FIFO: each delivers its own at once, and the other's later.
            assert tallies[0].digest != tallies[1].digest

    run(test)


@pytest.mark.slow
def test_three_processes_agree_and_write_histories(tmp_path: Path) -> None:
    where = dict(enumerate(free_addresses(3), start=1))
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "ordering", "demo", "--id", str(me)),
                *("--listen", where[me], "--count", "50", "--json"),
                *(part for n in where if n != me for part in ("--peer", f"{n}={where[n]}")),
                *("--history", str(tmp_path / f"{me}.jsonl")),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in where
    ]
    results = []
    for process in started:
        output, errors = process.communicate(timeout=110)
        assert (process.returncode, errors) == (0, "")
        results.append(json.loads(output.splitlines()[-1]))
    assert [r["id"] for r in results] == [1, 2, 3]
    for told in results:
        expected = {"schema": "ordering.demo/1", "order": "total", "sent": 50, "delivered": 150}
        assert told.items() >= {**expected, "agreed": True}.items()
    assert len({told["digest"] for told in results}) == 1
    sequences = [
        [
            line["message"]
            for line in map(json.loads, (tmp_path / f"{me}.jsonl").read_text().splitlines())
            if line["event"] == "deliver"
        ]
        for me in where
    ]
    assert sequences[0] == sequences[1] == sequences[2]
    assert len(set(sequences[0])) == 150


def _demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ordering", "demo", "--id", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.slow
def test_a_peer_that_is_not_there_is_named_and_the_exit_code_is_2() -> None:
    one, two = free_addresses(2)
    given = ("--listen", one, "--peer", f"2={two}", "--count", "1", "--timeout", "0.3", "--json")
    done = _demo(*given)
    assert done.returncode == 2
    assert done.stderr == f"ordering: not reached: member 2 at {two}\n"
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["delivered"], told["agreed"]) == (0, None)


@pytest.mark.slow
def test_a_port_that_is_taken_is_one_line() -> None:
    with stranger() as sock:
        taken = f"127.0.0.1:{sock.getsockname()[1]}"
        done = _demo("--listen", taken, "--peer", "2=127.0.0.1:9", "--count", "1")
    assert done.returncode == 2
    assert done.stderr == f"ordering: cannot listen on {taken}: address already in use\n"


@pytest.mark.parametrize("text", ["2", "=127.0.0.1:1", "two=127.0.0.1:1", "²=127.0.0.1:1"])
def test_a_peer_without_a_number_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="write its number and address"):
        parse_peers([text])


def test_a_peer_given_twice_is_refused() -> None:
    with pytest.raises(BadConfig, match="member 2 is given twice"):
        parse_peers(["2=127.0.0.1:1", "2=127.0.0.1:2"])
