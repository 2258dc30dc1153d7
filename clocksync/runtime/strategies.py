"""Hypothesis strategies for frames, derived from their declarations.

Users who test their own programs with the simulator can draw frames as our tests do. Hypothesis
is asked for only when a strategy is: this module imports without it.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from clocksync.runtime.errors import MissingExtra
from clocksync.runtime.wire import Bits, Counted, Fixed, Frame, Shape, Sized, layout

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

F = TypeVar("F", bound=Frame)


def frames(cls: type[F]) -> "SearchStrategy[F]":
    """Every frame of `cls` that its declaration allows.

    Raises:
        MissingExtra: Hypothesis is not installed.
    """
    try:
        from hypothesis import strategies
    except ImportError:
        raise MissingExtra("Hypothesis", "dev") from None
    return strategies.builds(cls, **{field.name: values(field.shape) for field in layout(cls)})


def values(shape: Shape) -> "SearchStrategy[Any]":
    """Every value that `shape` allows.

    Raises:
        MissingExtra: Hypothesis is not installed.
    """
    try:
        from hypothesis import strategies
    except ImportError:
        raise MissingExtra("Hypothesis", "dev") from None
    match shape:
        case Bits():
            return strategies.integers(shape.lowest, shape.highest)
        case Fixed(length):
            return strategies.binary(min_size=length, max_size=length)
        case Sized(maximum):
            return strategies.binary(max_size=maximum)
        case Counted(element_bits, maximum):
            entry = strategies.integers(0, (1 << element_bits) - 1)
            return strategies.lists(entry, max_size=maximum).map(tuple)
