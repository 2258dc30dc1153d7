"""What becomes of commands: the account a replica gives of each to whoever submitted it.

A command is applied here, or it is not known for a while whether others applied it, because its
ring ended while we did not hold the state, or before there was a quorum: it is *awaited*. Or it was
applied, not certain, to a state that another one has replaced: it is in *doubt*. Both are resolved
when the state we hold goes on as the primary's, and has the command or lacks it. Before that any
answer could turn out wrong: a third component may know better.
"""

from typing import NamedTuple

from vsync.identity import RingId
from vsync.replication.events import Absorbed, Applied, Discarded, Effects, Rejected, Settled
from vsync.replication.lineage import Entry, Lineage

COMMANDS_TOLD = 1000
"""How many discarded commands are told with their content."""

NO_MAJORITY = "those who are here are no quorum"
NEVER_PRIMARY = "the ring ended before it had a quorum"


class Awaited(NamedTuple):
    """A command of ours of which it is not known whether others applied it."""

    ring: RingId
    sequence: int
    handle: int


class Account:
    """The account of one replica."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.lineage = Lineage()
        self.awaited: list[Awaited] = []
        self.doubts: list[tuple[Entry, bool]] = []
        """Commands that were in states we had, not certain; and whether ours had all before them,
        as the state has that replaced it."""
        self.is_complete = True
        """Whether these are all."""

    def applied(
        self,
        ring: RingId,
        sequence: int,
        command: bytes,
        handle: int | None,
        result: object,
        is_regular: bool,
        is_certain: bool,
    ) -> Effects:
        """A command was applied."""
        self.lineage.note(ring, sequence, is_regular)
        told: Effects = []
        if not is_certain:
            self.lineage.keep(ring, sequence, command, handle)
        elif self.lineage.log:
            told = self.settle()
        if handle is not None:
            told.append(Applied(self.group, handle, result, is_certain))
        return told

    def settle(self) -> Effects:
        """What was applied so far is certain."""
        handles = self.lineage.settle()
        return [Settled(self.group, handles)] if handles else []

    def replace(self, theirs: Lineage) -> None:
        """Our state is replaced by one with that record."""
        mine = self.lineage
        for entry in mine.log:
            # Where one of us had gaps, other commands may have come before it.
            at = entry.ring, entry.sequence
            is_alike = mine.holds_in_order(*at) and theirs.holds_in_order(*at)
            self.doubts.append((entry, is_alike))
        self.is_complete &= mine.is_complete
        self.lineage = theirs

    def resolve(self) -> Effects:
        """The state we hold goes on as the primary's. What it has not, nobody will have.

        Had others gone on from where we do not know, their state would have been chosen.
        """
        told: Effects = []
        lacking: list[Entry] = []
        lineage, doubts, awaited = self.lineage, self.doubts, self.awaited
        self.doubts, self.awaited = [], []
        for entry, is_alike in doubts:
            if not lineage.holds(entry.ring, entry.sequence):
                lacking.append(entry)
                continue
            lineage.log.append(entry)
            if not is_alike:
                told += [Absorbed(self.group, handle) for handle in entry.handles]
        if lacking:
            told.append(self._discarded(lacking))
        for ring, sequence, handle in awaited:
            if lineage.holds(ring, sequence):
                lineage.log.append(Entry(ring, sequence, [], [handle]))
                told.append(Absorbed(self.group, handle))
            else:
                told.append(Rejected(self.group, handle, NEVER_PRIMARY))
        self.is_complete = True
        return told

    def _discarded(self, lacking: list[Entry]) -> Discarded:
        commands = [command for entry in lacking for command in entry.commands]
        handles = tuple(handle for entry in lacking for handle in entry.handles)
        last = tuple(commands[-COMMANDS_TOLD:])
        return Discarded(self.group, len(commands), last, handles, self.is_complete)
