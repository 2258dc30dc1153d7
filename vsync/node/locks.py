"""The lock service as an application sees it: ``async with locks.lock("till") as grant``.  [I/O]

The same interface as :class:`ordering.mutex.Mutex`, for as many locks as there are names.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType

from clocksync.runtime.errors import MisusedCore
from ordering.mutex.facade import GrantLost
from vsync.node.channel import Joined
from vsync.node.services import Services, now_ns
from vsync.replication import locks as cores
from vsync.replication.events import (
    Granted,
    Lost,
    PrimaryChanged,
    Released,
    Restored,
    Resumed,
    Suspended,
)

TOLD_MOST = 50
"""Locks that a status tells of."""


class Grant:
    """A lock that was granted to us."""

    __slots__ = (
        "_locks",
        "_over",
        "_released",
        "_why",
        "fencing_token",
        "is_suspended",
        "name",
        "request",
    )

    def __init__(self, locks: "Locks", name: str, request: int, token: int) -> None:
        self.name, self.request = name, request
        self.fencing_token = token
        """Grows strictly with every grant of the lock: give it to the resource."""
        self.is_suspended = False
        """The ring is lost: this is still ours, and may not be when the ring is back."""
        self._locks = locks
        self._why = ""
        self._released = False
        self._over: asyncio.Event | None = None

    @property
    def held(self) -> bool:
        """Whether the lock is ours now, by the lease: to be asked before acting on it."""
        return not self._why and not self._released and self._locks.holds(self.request)

    def check(self) -> None:
        """Return if the lock is ours.

        Raises:
            GrantLost: not any more.
        """
        if self._why:
            raise GrantLost(self.fencing_token, self._why)
        if not self._released and not self._locks.holds(self.request):
            raise GrantLost(self.fencing_token, cores.LEASE_ENDED)

    def release(self) -> None:
        """Give it back before the block ends.

        Raises:
            MisusedCore: it was given back already.
        """
        self._locks.release_many([self])

    async def lost(self) -> None:
        """Wait until it is over: lost, or given back."""
        if not self._why and not self._released:
            self._over = self._over or asyncio.Event()
            await self._over.wait()

    def _end(self, why: str = "") -> None:
        self._why = why
        if self._over is not None:
            self._over.set()


class Acquiring:
    """A request, as an asynchronous context manager; used once."""

    def __init__(self, locks: "Locks", name: str, timeout_s: float | None) -> None:
        self._locks, self._name, self._timeout_s = locks, name, timeout_s
        self._grant: Grant | None = None

    async def __aenter__(self) -> Grant:
        try:
            async with asyncio.timeout(self._timeout_s):
                (self._grant,) = await self._locks.acquire_many([self._name])
        except TimeoutError:
            raise TimeoutError(f"{self._name!r} not granted in {self._timeout_s:g} s") from None
        return self._grant

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        grant = self._grant
        assert grant is not None, "the block was entered"
        if error is None and not grant._released:
            try:
                grant.check()
            finally:
                self._give_back(grant)
        else:
            self._give_back(grant)

    def _give_back(self, grant: Grant) -> None:
        if not grant._released and self._locks.error is None:
            grant.release()


class Lock:
    """One lock, by its name: the interface of :class:`ordering.mutex.Mutex`."""

    def __init__(self, locks: "Locks", name: str) -> None:
        self._locks, self.name = locks, name

    def acquire(self, timeout_s: float | None = None) -> Acquiring:
        """Ask for it. Raises ``TimeoutError`` if that takes longer than `timeout_s`.

        The block raises :class:`GrantLost` at its end if the lock was lost inside.
        """
        return Acquiring(self._locks, self.name, timeout_s)


class _Asked:
    """Locks that were asked for together."""

    __slots__ = ("first", "future", "grants", "names")

    def __init__(self, first: int, names: Sequence[str]) -> None:
        self.first, self.names = first, names
        self.grants: dict[int, Grant] = {}
        self.future: asyncio.Future[list[Grant]] = asyncio.get_running_loop().create_future()


class Locks(Joined):
    """The lock service of one group. Made by :meth:`vsync.Group.locks`."""

    def __init__(self, services: Services, core: cores.Locks) -> None:
        super().__init__(services, core.name)
        self.core = core
        self._next = 1
        self._asked: dict[int, _Asked] = {}
        self._grants: dict[int, Grant] = {}
        self._giving_back: dict[int, asyncio.Event] = {}

    def lock(self, name: str, timeout_s: float | None = None) -> Acquiring:
        """``async with locks.lock("till") as grant:`` holds it in the block."""
        return Acquiring(self, name, timeout_s)

    def named(self, name: str) -> Lock:
        """One lock, to be handed to what knows mutexes."""
        return Lock(self, name)

    def holds(self, request: int) -> bool:
        """Whether we hold what that request asked for, by the lease."""
        return self.core.holds(request, now_ns())

    def holder(self, name: str) -> int | None:
        """Which member holds a lock, as this member knows: a local look, no message."""
        holder = self.core.table.holders.get(name.encode())
        return holder[0] if holder is not None and holder[0] else None

    def told(self, most: int = TOLD_MOST) -> list[dict[str, object]]:
        """Who holds what, and who waits, in the order of asking; `most` locks. From any thread."""
        table = self.core.table
        return [
            {
                "service": self.name,
                "name": name.decode("utf-8", "replace"),
                "holder": holder or None,
                "waiting": [waiter for waiter, _ in list(table.queues.get(name, ()))[:most]],
            }
            for name, (holder, _, _) in list(table.holders.items())[:most]
        ]

    async def acquire_many(self, names: Sequence[str]) -> list[Grant]:
        """Ask for several locks at once, and wait until all are ours.

        They are granted one by one: ask for them in one order everywhere (sorted, say), or two who
        each hold what the other wants wait for ever. Cancelling gives back what was granted.

        Raises:
            BadConfig: a name is empty, or holds the character NUL.
            NotAMember: we have left.
        """
        self._check()
        first, self._next = self._next, self._next + len(names)
        asked = _Asked(first, names)
        requests = range(first, self._next)
        self._asked.update(dict.fromkeys(requests, asked))
        try:
            # Alone on the ring, we may be granted before this returns.
            self._services.ask(self.name, lambda core, now: core.acquire(first, names, now))
            return await asked.future
        except BaseException:
            for request in requests:
                self._asked.pop(request, None)
                self._grants.pop(request, None)
            if self.error is None:
                self._services.ask(self.name, lambda core, now: core.release(requests, now))
            raise

    def release_many(self, grants: Sequence[Grant]) -> None:
        """Give locks back.

        Raises:
            MisusedCore: one was given back already.
        """
        self._check()
        for grant in grants:
            if grant._released:
                raise MisusedCore(f"the grant {grant.fencing_token} was released already")
            grant._released = True
            if grant._over is not None:
                grant._over.set()
            self._grants.pop(grant.request, None)
        requests = [grant.request for grant in grants]
        self._services.ask(self.name, lambda core, now: core.release(requests, now))

    async def give_back_many(self, grants: Sequence[Grant]) -> None:
        """Give locks back, and wait until that has its place in the order."""
        self.release_many(grants)
        done = asyncio.Event()
        for grant in grants:
            self._giving_back[grant.request] = done
        while not done.is_set():
            await done.wait()
            if any(grant.request in self._giving_back for grant in grants):
                done.clear()
        self._check()

    # What is told

    def hear(self, event: object) -> None:
        """See :class:`vsync.node.services.Part`."""
        match event:
            case Granted(_, requests, tokens):
                self._granted(requests, tokens)
            case Suspended(_, requests, _) | Resumed(_, requests):
                for request in requests:
                    if request in self._grants:
                        self._grants[request].is_suspended = isinstance(event, Suspended)
            case Released(_, requests) if self._giving_back:
                for request in requests:
                    done = self._giving_back.pop(request, None)
                    if done is not None:
                        done.set()
            case Lost(_, requests, reason):
                for request in requests:
                    self._lost(request, reason)
        super().hear(event)
        if isinstance(event, Restored | PrimaryChanged):
            self._look()

    def over(self, error: BaseException) -> None:
        """See :class:`vsync.node.services.Part`."""
        super().over(error)
        for asked in set(self._asked.values()):
            if not asked.future.done():
                asked.future.set_exception(error)
        self._asked.clear()
        for grant in self._grants.values():
            grant._end(str(error))
        self._grants.clear()
        for done in self._giving_back.values():
            done.set()
        self._giving_back.clear()

    def retire(self) -> None:
        """Give everything back, before the member leaves the ring."""
        requests = list(self.core.wanted)
        if requests and self.error is None:
            self._services.ask(self.name, lambda core, now: core.release(requests, now))

    def _look(self) -> None:
        if self.core.replica.is_current and self.view is not None:
            self._set_ready()

    def _granted(self, requests: Sequence[int], tokens: Sequence[int]) -> None:
        asked_by, held = self._asked, self._grants
        for request, token in zip(requests, tokens, strict=True):
            asked = asked_by.pop(request, None)
            if asked is None:
                continue
            grant = held[request] = Grant(self, asked.names[request - asked.first], request, token)
            grants = asked.grants
            grants[request] = grant
            if len(grants) == len(asked.names) and not asked.future.done():
                asked.future.set_result([grants[request] for request in sorted(grants)])

    def _lost(self, request: int, why: str) -> None:
        grant = self._grants.pop(request, None)
        if grant is not None:
            grant._end(why)


def told_of(services: Services) -> list[dict[str, object]] | None:
    """See :meth:`Locks.told`, of all lock services of a member; None: it uses none."""
    parts = [part for part in services.joined() if isinstance(part, Locks)]
    return [each for part in parts for each in part.told()] if parts else None
