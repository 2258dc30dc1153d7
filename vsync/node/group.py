"""[I/O] A group as an application sees it: the same events in the same order everywhere.

::

    async with vsync.join("orders", id=1, listen="10.0.0.1:5410", peers={2: "10.0.0.2:5410"},
                          key="orders.key") as group:
        await group.multicast(b"hello")                 # accepted; waits while the queue is full
        message = await group.deliver(b"hello")         # delivered to ourselves, with its stamp
        async for event in group:                       # Message | Configuration
            ...

``with`` instead of ``async with`` gives the same without asyncio (:class:`BlockingGroup`).
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from clocksync.runtime.errors import ToolkitError
from vsync.events import Configuration, Leave, Messages, Refusal, Refused, Submit
from vsync.identity import Service, message_name
from vsync.node.loop import Own, RingLoop, Room, Told

TOGETHER_MOST = 1000
"""So many messages go to the ring at once, at the latest."""

Event = Messages | Configuration
"""What :meth:`Group.batches` tells: messages by the datagram, and configuration changes."""


class NotAMember(ToolkitError):
    """This member has left the group, or was stopped."""


class Message(NamedTuple):
    """One message, the same at every member but for `own`."""

    payload: bytes
    origin: int
    """The member that sent it."""
    service: Service
    timestamp: int
    """ns since the Unix epoch; grows from message to message."""
    error: int
    """True time when it was ordered lies within `timestamp` ± this, ns."""
    flags: tuple[str, ...]
    configuration: str
    name: str
    """Unique: the ring, its number, and its place in the datagram."""


def unfold(messages: Messages) -> list[Message]:
    """The messages of a datagram, one by one."""
    ring, sequence, whole = messages.ring, messages.sequence, messages.whole
    return [
        Message(
            payload,
            messages.origin,
            messages.service,
            messages.timestamp + n,
            messages.error,
            messages.flags,
            messages.configuration,
            message_name(ring, sequence, n if whole else None),
        )
        for n, payload in enumerate(messages.payloads)
    ]


class Member:
    """What both forms of a group share: handles, the send queue's limits, the backlog."""

    def __init__(self, loop: RingLoop, number: int) -> None:
        self.loop = loop
        self.id = loop.engine.me
        self.number = number
        self.error: BaseException | None = None
        self.configuration: Configuration | None = None
        """The one in force, as far as it was told."""
        self.has_ended = False
        self._next = 1
        self._submitted = 0
        self._submitted_bytes = 0

    def _has_room(self, count: int, size: int) -> bool:
        loop, config = self.loop, self.loop.engine.config
        waiting, waiting_bytes = loop.waiting()
        waiting += self._submitted - loop.accepted
        waiting_bytes += self._submitted_bytes - loop.accepted_bytes
        return (
            waiting + count <= config.queue_messages_max
            and waiting_bytes + size <= config.queue_bytes_max
        )

    def _check(self, payloads: Sequence[bytes]) -> int:
        if self.has_ended:
            raise self._over()
        limits = self.loop.engine.config
        if len(payloads) > limits.queue_messages_max:
            raise ValueError(f"{len(payloads)} messages at once: {limits.queue_messages_max} fit")
        size = 0
        for payload in payloads:
            if not isinstance(payload, bytes):
                raise TypeError(f"a message is bytes, not {type(payload).__name__}")
            if len(payload) > limits.message_bytes_max:
                raise ValueError(
                    f"a message of {len(payload)} bytes: message_bytes_max is"
                    f" {limits.message_bytes_max}"
                )
            size += len(payload)
        if size > limits.queue_bytes_max:
            raise ValueError(f"{size} bytes at once: queue_bytes_max is {limits.queue_bytes_max}")
        return size

    def _post(self, payloads: Sequence[bytes], size: int, service: Service) -> int:
        handle = self._next
        self._next += len(payloads)
        self._submitted += len(payloads)
        self._submitted_bytes += size
        self.loop.post(Submit(handle, payloads, service, self.number))
        return handle

    def _over(self) -> BaseException:
        return self.error or NotAMember("this member has left the group")

    def _mine(self, told: Told) -> Event | None:
        """What the application is told of it."""
        if isinstance(told, Own):
            told = told.messages
        if isinstance(told, Messages):
            return told if told.group == self.number else None
        if isinstance(told, Configuration):
            self.configuration = told
            return told
        return None

    def _take(self, event: Event) -> None:
        if isinstance(event, Messages):
            self.loop.taken(sum(map(len, event.payloads)))


class Group(Member):
    """One member's view of its group, in an asyncio program. Made by :func:`vsync.join`."""

    def __init__(self, loop: RingLoop, number: int) -> None:
        super().__init__(loop, number)
        self._asyncio = asyncio.get_running_loop()
        self._inbox: deque[list[Told]] = deque()
        self._is_scheduled = False
        self._events: deque[Event] = deque()
        self._unfolded: deque[Message] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._awaited: dict[int, asyncio.Future[Message]] = {}
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._pending_service = Service.AGREED

    # Sending

    async def multicast(self, payload: bytes, service: Service = Service.AGREED) -> int:
        """Send a message to all members, ourselves among them.

        Returns when it was accepted into the send queue; while that is full, it waits.

        Returns:
            the message's handle, which only this member knows.

        Raises:
            NotAMember: we have left.
            ValueError: it is larger than ``message_bytes_max``.
        """
        size = self._check((payload,))
        while not self._has_room(1 + len(self._pending), size + self._pending_bytes):
            await self._wait_for_room()
        return self._put(payload, size, service)

    async def multicast_many(
        self, payloads: Sequence[bytes], service: Service = Service.AGREED
    ) -> range:
        """Send several messages in this order; the fastest way. See :meth:`multicast`."""
        size = self._check(payloads)
        self._submit()
        while not self._has_room(len(payloads), size):
            await self._wait_for_room()
        handle = self._post(payloads, size, service)
        return range(handle, handle + len(payloads))

    async def deliver(self, payload: bytes, service: Service = Service.AGREED) -> Message:
        """Send a message, and wait until it was delivered to ourselves.

        Then every member that goes on with us delivers it at the same place; with ``SAFE`` every
        member of the configuration has it. Cancelling stops the waiting, not the message.
        """
        handle = await self.multicast(payload, service)
        future: asyncio.Future[Message] = self._asyncio.create_future()
        self._awaited[handle] = future
        try:
            return await future
        finally:
            self._awaited.pop(handle, None)

    def _put(self, payload: bytes, size: int, service: Service) -> int:
        pending = self._pending
        if pending and service is not self._pending_service:
            self._submit()
            pending = self._pending
        if not pending:
            self._pending_service = service
            self._asyncio.call_soon(self._submit)
        pending.append(payload)
        self._pending_bytes += size
        handle = self._next + len(pending) - 1
        if len(pending) >= TOGETHER_MOST:
            self._submit()
        return handle

    def _submit(self) -> None:
        """What was multicast since the event loop came round goes to the ring together."""
        if self._pending:
            pending, self._pending = self._pending, []
            size, self._pending_bytes = self._pending_bytes, 0
            if not self.has_ended:
                self._post(pending, size, self._pending_service)

    async def _wait_for_room(self) -> None:
        self._submit()
        self._room.clear()
        self.loop.wants_room = True
        self.loop.post(_look)
        await self._room.wait()
        if self.has_ended:
            raise self._over()

    # Receiving

    def __aiter__(self) -> AsyncIterator[Message | Configuration]:
        return self._each()

    async def _each(self) -> AsyncIterator[Message | Configuration]:
        while True:
            while self._unfolded:
                yield self._unfolded.popleft()
            while not self._events:
                if not await self._more():
                    return
            event = self._events.popleft()
            self._take(event)
            if isinstance(event, Messages):
                self._unfolded.extend(unfold(event))
            else:
                yield event

    async def batches(self) -> AsyncIterator[list[Event]]:
        """All that has happened since the last time, messages by the datagram: the fastest way."""
        while True:
            while not self._events:
                if not await self._more():
                    return
            events, self._events = list(self._events), deque()
            for event in events:
                self._take(event)
            yield events

    async def _more(self) -> bool:
        """Wait for events; False when there will be none.

        Raises:
            ToolkitError: the member failed.
        """
        if self.has_ended:
            if self.error is not None:
                raise self.error
            return False
        self._news.clear()
        await self._news.wait()
        return True

    async def leave(self) -> None:
        """Leave: what was accepted is sent and delivered first, if that can be."""
        self._submit()
        self.loop.post(Leave())
        while not self.has_ended:
            self._room.clear()
            await self._room.wait()

    # The ring's thread

    def told(self, events: list[Told]) -> None:
        """See :class:`vsync.node.loop.Listener`."""
        self._inbox.append(events)
        if not self._is_scheduled:
            self._is_scheduled = True
            with suppress(RuntimeError):
                self._asyncio.call_soon_threadsafe(self._on_told)

    def ended(self, error: BaseException | None) -> None:
        """See :class:`vsync.node.loop.Listener`."""
        # An event loop that has ended before us leaves nobody to be told.
        with suppress(RuntimeError):
            self._asyncio.call_soon_threadsafe(self._on_ended, error)

    # The application's thread

    def _on_told(self) -> None:
        self._is_scheduled = False
        while self._inbox:
            for told in self._inbox.popleft():
                if isinstance(told, Room):
                    self._room.set()
                elif isinstance(told, Own) and self._awaited:
                    self._resolve(told)
                elif isinstance(told, Refused):
                    self._refuse(told)
                event = self._mine(told)
                if event is not None:
                    self._events.append(event)
        self._news.set()

    def _resolve(self, own: Own) -> None:
        for n, handle in enumerate(own.handles):
            future = self._awaited.get(handle)
            if future is not None and not future.done():
                future.set_result(unfold(own.messages)[n])

    def _refuse(self, refused: Refused) -> None:
        assert refused.reason is Refusal.LEAVING, "our side keeps to the limits of the queue"
        future = self._awaited.get(refused.handle)
        if future is not None and not future.done():
            future.set_exception(NotAMember(refused.reason.value))

    def _on_ended(self, error: BaseException | None) -> None:
        self._on_told()
        self.has_ended, self.error = True, error
        self._room.set()
        self._news.set()
        for future in self._awaited.values():
            if not future.done():
                future.set_exception(self._over())


class BlockingGroup(Member):
    """The same without asyncio: methods block, and may be called from any thread."""

    def __init__(self, loop: RingLoop, number: int) -> None:
        super().__init__(loop, number)
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._unfolded: deque[Message] = deque()
        self._delivered: dict[int, Message | None] = {}

    def multicast(self, payload: bytes, service: Service = Service.AGREED) -> int:
        """See :meth:`Group.multicast`."""
        return self.multicast_many((payload,), service).start

    def multicast_many(self, payloads: Sequence[bytes], service: Service = Service.AGREED) -> range:
        """See :meth:`Group.multicast_many`."""
        with self._changed:
            return self._multicast(payloads, service)

    def _multicast(self, payloads: Sequence[bytes], service: Service) -> range:
        size = self._check(payloads)
        while not self._has_room(len(payloads), size):
            self.loop.wants_room = True
            self.loop.post(_look)
            self._changed.wait()
            if self.has_ended:
                raise self._over()
        handle = self._post(payloads, size, service)
        return range(handle, handle + len(payloads))

    def deliver(self, payload: bytes, service: Service = Service.AGREED) -> Message:
        """See :meth:`Group.deliver`."""
        with self._changed:
            handle = self._multicast((payload,), service).start
            self._delivered[handle] = None
            try:
                while (message := self._delivered[handle]) is None:
                    if self.has_ended:
                        raise self._over()
                    self._changed.wait()
                return message
            finally:
                del self._delivered[handle]

    def __iter__(self) -> Iterator[Message | Configuration]:
        return self

    def __next__(self) -> Message | Configuration:
        event = self.receive()
        if event is None:
            raise StopIteration
        return event

    def receive(self, timeout: float | None = None) -> Message | Configuration | None:
        """The next event; None when there will be none, or none came in `timeout` seconds."""
        with self._changed:
            if self._unfolded:
                return self._unfolded.popleft()
            while not self._events:
                if self.has_ended:
                    if self.error is not None:
                        raise self.error
                    return None
                if not self._changed.wait(timeout):
                    return None
            event = self._events.popleft()
            self._take(event)
            if isinstance(event, Configuration):
                return event
            self._unfolded.extend(unfold(event))
            return self._unfolded.popleft()

    def leave(self, timeout: float | None = None) -> bool:
        """See :meth:`Group.leave`; whether that was done within `timeout` seconds."""
        with self._changed:
            self.loop.post(Leave())
            return self._changed.wait_for(lambda: self.has_ended, timeout)

    # The ring's thread

    def told(self, events: list[Told]) -> None:
        """See :class:`vsync.node.loop.Listener`."""
        with self._changed:
            for told in events:
                if isinstance(told, Own) and self._delivered:
                    for n, handle in enumerate(told.handles):
                        if handle in self._delivered:
                            self._delivered[handle] = unfold(told.messages)[n]
                event = self._mine(told)
                if event is not None:
                    self._events.append(event)
            self._changed.notify_all()

    def ended(self, error: BaseException | None) -> None:
        """See :class:`vsync.node.loop.Listener`."""
        with self._changed:
            self.has_ended, self.error = True, error
            self._changed.notify_all()


def _look() -> None:
    """Nothing: the ring's thread looks round."""
