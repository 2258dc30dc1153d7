"""A Kalman filter of offset and frequency that finds out by itself how much the oscillator wanders.

The model is the usual one of a clock (Galleani & Tavella, "Time and the Kalman filter", IEEE
Control Systems 30(2), 2010): the offset integrates the frequency and white frequency noise, the
frequency walks at random with a strength q. Everything but q is measured with each reading; q
belongs to the oscillator and its temperature, and decides how long the filter remembers. So a bank
of filters runs side by side, one for each decade of q; every reading tells how probable it was to
each, and the filters are mixed by what they scored lately (multiple-model estimation, Magill 1965).
In quiet hours the slow ones win, after a change of temperature the quick ones do.

Two things keep it on the ground. A reading that is improbable to a filter counts less (Huber: its
pull is that of `CLIP` standard deviations), since the tails of delays are heavy. And its readings
are expected to be white; where hosts are biased against each other, that is taken out before, in
:mod:`~clocksync.steering.source`.

Offsets are floats relative to an integer origin, so that nanoseconds survive an offset of decades.
"""

import math
from dataclasses import dataclass

from clocksync.runtime.units import SECOND
from clocksync.steering.servo import Reading

WANDERS = tuple(10.0**n for n in range(-4, 5))
"""The bank: random walk of the frequency, (ns/s)^2 a second. 1 is 0.06 ppm in an hour."""
WHITE = 1.0
"""White frequency noise, ns^2 a second: an Allan deviation of 1e-9 at a second."""
CLIP = 3.0
FORGET = 0.97
"""How much of a filter's score is left after another reading."""
FIRST_FREQUENCY = 1e5
"""What a frequency may be before anything is known, ns/s: 100 ppm."""
READY = 5e3
"""A frequency that is known to 5 ppm can be held."""
NOISE_MIN_NS = 5.0


@dataclass(slots=True)
class _Filter:
    """One filter: offset (ns), frequency (ns/s), their covariance, and its score."""

    wander: float
    offset: float
    frequency: float
    offset_var: float
    covariance: float
    frequency_var: float
    score: float = 0.0

    def predict(self, elapsed: float) -> None:
        t, q = elapsed, self.wander
        self.offset += self.frequency * t
        spread = 2 * t * self.covariance + t * t * self.frequency_var
        self.offset_var += spread + WHITE * abs(t) + q * abs(t) ** 3 / 3
        self.covariance += t * self.frequency_var + q * t * abs(t) / 2
        self.frequency_var += q * abs(t)

    def update(self, offset: float, noise: float) -> None:
        innovation = offset - self.offset
        variance = self.offset_var + noise * noise
        away = abs(innovation) / math.sqrt(variance)
        # The density of what Huber's weight stands for: exponential beyond the clip.
        cost = away * away / 2 if away <= CLIP else CLIP * away - CLIP * CLIP / 2
        self.score = FORGET * self.score - cost - math.log(variance) / 2
        if away > CLIP:
            variance *= away / CLIP
        gain, turn = self.offset_var / variance, self.covariance / variance
        self.offset += gain * innovation
        self.frequency += turn * innovation
        self.frequency_var -= turn * self.covariance
        self.covariance *= 1 - gain
        self.offset_var *= 1 - gain


class KalmanServo:
    """A bank of two-state filters, mixed by how well they predict.

    >>> servo = KalmanServo()
    >>> for second in range(60):
    ...     servo.update(Reading(second * 1_000_000_000, 5_000 + second * 2_000, 50.0))
    >>> round(servo.frequency_ppm, 1), servo.ready
    (2.0, True)
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._origin = 0
        self._at = 0
        self._bank: list[_Filter] = []
        self._shares: list[float] = []

    @property
    def ready(self) -> bool:
        return bool(self._bank) and math.sqrt(self._mixed("frequency_var")) < READY

    @property
    def frequency_ppm(self) -> float:
        return self._mixed("frequency") / 1000 if self._bank else 0.0

    @property
    def wander(self) -> float:
        """The random walk that explains the readings best, (ns/s)^2 a second."""
        return max(zip(self._shares, WANDERS, strict=True))[1] if self._bank else WANDERS[0]

    def at(self, base: int) -> int:
        if not self._bank:
            return self._origin
        elapsed = (base - self._at) / SECOND
        return self._origin + round(self._mixed("offset") + self._mixed("frequency") * elapsed)

    def error_ns(self, base: int) -> float:
        if not self._bank:
            return math.inf
        t = max(0.0, (base - self._at) / SECOND)
        q = sum(s * f.wander for s, f in zip(self._shares, self._bank, strict=True))
        variance = self._mixed("offset_var") + 2 * t * self._mixed("covariance")
        variance += t * t * self._mixed("frequency_var") + WHITE * t + q * t**3 / 3
        return math.sqrt(max(0.0, variance))

    def jump(self, at: int, offset_ns: int, noise_ns: float) -> None:
        if not self._bank:
            return self.update(Reading(at, offset_ns, noise_ns))
        elapsed = (at - self._at) / SECOND
        for one in self._bank:
            one.predict(elapsed)
            one.offset = float(offset_ns - self._origin)
            one.offset_var, one.covariance = noise_ns * noise_ns, 0.0
        self._at = at
        return None

    def update(self, reading: Reading) -> None:
        noise = max(reading.noise_ns, NOISE_MIN_NS)
        if not self._bank:
            self._origin, self._at = reading.offset_ns, reading.at
            self._bank = [
                _Filter(q, 0.0, 0.0, noise * noise, 0.0, FIRST_FREQUENCY**2) for q in WANDERS
            ]
            self._shares = [1 / len(WANDERS)] * len(WANDERS)
            return
        elapsed = (reading.at - self._at) / SECOND
        offset = float(reading.offset_ns - self._origin)
        if elapsed < 0:  # an answer that a later one completed: tell it as of the last one
            offset -= self._mixed("frequency") * elapsed
            elapsed = 0.0
        for one in self._bank:
            one.predict(elapsed)
            one.update(offset, noise)
        self._at = max(self._at, reading.at)
        best = max(one.score for one in self._bank)
        weights = [math.exp(one.score - best) for one in self._bank]
        total = sum(weights)
        self._shares = [weight / total for weight in weights]

    def _mixed(self, what: str) -> float:
        pairs = zip(self._shares, self._bank, strict=True)
        return float(sum(share * getattr(one, what) for share, one in pairs))
