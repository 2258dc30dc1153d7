"""Capture files of any content: what is no capture is refused in a line, the rest is observed."""

import io

from clocksync.capture.observer import Observer
from clocksync.capture.reader import BadCapture, Reader
from clocksync.capture.report import to_document
from clocksync.capture.result import conclude
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.envelope import Envelope
from tests.captures import CLIENT, SERVER, START, Truth, ethernet, exchanges, ipv4, pcap, pcapng
from tests.fuzz.mutation import main, one_line

_TOOLKIT = Envelope((Probe, Echo), cluster=7, sender=1)
_PACKETS = [
    *((when, ethernet(data)) for when, data in exchanges(Truth(), 4)),
    (START, ethernet(ipv4(CLIENT, SERVER, (5, 6), _TOOLKIT.encode(Probe(3))))),
    (START, ethernet(ipv4(SERVER, CLIENT, (6, 5), _TOOLKIT.encode(Echo(1, 2, 0, 0, 0, 3))))),
    (START, ethernet(ipv4(CLIENT, SERVER, (319, 319), b"\0\2" + bytes(52)))),
]
SEEDS = tuple(
    make(_PACKETS, 1, order)  # type: ignore[operator]
    for make in (pcap, pcapng)
    for order in "<>"
)


COSTS = 4
"""An input is a file of many packets: it takes so many times what others take."""


def one_input(data: bytes) -> None:
    observer = Observer()
    try:
        reader = Reader(io.BytesIO(data))
        for packet in reader:
            observer.feed(*packet)
    except BadCapture as error:
        one_line(error)
        return
    to_document(conclude(observer, "fuzz", trouble=reader.trouble))


if __name__ == "__main__":
    main(one_input, SEEDS)
