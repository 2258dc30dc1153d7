"""Captures whose truth is known, written by hand: packets, files, and NTP exchanges."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.timestamps import from_unix_ns
from clocksync.runtime.units import SECOND

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
START = 1_790_000_000 * SECOND
Stored = tuple[int, bytes]


def ipv4(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    """An IPv4 packet that carries a UDP datagram; checksums are left out."""
    addresses = b"".join(bytes(map(int, each.split("."))) for each in (source, target))
    udp = struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    return head + addresses + udp


def ethernet(packet: bytes, kind: int = 0x0800, tags: bytes = b"") -> bytes:
    """A frame around it, `tags` before the type."""
    return bytes(12) + tags + struct.pack(">H", kind) + packet


def pcap(packets: Iterable[Stored], link: int = 1, order: str = "<", nano: bool = True) -> bytes:
    """A capture file."""
    magic, scale = (0xA1B23C4D, 1) if nano else (0xA1B2C3D4, 1000)
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)]
    for when, data in packets:
        seconds, rest = divmod(when, SECOND)
        parts.append(struct.pack(order + "IIII", seconds, rest // scale, len(data), len(data)))
        parts.append(data)
    return b"".join(parts)


def pcapng(packets: Iterable[Stored], link: int = 1, order: str = "<", flags: int = 0) -> bytes:
    """The same in the newer format, stamps in nanoseconds, each packet with its direction."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(order + "I", 12 + len(body))
        return struct.pack(order + "I", kind) + size + body + size

    parts = [block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    resolution = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0)
    parts.append(block(1, struct.pack(order + "HHI", link, 0, 262_144) + resolution))
    for when, data in packets:
        head = struct.pack(order + "IIIII", 0, when >> 32, when & 0xFFFFFFFF, len(data), len(data))
        options = struct.pack(order + "HHIHH", 2, 4, flags, 0, 0)
        parts.append(block(6, head + data + bytes(-len(data) % 4) + options))
    return b"".join(parts)


@dataclass(frozen=True)
class Truth:
    """Clocks against true time, and the legs of the way, ns."""

    client: int = 0
    server: int = 0
    observer: int = 0
    to_observer: int = 5_000
    to_server: int = 200_000
    held: int = 30_000


def exchanges(
    truth: Truth, count: int, every: int = SECOND, interleaved: bool = False
) -> list[Stored]:
    """What the observer stores of a client that asks so often. An interleaved client tells its own
    stamps, a basic one those that RFC 5905 has it tell."""
    stored: list[Stored] = []
    before: tuple[int, int, int, int] | None = None
    for number in range(count):
        left = START + number * every
        passed, arrived = left + truth.to_observer, left + truth.to_observer + truth.to_server
        sent = arrived + truth.held
        back, home = sent + truth.to_server, sent + truth.to_server + truth.to_observer
        t1, t4 = left + truth.client, home + truth.client
        t2, t3 = arrived + truth.server, sent + truth.server
        stamps = [from_unix_ns(each) for each in before] if before else [0, 0, 0, 0]
        b1, b2, b3, b4 = stamps
        mixed = interleaved and before is not None
        request = NtpPacket(
            mode=3,
            origin_timestamp=b2 if mixed else b3,
            receive_timestamp=b4,
            transmit_timestamp=b1 if mixed else from_unix_ns(t1),
        )
        reply = NtpPacket(
            mode=4,
            stratum=2,
            precision=-29,
            origin_timestamp=b4 if mixed else from_unix_ns(t1),
            receive_timestamp=from_unix_ns(t2),
            transmit_timestamp=b3 if mixed else from_unix_ns(t3),
        )
        there = ipv4(CLIENT, SERVER, (40_000, 123), request.encode())
        here = ipv4(SERVER, CLIENT, (123, 40_000), reply.encode())
        stored += [(passed + truth.observer, there), (back + truth.observer, here)]
        before = (t1, t2, t3, t4)
    return stored
