"""All stages, by name, in the order in which they are offered. A new one is a line here."""

from collections.abc import Callable, Mapping

from vsync.playground.algorithms import STAGES as ALGORITHMS
from vsync.playground.ring.making import ring_stage
from vsync.playground.stage import Action, Stage

Maker = Callable[[int | str, Action | None], Stage]
"""Makes a stage from a seed, and the options of a scene or None."""

STAGES: Mapping[str, Maker] = {
    "ring": ring_stage,
    **ALGORITHMS,
}
