"""The table of a lock service, as a replicated state machine: who holds what, and who waits.

A lock is granted where a request is applied to a table in which nobody holds it, or where its
holder gives it back: at a place of the order, so everybody knows whose it is, and no message asks.
Waiting is fair, in the order of requests.

**Fencing tokens** grow strictly with the grants of a table. They are at least the group's timestamp
of the message that granted: timestamps only grow, over merges, crashes and restarts, so tokens do
even where a table is begun anew. (ns since 1970: below 2^63 until 2262.)

**Leases.** A holder that left the group's view may still believe that it holds. Its locks are
*condemned*: nobody's, and granted to nobody, until one of the members knows that its lease must
have ended, and says so in the order (:mod:`~.locks`). Without leases they are free at once.

Commands come many in a message, and a command is many locks: runs of the same verb, packed, because
at a quarter of a million locks in a second each may take a microsecond.
"""

import json
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from vsync.replication.events import View
from vsync.replication.machine import Context, Replicated

ACQUIRE, RELEASE, RENEW, EXPIRE, CONFIRM = 1, 2, 3, 4, 5
CONSECUTIVE = 0x80
"""Added to a verb: the requests of the run count up by one from the only number that it carries."""

NOBODY = 0
"""Stands where a holder's number does, in a lock that is condemned."""

SEPARATOR = b"\0"
_RUN = struct.Struct(">BII")  # verb, count, bytes of the names
_RUN_SIZE = _RUN.size
_NUMBER = struct.Struct(">Q")

PIECE_LOCKS = 512

Holder = tuple[int, int, int]
"""Member, its number for the request, fencing token."""
Waiter = tuple[int, int]
"""Member, its number for the request."""


class Run(NamedTuple):
    """Requests of one verb. A release that names a request still waiting takes it back."""

    verb: int
    requests: Sequence[int]
    names: Sequence[bytes]


def encode(runs: Iterable[Run]) -> bytes:
    """The command that does these, in order."""
    parts: list[bytes] = []
    for verb, requests, names in runs:
        joined = SEPARATOR.join(names)
        count = len(requests)
        if count == len(names) > 1 and _count_up(requests):
            mark, numbers = CONSECUTIVE, _NUMBER.pack(requests[0])
        else:
            mark, numbers = 0, struct.pack(f">{count}Q", *requests)
        parts += (_RUN.pack(verb | mark, count, len(joined)), numbers, joined)
    return b"".join(parts)


def _count_up(requests: Sequence[int]) -> bool:
    """Whether they do, as those of many locks asked for together: sent so, they fit a datagram."""
    first = requests[0]
    return list(requests) == list(range(first, first + len(requests)))


class LockTable(Replicated):
    """The table.

    Args:
        me: whose own locks are kept in `mine`.
        has_leases: whether locks of members that left wait for their leases to end; the same at all
            members.
    """

    def __init__(self, me: int, *, has_leases: bool) -> None:
        self.me, self.has_leases = me, has_leases
        self.token = 0
        """The fencing token of the last grant."""
        self.holders: dict[bytes, Holder] = {}
        self.queues: dict[bytes, deque[Waiter]] = {}
        self.condemned: dict[int, tuple[int, list[bytes]]] = {}
        """By number: the member that held them, and the locks."""
        self._condemnations = 0
        self.mine: dict[int, tuple[bytes, int]] = {}
        """Our requests that hold: the lock, and the token."""
        self.granted: list[int] = []
        """Our requests granted since somebody looked."""

    # Commands

    def apply(self, command: bytes, context: Context) -> object:
        at, size, origin = 0, len(command), context.origin
        # A message that grants many is one place in the order, and one timestamp.
        if context.timestamp > self.token:
            self.token = context.timestamp
        while size - at >= _RUN_SIZE:
            verb, count, length = _RUN.unpack_from(command, at)
            is_consecutive = verb & CONSECUTIVE
            numbers_at = at + _RUN_SIZE
            names_at = numbers_at + _NUMBER.size * (1 if is_consecutive else count)
            end = names_at + length
            if end > size:
                break
            names = command[names_at:end].split(SEPARATOR)
            requests: Sequence[int]
            if is_consecutive:
                (first,) = _NUMBER.unpack_from(command, numbers_at)
                requests = range(first, first + min(count, len(names)))
                verb ^= CONSECUTIVE
            else:
                requests = struct.unpack_from(f">{count}Q", command, numbers_at)
            if verb == ACQUIRE:
                self._acquire(origin, requests, names)
            elif verb == RELEASE:
                self._release(origin, requests, names)
            elif verb == EXPIRE:
                self._expire(requests)
            elif verb == CONFIRM:
                self._confirm(origin, requests, names)
            at = end
        return None

    def _acquire(self, origin: int, requests: Sequence[int], names: Sequence[bytes]) -> None:
        holders, queues, token = self.holders, self.queues, self.token
        mine = self.mine if origin == self.me else None
        for request, name in zip(requests, names, strict=False):
            if name in holders:
                if name in queues:
                    queues[name].append((origin, request))
                else:
                    queues[name] = deque([(origin, request)])
                continue
            token += 1
            holders[name] = (origin, request, token)
            if mine is not None:
                mine[request] = (name, token)
                self.granted.append(request)
        self.token = token

    def _release(self, origin: int, requests: Sequence[int], names: Sequence[bytes]) -> None:
        holders, queues = self.holders, self.queues
        is_mine = origin == self.me
        for request, name in zip(requests, names, strict=False):
            holder = holders.get(name)
            if holder is None:
                continue
            if holder[1] != request or holder[0] != origin:
                self._take_back(name, (origin, request))
                continue
            if is_mine:
                self.mine.pop(request, None)
            if name in queues:
                self._grant_next(name)
            else:
                del holders[name]

    def _take_back(self, name: bytes, waiter: Waiter) -> None:
        queue = self.queues.get(name)
        if queue is not None and waiter in queue:
            queue.remove(waiter)
            if not queue:
                del self.queues[name]

    def _grant_next(self, name: bytes) -> None:
        """Give a lock that is free to whoever waits longest."""
        queue = self.queues.get(name)
        if queue is None:
            self.holders.pop(name, None)
            return
        member, request = queue.popleft()
        if not queue:
            del self.queues[name]
        self._grant(name, member, request)

    def _grant(self, name: bytes, member: int, request: int) -> None:
        self.token += 1
        self.holders[name] = (member, request, self.token)
        if member == self.me:
            self.mine[request] = (name, self.token)
            self.granted.append(request)

    def _confirm(self, origin: int, requests: Sequence[int], names: Sequence[bytes]) -> None:
        """Grant again, with a new token, what its holder was not told when it was granted: another
        component may have granted since then, and been lost with all who knew."""
        for request, name in zip(requests, names, strict=False):
            if self.holders.get(name, (NOBODY, 0, 0))[:2] == (origin, request):
                self._grant(name, origin, request)

    def _expire(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            _, names = self.condemned.pop(number, (NOBODY, []))
            for name in names:
                self._grant_next(name)

    # Members

    def members_changed(self, view: View) -> None:
        left = set(view.left)
        if not left:
            return
        for name in sorted(self.queues):
            queue = deque(waiter for waiter in self.queues[name] if waiter[0] not in left)
            if queue:
                self.queues[name] = queue
            else:
                del self.queues[name]
        # One that left by a message of its own has given its locks back before.
        waits = self.has_leases and view.reason != "leave"
        for member in sorted(left):
            self._part_with(member, waits)

    def _part_with(self, member: int, waits: bool) -> None:
        names = sorted(name for name, holder in self.holders.items() if holder[0] == member)
        if not names:
            return
        if not waits:
            for name in names:
                self._grant_next(name)
            return
        self._condemnations += 1
        self.condemned[self._condemnations] = (member, names)
        for name in names:
            self.holders[name] = (NOBODY, self._condemnations, self.holders[name][2])

    # State

    def snapshot(self) -> Iterable[bytes]:
        condemned = [[number, *self.condemned[number]] for number in sorted(self.condemned)]
        holders = list(self.holders.items())
        queues = [(name, tuple(queue)) for name, queue in self.queues.items()]
        return _in_pieces([self.token, self._condemnations, condemned], holders, queues)

    def restore(self, pieces: Iterable[bytes]) -> None:
        (self.token, self._condemnations, condemned), *rest = (_load(piece) for piece in pieces)
        self.condemned = {number: (member, names) for number, member, names in condemned}
        self.holders = {name: tuple(holder) for part, _ in rest for name, holder in part}
        self.queues = {name: deque(map(tuple, queue)) for _, part in rest for name, queue in part}
        self.granted = []
        self.mine = {
            request: (name, token)
            for name, (member, request, token) in self.holders.items()
            if member == self.me
        }

    def digest(self) -> int:
        """A number that is equal where states are."""
        queues = [(name, list(queue)) for name, queue in sorted(self.queues.items())]
        state = (self.token, sorted(self.holders.items()), queues, sorted(self.condemned.items()))
        return crc32(repr(state).encode())


def _in_pieces(
    head: list[object],
    holders: list[tuple[bytes, Holder]],
    queues: list[tuple[bytes, tuple[Waiter, ...]]],
) -> Iterator[bytes]:
    yield _dump(head)
    for start in range(0, max(len(holders), len(queues)), PIECE_LOCKS):
        part = slice(start, start + PIECE_LOCKS)
        yield _dump([holders[part], queues[part]])


# JSON has no bytes: the name of a lock travels as an object that holds its hexadecimal digits.


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=lambda name: {"": name.hex()}).encode()


def _load(piece: bytes) -> Any:
    return json.loads(piece, object_hook=lambda found: bytes.fromhex(found[""]))
