"""A planted bug is found: a mutex that forgets its tie-break lets two in at once.

The mutex is Ricart and Agrawala's ("An Optimal Algorithm for Mutual Exclusion in Computer
Networks", 1981), small and for this test only.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Annotated, ClassVar

import pytest

from clocksync.runtime.core import Arrival, Effects, Notify, Send, SilentCore
from clocksync.runtime.simulation import (
    Exponential,
    Link,
    SimulationFailure,
    World,
    inflict,
    random_faults,
    shrink,
)
from clocksync.runtime.wire import U32, Frame

NODES = (1, 2, 3)
SEEDS = 200


@dataclass(frozen=True, slots=True)
class Request(Frame):
    """May I?"""

    KIND: ClassVar[int] = 1
    time: Annotated[U32, "Lamport time"]


@dataclass(frozen=True, slots=True)
class Reply(Frame):
    """You may."""

    KIND: ClassVar[int] = 2
    time: Annotated[U32, "Lamport time"]


@dataclass
class Mutex(SilentCore):
    me: int
    breaks_ties: bool = True
    time: int = 0
    asked_at: int = 0
    awaiting: list[int] = field(default_factory=list)
    deferred: list[int] = field(default_factory=list)
    holds: bool = False

    def acquire(self) -> Effects:
        self.time += 1
        self.asked_at, self.awaiting = self.time, [peer for peer in NODES if peer != self.me]
        return [Send(peer, Request(self.time)) for peer in self.awaiting]

    def release(self) -> Effects:
        self.holds, self.asked_at = False, 0
        owed, self.deferred = self.deferred, []
        return [Send(peer, Reply(self.time)) for peer in owed]

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        frame, sender = arrival.frame, arrival.sender
        self.time = max(self.time, frame.time) + 1
        if isinstance(frame, Request):
            if self._comes_before(frame.time, sender):
                self.deferred.append(sender)
                return []
            return [Send(sender, Reply(self.time))]
        if sender in self.awaiting:
            self.awaiting.remove(sender)
        if self.asked_at and not self.awaiting and not self.holds:
            self.holds = True
            return [Notify("entered")]
        return []

    def _comes_before(self, time: int, sender: int) -> bool:
        if self.holds:
            return True
        if not self.asked_at:
            return False
        if self.breaks_ties:
            return (self.asked_at, self.me) < (time, sender)
        return self.asked_at < time


def run(seed: int, breaks_ties: bool, faults=()) -> int:
    """Every node enters three times, at drawn moments; returns how often one entered."""
    world = World(seed, link=Link(delay=Exponential(10_000, 300_000)))
    cores = {node: Mutex(node, breaks_ties) for node in NODES}
    wishes = dict.fromkeys(NODES, 3)

    def wish(node):
        if cores[node].asked_at == 0:
            wishes[node] -= 1
            world.call(node, lambda core, now: core.acquire(), "acquire")

    def leave(node):
        world.call(node, lambda core, now: core.release(), "release")
        if wishes[node]:
            world.after(100_000, lambda: wish(node))

    def application(node, event):
        world.after(50_000, lambda: leave(node))

    def at_most_one():
        if sum(core.holds for core in cores.values()) > 1:
            raise AssertionError("two hold the lock")

    world.invariant(at_most_one)
    for node in NODES:
        world.add(node, cores[node], application=application)
        world.after(Random(f"{seed}/{node}").randrange(500_000), lambda node=node: wish(node))
    inflict(world, faults)
    world.run_quiet(1_000_000_000)
    return len(world.told)


def test_a_right_mutex_passes_every_seed_and_lets_everybody_in():
    assert [run(seed, breaks_ties=True) for seed in range(SEEDS)] == [9] * SEEDS


def test_a_mutex_without_tie_break_is_found_and_the_report_shows_it():
    failures = []
    for seed in range(SEEDS):
        try:
            run(seed, breaks_ties=False)
        except SimulationFailure as failure:
            failures.append((seed, failure))
    seed, failure = failures[0]
    assert "two hold the lock" in str(failure)
    assert any(line.endswith("= entered") for line in failure.lines)
    with pytest.raises(SimulationFailure) as again:
        run(seed, breaks_ties=False)
    assert str(again.value) == str(failure)  # the seed it names brings it back, to the letter


def test_faults_that_a_bug_needs_are_found_among_many_and_the_rest_left_out():
    # This mutex asks once and waits for ever: a partition starves it, stepping clocks does not.
    faults = random_faults(Random(1), NODES, 5_000_000, ["partition", "clock", "rate"], count=30)

    def starves(some) -> bool:
        return run(3, breaks_ties=True, faults=some) < 9

    needed = shrink(faults, starves)
    assert [fault.kind for fault in needed] == ["partition"]
