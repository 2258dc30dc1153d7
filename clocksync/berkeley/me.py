"""What the two roles of a host share: who it is, its clock, whom it knows, what it has sent."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from clocksync.berkeley.clock import GroupClock
from clocksync.berkeley.reign import NOBODY, Reign
from clocksync.berkeley.roster import Roster
from clocksync.berkeley.settings import BerkeleySettings
from clocksync.runtime.mmsg import Address
from clocksync.runtime.units import MILLISECOND


@dataclass(slots=True)
class Me:
    """This host. `where` says at which address a number was heard from, for the others' use; in a
    world whose addresses are numbers nobody has to."""

    settings: BerkeleySettings
    boot: int
    clock: GroupClock
    where: Callable[[int], Address | None] | None = None
    roster: Roster = field(default_factory=dict)
    """Everybody of the group that we have been told of, ourselves among them."""
    reign: Reign = NOBODY
    interval_ns: int = 0
    """From round to round: ours, or what the daemon told that we may succeed."""
    rounds_left: int | None = None
    _counter: int = 0

    @property
    def id(self) -> int:
        return self.settings.id

    @property
    def spacing_ns(self) -> int:
        """Between polls of one round."""
        return min(10 * MILLISECOND, self.interval_ns // (4 * self.settings.polls))

    @property
    def answer_ns(self) -> int:
        """How long answers are waited for after the last poll of a round."""
        return min(self.interval_ns // 4, 500 * MILLISECOND)

    def next_number(self) -> int:
        """For a datagram: in none before, nor in one of an earlier start."""
        self._counter += 1
        return self.boot << 32 | self._counter & 0xFFFF_FFFF

    def to(self, number: int) -> Hashable:
        """Where a peer is sent to: by its number, or at the address we were told of until it has
        been heard."""
        if self.where is None or self.where(number) is not None:
            return number
        return self.roster.get(number) or number

    def address_of(self, number: int) -> Address | None:
        """Where a peer is, to tell others."""
        heard = self.where(number) if self.where is not None else None
        return heard or self.roster.get(number)
