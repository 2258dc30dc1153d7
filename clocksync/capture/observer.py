"""The passive observer: packets in, a book of pairs out. Pure, and bounded in memory.

Feed it from a file (:class:`clocksync.capture.reader.Reader`) or from an interface; nothing here
knows which.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from clocksync.capture import ntp, ptp, toolkit
from clocksync.capture.book import PAIRS_MAX, Book, OnSample
from clocksync.capture.packets import LINKS, PTP_ETHERNET, Fragment, Located, locate
from clocksync.capture.reader import UNKNOWN_WAY
from clocksync.ntp.codec import NtpCodec
from clocksync.runtime.errors import MalformedFrame
from clocksync.security.opener import Opener

OnDatagram: TypeAlias = Callable[[int, str, Located], None]


class Observer:
    """Finds time traffic among packets, and pairs it.

    Args:
        ntp_ports: UDP ports that speak NTP.
        pairs_max: pairs of hosts remembered; those seen last stay.
        on_sample: called for each sample, as it is found.
        opener: opens what the toolkit's hosts have sealed; None: that stays shut.
    """

    def __init__(
        self,
        ntp_ports: frozenset[int] = frozenset({ntp.PORT}),
        pairs_max: int = PAIRS_MAX,
        on_sample: OnSample | None = None,
        opener: Opener | None = None,
    ) -> None:
        self.packets = 0
        self.bytes = 0
        self.first_ns, self.last_ns = 0, 0
        self.looked_at: Counter[str] = Counter()
        """Datagrams by protocol: NTP, PTP, clocksync."""
        self.fragments = 0
        self.cut_short = 0
        """Packets that end within their headers."""
        self.backwards = 0
        """Stamps that were earlier than the one before: the capture's clock was set, or packets
        were stored out of order."""
        self.unread_links: Counter[int] = Counter()
        self.book = Book(pairs_max, on_sample)
        self.ntp = ntp.NtpObserver(self.book)
        self.ptp = ptp.PtpObserver(self.book)
        self.toolkit = toolkit.ToolkitObserver(self.book, opener=opener)
        self._ports = ntp_ports
        self._on_datagram: OnDatagram | None = None

    def watch(self, on_datagram: OnDatagram) -> None:
        """Have stamp, protocol and datagram of all that is looked at handed on."""
        self._on_datagram = on_datagram

    def describe(self, name: str, found: Located) -> str:
        """A datagram in a line: who, what, and its fields by name."""
        source, target = (
            raw.hex(":") if len(raw) == 6 else str(ipaddress.ip_address(raw))
            for raw in (found.source, found.target)
        )
        return f"{source} → {target} {name} {self._fields(name, found.payload)}"

    def _fields(self, name: str, payload: bytes) -> str:
        try:
            if name == "NTP":
                return str(NtpCodec().decode(payload))
            if name == "PTP":
                return ptp.describe(payload)
        except MalformedFrame as error:
            return f"malformed: {error.reason}"
        return self.toolkit.describe(payload)

    def set_resolution(self, resolution_ns: int) -> None:
        """How fine the capture's stamps are."""
        for each in (self.ntp, self.ptp, self.toolkit):
            each.resolution_ns = resolution_ns

    def feed(self, when: int, link: int, data: bytes, way: int = UNKNOWN_WAY) -> None:
        """A packet passed at `when`, Unix ns by the clock that captures."""
        self.packets += 1
        self.bytes += len(data)
        if not self.first_ns:
            self.first_ns = when
        elif when < self.last_ns:
            self.backwards += 1
        self.last_ns = when
        if link not in LINKS:
            if link in self.unread_links or len(self.unread_links) < 16:
                self.unread_links[link] += 1
            return
        try:
            found = locate(link, data, way)
        except IndexError:
            self.cut_short += 1
            return
        except Fragment:
            self.fragments += 1
            return
        if found is None:
            return
        source, target = found.source_port, found.target_port
        if source in self._ports or target in self._ports:
            name, observer = "NTP", self.ntp.feed
        elif found.payload[:2] == toolkit.MAGIC:
            name, observer = "clocksync", self.toolkit.feed
        elif target in ptp.PORTS or target == PTP_ETHERNET:
            name, observer = "PTP", self.ptp.feed
        else:
            return
        self.looked_at[name] += 1
        observer(when, found)
        if self._on_datagram is not None:
            self._on_datagram(when, name, found)
