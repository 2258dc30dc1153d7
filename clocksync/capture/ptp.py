"""PTP as it passes by (IEEE 1588-2008 and later, version 2): a master's clock from Sync and Delay.

A Sync leaves the master at T1 (told in itself or in its Follow_Up) and passes the capture at oS; a
Delay_Req passes at oD and reaches the master at T4, which the Delay_Resp tells. Whatever the way
takes, ``T1 - oS <= master - O <= T4 - oD``. Of a slave's clock nothing is on the wire. Peer delay
messages give the responder's clock in the same manner. What transparent clocks add on the part of
the way that the correction fields account for is taken out.
"""

from dataclasses import dataclass
from typing import Annotated

from clocksync.capture.book import Book, Clock, Pair, Protocol, tap_allowance_ns
from clocksync.capture.packets import Located
from clocksync.capture.pending import Pending
from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.units import SECOND
from clocksync.runtime.wire import I8, I64, U4, U8, U16, U32, Fixed, Frame, layout

PORTS = frozenset({319, 320})
SYNC, DELAY_REQ, PDELAY_REQ, PDELAY_RESP = 0, 1, 2, 3
FOLLOW_UP, DELAY_RESP, PDELAY_RESP_FOLLOW_UP, ANNOUNCE = 8, 9, 10, 11
NAMES = {
    SYNC: "Sync",
    DELAY_REQ: "Delay_Req",
    PDELAY_REQ: "Pdelay_Req",
    PDELAY_RESP: "Pdelay_Resp",
    FOLLOW_UP: "Follow_Up",
    DELAY_RESP: "Delay_Resp",
    PDELAY_RESP_FOLLOW_UP: "Pdelay_Resp_Follow_Up",
    ANNOUNCE: "Announce",
    12: "Signaling",
    13: "Management",
}
_TWO_STEP = 0x0200
_OFFSET_VALID, _PTP_TIMESCALE = 0x0004, 0x0008
_PRECISION_NS = 1
_PAIRING_MAX_NS = 16 * SECOND
"""A Sync further from a Delay_Req than this says nothing about the same moment."""


@dataclass(frozen=True, slots=True)
class PtpHeader(Frame):
    """What every PTP message begins with (IEEE 1588-2019 table 35)."""

    major_sdo: Annotated[U4, "the profile's"]
    message_type: Annotated[U4, "Sync 0, Delay_Req 1, Follow_Up 8, Delay_Resp 9, Announce 11"]
    minor_version: Annotated[U4, "0, or 1 since 2019"]
    version: Annotated[U4, "2"]
    length: Annotated[U16, "of the message, bytes"]
    domain: Annotated[U8, "masters of different domains ignore each other"]
    minor_sdo: Annotated[U8, "the profile's"]
    flags: Annotated[U16, "0x0200 two-step; in Announce 0x0008 PTP timescale, 0x0004 UTC known"]
    correction: Annotated[I64, "time spent in transparent clocks, 2^-16 ns"]
    specific: Annotated[U32, "depends on the message"]
    clock: Annotated[bytes, Fixed(8), "identity of the sender's clock"]
    port: Annotated[U16, "number of the sender's port"]
    sequence: Annotated[U16, "counts the messages of a type"]
    control: Annotated[U8, "obsolete"]
    interval: Annotated[I8, "between messages, log2 s"]


_HEADER = layout(PtpHeader)
_STAMP_AT = _HEADER.fixed_size
_STAMP_BYTES = 10


@dataclass(slots=True)
class _Sync:
    passed: int
    correction_ns: int
    way: int = 0
    t1: int | None = None


@dataclass(slots=True)
class _Asked:
    """A Delay_Req or Pdelay_Req that waits for its answer."""

    source: bytes
    passed: int
    correction_ns: int
    way: int
    t2: int = 0
    answered: int = 0
    answered_way: int = 0


@dataclass(slots=True)
class _Master:
    """The last complete Sync of a master, and what it says of its time scale."""

    sync: _Sync | None = None
    utc_offset_ns: int = 0


class PtpObserver:
    """Takes PTP messages, writes samples into the book."""

    def __init__(self, book: Book, resolution_ns: int = 1) -> None:
        self.resolution_ns = resolution_ns
        self.messages = [0] * 16
        self.short = 0
        self._book = book
        self._syncs: Pending[_Sync] = Pending(1_024)
        self._follow_ups: Pending[tuple[int, int]] = Pending(1_024)
        self._asked: Pending[_Asked] = Pending(8_192)
        self._masters: Pending[_Master] = Pending(1_024)

    def feed(self, when: int, datagram: Located) -> None:
        """A message of PTP passed at `when`."""
        payload = datagram.payload
        if len(payload) < _STAMP_AT or payload[1] & 15 != 2:
            self.short += 1
            return
        header, _ = _HEADER.decode(payload)
        assert isinstance(header, PtpHeader)
        kind = header.message_type
        self.messages[kind] += 1
        if kind not in (PDELAY_REQ, DELAY_REQ) and len(payload) < _STAMP_AT + _STAMP_BYTES:
            self.short += 1
            return
        identity = (header.domain, header.clock, header.port)
        if kind == SYNC:
            self._on_sync(when, datagram, header, identity)
        elif kind == FOLLOW_UP:
            self._on_follow_up(header, identity, _stamp(payload))
        elif kind == ANNOUNCE:
            self._on_announce(header, identity, payload)
        elif kind in (DELAY_REQ, PDELAY_REQ):
            asked = _Asked(datagram.source, when, _nanoseconds(header.correction), datagram.way)
            self._asked.put((kind, *identity, header.sequence), asked)
        elif kind in (DELAY_RESP, PDELAY_RESP, PDELAY_RESP_FOLLOW_UP):
            self._on_answer(when, datagram, header, identity)

    def _master(self, identity: tuple[int, bytes, int]) -> _Master:
        master = self._masters.get(identity)
        if master is None:
            master = _Master()
            self._masters.put(identity, master)
        return master

    def _on_sync(
        self, when: int, datagram: Located, header: PtpHeader, identity: tuple[int, bytes, int]
    ) -> None:
        pair = self._book.pair(Protocol.PTP, datagram.target, datagram.source)
        pair.seen(when, datagram.way, is_reply=True)
        pair.note("Sync")
        sync = _Sync(when, _nanoseconds(header.correction), datagram.way)
        if not header.flags & _TWO_STEP:
            self._synced(identity, sync, _stamp(datagram.payload))
            return
        key = (*identity, header.sequence)
        early = self._follow_ups.take(key)
        if early is not None:  # some paths turn the two round
            sync.correction_ns += early[1]
            self._synced(identity, sync, early[0])
        else:
            self._syncs.put(key, sync)

    def _on_follow_up(self, header: PtpHeader, identity: tuple[int, bytes, int], t1: int) -> None:
        key, correction = (*identity, header.sequence), _nanoseconds(header.correction)
        sync = self._syncs.take(key)
        if sync is None:
            self._follow_ups.put(key, (t1, correction))
            return
        sync.correction_ns += correction
        self._synced(identity, sync, t1)

    def _synced(self, identity: tuple[int, bytes, int], sync: _Sync, t1: int) -> None:
        master = self._master(identity)
        sync.t1 = t1 + sync.correction_ns - master.utc_offset_ns
        master.sync = sync

    def _on_announce(
        self, header: PtpHeader, identity: tuple[int, bytes, int], payload: bytes
    ) -> None:
        """PTP's own time scale is TAI; the capture's is UTC."""
        utc = int.from_bytes(payload[44:46], "big", signed=True)
        known = header.flags & _PTP_TIMESCALE and header.flags & _OFFSET_VALID
        self._master(identity).utc_offset_ns = utc * SECOND if known else 0

    def _on_answer(
        self, when: int, datagram: Located, header: PtpHeader, identity: tuple[int, bytes, int]
    ) -> None:
        payload, kind = datagram.payload, header.message_type
        if len(payload) < _STAMP_AT + 20:
            self.short += 1
            return
        question = DELAY_REQ if kind == DELAY_RESP else PDELAY_REQ
        asker = payload[_STAMP_AT + 10 : _STAMP_AT + 18], int.from_bytes(payload[52:54], "big")
        key = (question, header.domain, *asker, header.sequence)
        asked = self._asked.get(key)
        if asked is None:
            return
        stamp = _stamp(payload) - self._master(identity).utc_offset_ns
        if kind == PDELAY_RESP:
            asked.t2, asked.answered, asked.answered_way = stamp, when, datagram.way
            return
        self._asked.take(key)
        pair = self._book.pair(Protocol.PTP, asked.source, datagram.source)
        pair.seen(asked.passed, asked.way, is_reply=False)
        pair.seen(when, datagram.way, is_reply=True)
        self._book.exchanged(pair)
        if kind == PDELAY_RESP_FOLLOW_UP:
            if asked.answered:
                self._add(pair, asked.passed, asked.t2, stamp, asked.answered, asked.answered_way)
            return
        sync = self._master(identity).sync
        if sync is None or sync.t1 is None or abs(asked.passed - sync.passed) > _PAIRING_MAX_NS:
            pair.note("answers without a Sync near them")
            return
        onward = _nanoseconds(header.correction) - asked.correction_ns
        self._add(pair, asked.passed, stamp - onward, sync.t1, sync.passed, sync.way)

    def _add(self, pair: Pair, t1: int, t2: int, t3: int, t4: int, way: int) -> None:
        precision = _PRECISION_NS + self.resolution_ns
        precision += tap_allowance_ns(way, (t4 - t1) - (t3 - t2))
        sample = Sample(t1, t2, t3, t4, 0, 0, precision, StampSource.KERNEL, False)
        if sample.raw_delay_ns < -precision - drift_allowance(t4 - t1, MAX_DRIFT_PPM):
            pair.impossible += 1
            return
        self._book.add(pair, Clock.SERVER, sample)


def _stamp(payload: bytes) -> int:
    """A PTP timestamp: 48 bits of seconds, 32 of nanoseconds."""
    seconds = int.from_bytes(payload[_STAMP_AT : _STAMP_AT + 6], "big")
    return seconds * SECOND + int.from_bytes(payload[_STAMP_AT + 6 : _STAMP_AT + 10], "big")


def _nanoseconds(correction: int) -> int:
    return correction >> 16
