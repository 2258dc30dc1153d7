"""A group in a program without asyncio: methods block, and may be called from any thread.  [I/O]"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TypeVar

from clocksync.runtime.errors import ToolkitError
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
)
from vsync.identity import WHOLE_RING, Service
from vsync.node.locks import told_of
from vsync.node.loop import RingLoop
from vsync.node.message import Event, Message, unfold
from vsync.node.portal import (
    BlockingLocks,
    BlockingProcessGroup,
    BlockingState,
    Portal,
)
from vsync.node.side import AheadOfTime, Side, timestamp_of
from vsync.node.told import Own, Room, Told
from vsync.replication.locks import LEASES
from vsync.replication.machine import Replicated
from vsync.replication.quorum import NO_QUORUM, Policy
from vsync.timestamps import Stamped

Machine = TypeVar("Machine", bound=Replicated)
Result = TypeVar("Result")


class BlockingGroup(Side):
    """See :class:`vsync.node.group.Group`."""

    def __init__(self, loop: RingLoop, policy: Policy = NO_QUORUM) -> None:
        super().__init__(loop)
        self._portal = Portal(
            self.id, policy, self._submit_of, loop.taken, loop.engine.config.message_bytes_max
        )
        self._portal.start()
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._unfolded: deque[Message] = deque()
        self._delivered: dict[int, Message | None] = {}
        self._observing: dict[int, Observed | ObservationRefused | None] = {}
        self._observations = 0

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
            self._ask_for_room()
            self._changed.wait()
            if self.has_ended:
                raise self._over()
        handle = self._post(payloads, size, service)
        return range(handle, handle + len(payloads))

    def deliver(
        self, payload: bytes, service: Service = Service.AGREED, *, commit_wait: bool = False
    ) -> Message:
        """See :meth:`Group.deliver`."""
        with self._changed:
            if commit_wait:
                self._observe(LATEST)
            handle = self._multicast((payload,), service).start
            self._delivered[handle] = None
            try:
                message = self._await(lambda: self._delivered[handle])
            finally:
                del self._delivered[handle]
        while commit_wait and (left := self._until_past_ns(message)):
            time.sleep(left / SECOND)
        return message

    def observe(self, event: int | Stamped) -> None:
        """See :meth:`Group.observe`."""
        with self._changed:
            self._observe(timestamp_of(event))

    def _observe(self, timestamp: int | None) -> None:
        self._observations += 1
        handle = self._observations
        self._observing[handle] = None
        self.loop.post(Observe(handle, timestamp))
        try:
            told = self._await(lambda: self._observing[handle])
        finally:
            del self._observing[handle]
        if isinstance(told, ObservationRefused):
            raise AheadOfTime(told)

    def _await(self, look: Callable[[], Result | None]) -> Result:
        """Wait, with the lock held, until there is something to see."""
        while (seen := look()) is None:
            if self.has_ended:
                raise self._over()
            self._changed.wait()
        return seen

    def __iter__(self) -> Iterator[Message | Configuration]:
        return self

    def __next__(self) -> Message | Configuration:
        event = self.receive()
        if event is None:
            raise StopIteration
        return event

    def receive(self, timeout: float | None = None) -> Message | Configuration | None:
        """The next event; None when there will be none, or none came in `timeout` seconds."""
        self._check_events()
        with self._changed:
            if self._unfolded:
                return self._handle(self._unfolded.popleft())
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
            return self._handle(self._unfolded.popleft())

    def leave(self, timeout: float | None = None) -> bool:
        """See :meth:`Group.leave`; whether that was done within `timeout` seconds."""
        if not self.has_ended:
            with suppress(ToolkitError, CancelledError):
                self._portal.call(self._retire(), timeout)
        with self._changed:
            self.loop.post(Leave())
            return self._changed.wait_for(lambda: self.has_ended, timeout)

    # Groups, state, locks

    @property
    def quorum(self) -> bool | None:
        """See :attr:`Group.quorum`."""
        return self._portal.services.quorum

    def join(self, name: str, timeout: float | None = None) -> BlockingProcessGroup:
        """See :meth:`Group.join`."""
        joined = self._portal.call(self._portal.entry.join(name), timeout)
        return BlockingProcessGroup(self._portal, joined)

    def replicate(
        self,
        name: str,
        machine: Machine,
        *,
        service: Service = Service.SAFE,
        policy: Policy | None = None,
        timeout: float | None = None,
    ) -> BlockingState[Machine]:
        """See :meth:`Group.replicate`."""
        entering = self._portal.entry.replicate(name, machine, service, policy)
        return BlockingState(self._portal, self._portal.call(entering, timeout))

    def locks(
        self,
        name: str = "locks",
        *,
        service: Service = Service.SAFE,
        policy: Policy | None = None,
        leases: LeaseConfig = LEASES,
        timeout: float | None = None,
    ) -> BlockingLocks:
        """See :meth:`Group.locks`."""
        entering = self._portal.entry.locks(name, service, policy, leases)
        return BlockingLocks(self._portal, self._portal.call(entering, timeout))

    def locks_told(self) -> list[dict[str, object]] | None:
        """See :meth:`Group.locks_told`."""
        return told_of(self._portal.services)

    # The ring's thread

    def told(self, events: list[Told]) -> None:
        """See :class:`vsync.node.told.Listener`."""
        layer: list[Messages | Configuration | Moved] = []
        with self._changed:
            for told in events:
                messages = told.messages if isinstance(told, Own) else told
                if isinstance(told, Own) and self._delivered:
                    for n, handle in enumerate(told.handles):
                        if handle in self._delivered:
                            self._delivered[handle] = unfold(told.messages)[n]
                if isinstance(messages, Messages) and messages.group != WHOLE_RING:
                    self.loop.taken(sum(map(len, messages.payloads)))
                    layer.append(messages)
                elif isinstance(messages, Messages | Configuration):
                    if self.keeps_events:
                        self._events.append(messages)
                    else:
                        self._take(messages)
                if isinstance(messages, Configuration | Moved):
                    layer.append(messages)
                if isinstance(messages, Configuration):
                    self.configuration = messages
                elif isinstance(messages, Room):
                    self._portal.soon(self._flush)
                elif isinstance(messages, Observed | ObservationRefused):
                    self._observing[messages.handle] = messages
            self._changed.notify_all()
        if layer:
            self._portal.soon(self._portal.take, layer, self._fail)

    def ended(self, error: BaseException | None) -> None:
        """See :class:`vsync.node.told.Listener`."""
        with self._changed:
            self.error = self.error or error
            self.has_ended = True
            self._changed.notify_all()
        self._portal.end(self.error)

    async def _retire(self) -> None:
        self._portal.entry.retire()

    def _flush(self) -> None:
        self._portal.services.flush()

    def _submit_of(self, payloads: Sequence[bytes], service: Service, number: int) -> bool:
        """What groups say goes to the ring, if it has room."""
        size = sum(map(len, payloads))
        with self._changed:
            if self.has_ended:
                return True  # nobody will hear of it
            if not self._has_room(len(payloads), size):
                self._ask_for_room()
                return False
            self._post(payloads, size, service, number)
            return True

    def _fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self.loop.stop()
