"""What goes into an engine and what comes out: values that tests compare and transcripts print.

One input and the time go in, a list of effects comes out; they are carried out in order, all of
them, before the next input. The ring needs more of its driver than
:class:`clocksync.runtime.core.Core` names (durable storage, a clock with a bound, generations of
timers), so it has inputs and effects of its own; ``vsync.simulation`` puts the same engine into a
simulated world.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from clocksync.runtime.wire import Frame
from vsync.identity import RingId, Service
from vsync.states import Cause, State, Timer

# Inputs


@dataclass(frozen=True, slots=True)
class Start:
    """The first input."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram in the toolkit's plain envelope came. Data is handed in before a token that came
    after it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """Datagrams came whose envelope the driver has opened, and whose sender it has authenticated
    if it authenticates: of each the sender, the kind of frame, and the frame.

    The same as so many inputs at one instant, at a fraction of the price. Data comes before a token
    that came after it, here too.
    """

    datagrams: Sequence[tuple[int, int, bytes | memoryview]]


@dataclass(frozen=True, slots=True)
class TimerExpired:
    """A timer ran out. One of an old generation is ignored, so cancelling cannot race."""

    timer: Timer
    generation: int


@dataclass(frozen=True, slots=True)
class Submit:
    """The application multicasts messages, in this order.

    `handle` is its own name for the first; the one after it is called `handle` + 1, and so on. They
    are accepted or refused together.
    """

    handle: int
    payloads: Sequence[bytes]
    service: Service = Service.AGREED
    group: int = 0
    """Told to whom it is delivered; nothing to the ring."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The application leaves: what it submitted is sent and delivered first, if that can be."""


@dataclass(frozen=True, slots=True)
class Persisted:
    """The blob of that ticket, and of every one before it, is durable."""

    ticket: int


@dataclass(frozen=True, slots=True)
class PeerHint:
    """The network says that a peer can(not) be reached. It can be forged, so it only speeds up what
    the absence of the token has already begun."""

    peer: int
    reachable: bool


@dataclass(frozen=True, slots=True)
class Observe:
    """The application saw a timestamp of elsewhere: what we send from now on is later than that.

    Args:
        handle: comes back with :class:`Observed` or :class:`ObservationRefused`.
        timestamp: ns since the Unix epoch; None: the latest that true time can be now.
    """

    handle: int
    timestamp: int | None


Input = Start | Datagram | Opened | TimerExpired | Submit | Leave | Persisted | PeerHint | Observe

# Effects


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send a frame to one member."""

    peer: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Multicast:
    """Send a frame to everybody but ourselves: the engine has taken its own copy.

    ``after_token``: it was decided before the token in this list and may follow it (accelerated
    ring), so a driver may read in between.
    """

    frame: Frame
    after_token: bool = False


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Hand ``TimerExpired(timer, generation)`` in at the monotonic time `at_ns`. It replaces a
    pending timer of the same name."""

    timer: Timer
    generation: int
    at_ns: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class BootState:
    """What an engine must find again after a crash. Empty storage is ``BootState()``."""

    ring_sequence: int = 0
    """The largest ring sequence number that may be in use under our name."""

    reserved_until: int = 0
    """No timestamp beyond this one was given out or delivered, ns since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Make `state` durable, atomically, then hand ``Persisted(ticket)`` in. The engine holds back
    by itself whatever must not happen before."""

    ticket: int
    state: BootState


class Kind(Enum):
    """The two kinds of configurations."""

    REGULAR = "regular"
    TRANSITIONAL = "transitional"


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration change, delivered in the order of messages."""

    id: str
    kind: Kind
    ring: RingId
    """A regular one's own ring; a transitional one's *old* ring."""
    members: tuple[int, ...]
    joined: tuple[int, ...]
    left: tuple[int, ...]
    reason: Cause
    """Why the ring before it was given up, as this member saw it."""
    timestamp: int
    error: int


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages delivered: those of one datagram, all alike but for their content and a nanosecond.

    Message `i` has the timestamp ``timestamp + i`` and, unless ``whole`` is false, the index `i`;
    one that came in pieces is alone and has no index.
    """

    ring: RingId
    sequence: int
    origin: int
    service: Service
    timestamp: int
    error: int
    flags: tuple[str, ...]
    configuration: str
    payloads: tuple[bytes, ...]
    whole: bool = True
    group: int = 0


@dataclass(frozen=True, slots=True)
class Ordered:
    """Our own messages got their place in the order: sent, as far as the model is concerned.

    Comes before the datagram leaves. A message in pieces is named by its last one.
    """

    ring: RingId
    sequence: int
    handles: range
    service: Service
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Promised:
    """Recovery is complete here: whatever happens, the messages exchanged that come from
    `obligations` will be delivered."""

    ring: RingId
    obligations: tuple[int, ...]


class Refusal(Enum):
    """Why a message was not accepted."""

    QUEUE_FULL = "the send queue is full: wait for Pressure(False)"
    TOO_LARGE = "the message is larger than message_bytes_max"
    LEAVING = "this member leaves or has left"


@dataclass(frozen=True, slots=True)
class Accepted:
    """`count` messages are in the send queue, and will be delivered to ourselves if we live."""

    handle: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """The messages submitted together with this one were not accepted, none of them."""

    handle: int
    reason: Refusal


@dataclass(frozen=True, slots=True)
class Pressure:
    """The send queue is over three quarters full (True), or below two fifths again (False)."""

    high: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """The engine changed its state."""

    before: State
    after: State
    cause: Cause

    def __str__(self) -> str:
        return f"{self.after.value} ({self.cause.value})"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A frame was not used. `sender` is None where it is not known."""

    cause: str
    sender: int | None = None
    frame: str = ""


@dataclass(frozen=True, slots=True)
class TimeRefused:
    """Timestamps of `members` lie absurdly ahead of what the majority's clocks say: they are not
    admitted until they come back with a new history (storage lost). On their side, `members`
    holds ourselves."""

    members: tuple[int, ...]
    ahead_ns: int


@dataclass(frozen=True, slots=True)
class Observed:
    """From here on whatever we submit has a later timestamp than this, after a crash too, unless
    storage is lost."""

    handle: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class ObservationRefused:
    """A timestamp of elsewhere lies so far ahead of what time can be that it is not believed: all
    members' stamps would have to follow it."""

    handle: int
    ahead_ns: int


@dataclass(frozen=True, slots=True)
class Left:
    """We have left; the engine takes no further input."""


Effect = (
    SendTo
    | Multicast
    | SetTimer
    | CancelTimer
    | Persist
    | Configuration
    | Messages
    | Ordered
    | Promised
    | Accepted
    | Refused
    | Pressure
    | Moved
    | Dropped
    | TimeRefused
    | Observed
    | ObservationRefused
    | Left
)
