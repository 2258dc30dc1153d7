"""Textbook algorithms as stages of the playground: the real cores, at a pace one can follow.

>>> sorted(STAGES)
['berkeley', 'lamport', 'rbs', 'ricart-agrawala', 'token-ring']
>>> stage = STAGES["lamport"](1, {"mode": "Lamport"})
>>> [message["kind"] for message in stage.begin()][:2]
['lane', 'mark']
"""

from collections.abc import Callable

from vsync.playground.algorithms import berkeley, lamport, rbs, ricart_agrawala, token_ring
from vsync.playground.stage import Action, Stage

STAGES: dict[str, Callable[[int | str, Action | None], Stage]] = {
    "lamport": lamport.make,
    "ricart-agrawala": ricart_agrawala.make,
    "token-ring": token_ring.make,
    "berkeley": berkeley.make,
    "rbs": rbs.make,
}
"""What makes a stage, by its name: a seed, and options or None."""
