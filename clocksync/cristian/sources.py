"""Whose clock is read: an NTP server's, or that of one of our own hosts that answers probes."""

import random
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from clocksync.ntp.association import Association, Exchange
from clocksync.ntp.checks import Standing
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.sample import Sample
from clocksync.peers.frames import Echo
from clocksync.peers.twoway import Asker, ProbeLeft
from clocksync.runtime.core import Arrival, Send, Stamp
from clocksync.runtime.units import MILLISECOND

QUICK_NS = 10 * MILLISECOND
"""Up to here an interleaved answer, which tells the precise departure of the one before, is worth
more than what drift makes of that."""


class Heard(Enum):
    """What a datagram was."""

    ANSWER = "an answer"
    NOTHING = "no answer to any question"
    UNSYNCHRONISED = "the server says that its clock is not synchronised"
    REFUSED = "the server asks not to be asked"


class Source(Protocol):
    """One remote clock."""

    def ask(self, is_closing: bool) -> Send:
        """The next question; `is_closing`: it follows at once on the answer to the one before."""

    def on_sent(self, tag: Hashable, stamp: Stamp) -> None:
        """One of them left."""

    def on_frame(self, arrival: Arrival) -> Heard:
        """Something came."""

    def give_up(self) -> None:
        """Wait for no answer any longer."""

    def forget(self, keep: int = 0) -> None:
        """Keep only the latest samples."""

    @property
    def is_stranger(self) -> bool:
        """Whether it may yet have to be made acquaintance with, so that questions get lost."""

    @property
    def samples(self) -> list[Sample]:
        """What the answers prove."""

    @property
    def distance_ns(self) -> int | None:
        """How far its clock is from true time, as it says."""


class NtpSource:
    """An NTP server, asked without its leave: RFC 5905 client mode.

    Args:
        rng: where cookies come from; unpredictable on a network.
        interval_ns: between questions.
    """

    def __init__(
        self, address: Hashable, rng: random.Random, interval_ns: int, precision_ns: int
    ) -> None:
        self.address = address
        self.association = Association(rng, precision_ns=precision_ns)
        self._is_quick = interval_ns <= QUICK_NS
        self._waiting: Exchange | None = None

    def ask(self, is_closing: bool) -> Send:
        packet, self._waiting = self.association.request(basic=not (is_closing or self._is_quick))
        return Send(self.address, packet, tag=self._waiting)

    def on_sent(self, tag: Hashable, stamp: Stamp) -> None:
        if isinstance(tag, Exchange):
            tag.left(stamp)

    def on_frame(self, arrival: Arrival) -> Heard:
        if arrival.sender != self.address or not isinstance(arrival.frame, NtpPacket):
            return Heard.NOTHING
        verdict = self.association.on_reply(arrival.frame, arrival.stamp)
        if verdict.standing is Standing.KISS:
            return Heard.REFUSED
        if not verdict.accepted:
            return Heard.NOTHING
        return Heard.ANSWER if verdict.standing is Standing.GOOD else Heard.UNSYNCHRONISED

    def give_up(self) -> None:
        if self._waiting is not None:
            self.association.give_up(self._waiting.cookie)

    def forget(self, keep: int = 0) -> None:
        self.association.retire(keep)

    @property
    def is_stranger(self) -> bool:
        return False

    @property
    def samples(self) -> list[Sample]:
        return self.association.samples

    @property
    def distance_ns(self) -> int | None:
        samples = self.association.samples
        return samples[-1].root_distance_ns if samples else None


@dataclass(slots=True)
class PeerSource:
    """One of our own hosts, which answers probes; at an address until its number is known."""

    address: Hashable
    first_number: int
    precision_ns: int = 1
    peer: Hashable = None
    _asker: Asker = field(init=False)

    def __post_init__(self) -> None:
        self._asker = Asker(self.address, self.first_number, self.precision_ns)

    def ask(self, is_closing: bool) -> Send:
        return self._asker.ask()

    def on_sent(self, tag: Hashable, stamp: Stamp) -> None:
        if isinstance(tag, ProbeLeft):
            self._asker.on_sent(tag, stamp)

    def on_frame(self, arrival: Arrival) -> Heard:
        if not isinstance(arrival.frame, Echo):
            return Heard.NOTHING
        if not self._asker.on_echo(arrival.frame, arrival.stamp):
            return Heard.NOTHING
        self.peer = self._asker.peer = arrival.sender
        return Heard.ANSWER

    def give_up(self) -> None:
        """A late answer still counts: it is only slow."""

    def forget(self, keep: int = 0) -> None:
        self._asker.forget(keep)

    @property
    def is_stranger(self) -> bool:
        return self.peer is None

    @property
    def samples(self) -> list[Sample]:
        return self._asker.samples

    @property
    def distance_ns(self) -> int | None:
        return None
