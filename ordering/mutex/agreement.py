"""How the members of an epoch agree on who is in the next one: a single decision, by majority.

It is Paxos (Lamport, "Paxos made simple", 2001), once for each epoch, among its members. A
*ballot* is ``round << 16 | proposer``. A proposer needs promises of a majority; if one of those has
accepted members already, it must propose the ones of the highest ballot; when a majority has
accepted, that is the next epoch, whatever else is tried later. A minority decides nothing.

Pure data: :class:`ordering.mutex.EpochMutex` sends what this says.
"""

from collections.abc import Sequence

from clocksync.runtime.units import NodeId
from ordering.mutex.contract import majority
from ordering.mutex.frames import Promise

Members = tuple[NodeId, ...]
_ROUND_MAX = (1 << 47) - 1


class Agreement:
    """What one member knows of the decision that ends its epoch."""

    def __init__(self, me: NodeId, members: Sequence[NodeId], promised: int = 0) -> None:
        self.me = me
        self.members = tuple(members)
        self.promised = promised
        """The highest ballot promised, in this epoch or before."""
        self.frozen = False
        """A ballot was promised in this epoch: nobody enters here any more."""
        self.accepted_ballot = 0
        self.accepted: Members = ()
        # The proposer's.
        self.ballot = 0
        self.promises: dict[NodeId, Promise] = {}
        self.value: Members | None = None
        self.accepts: set[NodeId] = set()

    @property
    def proposing(self) -> bool:
        """Whether our own ballot is the one to beat."""
        return self.ballot != 0 and self.ballot == self.promised

    @property
    def proposer(self) -> NodeId:
        """Whose ballot we have promised."""
        return NodeId(self.promised & 0xFFFF)

    def has_majority(self, of: int) -> bool:
        return of >= majority(len(self.members))

    def begin(self, highest_seen: int) -> int:
        """A ballot of our own, above all that was seen; promised by us at once."""
        above = max(self.promised, highest_seen)
        self.ballot = self.promised = ((above >> 16) + 1) << 16 | self.me
        self.frozen = True
        self.promises, self.value, self.accepts = {}, None, set()
        return self.ballot

    def promise(self, ballot: int) -> bool:
        """Whether we promise `ballot`: never one below another."""
        if ballot < self.promised or ballot >> 16 > _ROUND_MAX:
            return False
        self.promised, self.frozen = ballot, True
        return True

    def promised_by(self, member: NodeId, promise: Promise) -> bool:
        """Count a promise of our ballot; whether it is one."""
        if not self.proposing or promise.ballot != self.ballot or member not in self.members:
            return False
        self.promises[member] = promise
        return True

    def outside(self) -> Members:
        """Who has promised and was not inside then: it will not be, in this epoch."""
        return tuple(sorted(each for each, said in self.promises.items() if not said.holding))

    def bound_value(self) -> Members | None:
        """What a majority that promised obliges us to propose; None: what we like."""
        ballot, members = max(
            ((said.accepted_ballot, said.accepted) for said in self.promises.values()),
            default=(0, ()),
        )
        return tuple(NodeId(member) for member in members) if ballot else None

    def accept(self, ballot: int, members: Members) -> None:
        """Accept; to be called only for a ballot that :meth:`promise` would promise."""
        assert ballot >= self.promised, f"{ballot} is below the promised {self.promised}"
        self.promised, self.frozen = ballot, True
        self.accepted_ballot, self.accepted = ballot, members
