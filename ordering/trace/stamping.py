"""Stamps for recorded events that carry none.

Reads histories (JSON Lines with ``node``, ``incarnation``, ``event``; ``send`` and ``deliver``
name a ``message``) and traces whose lines lack Lamport and vector stamps, and replays them through
clocks: per process in the order of lines, each receive after its send. Every incarnation of a node
is a process of its own, since nothing of its memory survives; a node with one keeps its number.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from clocksync.runtime.errors import BadConfig
from ordering.lamport import LamportClock, LamportStamp
from ordering.process import Process, checked_process, process_text
from ordering.trace.events import BadTrace, Event, Kind, event_of, parse_records
from ordering.vector import VectorClock, VectorStamp

_SHOWN = ("message", "kind", "service", "reason", "handle")
"""What tells most of a history's event: its text holds the first two that it has."""


@dataclass(frozen=True, slots=True)
class Unstamped:
    """An event as a file tells it: no stamps yet."""

    process: Process
    kind: Kind
    text: str
    message: str | None
    at_ns: int | None
    error_ns: int | None


def events_of_texts(sources: Iterable[tuple[str, str]]) -> list[Event]:
    """The stamped events of several files, given as (name, content).

    Raises:
        BadTrace: a line cannot be read, the files mix lines with and without stamps, or a message
            is received before everything that leads to its sending.
    """
    records = [found for source, text in sources for found in parse_records(text, source)]
    stamped = [event_of(record, where) for where, record in records if "vector" in record]
    bare = list(_unstamped((where, record) for where, record in records if "vector" not in record))
    if stamped and bare:
        raise BadTrace("some lines carry vector stamps and some do not: read them apart")
    return stamped or stamp_events(bare)


def stamp_events(events: Iterable[Unstamped]) -> list[Event]:
    """Replay events through logical clocks; the order given is each process's own.

    A receive whose sending nobody recorded counts as a local step in the order.

    Raises:
        BadTrace: the events wait for each other in a circle: no run has that order.
    """
    waiting: dict[Process, deque[Unstamped]] = {}
    for event in events:
        waiting.setdefault(event.process, deque()).append(event)
    unsent = {
        event.message
        for line in waiting.values()
        for event in line
        if event.kind is Kind.SEND and event.message
    }
    clocks = {process: (LamportClock(process), VectorClock(process)) for process in waiting}
    sent: dict[str, tuple[LamportStamp, VectorStamp]] = {}
    done: list[Event] = []
    moving = True
    while moving:
        moving = False
        for process, line in waiting.items():
            while line and not (line[0].kind is Kind.RECEIVE and line[0].message in unsent):
                done.append(_stamped(line.popleft(), *clocks[process], sent))
                unsent.discard(done[-1].message if done[-1].kind is Kind.SEND else None)
                moving = True
    stuck = [line[0] for line in waiting.values() if line]
    if stuck:
        raise BadTrace(
            f"{process_text(stuck[0].process)} receives {stuck[0].message} before everything that "
            "leads to its sending: the lines are out of order"
        )
    return done


def _stamped(
    event: Unstamped,
    lamport: LamportClock,
    vector: VectorClock,
    sent: dict[str, tuple[LamportStamp, VectorStamp]],
) -> Event:
    known = sent.get(event.message or "") if event.kind is Kind.RECEIVE else None
    if known:
        stamps = lamport.receive(known[0]), vector.receive(known[1])
    else:
        stamps = lamport.tick(), vector.tick()
    if event.kind is Kind.SEND and event.message:
        sent[event.message] = stamps
    return Event(
        event.process,
        stamps[1][event.process],
        event.kind,
        event.text,
        stamps[0].time,
        stamps[1],
        event.message,
        event.at_ns,
        event.error_ns,
    )


def _unstamped(records: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Unstamped]:
    kept = []
    lives: dict[Process, set[str]] = {}
    for where, record in records:
        if record.get("node") is None:  # a line about the whole run
            continue
        node = _process(record["node"], where)
        incarnation = str(record.get("incarnation"))
        lives.setdefault(node, set()).add(incarnation)
        kept.append((where, record, node, incarnation))
    for where, record, node, incarnation in kept:
        process = node if len(lives[node]) == 1 else _process(f"{node}/{incarnation}", where)
        yield _unstamped_event(process, record, where)


def _process(node: Process, where: str) -> Process:
    try:
        return checked_process(node)
    except BadConfig as error:
        raise BadTrace(f"{where}: {error}") from None


def _unstamped_event(process: Process, record: dict[str, Any], where: str) -> Unstamped:
    name = record.get("event")
    if not isinstance(name, str):
        raise BadTrace(f"{where}: the key 'event' is missing")
    message = record.get("message")
    kind = {"send": Kind.SEND, "receive": Kind.RECEIVE, "deliver": Kind.RECEIVE}.get(name)
    # A process that delivers its own message receives nothing: its line already joins the two.
    if kind is None or message is None or record.get("origin") == record["node"]:
        kind = Kind.LOCAL
    told = [f"{record[key]}" for key in _SHOWN if key in record]
    text = str(record["text"]) if "text" in record else " ".join([name, *told[:2]])
    at, error = record.get("at"), record.get("error")
    return Unstamped(
        process,
        kind,
        text,
        None if message is None else str(message),
        at if isinstance(at, int) else None,
        # In a history `error` belongs to the message's stamp, not to this reading.
        error if isinstance(error, int) and "timestamp" not in record else None,
    )
