"""A process group as an application sees it: its messages and its views, in one order.  [I/O]"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from clocksync.runtime.errors import BadConfig, MisusedCore
from vsync.events import Messages
from vsync.identity import Service
from vsync.node.message import Message, NotAMember, unfold
from vsync.node.services import Services
from vsync.replication.events import Delivered, JoinRefused, LeaveRefused, View


class GroupLeft(NotAMember):
    """This process has left that group."""


class Joined:
    """What all an application has of a group share: joining, views, leaving."""

    def __init__(self, services: Services, name: str) -> None:
        self.name = name
        self.view: View | None = None
        """The last one told; None before the first."""
        self.error: BaseException | None = None
        """Set when nothing more will come."""
        self._services = services
        self._changed = asyncio.Event()
        self._news = asyncio.Event()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def members(self) -> tuple[int, ...]:
        """Who is in the group, as of the last view."""
        return self.view.members if self.view is not None else ()

    async def ready(self) -> None:
        """Wait until we are in."""
        await asyncio.shield(self._ready)

    async def seen(self, count: int) -> None:
        """Wait until so many members are in the group.

        Raises:
            NotAMember: we have left before.
        """
        while len(self.members) < count:
            self._check()
            self._changed.clear()
            await self._changed.wait()

    async def leave(self) -> None:
        """Be in the group no more.

        Raises:
            MisusedCore: the group cannot do without us now: it needs our state, or we hold locks.
        """
        self._services.do(lambda member, now: member.leave(self.name))
        await asyncio.shield(self._left)

    def hear(self, event: object) -> None:
        """See :class:`vsync.node.services.Part`."""
        me = self._services.member.me
        match event:
            case View() as view:
                self.view = view
                self._changed.set()
                if me in view.members:
                    self._look()
                elif me in view.left:
                    self._services.forget(self.name)
                    self.over(GroupLeft(f"this process has left the group {self.name!r}"))
            case JoinRefused(_, reason):
                self._services.forget(self.name)
                self.over(BadConfig(f"{self.name!r}: {reason}"))
            case LeaveRefused():
                left, self._left = self._left, asyncio.get_running_loop().create_future()
                left.set_exception(
                    MisusedCore(f"leave {self.name!r}: somebody has joined meanwhile; ask again")
                )

    def over(self, error: BaseException) -> None:
        """See :class:`vsync.node.services.Part`."""
        self.error = error
        self._changed.set()
        self._news.set()
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # whoever waits hears of it; nobody has to
        if not self._left.done():
            self._left.set_result(None)

    def _look(self) -> None:
        """We are in; call :meth:`_set_ready` when the application can begin."""
        self._set_ready()

    def _set_ready(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    async def _more(self) -> bool:
        """Wait for news; False when there will be none.

        Raises:
            ToolkitError: the member failed.
        """
        if self.error is not None:
            if isinstance(self.error, NotAMember):
                return False
            raise self.error
        self._news.clear()
        await self._news.wait()
        return True

    def _check(self) -> None:
        if self.error is not None:
            raise self.error


class ProcessGroup(Joined):
    """A group without a state. Made by :meth:`vsync.Group.join`."""

    def __init__(self, services: Services, name: str) -> None:
        super().__init__(services, name)
        self._events: deque[View | Messages] = deque()
        self._own: deque[asyncio.Future[Message] | None] = deque()
        self._kept_bytes = 0

    async def multicast(self, payload: bytes, service: Service = Service.AGREED) -> None:
        """Send a message to all who are in the group, ourselves among them.

        Returns when it was accepted; while very much waits to be sent, it waits.

        Raises:
            GroupLeft, NotAMember: we are not in it.
        """
        await self.multicast_many((payload,), service)

    async def multicast_many(
        self, payloads: Sequence[bytes], service: Service = Service.AGREED
    ) -> None:
        """Send several messages, in this order."""
        self._check()
        self._services.check_messages(payloads)
        await self._services.room()
        self._check()
        self._services.do(lambda member, now: member.multicast(self.name, payloads, service))
        self._own.extend([None] * len(payloads))

    async def deliver(self, payload: bytes, service: Service = Service.AGREED) -> Message:
        """Send a message, and wait until it was delivered to ourselves."""
        await self.multicast(payload, service)
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._own[-1] = future  # nothing has run since the message was put there
        return await future

    async def __aiter__(self) -> AsyncIterator[Message | View]:
        while True:
            while self._events:
                event = self._events.popleft()
                if isinstance(event, Messages):
                    self._take(_size(event))
                    for message in unfold(event):
                        yield message
                else:
                    yield event
            if not await self._more():
                return

    def hear(self, event: object) -> None:
        """See :class:`vsync.node.services.Part`."""
        match event:
            case Delivered(_, messages):
                self._events.append(messages)
                if self.error is None:  # the ring's backlog, until the application takes it
                    self._take(-_size(messages))
                if messages.origin == self._services.member.me:
                    self._resolve(messages)
            case View():
                self._events.append(event)
        super().hear(event)
        self._news.set()

    def over(self, error: BaseException) -> None:
        """See :class:`vsync.node.services.Part`."""
        super().over(error)
        self._take(self._kept_bytes)  # whether or not anybody still looks
        for future in self._own:
            if future is not None and not future.done():
                future.set_exception(error)
        self._own.clear()

    def _take(self, size: int) -> None:
        size = min(size, self._kept_bytes)
        self._kept_bytes -= size
        self._services.taken(size)

    def _resolve(self, messages: Messages) -> None:
        futures = [self._own.popleft() for _ in messages.payloads]
        if any(futures):  # seldom: most messages are waited for by nobody
            for future, message in zip(futures, unfold(messages), strict=True):
                if future is not None and not future.done():
                    future.set_result(message)


def _size(messages: Messages) -> int:
    return sum(map(len, messages.payloads))
