"""scapy, once taught, names the toolkit's frames in any capture it reads."""

from pathlib import Path

from scapy.utils import rdpcap

from clocksync.capture.scapy_packets import teach_scapy
from clocksync.peers.frames import Probe
from clocksync.runtime.envelope import Envelope
from clocksync.security.datagram import SealedHeader
from tests.captures import CLIENT, SERVER, START, ipv4, pcap


def test_scapy_shows_frames_by_name_and_leaves_others_alone(tmp_path: Path) -> None:
    teach_scapy()
    assert teach_scapy() is teach_scapy()
    plain = Envelope((Probe,), 7, 3).encode(Probe(99))
    sealed = SealedHeader(0xC10C, 2, 0x10, 7, 3, 1, 5, 8).encode() + bytes(24)
    datagrams = [plain, sealed, b"\xc1", b"something else"]
    path = tmp_path / "frames.pcap"
    path.write_bytes(pcap([(START, ipv4(CLIENT, SERVER, (5, 6), each)) for each in datagrams], 101))
    first, second, third, fourth = rdpcap(str(path))
    assert first["Probe"].number == 99
    assert first["Envelope"].sender == 3
    assert second["SealedHeader"].counter == 8
    assert third.lastlayer().name == fourth.lastlayer().name == "Raw"
