"""Any of the algorithms, made to survive: members that die, come and go, an epoch at a time.

**The problem.** The textbook algorithms wait for the dead for ever: for the coordinator, for the
token, for one OK. To go on without somebody means to decide that he is gone, and with timeouts a
slow member cannot be told from a dead one. Two sides that each decide so enter both.

**What it promises.** Inside an *epoch* runs a plain algorithm, with members that do not change; its
coordinator, or the maker of its token, is the first of them. The next epoch begins only when

1. a majority of the members has promised its ballot and accepted its members
   (:mod:`ordering.mutex.agreement`): a minority blocks, and two coordinators or two tokens of
   different sides cannot be;
2. each old member has either promised and is not inside, and having promised will not enter, or has
   no lease any more from any of that majority (:mod:`ordering.mutex.leases`).

So an orderly change (join, leave) waits for whoever is inside, and a disorderly one waits until
whoever is silent has lost its grant by its own clock: it is told :class:`Lost`, in a minority as
well. Nobody is inside in two epochs as long as processes look at their clock before they act.
A process that is paused inside, or whose application ignores :class:`Lost`, can overlap with its
successor; its fencing token is the lower one, and :class:`ordering.mutex.FencedResource` stops it.

**How it blocks.** Without a majority, always; while somebody who is alive stays inside and a change
waits for it; and while two members that are both alive cannot hear each other though all others
can (one broken path): neither is silent to everybody.

**A member that restarts** has forgotten what it promised, and who votes twice can make two
majorities. It must come back with ``joins=True`` and under a number that was never used; its former
self is dropped when it has been silent for a lease.

Reading: Chubby (Burrows, OSDI 2006) for leases and sequencers; Lamport, Malkhi and Zhou,
"Reconfiguring a state machine", 2010, for one decision that ends each configuration.
"""

from collections.abc import Hashable, Sequence
from enum import Enum
from random import Random

from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.errors import MalformedFrame, MisusedCore
from clocksync.runtime.units import NodeId
from clocksync.runtime.wire import Frame
from ordering.mutex.agreement import Agreement
from ordering.mutex.changes import Blocked, EpochBegan, Left
from ordering.mutex.contract import (
    Algorithm,
    Granted,
    Lost,
    MutexCore,
    State,
    checked_generation,
    checked_members,
)
from ordering.mutex.frames import (
    Accept,
    Accepted,
    Heartbeat,
    InEpoch,
    Install,
    Join,
    Lease,
    Leave,
    MutexCodec,
    Prepare,
    Promise,
)
from ordering.mutex.leases import EpochConfig, Leases

BACKLOG_MAX = 10_000
_CODEC = MutexCodec()
_NO_STAMP = Stamp(0)


class Timer(Enum):
    """What a member waits for."""

    BEAT = "the next heartbeat"
    PROPOSE = "propose an epoch, if nobody else does"
    LEASE = "our lease ends"


class EpochMutex(SilentCore):
    """A member of a group that outlives its members.

    Args:
        me: this member's number.
        members: who is in the first epoch, the same everywhere; with `joins`, whom to ask.
        algorithm: makes the core that runs inside each epoch, for example
            :data:`ordering.mutex.ALGORITHMS`.
        random: how long to wait before proposing is drawn from it.
        joins: we are not in the first epoch. Our number was never used before.
        first_generation: the number of the first epoch, the same everywhere; if all members are
            restarted, above any number there was.
    """

    def __init__(
        self,
        me: int,
        members: Sequence[int],
        algorithm: Algorithm,
        *,
        random: Random,
        config: EpochConfig | None = None,
        joins: bool = False,
        first_generation: int = 1,
    ) -> None:
        self.me = NodeId(me)
        self.config = config or EpochConfig()
        self.state = State.IDLE
        self.token = 0
        self.generation = 0
        self.members: tuple[NodeId, ...] = ()
        self.inner: MutexCore | None = None
        self._first = () if joins else checked_members(members)
        self._first_generation = checked_generation(first_generation)
        self._contacts = tuple(NodeId(member) for member in members if member != me)
        self._algorithm = algorithm
        self._random = random
        self._agreement = Agreement(self.me, ())
        self._leases = Leases(self.me, (), self.config, 0)
        self._highest_seen = 0
        self._joining: set[NodeId] = set()
        self._leaving: set[NodeId] = set()
        self._backlog: list[tuple[NodeId, Frame] | Hashable] = []
        self._early: list[tuple[int, NodeId, Frame]] = []
        self._overflowed = False
        self._proposal_waits = False
        self._was_blocked = False

    # Verbs.

    def acquire(self, now: int) -> Effects:
        """Ask to enter; :class:`Granted` is told when we are in, in whatever epoch.

        Raises:
            MisusedCore: we have asked already, or are in.
        """
        self._must_be(State.IDLE, "acquire")
        self.state = State.WANTED
        return self._catch_up(now)

    def release(self, now: int) -> Effects:
        """Leave.

        Raises:
            MisusedCore: we are not in: released twice, or :class:`Lost` was told.
        """
        self._must_be(State.HELD, "release")
        return self._step_out(now)

    def cancel(self, now: int) -> Effects:
        """Take our request back.

        Raises:
            MisusedCore: there is no request.
        """
        self._must_be(State.WANTED, "cancel")
        self.state = State.IDLE
        if self.inner is not None and self.inner.state is State.WANTED:
            return self._wrapped(self.inner.cancel(now))
        return []

    def leave(self, now: int) -> Effects:
        """Leave the group; :class:`Left` is told when the others have agreed.

        Raises:
            MisusedCore: we are in, or have asked to.
        """
        self._must_be(State.IDLE, "leave")
        self._leaving.add(self.me)
        if self.inner is None:
            return self._step_aside(())
        if self.members == (self.me,):
            return self._install(self.generation + 1, (), now)
        return self._to(self._leases.others, Leave(self.me))

    # Inputs.

    def start(self, now: int) -> Effects:
        if not self._first:
            return [*self._ask_to_join(), SetTimer(Timer.BEAT, self.config.heartbeat_ns)]
        begun = self._install(self._first_generation, self._first, now)
        return [SetTimer(Timer.BEAT, self.config.heartbeat_ns), *begun]

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        effects = self._look_at_the_clock(now)
        match timer:
            case Timer.BEAT:
                return effects + self._beat(now)
            case Timer.PROPOSE:
                self._proposal_waits = False
                return effects + self._propose_if_needed(now)
            case ("in epoch", generation, inner) if generation == self.generation:
                return effects + self._take((inner,), now)
        return effects

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if not isinstance(arrival.sender, int) or arrival.sender == self.me:
            return []
        sender, frame = NodeId(arrival.sender), arrival.frame
        effects = self._look_at_the_clock(now)
        self._leases.saw(sender, now)
        match frame:
            case InEpoch(generation, payload):
                try:
                    return effects + self._inner_frame(
                        generation, sender, _CODEC.decode(payload), now
                    )
                except MalformedFrame:
                    return effects
            case Heartbeat():
                return effects + self._answer(sender, frame, now)
            case Lease(sent_at, generation) if generation == self.generation:
                self._leases.acknowledged(sender, sent_at, now)
                return effects + self._renew(now) + self._catch_up(now)
            case Install(generation, members) if generation > self.generation:
                return effects + self._install(generation, tuple(map(NodeId, members)), now)
            case Join() | Leave():
                return effects + self._hear_of_change(sender, frame)
        return effects + self._hear_proposal(sender, frame, now)

    # The algorithm inside.

    def _active(self, now: int) -> bool:
        return self.inner is not None and not self._agreement.frozen and self._leases.holds(now)

    def _inner_frame(self, generation: int, sender: NodeId, frame: Frame, now: int) -> Effects:
        if generation > self.generation:
            if len(self._early) < BACKLOG_MAX:
                self._early.append((generation, sender, frame))
        elif generation == self.generation:
            return self._take((sender, frame), now)
        return []

    def _take(self, given: tuple[NodeId, Frame] | Hashable, now: int) -> Effects:
        """An input for the inner core: it waits while nothing may be granted to us."""
        if len(self._backlog) >= BACKLOG_MAX:
            self._overflowed = True  # the algorithm has missed something: only an epoch mends it
        else:
            self._backlog.append(given)
        return self._catch_up(now)

    def _catch_up(self, now: int) -> Effects:
        """Give the inner core what it has missed while we were not active."""
        effects: Effects = []
        while self._backlog and self._active(now):
            assert self.inner is not None
            match self._backlog.pop(0):
                case (sender, Frame() as frame):
                    arrival = Arrival(frame, sender, _NO_STAMP)
                    effects += self._wrapped(self.inner.on_frame(arrival, now))
                case (timer,):
                    effects += self._wrapped(self.inner.on_timer(timer, now))
        if self._active(now) and self.state is State.WANTED:
            assert self.inner is not None
            if self.inner.state is State.IDLE:
                effects += self._wrapped(self.inner.acquire(now))
        return effects + (self._renew(now) if self.state is State.HELD else [])

    def _wrapped(self, effects: Effects) -> Effects:
        """The inner core's effects, as those of this one."""
        outer: Effects = []
        for effect in effects:
            match effect:
                case Send(to, frame):
                    outer.append(Send(to, InEpoch(self.generation, _CODEC.encode(frame))))
                case SetTimer(timer, after):
                    outer.append(SetTimer(("in epoch", self.generation, timer), after))
                case CancelTimer(timer):
                    outer.append(CancelTimer(("in epoch", self.generation, timer)))
                case Notify(Granted(token)):
                    assert self.state is State.WANTED, f"{self.me} enters while {self.state.value}"
                    self.state, self.token, self._was_blocked = State.HELD, token, False
                    outer.append(effect)
                case Notify(Lost()):
                    self.state = State.IDLE
                    outer.append(effect)
                case _:
                    outer.append(effect)
        return outer

    def _step_out(self, now: int) -> Effects:
        self.state = State.IDLE
        effects: Effects = [CancelTimer(Timer.LEASE)]
        if self.inner is not None and self.inner.state is State.HELD:
            effects += self._wrapped(self.inner.release(now))
        return effects + (self._promise_again(now) if self._agreement.frozen else [])

    # Leases.

    def _look_at_the_clock(self, now: int) -> Effects:
        if self.state is not State.HELD or self._leases.holds(now):
            return []
        lost = Lost(self.token, "no majority has answered for as long as a lease lasts")
        return [Notify(lost), *self._step_out(now)]

    def _renew(self, now: int) -> Effects:
        until = self._leases.until()
        if self.state is not State.HELD or until is None or not self._leases.others:
            return []
        return [SetTimer(Timer.LEASE, max(0, until - now))]

    def _beat(self, now: int) -> Effects:
        effects: Effects = [SetTimer(Timer.BEAT, self.config.heartbeat_ns)]
        if self.inner is None:
            return effects + self._ask_to_join()
        effects += self._heartbeats(now)
        if self.me in self._leaving:
            effects += self._to(self._leases.others, Leave(self.me))
        if self._agreement.proposing:
            effects += self._to(
                [each for each in self._leases.others if each not in self._agreement.promises],
                Prepare(self._agreement.ballot, self.generation),
            )
            effects += self._advance(now)
        return effects + self._wait_to_propose(now) + self._tell_if_blocked(now)

    def _heartbeats(self, now: int) -> Effects:
        beat = Heartbeat(now, self.generation, self._agreement.promised)
        return self._to(self._leases.others, beat)

    def _answer(self, sender: NodeId, beat: Heartbeat, now: int) -> Effects:
        if beat.generation < self.generation:
            return [Send(sender, Install(self.generation, self.members))]
        if beat.generation > self.generation or sender not in self.members:
            return []
        self._highest_seen = max(self._highest_seen, beat.promised)
        if self._agreement.accepted_ballot:
            return []  # the next epoch may have begun: no leases in this one any more
        self._leases.give(sender, now)
        return [Send(sender, Lease(beat.sent_at, self.generation))]

    def _tell_if_blocked(self, now: int) -> Effects:
        if self._leases.holds(now):
            self._was_blocked = False
            return []
        if self._was_blocked or self.state is not State.WANTED:
            return []
        self._was_blocked = True
        silent = ", ".join(map(str, self._leases.silent(now))) or "nobody yet"
        count = len(self.members)
        return [Notify(Blocked(f"no majority of {count} members answers; silent: {silent}"))]

    # The next epoch.

    def _ask_to_join(self) -> Effects:
        if self.me in self._leaving or not self._contacts:
            return []
        return [Send(self._random.choice(self._contacts), Join(self.me))]

    def _hear_of_change(self, sender: NodeId, frame: Join | Leave) -> Effects:
        if self.inner is None:
            return []
        if isinstance(frame, Join) and sender not in self.members:
            self._joining.add(sender)
        elif isinstance(frame, Leave) and sender in self.members:
            self._leaving.add(sender)
        return []

    def _wait_to_propose(self, now: int) -> Effects:
        if self._proposal_waits or not self._needs_epoch(now):
            return []
        self._proposal_waits = True
        # At random, so that one of them is through before the next one begins.
        orderly = not self._leases.silent(now)
        spread_ns = 2 * self.config.heartbeat_ns if orderly else self.config.lease_ns // 2
        return [SetTimer(Timer.PROPOSE, self._random.randrange(spread_ns))]

    def _needs_epoch(self, now: int) -> bool:
        silent = self._leases.silent(now)
        if not self._agreement.has_majority(len(self.members) - len(silent)):
            return False
        if self._agreement.frozen:
            return self._agreement.proposer in silent
        leaving = self._leaving & set(self.members)
        if self.me in leaving and set(self.members) - leaving - set(silent):
            return False  # one of those who stay does it
        return bool(silent or leaving or self._joining or self._overflowed)

    def _propose_if_needed(self, now: int) -> Effects:
        if self.inner is None or not self._needs_epoch(now):
            return []
        ballot = self._agreement.begin(self._highest_seen)
        self._agreement.promised_by(self.me, self._our_promise())
        prepare = self._to(self._leases.others, Prepare(ballot, self.generation))
        return prepare + self._advance(now)

    def _our_promise(self) -> Promise:
        agreement, holding = self._agreement, int(self.state is State.HELD)
        return Promise(
            agreement.promised,
            self.generation,
            holding,
            agreement.accepted_ballot,
            agreement.accepted,
        )

    def _promise_again(self, now: int) -> Effects:
        """We were inside when we promised, and are not any more."""
        if self._agreement.proposing:
            self._agreement.promised_by(self.me, self._our_promise())
            return self._advance(now)
        return [Send(self._agreement.proposer, self._our_promise())]

    def _hear_proposal(self, sender: NodeId, frame: Frame, now: int) -> Effects:
        agreement = self._agreement
        if sender not in self.members or getattr(frame, "generation", None) != self.generation:
            return []
        match frame:
            case Prepare(ballot) if agreement.promise(ballot):
                return [Send(sender, self._our_promise())]
            case Promise() if agreement.promised_by(sender, frame):
                return self._advance(now)
            case Accept(ballot, _, outside, members):
                if self._may_accept(ballot, outside, now):
                    agreement.accept(ballot, tuple(map(NodeId, members)))
                    return [Send(sender, Accepted(ballot, self.generation))]
            case Accepted(ballot) if agreement.proposing and ballot == agreement.ballot:
                agreement.accepts.add(sender)
                return self._advance(now)
        return []

    def _may_accept(self, ballot: int, outside: Sequence[int], now: int) -> bool:
        """Rule 2 of the module: nobody can be inside any more when a majority has accepted."""
        if ballot < self._agreement.promised or self.state is State.HELD:
            return False
        doubtful = [each for each in self._leases.others if each not in outside]
        return self._leases.all_run_out(doubtful, now)

    def _advance(self, now: int) -> Effects:
        """Whatever our own ballot can do next."""
        agreement = self._agreement
        if not agreement.has_majority(len(agreement.promises)):
            return []
        if agreement.value is None:
            bound = agreement.bound_value()
            agreement.value = self._next_members(now) if bound is None else bound
        value, outside = agreement.value, agreement.outside()
        if self.me not in agreement.accepts and self._may_accept(agreement.ballot, outside, now):
            agreement.accept(agreement.ballot, value)
            agreement.accepts.add(self.me)
        if agreement.has_majority(len(agreement.accepts)):
            everybody = sorted({*self._leases.others, *value} - {self.me})
            told = self._to(everybody, Install(self.generation + 1, value))
            return told + self._install(self.generation + 1, value, now)
        missing = [each for each in self._leases.others if each not in agreement.accepts]
        return self._to(missing, Accept(agreement.ballot, self.generation, outside, value))

    def _next_members(self, now: int) -> tuple[NodeId, ...]:
        gone = self._leaving | set(self._leases.silent(now)) - set(self._agreement.promises)
        stay = [member for member in self.members if member not in gone]
        return (*stay, *sorted(self._joining - set(stay)))

    def _install(self, generation: int, members: tuple[NodeId, ...], now: int) -> Effects:
        effects: Effects = []
        if self.state is State.HELD:
            # Only who stood still while the others went on comes here.
            self.state = State.IDLE
            effects += [CancelTimer(Timer.LEASE), Notify(Lost(self.token, "a new epoch began"))]
        self.generation, self.members = generation, members
        self._agreement = Agreement(self.me, members, self._agreement.promised)
        self._leases = Leases(self.me, members, self.config, now)
        self._joining.difference_update(members)
        self._leaving.intersection_update({*members, self.me})
        self._backlog, self._overflowed = [], False
        if self.me not in members:
            return effects + self._step_aside(members)
        effects.append(Notify(EpochBegan(generation, members)))
        self.inner = self._algorithm(self.me, members, generation=generation, random=self._random)
        effects += self._wrapped(self.inner.start(now)) + self._heartbeats(now)
        early, self._early = self._early, []
        for at, sender, frame in early:
            effects += self._inner_frame(at, sender, frame, now)
        return effects + self._catch_up(now)

    def _step_aside(self, members: tuple[NodeId, ...]) -> Effects:
        self.inner, self._early = None, []
        if self.me in self._leaving:
            return [Notify(Left()), CancelTimer(Timer.BEAT)]
        self._contacts = members  # they took us for dead: back in, with the next heartbeat
        return [Notify(Blocked("the others went on without us; asking to be let in again"))]

    def _to(self, members: Sequence[NodeId], frame: Frame) -> Effects:
        return [Send(member, frame) for member in members]

    def _must_be(self, state: State, verb: str) -> None:
        if self.state is not state:
            raise MisusedCore(f"{verb} while {self.state.value}: only while {state.value}")
