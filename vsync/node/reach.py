"""Who hears our IP multicasts: asked all the time, because networks stop carrying them unannounced.

Every member asks by multicast, in intervals; whoever hears it answers by unicast. Messages go by
multicast while all their receivers have answered lately, and by unicast otherwise: a switch that
forgets a group (IGMP snooping without a querier) costs some seconds of retransmissions, which are
unicast, and then a little speed.
"""

from collections.abc import Iterable

from clocksync.runtime.units import MILLISECOND, SECOND

ASK_EVERY_NS = 1 * SECOND
ASK_SOON_NS = 100 * MILLISECOND
"""How often while somebody has not answered yet, ten times after each change of the receivers."""
EAGER_TIMES = 10
BELIEVED_NS = 3 * SECOND + SECOND // 2
"""How long an answer holds: three may be lost."""


class Reach:
    """What one member knows of who hears it."""

    def __init__(self) -> None:
        self.is_used = False
        """Whether messages went by multicast last."""
        self._until: dict[int, int] = {}
        self._wanted: tuple[int, ...] = ()
        self._eager = EAGER_TIMES
        self._next_ns = 0
        self._number = 0

    def due_ns(self) -> int:
        """When to ask next."""
        return self._next_ns

    def ask(self, now: int) -> int:
        """It is time to ask: the number of the question."""
        missing = any(self._until.get(peer, 0) <= now for peer in self._wanted)
        if missing and self._eager > 0:
            self._eager -= 1
            self._next_ns = now + ASK_SOON_NS
        else:
            self._next_ns = now + ASK_EVERY_NS
        self._number = self._number + 1 & 0x7FFF_FFFF
        return self._number

    def heard(self, peer: int, number: int, now: int) -> None:
        """Somebody answers a question."""
        if 0 <= self._number - number < EAGER_TIMES:
            self._until[peer] = now + BELIEVED_NS

    def carries(self, receivers: Iterable[int], now: int) -> bool:
        """Whether a multicast reaches all of these."""
        wanted = tuple(receivers)
        if wanted != self._wanted:
            self._wanted, self._eager = wanted, EAGER_TIMES
            self._next_ns = min(self._next_ns, now)
        until = self._until
        self.is_used = bool(wanted) and all(until.get(peer, 0) > now for peer in wanted)
        return self.is_used
