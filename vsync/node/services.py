"""Runs the layer of groups, replicas and locks over a ring, in the application's event loop.  [I/O]

The ring has a thread of its own; this runs where the application does, so that a state machine's
methods are called between the application's own steps and never beside them. It takes what the
ring delivered before the application sees it, whether or not it looks.

Leases and timers go by the clock that counts sleep, too (``CLOCK_BOOTTIME``): a machine that was
suspended does not wake up with a lease that ended while it slept.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from clocksync.runtime.units import SECOND
from vsync.events import Configuration, Messages, Moved
from vsync.identity import Service
from vsync.node.message import NotAMember
from vsync.replication.events import (
    CancelTimer,
    Effects,
    Multicast,
    QuorumChanged,
    SetTimer,
)
from vsync.replication.member import GroupCore, Member
from vsync.replication.quorum import Policy

TOGETHER_MOST = 1000
"""So many messages are handed to the ring at once, at the most."""
TOGETHER_BYTES = 1 << 20
"""Likewise, where there is more than one."""
OUTBOX_MESSAGES, OUTBOX_BYTES = 20_000, 4 << 20
"""Beyond either, who says something waits until the ring has taken some."""
OVERHEAD_BYTES = 1
"""What a replica puts before a command."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now_ns() -> int:
    """The clock of leases: monotonic, and it goes on while the machine sleeps."""
    return time.clock_gettime_ns(_CLOCK)


Submit = Callable[[Sequence[bytes], Service, int], bool]
"""Hand messages of a group to the ring: payloads, service, the group's number; False if there is no
room for them now. Then :meth:`Services.flush` is called when there is some."""


class Part(Protocol):
    """What the application has of a group it is in."""

    def hear(self, event: Any) -> None:
        """An event of this group."""

    def over(self, error: BaseException) -> None:
        """Nothing more will come of it."""


class Services:
    """The layer of one member."""

    def __init__(
        self,
        me: int,
        policy: Policy,
        submit: Submit,
        taken: Callable[[int], None],
        message_bytes_max: int,
    ) -> None:
        self.taken = taken
        """Tells the ring what an application took of what was delivered to a group."""
        self.member = Member(me, policy)
        self.quorum: bool | None = None
        self.quorum_unknown_since: int | None = now_ns()
        self.error: BaseException | None = None
        """Set when nothing more will happen."""
        self._submit = submit
        self._message_bytes_max = message_bytes_max - OVERHEAD_BYTES
        self._asyncio = asyncio.get_running_loop()
        self._parts: dict[str, Part] = {}
        self._outbox: deque[Multicast] = deque()
        self._outbox_messages = self._outbox_bytes = 0
        self._room = asyncio.Event()
        self._is_scheduled = False
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}

    # What an application asks

    def join(self, name: str, part: Part, core: GroupCore | None = None) -> None:
        """Be in a group; `part` hears of it from now on.

        Raises:
            BadConfig: no group can be called so.
            MisusedCore: we are in it.
            NotAMember: this member has left the ring.
        """
        self.check()
        effects = self.member.join(name, core)
        self._parts[name] = part
        self._carry_out(effects)

    def do(self, verb: Callable[[Member, int], Effects]) -> None:
        """Ask something of the layer, with the time."""
        self.check()
        self._carry_out(verb(self.member, now_ns()))

    def ask(self, name: str, verb: Callable[[Any, int], Effects]) -> None:
        """Ask something of a group's core, with the time."""
        self.check()
        now = now_ns()
        self._carry_out(self.member.ask(name, lambda core: verb(core, now)))

    async def room(self) -> None:
        """Wait until more may be said.

        Raises:
            NotAMember: this member has left the ring; or what ended it.
        """
        while self.error is None and not self._has_room:
            self._room.clear()
            await self._room.wait()
        self.check()

    @property
    def _has_room(self) -> bool:
        return self._outbox_messages < OUTBOX_MESSAGES and self._outbox_bytes < OUTBOX_BYTES

    def check(self) -> None:
        """Return if this member is still one."""
        if self.error is not None:
            raise self.error

    def check_messages(self, payloads: Sequence[bytes]) -> None:
        """Return if these can be sent.

        Raises:
            TypeError: one is not bytes.
            ValueError: one is too large.
        """
        for payload in payloads:
            if not isinstance(payload, bytes):
                raise TypeError(f"a message is bytes, not {type(payload).__name__}")
            if len(payload) > self._message_bytes_max:
                raise ValueError(
                    f"a message of {len(payload)} bytes: at most {self._message_bytes_max} fit"
                )

    # What the ring says

    def take(self, told: Messages | Configuration | Moved) -> None:
        """Something was delivered, or the ring's state moved."""
        now = now_ns()
        match told:
            case Messages():
                self._carry_out(self.member.on_messages(told, now))
            case Configuration():
                self._carry_out(self.member.on_configuration(told, now))
            case Moved():
                self._carry_out(self.member.on_state(told, now))

    def end(self, error: BaseException | None) -> None:
        """Nothing more will be delivered."""
        self.error = error or NotAMember("this member has left the group")
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._room.set()
        for part in self._parts.values():
            part.over(self.error)

    def joined(self) -> list[Part]:
        """What was joined, now. From any thread."""
        return list(self._parts.values())

    def forget(self, name: str) -> None:
        """A group has been left."""
        self._parts.pop(name, None)

    # Effects

    def _carry_out(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Multicast():
                    self._outbox.extend(_in_parts(effect))
                    self._outbox_messages += len(effect.payloads)
                    self._outbox_bytes += _size(effect.payloads)
                    if not self._is_scheduled:
                        # What is said in one turn of the event loop leaves together.
                        self._is_scheduled = True
                        self._asyncio.call_soon(self.flush)
                case SetTimer(timer, at_ns):
                    self._cancel(timer)
                    delay = max(0, at_ns - now_ns()) / SECOND
                    self._timers[timer] = self._asyncio.call_later(delay, self._fire, timer, at_ns)
                case CancelTimer(timer):
                    self._cancel(timer)
                case QuorumChanged(quorum, since_ns):
                    self.quorum = quorum
                    self.quorum_unknown_since = since_ns if quorum is None else None
                case _:
                    part = self._parts.get(getattr(effect, "group", ""))
                    if part is not None:
                        part.hear(effect)

    def flush(self) -> None:
        """Hand to the ring what it has room for."""
        self._is_scheduled = False
        outbox = self._outbox
        while outbox:
            first = outbox[0]
            payloads, size, taken = list(first.payloads), _size(first.payloads), 1
            while taken < len(outbox):
                following = outbox[taken]
                size += _size(following.payloads)
                if (
                    (following.service, following.group) != (first.service, first.group)
                    or len(payloads) + len(following.payloads) > TOGETHER_MOST
                    or size > TOGETHER_BYTES
                ):
                    break
                payloads += following.payloads
                taken += 1
            if not self._submit(payloads, first.service, first.group):
                return
            for _ in range(taken):
                left = outbox.popleft().payloads
                self._outbox_messages -= len(left)
                self._outbox_bytes -= _size(left)
            if self._has_room:
                self._room.set()

    def _cancel(self, timer: Hashable) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def _fire(self, timer: Hashable, at_ns: int) -> None:
        # The event loop's clock may be ahead of ours by its resolution.
        now = max(now_ns(), at_ns)
        del self._timers[timer]
        self._carry_out(self.member.on_timer(timer, now))


def _size(payloads: Sequence[bytes]) -> int:
    return sum(map(len, payloads))


def _in_parts(effect: Multicast) -> Iterator[Multicast]:
    """The same messages, as many at a time as the ring takes at once."""
    payloads = effect.payloads
    start = size = 0
    for at, payload in enumerate(payloads):
        size += len(payload)
        if at > start and (at - start >= TOGETHER_MOST or size > TOGETHER_BYTES):
            yield replace(effect, payloads=payloads[start:at])
            start, size = at, len(payload)
    yield replace(effect, payloads=payloads[start:]) if start else effect
