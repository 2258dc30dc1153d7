"""PTP as it passes by (IEEE 1588-2008 and later, version 2): a master's clock from Sync and Delay.

A Sync leaves the master at T1 (told in itself or in its Follow_Up) and passes the capture at oS; a
Delay_Req passes at oD and reaches the master at T4, which the Delay_Resp tells. Whatever the way
takes, ``T1 - oS <= master - O <= T4 - oD``. Of a slave's clock nothing is on the wire. Peer delay
messages give the responder's clock in the same manner. What transparent clocks add on the part of
the way that the correction fields account for is taken out.
"""

from dataclasses import dataclass
from typing import TypeAlias

from clocksync.capture.book import Book, Clock, Pair, Protocol, tap_allowance_ns
from clocksync.capture.packets import Located
from clocksync.capture.pending import Pending
from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.ptp.codec import PtpCodec
from clocksync.ptp.frames import (
    PTP_TIMESCALE,
    TWO_STEP,
    UTC_OFFSET_VALID,
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    MessageType,
    PdelayReq,
    PdelayResp,
    PortIdentity,
    PtpHeader,
    Sync,
    TimedAnswer,
)
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.units import SECOND

PORTS = frozenset({319, 320})
_PRECISION_NS = 1
_PAIRING_MAX_NS = 16 * SECOND
"""A Sync further from a Delay_Req than this says nothing about the same moment."""

_Identity: TypeAlias = tuple[int, PortIdentity]
"""A port, in a domain."""


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
        self.malformed = 0
        self._book = book
        self._decode = PtpCodec().decode
        self._syncs: Pending[_Sync] = Pending(1_024)
        self._follow_ups: Pending[tuple[int, int]] = Pending(1_024)
        self._asked: Pending[_Asked] = Pending(8_192)
        self._masters: Pending[_Master] = Pending(1_024)

    def feed(self, when: int, datagram: Located) -> None:
        """A message of PTP passed at `when`."""
        try:
            message = self._decode(datagram.payload)
        except MalformedFrame:
            self.malformed += 1
            return
        identity = message.domain, message.source
        match message:
            case Sync():
                self._on_sync(when, datagram, message, identity)
            case FollowUp():
                self._on_follow_up(message, identity)
            case Announce():
                self._on_announce(message, identity)
            case DelayReq() | PdelayReq():
                correction = _nanoseconds(message.correction)
                asked = _Asked(datagram.source, when, correction, datagram.way)
                self._asked.put((message.TYPE, *identity, message.sequence), asked)
            case TimedAnswer():
                self._on_answer(when, datagram, message, identity)

    def _master(self, identity: _Identity) -> _Master:
        master = self._masters.get(identity)
        if master is None:
            master = _Master()
            self._masters.put(identity, master)
        return master

    def _on_sync(self, when: int, datagram: Located, message: Sync, identity: _Identity) -> None:
        pair = self._book.pair(Protocol.PTP, datagram.target, datagram.source)
        pair.seen(when, datagram.way, is_reply=True)
        pair.note("Sync")
        sync = _Sync(when, _nanoseconds(message.correction), datagram.way)
        if not message.flags & TWO_STEP:
            self._synced(identity, sync, message.timestamp)
            return
        key = (*identity, message.sequence)
        early = self._follow_ups.take(key)
        if early is not None:  # some paths turn the two round
            sync.correction_ns += early[1]
            self._synced(identity, sync, early[0])
        else:
            self._syncs.put(key, sync)

    def _on_follow_up(self, message: FollowUp, identity: _Identity) -> None:
        key, correction = (*identity, message.sequence), _nanoseconds(message.correction)
        if message.timestamp is None:
            return
        sync = self._syncs.take(key)
        if sync is None:
            self._follow_ups.put(key, (message.timestamp, correction))
            return
        sync.correction_ns += correction
        self._synced(identity, sync, message.timestamp)

    def _synced(self, identity: _Identity, sync: _Sync, t1: int | None) -> None:
        if t1 is None:
            return
        master = self._master(identity)
        sync.t1 = t1 + sync.correction_ns - master.utc_offset_ns
        master.sync = sync

    def _on_announce(self, message: Announce, identity: _Identity) -> None:
        """PTP's own time scale is TAI; the capture's is UTC."""
        known = message.flags & PTP_TIMESCALE and message.flags & UTC_OFFSET_VALID
        self._master(identity).utc_offset_ns = message.utc_offset * SECOND if known else 0

    def _on_answer(
        self, when: int, datagram: Located, message: TimedAnswer, identity: _Identity
    ) -> None:
        question = DelayReq if isinstance(message, DelayResp) else PdelayReq
        key = question.TYPE, message.domain, message.requester, message.sequence
        asked = self._asked.get(key)
        if asked is None or message.timestamp is None:
            return
        stamp = message.timestamp - self._master(identity).utc_offset_ns
        if isinstance(message, PdelayResp):
            asked.t2, asked.answered, asked.answered_way = stamp, when, datagram.way
            return
        self._asked.take(key)
        pair = self._book.pair(Protocol.PTP, asked.source, datagram.source)
        pair.seen(asked.passed, asked.way, is_reply=False)
        pair.seen(when, datagram.way, is_reply=True)
        self._book.exchanged(pair)
        if not isinstance(message, DelayResp):
            if asked.answered:
                self._add(pair, asked.passed, asked.t2, stamp, asked.answered, asked.answered_way)
            return
        sync = self._master(identity).sync
        if sync is None or sync.t1 is None or abs(asked.passed - sync.passed) > _PAIRING_MAX_NS:
            pair.note("answers without a Sync near them")
            return
        onward = _nanoseconds(message.correction) - asked.correction_ns
        self._add(pair, asked.passed, stamp - onward, sync.t1, sync.passed, sync.way)

    def _add(self, pair: Pair, t1: int, t2: int, t3: int, t4: int, way: int) -> None:
        precision = _PRECISION_NS + self.resolution_ns
        precision += tap_allowance_ns(way, (t4 - t1) - (t3 - t2))
        sample = Sample(t1, t2, t3, t4, 0, 0, precision, StampSource.KERNEL, False)
        if sample.raw_delay_ns < -precision - drift_allowance(t4 - t1, MAX_DRIFT_PPM):
            pair.impossible += 1
            return
        self._book.add(pair, Clock.SERVER, sample)


def _nanoseconds(correction: int) -> int:
    return correction >> 16


def describe(payload: bytes) -> str:
    """A message in a line, its type by the standard's name.

    Raises:
        MalformedFrame: it is none.
    """
    message: PtpHeader = PtpCodec().decode(payload)
    name = MessageType(message.message_type).name.title()
    return f"{name} {message}"
