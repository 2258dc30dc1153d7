"""The beacon of reference broadcasts: sends a number at a time, and never a time.

Its clock does not matter, nor how long a broadcast takes to leave: that delay is the same for all
who hear it, which is the idea of the paper (Elson, Girod, Estrin, OSDI 2002, section 2). So it
stamps nothing and learns nothing; it can be as simple as this.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum

from clocksync.peers.sealed import EVERYBODY
from clocksync.rbs.frames import Broadcast
from clocksync.runtime.core import Effects, Notify, Send, SetTimer, SilentCore
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MICROSECOND, MILLISECOND, format_duration

INTERVAL_NS_MIN = 100 * MICROSECOND


class Sent(Enum):
    """What a beacon tells its application."""

    ALL = "as many broadcasts as were asked for have left"


class _Timer(Enum):
    NEXT = "next broadcast"


@dataclass(slots=True)
class Beacon(SilentCore):
    """The core of a beacon.

    Args:
        series: drawn anew for each, 64 bits: two beacons of one number are told apart by it.
        interval_ns: from one broadcast to the next; one that is late does not delay the others.
        count: how many; None: until it is ended.

    Raises:
        BadConfig: an interval that would flood the network, or a count below 1.
    """

    series: int
    interval_ns: int = 10 * MILLISECOND
    count: int | None = None
    sent: int = 0
    _begun_at: int = 0

    def __post_init__(self) -> None:
        if self.interval_ns < INTERVAL_NS_MIN:
            shown = format_duration(INTERVAL_NS_MIN)
            raise BadConfig(
                f"--interval {format_duration(self.interval_ns)}: {shown} is the shortest"
            )
        if self.count is not None and self.count < 1:
            raise BadConfig(f"--count {self.count}: a beacon sends at least one broadcast")

    def start(self, now: int) -> Effects:
        self._begun_at = now
        return self._broadcast(now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        return self._broadcast(now)

    def _broadcast(self, now: int) -> Effects:
        self.sent += 1
        broadcast = Send(EVERYBODY, Broadcast(self.series, self.sent))
        if self.sent == self.count:
            return [broadcast, Notify(Sent.ALL)]
        due = self._begun_at + self.sent * self.interval_ns
        if due <= now:  # it was held up: go on from here, and make up for nothing in a burst
            self._begun_at += now + self.interval_ns - due
            due = now + self.interval_ns
        return [broadcast, SetTimer(_Timer.NEXT, due - now)]
