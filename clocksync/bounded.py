"""BoundedClock: the time now, as an interval that contains it.  [I/O]

One reading of the offset is an anchor: at that instant of the machine's monotonic clock, true time
lay in a known interval. From then on the interval moves with the monotonic clock and widens by the
drift allowed for, so steps of the system clock meanwhile do not matter, and the bound stays honest
however long ago the anchor was set (Marzullo & Owicki 1983; Spanner's TrueTime, OSDI 2012).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from clocksync.chronyd import read_tracking
from clocksync.measuring.result import Measurement, Tie
from clocksync.measuring.settings import check_drift
from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.interval import Interval


@dataclass(frozen=True, slots=True)
class Anchor:
    """True time (Unix ns) lay in ``interval`` when the monotonic clock showed ``monotonic_ns``."""

    interval: Interval
    monotonic_ns: int


class BoundedClock:
    """A clock whose reading is an :class:`Interval` of Unix nanoseconds.

    Args:
        anchor: where it starts from.
        max_drift_ppm: how fast the machine's oscillator may be off.

    Raises:
        BadConfig: no bound can allow for that drift.

    >>> clock = BoundedClock(Anchor(Interval(1_000, 1_010), time.monotonic_ns()))
    >>> 1_000 <= clock.now().latest
    True
    """

    def __init__(self, anchor: Anchor, max_drift_ppm: float = MAX_DRIFT_PPM) -> None:
        check_drift(max_drift_ppm)
        self.anchor = anchor
        self.max_drift_ppm = max_drift_ppm

    def now(self) -> Interval:
        """The interval that contains true time now."""
        elapsed = time.monotonic_ns() - self.anchor.monotonic_ns
        moved = self.anchor.interval + elapsed
        return moved.widened(drift_allowance(elapsed, self.max_drift_ppm))

    def after(self, time_ns: int) -> bool:
        """Whether that instant has certainly passed."""
        return self.now().earliest > time_ns

    def before(self, time_ns: int) -> bool:
        """Whether that instant has certainly not come yet."""
        return self.now().latest < time_ns

    @classmethod
    def from_measurement(
        cls, measurement: Measurement, max_drift_ppm: float = MAX_DRIFT_PPM
    ) -> "BoundedClock":
        """Anchored in what a majority of the measured hosts agrees on.

        Raises:
            NotSynchronised: they agree on nothing.
        """
        if measurement.combined is None:
            raise NotSynchronised(why_none(measurement))
        # The offset is as of `measured_at`; the wall clock leads from there to the end of the
        # measurement, and the monotonic clock on from that. If the wall clock was stepped on its
        # way, nobody knows whether before or after the offset was taken: either may be.
        end = measurement.end or _tie()
        combined = measurement.combined.interval
        either = Interval.hull([combined, combined + -end.stepped_ns])
        age = end.wall_ns - measurement.measured_at_ns
        offset = either.widened(drift_allowance(age, max_drift_ppm))
        return cls(_anchor(offset, end), max_drift_ppm)

    @classmethod
    def from_chronyd(
        cls,
        socket: str | None = None,
        max_drift_ppm: float = MAX_DRIFT_PPM,
        *,
        chronyc: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> "BoundedClock":
        """Anchored in what the chronyd of this machine tracks; the arguments are those of
        :func:`clocksync.chronyd.read_tracking`.

        Raises:
            NotSynchronised: there is none, or it has no time.
        """
        tracking = read_tracking(socket, chronyc, environment)
        return cls(_anchor(tracking.interval, _tie()), max_drift_ppm)


def _tie() -> Tie:
    before, wall = time.monotonic_ns(), time.time_ns()
    return Tie(wall, before, time.monotonic_ns() - before)


def _anchor(offset: Interval, tie: Tie) -> Anchor:
    """True time when the monotonic clock showed ``tie.monotonic_ns``: the wall clock was read at
    that instant or up to ``apart_ns`` later."""
    at = offset + tie.wall_ns
    return Anchor(Interval(at.earliest - tie.apart_ns, at.latest), tie.monotonic_ns)


def why_none(measurement: Measurement) -> str:
    """One line on why a measurement yields no time."""
    if len(measurement.hosts) == 1:
        row = measurement.hosts[0]
        return f"{row.host}: {row.reason}"
    worst = "; ".join(f"{row.host}: {row.reason}" for row in measurement.hosts[:3])
    return f"no majority of the hosts agrees ({worst})"
