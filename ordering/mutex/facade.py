"""[I/O] What a program awaits: ``async with mutex.acquire() as grant``.

::

    async with mutex.acquire(timeout_s=5) as grant:
        await store.write(value, token=grant.fencing_token)

- Tasks of one process take turns, first come first served; the core sees one request at a time.
- A task that is cancelled or runs out of time takes its request back. A grant that came in the same
  instant is released at once. ``TimeoutError`` says how long it waited.
- ``grant.release()`` may be called before the block ends, once; a second time it raises.
- A grant can be lost inside (:class:`ordering.mutex.EpochMutex`): :attr:`Grant.held` is false then,
  :meth:`Grant.check` raises :class:`GrantLost`, and so does the end of the block, unless an
  exception is on its way already. What was done inside may then overlap with a successor's work,
  but for a resource that checks the token.

:class:`LocalGroup` runs a whole group in one event loop, for tests and to look at.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from random import Random
from types import TracebackType
from typing import Protocol, Self

from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Core,
    Effect,
    Effects,
    Notify,
    Send,
    SetTimer,
    Stamp,
)
from clocksync.runtime.errors import MisusedCore, ToolkitError
from clocksync.runtime.units import SECOND, NodeId
from ordering.mutex.contract import Algorithm, Granted, Lost, MutexCore, State
from ordering.mutex.frames import MutexCodec

_NO_STAMP = Stamp(0)


class GrantLost(ToolkitError):
    """Exclusion ended before the block did; ``fencing_token`` is that of the grant."""

    def __init__(self, token: int, why: str) -> None:
        super().__init__(f"the grant {token} was lost: {why}")
        self.fencing_token = token


class Closed(ToolkitError):
    """The mutex was closed, or its driver failed; then the cause is chained."""


class Verbs(Protocol):
    """What a core of a mutex can be asked, be it plain or with epochs."""

    @property
    def state(self) -> State: ...

    def acquire(self, now: int) -> Effects: ...

    def release(self, now: int) -> Effects: ...

    def cancel(self, now: int) -> Effects: ...


class Grant:
    """Being inside."""

    def __init__(self, mutex: "Mutex", token: int) -> None:
        self.fencing_token = token
        """Grows strictly with every grant of the group: give it to the resource."""
        self._mutex = mutex
        self._why = ""
        self._released = False
        self._over = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether we are still inside, as far as we can know."""
        return not self._over.is_set()

    def check(self) -> None:
        """Return if we are inside.

        Raises:
            GrantLost: not any more.
        """
        if self._why:
            raise GrantLost(self.fencing_token, self._why)

    def release(self) -> None:
        """Leave before the block ends.

        Raises:
            MisusedCore: we have left already.
        """
        if self._released:
            raise MisusedCore(f"the grant {self.fencing_token} was released already")
        self._released = True
        self._mutex._leave(self)

    async def lost(self) -> None:
        """Wait until the grant is over: lost, or released."""
        await self._over.wait()


class Acquiring:
    """A request, as an asynchronous context manager. Made by :meth:`Mutex.acquire`; used once."""

    def __init__(self, mutex: "Mutex", timeout_s: float | None) -> None:
        self._mutex, self._timeout_s = mutex, timeout_s
        self._grant: Grant | None = None

    async def __aenter__(self) -> Grant:
        try:
            async with asyncio.timeout(self._timeout_s):
                self._grant = await self._mutex._enter()
        except TimeoutError:
            raise TimeoutError(f"not granted within {self._timeout_s:g} s") from None
        return self._grant

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        grant = self._grant
        assert grant is not None, "the block was entered"
        if not grant._released:
            grant.release()
        if error is None:
            grant.check()


class Mutex:
    """One member's mutex.

    Args:
        core: decides; plain or an :class:`ordering.mutex.EpochMutex`.
        call: calls a verb with the time and carries out its effects, as drivers do.
    """

    def __init__(self, core: Verbs, call: Callable[[Callable[[int], Effects]], None]) -> None:
        self.core = core
        self.events: list[object] = []
        """What the core told beside grants (waiting, blocked, epochs), the last hundred."""
        self._call = call
        self._turn = asyncio.Lock()
        self._granted: asyncio.Future[int] | None = None
        self._grant: Grant | None = None
        self._closed: Closed | None = None

    def acquire(self, timeout_s: float | None = None) -> Acquiring:
        """Ask to enter. Raises ``TimeoutError`` if that takes longer than `timeout_s`.

        The block raises :class:`GrantLost` at its end if exclusion was lost inside.
        """
        return Acquiring(self, timeout_s)

    def hear(self, event: object) -> None:
        """To be called with every event of the core."""
        match event:
            case Granted(token):
                if self._granted is not None and not self._granted.done():
                    self._granted.set_result(token)
            case Lost(_, why):
                if self._grant is not None:
                    self._grant._why = why
                    self._grant._over.set()
            case _:
                self.events = [*self.events[-99:], event]

    def close(self, cause: BaseException | None = None) -> None:
        """Let everybody who waits have :class:`Closed`, now and from now on."""
        if self._closed is not None:
            return
        self._closed = Closed("the mutex is closed")
        self._closed.__cause__ = cause
        if self._granted is not None and not self._granted.done():
            self._granted.set_exception(self._closed)
        if self._grant is not None and self._grant.held:
            self._grant._why = "the mutex is closed"
            self._grant._over.set()

    async def _enter(self) -> Grant:
        await self._turn.acquire()
        try:
            if self._closed is not None:
                raise self._closed
            self._granted = asyncio.get_running_loop().create_future()
            self._call(self.core.acquire)
            token = await self._granted
        except BaseException:
            self._take_back()
            raise
        self._granted = None
        self._grant = Grant(self, token)
        if self.core.state is not State.HELD:  # lost while this task waited for its turn to run
            self._grant._why = "it was over before this task ran"
            self._grant._over.set()
        return self._grant

    def _take_back(self) -> None:
        self._granted = None
        try:
            if self._closed is None and self.core.state is State.WANTED:
                self._call(self.core.cancel)
            elif self._closed is None and self.core.state is State.HELD:
                self._call(self.core.release)
        finally:
            self._turn.release()

    def _leave(self, grant: Grant) -> None:
        assert grant is self._grant, "there is one grant at a time"
        self._grant = None
        try:
            if grant.held and self._closed is None:
                self._call(self.core.release)
        finally:
            grant._over.set()
            self._turn.release()


class _LocalMember:
    """Carries out one core's effects inside the event loop. Its messages arrive in order."""

    def __init__(self, group: "LocalGroup", me: NodeId, core: Core) -> None:
        self.group, self.me, self.core = group, me, core
        self.on_event: Callable[[object], None] = lambda event: None
        self.timers: dict[Hashable, asyncio.TimerHandle] = {}

    def call(self, verb: Callable[[int], Iterable[Effect]]) -> None:
        if not self.group.closed:
            self.perform(verb(time.monotonic_ns()))

    def perform(self, effects: Iterable[Effect]) -> None:
        loop = self.group.loop
        for effect in effects:
            match effect:
                case Send(to, frame):
                    data = self.group.codec.encode(frame)
                    self.group.messages += 1
                    loop.call_soon(self.group.arrive, to, self.me, data)
                case SetTimer(timer, after):
                    self.cancel(timer)
                    self.timers[timer] = loop.call_later(after / SECOND, self.run_out, timer)
                case CancelTimer(timer):
                    self.cancel(timer)
                case Notify(event):
                    self.on_event(event)

    def cancel(self, timer: Hashable) -> None:
        handle = self.timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def run_out(self, timer: Hashable) -> None:
        del self.timers[timer]
        self.call(lambda now: self.core.on_timer(timer, now))


class LocalGroup:
    """A whole group in one event loop: ``group[2].acquire()`` is member 2's.

    Messages are encoded and decoded as on a network, and take one turn of the loop.

    Args:
        algorithm: one of :data:`ordering.mutex.ALGORITHMS`.
        members: how many, numbered from 1.
    """

    def __init__(self, algorithm: Algorithm, members: int, seed: int = 0) -> None:
        self.loop = asyncio.get_running_loop()
        self.codec = MutexCodec()
        self.messages = 0
        self.closed = False
        numbers = [NodeId(number) for number in range(1, members + 1)]
        self._members = {me: self._member(algorithm, me, numbers, seed) for me in numbers}
        self._mutexes: dict[int, Mutex] = {}
        for me, (member, core) in self._members.items():
            mutex = self._mutexes[me] = Mutex(core, member.call)
            member.on_event = mutex.hear
        for member, core in self._members.values():
            member.call(core.start)

    def _member(
        self, algorithm: Algorithm, me: NodeId, numbers: Sequence[NodeId], seed: int
    ) -> tuple[_LocalMember, MutexCore]:
        core = algorithm(me, numbers, generation=0, random=Random(f"{seed}/{me}"))
        return _LocalMember(self, me, core), core

    def __getitem__(self, member: int) -> Mutex:
        return self._mutexes[member]

    def arrive(self, to: Hashable, sender: NodeId, data: bytes) -> None:
        """A message reaches a member."""
        member, core = self._members[to]  # type: ignore[index]
        arrival = Arrival(self.codec.decode(data), sender, _NO_STAMP)
        member.call(lambda now: core.on_frame(arrival, now))

    def close(self) -> None:
        """Stop all members, and their timers."""
        self.closed = True
        for member, _ in self._members.values():
            for timer in list(member.timers):
                member.cancel(timer)
        for mutex in self._mutexes.values():
            mutex.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
