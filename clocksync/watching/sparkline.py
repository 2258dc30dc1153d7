"""A series of numbers as a line of blocks, for a terminal. Pure."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = "·"


def sparkline(values: Sequence[float | None], width: int, from_zero: bool = False) -> str:
    """The last `width` values, the lowest as the lowest block; a gap where there is none.

    With `from_zero` the lowest block is 0, so that heights compare as the values do.

    >>> sparkline([0, 1, 2, None, 3], 6)
    ' ▁▃▆·█'
    """
    shown = list(values)[-width:]
    known = [value for value in shown if value is not None]
    if not known:
        return (NOTHING * len(shown)).rjust(width)
    low, high = (0.0 if from_zero else min(known)), max(known)
    span = high - low
    blocks = [NOTHING if value is None else BLOCKS[_level(value - low, span)] for value in shown]
    return "".join(blocks).rjust(width)


def _level(above: float, span: float) -> int:
    if span <= 0:
        return 0 if above <= 0 else len(BLOCKS) - 1
    return round(above / span * (len(BLOCKS) - 1))
