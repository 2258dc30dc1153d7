"""Teaches scapy the toolkit's frames, so that ``rdpcap(...)[0].show()`` names them. ::

    >>> from clocksync.capture.scapy_packets import teach_scapy  # doctest: +SKIP
    >>> teach_scapy()  # doctest: +SKIP

It imports scapy, which is slow and GPL-2.0-only: import it only where packets are dissected.
"""

from typing import Any

from scapy.config import conf
from scapy.layers.inet import UDP
from scapy.packet import Packet

from clocksync.capture.toolkit import MAGIC, frames_by_kind
from clocksync.runtime import envelope
from clocksync.runtime.scapy_layers import envelope_layer, layer
from clocksync.security.datagram import VERSION, Hello, SealedHeader

_taught: list[Any] = []


def teach_scapy() -> Any:
    """Have scapy look for the envelope's magic in every UDP datagram that no other layer claims.

    Doing it twice is no harm. Returns the layer of the plain envelope.
    """
    if _taught:
        return _taught[0]
    plain = envelope_layer(tuple(frames_by_kind().values()))
    sealed, hello = layer(SealedHeader), layer(Hello)

    def choose(data: bytes | None = None, *_: Any, **__: Any) -> Any:
        if data is None or len(data) < 4 or data[:2] != MAGIC:
            return conf.raw_layer
        if data[2] == envelope.VERSION:
            return plain
        if data[2] == VERSION:
            return hello if data[3] == Hello.KIND else sealed
        return conf.raw_layer

    toolkit = type("Toolkit", (Packet,), {"name": "Toolkit", "dispatch_hook": staticmethod(choose)})
    # Behind all ports that scapy knows: those are asked first.
    UDP.payload_guess.append(({}, toolkit))
    _taught.append(plain)
    return plain
