"""NTP's timestamp formats, converted in integers (RFC 5905 section 6).

The 64-bit format counts 2^-32 s since 1900 and wraps in February 2036: a value alone names an
instant only up to a multiple of 2^32 s, so :func:`to_unix_ns` takes a time nearby (the local
clock's) and picks the era nearest to it. A float would lose half a microsecond at today's epoch.
"""

from functools import cache

from clocksync.runtime.units import SECOND

UNIX_EPOCH_IN_NTP = 2_208_988_800  # seconds from 1900-01-01 to 1970-01-01, RFC 5905 figure 4
ERA_NS = (1 << 32) * SECOND


def from_unix_ns(time: int) -> int:
    """Unix nanoseconds as an NTP timestamp, rounded to its nearest 2^-32 s.

    >>> hex(from_unix_ns(0))
    '0x83aa7e8000000000'
    """
    return (((time + UNIX_EPOCH_IN_NTP * SECOND << 32) + SECOND // 2) // SECOND) & (1 << 64) - 1


def to_unix_ns(timestamp: int, near: int) -> int:
    """An NTP timestamp as Unix nanoseconds, in the era whose instant lies nearest to `near`.

    >>> to_unix_ns(from_unix_ns(1_790_000_000_123_456_789), near=1_790_000_000_000_000_000)
    1790000000123456789
    """
    in_era_zero = (timestamp * SECOND + (1 << 31) >> 32) - UNIX_EPOCH_IN_NTP * SECOND
    eras = (near - in_era_zero + ERA_NS // 2) // ERA_NS
    return in_era_zero + eras * ERA_NS


def from_short(value: int) -> int:
    """A 16.16 short (root delay, root dispersion) as nanoseconds, rounded up.

    Up, because both are bounds.

    >>> from_short(1 << 16)
    1000000000
    """
    return -(-value * SECOND >> 16)


def to_short(duration: int) -> int:
    """Nanoseconds as a 16.16 short, rounded up and held within the format.

    >>> to_short(1_000_000_000)
    65536
    """
    return min(max(0, -(-(duration << 16) // SECOND)), (1 << 32) - 1)


@cache
def from_precision(exponent: int) -> int:
    """A precision exponent (2^exponent s) as nanoseconds, at least 1, at most 16 s.

    >>> from_precision(-20)
    954
    """
    if exponent > 4:
        return 16 * SECOND
    return max(1, -(-SECOND * (1 << max(0, exponent)) // (1 << max(0, -exponent))))


def to_precision(duration: int) -> int:
    """The precision exponent of the smallest power of two that is at least `duration` ns.

    >>> to_precision(954)
    -20
    """
    exponent = -30
    while from_precision(exponent) < duration and exponent < 4:
        exponent += 1
    return exponent


ONE_SECOND = 1 << 32


def difference(later: int, earlier: int) -> int:
    """How far `later` is after `earlier`, in 2^-32 s; right across an era's end, as long as they
    are less than 68 years apart (RFC 5905 section 6).

    >>> difference(3, (1 << 64) - 2)
    5
    """
    return (later - earlier + (1 << 63) & (1 << 64) - 1) - (1 << 63)
