"""Who may still enter: leases that members give each other for as long as they do not part.

A member may be inside only while a majority (it included) has acknowledged a heartbeat that it sent
less than `lease_ns` ago by its own clock. A member that acknowledged one takes the other for
*silent* only when `silence_ns` have passed since, by its own clock. Clocks that differ by less than
`drift_ppm` then agree in this sense: who is silent to one member of a majority has no lease left
from it. No message delay enters into it; what does is a process that stands still while its lease
runs out and acts before it looks (see :class:`ordering.mutex.FencedResource`).

Gray and Cheriton, "Leases", SOSP 1989.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import MILLISECOND, NodeId, scale_by_ppm
from ordering.mutex.contract import majority


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochConfig:
    """When a member counts as gone. The same at every member.

    Raises:
        BadConfig: two of these contradict.
    """

    heartbeat_ns: int = 50 * MILLISECOND
    """How often every member asks all others for its lease."""

    lease_ns: int = 400 * MILLISECOND
    """How long a lease lasts. A member that is heard so late loses its grant. (4 heartbeats up)"""

    drift_ppm: int = 1_000
    """How much any clock's rate may be off; far more than oscillators are. (1 to 100,000)"""

    def __post_init__(self) -> None:
        if self.heartbeat_ns <= 0 or self.lease_ns < 4 * self.heartbeat_ns:
            raise BadConfig(
                f"lease_ns = {self.lease_ns} must be 4 heartbeats or more:"
                f" heartbeat_ns = {self.heartbeat_ns}"
            )
        if not 1 <= self.drift_ppm <= 100_000:
            raise BadConfig(f"drift_ppm = {self.drift_ppm} is not in 1 to 100000")

    @property
    def silence_ns(self) -> int:
        """When a lease has run out for certain: (1 + d) / (1 - d) is below 1 + 3d."""
        return self.lease_ns + scale_by_ppm(self.lease_ns, 3 * self.drift_ppm) + 1


class Leases:
    """The leases one member has and gives, in one epoch."""

    def __init__(
        self, me: NodeId, members: Sequence[NodeId], config: EpochConfig, now: int
    ) -> None:
        self.config = config
        self.others = tuple(member for member in members if member != me)
        self._needed = majority(len(members)) - 1
        self._acknowledged: dict[NodeId, int] = {}
        """When we sent the heartbeat that was acknowledged last."""
        self._given: dict[NodeId, int] = {}
        """When we gave a lease last. Those of epochs before are void."""
        self._alive = dict.fromkeys(self.others, now)

    def acknowledged(self, member: NodeId, sent_at: int, now: int) -> None:
        """`member` has answered our heartbeat of `sent_at`."""
        if member in self._alive and sent_at <= now:
            self._acknowledged[member] = max(sent_at, self._acknowledged.get(member, sent_at))

    def give(self, member: NodeId, now: int) -> None:
        """We acknowledge a heartbeat of `member`."""
        self._given[member] = now

    def saw(self, member: NodeId, now: int) -> None:
        """A sign of life, which is no lease."""
        if member in self._alive:
            self._alive[member] = now

    def until(self) -> int | None:
        """Our reading at which our lease ends; None if a majority gave us none. Endless alone."""
        if not self._needed:
            return 1 << 63
        newest = sorted(self._acknowledged.values(), reverse=True)
        if len(newest) < self._needed:
            return None
        return newest[self._needed - 1] + self.config.lease_ns

    def holds(self, now: int) -> bool:
        """Whether we have a lease now."""
        until = self.until()
        return until is not None and now < until

    def has_run_out(self, member: NodeId, now: int) -> bool:
        """Whether `member` has certainly no lease of ours any more."""
        given = self._given.get(member)
        return given is None or now - given >= self.config.silence_ns

    def all_run_out(self, members: Iterable[NodeId], now: int) -> bool:
        """Whether none of `members` has a lease of ours."""
        return all(self.has_run_out(member, now) for member in members)

    def silent(self, now: int) -> list[NodeId]:
        """Of whom there was no sign of life for longer than a lease."""
        silence_ns = self.config.silence_ns
        return [each for each in self.others if now - self._alive[each] >= silence_ns]
