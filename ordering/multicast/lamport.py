"""Total order by Lamport stamps and acknowledgements: no member is special.

Lamport, "Time, clocks, and the ordering of events in a distributed system", CACM 21(7), 1978: every
process queues updates by (time, process) and carries out the head once every process has
acknowledged it.

**Why it is a total order.** Links keep order. When process i acknowledged an update, its clock had
passed the update's stamp; so whatever i sends after its acknowledgement has a greater stamp, and
whatever it sent before has arrived before. An update at the head that all have acknowledged can
therefore not be overtaken, at no process. It is causal as well: a process that has received an
update stamps what it sends with a greater time.

**Acknowledgements** are numbers: "of your updates, all up to this one". A rule
(:mod:`ordering.multicast.acknowledgement`) may hold one back; it never holds back an earlier update
of the same process longer than a later one, so a number says enough. An update is acknowledged when
every process but its sender has done so, ourselves included.

**What it costs.** One message of each member per update (batched here), and it stands still while
one member is silent.
"""

import struct
from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

from clocksync.runtime.errors import MalformedFrame
from ordering.multicast.acknowledgement import Rule, own_update_to_await, reason
from ordering.multicast.batch import pack, unpack
from ordering.multicast.order import MESSAGES, Arranger

ACKNOWLEDGEMENT = 2

_TIME = struct.Struct(">Q")
_UP_TO = struct.Struct(">HQ")
_TIME_MAX = 1 << 63
"""No clock gets there by counting; a peer that says so would stop ours from counting on."""


class LamportOrder(Arranger):
    """One member's queue.

    `reasons`, where it is a list, is given a line for each decision: what is acknowledged or held
    back and why, and what is carried out.
    """

    def __init__(self, me: int, members: Iterable[int], rule: Rule = Rule.SPARING) -> None:
        super().__init__(me, members)
        self.rule = rule
        self.time = 0
        self.reasons: list[str] | None = None
        self.queue: list[tuple[int, int, int, list[bytes]]] = []
        """A heap of (time, process, number among its process's updates, messages)."""
        self._received = dict.fromkeys(self.members, 0)
        self._outstanding: deque[tuple[int, int]] = deque()
        self._carried_out = 0
        # Of each member: how many of each other's updates it has acknowledged.
        self.acknowledged = {m: dict.fromkeys(self.members, 0) for m in self.members}
        # Of each other: (number of its update, our own that must be carried out before, its time).
        self._held_back: dict[int, deque[tuple[int, int, int]]] = {
            member: deque() for member in self.members if member != me
        }

    def multicast(self, messages: list[bytes]) -> None:
        self.time += 1
        number = self._received[self.me] = self._received[self.me] + 1
        self._outstanding.append((self.time, number))
        heappush(self.queue, (self.time, self.me, number, messages))
        self.outgoing.append((MESSAGES, _TIME.pack(self.time) + pack(messages)))

    def receive(self, origin: int, kind: int, body: bytes) -> None:
        if len(body) < _TIME.size:
            raise MalformedFrame("too short")
        (time,) = _TIME.unpack_from(body)
        if time > _TIME_MAX:
            raise MalformedFrame("a time that nobody can have counted to")
        if kind == MESSAGES:
            self._queue(origin, time, unpack(body, _TIME.size))
        elif kind == ACKNOWLEDGEMENT:
            self._take_acknowledgements(origin, body)
        else:
            raise MalformedFrame("unknown kind of record")
        self.time = max(self.time, time) + 1

    def _queue(self, origin: int, time: int, messages: list[bytes]) -> None:
        number = self._received[origin] = self._received[origin] + 1
        heappush(self.queue, (time, origin, number, messages))
        stamp = (time, origin)
        awaited = own_update_to_await(self.rule, self.me, stamp, self._outstanding)
        self._held_back[origin].append((number, awaited, time))
        if self.reasons is not None:
            self.reasons.append(reason(self.rule, self.me, stamp, self._outstanding))

    def _take_acknowledgements(self, origin: int, body: bytes) -> None:
        if (len(body) - _TIME.size) % _UP_TO.size:
            raise MalformedFrame("an acknowledgement cut short")
        acknowledged = self.acknowledged[origin]
        for member, up_to in _UP_TO.iter_unpack(body[_TIME.size :]):
            if member not in acknowledged or up_to < acknowledged[member]:
                raise MalformedFrame("an acknowledgement of nobody's, or taken back")
            acknowledged[member] = up_to

    def settle(self) -> None:
        parts: list[bytes] = []
        newly = self._acknowledge()
        while newly or self._deliver_head():
            parts += newly
            newly = self._acknowledge()
        if parts:
            self.time += 1
            self.outgoing.append((ACKNOWLEDGEMENT, _TIME.pack(self.time) + b"".join(parts)))

    def _acknowledge(self) -> list[bytes]:
        """What we can acknowledge by now, as it is written."""
        parts, ours = [], self.acknowledged[self.me]
        for origin, held_back in self._held_back.items():
            if held_back and held_back[0][1] <= self._carried_out:
                while held_back and held_back[0][1] <= self._carried_out:
                    ours[origin], awaited, time = held_back.popleft()
                    if awaited and self.reasons is not None:
                        why = "its own update before it is carried out"
                        self.reasons.append(f"P{self.me} acknowledges ({time}, P{origin}): {why}")
                parts.append(_UP_TO.pack(origin, ours[origin]))
        return parts

    def _deliver_head(self) -> bool:
        """Deliver the head and what follows it, until an acknowledgement is missing or one more of
        ours is carried out, which may release acknowledgements; whether anything was delivered."""
        queue, delivered = self.queue, False
        while queue and not self._missing(queue[0][1], queue[0][2]):
            time, origin, number, messages = heappop(queue)
            self.delivered.append(self._batch(origin, messages, (time, origin)))
            delivered = True
            if self.reasons is not None:
                self.reasons.append(f"P{self.me} carries out ({time}, P{origin})")
            if origin == self.me:
                self._outstanding.popleft()
                self._carried_out = number
                break
        return delivered

    def _missing(self, origin: int, number: int) -> list[int]:
        """Who has not acknowledged this update."""
        return [
            member
            for member, acknowledged in self.acknowledged.items()
            if acknowledged[origin] < number and member != origin and member not in self.gone
        ]

    def waiting(self) -> list[int]:
        return self._missing(self.queue[0][1], self.queue[0][2]) if self.queue else []

    def head(self) -> object:
        return self.queue[0][:2] if self.queue else None
