"""The responder's path for what a guard must see: one request after the other, answers of any
length.

It stands beside the batch of :mod:`clocksync.ntp.responder_batch`, which puts here what carries a
MAC or extension fields (everything, where authentication is required) and stays as fast as it is
for the rest. The answers have a batch of their own, since theirs are longer than a header.

An authenticated answer ends in a code, not in its header, so its departure is learnt by its last
eight bytes: they are different for every answer, as any code that proved something would be.

Pure: no call here reads a clock or touches a socket.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Hashable

from clocksync.ntp.responder import LONGEST_REQUEST, Responder
from clocksync.runtime.mmsg import ReceiveBatch, SendBatch

_CMSG = struct.Struct("@Nii")
ENDING_BYTES = 8
REMEMBERED_MAX = 4096


class GuardedBatch:
    """Answers what its responder's guard has to see.

    `local` is the length of the control message that says where an answer comes from, its level and
    kind, and the space it takes; `stamp_request` the one that asks for a departure.
    """

    def __init__(
        self,
        responder: Responder,
        source: tuple[int, int],
        space: int,
        stamp_request: bytes,
        size: int,
    ) -> None:
        self._responder = responder
        self._source, self._space, self._stamp_request = source, space, stamp_request
        self.outgoing = SendBatch(size, LONGEST_REQUEST, space + len(stamp_request))
        self.rows: list[int] = []
        """Of the batch that came in: what is still to be answered."""
        self._receive_by_ending: OrderedDict[bytes, int] = OrderedDict()

    def clear(self) -> None:
        """Forget the answers of the last batch."""
        self.rows.clear()
        self.outgoing.clear()

    def answer(
        self,
        incoming: ReceiveBatch,
        row: int,
        address: Hashable,
        received_at: int,
        read: Callable[[], int],
        now: int,
    ) -> None:
        """Queue the answer to one request, if it gets any."""
        request = incoming.payload(row)
        answer = self._responder.guarded(request, address, received_at, read, now)
        if answer is None:
            return
        data = answer.packet.encode()
        control = self._where_from(incoming, row) if self._space else b""
        if answer.stamp_wanted:
            control += self._stamp_request
            self._remember(data[-ENDING_BYTES:], answer.packet.receive_timestamp)
        place = self.outgoing.count
        start = place * self.outgoing.control_bytes
        self.outgoing.control[start : start + len(control)] = control
        self.outgoing.headers[place].header.control_length = len(control)
        self.outgoing.add(data, incoming.raw_sender(row))

    def receive_of(self, ending: bytes) -> int | None:
        """The receive timestamp of the answer that ended so; None where it was not one of these."""
        return self._receive_by_ending.pop(ending, None)

    def _remember(self, ending: bytes, receive: int) -> None:
        if len(self._receive_by_ending) >= REMEMBERED_MAX:
            self._receive_by_ending.popitem(last=False)
        self._receive_by_ending[ending] = receive

    def _where_from(self, incoming: ReceiveBatch, row: int) -> bytes:
        """The packet information of the request, its interface left for routing to choose."""
        for level, kind, data in incoming.ancillary(row):
            if (level, kind) == self._source:
                four = len(data) == 12  # struct in_pktinfo
                source = bytes(4) + data[4:] if four else data[:16] + bytes(4)
                head = _CMSG.pack(_CMSG.size + len(source), level, kind)
                return (head + source).ljust(self._space, b"\0")
        return b""
