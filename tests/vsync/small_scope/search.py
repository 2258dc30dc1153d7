"""Explores all that can happen in a small world of real engines: breadth first, in full.

    python -m tests.vsync.small_scope.search --scope pair-loss

A state is what all members are, what each was told, what is in flight, and how much may still go
wrong (:mod:`~tests.vsync.small_scope.scopes`). From each state every move is tried: a datagram
arrives, arrives and will again, or never does; a timer fires; a write ends; the application
submits; a process crashes or comes back. The first violation found is one that takes fewest moves,
and is told move by move.

Judged after each move: no exception; D7 (a safe message in a regular configuration is with every
member, whoever has gone since); no hole where a member delivered; nobody without a timer that ends
its waiting; and, for whatever all members together may have been told, the rules of
:mod:`~tests.vsync.small_scope.rules` and of ``vsync.check``. Liveness is not.

Why it is quick: members meet only in datagrams, so what an input does to one is worked out once
(:mod:`~tests.vsync.small_scope.values`). Why it is small, and what that leaves out:

- counters that change nothing are taken out of engines (a test holds normalised engines against
  others); sound while time stands still. So nobody is found deaf, nobody pauses, no recovery is
  endless, and a timer may fire at any moment, before one that is due earlier as well;
- what is in flight to a member that will drop it now and ever after is left out (:meth:`is_dead`;
  ``--prove`` tries each). Sound: the arrival of such a datagram changes nothing;
- a state is left out if another differs only in a larger budget. Sound: that one leads wherever
  this one does (a test compares);
- two datagrams alike on the way to one member count as one: as if the network lost one;
- the effects of one step happen at once: no crash falls between two of them;
- scopes say ``is_in_order`` where links keep the order of datagrams, but for some overtakings.

Not used: the symmetry of members (the representative is the smallest), and partial orders (a move
at one member is never independent of what others may still send to it).

In full, one core, Python 3.11 (states / transitions / depth / different histories / seconds):

======================  =========  ==========  =====  =======  ====
pair-order                 11,328      47,694     37       50     1
pair-order-accelerated     21,003      92,488     39       50     3
pair-loss                  31,115     104,204     38      893     8
pair-loss-swapped          31,498     104,890     38      910     7
pair-losses               983,628   2,943,937     54   19,552   147
pair-parting              726,135   1,294,186     50   21,446    84
pair-merging              633,284   1,183,141     53   28,068    55
pair-crash                488,543   1,414,587     46    4,057    36
pair-restart            1,171,621   1,977,928     60   52,958    99
pair-boot                 108,969     235,842     47    1,451     4
three-order                 1,373       7,365     39       18     0
three-loss                120,018     291,242     41      180     5
three-parting             247,700     733,320     39      309     8
three-crash             3,288,807  15,700,893     47    2,717   101
======================  =========  ==========  =====  =======  ====
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields

from tests.vsync.small_scope.rules import complaints
from tests.vsync.small_scope.scopes import BACK_OFF, SCOPES, Scope
from tests.vsync.small_scope.values import Action, Members, Outcome
from vsync.check import judge
from vsync.config import RingConfig
from vsync.events import BootState
from vsync.frames import Data, Recovered, RingFrame, Token
from vsync.identity import RingId
from vsync.states import State, Timer

Whole = tuple[int, ...]
"""A state of the group: of each member the numbers of its value, of its log and of what is in
flight to it; then that of the budgets."""

UNBOUNDED = (Timer.SETTLE, Timer.BOOT)
FAULTS = ("drops", "duplicates", "crashes", "restarts", "overtakings", "slow_visits")


@dataclass(slots=True)
class Move:
    """What may happen to a member."""

    needs: tuple[int, ...]
    """Kinds of budget it takes one of."""
    action: Action
    how: str
    """Of a delivery: ``keep`` (the datagram comes again) or ``lose``."""
    flight: int
    """What is in flight to it then."""
    exactly: int = 0
    """How much must be left of the first budget, if not 0."""
    outcome: Outcome | None = None


class Table:
    """Numbers for tuples."""

    def __init__(self) -> None:
        self.values: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], int] = {}

    def number(self, value: tuple[int, ...]) -> int:
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


class Logs:
    """What members were told, as chains: a number for each log, made of an earlier one and more."""

    def __init__(self) -> None:
        self._chain: list[tuple[int, Outcome | None]] = [(0, None)]
        self._numbers: dict[tuple[int, str], int] = {}
        self._parted: list[dict[RingId, int]] = [{}]

    def add(self, log: int, outcome: Outcome) -> int:
        if not outcome.key:
            return log
        number = self._numbers.get((log, outcome.key))
        if number is None:
            number = self._numbers[log, outcome.key] = len(self._chain)
            self._chain.append((log, outcome))
            parted = dict(self._parted[log])
            for ring, upto in outcome.parted:
                parted[ring] = max(upto, parted.get(ring, 0))
            self._parted.append(parted)
        return number

    def had(self, log: int, ring: RingId) -> int:
        """How far somebody had received a ring when it left it."""
        return self._parted[log].get(ring, 0)

    def events(self, node: int, log: int) -> list[dict[str, object]]:
        """The history of one node."""
        outcomes: list[Outcome] = []
        while log:
            log, outcome = self._chain[log]
            assert outcome is not None, "only the empty log has none"
            outcomes.append(outcome)
        life, found = 0, []
        for outcome in reversed(outcomes):
            for event in outcome.played.events:
                life += event["event"] == "boot"
                found.append({"node": node, "incarnation": str(life), **event})
        return found


class Wrong(Exception):
    """A rule does not hold after a move."""


class Group:
    """The members of a scope together: which moves a state allows, and where each leads."""

    def __init__(self, scope: Scope, judges: bool = True, proves_dead: bool = False) -> None:
        self.scope = scope
        self.judges = judges
        self.proves_dead = proves_dead
        config = RingConfig.simulated(**{"idle_visits": 1, **scope.config})
        self.members = Members(config, scope.script, scope.is_disk_prompt, scope.is_chatty)
        self.logs = Logs()
        self._flights = Table()
        self._budgets = Table()
        self._moves: dict[tuple[int, int], list[Move]] = {}
        self._added: dict[tuple[int, int, int], int] = {}
        self._cleared: dict[tuple[int, int], int] = {}
        self._spent: dict[tuple[int, tuple[int, ...]], int] = {}
        self._judged: set[tuple[int, ...]] = set()
        kinds = [*FAULTS, *scope.timers, *[f"submit {n}" for n in range(scope.nodes)]]
        self._index: dict[Timer | str, int] = {kind: at for at, kind in enumerate(kinds)}
        self._own = [
            [at for at, (node, _) in enumerate(scope.script) if node == n + 1]
            for n in range(scope.nodes)
        ]
        self._flights.number(())
        self._budgets.number((0,) * len(kinds))

    @property
    def histories(self) -> int:
        """How many different things the members of a group may have been told, all together."""
        return len(self._judged)

    # The first state

    def first(self) -> Whole:
        scope = self.scope
        downs = [(self.members.down(node + 1, 0, BootState()), 0, 0) for node in range(scope.nodes)]
        whole: Whole = (*[number for down in downs for number in down], 0)
        for node in range(scope.nodes):
            whole = self._after(whole, node, ("boot",))
        if scope.is_formed:
            whole = self._form(whole)
        if scope.is_submitted:
            for node, own in enumerate(self._own):
                for index in own:
                    whole = self._after(whole, node, ("submit", index))
        budget: dict[Timer | str, int] = {name: getattr(scope, name) or 0 for name in FAULTS}
        budget.update(scope.timers)
        for n, own in enumerate(self._own):
            budget[f"submit {n}"] = 0 if scope.is_submitted else len(own)
        return (*whole[:-1], self._budgets.number(tuple(budget[kind] for kind in self._index)))

    def _form(self, whole: Whole) -> Whole:
        """All on one ring, by what usually happens."""
        for _ in range(1000):
            calm: list[tuple[int, Action]] = []
            settling: list[tuple[int, Action]] = []
            for n in range(self.scope.nodes):
                member = self.members.known[whole[3 * n]]
                if member.writes:
                    calm.append((n, ("written",)))
                # What was sent first comes first.
                calm += [(n, ("deliver", each)) for each in self._flights.values[whole[3 * n + 2]]]
                if Timer.SETTLE in member.timers:
                    settling.append((n, ("fire", Timer.SETTLE)))
            if not calm and not settling:
                break
            calm.sort(key=lambda move: (move[1][0] == "deliver", move[1][-1]))
            whole = self._after(whole, *(calm or settling)[0])
        present = {self.members.known[value].present for value in whole[:-1:3]}
        states = {self.members.known[value].state for value in whole[:-1:3]}
        assert len(present) == 1, self.describe(whole)
        assert states == {State.OPERATIONAL}, self.describe(whole)
        return whole

    def _after(self, whole: Whole, n: int, action: Action) -> Whole:
        return self.after(whole, n, self._move(whole[3 * n], whole[3 * n + 2], (), action))

    # Moves

    def moves(self, whole: Whole) -> Iterator[tuple[int, "Move"]]:
        """All that may happen next, and at which member."""
        budget = self._budgets.values[whole[-1]]
        for n in range(self.scope.nodes):
            key = (whole[3 * n], whole[3 * n + 2])
            moves = self._moves.get(key)
            if moves is None:
                moves = self._moves[key] = list(self._moves_of(n, *key))
            for move in moves:
                for kind in move.needs:
                    if not budget[kind]:
                        break
                else:
                    if not move.exactly or budget[move.needs[0]] == move.exactly:
                        yield n, move

    def _moves_of(self, n: int, value: int, flight: int) -> Iterator["Move"]:
        member, index = self.members.known[value], self._index
        if member.down is not None:
            yield self._move(value, flight, ("restarts",), ("boot",))
            return
        datagrams = self._flights.values[flight]
        for datagram in datagrams:
            deliver = ("deliver", datagram)
            needs: tuple[Timer | str, ...] = ()
            if self._overtakes(datagrams, datagram):
                needs = ("overtakings",)
            is_token = isinstance(self.members.frames[datagram], Token)
            if is_token and member.writes and self.scope.slow_visits is not None:
                needs = (*needs, "slow_visits")
            yield self._move(value, flight, needs, deliver)
            yield self._move(value, flight, (*needs, "duplicates"), deliver, "keep")
            yield self._move(value, flight, ("drops",), deliver, "lose")
        if member.writes:
            yield self._move(value, flight, (), ("written",))
        for timer in member.timers:
            if timer in index or timer in UNBOUNDED:
                needs = () if timer in UNBOUNDED else (timer,)
                yield self._move(value, flight, needs, ("fire", timer))
        if member.is_shunning and BACK_OFF in index:
            yield self._move(value, flight, (BACK_OFF,), (BACK_OFF,))
        if member.state is not State.IDLE:
            for left, number in enumerate(reversed(self._own[n]), 1):
                move = self._move(value, flight, (f"submit {n}",), ("submit", number))
                move.exactly = left
                yield move
        if self.scope.crashes:
            for disk in member.disks if self.scope.restarts else member.disks[:1]:
                yield self._move(value, flight, ("crashes",), ("crash", disk))

    def _move(
        self, value: int, flight: int, needs: tuple[Timer | str, ...], action: Action, how: str = ""
    ) -> "Move":
        if action[0] == "deliver" and how != "keep":
            left = tuple(each for each in self._flights.values[flight] if each != action[1])
            flight = self._flights.number(left)
        elif action[0] == "crash" and not self.scope.restarts:
            flight = 0
        return Move(tuple(self._index[kind] for kind in needs), action, how, flight)

    def _overtakes(self, flight: tuple[int, ...], datagram: int) -> bool:
        frames, senders = self.members.frames, self.members.senders
        if self.scope.is_in_order:
            sender = senders[datagram]
            if next(each for each in flight if senders[each] == sender) != datagram:
                return True
        if not isinstance(frames[datagram], Token):
            return False
        return any(isinstance(frames[other], Data | Recovered) for other in flight)

    # Where they lead

    def after(self, whole: Whole, n: int, move: "Move") -> Whole:
        """The state after a move.

        Raises:
            Wrong: a rule does not hold then.
        """
        at = 3 * n
        new = list(whole)
        if move.needs:
            new[-1] = self._spend(whole[-1], move.needs)
        new[at + 2] = move.flight
        if move.how == "lose":
            return tuple(new)
        outcome = move.outcome
        if outcome is None:
            outcome = move.outcome = self.members.outcome(whole[at], move.action)
            if not outcome.played.wrong:
                move.flight = self._clear(outcome.after, move.flight)
                new[at + 2] = move.flight
        played = outcome.played
        if played.wrong:
            raise Wrong(played.wrong)
        new[at] = outcome.after
        for peer, datagram in played.sends:
            for m in range(self.scope.nodes) if peer == 0 else (peer - 1,):
                if m != n:
                    new[3 * m + 2] = self._add(new[3 * m], new[3 * m + 2], datagram)
        if outcome.key:
            new[at + 1] = self.logs.add(whole[at + 1], outcome)
            for message in played.safe:
                self._check_safe(new, *message)
            self._check_logs(tuple(new[1:-1:3]))
        return tuple(new)

    def _spend(self, budget: int, kinds: tuple[int, ...]) -> int:
        spent = self._spent.get((budget, kinds))
        if spent is None:
            left = list(self._budgets.values[budget])
            for kind in kinds:
                left[kind] -= 1
            spent = self._spent[budget, kinds] = self._budgets.number(tuple(left))
        return spent

    def is_covered(self, less: int, more: int) -> bool:
        """Whether one budget allows all that another does."""
        values = self._budgets.values
        return all(one <= other for one, other in zip(values[less], values[more], strict=True))

    def _add(self, value: int, flight: int, datagram: int) -> int:
        """What is in flight to a member, with one more; one of a kind is enough."""
        key = (value, flight, datagram)
        added = self._added.get(key)
        if added is None:
            before = self._flights.values[flight]
            after = before if datagram in before else (*before, datagram)
            if self.scope.is_in_order:
                after = tuple(sorted(after, key=self.members.senders.__getitem__))
            else:
                after = tuple(sorted(after))
            added = self._added[key] = self._clear(value, self._flights.number(after))
        return added

    def _clear(self, value: int, flight: int) -> int:
        """What is in flight without what its receiver will drop whatever happens."""
        if self.members.known[value].down is not None and not self.scope.restarts:
            return 0
        cleared = self._cleared.get((value, flight))
        if cleared is None:
            before = self._flights.values[flight]
            dead = [datagram for datagram in before if self.members.is_dead(value, datagram)]
            for datagram in dead if self.proves_dead else ():
                # It is dropped now, at least.
                outcome = self.members.outcome(value, ("deliver", datagram))
                assert outcome.after == value, f"{self.members.frames[datagram]} is not dead"
                assert not outcome.played.sends, "a dead datagram has no effect"
                assert not outcome.key, "nor is it told of"
            after = tuple(datagram for datagram in before if datagram not in dead)
            cleared = self._cleared[value, flight] = self._flights.number(after)
        return cleared

    # What must hold

    def _check_safe(
        self, new: list[int], ring: RingId, number: int, members: tuple[int, ...]
    ) -> None:
        lacking = []
        for node in members:
            value, log = new[3 * node - 3], new[3 * node - 2]
            now = dict(self.members.known[value].reached).get(ring, 0)
            if len(members) > 1 and max(now, self.logs.had(log, ring)) < number:
                lacking.append(node)
        if lacking:
            raise Wrong(f"D7: {ring}/{number} is delivered as safe, and {lacking} do not have it")

    def _check_logs(self, logs: tuple[int, ...]) -> None:
        if logs in self._judged:
            return
        self._judged.add(logs)
        histories = {n: self.logs.events(n, log) for n, log in enumerate(logs, 1)}
        for complaint in complaints(histories):
            raise Wrong(complaint)
        if self.judges:
            verdict = judge([event for events in histories.values() for event in events])
            for violation in verdict.violations:
                raise Wrong(f"vsync.check: {violation.rule} {violation.text}")

    # For people

    def tell(self, whole: Whole, n: int, move: Move) -> list[str]:
        """A move and what came of it, in words."""
        how, action = move.how, move.action
        match action:
            case ("deliver", datagram):
                verb = {"": "takes", "keep": "takes, and will again,", "lose": "never gets"}[how]
                frame, sender = self.members.frames[datagram], self.members.senders[datagram]
                what = f"{verb} from {sender}: {_short(frame)}"
            case ("fire", timer):
                what = f"its timer fires: {timer}"
            case ("submit", index):
                what = f"submits message {index}, {self.scope.script[index][1].value}"
            case _:
                what = " ".join(map(str, action))
        lines = [f"node {n + 1} {what}"]
        if how != "lose":
            outcome = self.members.outcome(whole[3 * n], action)
            lines += [f"        {line}" for line in outcome.played.story]
            lines += [f"        {_brief(event)}" for event in outcome.played.events]
        return lines

    def describe(self, whole: Whole) -> str:
        """A state in words."""
        lines = []
        for n in range(self.scope.nodes):
            member = self.members.known[whole[3 * n]]
            flight = self._flights.values[whole[3 * n + 2]]
            frames = [_short(self.members.frames[datagram]) for datagram in flight]
            down = "down" if member.down else f"{member.state}, ring {member.ring}"
            timers = ", ".join(member.timers)
            lines.append(f"node {n + 1}: {down}; {timers}; in flight to it: {frames}")
        return "\n".join(lines)


def _short(frame: RingFrame) -> str:
    """A frame without what is long and says little."""
    left_out = ("ring_sequence", "ring_representative", "ring_nonce", "clocks", "table")
    ring = getattr(frame, "ring", "")
    rest = " ".join(
        f"{each.name}={getattr(frame, each.name)}"
        for each in fields(frame)
        if each.name not in left_out or (not ring and each.name == "ring_sequence")
    )
    return f"{type(frame).__name__} {ring} {rest}"


def _brief(event: Mapping[str, object]) -> str:
    keys = ("id", "message", "configuration", "members", "timestamp", "service", "obligations")
    rest = " ".join(f"{key}={event[key]}" for key in keys if key in event)
    return f"{event['event']} {rest}"


@dataclass(slots=True)
class Found:
    """What a search has found out."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    is_exhausted: bool = False
    values: int = 0
    steps: int = 0
    histories: int = 0
    waiting: int = 0
    told: set[str] = field(default_factory=set)
    """Changes of state and refusals that came about, in words."""
    ends: int = 0
    """States from which nothing can happen any more."""
    wrong: str = ""
    trace: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        how = "exhausted" if self.is_exhausted else f"not exhausted, {self.waiting:,} states wait"
        speed = self.states / max(self.seconds, 1e-9)
        return (
            f"{self.states:,} states, {self.transitions:,} transitions, depth {self.depth}, {how}; "
            f"{self.ends:,} ends, {self.histories:,} different histories; "
            f"{self.values:,} values of members, {self.steps:,} engine steps; "
            f"{self.seconds:.1f} s, {speed:,.0f} states/s"
        )


def search(
    scope: Scope,
    *,
    seconds: float = float("inf"),
    states: int = sys.maxsize,
    judges: bool = True,
    proves_dead: bool = False,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[Found], None] | None = None,
) -> Found:
    """Visit all states of a scope, the nearest first, until a rule is broken or a limit reached."""
    # States are tuples, by the million, and none is ever garbage.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _search(scope, (seconds, states), judges, proves_dead, clock, progress)
    finally:
        if was_enabled:
            gc.enable()


def _search(
    scope: Scope,
    limits: tuple[float, int],
    judges: bool,
    proves_dead: bool,
    clock: Callable[[], float],
    progress: Callable[[Found], None] | None,
) -> Found:
    seconds, states = limits
    group, found, begun = Group(scope, judges, proves_dead), Found(), clock()
    found.told = group.members.told
    *place, budget = group.first()
    seen = Seen(group)
    seen.add(tuple(place), budget, None)
    level = [(*place, budget)]

    def note() -> Found:
        found.states, found.seconds = seen.count, clock() - begun
        found.values, found.steps = len(group.members.known), group.members.steps
        found.histories = group.histories
        return found

    while level:
        following: list[Whole] = []
        for at, whole in enumerate(level):
            is_end = True
            for n, move in group.moves(whole):
                is_end = False
                found.transitions += 1
                try:
                    new = group.after(whole, n, move)
                except Wrong as wrong:
                    found.wrong, found.trace = str(wrong), _trace(group, seen, whole, n, move)
                    return note()
                if seen.add(new[:-1], new[-1], whole):
                    following.append(new)
            found.ends += is_end
            if at % 256 == 0 and (seen.count >= states or clock() - begun > seconds):
                found.waiting = len(level) - at - 1 + len(following)
                return note()
        level = following
        found.depth += bool(level)
        if progress is not None:
            progress(note())
    found.is_exhausted = True
    return note()


class Seen:
    """The states met. One that differs from another only in that less may go wrong from here on is
    left out: all it leads to the other leads to as well."""

    def __init__(self, group: Group) -> None:
        self.count = 0
        self._group = group
        self._seen: dict[Whole, tuple[int | Whole | None, ...]] = {}
        """By the state without its budget: budgets, each with the state that led to it."""
        self._covers: dict[tuple[int, int], bool] = {}

    def add(self, place: Whole, budget: int, parent: Whole | None) -> bool:
        """Whether it is new."""
        known = self._seen.get(place)
        if known is None:
            self._seen[place] = (budget, parent)
        else:
            for other in known[::2]:
                if other == budget or self._is_covered(budget, other):  # type: ignore[arg-type]
                    return False
            self._seen[place] = (*known, budget, parent)
        self.count += 1
        return True

    def parent(self, whole: Whole) -> Whole | None:
        known = self._seen[whole[:-1]]
        parent = known[known[::2].index(whole[-1]) * 2 + 1]
        assert not isinstance(parent, int), "budgets and parents alternate"
        return parent

    def _is_covered(self, less: int, more: int) -> bool:
        covers = self._covers.get((less, more))
        if covers is None:
            covers = self._covers[less, more] = self._group.is_covered(less, more)
        return covers


def _trace(group: Group, seen: Seen, last: Whole, n: int, move: Move) -> list[str]:
    told = [group.tell(last, n, move)]
    whole = last
    while (parent := seen.parent(whole)) is not None:
        steps = [step for step in group.moves(parent) if group.after(parent, *step) == whole]
        told.append(group.tell(parent, *steps[0]))
        whole = parent
    lines: list[str] = []
    for number, (head, *rest) in enumerate(reversed(told), 1):
        lines += [f"{number:4}. {head}", *rest]
    return lines


def _say(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scope", choices=SCOPES, required=True)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="at most so long")
    parser.add_argument("--states", type=int, default=sys.maxsize, help="at most so many states")
    parser.add_argument("--quick", action="store_true", help="without vsync.check")
    parser.add_argument("--prove", action="store_true", help="try what is taken for dead")
    parser.add_argument("--told", action="store_true", help="list what came about")
    parser.add_argument("--levels", action="store_true", help="tell after each level")
    given = parser.parse_args(arguments)
    found = search(
        SCOPES[given.scope],
        seconds=given.seconds,
        states=given.states,
        judges=not given.quick,
        proves_dead=given.prove,
        progress=_say if given.levels else None,
    )
    _say(f"{given.scope}: {found}")
    if given.told:
        _say("\n".join(sorted(found.told)))
    if found.wrong:
        _say(f"\n{found.wrong}\n\n" + "\n".join(found.trace))
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
