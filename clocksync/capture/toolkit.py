"""Traffic of this toolkit as it passes by: frames by name, probes paired with their echoes.

Which frame classes there are, each package says for itself: an entry point in the group
``clocksync.frames`` names a module that declares some (in pyproject.toml), so that this package
need not know those above it. Programs built on the toolkit can name theirs the same way.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

from clocksync.capture.book import Book, Clock, Pair, Protocol, tap_allowance_ns
from clocksync.capture.packets import Located
from clocksync.capture.pending import Pending
from clocksync.ntp.sample import MAX_DRIFT_PPM, Sample
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime import envelope
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.envelope import EnvelopeHeader
from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.wire import Frame, layout
from clocksync.security import datagram as sealed
from clocksync.security.opener import Opener

MAGIC = envelope.MAGIC.to_bytes(2, "big")
GROUP = "clocksync.frames"
SEALED = "sealed"
DAMAGED = "damaged"
CLUSTERS_MAX = 64
_KINDS_MAX = 64
_HEADER = layout(EnvelopeHeader).head
_SEALED = layout(sealed.SealedHeader)


def frames_by_kind() -> dict[int, type[Frame]]:
    """Every frame class with a kind of its own that an installed package names. One that cannot be
    imported is left out: a capture can be read all the same."""
    found: dict[int, type[Frame]] = {Probe.KIND: Probe, Echo.KIND: Echo}
    for entry in sorted(entry_points(group=GROUP), key=lambda each: each.name):
        try:
            module = import_module(entry.module)
        except ImportError:
            continue
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Frame) and 0 < value.KIND < 256:
                found.setdefault(value.KIND, value)
    return found


def frame_name(cls: type[Frame]) -> str:
    """A frame with the part of the toolkit it belongs to: several have a Join.

    >>> frame_name(Probe)
    'peers.Probe'
    """
    return f"{cls.__module__.split('.')[-2]}.{cls.__name__}"


@dataclass(slots=True)
class _Probed:
    """A probe, and its echo once that came."""

    passed: int
    arrived: int = 0
    echoed: int = 0
    echoed_way: int = 0


class ToolkitObserver:
    """Takes datagrams that begin with the envelope's magic, writes samples into the book."""

    def __init__(self, book: Book, resolution_ns: int = 1, opener: Opener | None = None) -> None:
        self.resolution_ns = resolution_ns
        self.frames: Counter[str] = Counter()
        """How many of each frame were seen, by name; sealed ones by kind."""
        self.clusters: dict[int, set[int]] = {}
        """The senders of each cluster, at most :data:`CLUSTERS_MAX` clusters."""
        self.sealed = 0
        """Frames that stayed shut."""
        self.has_key = opener is not None
        self._book, self._opener = book, opener
        self._classes = frames_by_kind()
        self._probes: Pending[_Probed] = Pending()

    def describe(self, payload: bytes) -> str:
        """A datagram in a line, with its fields where they are in clear."""
        name, frame = self._dissect(payload)
        if frame is None:
            return name
        if isinstance(frame, sealed.SealedHeader):
            return f"{name} ({frame}, {len(payload) - sealed.HEADER_BYTES} bytes sealed)"
        if isinstance(frame, sealed.Hello):
            return str(frame)
        _, _, _, cluster, sender, _ = _HEADER.unpack_from(payload)
        return f"cluster={cluster} sender={sender} {frame}"

    def feed(self, when: int, datagram: Located) -> None:
        """A datagram of the toolkit passed at `when`."""
        payload = datagram.payload
        name, frame = self._dissect(payload)
        if name in self.frames or len(self.frames) < _KINDS_MAX:
            self.frames[name] += 1
        if frame is None:
            return
        self.sealed += isinstance(frame, sealed.SealedHeader)
        # Cluster and sender stand at one place in both versions.
        cluster, sender = int.from_bytes(payload[4:8], "big"), int.from_bytes(payload[8:10], "big")
        if cluster in self.clusters or len(self.clusters) < CLUSTERS_MAX:
            senders = self.clusters.setdefault(cluster, set())
            if len(senders) < CLUSTERS_MAX:
                senders.add(sender)
        if isinstance(frame, Probe):
            self._on_probe(when, datagram, frame, sender)
        elif isinstance(frame, Echo):
            self._on_echo(when, datagram, frame, sender)

    def _dissect(self, payload: bytes) -> tuple[str, Frame | None]:
        version = payload[2] if len(payload) > 2 else 0
        if version == envelope.VERSION and len(payload) >= envelope.HEADER_BYTES:
            kind, cluster = payload[3], int.from_bytes(payload[4:8], "big")
            try:
                body = envelope.unprotect(payload, cluster)[2]
                cls = self._classes.get(kind)
                if cls is None:
                    return f"kind 0x{kind:02x}", None
                return frame_name(cls), cls.decode(body)
            except MalformedFrame as error:
                return f"{DAMAGED}: {error.reason}", None
        if version == sealed.VERSION:
            try:
                return self._unseal(payload)
            except (MalformedFrame, IndexError):
                return f"{DAMAGED}: too short", None
        return "another version of the envelope", None

    def _unseal(self, payload: bytes) -> tuple[str, Frame]:
        if payload[3] == sealed.Hello.KIND:
            hello = sealed.Hello.decode(payload)
            if self._opener is not None:
                with suppress(MalformedFrame):  # somebody else's: shown all the same
                    self._opener.hear(payload)
            return "Hello", hello
        header, _ = _SEALED.decode(payload)
        cls = self._classes.get(payload[3])
        if self._opener is not None and cls is not None:
            with suppress(MalformedFrame):  # of another key, or no hello of its sender was seen
                return frame_name(cls), cls.decode(self._opener.open(payload))
        return f"{SEALED} {frame_name(cls) if cls else f'kind 0x{payload[3]:02x}'}", header

    def _on_probe(self, when: int, found: Located, probe: Probe, sender: int) -> None:
        pair = self._book.pair(Protocol.TOOLKIT, found.source, found.target)
        pair.seen(when, found.way, is_reply=False)
        pair.client_number = sender
        key = found.source, found.source_port, found.target, found.target_port, probe.number
        self._probes.put(key, _Probed(when))

    def _on_echo(self, when: int, found: Located, echo: Echo, sender: int) -> None:
        place = found.target, found.target_port, found.source, found.source_port
        probed = self._probes.get((*place, echo.number))
        if probed is None or probed.echoed:
            return
        pair = self._book.pair(Protocol.TOOLKIT, found.target, found.source)
        pair.seen(when, found.way, is_reply=True)
        pair.server_number = sender
        self._book.exchanged(pair)
        probed.arrived, probed.echoed, probed.echoed_way = echo.arrived, when, found.way
        earlier = self._probes.take((*place, echo.earlier)) if echo.earlier else None
        if earlier is not None and earlier.arrived == echo.earlier_arrived and earlier.echoed:
            # The answerer's own kernel told when that echo left.
            pair.interleaved += 1
            self._add(pair, earlier, echo.earlier_left, True)
        elif not echo.earlier:
            self._add(pair, probed, echo.left, False)

    def _add(self, pair: Pair, probed: _Probed, left: int, is_exact: bool) -> None:
        precision = 1 + self.resolution_ns
        held = left - probed.arrived
        span = probed.echoed - probed.passed
        precision += tap_allowance_ns(probed.echoed_way, span - held)
        slack = precision + drift_allowance(span, MAX_DRIFT_PPM)
        if not -precision <= held <= span + slack:
            pair.impossible += 1
            return
        stamps = probed.passed, probed.arrived, left, probed.echoed
        sample = Sample(*stamps, 0, 0, precision, StampSource.KERNEL, is_exact)
        self._book.add(pair, Clock.SERVER, sample)
