"""The layer of groups for a program without asyncio: an event loop in a thread of its own.  [I/O]

State machines' methods are called in that thread. Reading a machine from others is as safe as the
machine makes it; :meth:`BlockingState.read` reads between two commands.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from vsync.events import Configuration, Messages, Moved
from vsync.identity import Service
from vsync.node.channel import Joined, ProcessGroup
from vsync.node.entry import Entry
from vsync.node.locks import Grant, Locks
from vsync.node.message import Message
from vsync.node.services import Services, Submit
from vsync.node.state import State
from vsync.replication.events import View
from vsync.replication.machine import Replicated
from vsync.replication.quorum import Policy

Result = TypeVar("Result")
Machine = TypeVar("Machine", bound=Replicated)

CLOSE_S = 1.0
"""How long whoever waits may take to hear that it is over."""


class Portal:
    """The thread, and what runs in it."""

    def __init__(
        self,
        me: int,
        policy: Policy,
        submit: Submit,
        taken: Callable[[int], None],
        message_bytes_max: int,
    ) -> None:
        self.services: Services
        self.entry: Entry
        self._given = me, policy, submit, taken, message_bytes_max
        self._loop = asyncio.new_event_loop()
        self._is_there = threading.Event()
        self._gate = threading.Lock()
        self._over: BaseException | None = None
        self._closing: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="vsync-groups", daemon=True)

    def start(self) -> None:
        """Begin; returns when it can be used."""
        self._thread.start()
        self._is_there.wait()

    def call(self, coroutine: Coroutine[Any, Any, Result], timeout: float | None = None) -> Result:
        """Run something there, and wait for it; after `timeout` seconds it is cancelled.

        Raises:
            TimeoutError: it was cancelled.
            NotAMember: this member has left; or what ended it.
        """
        with self._gate:
            if self._over is not None:
                coroutine.close()
                raise self._over
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def soon(self, function: Callable[..., None], *given: Any) -> None:
        """Call something there, some time."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(function, *given)

    def take(
        self,
        told: Sequence[Messages | Configuration | Moved],
        failed: Callable[[BaseException], None],
    ) -> None:
        """The ring delivered these."""
        try:
            for each in told:
                self.services.take(each)
        except Exception as error:  # of a state machine: this member must not go on
            failed(error)

    def end(self, error: BaseException | None) -> None:
        """Nothing more will be delivered: whoever waits is told, and the thread ends."""
        self.soon(self._end, error)

    def _end(self, error: BaseException | None) -> None:
        self.services.end(error)
        with self._gate:
            self._over = self.services.error
        self._closing = self._loop.create_task(self._close())

    async def _close(self) -> None:
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        if waiting:  # they hear of it first
            await asyncio.wait(waiting, timeout=CLOSE_S)
        self._loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._begin)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _begin(self) -> None:
        self.services = Services(*self._given)
        self.entry = Entry(self.services, self._given[1])
        self._is_there.set()


class BlockingJoined:
    """What all a program has of a group share."""

    def __init__(self, portal: Portal, joined: Joined) -> None:
        self._portal, self._joined = portal, joined

    @property
    def members(self) -> tuple[int, ...]:
        """Who is in the group, as of the last view."""
        return self._joined.members

    @property
    def view(self) -> View | None:
        """The last one told."""
        return self._joined.view

    def leave(self, timeout: float | None = None) -> None:
        """See :meth:`vsync.node.channel.Joined.leave`."""
        self._portal.call(self._joined.leave(), timeout)


class BlockingProcessGroup(BlockingJoined):
    """See :class:`vsync.node.channel.ProcessGroup`."""

    def __init__(self, portal: Portal, group: ProcessGroup) -> None:
        super().__init__(portal, group)
        self._group = group
        self._events = aiter(group)

    def multicast(self, payload: bytes, service: Service = Service.AGREED) -> None:
        """See :meth:`ProcessGroup.multicast`."""
        self._portal.call(self._group.multicast(payload, service))

    def deliver(
        self, payload: bytes, service: Service = Service.AGREED, timeout: float | None = None
    ) -> Message:
        """See :meth:`ProcessGroup.deliver`."""
        return self._portal.call(self._group.deliver(payload, service), timeout)

    def __iter__(self) -> Iterator[Message | View]:
        while True:
            try:
                yield self._portal.call(_next(self._events))
            except StopAsyncIteration:
                return


async def _next(events: Any) -> Any:
    return await anext(events)


class BlockingState(BlockingJoined, Generic[Machine]):
    """See :class:`vsync.node.state.State`."""

    def __init__(self, portal: Portal, state: State[Machine]) -> None:
        super().__init__(portal, state)
        self._state = state

    @property
    def is_primary(self) -> bool:
        """See :attr:`State.is_primary`."""
        return self._state.is_primary

    def submit(
        self,
        command: bytes,
        *,
        service: Service | None = None,
        certain: bool | None = None,
        timeout: float | None = None,
    ) -> object:
        """See :meth:`State.submit`."""
        doing = self._state.submit(command, service=service, certain=certain)
        return self._portal.call(doing, timeout)

    def submit_many(
        self,
        commands: Sequence[bytes],
        *,
        service: Service | None = None,
        certain: bool | None = None,
        timeout: float | None = None,
    ) -> list[object]:
        """See :meth:`State.submit_many`."""
        doing = self._state.submit_many(commands, service=service, certain=certain)
        return self._portal.call(doing, timeout)

    def read(self, look: Callable[[Machine], Result]) -> Result:
        """Read the machine between two commands: ``prices.read(lambda it: it.get("tea"))``."""

        async def looked() -> Result:
            return look(self._state.machine)

        return self._portal.call(looked())


class BlockingLocks(BlockingJoined):
    """See :class:`vsync.node.locks.Locks`."""

    def __init__(self, portal: Portal, locks: Locks) -> None:
        super().__init__(portal, locks)
        self._locks = locks

    @contextmanager
    def lock(self, name: str, timeout_s: float | None = None) -> Iterator[Grant]:
        """``with locks.lock("till") as grant:`` holds it in the block. ``grant.held`` and
        ``grant.check()`` may be asked from any thread."""
        acquiring = self._locks.lock(name, timeout_s)
        grant = self._portal.call(acquiring.__aenter__())
        try:
            yield grant
        except BaseException as error:
            self._portal.call(acquiring.__aexit__(type(error), error, None))
            raise
        self._portal.call(acquiring.__aexit__(None, None, None))

    def holder(self, name: str) -> int | None:
        """See :meth:`Locks.holder`."""
        return self._locks.holder(name)
