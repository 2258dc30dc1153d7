"""A replicated state machine as an application sees it: submit commands, read locally.  [I/O]"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from clocksync.runtime.errors import ToolkitError
from vsync.identity import Service
from vsync.node.channel import Joined
from vsync.node.services import Services
from vsync.replication.events import (
    Absorbed,
    Applied,
    Discarded,
    PrimaryChanged,
    Rejected,
    Restored,
    Settled,
    View,
)
from vsync.replication.machine import Replicated
from vsync.replication.replica import Replica

EVENTS_KEPT = 1000
"""An application that does not look for so many events has missed the first of them."""


class CommandRejected(ToolkitError):
    """The command was applied by nobody, and will not be: the quorum was gone. Submit it again."""


class CommandDiscarded(ToolkitError):
    """The command was applied in a component that another one's state has replaced."""


class ResultUnknown(ToolkitError):
    """The command was applied by others; its result is not known here. Do not submit it again."""


StateEvent = View | Restored | PrimaryChanged | Discarded
"""What :meth:`State.events` tells."""

Machine = TypeVar("Machine", bound=Replicated)


@dataclass(slots=True)
class Pending:
    """A command of ours that was not answered yet."""

    future: asyncio.Future[object]
    until_certain: bool
    is_known: bool = False
    result: object = None


class State(Joined, Generic[Machine]):
    """One replica. Made by :meth:`vsync.Group.replicate`; `machine` may be read at any time.

    ::

        counter = await group.replicate("hits", Counter())
        total = await counter.submit(Counter.add(1))   # applied everywhere
        counter.machine.value                          # a local read
    """

    def __init__(self, services: Services, name: str, machine: Machine, replica: Replica) -> None:
        super().__init__(services, name)
        self.machine = machine
        self.replica = replica
        self._next = 1
        self._pending: dict[int, Pending] = {}
        self._events: deque[StateEvent] = deque(maxlen=EVENTS_KEPT)
        self._formed = asyncio.Event()
        """Set once there was a quorum: a group that still gathers has rejected nothing yet."""

    @property
    def is_primary(self) -> bool:
        """Whether commands are applied here now: we hold the state, and are on the side that may go
        on. While the ring is lost nobody can know."""
        return self.replica.is_primary and not self.replica.in_doubt

    async def submit(
        self, command: bytes, *, service: Service | None = None, certain: bool | None = None
    ) -> object:
        """Have a command applied by all, and return its result here.

        A local read sees it then. While it is not known whether there is a quorum, and until there
        was one for the first time since we are in, this waits: use ``asyncio.timeout``. Later on a
        side without a quorum rejects at once. Cancelling stops the waiting, and not a command that
        is on its way.

        Args:
            service: how it is ordered; default: that of the group.
            certain: wait until it can not be discarded any more. Default: for SAFE commands under a
                quorum policy; AGREED ones return when they were applied here.

        Raises:
            CommandRejected: nobody applied it, or will.
            CommandDiscarded: it was applied, and is not in the state that goes on.
            ResultUnknown: others applied it.
            NotAMember: we have left.
            ValueError: the command is larger than ``message_bytes_max``.
        """
        await self._may_begin()
        (future,) = self._submit((command,), service, certain)
        return await future

    async def submit_many(
        self,
        commands: Sequence[bytes],
        *,
        service: Service | None = None,
        certain: bool | None = None,
    ) -> list[object]:
        """Have several applied, in this order; see :meth:`submit`."""
        await self._may_begin()
        return list(await asyncio.gather(*self._submit(commands, service, certain)))

    async def _may_begin(self) -> None:
        if self.replica.policy.is_exclusive:
            await self._formed.wait()
        await self._services.room()

    def _submit(
        self, commands: Sequence[bytes], service: Service | None, certain: bool | None
    ) -> list[asyncio.Future[object]]:
        self._check()
        self._services.check_messages(commands)
        if certain is None:
            is_safe = (service or self.replica.service) is Service.SAFE
            certain = is_safe and self.replica.policy.is_exclusive
        loop, first = asyncio.get_running_loop(), self._next
        futures = [loop.create_future() for _ in commands]
        self._next += len(commands)
        for n, future in enumerate(futures):
            self._pending[first + n] = Pending(future, certain)
        self._services.ask(self.name, lambda core, now: core.submit(first, commands, service))
        return futures

    async def events(self) -> AsyncIterator[StateEvent]:
        """What happens to the state beside commands: views, a state received, whether we are of
        the primary component, and commands that turned out to be discarded."""
        while True:
            while self._events:
                yield self._events.popleft()
            if not await self._more():
                return

    # What is told

    def hear(self, event: object) -> None:
        """See :class:`vsync.node.services.Part`."""
        match event:
            case Applied(_, handle, result, is_certain):
                self._applied(handle, result, is_certain)
            case Settled(_, handles):
                for handle in handles:
                    self._settled(handle)
            case Absorbed(_, handle):
                pending = self._pending.get(handle)
                if pending is not None:
                    pending.is_known = False
                    if not pending.until_certain:
                        self._settled(handle)
            case Rejected(_, handle, reason):
                self._fail(handle, CommandRejected(f"not applied: {reason}"))
            case Discarded(_, _, _, handles):
                for handle in handles:
                    self._fail(handle, CommandDiscarded("another state has replaced it"))
        if isinstance(event, StateEvent):
            self._events.append(event)
            self._news.set()
        if self.replica.is_primary:
            self._formed.set()
        super().hear(event)
        if isinstance(event, Restored):
            self._look()

    def over(self, error: BaseException) -> None:
        """See :class:`vsync.node.services.Part`."""
        super().over(error)
        self._formed.set()  # whoever waits is told
        for handle in list(self._pending):
            self._fail(handle, error)

    def _look(self) -> None:
        if self.replica.is_current and self.view is not None:
            self._set_ready()

    def _applied(self, handle: int, result: object, is_certain: bool) -> None:
        pending = self._pending.get(handle)
        if pending is None:
            return
        pending.is_known, pending.result = True, result
        if is_certain or not pending.until_certain:
            self._settled(handle)

    def _settled(self, handle: int) -> None:
        pending = self._pending.pop(handle, None)
        if pending is None or pending.future.done():
            return
        if pending.is_known:
            pending.future.set_result(pending.result)
        else:
            pending.future.set_exception(
                ResultUnknown("applied by others: its result is not known here")
            )

    def _fail(self, handle: int, error: BaseException) -> None:
        pending = self._pending.pop(handle, None)
        if pending is not None and not pending.future.done():
            pending.future.set_exception(error)
