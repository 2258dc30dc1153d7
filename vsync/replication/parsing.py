"""Values out of JSON that others wrote: they are what they should be, or a ``ValueError``."""

from vsync.identity import RingId


def integers(value: object) -> tuple[int, ...]:
    """A list of integers.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, list) and all(type(each) is int for each in value):
        return tuple(value)
    raise ValueError(f"{value!r} is no list of integers")


def texts(value: object) -> tuple[str, ...]:
    """A list of strings.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError(f"{value!r} is no list of strings")


def ring(value: object) -> RingId:
    """A ring's name.

    Raises:
        ValueError: it is none.

    >>> print(ring([5, 1, 0xA3]))
    5.1.a3
    """
    found = integers(value)
    if len(found) != 3:
        raise ValueError(f"{value!r} names no ring")
    return RingId(*found)
