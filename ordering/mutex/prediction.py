"""What the textbook says an entry costs, for any number of members.

Tanenbaum and van Steen compare four algorithms by messages per entry and exit, and by "delay before
entry, in message times". They count one message at a time, as on one shared wire: Ricart and
Agrawala's delay is 2(n-1). On a network that carries messages at the same time it is 2. Both are
here: ``messages_before`` is the textbook's delay, ``delay`` the other one.

Without contention, and asked by a member that neither coordinates nor has the token. Ranges where
the textbook has them; None is unbounded.
"""

from collections.abc import Callable
from dataclasses import dataclass

Range = tuple[float, float | None]
"""The least and the most; None: there is no most."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The costs of one entry and exit."""

    messages: Range
    messages_before: Range
    """How many messages leave before the entry: the textbook's delay."""
    delay: Range
    """Message times from asking to entering, where messages travel at the same time."""
    contended: Range
    """Messages where everybody always wants in."""
    formula: str
    """Messages, as the textbook writes it."""
    delay_formula: str


def central(n: int, k: float) -> Prediction:
    return Prediction((3, 3), (2, 2), (2, 2), (3, 3), "3", "2")


def voting(n: int, k: float) -> Prediction:
    m = n // 2 + 1
    return Prediction(
        (2 * m * k + m, 2 * m * k + m),
        (2 * m * k, 2 * m * k),
        (2 * k, 2 * k),
        (3 * m, None),
        "2mk + m",
        "2mk",
    )


def ricart_agrawala(n: int, k: float) -> Prediction:
    both = float(2 * (n - 1))
    return Prediction((both, both), (both, both), (2, 2), (both, both), "2(n-1)", "2(n-1)")


def majority_of_members(n: int, k: float) -> Prediction:
    # Each vote may be asked back once and given again, and a late request has to be repeated.
    messages, before = float(3 * (n - 1)), float(2 * (n - 1))
    return Prediction(
        (messages, messages), (before, before), (2, 2), (messages, None), "3(n-1)", "2(n-1)"
    )


def lamport_queue(n: int, k: float) -> Prediction:
    messages, before = float(3 * (n - 1)), float(2 * (n - 1))
    return Prediction(
        (messages, messages), (before, before), (2, 2), (messages, messages), "3(n-1)", "2(n-1)"
    )


def token_ring(n: int, k: float) -> Prediction:
    # The textbook's n-1 is for a token that we have not just passed on ourselves.
    return Prediction((1, None), (0, n), (0, n), (1, 1), "1 to unbounded", "0 to n-1")


def suzuki_kasami(n: int, k: float) -> Prediction:
    return Prediction((0, n), (0, n), (0, 2), (0, n), "n or 0", "n or 0")


PREDICTIONS: dict[str, Callable[[int, float], Prediction]] = {
    "central": central,
    "voting": voting,
    "ricart-agrawala": ricart_agrawala,
    "majority": majority_of_members,
    "lamport-queue": lamport_queue,
    "token-ring": token_ring,
    "suzuki-kasami": suzuki_kasami,
}
"""By the names of :data:`ordering.mutex.ALGORITHMS`; given n, and k attempts for voting."""


def agrees(value: float, expected: Range, within: float = 1e-9) -> bool:
    """Whether a measured value lies in a predicted range."""
    least, most = expected
    return least - within <= value and (most is None or value <= most + within)
