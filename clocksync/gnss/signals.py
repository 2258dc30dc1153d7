"""Which measured code to use: of one frequency, or of two to be rid of the ionosphere.

A satellite's broadcast clock holds for a *pair* of frequencies. Alone, a code on band b is ahead of
it by the group delay times (f1/fb)²; the ionosphere-free combination of just that pair needs none
(IS-GPS-200N 20.3.3.3.3; Galileo OS SIS ICD 2.1, 5.1.5). So a Galileo code on E5a, alone or in a
pair, wants the clock of F/NAV, one on E5b that of I/NAV; E1 alone takes either.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from clocksync.gnss.atmosphere import L1_HZ
from clocksync.gnss.ephemeris import Message
from clocksync.gnss.rinex_observations import Observed

_BAND_HZ = {1: L1_HZ, 2: 1_227.60e6, 5: 1_176.45e6, 7: 1_207.14e6}
# By band, the codes in order of preference: what most satellites and receivers have comes first, so
# that one epoch uses one kind of code.
_CODES = {
    ("G", 1): ("C1C", "C1W", "C1P", "C1X", "C1L", "C1S", "C1Y", "C1M"),
    ("G", 2): ("C2W", "C2P", "C2Y", "C2L", "C2X", "C2S", "C2C", "C2D"),
    ("E", 1): ("C1C", "C1X", "C1B", "C1Z", "C1A"),
    ("E", 5): ("C5Q", "C5X", "C5I"),
    ("E", 7): ("C7Q", "C7X", "C7I"),
}
_PAIRS = {
    "G": (((1, 2), Message.LNAV),),
    "E": (((1, 5), Message.FNAV), ((1, 7), Message.INAV)),
}
_SINGLES = {
    "G": ((1, Message.LNAV), (2, Message.LNAV)),
    "E": ((1, Message.INAV), (1, Message.FNAV), (5, Message.FNAV), (7, Message.INAV)),
}


@dataclass(frozen=True, slots=True)
class Ranging:
    """A way to measure the distance to one satellite, and what it takes to use it."""

    codes: tuple[str, ...]
    bands: tuple[int, ...]
    message: Message
    """The message whose clock belongs to it."""
    metres: float
    group_delay_factor: float
    """Times the message's group delay is how much it is ahead of the broadcast clock."""
    noise_factor: float
    """Its noise over that of one code: near 3 for a pair."""
    frequency_hz: float | None
    """None: free of the ionosphere to first order."""
    strength_dbhz: float | None
    """Of the weaker one."""


def rangings(satellite: str, observed: Observed, pairs: bool) -> Iterator[Ranging]:
    """The ways to range a satellite of GPS or Galileo, best first; with `pairs`, those first."""
    system = satellite[0]
    if pairs:
        for bands, message in _PAIRS[system]:
            found = [_code(system, band, observed) for band in bands]
            if None not in found:
                first, second = (name for name in found if name)
                yield _pair((first, second), bands, message, observed)
    for band, message in _SINGLES[system]:
        name = _code(system, band, observed)
        if name:
            yield Ranging(
                (name,),
                (band,),
                message,
                observed.ranges[name],
                group_delay_factor=(L1_HZ / _BAND_HZ[band]) ** 2,
                noise_factor=1.0,
                frequency_hz=_BAND_HZ[band],
                strength_dbhz=observed.strengths.get(band),
            )


def _pair(
    codes: tuple[str, str], bands: tuple[int, int], message: Message, observed: Observed
) -> Ranging:
    high, low = (_BAND_HZ[band] ** 2 for band in bands)
    mine, theirs = high / (high - low), low / (high - low)
    first, second = (observed.ranges[code] for code in codes)
    strengths = [observed.strengths[band] for band in bands if band in observed.strengths]
    return Ranging(
        codes,
        bands,
        message,
        mine * first - theirs * second,
        group_delay_factor=0.0,
        noise_factor=math.hypot(mine, theirs),
        frequency_hz=None,
        strength_dbhz=min(strengths, default=None),
    )


def _code(system: str, band: int, observed: Observed) -> str | None:
    return next((code for code in _CODES[system, band] if code in observed.ranges), None)
