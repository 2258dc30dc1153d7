"""A software clock that is steered: its rate is set, its phase slewed; it never goes back.

What a protocol that corrects clocks works on. It is a map over another clock (the *base*: the
system's, or one that is wrong on purpose), so the machine's own is never touched::

    reading = base + everything that was slewed + rate * base elapsed

- **Monotone.** A later reading of the base never gives an earlier one of this clock, to the
  nanosecond, whatever is asked of it: rates and slews are limited so that it always moves, and
  all arithmetic is in integers. A correction forward may be a step; one back is always slewed.
  Where the base itself is set back, so is this clock.
- **It remembers.** Kernel stamps are older than the step that reads them. :meth:`Steering.at` tells
  a past reading of the base in what the clock showed *then*, over the last `REMEMBERED` changes.
- **A correction is as of an instant.** Between a measurement and the order that comes of it the
  clock may have slewed on. :meth:`Steering.slew` with `as_of` takes that off, so that an old
  correction that is still under way is replaced, not added to.

:class:`Steering` is the map alone, for cores, which read no clock; :class:`SteeredClock` holds a
base and reads it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from clocksync.runtime.clocks import Clock
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND

SLEW_PPM_MAX = 83_333.333
"""How fast a clock is slewed unless told otherwise: a second in twelve, as chrony's maxslewrate."""
RATE_PPM_MAX = 100_000.0
FASTEST_SLEW_PPM = 500_000.0
REMEMBERED = 64
SET_BACK_NS = SECOND
"""A base that reads so much less than at the last change was set back."""
_UNIT = 10**12


class _Segment(NamedTuple):
    """From `base` on the clock shows ``reading + elapsed * (1 + rate)``; of what is deliberate,
    `slewed` ns were done by then, and `slew_rate` is going on. Rates in 10^-12."""

    base: int
    reading: int
    rate: int
    slewed: int
    slew_rate: int


class Steering:
    """The map from readings of the base to those of the steered clock. Pure.

    Args:
        base_reading: where it starts; the clock shows the same, plus `offset_ns`.
        slew_ppm_max: how fast phase is corrected; at most 500,000.

    Raises:
        BadConfig: a limit that could stop the clock or turn it back.

    >>> steering = Steering(0, slew_ppm_max=100_000)
    >>> steering.slew(-1_000, now=0)
    >>> steering.at(5_000), steering.at(10_000), steering.at(20_000)
    (4500, 9000, 19000)
    """

    def __init__(
        self, base_reading: int, *, offset_ns: int = 0, slew_ppm_max: float = SLEW_PPM_MAX
    ) -> None:
        if not 0 < slew_ppm_max <= FASTEST_SLEW_PPM:  # nor is it where it is not a number
            raise BadConfig(
                f"a slew of {slew_ppm_max:g} ppm cannot be: more than 0, up to {FASTEST_SLEW_PPM:g}"
            )
        self._slew_rate_max = round(slew_ppm_max * 1_000_000)
        self._frequency = 0
        self._changed_at = base_reading
        self._segments = [_Segment(base_reading, base_reading + offset_ns, 0, 0, 0)]
        self._starts: Sequence[int] = [base_reading]

    @property
    def rate_ppm(self) -> float:
        """By how much the clock is made to run faster than its base, slewing apart."""
        return self._frequency / 1_000_000

    def at(self, base_reading: int) -> int:
        """What the clock shows, or showed, when its base reads `base_reading`."""
        segment = self._segment_of(base_reading)
        elapsed = base_reading - segment.base
        return segment.reading + elapsed * (_UNIT + segment.rate) // _UNIT

    def slewed_at(self, base_reading: int) -> int:
        """All phase corrections done until then, ns."""
        segment = self._segment_of(base_reading)
        return segment.slewed + _towards_zero((base_reading - segment.base) * segment.slew_rate)

    def pending(self, now: int) -> int:
        """What is still to be slewed after the base's reading `now`, ns."""
        return self._segments[-1].slewed - self.slewed_at(now)

    def settles_at(self) -> int:
        """The reading of the base at which the slew that is under way will be done."""
        return self._segments[-1].base

    def begins(self, now: int) -> int:
        """Where a change asked for at the base's reading `now` begins.

        What has been changed already stays: shortly before the last change, it begins at that one.
        Long before it, the base itself was set back: what came after `now` would be gone through
        once more, with corrections that the new one replaces. Set back by less than `SET_BACK_NS`,
        the base is soon where it was, and changes begin then.
        """
        return now if now <= self._changed_at - SET_BACK_NS else max(now, self._changed_at)

    def slew(self, by_ns: int, now: int, as_of: int | None = None) -> None:
        """Correct the phase by `by_ns`, from the base's reading `now` on, at the fastest rate.

        With `as_of`, the correction was found at that reading of the base: what has been slewed
        since counts towards it. A slew that is under way ends.
        """
        begin = self.begins(now)
        done = 0 if as_of is None else self.slewed_at(begin) - self.slewed_at(as_of)
        self._plan(begin, by_ns - done)

    def step(self, by_ns: int, now: int) -> None:
        """Jump forward by `by_ns` at once; a slew that is under way goes on.

        Raises:
            ValueError: back, which this clock does not do: slew it.
        """
        if by_ns < 0:
            raise ValueError(f"a step of {by_ns} ns would set the clock back: slew it")
        begin = self.begins(now)
        rest = self.pending(begin)
        self._cut(begin, by_ns)
        self._plan(begin, rest)

    def set_rate(self, ppm: float, now: int) -> None:
        """Run that much faster than the base from now on; a slew that is under way goes on.

        Raises:
            ValueError: beyond `RATE_PPM_MAX`, or not a number.
        """
        if not abs(ppm) <= RATE_PPM_MAX:
            raise ValueError(f"a rate of {ppm} ppm is beyond {RATE_PPM_MAX:g}")
        begin = self.begins(now)
        rest = self.pending(begin)
        self._frequency = round(ppm * 1_000_000)
        self._plan(begin, rest)

    def _segment_of(self, base_reading: int) -> _Segment:
        return self._segments[max(0, bisect_right(self._starts, base_reading) - 1)]

    def _plan(self, now: int, by_ns: int) -> None:
        """From `now` on: slew by `by_ns`, then run on at the clock's rate."""
        self._cut(now, 0)
        begin = self._segments.pop()
        if by_ns:
            speed = self._slew_rate_max if by_ns > 0 else -self._slew_rate_max
            lasts = -(-abs(by_ns) * _UNIT // self._slew_rate_max)
            self._segments.append(begin._replace(rate=self._frequency + speed, slew_rate=speed))
            begin = _Segment(
                begin.base + lasts,
                begin.reading + by_ns + lasts * (_UNIT + self._frequency) // _UNIT,
                0,
                begin.slewed + by_ns,
                0,
            )
        self._segments.append(begin._replace(rate=self._frequency, slew_rate=0))
        del self._segments[:-REMEMBERED]
        self._starts = [segment.base for segment in self._segments]

    def _cut(self, now: int, jump: int) -> None:
        """Forget what was planned after `now` and begin a segment there, higher by `jump`."""
        self._changed_at = now
        started = [segment for segment in self._segments if segment.base <= now]
        begin = (started or self._segments[:1])[-1]._replace(
            base=now, reading=self.at(now) + jump, slewed=self.slewed_at(now)
        )
        self._segments = [*started, begin]
        self._starts = [segment.base for segment in self._segments]


class SteeredClock:
    """A :class:`Steering` over a clock: what an application reads.

    >>> from clocksync.runtime.clocks import ManualClock
    >>> clock = SteeredClock(ManualClock(1_000))
    >>> clock.slew(500)
    >>> clock.base.advance(12_000)
    >>> clock.read()
    13500
    """

    def __init__(
        self, base: Clock, *, offset_ns: int = 0, slew_ppm_max: float = SLEW_PPM_MAX
    ) -> None:
        self.base = base
        self.steering = Steering(base.read(), offset_ns=offset_ns, slew_ppm_max=slew_ppm_max)

    def read(self) -> int:
        """The reading now, ns."""
        return self.steering.at(self.base.read())

    def at(self, base_reading: int) -> int:
        """What this clock shows, or showed, when its base reads `base_reading`."""
        return self.steering.at(base_reading)

    def slew(self, by_ns: int) -> None:
        """Correct the phase by `by_ns` from now on: see :meth:`Steering.slew`."""
        self.steering.slew(by_ns, self.base.read())

    def set_rate(self, ppm: float) -> None:
        """Run that much faster than the base: see :meth:`Steering.set_rate`."""
        self.steering.set_rate(ppm, self.base.read())


def _towards_zero(product: int) -> int:
    return product // _UNIT if product >= 0 else -(-product // _UNIT)
