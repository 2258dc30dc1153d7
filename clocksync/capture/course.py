"""How one clock ran against another over a whole capture, in bounded memory."""

from clocksync.ntp.estimate import Contradiction, Estimate, estimate
from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.runtime.clocks import drift_allowance

KEPT = 48
"""Samples that stand for the whole course."""


class Course:
    """The offsets of one clock from another, as they came.

    At most :data:`KEPT` samples are kept: when they are full, each two neighbours become the one of
    less delay, so that what is kept spans the whole capture at an even density. ``count``, least
    and greatest are those of all samples; the median is that of the kept ones.
    """

    __slots__ = ("_best", "_group", "_waiting", "count", "greatest_ns", "kept", "least_ns", "steps")

    def __init__(self) -> None:
        self.count = 0
        self.steps = 0
        """How often the samples contradicted each other: a clock was set meanwhile."""
        self.least_ns, self.greatest_ns = 0, 0
        self.kept: list[Sample] = []
        self._group, self._waiting = 1, 0
        self._best: Sample | None = None

    def add(self, sample: Sample) -> None:
        """One more exchange."""
        offset = sample.offset_ns
        if not self.count:
            self.least_ns = self.greatest_ns = offset
        elif offset < self.least_ns:
            self.least_ns = offset
        elif offset > self.greatest_ns:
            self.greatest_ns = offset
        self.count += 1
        best = self._best
        if best is None or sample.raw_delay_ns < best.raw_delay_ns:
            self._best = sample
        self._waiting += 1
        if self._waiting >= self._group:
            self._keep()

    def _keep(self) -> None:
        assert self._best is not None
        self.kept.append(self._best)
        self._best, self._waiting = None, 0
        if len(self.kept) >= KEPT:
            pairs = zip(self.kept[::2], self.kept[1::2], strict=True)
            self.kept = [a if a.raw_delay_ns <= b.raw_delay_ns else b for a, b in pairs]
            self._group *= 2

    @property
    def samples(self) -> list[Sample]:
        """Those kept, and the best of what came since the last of them."""
        return self.kept if self._best is None else [*self.kept, self._best]

    @property
    def offsets_ns(self) -> list[int]:
        """Those of the kept samples, in order."""
        return [sample.offset_ns for sample in self.samples]

    @property
    def median_ns(self) -> int:
        """Of the kept samples."""
        offsets = sorted(self.offsets_ns)
        return offsets[len(offsets) // 2]

    def estimate(self, max_drift_ppm: float = MAX_DRIFT_PPM) -> tuple[Estimate, int] | None:
        """The offset as of the last sample with its bound, and how many samples it rests on; None
        without one.

        Where a clock was set during the capture, no offset fits all samples: then it rests on the
        latest that agree, and there are fewer of them than :attr:`samples`.
        """
        samples = self.samples
        while samples:
            found = estimate(samples, samples[-1].t4, max_drift_ppm)
            if not isinstance(found, Contradiction):
                return found, len(samples)
            samples = samples[(len(samples) + 1) // 2 :]
        return None


class Floor:
    """The least that a clock is ahead, where stamps come from one direction only: the greatest
    value seen, lowered by what clocks may have drifted apart since."""

    __slots__ = ("at_ns", "count", "value_ns")

    def __init__(self) -> None:
        self.count, self.value_ns, self.at_ns = 0, 0, 0

    def add(self, value_ns: int, at_ns: int) -> None:
        """A stamp that was `value_ns` ahead of the capture's when it passed."""
        kept = self.value_ns - drift_allowance(at_ns - self.at_ns, MAX_DRIFT_PPM)
        self.value_ns = value_ns if not self.count else max(kept, value_ns)
        self.at_ns = at_ns
        self.count += 1
