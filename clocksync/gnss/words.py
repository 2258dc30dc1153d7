"""Clock errors and lengths for people."""

from clocksync.gnss.fix import Fix
from clocksync.runtime.units import format_duration


def clock_words(error_ns: float, std_ns: float) -> str:
    """Which way the receiver's clock is wrong, with as many digits as are known.

    >>> clock_words(-65_073.07, 21.3)
    '65.07 us slow'
    >>> clock_words(1_000.2, 0.4)
    '1.0002 us fast'
    """
    size = abs(error_ns)
    digits = 3
    while digits < 9 and size > 0 and 10 ** (len(f"{size:.0f}") - digits) > std_ns:
        digits += 1
    if size < 10_000 and std_ns < 10:
        text = f"{size / 1000:.{4 if std_ns < 1 else 3}f} us"
    else:
        text = format_duration(round(size), digits)
    return f"{text} {'slow' if error_ns < 0 else 'fast'}"


def bound_words(fix: Fix) -> str:
    """The clock error's bound."""
    bound = fix.clock_error_bound_ns or 0.0
    return f"± {format_duration(round(bound), 2)}"


def metres(value: float) -> str:
    """A length with the digits that matter.

    >>> metres(0.347), metres(12.34), metres(2765.2), metres(16_067_000.0)
    ('0.35 m', '12.3 m', '2765 m', '16067 km')
    """
    if abs(value) >= 100_000:
        return f"{value / 1000:.0f} km"
    return f"{value:.{2 if abs(value) < 10 else 1 if abs(value) < 100 else 0}f} m"
