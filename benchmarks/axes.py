"""Axes: where a value lies, which ticks stand there, and how a figure is written."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

APART = 50
"""Values of which the largest is so many times the smallest are drawn on a log scale."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis from `low` at `begin` to `high` at `end`, in the units of a picture."""

    low: float
    high: float
    is_log: bool
    begin: float
    end: float

    @classmethod
    def of(cls, values: Iterable[float], begin: float, end: float, log: bool | None) -> "Scale":
        """An axis that has all `values`.

        Args:
            log: None: as the values are.
        """
        finite = [value for value in values if math.isfinite(value)]
        positive = [value for value in finite if value > 0]
        if log is None:
            log = bool(positive) and max(positive) > APART * min(positive)
        if log and positive:
            low = 10.0 ** math.floor(math.log10(min(positive) / 1.3))
            high = max(positive)
            steps = [step * 10.0 ** math.floor(math.log10(high)) for step in (1, 2, 5, 10)]
            return cls(low, next(step for step in steps if step >= high * 0.999), True, begin, end)
        high = max(finite, default=1.0) or 1.0
        step = _step(high, 5)
        return cls(0.0, math.ceil(high / step - 1e-9) * step, False, begin, end)

    def at(self, value: float) -> float:
        """Where it is drawn; what is below the axis is drawn at its beginning."""
        if self.is_log:
            inside = max(value, self.low)
            part = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            part = max(value, 0.0) / self.high
        return round(self.begin + min(part, 1.0) * (self.end - self.begin), 1)

    def ticks(self, most: int = 7) -> list[float]:
        """Round values on it, not more than about so many."""
        if not self.is_log:
            step = _step(self.high, most - 2)
            return [step * number for number in range(round(self.high / step) + 1)]
        decades = [
            10.0**power
            for power in range(
                round(math.log10(self.low)), math.floor(math.log10(self.high) + 1e-9) + 1
            )
        ]
        if len(decades) > most:
            return decades[:: -(-len(decades) // most)]
        if len(decades) <= 2:
            finer = [decade * step for decade in decades for step in (1, 2, 5)]
            return [tick for tick in finer if self.low <= tick <= self.high * 1.001]
        return decades


def _step(high: float, count: int) -> float:
    """1, 2 or 5 times a power of ten, about `count` of which make `high`."""
    rough = high / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= rough * 0.999)


def short(value: float) -> str:
    """A tick: 0.001, 20, 5 k, 2 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def figure(value: float | None) -> str:
    """A figure with three digits, or all those before the point."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    digits = 2 - math.floor(math.log10(size)) if size >= 0.01 else 4
    text = f"{value:.{min(4, digits)}f}"
    return text if float(text) else f"{value:.1g}"


def wrapped(text: str, width: int) -> Iterator[str]:
    """Words in lines of at most `width` letters, if words are not longer."""
    line = ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
