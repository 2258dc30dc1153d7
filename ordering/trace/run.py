"""A run: the events of all its processes, and what can be asked about them.

All questions about order are answered from the vector stamps, each in constant time: a happened
before b iff b's vector counts a (Mattern 1989, section 6). Consistent cuts are those of Chandy and
Lamport, "Distributed snapshots", 1985: no message in them is received but not sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast

from ordering.process import Process, process_key, process_text
from ordering.relation import Order
from ordering.trace.events import BadTrace, Event, Kind
from ordering.vector import Counts

Cut: TypeAlias = Counts
"""How many events of each process lie inside; a process that is not named has none inside."""


@dataclass(frozen=True, slots=True)
class BackwardMessage:
    """A message that was received before it was sent, by the clocks of the two processes.

    ``by_ns`` is by how much. ``certain`` if both readings carry an error bound and even these
    cannot explain it: then a bound is wrong. Otherwise the clocks merely differ.
    """

    sent: Event
    received: Event
    by_ns: int
    certain: bool

    def __str__(self) -> str:
        beyond = ", beyond their error bounds" if self.certain else ""
        return (
            f"{self.sent.name} to {process_text(self.received.process)}: received {self.by_ns} ns "
            f"before it was sent, by the clocks{beyond}"
        )


class Run:
    """Everything that was recorded of one execution.

    >>> from ordering.trace import Recorder
    >>> alice, bob = Recorder("alice", reading=lambda: 5), Recorder("bob", reading=lambda: 5)
    >>> asked, header = alice.send("asks")
    >>> meanwhile = bob.local("sleeps")
    >>> heard = bob.receive(header, "hears")
    >>> run = Run([*alice.events, *bob.events])
    >>> [event.text for event in run.causal_past(heard)], run.concurrent(asked, meanwhile)
    (['asks', 'sleeps'], True)
    >>> run.latest_consistent({"bob": 2})  # hearing without asking cannot have been seen
    {'alice': 0, 'bob': 1}

    Raises:
        BadTrace: events are missing or doubled, or a process counts its own events wrongly.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        by_process: dict[Process, list[Event]] = {}
        for event in events:
            by_process.setdefault(event.process, []).append(event)
        self._lines: dict[Process, list[Event]] = {}
        for process in sorted(by_process, key=process_key):
            line = sorted(by_process[process], key=lambda event: event.index)
            _check(line)
            self._lines[process] = line
        self.events = sorted(
            (event for line in self._lines.values() for event in line),
            key=lambda event: (event.lamport, process_key(event.process), event.index),
        )
        """All events, causes before effects."""

    @property
    def processes(self) -> list[Process]:
        """Who took part, numbers before names."""
        return list(self._lines)

    def events_of(self, process: Process) -> list[Event]:
        """The events of one process, in its order."""
        return list(self._lines.get(process, ()))

    def event(self, process: Process, index: int) -> Event:
        """One event by its place.

        Raises:
            KeyError: there is none.
        """
        line = self._lines[process]
        if not 1 <= index <= len(line):
            raise KeyError(f"{process_text(process)} has no event {index}, only {len(line)}")
        return line[index - 1]

    def happened_before(self, first: Event, second: Event) -> bool:
        """Whether `first` could have influenced `second`."""
        return first.index <= second.vector[first.process] and first != second

    def compare(self, first: Event, second: Event) -> Order:
        """How two events stand to each other."""
        if first == second:
            return Order.EQUAL
        return Order.of(self.happened_before(first, second), self.happened_before(second, first))

    def concurrent(self, first: Event, second: Event) -> bool:
        """Whether neither event could have influenced the other, and they differ."""
        return self.compare(first, second) is Order.CONCURRENT

    def causal_past(self, event: Event) -> list[Event]:
        """Everything that happened before `event`, causes before effects."""
        return [other for other in self.events if self.happened_before(other, event)]

    def causal_future(self, event: Event) -> list[Event]:
        """Everything that `event` happened before, causes before effects."""
        return [other for other in self.events if self.happened_before(event, other)]

    def is_consistent(self, cut: Cut) -> bool:
        """Whether some observer could have seen exactly this: every effect comes with its causes.

        Raises:
            KeyError: the cut names an event that does not exist.
        """
        inside = _inside(cut)
        return all(
            _within(self.event(process, count), inside)
            for process, count in inside.items()
            if count
        )

    def latest_consistent(self, cut: Cut) -> dict[Process, int]:
        """The greatest consistent cut within `cut`: what to roll back to.

        It is unique, because the union of two consistent cuts is consistent.

        Raises:
            KeyError: the cut names an event that does not exist.
        """
        inside = _inside(cut)
        kept = {}
        for process in self._lines:
            count = inside.get(process, 0)
            # Vectors are transitive, so whoever depends on a removed event is removed by the same
            # cause outside the cut: one pass over the cut as given is enough.
            while count and not _within(self.event(process, count), inside):
                count -= 1
            kept[process] = count
        return kept

    def cut_at(self, at_ns: int) -> dict[Process, int]:
        """What each process had done when its own clock showed `at_ns`; need not be consistent."""
        return {
            process: sum(event.at_ns is not None and event.at_ns <= at_ns for event in line)
            for process, line in self._lines.items()
        }

    def messages(self) -> list[tuple[Event, Event]]:
        """Every send with each of its receives, in the order of the receives."""
        sends = {event.message: event for event in self.events if event.kind is Kind.SEND}
        return [
            (sends[event.message], event)
            for event in self.events
            if event.kind is Kind.RECEIVE and event.message in sends
        ]

    def in_flight(self, cut: Cut) -> list[tuple[Event, Event]]:
        """The messages sent inside the cut and received outside: the state of the channels."""
        inside = _inside(cut)
        return [
            (sent, received)
            for sent, received in self.messages()
            if sent.index <= inside.get(sent.process, 0)
            and received.index > inside.get(received.process, 0)
        ]

    def received_before_sent(self) -> list[BackwardMessage]:
        """The messages whose receipt carries an earlier physical time than their sending."""
        backward = []
        for sent, received in self.messages():
            if sent.at_ns is None or received.at_ns is None or received.at_ns >= sent.at_ns:
                continue
            certain = (
                sent.interval is not None
                and received.interval is not None
                and received.interval.before(sent.interval)
            )
            backward.append(BackwardMessage(sent, received, sent.at_ns - received.at_ns, certain))
        return backward


def _inside(cut: Cut) -> dict[Process, int]:
    return dict(cast(Mapping[Process, int], cut))


def _within(event: Event, inside: dict[Process, int]) -> bool:
    return all(cause <= inside.get(process, 0) for process, cause in event.vector.items())


def _check(line: list[Event]) -> None:
    for expected, event in enumerate(line, start=1):
        if event.index < expected:
            raise BadTrace(
                f"there are two events {event.name}: a process that restarts needs a new name"
            )
        if event.index > expected:
            name = process_text(event.process)
            raise BadTrace(f"event {name}:{expected} is missing: {event.name} is the next one")
        if event.vector[event.process] != expected:
            raise BadTrace(f"{event.name} carries a vector that is not its own: {event.vector}")
