"""Causal order with vector clocks, after Birman, Schiper and Stephenson.

"Lightweight causal and atomic group multicast", ACM TOCS 9(3), 1991, section 5.1: a message m of
process i carries VT(m), where VT(m)[i] numbers it among i's own and VT(m)[k] says how many of k's
had been delivered at i before. A receiver delays m until it has delivered the one before it of i,
and as many of each other k as VT(m)[k] says.

A vector here counts batches. The first half of the condition is kept by the links, so a vector
that breaks it is a peer's mistake and no reason to wait.
"""

import struct
from collections import deque
from collections.abc import Iterable

from clocksync.runtime.errors import MalformedFrame
from ordering.multicast.batch import pack, unpack
from ordering.multicast.order import MESSAGES, Arranger

Vector = tuple[int, ...]


class CausalDelay:
    """The hold-back queue of one member: batches in, batches in causal order out."""

    def __init__(self, members: tuple[int, ...]) -> None:
        self._place = {member: place for place, member in enumerate(members)}
        self._vector = struct.Struct(f">{len(members)}Q")
        self.passed = [0] * len(members)
        """How many batches of each member came out, by its place among the members."""
        self._arrived = [0] * len(members)
        self._held: list[deque[tuple[Vector, list[bytes]]]] = [deque() for _ in members]

    def stamp_own(self, me: int, messages: list[bytes]) -> tuple[Vector, bytes]:
        """A batch of our own passes at once: its vector, and the record's body."""
        place = self._place[me]
        self.passed[place] += 1
        self._arrived[place] += 1
        vector = tuple(self.passed)
        return vector, self._vector.pack(*vector) + pack(messages)

    def hold(self, origin: int, body: bytes) -> None:
        """A batch arrived.

        Raises:
            MalformedFrame: it is none, or its vector does not number it as the next of its origin.
        """
        if len(body) < self._vector.size:
            raise MalformedFrame("too short")
        vector, place = self._vector.unpack_from(body), self._place[origin]
        if vector[place] != self._arrived[place] + 1:
            raise MalformedFrame("a vector that does not count on")
        self._held[place].append((vector, unpack(body, self._vector.size)))
        self._arrived[place] += 1

    def release(self) -> list[tuple[int, Vector, list[bytes]]]:
        """What can be delivered now, in order: (origin's place, vector, messages)."""
        released, passed = [], self.passed
        moved = True
        while moved:
            moved = False
            for place, held in enumerate(self._held):
                while held and not self._lacks(held[0][0], place):
                    vector, messages = held.popleft()
                    passed[place] += 1
                    released.append((place, vector, messages))
                    moved = True
        return released

    def first_held(self) -> tuple[int, Vector] | None:
        """A batch that waits, with the place of its origin."""
        for place, held in enumerate(self._held):
            if held:
                return place, held[0][0]
        return None

    def waits_for(self) -> list[int]:
        """The places of the members whose batches are waited for and have not arrived at all."""
        return [
            place
            for place in range(len(self.passed))
            if not self._held[place]
            and any(held and held[0][0][place] > self.passed[place] for held in self._held)
        ]

    def _lacks(self, vector: Vector, origin: int) -> bool:
        for place, passed in enumerate(self.passed):
            if vector[place] > passed and place != origin:
                return True
        return False


class Causal(Arranger):
    """Delivers a message after all that its sender had delivered when it sent it."""

    def __init__(self, me: int, members: Iterable[int]) -> None:
        super().__init__(me, members)
        self._delay = CausalDelay(self.members)

    def multicast(self, messages: list[bytes]) -> None:
        vector, body = self._delay.stamp_own(self.me, messages)
        self.outgoing.append((MESSAGES, body))
        self.delivered.append(self._batch(self.me, messages, vector))

    def receive(self, origin: int, kind: int, body: bytes) -> None:
        if kind != MESSAGES:
            raise MalformedFrame("unknown kind of record")
        self._delay.hold(origin, body)

    def settle(self) -> None:
        for place, vector, messages in self._delay.release():
            self.delivered.append(self._batch(self.members[place], messages, vector))

    def waiting(self) -> list[int]:
        return [self.members[place] for place in self._delay.waits_for()]

    def head(self) -> object:
        return self._delay.first_held()
