"""Units: every instant and duration inside is an ``int`` of nanoseconds.

Floats are for rates and statistics only. ``offset`` always means *theirs minus ours*; ``delay``
is a round trip. This is the one place that says so; nothing else may differ.
"""

import re
from typing import NewType

Nanoseconds = NewType("Nanoseconds", int)
NodeId = NewType("NodeId", int)

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000

_UNITS = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
_DURATION = re.compile(r"\s*([+-]?)(\d+)(?:\.(\d*))?\s*(ns|us|µs|ms|s|m|h)?\s*")


def parse_duration(text: str) -> Nanoseconds:
    """Read a duration such as ``"5ms"``, ``"-1.5 us"`` or ``"2"`` (seconds) as nanoseconds.

    Exact: the digits are never a float. Anything finer than a nanosecond is rounded half away
    from zero.

    Raises:
        ValueError: the text is no duration; the message says what one looks like.

    >>> parse_duration("412us")
    412000
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no duration: write for example 250us, 5ms or 2s")
    sign, whole, fraction, unit = match.groups()
    scale = _UNITS[unit or "s"]
    value = int(whole) * scale
    if fraction:
        denominator = 10 ** len(fraction)
        value += (2 * int(fraction) * scale + denominator) // (2 * denominator)
    return Nanoseconds(-value if sign == "-" else value)


def format_duration(value: int, digits: int = 3) -> str:
    """Write nanoseconds for people, in the unit that keeps one to three digits before the point.

    >>> format_duration(412_345)
    '412 us'
    >>> format_duration(-1_500)
    '-1.50 us'
    """
    magnitude = abs(value)
    for unit, scale in (("ns", 1), ("us", MICROSECOND), ("ms", MILLISECOND), ("s", SECOND)):
        # The unit changes where rounding to `digits` would print four digits before the point.
        if unit == "s" or magnitude < scale * (1000 - 10 ** (3 - digits) / 2):
            break
    if unit == "ns":
        return f"{value} ns"
    number = value / scale
    whole = len(str(int(abs(number) + 10 ** -(digits - 1) / 2)))
    return f"{number:.{max(0, digits - whole)}f} {unit}"


def to_seconds(value: int) -> float:
    """Nanoseconds as a float of seconds, for output only.

    >>> to_seconds(412_000)
    0.000412
    """
    return value / SECOND


def from_seconds(value: float) -> Nanoseconds:
    """A float of seconds, as a person or a library gave it, as nanoseconds.

    >>> from_seconds(0.25)
    250000000
    """
    return Nanoseconds(round(value * SECOND))


def scale_by_ppm(duration: int, ppm: float) -> int:
    """`duration` times `ppm` parts per million, rounded to a nanosecond, away from zero.

    Away from zero, because it serves to widen bounds.
    """
    # A rate is a float; going through parts per 10^15 keeps the product an exact integer.
    numerator = duration * round(ppm * 1_000_000_000)
    quotient, rest = divmod(abs(numerator), 10**15)
    quotient += rest > 0
    return quotient if numerator >= 0 else -quotient
