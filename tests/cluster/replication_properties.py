"""What must hold of a run of replicated groups, whatever happened: judged from outside.

Each rule is a function from a run to its offences; their names begin with the rule's.

- R1: replicas that hold the state at one place of the order have equal digests there, and all who
  run in quiet have one state at the end.
- R2: of each command one thing is told in the end, and only what may follow follows.
- R3: what was told as certain is in the final log, once; what was told as not applied, or as
  discarded, is not.
- R4: results are those of the log, replayed by a model; and who was answered before another asked
  comes before it (linearisable, Herlihy and Wing, TOPLAS 12(3), 1990).
- R5: in quiet all come together, hold the state, and owe nobody an answer.
- L1: no two may act on one lock, as each would ask its own core (under a majority policy).
- L2: fencing tokens grow with the grants of a lock (likewise).
- L3: nobody is told a grant in a view that is no majority (with a fixed majority).
- L4: what is wanted is granted in quiet.
- V1: who comes to one view of a group, and goes on to the same next one, was told the same between.
- V2: a view has the same members for all; whoever is in it is told so.
- V3: messages of a ring come after the view that opens it, and from its members.
"""

import json
from collections import Counter
from collections.abc import Iterator

from tests.cluster.replication_world import LEDGER, LOCKS, TALK, Played, Submitted
from vsync.events import Messages
from vsync.identity import group_number
from vsync.replication.events import (
    Absorbed,
    Applied,
    Discarded,
    Granted,
    Rejected,
    Settled,
    View,
)
from vsync.replication.objects import Taken


def judge(played: Played) -> list[str]:
    """All offences of a run."""
    outcomes = Outcomes(played)
    found = [f"R1 {text}" for text in played.stage.disagreements[:5]]
    found += final_states(played)
    found += outcomes.offences
    found += final_log(played, outcomes)
    found += quiet(played, outcomes)
    if played.plan.policy != "none":
        found += [f"L1 {text}" for text in played.overlaps]
        found += tokens(played)
    if played.plan.policy == "expected":
        found += minority_grants(played)
    found += views(played)
    return found


Known = Applied | Absorbed
"""What says that a command is in the state."""


class Outcomes:
    """What became of each command, by node, incarnation and handle."""

    def __init__(self, played: Played) -> None:
        self.final: dict[tuple[int, int, int], object] = {}
        self.told_at: dict[tuple[int, int, int], int] = {}
        self.certain: set[tuple[int, int, int]] = set()
        self.discarded: set[tuple[int, int, int]] = set()
        self.offences: list[str] = []
        for told in played.stage.told:
            event, who = told.event, (told.node, told.incarnation)
            if getattr(event, "group", None) != LEDGER:
                continue
            match event:
                case Applied(_, handle, _, is_certain):
                    self._end((*who, handle), event, told.time)
                    if is_certain:
                        self.certain.add((*who, handle))
                case Absorbed(_, handle) if isinstance(self.final.get((*who, handle)), Known):
                    self._follows((*who, handle), event)
                    self.final[*who, handle] = event
                case Absorbed(_, handle) | Rejected(_, handle):
                    self._end((*who, handle), event, told.time)
                case Settled(_, handles):
                    for handle in handles:
                        self._follows((*who, handle), event)
                        self.certain.add((*who, handle))
                case Discarded(_, _, _, handles):
                    for handle in handles:
                        self._follows((*who, handle), event)
                        self.discarded.add((*who, handle))

    def _end(self, key: tuple[int, int, int], event: object, time: int) -> None:
        if key in self.final:
            self.offences.append(f"R2 {key}: {event} after {self.final[key]}")
        self.final[key] = event
        self.told_at[key] = time

    def _follows(self, key: tuple[int, int, int], event: object) -> None:
        before = self.final.get(key)
        if not isinstance(before, Known) or key in self.certain or key in self.discarded:
            self.offences.append(f"R2 {key}: {event} after {before}")


def _key(submitted: Submitted) -> tuple[int, int, int]:
    return submitted.node, submitted.incarnation, submitted.handle


def final_states(played: Played) -> Iterator[str]:
    if not played.is_quiet or not played.is_together():
        return
    for name, digest in (
        (LEDGER, lambda core: core.machine.digest()),
        (LOCKS, lambda core: core.table.digest()),
    ):
        digests = {me: digest(played.stage.core(me, name)) for me in played.running}
        if len(set(digests.values())) > 1:
            yield f"R1 {name} at the end: {digests}"


def final_log(played: Played, outcomes: Outcomes) -> Iterator[str]:
    """R3 and R4, where there is a log that stands for all: that of the group in quiet."""
    if not played.is_quiet or not played.is_together():
        return
    machine = played.stage.core(played.running[0], LEDGER).machine
    places = {_name(command): n for n, command in enumerate(machine.log)}
    if len(places) != len(machine.log):
        twice = [name for name, n in Counter(map(_name, machine.log)).items() if n > 1]
        yield f"R3 applied twice: {twice[:5]}"
    # With all who ever had it gone, a command may be: the state is kept in memory.
    alive = set().union(*(played.seen[me, played.incarnation(me)] for me in played.running))
    for submitted in played.submitted:
        key, name = _key(submitted), submitted.name
        final, is_there = outcomes.final.get(key), name in places
        if played.plan.policy == "none" and is_there:
            continue  # what one component discarded, another may bring back
        if key in outcomes.discarded:
            if is_there:
                yield f"R3 {name!r} was discarded, and is in the log"
        elif isinstance(final, Rejected):
            if is_there:
                yield f"R3 {name!r} was rejected, and is in the log"
        elif not is_there and name in alive:
            if key in outcomes.certain:
                yield f"R3 {name!r} was certain, and is not in the log"
            elif isinstance(final, Known) and _hears(played, submitted):
                yield f"R3 {name!r} was in the state and is gone, and nobody was told"
    if played.plan.policy != "none":
        yield from _linearisable(played, outcomes, machine.log, places)


def _name(command: bytes) -> bytes:
    return command.partition(b" ")[0]


def _lives(played: Played, submitted: Submitted) -> bool:
    return (
        submitted.node in played.running
        and played.incarnation(submitted.node) == submitted.incarnation
    )


def _hears(played: Played, submitted: Submitted) -> bool:
    """Whether its sender is still there to be told, and has not left the group since."""
    who = submitted.node, submitted.incarnation
    return _lives(played, submitted) and submitted.time >= played.left.get(who, 0)


def _linearisable(
    played: Played, outcomes: Outcomes, log: list[bytes], places: dict[bytes, int]
) -> Iterator[str]:
    results = Model().replay(log)
    certain = [
        each
        for each in played.submitted
        if _key(each) in outcomes.certain
        and each.name in places
        and isinstance(outcomes.final[_key(each)], Applied)
    ]
    latest, who = 0, b""
    for each in sorted(certain, key=lambda each: places[each.name]):
        final = outcomes.final[_key(each)]
        assert isinstance(final, Applied), "only these have a result"
        expected = results[places[each.name]]
        if final.result != expected:
            yield f"R4 {each.command!r}: {final.result!r}, and by the log {expected!r}"
        if outcomes.told_at[_key(each)] < latest:
            yield f"R4 {each.name!r} was answered before {who!r} was asked, and comes after it"
        if each.time > latest:
            latest, who = each.time, each.name


class Model:
    """A dictionary and a queue, written again for the checker: it shares no code."""

    def __init__(self) -> None:
        self.entries: dict[str, object] = {}
        self.queue: list[object] = []

    def replay(self, log: list[bytes]) -> list[object]:
        return [self.do(*json.loads(command.partition(b" ")[2])) for command in log]

    def do(self, verb: str, *given: str) -> object:
        entries, queue = self.entries, self.queue
        match verb, given:
            case "set", (key, value):
                entries[key] = json.loads(value)
                return None
            case "delete", (key,):
                there = key in entries
                entries.pop(key, None)
                return there
            case "cas", (key, expected, value):
                fits = key in entries and entries[key] == json.loads(expected)
                if fits:
                    entries[key] = json.loads(value)
                return fits
            case "create", (key, value):
                fits = key not in entries
                if fits:
                    entries[key] = json.loads(value)
                return fits
            case "read", (key,):
                return [entries[key]] if key in entries else []
            case "put", (value,):
                queue.append(json.loads(value))
                return len(queue)
            case "take", ():
                return Taken(True, queue.pop(0)) if queue else Taken(False)
        raise AssertionError(f"{verb} {given}")


def quiet(played: Played, outcomes: Outcomes) -> Iterator[str]:
    """R5 and L4. A ring that is not one again is the ring's affair: its own tests judge it."""
    if not played.is_quiet or not _is_one_ring(played):
        return
    for me in played.running:
        for name in (LEDGER, LOCKS):
            if name not in played.stage.member(me).cores:
                yield f"R5 node {me} is not in {name}"
                continue
            core = played.stage.core(me, name)
            replica = core.replica if name == LOCKS else core
            if not replica.is_current or not replica.is_primary or replica.in_doubt:
                yield f"R5 {name} at {me}: {replica.is_current=} {replica.is_primary=}"
    for submitted in played.submitted:
        who = submitted.node, submitted.incarnation
        if submitted.time < played.left.get(who, 0):
            continue  # who leaves the group is told nothing more
        if _lives(played, submitted) and _key(submitted) not in outcomes.final:
            yield f"R5 {submitted.name!r} was never answered"
    for (me, incarnation, request), lock in played.wants.items():
        if me in played.running and incarnation == played.incarnation(me):
            yield f"L4 node {me} still waits for {lock!r} (request {request})"


def _is_one_ring(played: Played) -> bool:
    engines = [played.stage.node(me).engine for me in played.running]
    return all(
        engine.ring.members == tuple(played.running) and engine.ring.id == engines[0].ring.id
        for engine in engines
    )


def tokens(played: Played) -> Iterator[str]:
    last: dict[str, int] = {}
    for hold in played.holds:
        if hold.token <= last.get(hold.lock, 0):
            yield f"L2 {hold}: a token of {last[hold.lock]} was granted before"
        last[hold.lock] = max(hold.token, last.get(hold.lock, 0))


def minority_grants(played: Played) -> Iterator[str]:
    views: dict[tuple[int, int], View] = {}
    nodes = played.plan.scenario.nodes
    for told in played.stage.told:
        match told.event:
            case View(group="locks", is_transitional=False) as view:
                views[told.node, told.incarnation] = view
            case Granted():
                view = views[told.node, told.incarnation]
                if 2 * len(view.members) <= nodes:
                    yield f"L3 {told.event} at {told.node} in a view of {view.members}"


def views(played: Played) -> Iterator[str]:
    """V1, V2 and V3 of the plain group."""
    members: dict[str, tuple[int, ...]] = {}
    between: dict[tuple[str, str], tuple[int, list[str]]] = {}
    last: dict[tuple[int, int], tuple[View, list[Messages]]] = {}
    for told in played.stage.told:
        who, event = (told.node, told.incarnation), told.event
        if isinstance(event, View) and event.group == TALK:
            known = members.setdefault(event.id, event.members)
            if known != event.members:
                yield f"V2 {event.id}: {known} and, at {told.node}, {event.members}"
            if who in last:
                before, messages = last.pop(who)
                heard = [f"{each.ring}/{each.sequence}" for each in messages]
                other, theirs = between.setdefault((before.id, event.id), (told.node, heard))
                if theirs != heard:
                    yield f"V1 {before.id} to {event.id}: {other} {theirs}, {told.node} {heard}"
                opens = not event.is_transitional and event.ring != before.ring
                if opens and any(each.ring == event.ring for each in messages):
                    yield f"V3 {told.node} was told {heard} before the view {event.id}"
            if told.node in event.members:
                last[who] = (event, [])
        elif isinstance(event, Messages) and event.group == group_number(TALK):
            if who not in last:
                yield f"V2 node {told.node} was told a message outside of every view"
                continue
            view, messages = last[who]
            messages.append(event)
            is_open = event.ring == view.ring and view.quorum is not None
            if is_open and event.origin not in view.members:
                yield f"V3 {told.node} was told a message of {event.origin} in {view.members}"
