"""The contract between a protocol and whatever carries it.

A *core* is a state machine: one call per input (a frame, a timer, a transmit stamp, a verb of the
application) and the node's reading ``now``; it returns the effects to carry out, in order, all of
them before the next input. A core reads no clock, opens no socket, sleeps never, logs nothing,
and draws only from a ``random.Random`` it was given. So the same object runs over sockets and in
simulation, and one seed gives one run.

Two times reach a core, and they are different things:

- ``now``: the node's own *monotonic* reading; timers and ages come from it.
- a :class:`Stamp`: a reading of the *clock being measured* (the wall clock, as the kernel or a
  software clock tells it). Only protocols that measure time look at stamps.

Effects are values of their own types, so a test can compare them and a transcript can print them.
The design follows etcd's raft (``Step(message) -> Ready``) more than polling designs such as
QUIC libraries: our peers are many, our steps tiny, and a step stays an atom.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from clocksync.runtime.wire import Frame


class StampSource(Enum):
    """Who read the clock. Ordered by trust: see :meth:`weaker`."""

    USER = "user"
    KERNEL = "kernel"
    HARDWARE = "hardware"

    def weaker(self, other: "StampSource") -> "StampSource":
        """The less trustworthy of the two."""
        if self is other:
            return self
        return self if _TRUST[self] <= _TRUST[other] else other


_TRUST = {StampSource.USER: 0, StampSource.KERNEL: 1, StampSource.HARDWARE: 2}


@dataclass(frozen=True, slots=True)
class Stamp:
    """A reading of the wall clock (ns since the Unix epoch) and who took it."""

    time: int
    source: StampSource = StampSource.USER


@dataclass(frozen=True, slots=True)
class Arrival:
    """A frame came in. ``stamp`` may be earlier than the step's ``now``: the kernel had it then."""

    frame: Frame
    sender: Hashable
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Send:
    """Send `frame` to `to` (a node, or an address). A `tag` asks for the transmit stamp."""

    to: Hashable
    frame: Frame
    tag: Hashable = None


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call ``on_timer(timer)`` `after` nanoseconds from this step's ``now``; replaces a pending
    timer of the same name."""

    timer: Hashable
    after: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer; a timer that is not pending is no error."""

    timer: Hashable


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the application."""

    event: object


Effect: TypeAlias = Send | SetTimer | CancelTimer | Notify
Effects: TypeAlias = list[Effect]


class Core(Protocol):
    """What every protocol here is. Inherit from :class:`SilentCore` to leave inputs out."""

    def start(self, now: int) -> Effects:
        """The first input: called once."""

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        """A frame came. Whatever it holds, this never raises."""

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        """A timer this core set has run out."""

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        """The datagram sent with `tag` left at `stamp`. Can come twice for one datagram: first as
        the sender's own reading, then as the kernel's better one; always before the answer."""

    def on_malformed(self, sender: Hashable, now: int) -> Effects:
        """A datagram came that holds no frame of this protocol. Most cores do not care."""

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        """The network says `to` cannot be reached. A hint that can be forged, no proof."""


class SilentCore:
    """A core that ignores everything: a base that lets a protocol name only what it uses."""

    def start(self, now: int) -> Effects:
        return []

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        return []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        return []

    def on_malformed(self, sender: Hashable, now: int) -> Effects:
        return []

    def on_refused(self, to: Hashable, tag: Hashable, reason: str, now: int) -> Effects:
        return []
