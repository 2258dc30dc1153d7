"""[I/O] A group as an application sees it: the same events in the same order everywhere.

::

    async with vsync.join("orders", id=1, listen="10.0.0.1:5410", peers={2: "10.0.0.2:5410"},
                          key="orders.key") as group:
        await group.multicast(b"hello")                 # accepted; waits while the queue is full
        message = await group.deliver(b"hello")         # delivered to ourselves, with its stamp
        async for event in group:                       # Message | Configuration
            ...

``with`` instead of ``async with`` gives the same without asyncio
(:class:`~vsync.node.blocking.BlockingGroup`).
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import TypeVar

from clocksync.runtime.units import SECOND
from ordering.mutex.leases import EpochConfig as LeaseConfig
from vsync.causes import LATEST
from vsync.events import (
    Configuration,
    Leave,
    Messages,
    Moved,
    ObservationRefused,
    Observe,
    Observed,
    Refusal,
    Refused,
)
from vsync.identity import WHOLE_RING, Service
from vsync.node.channel import ProcessGroup
from vsync.node.entry import Entry
from vsync.node.locks import Locks, told_of
from vsync.node.loop import RingLoop
from vsync.node.message import Event, Message, NotAMember, unfold
from vsync.node.services import TOGETHER_MOST, Services
from vsync.node.side import AheadOfTime, Side, timestamp_of
from vsync.node.state import State
from vsync.node.told import Own, Room, Told
from vsync.replication.locks import LEASES
from vsync.replication.machine import Replicated
from vsync.replication.quorum import NO_QUORUM, Policy
from vsync.timestamps import Stamped

Machine = TypeVar("Machine", bound=Replicated)


class Group(Side):
    """One member's view of its group, in an asyncio program. Made by :func:`vsync.join`."""

    def __init__(self, loop: RingLoop, policy: Policy = NO_QUORUM) -> None:
        super().__init__(loop)
        self._services = Services(
            self.id, policy, self._submit_of, loop.taken, loop.engine.config.message_bytes_max
        )
        self._entry = Entry(self._services, policy)
        self._asyncio = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._hand_in = self.loop.submit
        self._inbox: deque[list[Told]] = deque()
        self._is_scheduled = False
        self._events: deque[Event] = deque()
        self._unfolded: deque[Message] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._awaited: dict[int, asyncio.Future[Message]] = {}
        self._observing: dict[int, asyncio.Future[None]] = {}
        self._observations = 0
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

    async def deliver(
        self, payload: bytes, service: Service = Service.AGREED, *, commit_wait: bool = False
    ) -> Message:
        """Send a message, and wait until it was delivered to ourselves.

        Then every member that goes on with us delivers it at the same place; with ``SAFE`` every
        member of the configuration has it. Cancelling stops the waiting, not the message.

        Args:
            commit_wait: wait further, until its timestamp is certainly past everywhere: about
                twice our clock's bound. What anybody then begins, in whatever group or database
                that does likewise, gets a later timestamp (external consistency: Corbett et al.,
                "Spanner", OSDI 2012, section 4.1.2).
        """
        if commit_wait:
            await self._observe(LATEST)
        handle = await self.multicast(payload, service)
        future: asyncio.Future[Message] = self._asyncio.create_future()
        self._awaited[handle] = future
        try:
            message = await future
        finally:
            self._awaited.pop(handle, None)
        if commit_wait:
            await self._past(message)
        return message

    async def _past(self, message: Message) -> None:
        while True:
            left = self._until_past_ns(message)
            if not left:
                return
            await asyncio.sleep(left / SECOND)

    async def observe(self, event: int | Stamped) -> None:
        """Follow a timestamp of elsewhere: what we send from now on is stamped later.

        For causes that the ring does not see: a message of another group, a row of a database.
        Returns when it holds over a crash of ours as well.

        Args:
            event: ns since the Unix epoch, or anything with a ``timestamp``.

        Raises:
            AheadOfTime: it is so far ahead that it is not believed.
            NotAMember: we have left.
        """
        await self._observe(timestamp_of(event))

    async def _observe(self, timestamp: int | None) -> None:
        if self.has_ended:
            raise self._over()
        self._submit()  # what was multicast before is not made later by it
        self._observations += 1
        handle = self._observations
        future: asyncio.Future[None] = self._asyncio.create_future()
        self._observing[handle] = future
        self.loop.post(Observe(handle, timestamp))
        try:
            await future
        finally:
            self._observing.pop(handle, None)

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
        self._ask_for_room()
        await self._room.wait()
        if self.has_ended:
            raise self._over()

    # Receiving

    def __aiter__(self) -> AsyncIterator[Message | Configuration]:
        return self._each()

    async def _each(self) -> AsyncIterator[Message | Configuration]:
        self._check_events()
        while True:
            while self._unfolded:
                yield self._handle(self._unfolded.popleft())
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
        self._check_events()
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
        """Leave: locks are given back, and what was accepted is sent and delivered first, if that
        can be."""
        self._submit()
        if not self.has_ended:
            self._entry.retire()
        self.loop.post(Leave())
        while not self.has_ended:
            self._room.clear()
            await self._room.wait()

    # Groups, state, locks

    @property
    def quorum(self) -> bool | None:
        """Whether our side of the network may go on, by the policy; None: nobody can tell now."""
        return self._services.quorum

    @property
    def quorum_unknown_since(self) -> int | None:
        """Since when nobody can tell, ns of the boot clock; None while it is known."""
        return self._services.quorum_unknown_since

    async def join(self, name: str) -> ProcessGroup:
        """Be in a process group: of all on this ring, those who join it.

        Raises:
            BadConfig: no group can be called so.
            MisusedCore: we are in it.
        """
        return await self._entry.join(name)

    async def replicate(
        self,
        name: str,
        machine: Machine,
        *,
        service: Service = Service.SAFE,
        policy: Policy | None = None,
    ) -> State[Machine]:
        """Keep a replica of a state machine, together with all who do; returns when we have the
        state.

        Args:
            service: how commands are ordered.
            policy: which side of a divided network goes on; default: the group's. The same at all
                members.
        """
        return await self._entry.replicate(name, machine, service, policy)

    async def locks(
        self,
        name: str = "locks",
        *,
        service: Service = Service.SAFE,
        policy: Policy | None = None,
        leases: LeaseConfig = LEASES,
    ) -> Locks:
        """Use the lock service of that name; returns when we have its table.

        Args:
            service: with ``AGREED`` grants come sooner, and one can be known to a single member
                that is then cut off.
            leases: how long a lease lasts; the same at all members.
        """
        return await self._entry.locks(name, service, policy, leases)

    def locks_told(self) -> list[dict[str, object]] | None:
        """Who holds which lock and who waits, as this member knows; None: no lock service is used.
        From any thread."""
        return told_of(self._services)

    def _submit_of(self, payloads: Sequence[bytes], service: Service, number: int) -> bool:
        """What groups say goes to the ring, if it has room."""
        if self.has_ended:
            return True  # nobody will hear of it
        self._submit()
        size = sum(map(len, payloads))
        if not self._has_room(len(payloads), size):
            self._ask_for_room()
            return False
        self._post(payloads, size, service, number)
        return True

    # The ring's thread, or our own while we submit

    def told(self, events: list[Told]) -> None:
        """See :class:`vsync.node.told.Listener`."""
        self._inbox.append(events)
        if not self._is_scheduled:
            self._is_scheduled = True
            with suppress(RuntimeError):
                if threading.get_ident() == self._thread:
                    self._asyncio.call_soon(self._on_told)
                else:
                    self._asyncio.call_soon_threadsafe(self._on_told)

    def ended(self, error: BaseException | None) -> None:
        """See :class:`vsync.node.told.Listener`."""
        # An event loop that has ended before us leaves nobody to be told.
        with suppress(RuntimeError):
            self._asyncio.call_soon_threadsafe(self._on_ended, error)

    # The application's thread

    def _on_told(self) -> None:
        self._is_scheduled = False
        while self._inbox:
            for told in self._inbox.popleft():
                try:
                    self._hear(told)
                except Exception as error:  # of a state machine: this member must not go on
                    self._fail(error)
                    return
        self._news.set()

    def _hear(self, told: Told) -> None:
        match told:
            case Own(messages, _):
                if self._awaited:
                    self._resolve(told)
                self._sort(messages)
            case Messages():
                self._sort(told)
            case Configuration():
                self.configuration = told
                if self.keeps_events:
                    self._events.append(told)
                self._services.take(told)
            case Moved():
                self._services.take(told)
            case Room():
                self._services.flush()
                self._room.set()
            case Refused():
                self._refuse(told)
            case Observed() | ObservationRefused():
                self._observed(told)

    def _sort(self, messages: Messages) -> None:
        if messages.group == WHOLE_RING and self.keeps_events:
            self._events.append(messages)
        elif messages.group == WHOLE_RING:
            self._take(messages)
        else:
            self.loop.taken(sum(map(len, messages.payloads)))
            self._services.take(messages)

    def _fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
            self.loop.stop()

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

    def _observed(self, told: Observed | ObservationRefused) -> None:
        future = self._observing.get(told.handle)
        if future is None or future.done():
            return
        if isinstance(told, Observed):
            future.set_result(None)
        else:
            future.set_exception(AheadOfTime(told))

    def _on_ended(self, error: BaseException | None) -> None:
        self._on_told()
        self.has_ended, self.error = True, self.error or error
        self._services.end(self.error)
        self._room.set()
        self._news.set()
        waiting: list[asyncio.Future[Message] | asyncio.Future[None]] = []
        waiting += [*self._awaited.values(), *self._observing.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(self._over())
