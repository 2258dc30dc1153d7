"""What logical clocks cost, beside the plain operations they consist of and beside PyPI's clocks.

"Plain" is the same arithmetic in a bare function on a bare object that makes a bare tuple or
dict; "plain, locked" adds the lock that sharing between threads costs. A tick, a receive and
a compare should stay within 3 times of that. Peers (vectorclock, hlcpy) are measured in the same
run where they are installed. Prints; asserts nothing::

    python -m benchmarks.logical_clocks [--members 1000]
"""

import argparse
import importlib
import sys
import threading
import timeit
from collections.abc import Callable
from types import ModuleType

from benchmarks.results import record
from ordering import (
    DottedVersionVector,
    HybridClock,
    HybridStamp,
    IntervalTreeClock,
    LamportClock,
    LamportStamp,
    VectorClock,
    VectorStamp,
)
from ordering.dotted import Dot

Case = Callable[[], object]
ASKED = 3
COSTS: dict[str, dict[str, float | None]] = {}
"""Of all that was compared with plain operations, ns."""


class Plain:
    """The bare operations of a Lamport clock."""

    def __init__(self) -> None:
        self.process = 1
        self.time = 0
        self.lock = threading.Lock()

    def tick(self) -> tuple[int, int]:
        self.time = time = self.time + 1
        return (time, self.process)

    def receive(self, stamp: tuple[int, int]) -> tuple[int, int]:
        self.time = time = max(self.time, stamp[0]) + 1
        return (time, self.process)

    def locked_tick(self) -> tuple[int, int]:
        with self.lock:
            self.time = time = self.time + 1
        return (time, self.process)

    def locked_receive(self, stamp: tuple[int, int]) -> tuple[int, int]:
        with self.lock:
            self.time = time = max(self.time, stamp[0]) + 1
        return (time, self.process)


class PlainVector:
    """The bare operations of a vector clock that hands out what it knows."""

    def __init__(self, counts: dict[str, int], own: str) -> None:
        self.counts = counts
        self.own = own
        self.lock = threading.Lock()

    def tick(self) -> dict[str, int]:
        counts = self.counts.copy()
        counts[self.own] += 1
        self.counts = counts
        return counts

    def receive(self, stamp: dict[str, int]) -> dict[str, int]:
        counts = self.counts.copy()
        for process, count in stamp.items():
            if count > counts.get(process, 0):
                counts[process] = count
        counts[self.own] += 1
        self.counts = counts
        return counts

    def locked_tick(self) -> dict[str, int]:
        with self.lock:
            return self.tick()

    def locked_receive(self, stamp: dict[str, int]) -> dict[str, int]:
        with self.lock:
            return self.receive(stamp)


def plain_at_most(ours: dict[str, int], theirs: dict[str, int]) -> bool:
    """Entry by entry, as one would write it."""
    return all(count <= theirs.get(process, 0) for process, count in ours.items())


def plain_compare(ours: dict[str, int], theirs: dict[str, int]) -> tuple[bool, bool]:
    """Four outcomes from two tests."""
    return plain_at_most(ours, theirs), plain_at_most(theirs, ours)


def cost_ns(case: Case) -> float:
    """The least time of one call over several rounds, in nanoseconds."""
    timer = timeit.Timer(case)
    calls, took = timer.autorange()
    calls = max(1, int(calls * 0.05 / took))
    return min(timer.repeat(5, calls)) / calls * 1e9


def show(name: str, ours: Case, plain: Case, locked: Case | None = None) -> None:
    """One row: ours, the plain operations, and the ratio."""
    mine, bare = cost_ns(ours), cost_ns(plain)
    held = cost_ns(locked) if locked else bare
    print(f"{name:34} {mine:11,.0f} {bare:11,.0f} {held:13,.0f} {mine / held:8.2f}")
    cells = (f"{mine:,.0f}", f"{bare:,.0f}", f"{held:,.0f}", f"{mine / held:.2f}")
    record.sheets[0].add(name, *cells)
    COSTS[name] = {"ours": mine, "plain, locked": held}
    record.headline(
        name,
        mine,
        "ns",
        peer=held,
        peer_name="plain operations, locked",
        is_floor=True,
        asked=f"{ASKED} x plain",
        limit=ASKED * held,
    )


def show_alone(name: str, ours: Case) -> None:
    """One row that has nothing beside it."""
    mine = cost_ns(ours)
    print(f"{name:34} {mine:11,.0f}")
    record.sheets[0].add(name, f"{mine:,.0f}", "", "", "")


def show_peer(name: str, ours: Case, peers: Case) -> None:
    """One row: ours, the peer's, and how many times ours is faster."""
    mine, theirs = cost_ns(ours), cost_ns(peers)
    print(f"{name:34} {mine:11,.0f} {theirs:11,.0f} {'':13} {theirs / mine:7.1f}x faster")
    record.sheets[-1].add(name, f"{mine:,.0f}", f"{theirs:,.0f}", f"{theirs / mine:.1f}")


def lamport() -> None:
    clock, plain, stamp = LamportClock(1), Plain(), LamportStamp(1, 2)
    later, pair, next_pair = LamportStamp(2, 2), (1, 2), (2, 2)
    show("Lamport tick", clock.tick, plain.tick, plain.locked_tick)
    show(
        "Lamport receive",
        lambda: clock.receive(stamp),
        lambda: plain.receive(pair),
        lambda: plain.locked_receive(pair),
    )
    show("Lamport compare", lambda: stamp < later, lambda: pair < next_pair)


def vector(members: int) -> None:
    names = [f"node-{number:04}" for number in range(members)]
    counts = {name: 10 + number for number, name in enumerate(names)}
    later = {name: count + 1 for name, count in counts.items()}
    clock = VectorClock(names[0], VectorStamp(counts))
    plain = PlainVector(dict(counts), names[0])
    a, b = VectorStamp(counts), VectorStamp(later)
    show(f"vector tick, {members}", clock.tick, plain.tick, plain.locked_tick)
    show(
        f"vector receive, {members}",
        lambda: clock.receive(b),
        lambda: plain.receive(later),
        lambda: plain.locked_receive(later),
    )
    show(
        f"vector compare (before), {members}",
        lambda: a.compare(b),
        lambda: plain_compare(counts, later),
    )


def others() -> None:
    clock, plain = HybridClock(1, lambda: 0), Plain()
    stamp = HybridStamp(1, 2)
    show("hybrid tick", clock.tick, plain.tick, plain.locked_tick)
    show(
        "hybrid receive",
        lambda: clock.receive(stamp),
        lambda: plain.receive((1, 2)),
        lambda: plain.locked_receive((1, 2)),
    )
    tree = IntervalTreeClock()
    forks = tree.fork_into(7)
    show_alone("interval tree tick, 8 forks", tree.tick)
    there = forks[0].send()
    show_alone("interval tree receive, 8 forks", lambda: tree.receive(there))
    first = DottedVersionVector(Dot(1, 3), VectorStamp({1: 2, 2: 5}))
    second = DottedVersionVector(Dot(2, 6), VectorStamp({1: 3, 2: 5}))
    show_alone("dotted compare", lambda: first.compare(second))


def peer(name: str) -> ModuleType | None:
    """The peer's module, or None and a line that says so."""
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        absent = f"{package} is not installed: not compared (pip install {package})"
        print(absent)
        record.note(absent)
        return None


def vectorclock_peer(members: int) -> None:
    module = peer("vectorclock.vectorclock")
    if not module:
        return
    names = [f"node-{number:04}" for number in range(members)]
    counts = {name: 10 + number for number, name in enumerate(names)}
    later = {name: count + 1 for name, count in counts.items()}
    ours, ours_later = VectorStamp(counts), VectorStamp(later)
    theirs, theirs_later = module.VectorClock(counts), module.VectorClock(later)
    title = f"beside vectorclock, members {members}"
    print(f"\n{title:34} {'ours ns':>11} {'theirs ns':>11}")
    record.sheet(title, ("operation", "ours ns", "theirs ns", "times faster"))
    show_peer(
        "compare", lambda: ours.compare(ours_later), lambda: theirs.compare(theirs_later, False)
    )
    show_peer("<", lambda: ours < ours_later, lambda: theirs < theirs_later)
    same, theirs_same = VectorStamp(dict(counts)), module.VectorClock(dict(counts))
    show_peer("== of equals", lambda: ours == same, lambda: theirs == theirs_same)
    show_peer("text", lambda: str(ours), lambda: str(theirs))
    sizes = f"{len(ours.encode()):11,} {len(str(theirs)):11,}"
    print(f"{'bytes of one stamp':34} {sizes}")
    record.sheets[-1].add("bytes of one stamp", *sizes.split(), "")


def hlcpy_peer() -> None:
    module = peer("hlcpy")
    if not module:
        return
    import time

    clock, stamp = HybridClock(1, time.time_ns), HybridStamp(time.time_ns(), 2)
    theirs, event = module.HLC.from_now(), module.HLC.from_now()
    print(f"\n{'beside hlcpy':34} {'ours ns':>11} {'theirs ns':>11}")
    record.sheet("beside hlcpy", ("operation", "ours ns", "theirs ns", "times faster"))
    show_peer("tick", clock.tick, theirs.sync)
    show_peer("receive", lambda: clock.receive(stamp), lambda: theirs.merge(event))
    show_peer("compare", lambda: stamp < stamp, lambda: event < event)
    show_peer("to bytes", stamp.encode, event.to_bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description="What logical clocks cost.")
    parser.add_argument("--members", type=int, default=1000, help="of the large vectors")
    members = record.parse(parser).members
    print(f"{'':34} {'ours ns':>11} {'plain ns':>11} {'plain+lock ns':>13} {'ratio':>8}")
    columns = ("operation", "ours ns", "plain ns", "plain+lock ns", "ratio")
    record.sheet("Cost of one operation", columns)
    lamport()
    vector(3)
    vector(members)
    others()
    record.bars("Cost of one operation", "ns", COSTS, peers=["plain"], better="less")
    vectorclock_peer(members)
    hlcpy_peer()


if __name__ == "__main__":
    sys.exit(record.run(main))
