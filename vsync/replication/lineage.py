"""What a replica's state is made of: how to tell what another state lacks of it.

Each replica keeps, for every ring on which it applied commands, which of the ring's messages these
were. In a regular configuration they come without gaps, so a range says it; in a transitional one
not all members deliver all, so they are listed. When a state replaces ours it brings this record,
and ours is checked against it: what it does not name is *discarded*, and is told.

Commands that a majority cannot lose any more need not be kept for that (:meth:`Lineage.settle`).
"""

from collections import deque
from dataclasses import dataclass, field

from vsync.identity import RingId
from vsync.replication import parsing

STRETCHES_MAX = 64
ENTRIES_MAX = 1024
"""Messages whose commands may still be told as discarded. A ring lets a member run ahead of the
others by fewer datagrams (``RingConfig.gap_max``)."""


@dataclass(slots=True)
class Entry:
    """Commands of one datagram that were applied here and are not settled."""

    ring: RingId
    sequence: int
    commands: list[bytes] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    """Of those that were ours."""


@dataclass(slots=True)
class Stretch:
    """What was applied of one ring, without a break."""

    ring: RingId
    since: int
    through: int
    """The last message applied in the regular configuration."""
    tail: list[int] = field(default_factory=list)
    """Those applied in the transitional one."""

    def holds(self, ring: RingId, sequence: int) -> bool:
        if ring != self.ring:
            return False
        return self.since <= sequence <= self.through or sequence in self.tail


class Lineage:
    """The record of one replica's state."""

    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        self.log: deque[Entry] = deque(maxlen=ENTRIES_MAX)
        self.is_complete = True
        """Whether the log reaches back to the last settled command."""
        self._is_broken = True

    def interrupt(self) -> None:
        """Commands are not applied for now: what comes next begins a new stretch."""
        self._is_broken = True

    def note(self, ring: RingId, sequence: int, is_regular: bool) -> None:
        """Commands of this message were applied."""
        if self._is_broken or self.stretches[-1].ring != ring:
            self.stretches.append(Stretch(ring, sequence, sequence - 1))
            del self.stretches[:-STRETCHES_MAX]
            self._is_broken = False
        last = self.stretches[-1]
        if is_regular:
            last.through = sequence
        elif not last.tail or last.tail[-1] != sequence:
            last.tail.append(sequence)

    def keep(self, ring: RingId, sequence: int, command: bytes, handle: int | None) -> None:
        """This command may still be discarded."""
        log = self.log
        if not log or log[-1].sequence != sequence or log[-1].ring != ring:
            self.is_complete &= len(log) < ENTRIES_MAX
            log.append(Entry(ring, sequence))
        log[-1].commands.append(command)
        if handle is not None:
            log[-1].handles.append(handle)

    def settle(self) -> tuple[int, ...]:
        """All that was applied up to here is certain: which commands of ours were not before."""
        if not self.log:
            return ()
        handles = tuple(handle for entry in self.log for handle in entry.handles)
        self.log.clear()
        self.is_complete = True
        return handles

    def holds(self, ring: RingId, sequence: int) -> bool:
        """Whether the state has the commands of that message, as far back as it is recorded."""
        if len(self.stretches) == STRETCHES_MAX and ring < self.stretches[0].ring:
            return True
        return any(stretch.holds(ring, sequence) for stretch in reversed(self.stretches))

    def holds_in_order(self, ring: RingId, sequence: int) -> bool:
        """Whether it has them, and all that came before them on that ring."""
        return any(s.ring == ring and s.since <= sequence <= s.through for s in self.stretches)

    def to_json(self) -> list[object]:
        """The record, without the log."""
        return [[list(s.ring), s.since, s.through, s.tail] for s in self.stretches]

    @classmethod
    def from_json(cls, value: object) -> "Lineage":
        """The record in a value of JSON.

        Raises:
            ValueError: there is none in it.
        """
        made = cls()
        match value:
            case [*stretches]:
                made.stretches = list(map(_stretch, stretches))
                return made
        raise ValueError(f"{value!r} is no lineage")


def _stretch(value: object) -> Stretch:
    match value:
        case [ring, int(since), int(through), tail]:
            return Stretch(parsing.ring(ring), since, through, list(parsing.integers(tail)))
    raise ValueError(f"{value!r} is no stretch of a ring")
