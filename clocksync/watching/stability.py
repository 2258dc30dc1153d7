"""How steady two clocks run against each other: the Allan deviation, with its confidence.

Needs the extra ``plot`` (allantools). Offsets x at times t give the overlapping Allan deviation
of the rate for averaging times tau (NIST SP 1065, section 5.2.4). Below the crossing where it falls
as 1/tau it shows the noise of measuring, beyond that the clocks themselves. The confidence interval
depends on the kind of noise, which is identified at each tau by its lag-1 autocorrelation (Riley &
Greenhall 2004) and gives the equivalent degrees of freedom (Greenhall & Riley 2003).
"""

import importlib
import statistics
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from clocksync.runtime.errors import MissingExtra
from clocksync.watching.series import Series

POINTS_MIN = 16
"""Fewer offsets say nothing of stability."""
GAP = 2.5
"""A pause longer than so many usual intervals splits the series; the longest part is judged."""
CONFIDENCE = 0.95
_IDENTIFY_MIN = 30  # averages that the identification of the noise needs


@dataclass(frozen=True, slots=True)
class Deviation:
    """The Allan deviation at one averaging time; all but ``tau_s`` are rates without a unit."""

    tau_s: float
    value: float
    low: float
    high: float


def library() -> Any:
    """allantools.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it imports
            return importlib.import_module("allantools")
    except ImportError:
        raise MissingExtra("allantools", "plot") from None


def steady_part(series: Series) -> tuple[list[float], float]:
    """The offsets, by one exchange each, of the longest part without a pause, a missing answer or
    a step; and the interval between them."""
    known = [(p.at_s, p.sample_s) for p in series.points if p.answered and p.sample_s is not None]
    steps = [event.at_s for event in series.events if event.kind == "step"]
    pauses = [later[0] - earlier[0] for earlier, later in pairwise(known)]
    usual = statistics.median(pauses) if pauses else 0.0
    if usual <= 0:
        return [], 0.0
    longest: list[float] = []
    part: list[float] = []
    for place, (at_s, offset) in enumerate(known):
        if place and not 0 < pauses[place - 1] <= GAP * usual:
            part = []
        if steps and at_s >= steps[0]:
            # The exchange told here may still be the one before the step.
            part, steps = [], steps[1:]
            continue
        part.append(offset)
        if len(part) > len(longest):
            longest = part
    return list(longest), usual


def allan_deviation(series: Series) -> list[Deviation]:
    """The deviations at averaging times of powers of two; none where there are too few points.

    Raises:
        MissingExtra: allantools is not installed.
    """
    tools = library()
    offsets, interval_s = steady_part(series)
    if len(offsets) < POINTS_MIN:
        return []
    numpy = importlib.import_module("numpy")
    data = numpy.asarray(offsets)
    taus, values, _, _ = tools.oadev(data, rate=1 / interval_s, data_type="phase", taus="octave")
    found, alpha = [], 2
    for tau, value in zip(taus, values, strict=True):
        averaged = max(1, round(tau / interval_s))
        alpha = _noise(tools, data, averaged, alpha)
        freedom = _freedom(tools, alpha, averaged, len(offsets))
        if not freedom > 0 or not value > 0:
            continue
        low, high = tools.confidence_interval(value, freedom, ci=CONFIDENCE)
        found.append(Deviation(float(tau), float(value), float(low), float(high)))
    return found


def _freedom(tools: Any, alpha: int, averaged: int, count: int) -> float:
    """The equivalent degrees of freedom; of white phase noise with hardly any averages left, where
    the library has no formula, those of flicker, which are fewer."""
    for noise in (alpha, min(alpha, 1)):
        try:
            return float(
                tools.edf_greenhall(
                    alpha=noise, d=2, m=averaged, N=count, overlapping=True, modified=False
                )
            )
        except NotImplementedError:
            continue
    return 0.0


def _noise(tools: Any, data: Any, averaged: int, before: int) -> int:
    """The power of the noise at this averaging time; where too few are left, that of the last."""
    if len(data) // averaged < _IDENTIFY_MIN:
        return before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = tools.autocorr_noise_id(data, averaged, data_type="phase", dmin=0, dmax=2)
        except (ArithmeticError, ValueError, NotImplementedError):
            return before
    return max(-2, min(2, int(found[0])))
