"""What an order is: the part of a member that decides what is delivered when.

An order knows no links, no time and no application. It is handed this member's own batches and the
records of the others, which reach it in the order each peer sent them, each once; it says which
records to multicast and which batches to deliver. After a step :meth:`Arranger.settle` is called
once, so that decisions about many records cost as much as about one.
"""

from collections.abc import Iterable
from enum import Enum

from ordering.links.stream import Record
from ordering.multicast.batch import Batch

MESSAGES = 1
"""The kind of record that carries a batch."""


class Order(Enum):
    """The five orders, and what each promises beyond: every message is delivered once, by every
    member that lives, its sender included."""

    FIFO = "fifo"
    """Messages of one sender come in the order it sent them."""

    CAUSAL = "causal"
    """FIFO; and what a sender had delivered before it sent comes before what it sent."""

    TOTAL = "total"
    """Causal; and the same sequence at every member. Lamport's: no member is special."""

    SEQUENCER = "sequencer"
    """Causal; and the same sequence at every member, the one in which one member received."""

    TOTAL_CAUSAL = "total-causal"
    """As SEQUENCER; and causal already by receipt, which each member sees before the order is
    known."""


class Arranger:
    """Base of the orders. `members` holds this process too.

    Raises:
        MalformedFrame: out of :meth:`receive`, if a record is none of this order.
    """

    def __init__(self, me: int, members: Iterable[int]) -> None:
        self.me = me
        self.members = tuple(sorted(members))
        assert me in self.members, f"{me} is no member: {self.members}"
        self.gone: set[int] = set()
        self.outgoing: list[Record] = []
        """What to multicast, for the owner to take away."""
        self.delivered: list[Batch] = []
        """What to deliver, for the owner to take away."""
        self.previewed: list[Batch] = []
        """What has arrived in causal order and has no place in the total one yet; only
        :attr:`Order.TOTAL_CAUSAL` fills it."""
        self._messages = dict.fromkeys(self.members, 0)

    def multicast(self, messages: list[bytes]) -> None:
        """Take a batch of this member's own."""
        raise NotImplementedError

    def receive(self, origin: int, kind: int, body: bytes) -> None:
        """Take a record of a peer."""
        raise NotImplementedError

    def settle(self) -> None:
        """Decide what can be decided."""

    def left(self, member: int) -> None:
        """A member has left: all it ever sent has been received here."""
        self.gone.add(member)

    def waiting(self) -> list[int]:
        """The members without which nothing more can be delivered; empty if nothing waits."""
        return []

    def head(self) -> object:
        """What will be delivered next, once it can; None if nothing waits."""
        return None

    def _batch(self, origin: int, messages: list[bytes], stamp: tuple[int, ...]) -> Batch:
        first = self._messages[origin] + 1
        self._messages[origin] += len(messages)
        return Batch(origin, first, messages, stamp)
