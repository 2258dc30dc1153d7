"""One member of a ring: a state machine that gives extended virtual synchrony.

What it promises to its application (Moser et al., "Extended Virtual Synchrony", ICDCS 1994):

- what we send is delivered to us, in the configuration it was sent in or the transitional one
  that follows;
- all deliver messages in the same order (*agreed*); a *safe* message not before every member of the
  configuration has it;
- configuration changes come at the same place among the messages for all who go through them
  together, regular, transitional, regular, each with a unique id;
- each message has one timestamp everywhere, which grows in the order and carries its bound.

How: :meth:`Engine.step` takes one input with the time and returns effects. The states are four, as
in the paper: on a ring (:mod:`~vsync.operational`), gathering members (:mod:`~vsync.gathering`),
committing (:mod:`~vsync.committing`), recovering (:mod:`~vsync.recovering`). This module is what
they share: the one door between states, timers, durable storage, delivery. Decisions are made in
:mod:`~vsync.ring`, :mod:`~vsync.membership`, :mod:`~vsync.recovery` and :mod:`~vsync.ringtime`,
which send nothing.

What it assumes: processes crash and come back, networks lose, delay, repeat, reorder and divide; no
process lies (keeping liars out is the work of the layer that authenticates datagrams). What a peer
sends is data: it is dropped and counted where it cannot be, never raised.

After Amir et al., "The Totem Single-Ring Ordering and Membership Protocol", TOCS 13(4), 1995; where
we differ, ``docs/decisions/0012-totem-variations.md``.
"""

from collections import Counter
from collections.abc import Mapping
from random import Random

from clocksync.runtime.envelope import UNKNOWN_KIND, Envelope
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.interval import Interval
from clocksync.runtime.records import maker
from vsync import causes, committing, gathering, lifecycle, lingering, operational, recovering
from vsync.config import RingConfig
from vsync.events import (
    Accepted,
    BootState,
    CancelTimer,
    Configuration,
    Datagram,
    Dropped,
    Effect,
    Input,
    Kind,
    Leave,
    Messages,
    Moved,
    Observe,
    Opened,
    PeerHint,
    Persist,
    Persisted,
    Pressure,
    Refusal,
    Refused,
    SendTo,
    SetTimer,
    Start,
    Submit,
    TimerExpired,
)
from vsync.frames import FRAMES, LARGEST, Commit, CommitEntry, Data, RingFrame, Token
from vsync.identity import NO_RING, regular_id
from vsync.membership import BackOff, Membership
from vsync.packing import Assembly, Outbox
from vsync.recovery import Recovery
from vsync.ring import Ring
from vsync.ringtime import Stamper, flag_names
from vsync.states import (
    NEXT,
    RUNS_IN,
    Awaited,
    Cause,
    Leaving,
    OnFrame,
    OnTimer,
    State,
    Timer,
)

HANDLERS: Mapping[State, OnFrame] = {
    State.OPERATIONAL: operational.ON_FRAME,
    State.GATHER: gathering.ON_FRAME,
    State.COMMIT: committing.ON_FRAME,
    State.RECOVERY: recovering.ON_FRAME,
}
ON_TIMER: Mapping[State, OnTimer] = {
    State.OPERATIONAL: operational.ON_TIMER,
    State.GATHER: gathering.ON_TIMER,
    State.COMMIT: committing.ON_TIMER,
    State.RECOVERY: recovering.ON_TIMER,
}

BY_KIND = {cls.KIND: cls for cls in FRAMES}
_make_set_timer = maker(SetTimer)

HIGH_PRESSURE, LOW_PRESSURE = 75, 40
"""Percent of the send queue."""


class Engine:
    """The state machine of one member.

    Args:
        config: the same at all members.
        me: this member's number.
        boot: what its storage kept; ``BootState()`` if nothing.
        seed: of what it draws (its incarnation, ring nonces, the spread of Joins).
    """

    def __init__(self, config: RingConfig, me: int, boot: BootState, seed: int | str) -> None:
        self.config = config
        self.me = me
        self.random = Random(seed)
        self.incarnation = self.random.getrandbits(64)
        self.state = State.IDLE
        self.dropped: Counter[str] = Counter()
        self.now, self.clock = 0, Interval(0, 0)

        self.boot = self.durable = self.asked = boot
        self.asked_tickets: dict[int, BootState] = {}
        self.ticket = 0
        self.awaited: tuple[int, Awaited] | None = None

        self.ring = Ring(NO_RING, (me,), me, config, 0)
        """The one installed last."""
        self.my_ring = NO_RING
        """The one whose commit token we accepted last."""
        self.is_frozen = False
        """A commit token told what we hold of the old ring: it grows by recovery only."""
        self.recovered_in = NO_RING
        self.obligations: set[int] = set()
        self.reason = Cause.BOOTED
        self.membership = Membership(me)
        self.back_off = BackOff(*config.backoff_ns)
        self.refused: dict[int, int] = {}
        """Who is not admitted for its timestamps, by number: the incarnation it concerns."""
        self.incarnations: dict[int, int] = {}

        self.members: tuple[int, ...] = (me,)
        """Of the ring being formed."""
        self.entry: CommitEntry | None = None
        self.commit: Commit | None = None
        self.recovery: Recovery | None = None
        self.is_started = False
        """The representative has made the first token of the ring being formed."""
        self.is_parting = False
        """The ring being formed will not be: a member's timestamps are absurdly ahead."""
        self.awaits_commit = False
        self.gathered_ns = self.settles_ns = 0

        self.outbox = Outbox()
        self.least_room = config.room(1)
        self.room = self.most_room = config.payload_bytes
        """How large a message frame may be at present."""
        self.assembly = Assembly(config.message_bytes_max)
        self.stamper = Stamper(boot.reserved_until, config.drift_ppm)
        self.observations: list[causes.Waiting] = []
        self.last_own, self.has_pressure = 0, False
        self.leaving = Leaving.NOT
        self.held: Token | None = None
        self.lingering = lingering.Lingering()
        self.passed_on: SendTo | None = None

        self.is_flushing = False
        self._tick_due: int | None = None
        self._generations: dict[Timer, int] = {}
        self._pending: set[Timer] = set()
        self._envelope = Envelope(FRAMES, config.cluster, me)
        self._effects: list[Effect] = []

    # Inputs

    def step(self, now: int, clock: Interval, event: Input) -> list[Effect]:
        """Take one input.

        Args:
            now: the monotonic time, ns.
            clock: bounds of true time now, ns since the Unix epoch.

        Returns:
            effects, to be carried out in order before the next input.
        """
        self.now, self.clock = now, clock
        self._notice_pause()
        match event:
            case Opened(datagrams):
                for sender, kind, body in datagrams:
                    self._on_frame(sender, kind, body)
            case Datagram(data):
                self._on_datagram(data)
            case TimerExpired(timer, generation):
                self._on_timer(timer, generation)
            case Submit():
                self._on_submit(event)
            case Persisted(ticket):
                self._on_persisted(ticket)
            case PeerHint(peer, reachable):
                if self.state is State.GATHER and not reachable:
                    gathering.on_unreachable(self, peer)
            case Observe():
                causes.observe(self, event)
            case Leave():
                lifecycle.leave(self)
            case Start():
                lifecycle.start(self)
        if self.leaving is not Leaving.NOT:
            lifecycle.go_on_leaving(self)
        if self.state is State.GATHER:
            gathering.go_on(self)
        effects, self._effects = self._effects, []
        return effects

    def _on_datagram(self, data: bytes) -> None:
        try:
            sender, frame = self._envelope.open(data)
        except MalformedFrame as error:
            self.drop(error.reason)
            return
        assert isinstance(frame, RingFrame)
        self._on_whole(sender, frame)

    def _on_frame(self, sender: int, kind: int, body: bytes | memoryview) -> None:
        cls = BY_KIND.get(kind)
        if cls is None:
            self.drop(UNKNOWN_KIND, sender)
            return
        try:
            frame = cls.decode(body)
        except MalformedFrame as error:
            self.drop(error.reason, sender)
            return
        assert isinstance(frame, RingFrame)
        self._on_whole(sender, frame)

    def _on_whole(self, sender: int, frame: RingFrame) -> None:
        reason = frame.check()
        if reason is not None:
            self.drop(reason, sender, frame)
        elif sender == self.me:
            self.drop("in our own name", sender, frame)
        elif self.state is State.IDLE or self.leaving is Leaving.ALONE:
            self.drop("not on the network", sender, frame)
        elif self._is_unwelcome(sender, frame):
            self.drop("from a process not admitted for its timestamps", sender, frame)
        else:
            HANDLERS[self.state][type(frame)](self, sender, frame)

    def _is_unwelcome(self, sender: int, frame: RingFrame) -> bool:
        incarnation = getattr(frame, "incarnation", None)
        if incarnation is not None and self.incarnations.get(sender) != incarnation:
            self.incarnations[sender] = incarnation
            self.back_off.forgive(sender)
            if self.refused.get(sender) != incarnation:
                self.refused.pop(sender, None)
        # The commit token that tells why comes back through whom it concerns.
        return sender in self.refused and not (self.is_parting and isinstance(frame, Commit))

    def _on_timer(self, timer: Timer, generation: int) -> None:
        if generation != self._generations.get(timer) or timer not in self._pending:
            return
        self._pending.discard(timer)
        if timer is Timer.PAUSE:
            self.is_flushing = False
            self.tick()
        elif timer is Timer.LEAVE:
            lifecycle.go_alone(self)
        elif timer is Timer.BOOT:
            lifecycle.number(self)
        elif self.is_flushing and timer in (Timer.TOKEN_LOSS, Timer.CONSENSUS):
            # We did not run; what the others did meanwhile is still in the queue.
            self.arm(timer, self.config.token_loss_ns // 25)
        else:
            ON_TIMER[self.state][timer](self)

    def _on_submit(self, event: Submit) -> None:
        config, outbox = self.config, self.outbox
        sizes = [len(payload) for payload in event.payloads]
        size, count = sum(sizes), len(sizes)
        reason = None
        if self.leaving is not Leaving.NOT:
            reason = Refusal.LEAVING
        elif max(sizes, default=0) > config.message_bytes_max:
            reason = Refusal.TOO_LARGE
        elif (
            len(outbox) + count > config.queue_messages_max
            or outbox.bytes + size > config.queue_bytes_max
        ):
            reason = Refusal.QUEUE_FULL
        if reason is not None:
            self.emit(Refused(event.handle, reason))
            return
        lingering.foresee(self)
        outbox.put(event.handle, event.payloads, event.service, event.group)
        self.emit(Accepted(event.handle, count))
        self.tell_pressure()
        if self.state is State.OPERATIONAL:
            operational.on_submit(self)

    # The door between states

    def move(self, cause: Cause) -> None:
        """Change the state for `cause`, as the tables say; timers that have no place there end."""
        before, self.state = self.state, NEXT[self.state][cause]
        if before is State.OPERATIONAL:
            self.reason = cause
        for timer in sorted(self._pending - RUNS_IN[self.state], key=lambda timer: timer.value):
            self.cancel(timer)
        self.held = self.lingering.kept = None
        self.emit(Moved(before, self.state, cause))

    # Effects

    def emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def drop(self, cause: str, sender: int | None = None, frame: object = None) -> None:
        """Do not use a frame, and say why."""
        self.dropped[cause] += 1
        self.emit(Dropped(cause, sender, type(frame).__name__ if frame is not None else ""))

    def arm(self, timer: Timer, after_ns: int) -> None:
        assert timer in RUNS_IN[self.state], f"{timer} has no place in {self.state}"
        generation = self._generations[timer] = self._generations.get(timer, 0) + 1
        self._pending.add(timer)
        self.emit(_make_set_timer(timer, generation, self.now + after_ns))

    def cancel(self, timer: Timer) -> None:
        if timer in self._pending:
            self._pending.discard(timer)
            self.emit(CancelTimer(timer))

    def is_pending(self, timer: Timer) -> bool:
        return timer in self._pending

    def pass_on(self, peer: int, frame: Token | Commit, held_ns: int = 0) -> None:
        """Send a token, and again until something shows that it arrived.

        Args:
            held_ns: how long its receiver may hold it.
        """
        self.passed_on = SendTo(peer, frame)
        self.emit(self.passed_on)
        self.arm(Timer.TOKEN_RETRANSMIT, self.config.token_retransmit_ns + held_ns)

    def pass_on_again(self) -> None:
        assert self.passed_on is not None, "nothing was passed on"
        self.emit(self.passed_on)
        self.arm(Timer.TOKEN_RETRANSMIT, self.config.token_retransmit_ns)

    # Storage

    def persist(self, ring_sequence: int, reserved_until: int) -> None:
        """Ask for both to be durable, at least."""
        self.asked = BootState(
            max(ring_sequence, self.asked.ring_sequence),
            max(reserved_until, self.asked.reserved_until),
        )
        self.ticket += 1
        self.asked_tickets[self.ticket] = self.asked
        self.emit(Persist(self.ticket, self.asked))

    def _on_persisted(self, ticket: int) -> None:
        for earlier in [known for known in self.asked_tickets if known <= ticket]:
            self.durable = self.asked_tickets.pop(earlier)
        if self.observations:
            causes.confirm(self)
        if self.awaited is not None and self.awaited[0] <= ticket:
            awaited, self.awaited = self.awaited[1], None
            if awaited is Awaited.BOOT:
                lifecycle.boot(self)
            elif self.state is State.COMMIT:
                committing.send(self)
        elif self.state is State.OPERATIONAL:
            operational.on_persisted(self)
        elif self.state is State.RECOVERY:
            recovering.on_persisted(self)

    def is_reserved(self, timestamp: int) -> bool:
        """Whether a timestamp may be given out or delivered: a crash must not lead to one like it.

        Where it may not yet, that is asked for; well before it is needed, too.
        """
        reach = self.config.reservation_ns
        if timestamp + reach // 2 > self.asked.reserved_until:
            self.persist(0, min(timestamp + reach, 2 * LARGEST))
        return timestamp <= self.durable.reserved_until

    # Delivery

    def deliver_ready(self) -> None:
        """Deliver what may be delivered in the regular configuration."""
        ring = self.ring
        configuration = regular_id(ring.id)
        while (frame := ring.next_deliverable()) is not None:
            if isinstance(frame, Data):
                if not self.is_reserved(frame.timestamp + len(frame.lengths)):
                    return
                self.deliver(ring, frame, configuration)
            ring.delivered = frame.sequence

    def deliver(self, ring: Ring, frame: Data, configuration: str) -> None:
        """Deliver the messages that end in `frame`."""
        payloads = self.assembly.unpack(frame)
        if payloads:
            # A piece has a timestamp too, but nobody was told of it.
            if frame.last_timestamp > ring.delivered_time:
                ring.delivered_time, ring.time_error = frame.last_timestamp, frame.error
            if frame.origin == self.me:
                self.lingering.own_ns = self.now
            self.emit(
                Messages(
                    ring.id,
                    frame.sequence,
                    frame.origin,
                    frame.service,
                    frame.timestamp,
                    frame.error,
                    flag_names(frame.flags),
                    configuration,
                    payloads,
                    bool(frame.lengths),
                    frame.group,
                )
            )

    def deliver_regular(self, came: tuple[int, ...], timestamp: int, error: int) -> None:
        """Deliver the regular configuration of the installed ring; `came` are those who were with
        us in the transitional one."""
        ring = self.ring
        ring.timestamp = max(ring.timestamp, timestamp)
        ring.delivered_time, ring.time_error = timestamp, error
        self.stamper.saw(timestamp)
        joined = tuple(member for member in ring.members if member not in came)
        self.emit(
            Configuration(
                regular_id(ring.id),
                Kind.REGULAR,
                ring.id,
                ring.members,
                joined,
                (),
                self.reason,
                timestamp,
                error,
            )
        )

    def tell_pressure(self) -> None:
        """Tell the application when its queue fills up, and when there is room again."""
        config, outbox = self.config, self.outbox
        percent = max(
            100 * len(outbox) // config.queue_messages_max,
            100 * outbox.bytes // config.queue_bytes_max,
        )
        if percent >= HIGH_PRESSURE and not self.has_pressure:
            self.has_pressure = True
            self.emit(Pressure(True))
        elif percent < LOW_PRESSURE and self.has_pressure:
            self.has_pressure = False
            self.emit(Pressure(False))

    # Pauses: a process that was not scheduled finds its past in the queue, and must not act on it

    def tick(self) -> None:
        every = self.config.token_loss_ns // 5
        self._tick_due = self.now + every
        self.arm(Timer.PAUSE, every)

    def _notice_pause(self) -> None:
        due = self._tick_due
        if due is None or self.is_flushing or self.now <= due + self.config.token_loss_ns // 2:
            return
        if self.state is not State.IDLE:
            self.is_flushing = True
            self.arm(Timer.PAUSE, self.config.token_loss_ns // 50)
