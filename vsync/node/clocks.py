"""The members' clocks together, as the application's side reads them: differences, and the mean.

What the ring's thread measures (:mod:`~vsync.node.pairing`) is worked out here, in the reader's
thread and no more often than there is something new, because it takes a millisecond.
"""

from vsync.node.loop import RingLoop
from vsync.node.pairing import LASTS_NS, Agreed, Comparison, Difference, agree, difference


class Clocks:
    """The differences between the clocks of a member's ring."""

    def __init__(self, loop: RingLoop) -> None:
        self._loop = loop
        self._seen: dict[int, tuple[Comparison, Difference | None]] = {}

    def differences(self, mine: int) -> dict[int, Difference]:
        """The other members' clocks minus ours, by member, as far as they were read lately.

        Args:
            mine: our clock's reading now, ns.
        """
        found: dict[int, Difference] = {}
        pairs = self._loop.probing.pairs
        known = dict(pairs.known)
        pairs.read_ns = self._loop.engine.now
        for peer in sorted(known):
            comparison = known[peer]
            if abs(mine - comparison.at_ns) > LASTS_NS:
                continue
            seen = self._seen.get(peer)
            if seen is None or seen[0] is not comparison:
                seen = self._seen[peer] = comparison, difference(comparison)
            if seen[1] is None:  # a clock was set: what was read before says nothing
                self._loop.post(lambda peer=peer: self._loop.probing.pairs.forget(peer))  # type: ignore[misc]
            else:
                found[peer] = seen[1]
        for gone in self._seen.keys() - known.keys():
            del self._seen[gone]
        return found

    def agreed(self, mine: int) -> Agreed:
        """What all clocks come to, seen from ours, which reads `mine` now."""
        engine = self._loop.engine
        bounds = self._bounds()
        clocks = [(engine.me, 0, 0, bounds.get(engine.me, 0))]
        for peer, apart in self.differences(mine).items():
            if peer in bounds:
                age = abs(mine - apart.at_ns)
                drift = round(age * engine.config.drift_ppm / 1e6)
                clocks.append((peer, apart.offset_at(mine), apart.error_ns + drift, bounds[peer]))
        return agree(sorted(clocks))

    def _bounds(self) -> dict[int, int]:
        """How far each member's clock may be off, as the token's table says it."""
        ring = self._loop.engine.ring
        told = ring.told
        if told is None:
            return {}
        return {
            member: (told.clocks[2 * place + 1] - told.clocks[2 * place] + 1) // 2
            for place, member in enumerate(ring.members)
            if 2 * place + 1 < len(told.clocks)
        }
