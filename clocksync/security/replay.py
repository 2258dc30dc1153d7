"""The replay window of one incarnation of a sender: which datagrams it has opened already.

Datagrams overtake each other, so what came is remembered for the last `WINDOW` counters, and what
is older is refused unseen (RFC 4303 section 3.4.3). A place for each counter modulo `WINDOW` holds
the counter seen there last: nothing is ever shifted or cleared, however far a counter jumps.
"""

from array import array

WINDOW = 4096
"""A power of two. Datagrams that one socket sends rarely arrive more than a few dozen apart."""

REPLAYED = "replayed"
TOO_OLD = "older than the replay window"

_PLACE = WINDOW - 1


class ReplayWindow:
    """What arrived of one sender.

    Args:
        floor: the sender has said that what is new has higher counters than this.
    """

    __slots__ = ("_floor", "_seen")

    def __init__(self, floor: int) -> None:
        self._floor = floor
        self._seen = array("Q", bytes(8 * WINDOW))

    def refusal(self, counter: int) -> str | None:
        """Why a datagram cannot be new; None if it can. Changes nothing."""
        if counter <= self._floor:
            return TOO_OLD
        return REPLAYED if self._seen[counter & _PLACE] == counter else None

    def mark(self, counter: int) -> None:
        """Remember a datagram that was not refused and *whose tag was right*."""
        self._seen[counter & _PLACE] = counter
        if counter - WINDOW > self._floor:
            self._floor = counter - WINDOW
