"""Ordered multicast: messages/s delivered at every member, and latency, for each order.  [I/O]

Three processes on loopback addresses, all of them sending 64-byte messages as fast as the group
takes them. Throughput is what the slowest member had delivered of everybody's, over the time from
its first delivery to its last. Latency is one message at a time, from multicast to its delivery at
the sender, the others idle. ``python -m benchmarks.multicast [--seconds S] [--orders ...]``
"""

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from rich.table import Table

import vsync
from benchmarks.harness import Impossible, machine, tell, the_machine_alone
from benchmarks.results import record
from clocksync.runtime.units import MICROSECOND
from ordering.multicast import Group, Order, Rule, join
from vsync.node.ordered import OrderedMulticast

MEMBERS = (1, 2, 3)
MESSAGE = bytes(64)
TOGETHER = 64
"""Messages handed over in one call."""
RING_TOGETHER = 1_000
"""The same on a ring, whose datagrams are larger."""
LATENCY_SAMPLES = 1_000
ALL = b"all"
"""What who has everything says."""
LONGEST_S = 60
"""How long members wait for each other."""
RING = "ring"


def _where(port: int) -> dict[int, str]:
    return {member: f"127.0.0.{member}:{port}" for member in MEMBERS}


async def _throughput(group: Group, seconds: float) -> tuple[int, float]:
    """Messages delivered here, and the seconds between the first and the last of them."""
    delivered, first, last = 0, 0.0, 0.0

    async def send() -> None:
        messages = [MESSAGE] * TOGETHER
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            await group.multicast_many(messages)
            await asyncio.sleep(0)

    async def receive() -> None:
        nonlocal delivered, first, last
        async for batch in group.batches():
            delivered += len(batch.messages)
            last = time.perf_counter()
            first = first or last

    async with asyncio.TaskGroup() as tasks:
        receiving = tasks.create_task(receive())
        await send()
        group.note(b"%d" % group.member.sent)
        counts = await _said_by_all(group, lambda note: note != ALL)
        everything = group.member.sent + sum(map(int, counts))
        await _wait(group, lambda: delivered == everything)
        # Nobody leaves before all have everything: it may be the one that decides on the order.
        group.note(ALL)
        await _said_by_all(group, lambda note: note == ALL)
        receiving.cancel()
    return delivered, last - first


async def _said_by_all(group: Group, is_meant: Callable[[bytes], bool]) -> list[bytes]:
    """Wait until every other member has said such a thing; all that they said."""

    def said() -> list[bytes]:
        return [each.note for each in group.notes if is_meant(each.note)]

    await _wait(group, lambda: len(said()) == len(MEMBERS) - 1)
    return said()


async def _wait(group: Group, is_so: Callable[[], bool]) -> None:
    if not await group.wait_for(is_so, LONGEST_S):
        raise TimeoutError(f"not within {LONGEST_S} s")


async def _latency(group: Group, me: int) -> list[int]:
    if me != MEMBERS[-1]:  # not the sequencer, which is the first
        await _wait(group, lambda: bool(group.notes))
        return []
    samples, deliveries = [], group.batches()
    for _ in range(LATENCY_SAMPLES):
        begin = time.perf_counter_ns()
        await group.multicast(MESSAGE)
        await anext(deliveries)
        samples.append(time.perf_counter_ns() - begin)
    await deliveries.aclose()
    group.note(b"done")
    return samples


async def _member(me: int, order: str, rule: str, port: int, seconds: float) -> tuple[object, ...]:
    where = _where(port)
    peers = {member: address for member, address in where.items() if member != me}
    async with join(me, listen=where[me], peers=peers, order=order, rule=rule, name="t") as group:
        await group.reach(LONGEST_S)
        throughput = await _throughput(group, seconds)
        links = [link.counters for link in group.member.links.of.values()]
        resent = sum(link.resent for link in links)
    peers = {member: address.replace(str(port), str(port + 1)) for member, address in peers.items()}
    listen = where[me].replace(str(port), str(port + 1))
    async with join(me, listen=listen, peers=peers, order=order, rule=rule, name="l") as group:
        await group.reach(LONGEST_S)
        latency = await _latency(group, me)
    return (*throughput, latency, resent, time.process_time())


def _process(
    me: int, order: str, rule: str, port: int, seconds: float, fast: bool, to: Connection
) -> None:
    if fast:
        import uvloop

        uvloop.install()
    if rule == RING:
        to.send(asyncio.run(_ring_member(me, order, port, seconds)))
    else:
        to.send(asyncio.run(_member(me, order, rule, port, seconds)))


# The same over a ring


async def _ring_member(me: int, service: str, port: int, seconds: float) -> tuple[object, ...]:
    where = _where(port)
    peers = {member: address for member, address in where.items() if member != me}
    joining = vsync.join("t", id=me, listen=where[me], peers=peers, insecure_plaintext=True)
    async with joining as group:
        ordered = OrderedMulticast(group, vsync.Service(service))
        delivered, first, last, notes = 0, 0.0, 0.0, 0
        samples: list[int] = []
        came, done = asyncio.Event(), asyncio.Event()

        async def receive() -> None:
            nonlocal delivered, first, last, notes
            async for batch in ordered.batches():
                if batch.messages[-1] == b"done":
                    notes += 1
                    done.set()
                    continue
                delivered += len(batch.messages)
                last = time.perf_counter()
                first = first or last
                came.set()

        async def noted(count: int) -> None:
            while notes < count:
                done.clear()
                await done.wait()

        async with asyncio.TaskGroup() as tasks:
            receiving = tasks.create_task(receive())
            await ordered.reach(len(MEMBERS))
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                await ordered.multicast_many([MESSAGE] * RING_TOGETHER)
                await asyncio.sleep(0)
            await ordered.multicast(b"done")
            await noted(len(MEMBERS))
            counted = delivered, last - first
            if me == MEMBERS[-1]:
                for _ in range(LATENCY_SAMPLES):
                    came.clear()
                    begin = time.perf_counter_ns()
                    await ordered.multicast(MESSAGE)
                    await came.wait()
                    samples.append(time.perf_counter_ns() - begin)
                await ordered.multicast(b"done")
            await noted(len(MEMBERS) + 1)
            receiving.cancel()
        return (*counted, samples, group.loop.resent, time.process_time())


def measure(order: str, rule: str, port: int, seconds: float, fast: bool) -> tuple[float, ...]:
    """One row of the table: messages/s, two latencies in us, and how many were sent again."""
    spawn = multiprocessing.get_context("spawn")
    running = []
    for me in MEMBERS:
        ours, theirs = spawn.Pipe()
        given = (me, order, rule, port, seconds, fast, theirs)
        process = spawn.Process(target=_process, args=given, daemon=True)
        process.start()
        running.append((process, ours))
        theirs.close()  # so that its end is seen here
    try:
        results = [ours.recv() for _, ours in running]
    except EOFError:
        raise Impossible("a member of the group ended before it was measured") from None
    finally:
        for process, _ in running:
            process.join(LONGEST_S)
    rate = min(delivered / elapsed for delivered, elapsed, *_ in results)
    latency = sorted(sample for result in results for sample in result[2])
    resent = sum(result[3] for result in results)
    median, late = statistics.median(latency), latency[len(latency) * 99 // 100]
    return rate, median / MICROSECOND, late / MICROSECOND, resent


def measure_all(given: argparse.Namespace, table: Table) -> dict[str, tuple[float, ...]]:
    """Fill the table; its figures by row.

    Raises:
        Impossible: a group did not stay together.
    """
    found: dict[str, tuple[float, ...]] = {}
    with the_machine_alone():
        for order in map(Order, given.orders):
            rules = (Rule.SPARING, Rule.FULL) if order is Order.TOTAL else (Rule.SPARING,)
            for rule in rules:
                row = measure(order.value, rule.value, given.port, given.seconds, given.fast)
                how = rule.value if order is Order.TOTAL else ""
                table.add_row(order.value, how, *(f"{figure:,.0f}" for figure in row))
                found[f"{order.value}, {how}".removesuffix(", ")] = row
        for service in given.ring:
            row = measure(service, RING, given.port, given.seconds, given.fast)
            table.add_row(f"{service}, on a ring", "", *(f"{figure:,.0f}" for figure in row))
            found[f"{service}, on a ring"] = row
    return found


def main() -> int:
    """Print the table; 0."""
    parser = argparse.ArgumentParser(description="Ordered multicast, messages/s and latency")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--port", type=int, default=47_800)
    parser.add_argument("--orders", nargs="*", default=[order.value for order in Order])
    parser.add_argument("--ring", nargs="*", default=[service.value for service in vsync.Service])
    parser.add_argument("--fast", action="store_true", help="with uvloop")
    given = record.parse(parser)
    table = Table(title="3 members, 64-byte messages, all sending", caption=machine())
    for title in ("order", "acknowledged", "messages/s", "p50 us", "p99 us", "resent"):
        table.add_column(title, justify="left" if title in ("order", "acknowledged") else "right")
    try:
        found = measure_all(given, table)
    except Impossible as error:
        return record.unable(error)
    tell(table)
    keep(found)
    return 0


def keep(found: dict[str, tuple[float, ...]]) -> None:
    """The same as data."""
    rates = {name: {"messages/s": row[0]} for name, row in found.items()}
    record.bars("Messages delivered at every member", "messages/s", rates)
    latencies = {name: {"median": row[1], "99 %": row[2]} for name, row in found.items()}
    record.bars("Latency of one message", "us", latencies, better="less")
    for name, row in found.items():
        if name.startswith(Order.TOTAL.value) or RING in name:
            claim = f"64-byte messages ordered at each of three members, {name}"
            record.headline(claim, row[0], "messages/s", better="more")


if __name__ == "__main__":
    sys.exit(record.run(main))
