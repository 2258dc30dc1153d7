"""[I/O] A group over sockets: what an application uses.

::

    peers = {2: "10.0.0.2:4000", 3: "10.0.0.3:4000"}
    async with join(1, listen="10.0.0.1:4000", peers=peers) as group:
        await group.multicast(b"hello")
        async for delivery in group:
            print(delivery.origin, delivery.message)

The unit of work is the batch (:meth:`Group.batches`); single deliveries sit on top of it.

**Back-pressure, both ways.** :meth:`Group.multicast` waits while more than
``MemberSettings.backlog_bytes`` have not been sent, which is so while one member does not take what
it is sent. An application that does not take its deliveries shuts its own windows and waits
itself, so its peers come to wait too: nothing grows without bound, and one slow member slows all.
So take deliveries in a task of their own if there are many, also where only sending matters.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from enum import Enum
from typing import NamedTuple, TypeVar
from zlib import crc32

from clocksync.runtime import envelope
from clocksync.runtime.addresses import parse_endpoint, resolve
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.errors import BadConfig, ToolkitError
from clocksync.runtime.units import SECOND
from ordering.links.driver import LinkDriver, open_socket
from ordering.links.links import PeerMisbehaved
from ordering.links.segment import Segment
from ordering.multicast.acknowledgement import Rule
from ordering.multicast.batch import Batch
from ordering.multicast.member import (
    Delivered,
    Left,
    Member,
    MemberSettings,
    Noted,
    Previewed,
    Waiting,
    check_members,
)
from ordering.multicast.order import Order

DELIVERIES_MAX = 65_536
"""Messages delivered and not taken by the application before this member shuts its windows."""

LINGER_POLL_S = 0.05
"""Time alone can end the wait for a peer that left too; steps end all others."""

_AT_FAULT = {
    envelope.WRONG_CLUSTER: "it belongs to another group: the order, the rule, the name "
    "and the members must be the same everywhere",
    envelope.OTHER_VERSION: "it speaks another version of the protocol: install one everywhere",
}


class NotReached(ToolkitError):
    """Members that were never heard. ``members`` names them."""

    def __init__(self, members: Mapping[int, str]) -> None:
        named = ", ".join(f"{member} at {where}" for member, where in members.items())
        super().__init__(f"not reached: member {named}")
        self.members = tuple(members)


class Closed(ToolkitError):
    """The group was left, or its driver failed; then the cause is chained."""


class Delivery(NamedTuple):
    """One message."""

    origin: int
    number: int
    """Which of its origin's messages it is, from 1."""
    message: bytes


class Group:
    """One member's side of a group. Made by :func:`join`; used from one event loop."""

    def __init__(self, member: Member, on_notice: Callable[[str], None] | None) -> None:
        self.member = member
        self.notices: list[str] = []
        """What a person should know about a peer, a line each."""
        self.notes: deque[Noted] = deque(maxlen=DELIVERIES_MAX)
        """What peers said outside the order, oldest first; take them away."""
        self.previews: deque[Batch] = deque(maxlen=DELIVERIES_MAX)
        """For :attr:`Order.TOTAL_CAUSAL`: what has arrived in causal order."""
        self._on_notice = on_notice
        self._batches: deque[Batch] = deque()
        self._untaken = 0
        self._is_shut = False
        self._waiters: list[asyncio.Future[None]] = []
        self._failure: BaseException | None = None
        self._noticed: set[tuple[int, str]] = set()
        self._driver: LinkDriver | None = None
        self._where: Mapping[int, str] = {}
        self._loop = asyncio.get_running_loop()

    # What there is to see.

    @property
    def driver(self) -> LinkDriver:
        """The socket driver, for its counters."""
        assert self._driver is not None, "a group has its driver from join() on"
        return self._driver

    @property
    def has_room(self) -> bool:
        """Whether :meth:`multicast` would return at once."""
        return self.member.has_room and not self._is_shut

    @property
    def backlog_bytes(self) -> int:
        """Bytes multicast that have not left yet."""
        return self.member.backlog_bytes

    def waiting(self) -> tuple[tuple[int, ...], float] | None:
        """Whom the next delivery waits for, and for how many seconds already; None: nobody."""
        waiting: Waiting | None = self.member.waiting()
        if waiting is None:
            return None
        since = time.monotonic_ns() - waiting.since_ns
        return waiting.members, max(0, since) / SECOND

    # Verbs.

    async def multicast(self, message: bytes) -> None:
        """Send `message` to every member. Waits while there is no room.

        Raises:
            MisusedCore: it is too long.
            Closed: this member has left.
        """
        await self.multicast_many((message,))

    async def multicast_many(self, messages: Iterable[bytes]) -> None:
        """Send messages, as neighbours where one batch holds them; waits while there is no room."""
        while not self.has_room:
            await self.progress()
        self._check()
        self.driver.call(lambda now: self.member.multicast(messages, now))

    def note(self, text: bytes) -> None:
        """Say something to every peer outside the order; it arrives in :attr:`notes`."""
        self._check()
        self.driver.call(lambda now: self.member.note(text))

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Deliveries as they come, many messages at a time, until the group is left."""
        while True:
            while self._batches:
                batch = self._batches.popleft()
                self._untaken -= len(batch.messages)
                if self._is_shut and self._untaken < DELIVERIES_MAX // 2:
                    self._shut(False)
                yield batch
            if self._driver is None or self._driver.closed:
                self._check_failure()
                return
            await self.progress()

    async def __aiter__(self) -> AsyncIterator[Delivery]:
        async for origin, first, messages, _ in self.batches():
            for number, message in enumerate(messages, first):
                yield Delivery(origin, number, message)

    async def reach(self, timeout_s: float) -> None:
        """Wait until every member has reached every other.

        Raises:
            NotReached: that took longer than `timeout_s`.
        """
        if not await self.wait_for(lambda: self.member.has_begun, timeout_s):
            raise NotReached({peer: self._where[peer] for peer in self.member.unreached})

    async def leave(self, timeout_s: float = 5.0) -> tuple[int, ...]:
        """Leave: send what was multicast, say goodbye, and wait until everybody has all of it.

        Returns:
            The members that did not confirm in `timeout_s`: they may lack something.
        """
        if self._driver is None or self._driver.closed:
            return ()
        missing = tuple(self.member.unreached)
        if self.member.has_begun or self.member.backlog_bytes:
            self._driver.call(lambda now: self.member.leave())
            end = time.monotonic() + timeout_s
            while not self._has_left() and (left_s := end - time.monotonic()) > 0:
                await self.wait_for(self._has_left, min(left_s, LINGER_POLL_S))
            missing = tuple(self.member.links.unflushed())
        self._close()
        return missing

    async def progress(self) -> None:
        """Wait until anything happened.

        Raises:
            Closed: the group was left, or its driver failed.
        """
        self._check()
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    async def wait_for(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `holds`, which is asked after each step; whether it did in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    await self.progress()
        except TimeoutError:
            return False
        except Closed:
            return holds()
        return True

    # Inside.

    def _open(self, driver: LinkDriver, where: Mapping[int, str]) -> None:
        self._driver, self._where = driver, where
        driver.start()

    def _has_left(self) -> bool:
        return self.driver.closed or self.member.has_left(time.monotonic_ns())

    def _close(self) -> None:
        if self._driver is not None:
            self._driver.close()
        self._wake()

    def _check(self) -> None:
        if self._driver is None or self._driver.closed:
            self._check_failure()
            raise Closed("this member has left the group")

    def _check_failure(self) -> None:
        if self._failure is not None:
            raise Closed(f"the group failed: {self._failure!r}") from self._failure

    def _shut(self, shut: bool) -> None:
        self._is_shut = shut
        if self._driver is not None and not self._driver.closed:
            self._driver.call(lambda now: self.member.shut(shut))

    def _on_event(self, event: object) -> None:
        if type(event) is Delivered:
            self._batches.extend(event.batches)
            self._untaken += sum(len(batch.messages) for batch in event.batches)
            if not self._is_shut and self._untaken > DELIVERIES_MAX:
                self._shut(True)
        elif isinstance(event, Previewed):
            self.previews.extend(event.batches)
        elif isinstance(event, Noted):
            self.notes.append(event)
        elif isinstance(event, PeerMisbehaved):
            self._notice(str(event))
        elif isinstance(event, Left):
            pass  # the member knows; who asks sees `member.left`

    def _after_step(self) -> None:
        if self.driver.rejected:
            for peer, reasons in self.driver.rejected.items():
                for reason in reasons:
                    if reason in _AT_FAULT and (peer, reason) not in self._noticed:
                        self._noticed.add((peer, reason))
                        self._notice(f"member {peer}: {_AT_FAULT[reason]}")
        if self._waiters:
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _notice(self, line: str) -> None:
        self.notices.append(line)
        if self._on_notice is not None:
            self._on_notice(line)

    def _failed(self, error: BaseException) -> None:
        self._failure = error
        self._wake()


def cluster_of(name: str, members: Iterable[int], settings: MemberSettings) -> int:
    """The number that keeps groups apart: members that were not told the same are not one group."""
    told = [name, settings.order.value, settings.rule.value, settings.sequencer, sorted(members)]
    return crc32(json.dumps(told).encode())


@asynccontextmanager
async def join(
    me: int,
    *,
    listen: str,
    peers: Mapping[int, str],
    order: Order | str = Order.TOTAL,
    rule: Rule | str = Rule.SPARING,
    name: str = "",
    settings: MemberSettings | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> AsyncIterator[Group]:
    """Be member `me` of a group for the time of the ``async with``; leave at its end.

    Members may start in any order and at any time: what is multicast waits until it can be sent.
    A member that has died stays out; total orders then stand still (:meth:`Group.waiting`).

    Args:
        listen: the address to listen on, ``host:port``; nothing else is listened on.
        peers: where each other member listens.
        order, rule: enums or their values; `settings`, if given, says the rest.
        name: of the group; groups of different names do not hear each other.
        on_notice: told each of :attr:`Group.notices` as it comes.

    Raises:
        BadConfig: a number, an address, the order or the rule is impossible.
        OSError: `listen` cannot be listened on.
    """
    settings = replace(
        settings or MemberSettings(), order=_chosen(Order, order), rule=_chosen(Rule, rule)
    )
    members = check_members(me, peers, settings)
    if me in peers:
        raise BadConfig(f"member {me} is this one, and is named as a peer, too")
    if not peers:
        raise BadConfig("a group has at least two members: name the others as peers")
    ours = await resolve(parse_endpoint(listen))
    theirs = {peer: await resolve(parse_endpoint(where)) for peer, where in peers.items()}
    _check_endpoints(listen, ours, peers, theirs)
    member = Member(me, members, random.SystemRandom(), settings)
    group = Group(member, on_notice)
    driver = LinkDriver(
        member,
        Envelope((Segment,), cluster_of(name, members, settings), me),
        open_socket(ours),
        theirs,
        on_event=group._on_event,
        after_step=group._after_step,
        on_failure=group._failed,
    )
    try:
        group._open(driver, peers)
        yield group
        await group.leave()
    finally:
        group._close()


Chosen = TypeVar("Chosen", bound=Enum)


def _chosen(kind: type[Chosen], value: Chosen | str) -> Chosen:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(one.value) for one in kind)
        raise BadConfig(f"{value!r} is no {kind.__name__.lower()}: choose from {known}") from None


def _check_endpoints(
    listen: str,
    ours: tuple[str, int],
    peers: Mapping[int, str],
    theirs: Mapping[int, tuple[str, int]],
) -> None:
    seen: dict[tuple[str, int], int] = {}
    for peer, address in theirs.items():
        if not address[1]:
            raise BadConfig(f"member {peer} at {peers[peer]}: a peer needs a port")
        if address == ours:
            raise BadConfig(
                f"member {peer} at {peers[peer]} is where this member listens: {listen}"
            )
        if (":" in address[0]) != (":" in ours[0]):
            raise BadConfig(
                f"member {peer} at {peers[peer]} and {listen}: IPv4 and IPv6 do not mix"
            )
        if address in seen:
            raise BadConfig(f"members {seen[address]} and {peer} are both at {peers[peer]}")
        seen[address] = peer
