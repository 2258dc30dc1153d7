"""From the old ring to the new one: what is exchanged, what is promised, what is delivered where.

On the new ring each member sends again what it has of the old ring and others may lack. When all
have it, each *promises*: from then on it must deliver those messages whatever happens, because the
others may install the ring and deliver them as safe, trusting that it will. Then the ring is
installed, in one step: the rest of the old regular configuration, a transitional configuration for
what can only be delivered there, and the new regular one.

The hard question is which messages go where, and every member that comes from the same old ring
must answer it alike although it knows less than the others. :func:`plan` answers it from what all
of them share after the exchange. After Amir et al., TOCS 13(4), 1995, section 5.2, with the
corrections argued in ``docs/decisions/0012-totem-variations.md``: messages before the first gap are
delivered whoever sent them, and obligations are carried as sets (Moser et al., ICDCS 1994).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from vsync.frames import CommitEntry, Data, Recovered, Token
from vsync.identity import NO_RING, RingId, Service
from vsync.ring import Ring
from vsync.store import Entry, Log


@dataclass(frozen=True, slots=True)
class Plan:
    """Which old messages to deliver in the old regular configuration, and which in the transitional
    one, in order."""

    regular: tuple[int, ...]
    transitional: tuple[int, ...]
    is_complete: bool = True
    """False: a member claims to have delivered what was not part of the exchange."""


def plan(log: Log, delivered: int, highest_delivered: int, obligations: Iterable[int]) -> Plan:
    """What an installing member delivers of the old ring.

    Args:
        log: what it has, the exchange included.
        delivered: up to where it delivered already.
        highest_delivered: up to where any member of the transitional configuration did.
        obligations: whose messages are delivered even behind a gap: whatever those had seen before
            they sent was part of the exchange, so the gap holds nothing that caused them.
    """
    owed, regular, transitional = set(obligations), [], []
    at = delivered + 1
    while (frame := log.get(at)) is not None:
        # A safe message is settled by what others delivered, never by what we know of its safety:
        # so all cut at the same place.
        if at > highest_delivered and isinstance(frame, Data) and frame.service is Service.SAFE:
            break
        regular.append(at)
        at += 1
    is_complete = at > highest_delivered
    while log.get(at) is not None:
        transitional.append(at)
        at += 1
    transitional += [number for number in log.after(at) if log.frames[number].origin in owed]
    return Plan(tuple(regular), tuple(transitional), is_complete)


class Step(Enum):
    """How far recovery is after a visit of the token."""

    EXCHANGING = "messages are being exchanged"
    PROMISE = "all is here: promise"
    INSTALL = "all have promised: install"
    ENDLESS = "it takes too long"


@dataclass(slots=True)
class Recovery:
    """One attempt to recover the old ring on a new one."""

    ring: Ring
    """The new one."""
    old: Ring
    table: tuple[CommitEntry, ...]
    rotations: int = 0
    transitional: tuple[int, ...] = ()
    highest_delivered: int = 0
    obligations: tuple[int, ...] = ()
    floor: int = 0
    """Every timestamp on the new ring lies above."""
    queue: dict[int, None] = field(default_factory=dict)
    """What we have to send again, numbers of the old ring, ascending."""
    promised: bool = False
    waiting: Token | None = None
    """To be passed on once the ring is installed."""
    _i_set_flag: bool = False
    _quiet_visits: int = 0
    _install_at: int | None = None
    _complete_visits: int = 0

    @classmethod
    def begin(
        cls, ring: Ring, old: Ring, table: tuple[CommitEntry, ...], shared: RingId
    ) -> "Recovery":
        """Work out what everybody from `old` works out alike; `shared` is the last ring whose
        recovery we completed, or none."""
        ours = [entry for entry in table if entry.old_ring == old.id]
        obligations = {entry.member for entry in ours}.union(*(e.obligations for e in ours))
        self = cls(
            ring,
            old,
            table,
            transitional=tuple(entry.member for entry in ours),
            highest_delivered=max(entry.delivered for entry in ours),
            obligations=tuple(sorted(obligations)),
            floor=max(entry.timestamp for entry in table),
        )
        # All of us completed the same recovery: we hold the same messages.
        if shared == NO_RING or any(entry.recovered_in != shared for entry in ours):
            # What one of us lacks is sent by the first who has all up to there; what lies behind a
            # gap by whoever comes to it first.
            others = [entry.received_up_to for entry in ours if entry.member < ring.me]
            lowest = min(entry.received_up_to for entry in ours)
            self.queue = dict.fromkeys(old.log.after(max([lowest, *others])))
        return self

    def supply(self, allowance: int, token: Token) -> list[Entry]:
        """Old messages, wrapped for the new ring. What cannot be missing is left out."""
        made: list[Entry] = []
        number = token.sequence
        while self.queue and allowance > 0:
            old_number = next(iter(self.queue))
            del self.queue[old_number]
            inner = self.old.log.get(old_number)
            if isinstance(inner, Data):
                number += 1
                made.append(Recovered(*self.ring.id, number, self.ring.me, inner.encode()))
                allowance -= self.ring.config.datagrams(made[-1].size)
        return made

    def took(self, number: int) -> None:
        """Somebody sent that old message: we need not."""
        self.queue.pop(number, None)

    def after_visit(self, recovering: bool, sequence: int, received: int, most: int) -> Step:
        """What follows from a visit that left the token like this (TOCS 1995, figure 8).

        `recovering` is the flag that is passed on, see :meth:`flag`.
        """
        self.rotations += 1
        self._quiet_visits = 0 if recovering else self._quiet_visits + 1
        if self._quiet_visits == 2:
            # A whole rotation without anybody sending: all old messages are numbered up to here.
            self._install_at, self._complete_visits = sequence, 0
        if self._install_at is None or self._quiet_visits < 2:
            return Step.ENDLESS if self.rotations > most else Step.EXCHANGING
        is_complete = received >= self._install_at
        self._complete_visits = self._complete_visits + 1 if is_complete else 0
        if self.promised and self._quiet_visits >= 3 and self._complete_visits >= 2:
            return Step.INSTALL
        if not self.promised and self.ring.log.contiguous >= self._install_at:
            return Step.PROMISE
        return Step.ENDLESS if self.rotations > most else Step.EXCHANGING

    def flag(self, recovering: bool) -> bool:
        """The token's flag after our visit: whether somebody still has something to send."""
        if self.queue:
            self._i_set_flag = self._i_set_flag or not recovering
            return True
        if recovering and self._i_set_flag:
            self._i_set_flag = False
            return False
        return recovering


def too_far_ahead(table: tuple[CommitEntry, ...], slack_ns: int) -> tuple[tuple[int, ...], int]:
    """The members whose timestamps would drag everybody's into the future, and by how much.

    A process whose clock once was a year ahead, alone, has stamps a year ahead; the floor of a new
    ring must lie above them, for ever. With three clocks or more a majority knows better. Computed
    from the commit table only, so everybody finds the same.
    """
    count = len(table)
    if count < 3:
        return (), 0
    # Of n clocks, fewer than half are wrong. So of the largest readings, as many as can be wrong
    # and one more, one is right, and the smallest of those is not above it. That the readings are
    # of different moments does not matter: the slack is far larger.
    latest = sorted(entry.latest for entry in table)[count - 1 - (count - 1) // 2]
    ahead = {entry.member: entry.timestamp - latest for entry in table}
    refused = tuple(member for member in sorted(ahead) if ahead[member] > slack_ns)
    if 2 * len(refused) >= count:
        return (), 0  # all clocks went back: that is no reason to have no group
    return refused, max(ahead.values())
