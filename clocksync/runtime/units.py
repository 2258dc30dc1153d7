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
    "µs": MICROSECOND,  # U+00B5, the micro sign
    "μs": MICROSECOND,  # U+03BC, the Greek letter: keyboards give either
    "ms": MILLISECOND,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
# At most 20 digits on either side: int() refuses thousands with a message of its own. An exponent,
# because that is how programs print a float of seconds.
_DURATION = re.compile(
    r"\s*([+-]?)(?=\.?[0-9])([0-9]{0,20})(?:\.([0-9]{0,20}))?(?:[eE]([+-]?[0-9]{1,2}))?"
    r"\s*(ns|us|µs|μs|ms|s|m|h)?\s*"
)


def parse_duration(text: str) -> Nanoseconds:
    """Read a duration such as ``"5ms"``, ``"-1.5 us"`` or ``"2"`` (seconds) as nanoseconds.

    Exact: the digits are never a float. Anything finer than a nanosecond is rounded half away
    from zero.

    Raises:
        ValueError: the text is no duration; the message says what one looks like.

    >>> parse_duration("412us"), parse_duration("5e-05")
    (412000, 50000)
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no duration: write for example 250us, 5ms or 2s")
    sign, whole, fraction, exponent, unit = match.groups()
    digits, power = (whole or "") + (fraction or ""), int(exponent or "0") - len(fraction or "")
    numerator = int(digits) * _UNITS[unit or "s"] * 10 ** max(0, power)
    denominator = 10 ** max(0, -power)
    value = (2 * numerator + denominator) // (2 * denominator)
    return Nanoseconds(-value if sign == "-" else value)


def format_duration(value: int, digits: int = 3) -> str:
    """Write nanoseconds for people: `digits` significant ones, in the unit that keeps one to three
    before the point. Exact, rounded half away from zero; seconds have no unit above them.

    >>> format_duration(412_345)
    '412 us'
    >>> format_duration(-1_500)
    '-1.50 us'
    >>> format_duration(99_960)
    '100 us'
    """
    magnitude, sign = abs(value), "-" if value < 0 else ""
    if magnitude < MICROSECOND:
        return f"{value} ns"
    for unit, scale in (("us", MICROSECOND), ("ms", MILLISECOND), ("s", SECOND)):
        # Rounding may carry into one more digit ("9.996" is "10.0"), so decimals are tried from
        # the most down; none left over 999 means the next unit.
        for decimals in range(digits - 1, -1, -1):
            rounded = (2 * magnitude * 10**decimals + scale) // (2 * scale)
            if rounded < 10**digits or decimals == 0:
                break
        if rounded < 1000 * 10**decimals or unit == "s":
            break
    whole, fraction = divmod(rounded, 10**decimals)
    return f"{sign}{whole}{f'.{fraction:0{decimals}}' if decimals else ''} {unit}"


def format_signed(value: int, digits: int = 3) -> str:
    """As :func:`format_duration`, with the sign of what is more than nothing too.

    >>> format_signed(412_345), format_signed(-3), format_signed(0)
    ('+412 us', '-3 ns', '0 ns')
    """
    return ("+" if value > 0 else "") + format_duration(value, digits)


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
    whole = int(ppm)
    if whole == ppm and duration >= 0 <= whole:  # nearly always, and five times faster
        return -(-duration * whole // 1_000_000)
    # A rate is a float; going through parts per 10^15 keeps the product an exact integer.
    numerator = duration * round(ppm * 1_000_000_000)
    quotient, rest = divmod(abs(numerator), 10**15)
    quotient += rest > 0
    return quotient if numerator >= 0 else -quotient
