"""An engine in a simulated world: the same object that runs on sockets.

The world (:mod:`clocksync.runtime.simulation`) knows frames, timers and crashes. What a ring member
needs besides is here: storage that takes time and may or may not have the last write when the
process dies, a clock with a bound, and histories.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from clocksync.runtime import core, wire
from clocksync.runtime.core import Arrival, Effects, Notify, Send, SilentCore
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.interval import Interval
from clocksync.runtime.simulation import Boot
from clocksync.runtime.units import MICROSECOND
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import (
    Accepted,
    BootState,
    CancelTimer,
    Datagram,
    Dropped,
    Effect,
    Input,
    Leave,
    Messages,
    Moved,
    Multicast,
    ObservationRefused,
    Observe,
    Persist,
    Persisted,
    SendTo,
    SetTimer,
    Start,
    Submit,
    TimeRefused,
    TimerExpired,
)
from vsync.frames import FRAMES, Token
from vsync.history import Chronicler, Keys
from vsync.identity import Service
from vsync.states import Timer

EVERYBODY = "everybody"
"""The multicast address of the simulated network."""

STATE = "state"
"""The key under which a node's storage holds what it must find again."""

SHORTEST_WRITE_NS, LONGEST_WRITE_NS = 100 * MICROSECOND, 1500 * MICROSECOND

Make = Callable[[RingConfig, int, BootState, str], Engine]
"""An engine's constructor."""


@dataclass(frozen=True, slots=True)
class Sealed(wire.Frame):
    """A datagram as it is on the wire, no format of its own: the engine opens it itself, and
    transcripts look inside."""

    data: bytes

    def __str__(self) -> str:
        try:
            return str(_LOOK.decode(self.data))
        except MalformedFrame as error:
            return f"{len(self.data)} bytes ({error.reason})"


_LOOK = Envelope(FRAMES, 0, 0)


class Plain:
    """The world's codec: bytes are bytes."""

    def encode(self, frame: wire.Frame) -> bytes:
        assert isinstance(frame, Sealed), "ring nodes send sealed datagrams"
        return frame.data

    def decode(self, data: bytes | memoryview) -> wire.Frame:
        return Sealed(bytes(data))


@dataclass(frozen=True, slots=True)
class Line:
    """One event of the history."""

    keys: Keys

    def __str__(self) -> str:
        keys = {key: value for key, value in self.keys.items() if key != "event"}
        match self.keys["event"]:
            case "configuration":
                members = "{" + ",".join(map(str, keys["members"])) + "}"  # type: ignore[call-overload]
                return f"{keys['kind']} configuration {members} {keys['id']} ({keys['reason']})"
            case "deliver":
                flags = "".join(f" {flag}" for flag in keys["flags"])  # type: ignore[attr-defined]
                return (
                    f"delivers {keys['message']} of {keys['origin']}, {keys['service']},"
                    f" at {keys['timestamp']} ± {keys['error']}{flags}"
                )
            case "send":
                return f"sends {keys['message']}, {keys['service']}"
            case event:
                return f"{event} " + " ".join(f"{key}={value}" for key, value in keys.items())


TrueTime = Callable[[], int | None]


class RingNode(SilentCore):
    """One incarnation of one member.

    Args:
        clock: bounds of true time, as the node's time source gives them.
        true_time: for the history; gives None for a node whose clock is made wrong.
        watch: sees every effect, for white-box checks.
    """

    def __init__(
        self,
        boot: Boot,
        config: RingConfig,
        make: Make,
        seed: str,
        clock: Callable[[], Interval],
        true_time: TrueTime = lambda: None,
        watch: Callable[["RingNode", Effect], None] | None = None,
    ) -> None:
        assert isinstance(boot.address, int), "ring members are numbers"
        kept = boot.storage.get(STATE, BootState())
        assert isinstance(kept, BootState), "this is what was stored"
        self.me = boot.address
        self.engine = make(config, self.me, kept, f"{seed}/{boot.incarnation}")
        self.steps = 0
        self.owed = 0
        """How many of our messages were accepted and not delivered to us yet."""
        self.delivered_at = 0
        self.delivered: list[Messages] = []
        self.keeps_messages = False
        self.tells_tokens = False
        self._boot = boot
        self._clock = clock
        self._true_time = true_time
        self._watch = watch
        self._chronicler = Chronicler()
        self._envelope = Envelope(FRAMES, config.cluster, self.me)
        self._generations: dict[Timer, int] = {}
        self._writes: dict[int, BootState] = {}
        self._stored = 0
        self._written_at = 0
        self._handle = 0

    # Inputs of the world

    def start(self, now: int) -> Effects:
        return self._step(now, Start())

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        assert isinstance(arrival.frame, Sealed), "ring nodes send sealed datagrams"
        return self._step(now, Datagram(arrival.frame.data))

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        match timer:
            case Timer():
                return self._step(now, TimerExpired(timer, self._generations[timer]))
            case ("written", int(ticket)):
                self._store(ticket)
                return self._step(now, Persisted(ticket))
        raise AssertionError(f"no timer of ours: {timer}")

    # Verbs of the application

    def submit(self, payload: bytes, service: Service, now: int) -> Effects:
        """Multicast something."""
        self._handle += 1
        self._chronicler.submitting(self._handle, payload, service)
        return self._step(now, Submit(self._handle, (payload,), service))

    def observe(self, timestamp: int | None, now: int) -> Effects:
        """Follow a timestamp of elsewhere."""
        self._handle += 1
        return self._step(now, Observe(self._handle, timestamp))

    def leave(self, now: int) -> Effects:
        return self._step(now, Leave())

    # Effects

    def _step(self, now: int, event: Input) -> Effects:
        self.steps += 1
        out: Effects = []
        for effect in self.engine.step(now, self._clock(), event):
            if self._watch is not None:
                self._watch(self, effect)
            self._carry_out(effect, now, out)
        return out

    def _carry_out(self, effect: Effect, now: int, out: Effects) -> None:
        match effect:
            case SendTo(peer, frame):
                if self.tells_tokens and isinstance(frame, Token):
                    out.append(
                        Notify(Line({"event": "token", "to": peer, "ring": str(frame.ring)}))
                    )
                out.append(Send(peer, Sealed(self._envelope.encode(frame))))
            case Multicast(frame):
                out.append(Send(EVERYBODY, Sealed(self._envelope.encode(frame))))
            case SetTimer(timer, generation, at_ns):
                self._generations[timer] = generation
                out.append(core.SetTimer(timer, max(0, at_ns - now)))
            case CancelTimer(timer):
                out.append(core.CancelTimer(timer))
            case Persist(ticket, state):
                out.append(core.SetTimer(("written", ticket), self._write(ticket, state, now)))
            case Moved() | TimeRefused() | ObservationRefused():
                out.append(Notify(effect))
            case Dropped():
                pass
            case _:
                if isinstance(effect, Accepted):
                    self.owed += effect.count
                elif isinstance(effect, Messages):
                    self.delivered_at = now
                    self.owed -= len(effect.payloads) if effect.origin == self.me else 0
                    if self.keeps_messages:
                        self.delivered.append(effect)
                for keys in self._chronicler.describe(effect, self._true_time()):
                    out.append(Notify(Line(keys)))

    def _write(self, ticket: int, state: BootState, now: int) -> int:
        """Begin to write: how long it takes. A crash before it is done leaves the old state or the
        new one."""
        random = self._boot.random
        self._writes[ticket] = state
        if random.random() < 0.5:
            self._store(ticket)
        takes = random.randrange(SHORTEST_WRITE_NS, LONGEST_WRITE_NS)
        self._written_at = max(self._written_at, now) + takes
        return self._written_at - now

    def _store(self, ticket: int) -> None:
        state = self._writes.get(ticket)
        if state is not None and ticket > self._stored:
            self._stored = ticket
            self._boot.storage[STATE] = state
