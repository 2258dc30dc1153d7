"""A ring as ordered multicast: the interface of :class:`ordering.multicast.Group`.  [I/O]

For programs that ask for total order only and want to run over either: messages, numbered by their
origin, and no changes of who is there. Who keeps state should look at those: use the group itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from ordering.multicast.batch import Batch
from ordering.multicast.group import Delivery
from vsync.events import Configuration, Kind, Messages
from vsync.identity import Service
from vsync.node.group import Group


class OrderedMulticast:
    """Total order over a ring.

    Args:
        service: of what is sent here: ``AGREED``, or ``SAFE`` (every member has what is delivered).
    """

    def __init__(self, group: Group, service: Service = Service.AGREED) -> None:
        self.group, self.service = group, service
        self.members: tuple[int, ...] = ()
        """Of the regular configuration told last."""
        self._counts: Counter[int] = Counter()
        self._seen = asyncio.Event()

    async def multicast(self, message: bytes) -> None:
        """See :meth:`vsync.Group.multicast`."""
        await self.group.multicast(message, self.service)

    async def multicast_many(self, messages: Iterable[bytes]) -> None:
        """See :meth:`vsync.Group.multicast_many`."""
        await self.group.multicast_many(list(messages), self.service)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Deliveries by the datagram; the stamp is the timestamp of the first, ns since 1970."""
        async for events in self.group.batches():
            for event in events:
                if isinstance(event, Messages):
                    first = self._counts[event.origin] + 1
                    self._counts[event.origin] += len(event.payloads)
                    yield Batch(event.origin, first, list(event.payloads), (event.timestamp,))
                elif isinstance(event, Configuration) and event.kind is Kind.REGULAR:
                    self.members = event.members
                    self._seen.set()

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        async for origin, first, messages, _ in self.batches():
            for number, message in enumerate(messages, first):
                yield Delivery(origin, number, message)

    async def reach(self, count: int) -> None:
        """Wait until so many members are on the ring; somebody has to take deliveries meanwhile."""
        while len(self.members) < count:
            self._seen.clear()
            await self._seen.wait()

    async def leave(self) -> None:
        """See :meth:`vsync.Group.leave`."""
        await self.group.leave()
