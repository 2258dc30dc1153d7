"""One member as a value: engines by number, and what each input makes of each, worked out once.

Members meet only in datagrams. So what an input does to a member depends on that member alone, and
a search that visits a million states of a group steps an engine only some ten thousand times: the
rest is looked up. A value is an engine pickled, known by a canonical form of all its attributes
(:func:`canonical`).

Before it gets its number, what only counts is taken out of an engine (:func:`normalise`); each of
these changes keeps every later effect as it is, as long as time stands still.
"""

import io
import pickle
import traceback
from collections import Counter, deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from clocksync.runtime.envelope import Envelope
from clocksync.runtime.interval import Interval
from clocksync.runtime.wire import Frame
from tests.vsync.small_scope.scopes import BACK_OFF
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import (
    BootState,
    Datagram,
    Dropped,
    Effect,
    Input,
    Messages,
    Moved,
    Multicast,
    Persist,
    Persisted,
    SendTo,
    Start,
    Submit,
    TimerExpired,
)
from vsync.frames import FRAMES, Commit, CommitEntry, HoldCancel, Token
from vsync.history import Chronicler
from vsync.identity import NO_RING, RingId, Service
from vsync.lingering import FOLLOWED_MOST
from vsync.recovery import Recovery
from vsync.ring import ASKED_AGAIN_AFTER, Ring
from vsync.states import State, Timer

NOW = 1_000_000_000
"""Time stands still; timers fire when the search says so."""

CLOCK = Interval.around(1_800_000_000_000_000_000, 1000)

HOLE = "a member's delivery of what nobody has"

Action = tuple[Any, ...]
"""What happens to one member: a verb and what it needs."""


class NoChance:
    """In place of the engine's generator: draws the same always.

    Nonces stand for themselves: rings of one name must not come about even without them as long as
    storage keeps what it was given."""

    def getrandbits(self, bits: int) -> int:
        return 0

    def randrange(self, stop: int) -> int:
        return 0


class Shunning:
    """In place of the engine's back-off: a pause lasts until the search ends it."""

    def __init__(self) -> None:
        self.shunned: set[int] = set()

    def given_up(self, process: int, now: int) -> None:
        self.shunned.add(process)

    def is_shunned(self, process: int, now: int, asks: bool = False) -> bool:
        return process in self.shunned

    def forgive(self, process: int) -> None:
        self.shunned.discard(process)


@dataclass(frozen=True, slots=True)
class Down:
    """A process that is not there, and what its disk keeps."""

    me: int
    life: int
    disk: BootState


@dataclass(slots=True)
class Member:
    """What a search asks about one value of a member."""

    me: int
    life: int
    blob: bytes
    down: Down | None = None
    state: State = State.IDLE
    timers: tuple[Timer, ...] = ()
    writes: int = 0
    disks: tuple[BootState, ...] = ()
    """What its disk may hold after a crash."""
    is_shunning: bool = False
    reached: tuple[tuple[RingId, int], ...] = ()
    """Of each ring it is on, up to where it has all messages."""
    my_ring: RingId = NO_RING
    ring: RingId = NO_RING
    present: RingId = NO_RING
    token_sequence: int = 0
    second_hop: int = 0
    """Of the commit token that comes to it on its second round."""
    last_hop: int = 0
    """Of the commit token that makes it begin the ring; 0: none."""


@dataclass(slots=True)
class Played:
    """What came out of an engine."""

    sends: tuple[tuple[int, int], ...] = ()
    """To whom (0: all others), and which datagram."""
    events: tuple[dict[str, object], ...] = ()
    """Of the history."""
    safe: tuple[tuple[RingId, int, tuple[int, ...]], ...] = ()
    """Safe messages delivered in a regular configuration: ring, number, members of the ring."""
    story: tuple[str, ...] = ()
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one input does to one value."""

    after: int
    played: Played
    parted: tuple[tuple[RingId, int], ...] = ()
    """Rings left, and how far it had received them."""
    key: str = ""
    """Equal for equal additions to a log; empty for none."""


class Members:
    """All values met so far, of the members of one scope, and what inputs make of them."""

    def __init__(
        self,
        config: RingConfig,
        script: tuple[tuple[int, Service], ...],
        prompt: bool,
        chatty: bool,
    ) -> None:
        self.config = config
        self.script = script
        self.prompt = prompt
        self.chatty = chatty
        self.known: list[Member] = []
        self.frames: list[Any] = []
        self.senders: list[int] = []
        self.steps = 0
        self.told: set[str] = set()
        """Changes of state and refusals that came about, in words."""
        self._numbers: dict[Hashable, int] = {}
        self._datagrams: list[bytes] = []
        self._datagram_numbers: dict[bytes, int] = {}
        self._outcomes: dict[tuple[int, Action], Outcome] = {}
        self._envelopes: dict[int, Envelope] = {}
        self._kept: list[Frame] = []
        self._kept_numbers: dict[Frame, int] = {}
        self._dispatch = {
            RingConfig: self._reduce_config,
            Envelope: self._reduce_envelope,
        } | dict.fromkeys((*FRAMES, CommitEntry), self._reduce_frame)

    # Values

    def down(self, me: int, life: int, disk: BootState) -> int:
        """The number of a process that is not there."""
        value = Down(me, life, disk)
        if value not in self._numbers:
            self._numbers[value] = len(self.known)
            self.known.append(Member(me, life, b"", value))
        return self._numbers[value]

    def _number(self, engine: Engine, life: int) -> int:
        normalise(engine)
        key = (life, canonical(engine))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.known)
            self.known.append(_look(engine, life, self._freeze(engine)))
        return number

    def _freeze(self, engine: Engine) -> bytes:
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = self._dispatch
        pickler.dump(engine)
        return buffer.getvalue()

    def _thaw(self, number: int) -> Engine:
        _LENT.update(config=self.config, envelopes=self._envelopes, frames=self._kept)
        engine: Engine = pickle.loads(self.known[number].blob)
        return engine

    def _reduce_config(self, config: RingConfig) -> tuple[Any, ...]:
        return _lent_config, ()

    def _reduce_envelope(self, envelope: Envelope) -> tuple[Any, ...]:
        return _lent_envelope, (envelope._sender,)

    def _reduce_frame(self, frame: Frame) -> tuple[Any, ...]:
        number = self._kept_numbers.setdefault(frame, len(self._kept))
        if number == len(self._kept):
            self._kept.append(frame)
        return _lent_frame, (number,)

    # Datagrams

    def datagram(self, me: int, frame: Any) -> int:
        """The number of a datagram."""
        envelope = self._envelopes.setdefault(me, Envelope(FRAMES, self.config.cluster, me))
        data = envelope.encode(frame)
        number = self._datagram_numbers.get(data)
        if number is None:
            number = self._datagram_numbers[data] = len(self._datagrams)
            self._datagrams.append(data)
            self.frames.append(frame)
            self.senders.append(me)
        return number

    def is_dead(self, number: int, datagram: int) -> bool:
        """Whether a member will drop a datagram for certain, now and ever after.

        A member never comes back to a ring of others that it has left, and takes part only in rings
        later than the last it took part in.
        """
        member, frame = self.known[number], self.frames[datagram]
        if member.down is not None or member.state is State.IDLE:
            return False
        match frame:
            case Token() | HoldCancel():
                ring = frame.ring
                if ring.sequence > member.my_ring.sequence:
                    return False
                if member.state is State.OPERATIONAL or member.state is State.RECOVERY:
                    if ring != member.present:
                        return True
                    is_token = isinstance(frame, Token)
                    return is_token and frame.token_sequence <= member.token_sequence
                return member.state is State.GATHER or ring != member.my_ring
            case Commit():
                if frame.ring_sequence > member.my_ring.sequence:
                    return False
                if frame.ring != member.my_ring:
                    return True
                if member.state is State.COMMIT:
                    return frame.hop < member.second_hop
                return member.state is not State.RECOVERY or frame.hop != member.last_hop
        return False

    # Inputs

    def outcome(self, number: int, action: Action) -> Outcome:
        """What an action makes of a value; looked up if it was asked before."""
        key = (number, action)
        found = self._outcomes.get(key)
        if found is None:
            found = self._outcomes[key] = self._work_out(number, action)
        return found

    def _work_out(self, number: int, action: Action) -> Outcome:
        member = self.known[number]
        if action[0] == "crash":
            after = self.down(member.me, member.life, action[1])
            crash = ({"event": "crash"},)
            return Outcome(after, Played(events=crash), member.reached, f"crash {member.reached}")
        if member.down is not None:
            life, engine = member.life + 1, self.process(member.down)
        else:
            life, engine = member.life, self._thaw(number)
        try:
            played = self.play(engine, action)
            after = self._number(engine, life)
        except Exception:
            return Outcome(-1, Played(wrong=f"node {member.me}: {traceback.format_exc()}"))
        new = self.known[after]
        self.told |= set(played.story)
        if not played.wrong and _is_stuck(new):
            played.wrong = f"node {member.me} waits for ever: {new.state}, {new.timers}"
        kept = {ring for ring, _ in new.reached}
        parted = tuple([each for each in member.reached if each[0] not in kept])
        key = repr((played.events, parted)) if played.events or parted else ""
        return Outcome(after, played, parted, key)

    def process(self, down: Down) -> Engine:
        """A process about to start."""
        engine = Engine(self.config, down.me, down.disk, 0)
        engine.incarnation = 100 * down.me + down.life + 1
        engine.random = NoChance()  # type: ignore[assignment]
        engine.back_off = Shunning()  # type: ignore[assignment]
        if self.chatty:
            engine.lingering.followed = FOLLOWED_MOST
        return engine

    def play(self, engine: Engine, action: Action) -> "Played":
        """Do something to an engine, whether or not it is one of ours."""
        played = Played()
        if action[0] == BACK_OFF:
            engine.back_off = Shunning()  # type: ignore[assignment]
            return played
        if action == ("fire", Timer.SETTLE):
            engine.settles_ns = NOW
        if action == ("boot",):
            played.events = ({"event": "boot", "storage": "kept"},)
        chronicler = Chronicler()
        for index, (_, service) in enumerate(self.script):
            chronicler.submitting(index, b"%d" % index, service)
        pending = [self._input(engine, action)]
        while pending:
            self.steps += 1
            members = {engine.ring.id: engine.ring.members}
            for effect in engine.step(NOW, CLOCK, pending.pop(0)):
                members[engine.ring.id] = engine.ring.members
                if isinstance(effect, Persist) and self.prompt:
                    pending.append(Persisted(effect.ticket))
                self._note(engine.me, effect, members, played)
                played.events += tuple(chronicler.describe(effect))
        return played

    def _input(self, engine: Engine, action: Action) -> Input:
        match action:
            case ("boot",):
                return Start()
            case ("deliver", datagram):
                return Datagram(self._datagrams[datagram])
            case ("fire", timer):
                return TimerExpired(timer, engine._generations[timer])
            case ("written",):
                return Persisted(min(engine.asked_tickets))
            case ("submit", index):
                return Submit(index, (b"%d" % index,), self.script[index][1])
        raise AssertionError(f"no such action: {action}")

    def _note(
        self, me: int, effect: Effect, members: Mapping[RingId, tuple[int, ...]], played: "Played"
    ) -> None:
        match effect:
            case SendTo(peer, frame):
                played.sends += ((peer, self.datagram(me, frame)),)
            case Multicast(frame):
                played.sends += ((0, self.datagram(me, frame)),)
            case Dropped(cause):
                played.story += (f"drops it: {cause}",)
                if cause == HOLE:
                    played.wrong = f"node {me}: a hole where a member delivered"
            case Moved():
                played.story += (str(effect),)
            case Messages(service=Service.SAFE) if effect.configuration.startswith("R"):
                played.safe += ((effect.ring, effect.sequence, members[effect.ring]),)


_LENT: dict[str, Any] = {}
"""What is not copied with an engine."""


def _lent_config() -> RingConfig:
    config: RingConfig = _LENT["config"]
    return config


def _lent_envelope(me: int) -> Envelope:
    envelopes: dict[int, Envelope] = _LENT["envelopes"]
    if me not in envelopes:
        envelopes[me] = Envelope(FRAMES, _lent_config().cluster, me)
    return envelopes[me]


def _lent_frame(number: int) -> Frame:
    frames: list[Frame] = _LENT["frames"]
    return frames[number]


def _is_stuck(member: Member) -> bool:
    """Whether no timer will end its waiting, should it hear nothing any more."""
    timers = set(member.timers)
    match member.state:
        case State.OPERATIONAL:
            is_alone = not member.reached  # rings of one have nothing to reach
            return not is_alone and not timers & {Timer.TOKEN_LOSS, Timer.TOKEN_HOLD}
        case State.GATHER:
            return not timers & {Timer.CONSENSUS, Timer.TOKEN_LOSS}
        case State.COMMIT | State.RECOVERY:
            return Timer.TOKEN_LOSS not in timers
    return not timers and not member.writes


def _look(engine: Engine, life: int, blob: bytes) -> Member:
    rings = [engine.ring] if engine.recovery is None else [engine.ring, engine.recovery.ring]
    place, count = 0, len(engine.members)
    if engine.state in (State.COMMIT, State.RECOVERY):
        place = engine.members.index(engine.me)
    return Member(
        engine.me,
        life,
        blob,
        None,
        engine.state,
        tuple(sorted(engine._pending)),
        len(engine.asked_tickets),
        tuple(dict.fromkeys([engine.durable, *engine.asked_tickets.values()])),
        bool(engine.back_off.shunned),  # type: ignore[attr-defined]
        tuple((ring.id, ring.log.contiguous) for ring in rings if len(ring.members) > 1),
        engine.my_ring,
        engine.ring.id,
        rings[-1].id,
        rings[-1].token_sequence,
        count + place,
        2 * count if place == 0 and not engine.is_started else 0,
    )


# One value for all that behave alike


def normalise(engine: Engine) -> None:
    """Take out what only counts, and number anew what is only compared."""
    engine.dropped = Counter()
    # A timer that is pending fires with the number it was armed with last.
    engine._generations = dict.fromkeys(engine._pending, 1)
    # Writes end in order; that which is awaited has not ended.
    tickets = {old: new for new, old in enumerate(sorted(engine.asked_tickets), 1)}
    if engine.awaited is not None:
        engine.awaited = (tickets[engine.awaited[0]], engine.awaited[1])
    engine.asked_tickets = {tickets[t]: state for t, state in engine.asked_tickets.items()}
    engine.ticket = len(tickets)
    if Timer.TOKEN_RETRANSMIT not in engine._pending:
        engine.passed_on = None  # it is only sent again when that timer fires
    for ring in [engine.ring] if engine.recovery is None else [engine.ring, engine.recovery.ring]:
        _normalise_ring(ring)
    if engine.recovery is not None:
        _normalise_recovery(engine.recovery)


def _normalise_ring(ring: Ring) -> None:
    # Nobody is deaf before time passes.
    ring._stuck_visits = 0
    # Above its limit a count says no more.
    ring.idle_visits = min(ring.idle_visits, ring.config.idle_visits + 1)
    for miss in ring._misses.values():
        miss.next_visit = max(0, miss.next_visit - ring._visits)
        miss.times = min(miss.times, ring.config.misses)
        miss.asked = min(miss.asked, ASKED_AGAIN_AFTER)
    ring._visits = 0
    # Every second request is answered.
    ring._answered = {sequence: 1 for sequence, times in ring._answered.items() if times % 2}


def _normalise_recovery(recovery: Recovery) -> None:
    # That it is endless shows after more rotations than any scope has.
    recovery.rotations = 0
    recovery._quiet_visits = min(recovery._quiet_visits, 3)
    recovery._complete_visits = min(recovery._complete_visits, 2)


_ITSELF = (int, str, bytes, float, type(None), Enum, Frame, BootState, SendTo, RingId)
_SHARED = (RingConfig, Envelope, NoChance)
_PARTS: dict[type, tuple[str, ...] | None] = {}
"""Of each class met, its attributes; none: a value is its own canonical form."""


def canonical(value: Any) -> Hashable:
    """A hashable form that is equal for values that are: attributes by name, sets and mappings
    without their order (the engine sorts them where it matters), nothing by identity."""
    cls = type(value)
    if cls is dict:
        return frozenset([(key, canonical(each)) for key, each in value.items()])
    if cls is set:
        return frozenset(value)
    if cls is tuple or cls is list or cls is deque:
        return tuple([canonical(each) for each in value])
    try:
        parts = _PARTS[cls]
    except KeyError:
        parts = _PARTS[cls] = _parts(value)
    if parts is None:
        return value
    return (cls, *[canonical(getattr(value, name)) for name in parts])


def _parts(value: Any) -> tuple[str, ...] | None:
    cls = type(value)
    if issubclass(cls, _SHARED):
        return ()
    if issubclass(cls, _ITSELF) or issubclass(cls, tuple):
        return None
    names = [name for base in cls.__mro__ for name in getattr(base, "__slots__", ())]
    return tuple(names or sorted(vars(value)))
