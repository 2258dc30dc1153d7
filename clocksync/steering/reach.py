"""Where true time can be: the bound of a disciplined clock, kept apart from its estimate.

The clock's base is an oscillator; *true time minus base* changes by the oscillator's frequency
error. Of that, two things are assumed and nothing else:

- it is never beyond ± `drift_ppm`;
- it changes by at most `wander_ppm_per_hour`, that is |f(t) - f(s)| <= w |t - s|.

Each time the hosts agree on something, true time minus base lay in a known interval. A set of pairs
(offset, frequency) is carried forward between, and cut by each: it always holds the truth if the
hosts' majority and the two assumptions do (set-membership estimation: Schweppe, "Recursive state
estimation: unknown but bounded errors and system inputs", IEEE TAC 13(1), 1968; on one offset it is
Marzullo & Owicki 1983). It is the same idea as the bound of :mod:`clocksync.ntp.estimate`, with a
memory. With offsets known to ± e at both ends of a span T, the frequency at its end is known to
``2e / T + w T / 2``: that is what holdover then costs a second, growing by w each second.

No filter comes near this set: a servo that is badly tuned makes the clock worse, not its bound
wrong. Where the set becomes empty, an assumption was broken; :meth:`Reach.learn` says so.
"""

from dataclasses import dataclass

from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND

_PPM_SCALE = 1e-6
ANCHORS_MAX = 80
"""Past offsets against which a new one is held to learn the frequency."""
_APART = 0.2
_SLACK_PPM = 1e-6
"""For rounding: floats are in use for rates."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """True time minus base lay in `interval` when the base read `at`."""

    at: int
    interval: Interval


class Reach:
    """The set of offsets and frequencies that are still possible.

    Args:
        drift_ppm: how far the base's frequency can be off at most.
        wander_ppm_per_hour: how much it can change in an hour at most.
    """

    def __init__(self, drift_ppm: float, wander_ppm_per_hour: float) -> None:
        self.drift_ppm = drift_ppm
        self.wander = wander_ppm_per_hour / 3600
        """ppm per second."""
        self._anchor: Anchor | None = None
        self._lowest = -drift_ppm
        self._highest = drift_ppm
        self._as_of = 0  # the base's reading for which the two hold
        self._past: list[Anchor] = []

    @property
    def known(self) -> bool:
        """Whether anything was learnt yet."""
        return self._anchor is not None

    def frequency_ppm(self, at: int) -> tuple[float, float]:
        """The lowest and the highest possible frequency of true time against the base, then."""
        grown = self.wander * abs(at - self._as_of) / SECOND
        return max(-self.drift_ppm, self._lowest - grown), min(
            self.drift_ppm, self._highest + grown
        )

    def moved(self, since: int, until: int) -> Interval:
        """By how much true time minus base can have changed from one reading to a later one."""
        elapsed = until - since
        # The mean distance, in time, between the span and the reading the frequency is known for.
        if self._as_of <= since:
            away = since - self._as_of + elapsed / 2
        elif self._as_of >= until:
            away = self._as_of - until + elapsed / 2
        else:
            early, late = self._as_of - since, until - self._as_of
            away = (early * early + late * late) / (2 * elapsed)
        grown = self.wander * away / SECOND + _SLACK_PPM
        lowest = max(-self.drift_ppm, self._lowest - grown)
        highest = min(self.drift_ppm, self._highest + grown)
        return Interval(
            int(elapsed * lowest * _PPM_SCALE) - 1, int(elapsed * highest * _PPM_SCALE) + 1
        )

    def carry(self, interval: Interval, since: int, until: int) -> Interval:
        """What an interval of true time minus base, as of `since`, has become at `until`."""
        if until < since:
            back = self.moved(until, since)
            return Interval(interval.earliest - back.latest, interval.latest - back.earliest)
        moved = self.moved(since, until)
        return Interval(interval.earliest + moved.earliest, interval.latest + moved.latest)

    def at(self, base: int) -> Interval | None:
        """Where true time minus base can be when the base reads `base`; None: anywhere."""
        anchor = self._anchor
        return None if anchor is None else self.carry(anchor.interval, anchor.at, base)

    def learn(self, at: int, agreed: Interval) -> bool:
        """The hosts agree that true time minus base lies in `agreed`. False, and nothing is learnt,
        if that cannot be."""
        before = self.at(at)
        if before is None:
            self._anchor = Anchor(at, agreed)
            self._as_of = at
            self._past.append(self._anchor)
            return True
        cut = before & agreed
        frequency = None if cut is None else self._frequency_from(at, cut)
        if cut is None or frequency is None:
            return False
        self._lowest, self._highest = frequency
        self._as_of = at
        self._anchor = Anchor(at, cut)
        self._remember(self._anchor)
        return True

    def _frequency_from(self, at: int, cut: Interval) -> tuple[float, float] | None:
        """The frequencies now that lead from every anchor to `cut`."""
        lowest, highest = self.frequency_ppm(at)
        for anchor in self._past:
            span = at - anchor.at
            if span <= 0:
                continue
            grown = self.wander * span / SECOND / 2 + _SLACK_PPM
            slowest = (cut.earliest - anchor.interval.latest - 1) / span / _PPM_SCALE - grown
            fastest = (cut.latest - anchor.interval.earliest + 1) / span / _PPM_SCALE + grown
            lowest, highest = max(lowest, slowest), min(highest, fastest)
        return (lowest, highest) if lowest <= highest else None

    def _remember(self, anchor: Anchor) -> None:
        """Keep anchors of all ages, each `_APART` of the one before, so that a few reach far back
        however often there is news; and none that wander has made useless."""
        kept: list[Anchor] = []
        useful = 2 * (self._highest - self._lowest) + self.wander
        for one in self._past:
            age = anchor.at - one.at
            too_old = self.wander * age / SECOND > useful
            if not too_old and (
                not kept or one.at - kept[-1].at >= _APART * (anchor.at - kept[-1].at)
            ):
                kept.append(one)
        self._past = [*kept[-ANCHORS_MAX:], anchor]

    def either(self, at: int, agreed: Interval) -> None:
        """Two things contradict each other, and nobody knows which is right: the bound covers
        both, and of the frequency nothing is known any more."""
        before = self.at(at)
        both = agreed if before is None else Interval.hull([before, agreed])
        self.restart(at, both)

    def restart(self, at: int, agreed: Interval | None) -> None:
        """Forget all that was learnt, but for `agreed`."""
        self._lowest, self._highest, self._as_of = -self.drift_ppm, self.drift_ppm, at
        self._past.clear()
        self._anchor = None
        if agreed is not None:
            self.learn(at, agreed)

    def widen(self, at: int, by_ns: int) -> None:
        """True time minus base may have jumped by up to that, either way."""
        now = self.at(at)
        if now is not None:
            frequency = self.frequency_ppm(at)
            self._past.clear()
            self._anchor = None
            self.learn(at, now.widened(by_ns))
            self._lowest, self._highest = frequency
