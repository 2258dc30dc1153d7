"""FIFO order: what the links give. A batch is delivered when it arrives."""

from collections.abc import Iterable

from clocksync.runtime.errors import MalformedFrame
from ordering.multicast.batch import pack, unpack
from ordering.multicast.order import MESSAGES, Arranger


class Fifo(Arranger):
    """Delivers each sender's messages in the order it sent them, and promises no more."""

    def __init__(self, me: int, members: Iterable[int]) -> None:
        super().__init__(me, members)
        self._numbers = dict.fromkeys(self.members, 0)

    def multicast(self, messages: list[bytes]) -> None:
        self.outgoing.append((MESSAGES, pack(messages)))
        self._deliver(self.me, messages)

    def receive(self, origin: int, kind: int, body: bytes) -> None:
        if kind != MESSAGES:
            raise MalformedFrame("unknown kind of record")
        self._deliver(origin, unpack(body))

    def _deliver(self, origin: int, messages: list[bytes]) -> None:
        self._numbers[origin] += 1
        self.delivered.append(self._batch(origin, messages, (self._numbers[origin],)))
