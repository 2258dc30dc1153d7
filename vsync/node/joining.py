"""Becoming a member: from names and files to a running engine.  [I/O]"""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import cast

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.history import FileHistory
from clocksync.runtime.mmsg import Address
from clocksync.runtime.sockets import error_words
from clocksync.runtime.units import SECOND
from clocksync.security import keys
from clocksync.security.keyring import KeyRing
from clocksync.security.plain import PlainSealer
from clocksync.security.sealer import Sealer as AeadSealer
from vsync.config import RingConfig
from vsync.engine import Engine
from vsync.events import BootState
from vsync.frames import NOBODY
from vsync.identity import group_number
from vsync.node.blocking import BlockingGroup
from vsync.node.carrier import Sealer
from vsync.node.clock import Clock, GivenClock, SystemClock, TimeSource
from vsync.node.finding import resolved
from vsync.node.group import Group
from vsync.node.lookups import Lookups, Note, numeric
from vsync.node.loop import BACKLOG_BYTES, RingLoop
from vsync.node.multicasting import multicast_address
from vsync.node.names import Names, is_address, place
from vsync.node.observing import Observer
from vsync.node.sockets import Sockets
from vsync.node.status import StatusServer, placed
from vsync.node.storage import Forgetful, Storage
from vsync.replication.quorum import NO_QUORUM, Policy
from vsync.states import State

logger = logging.getLogger("vsync")

Endpoint = str | Address
"""``"host:port"``, ``"[v6]:port"``, or the two apart."""

LEAVE_SECONDS = 10.0
"""How long the end of a ``with`` waits for a member to have left."""

NO_KEY = (
    "no key: make one with `vsync key generate FILE`, give a copy to every member, and name it here"
    " (--key-file FILE, key=FILE); without protection: --insecure-plaintext"
)


class Joining:
    """A member about to join a group: ``async with vsync.join(...) as group``, or ``with`` in a
    program without asyncio.

    Args:
        group: its name; members of other groups are not heard.
        id: this member's number, 1 to 65534, its own in the group.
        listen: the address to receive on. Nothing else is listened on.
        peers: the other members' addresses, by number. Those that are not there may come later. A
            name is looked up again while its member is silent, and need not resolve yet.
        key: the group's key file (``vsync key generate FILE``), the same at all members.
        insecure_plaintext: go without one: whoever reaches the port can read, speak and disturb.
        state: a directory for what must outlive a crash (bytes, no messages). Without one a restart
            is a member that lost its disk.
        config: settings, the same at all members.
        history: append what happens to this file (``docs/history.md``).
        clock_error_ns: how far the system clock can be off, where that is known better than the
            kernel knows it.
        clock: what tells the time instead of the system clock: anything with a ``now()`` that is an
            interval, such as a :class:`clocksync.BoundedClock`.
        offload: False does without segment offload.
        multicast: False never uses IP multicast; otherwise messages go that way as long as it
            reaches everybody, and by unicast to each otherwise.
        backlog_bytes: how much may be delivered and not taken before the ring is slowed down.
        events: False keeps nothing of what is told to the ring as a whole, for a program that uses
            groups, state and locks alone: it need not take messages and changes then.
        quorum: which side of a divided network may go on, for groups, replicated state and locks
            (``docs/replication.md``); the same at all members.
        status: a path, or a folder, for the socket at which ``vsync status`` asks
            (``docs/operations.md``).

    Raises:
        BadConfig: an argument is impossible, an address cannot be listened on; some of it on
            entering.
    """

    found: Mapping[int, Address] | None = None
    """The addresses of peers that were looked up already; None: look them up now."""
    note: Note = staticmethod(logger.warning)
    """Is told, a line each, of names that do not resolve and of members that moved."""

    def __init__(
        self,
        group: str,
        *,
        id: int,
        listen: Endpoint,
        peers: Mapping[int, Endpoint],
        key: "KeyRing | str | os.PathLike[str] | None" = None,
        insecure_plaintext: bool = False,
        state: "str | os.PathLike[str] | None" = None,
        config: RingConfig | None = None,
        history: "str | os.PathLike[str] | None" = None,
        clock_error_ns: int | None = None,
        clock: TimeSource | None = None,
        offload: bool = True,
        multicast: bool = True,
        backlog_bytes: int = BACKLOG_BYTES,
        events: bool = True,
        quorum: Policy = NO_QUORUM,
        status: "str | os.PathLike[str] | None" = None,
    ) -> None:
        if not group:
            raise BadConfig("a group needs a name")
        if not 0 < id < NOBODY:
            raise BadConfig(f"--id {id} is not in 1 to {NOBODY - 1}")
        if id in peers:
            raise BadConfig(f"--peer {id} is this member itself")
        for peer in peers:
            if not 0 < peer < NOBODY:
                raise BadConfig(f"--peer {peer}: members are 1 to {NOBODY - 1}")
        if key is None and not insecure_plaintext:
            raise BadConfig(NO_KEY)
        if key is not None and insecure_plaintext:
            raise BadConfig("a key and --insecure-plaintext contradict each other: leave out one")
        self.key = key
        self.group, self.id = group, id
        self.listen, self.peers = listen, dict(peers)
        self.state, self.history = state, history
        self.config = config or RingConfig.within(SECOND)
        if clock is not None and clock_error_ns is not None:
            raise BadConfig(
                "clock and clock_error_ns contradict: a time source knows its own error"
            )
        self.clock: Clock = SystemClock(clock_error_ns) if clock is None else GivenClock(clock)
        self.offload = offload
        self.multicast = multicast
        self.backlog_bytes, self.events = backlog_bytes, events
        self.quorum = quorum
        self.status = status
        self.status_must_be = True
        """Whether not to join where the status socket cannot be made."""
        self.observer: Observer | None = None
        """Tells how the member is, from when it was entered."""
        self._answering: StatusServer | None = None
        self._lookups: Lookups | None = None
        self.member: Group | BlockingGroup | None = None
        self._history: FileHistory | None = None
        self._disk: Storage | Forgetful = Forgetful()

    def _sealer(self) -> Sealer:
        cluster = group_number(self.group)
        if self.key is None:
            return PlainSealer(cluster, self.id)
        return AeadSealer(self.read_key(), cluster, self.id, os.urandom(16), os.urandom)

    def read_key(self) -> KeyRing:
        """The group's key, as its file says it now.

        Raises:
            BadConfig: it cannot be read, others can read it, or it is no key file.
        """
        assert self.key is not None, "a group with a key"
        if isinstance(self.key, KeyRing):
            return self.key
        try:
            return keys.read(self.key)
        except OSError as error:
            raise BadConfig(f"{error.filename}: {error.strerror}") from None

    def reload_key(self) -> None:
        """Read the key file again, and use from now on what it says: a step of a rotation. What it
        raises is what :meth:`read_key` does; the old key stays in use then."""
        if self.key is not None and self.member is not None:
            ring, loop = self.read_key(), self.member.loop
            loop.post(lambda: loop.sealer.use(ring))

    def _open(self, make: type[Group] | type[BlockingGroup]) -> Group | BlockingGroup:
        sealer = self._sealer()
        config = replace(
            self.config, cluster=group_number(self.group), envelope_bytes=sealer.OVERHEAD
        )
        listen = numeric(self.listen)
        ends = {peer: place(endpoint) for peer, endpoint in self.peers.items()}
        peers = self.found
        if peers is None:
            peers = resolved(ends, listen, 0, self.note)
        for peer, address in peers.items():
            if (":" in address[0]) != (":" in listen[0]):
                raise BadConfig(f"--peer {peer} and --listen are not of one family, v4 or v6")
        if self.state is not None:
            self._disk = Storage(self.state)
        kept = self._disk.load()
        if self.history is not None:
            self._history = FileHistory(self.history)
        to_all, why = multicast_address(config.cluster, listen, peers)
        if not self.multicast:
            to_all, why = None, "IP multicast is switched off"
        try:
            sockets = Sockets(listen, peers, offload=self.offload, multicast=to_all)
        except OSError as error:
            words = error_words(error)
            raise BadConfig(f"--listen {listen[0]}:{listen[1]}: {words}") from None
        sockets.why_unicast = sockets.why_unicast and (why or sockets.why_unicast)
        config = config.fitting(sockets.receive_bytes)
        engine = Engine(config, self.id, kept or BootState(), os.urandom(16).hex())
        # Nobody listens yet; the group takes its place before the thread starts.
        loop = RingLoop(
            engine,
            sockets,
            sealer,
            self._disk,
            self.clock,
            sink=self._history,
            storage="lost" if kept is None else "kept",
            backlog_bytes=self.backlog_bytes,
        )
        member = make(loop, self.quorum)
        member.keeps_events = self.events
        loop.listener = member
        names = {peer: end for peer, end in ends.items() if not is_address(end[0])}
        self._lookups = self._look_up(loop, Names(names, peers))
        self._observe(member, self._lookups.names)
        for peer in peers:
            sealer.greet(peer, time.monotonic_ns())
        loop.start()
        self._lookups.start()
        self.member = member
        return member

    def _look_up(self, loop: RingLoop, names: Names) -> Lookups:
        def present() -> tuple[int, ...]:
            engine = loop.engine
            return engine.ring.members if engine.state is State.OPERATIONAL else ()

        def move(peer: int, address: Address) -> None:
            def carry_out() -> None:  # in the ring's thread
                loop.sockets.move(peer, address)
                loop.sealer.greet(peer, time.monotonic_ns())

            loop.post(carry_out)

        family = loop.sockets.sock.family
        return Lookups(names, family, present, move, self.note)

    def _observe(self, member: Group | BlockingGroup, names: Names) -> None:
        self.observer = Observer(
            member.loop,
            self.group,
            lambda: member.configuration,
            lambda: member.has_ended,
            names.described,
            member.locks_told,
        )
        if self.status is None:
            return
        try:
            path = placed(self.status, self.group, self.id)
            self._answering = StatusServer(self.observer, path)
        except BadConfig:
            if self.status_must_be:
                member.loop.sockets.close()
                member.ended(None)
                raise
        else:
            self._answering.start()

    def _close(self) -> None:
        if self._lookups is not None:
            self._lookups.close()
        if self._answering is not None:
            self._answering.close()
        if self.member is not None:
            self.member.loop.stop()
            self.member.loop.join(LEAVE_SECONDS)
        self._disk.close()
        if self._history is not None:
            self._history.close()

    async def __aenter__(self) -> Group:
        return cast(Group, self._opened(Group))

    def __enter__(self) -> BlockingGroup:
        return cast(BlockingGroup, self._opened(BlockingGroup))

    def _opened(self, make: type[Group] | type[BlockingGroup]) -> Group | BlockingGroup:
        try:
            return self._open(make)
        except BaseException:
            self._close()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        import asyncio

        assert isinstance(self.member, Group), "entered with async with"
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.member.leave()
        except TimeoutError:
            pass
        finally:
            await asyncio.to_thread(self._close)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert isinstance(self.member, BlockingGroup), "entered with with"
        try:
            self.member.leave(LEAVE_SECONDS)
        finally:
            self._close()


join = Joining
"""What a program calls; it reads as what it does."""
