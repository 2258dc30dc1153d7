"""Whether datagrams of full size reach the others: networks lose large ones where small ones pass.

A tunnel with a smaller MTU behind a firewall that drops ICMP is enough. The token, which is small,
goes round; messages, which fill datagrams, never arrive. So now and then each member asks every
other with a datagram as large as it may send, and says so when those vanish.
"""

from clocksync.runtime.units import SECOND

ASK_EVERY_NS = 5 * SECOND
ASKED_IN_VAIN = 3
"""After so many full-size questions without an answer, while small datagrams came, it is said."""


class Path:
    """What one member knows of the paths to the others."""

    def __init__(self) -> None:
        self.vanishing: set[int] = set()
        """Members whom large datagrams do not reach, and small ones do."""
        self._next_ns = 0
        self._unanswered: dict[int, int] = {}
        self.heard: set[int] = set()
        """Who was heard since the last question; whoever hears somebody adds it."""

    def due_ns(self) -> int:
        """When to ask next."""
        return self._next_ns

    def ask(self, now: int) -> tuple[list[int], list[int]]:
        """It is time to ask.

        Returns:
            whom, by a datagram of full size; and to whom they turn out to vanish, told once.
        """
        self._next_ns = now + ASK_EVERY_NS
        heard, self.heard = self.heard, set()
        found = []
        for peer in heard:
            asked = self._unanswered.get(peer, 0)
            if asked >= ASKED_IN_VAIN and peer not in self.vanishing:
                self.vanishing.add(peer)
                found.append(peer)
            self._unanswered[peer] = asked + 1
        for peer in self._unanswered.keys() - heard:
            del self._unanswered[peer]  # silent altogether: that is not about sizes
        return sorted(heard), sorted(found)

    def answered(self, peer: int) -> None:
        """A question of full size was answered."""
        self._unanswered[peer] = 0
        self.vanishing.discard(peer)
