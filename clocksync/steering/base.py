"""The base of a disciplined clock: an oscillator that nobody corrects, and stamps told in it.

The kernel stamps datagrams by the system's clock, which others may set and slew meanwhile. The base
is a raw monotonic clock plus a constant that makes it look like the time of day when it begins.
:class:`BaseClock` maps stamps to it by the distance between the two clocks *now*, a moment after
the stamp: at most what the system's clock is slewed within that moment is lost.

When the system's clock jumps, a stamp from before the jump would be mapped by the distance after
it. So the distance is compared with the last one at every use, and `on_jump` is told; whoever has
exchanges under way then drops them.
"""

from collections.abc import Callable

from clocksync.runtime.clocks import Clock

TRIES = 3
"""The two clocks are read in turn so often; the tightest pair counts."""
SLEW_PPM_MAX = 1_000.0
"""A distance that changes faster than this was not slewed by the kernel, but set."""
JUMP_LEAST_NS = 20_000


class BaseClock:
    """A stamp clock (see :class:`clocksync.runtime.udp.StampClock`) over a raw oscillator.

    Args:
        raw: the oscillator; it never jumps.
        wall: the clock that stamps are read from.
        on_jump: told by how much the wall clock jumped, ns.

    >>> from clocksync.runtime.clocks import ManualClock
    >>> raw, wall = ManualClock(5), ManualClock(1_000)
    >>> base = BaseClock(raw, wall)
    >>> raw.advance(10); wall.advance(10)
    >>> base.read(), base.at(1_009)
    (1010, 1009)
    """

    def __init__(
        self, raw: Clock, wall: Clock, on_jump: Callable[[int], None] | None = None
    ) -> None:
        self._raw, self._wall = raw, wall
        self.on_jump = on_jump or (lambda by: None)
        self.jumps = 0
        self.apart_ns = 0
        """How well the distance was known when it was last looked at."""
        self._seen_at, self._distance = self._measure()
        self.epoch_ns = self._distance
        """Base minus raw."""

    def now(self) -> int:
        """The raw oscillator's reading: the ``now`` of cores."""
        return self._raw.read()

    def read(self) -> int:
        """The base's reading; looks whether the wall clock jumped."""
        self._look()
        return self._raw.read() + self.epoch_ns

    def at(self, wall_reading: int, /) -> int:
        """The base's reading when the wall clock showed `wall_reading`, a moment ago."""
        return wall_reading - self._look() + self.epoch_ns

    def wall_at(self, base: int) -> int:
        """What the wall clock shows when the base reads that, by the distance now."""
        return base - self.epoch_ns + self._look()

    def _look(self) -> int:
        """The wall clock minus the raw one, now."""
        at, distance = self._measure()
        elapsed, changed = at - self._seen_at, distance - self._distance
        self._seen_at, self._distance = at, distance
        allowed = JUMP_LEAST_NS + elapsed * SLEW_PPM_MAX / 1e6 + 2 * self.apart_ns
        if abs(changed) > allowed:
            self.jumps += 1
            self.on_jump(changed)
        return distance

    def _measure(self) -> tuple[int, int]:
        best: tuple[int, int, int] | None = None
        for _ in range(TRIES):
            before = self._raw.read()
            wall = self._wall.read()
            apart = self._raw.read() - before
            if best is None or apart < best[0]:
                best = apart, before + apart // 2, wall - before - apart // 2
        assert best is not None
        self.apart_ns = best[0]
        return best[1], best[2]
