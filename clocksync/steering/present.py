"""What a host's clock shows now, told from stamps: for cores, which have no clock to read.

A stamp is of a moment ago: it is older than the step that brings it by what the way up takes. The
freshest stamps of late therefore say best by how much the host's clock is ahead of ``now``, and
they never say too much. Corrections that are planned from there begin `AHEAD_NS` later, where
nobody can have read the steered clock yet: else what they had read would change afterwards.
"""

from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Stamp
from clocksync.runtime.units import MILLISECOND, SECOND

AHEAD_NS = 2 * MILLISECOND
RATE_PPM = 1_000.0
"""How much faster or slower than ``now`` a host's clock may run."""


class Present:
    """The reading of a host's clock at a core's ``now``.

    >>> present = Present()
    >>> present.saw(Stamp(5_000_000), now=1_000_000)
    >>> present.reading(3_000_000)
    7000000
    """

    def __init__(self) -> None:
        self._ahead: tuple[int, int] | None = None

    def saw(self, stamp: Stamp, now: int) -> None:
        """A stamp came up at `now`."""
        ahead = stamp.time - now
        if self._ahead is not None:
            latest = self._ahead[0] - drift_allowance(now - self._ahead[1], RATE_PPM)
            # A stamp that took its time is no sign of a clock set back, until it is a second old.
            if ahead > latest - SECOND:
                ahead = max(ahead, latest)
        self._ahead = ahead, now

    @property
    def is_known(self) -> bool:
        """Whether any stamp has come yet."""
        return self._ahead is not None

    def reading(self, now: int) -> int:
        """About what the host's clock shows; a little less rather than more."""
        return now + (self._ahead[0] if self._ahead is not None else 0)

    def soon(self, now: int) -> int:
        """What it will show where corrections may begin."""
        return self.reading(now) + AHEAD_NS
