"""How often to ask: as rarely as drift allows, as often as noise asks for (RFC 5905 section 13).

Asking more often averages noise, asking less often lets the oscillator average for us; where the
two cross, an Allan deviation plot has its minimum (Mills, "Improved algorithms for synchronizing
computer network clocks", 1995: the Allan intercept). No plot is needed to find it: while answers
differ from what was expected by no more than their noise explains, drift is not what limits, and
the interval can grow; when they differ by more, it must shrink. It does not grow either where the
bound would: a bound has to allow for more drift than there usually is.
"""

from clocksync.runtime.units import SECOND

GATE = 4.0
"""RFC 5905's PGATE: up to so many times the noise a difference is nothing to worry about."""
LIMIT = 30
"""RFC 5905's hysteresis: so many points before the interval changes."""
_MEAN = 0.2


class Poll:
    """The interval between two requests to one host, 2^exponent s."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most
        self.exponent = least
        self._points = 0
        self._surprise = 0.0  # the mean of innovation over noise, signed: drift is one-sided

    @property
    def interval_ns(self) -> int:
        return interval_ns(self.exponent)

    def adapt(
        self, innovation_ns: float, noise_ns: float, hosts: int, *, may_grow: bool = True
    ) -> None:
        """Another answer differed by that from what was expected of it."""
        away = innovation_ns / max(1.0, noise_ns)
        clipped = max(-2 * GATE, min(2 * GATE, away))
        self._surprise += _MEAN * (clipped - self._surprise)
        if abs(self._surprise) < 1.0 and abs(away) < GATE:
            self._points += max(1, self.exponent)
        elif abs(self._surprise) > 1.0:
            self._points -= 2 * max(1, self.exponent)
        limit = LIMIT * hosts
        if self._points > limit and not may_grow:
            self._points = limit
        elif self._points > limit:
            self.exponent, self._points = min(self.most, self.exponent + 1), 0
        elif self._points < -limit:
            self.exponent, self._points = max(self.least, self.exponent - 1), 0

    def hurry(self) -> None:
        """Something happened: ask as often as is allowed."""
        self.exponent, self._points, self._surprise = self.least, 0, 0.0


def interval_ns(exponent: int) -> int:
    """2^exponent seconds.

    >>> interval_ns(-1), interval_ns(2)
    (500000000, 4000000000)
    """
    return SECOND << exponent if exponent >= 0 else SECOND >> -exponent
