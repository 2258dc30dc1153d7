"""A passive observer's offsets hold the truth, wherever it sits, and nothing it reads hurts it."""

import gzip
import io
import os
import random
from pathlib import Path

import pytest

from clocksync.capture.book import STRANGERS_MAX, Clock
from clocksync.capture.observer import Observer
from clocksync.capture.pending import PENDING_MAX
from clocksync.capture.reader import BadCapture, Reader
from clocksync.capture.result import Place, Result, Row, conclude
from clocksync.capture.run import read_file
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.timestamps import from_unix_ns
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.envelope import Envelope
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security.keyring import GroupKey, KeyRing
from clocksync.security.opener import Opener
from clocksync.security.sealer import Sealer
from tests.captures import (
    CLIENT,
    SERVER,
    START,
    Stored,
    Truth,
    ethernet,
    exchanges,
    ipv4,
    pcap,
    pcapng,
)

RAW = 101
KEYS = KeyRing((GroupKey(1, bytes(range(32))),), used=1)


def observe(
    data: bytes,
    place: Place | None = None,
    offset_max_ns: int | None = None,
    observer: Observer | None = None,
) -> Result:
    observer, reader = observer or Observer(), Reader(io.BytesIO(data))
    for count, packet in enumerate(reader):
        if not count:
            observer.set_resolution(reader.resolution_ns)
        observer.feed(*packet)
    return conclude(
        observer, "test", place=place, offset_max_ns=offset_max_ns, trouble=reader.trouble
    )


def only(result: Result) -> Row:
    (row,) = result.rows
    return row


def holds(row: Row, clock: Clock, truth_ns: int) -> bool:
    return truth_ns in row.readings[clock].estimate.interval


TRUTHS = [
    Truth(client=3 * MILLISECOND, server=-7 * MILLISECOND, observer=3 * MILLISECOND),
    Truth(client=-2 * SECOND, server=5, observer=40 * SECOND, to_observer=300_000, to_server=2_000),
    Truth(server=400 * 365 * 86_400 * SECOND // 100, to_observer=0, to_server=1),
]


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("interleaved", [False, True])
def test_every_bound_holds_the_truth(truth: Truth, interleaved: bool) -> None:
    row = only(observe(pcap(exchanges(truth, 100, interleaved=interleaved), RAW)))
    assert row.pair.exchanges == 100
    assert row.pair.interleaved == (99 if interleaved else 0)
    assert holds(row, Clock.SERVER, truth.server - truth.observer)
    assert holds(row, Clock.CLIENT, truth.client - truth.observer)
    assert holds(row, Clock.BETWEEN, truth.server - truth.client)
    assert row.relative_to == "client"
    assert row.readings[Clock.BETWEEN].course.count == 99


def test_a_departure_stamped_behind_the_tap_is_allowed_for() -> None:
    # On the server itself the kernel shows a reply to the capture before it stamps its departure.
    truth = Truth(to_observer=300_000, to_server=-4_000, client=SECOND)
    for data in (pcap(exchanges(truth, 9), RAW), pcapng(exchanges(truth, 9), RAW, flags=2)):
        row = only(observe(data))
        assert row.pair.impossible == 0
        assert holds(row, Clock.SERVER, 0)


def test_a_reply_that_cannot_be_is_counted_and_not_believed() -> None:
    row = only(observe(pcap(exchanges(Truth(to_observer=SECOND, to_server=-200_000), 9), RAW)))
    assert row.pair.impossible == 9
    assert Clock.SERVER not in row.readings


def test_a_bound_is_no_wider_than_the_way() -> None:
    truth = TRUTHS[0]
    row = only(observe(pcap(exchanges(truth, 20), RAW)))
    assert row.readings[Clock.SERVER].estimate.error_bound_ns < truth.to_server + 3_000


@pytest.mark.parametrize(
    ("to_observer", "to_server", "place"),
    [(1_000, 500_000, Place.CLIENT), (500_000, 1_000, Place.SERVER), (9_000, 9_000, Place.BETWEEN)],
)
def test_the_place_is_inferred_from_delays(to_observer: int, to_server: int, place: Place) -> None:
    truth = Truth(to_observer=to_observer, to_server=to_server)
    row = only(observe(pcap(exchanges(truth, 20), RAW)))
    assert (row.place, row.place_is_inferred) == (place, True)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("make", [pcap, pcapng])
def test_either_format_is_read_in_either_byte_order(make: object, order: str) -> None:
    assert callable(make)
    row = only(observe(make(exchanges(TRUTHS[0], 5), RAW, order)))
    assert row.pair.exchanges == 5
    assert holds(row, Clock.SERVER, TRUTHS[0].server - TRUTHS[0].observer)


def test_microseconds_widen_the_bound() -> None:
    truth = TRUTHS[0]
    fine, coarse = (
        only(observe(pcap(exchanges(truth, 5), RAW, nano=nano))).readings[Clock.SERVER].estimate
        for nano in (True, False)
    )
    assert coarse.error_bound_ns > fine.error_bound_ns + 500
    assert truth.server - truth.observer in coarse.interval


SLL = bytes([0, 4]) + bytes(12) + b"\x08\x00"
SLL2 = b"\x08\x00" + bytes(8) + bytes([4]) + bytes(9)


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (1, ethernet(b"")),
        (1, ethernet(b"", tags=b"\x81\x00\x00\x07")),
        (1, ethernet(b"", tags=b"\x88\xa8\x00\x07\x81\x00\x00\x08")),
        (0, bytes([2, 0, 0, 0])),
        (113, SLL),
        (276, SLL2),
        (228, b""),
    ],
)
def test_every_link_type_is_read(link: int, head: bytes) -> None:
    stored = [(when, head + data) for when, data in exchanges(Truth(), 3)]
    assert only(observe(pcap(stored, link))).pair.exchanges == 3


def test_ipv6_is_read_behind_its_extension_headers() -> None:
    stored: list[Stored] = []
    for when, data in exchanges(Truth(), 3):
        udp, addresses = data[20:], data[12:20]
        ends = bytes(12) + addresses[:4] + bytes(12) + addresses[4:]
        options = bytes([44, 0]) + bytes(6) + bytes([17]) + bytes(7)
        length = (len(options) + len(udp)).to_bytes(2, "big")
        head = b"\x60\0\0\0" + length + b"\0\x40"
        stored.append((when, head + ends + options + udp))
    assert only(observe(pcap(stored, RAW))).pair.exchanges == 3


def test_fragments_are_counted_and_skipped() -> None:
    ((when, data), *_) = exchanges(Truth(), 1)
    observer = Observer()
    observer.feed(when, RAW, data[:6] + b"\x20" + data[7:])
    assert (observer.fragments, observer.looked_at.total()) == (1, 0)


def test_a_client_with_random_stamps_is_never_believed() -> None:
    draw, stored = random.Random(7), list[Stored]()
    for number in range(200):
        cookie, when = draw.getrandbits(64), START + number * SECOND
        asked = NtpPacket(mode=3, transmit_timestamp=cookie)
        answered = NtpPacket(
            mode=4,
            stratum=1,
            precision=-25,
            origin_timestamp=cookie,
            receive_timestamp=from_unix_ns(when + 1_000),
            transmit_timestamp=from_unix_ns(when + 2_000),
        )
        stored.append((when, ipv4(CLIENT, SERVER, (9, 123), asked.encode())))
        stored.append((when + 3_000, ipv4(SERVER, CLIENT, (123, 9), answered.encode())))
    row = only(observe(pcap(stored, RAW)))
    assert row.pair.exchanges == 200
    assert row.pair.client_floor.count == 0
    assert set(row.readings) == {Clock.SERVER}
    assert row.relative_to == "capture"


def test_a_clock_that_was_set_is_told_and_its_latest_offset_holds() -> None:
    early = exchanges(Truth(), 10)
    late = exchanges(Truth(server=SECOND), 20)[20:]
    row = only(observe(pcap([*early, *late], RAW)))
    assert row.readings[Clock.SERVER].was_set
    assert holds(row, Clock.SERVER, SECOND)


def test_kisses_and_unsynchronised_servers_are_noted() -> None:
    stored = exchanges(Truth(), 2)
    for index, stratum, leap in ((1, 0, 3), (3, 16, 3)):
        when, data = stored[index]
        packet = NtpPacket.decode(data[28:])
        changed = [getattr(packet, name) for name in packet.__slots__]
        changed[0], changed[3], changed[8] = leap, stratum, int.from_bytes(b"RATE", "big")
        stored[index] = when, data[:28] + NtpPacket(*changed).encode()
    row = only(observe(pcap(stored, RAW)))
    assert row.pair.notes["kiss-o'-death RATE"] == 1
    assert row.pair.notes["replies of an unsynchronised server"] == 1


def test_probes_and_echoes_of_the_toolkit_are_paired() -> None:
    ask, answer = Envelope((Probe,), 7, 1), Envelope((Echo,), 7, 2)
    stored: list[Stored] = []
    ahead = 250 * MILLISECOND
    for number in range(1, 6):
        passed = START + number * SECOND
        arrived, left = passed + 50_000 + ahead, passed + 60_000 + ahead
        earlier = (number - 1, arrived - SECOND, left - SECOND) if number > 1 else (0, 0, 0)
        echo = Echo(arrived, arrived, *earlier, number)
        stored.append((passed, ipv4(CLIENT, SERVER, (5, 6), ask.encode(Probe(number)))))
        stored.append((passed + 110_000, ipv4(SERVER, CLIENT, (6, 5), answer.encode(echo))))
    result = observe(pcap(stored, RAW), Place.CLIENT)
    row = only(result)
    assert result.observer.toolkit.frames == {"peers.Probe": 5, "peers.Echo": 5}
    assert result.observer.toolkit.clusters == {7: {1, 2}}
    assert (row.pair.client_number, row.pair.server_number) == (1, 2)
    assert holds(row, Clock.SERVER, ahead)
    assert row.readings[Clock.SERVER].estimate.error_bound_ns < 110_000


def sealed_conversation() -> list[Stored]:
    """Two hosts greet each other and one reads the other's clock, five times."""
    client, server = (Sealer(KEYS, 7, me, os.urandom(16), os.urandom) for me in (1, 2))
    stored: list[Stored] = []
    for one, other, way in ((client, 2, (CLIENT, SERVER)), (server, 1, (SERVER, CLIENT))):
        one.greet(other, 0)
        stored += [(START, ipv4(*way, (5, 6), hello)) for _, hello in one.take_outgoing()]
    for number in range(1, 6):
        passed = START + number * SECOND
        arrived = passed + 50_000
        probe = client.seal(Probe.KIND, Probe(number).encode())
        echo = Echo(arrived, arrived + 9_000, 0, 0, 0, number).encode()
        stored.append((passed, ipv4(CLIENT, SERVER, (5, 6), probe)))
        answer = ipv4(SERVER, CLIENT, (6, 5), server.seal(Echo.KIND, echo))
        stored.append((passed + 110_000, answer))
    return stored


def test_sealed_probes_are_paired_with_the_key_alone() -> None:
    data = pcap(sealed_conversation(), RAW)
    shut = observe(data)
    assert shut.observer.toolkit.frames == {
        "Hello": 2,
        "sealed peers.Probe": 5,
        "sealed peers.Echo": 5,
    }
    assert (shut.rows, shut.exit_code) == ([], 0)
    assert shut.cautions == ["10 sealed frames not opened: --key FILE opens them"]
    opened = observe(data, observer=Observer(opener=Opener(KEYS)))
    assert opened.cautions == []
    assert holds(only(opened), Clock.SERVER, 0)
    wrong = KeyRing((GroupKey(1, bytes(32)),), used=1)
    shut = observe(data, observer=Observer(opener=Opener(wrong)))
    assert shut.cautions == [
        "10 sealed frames not opened: another key, or no hello of their sender"
    ]


def test_too_large_an_offset_is_exit_code_one() -> None:
    data = pcap(exchanges(Truth(server=9 * MILLISECOND), 5), RAW)
    assert observe(data, offset_max_ns=10 * MILLISECOND).exit_code == 0
    assert observe(data, offset_max_ns=9 * MILLISECOND).exit_code == 1


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_a_file_cut_anywhere_gives_what_was_before(make: object) -> None:
    assert callable(make)
    data = make(exchanges(Truth(), 4), RAW)
    for size in range(28, len(data), 7):
        result = observe(data[:size])
        assert result.observer.packets < 8
        whole = observe(data).observer
        assert result.observer.first_ns in (0, whole.first_ns)
    assert observe(data[:-3]).exit_code == 1


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    packed = gzip.compress(pcap(exchanges(Truth(), 400), RAW))
    path = tmp_path / "capture.pcap.gz"
    path.write_bytes(packed)
    assert only(read_file(path, Observer())).pair.exchanges == 400
    path.write_bytes(packed[: len(packed) // 2])
    result = read_file(path, Observer())
    assert result.cautions[0] == "the compressed file is damaged or cut short"
    assert result.exit_code in (1, 2)


@pytest.mark.parametrize("data", [b"", b"\xa1", b"not a capture at all", pcap([])[:20]])
def test_what_is_no_capture_is_refused(data: bytes) -> None:
    with pytest.raises(BadCapture):
        observe(data)


def test_mutated_captures_never_raise() -> None:
    draw = random.Random(1)
    for make in (pcap, pcapng):
        data = make([(when, ethernet(each)) for when, each in exchanges(Truth(), 6)])
        for _ in range(400):
            changed = bytearray(data)
            for _ in range(draw.randrange(1, 6)):
                changed[draw.randrange(24, len(changed))] = draw.randrange(256)
            observe(bytes(changed))


def test_a_flood_of_strangers_drives_out_nobody_who_measures() -> None:
    observer, draw = Observer(), random.Random(3)
    for when, data in exchanges(Truth(), 4):
        observer.feed(when, RAW, data)
    for number in range(PENDING_MAX + 5_000):
        source = ".".join(str(draw.randrange(256)) for _ in range(4))
        request = NtpPacket(mode=3, transmit_timestamp=draw.getrandbits(64))
        packet = ipv4(source, SERVER, (9, 123), request.encode())
        observer.feed(START + 10 * SECOND + number, RAW, packet)
    assert observer.book.measured == 1
    assert len(observer.book.pairs) <= 1 + STRANGERS_MAX
    assert len(observer.ntp.requests) <= PENDING_MAX
    assert observer.book.strangers_forgotten > 0
