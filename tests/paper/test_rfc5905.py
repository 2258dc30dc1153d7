"""Claims of RFC 5905 (NTPv4), one test each."""

import random

import pytest

from clocksync.measuring.prober import Prober
from clocksync.measuring.settings import MeasureSettings
from clocksync.ntp import timestamps
from clocksync.ntp.association import Association
from clocksync.ntp.checks import Rejection, Standing
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.sample import Sample
from clocksync.ntp.selection import select
from clocksync.runtime.core import Send, Stamp, StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND

NOW = 1_790_000_000 * SECOND


def sample(t1: int, t2: int, t3: int, t4: int, **claims: int) -> Sample:
    values = {"root_delay_ns": 0, "root_dispersion_ns": 0, "precision_ns": 1} | claims
    return Sample(t1, t2, t3, t4, source=StampSource.KERNEL, interleaved=False, **values)


def reply(request: NtpPacket, **changes: int) -> NtpPacket:
    """What an honest server on the same clock says, a millisecond after the request."""
    received = timestamps.from_unix_ns(NOW + 1_000_000)
    values = {
        "mode": 4,
        "stratum": 2,
        "origin_timestamp": request.transmit_timestamp,
        "receive_timestamp": received,
        "transmit_timestamp": received + 1,
    }
    return NtpPacket(**(values | changes))


def asked() -> tuple[Association, NtpPacket]:
    association = Association(random.Random(1))
    request, exchange = association.request()
    exchange.left(Stamp(NOW, StampSource.KERNEL))
    return association, request


def arrived(after_ns: int = 2_000_000) -> Stamp:
    return Stamp(NOW + after_ns, StampSource.KERNEL)


def test_section_6_the_first_second_of_era_1_follows_the_last_of_era_0() -> None:
    """Timestamps wrap in February 2036; differences across the wrap are right."""
    last, first = (1 << 64) - (1 << 32), 0
    assert timestamps.difference(first, last) == timestamps.ONE_SECOND
    near = timestamps.to_unix_ns(last, near=2_085_978_495 * SECOND)
    assert timestamps.to_unix_ns(first, near=near) - near == SECOND


def test_section_7_3_the_header_is_48_bytes_with_leap_version_and_mode_in_the_first() -> None:
    encoded = NtpPacket(leap=1, version=4, mode=3, stratum=7, poll=-6, precision=-20).encode()
    assert len(encoded) == 48
    assert encoded[:4] == bytes([1 << 6 | 4 << 3 | 3, 7, 0xFA, 0xEC])


def test_section_7_3_stratum_1_names_its_source_in_four_letters() -> None:
    association, request = asked()
    association.on_reply(reply(request, stratum=1, reference_id=0x47505300), arrived())
    assert association.last is not None
    assert association.last.reference_id == int.from_bytes(b"GPS\0", "big")


@pytest.mark.parametrize("code", [b"DENY", b"RSTR"])
def test_section_7_4_on_deny_and_rstr_the_client_stops_sending(code: bytes) -> None:
    assert not asks_on_after(code)


def test_section_7_4_on_rate_the_client_asks_no_more_in_this_measurement() -> None:
    """It must reduce its rate at once; within one short measurement that is silence."""
    assert not asks_on_after(b"RATE")


def test_section_7_4_other_codes_do_not_stop_a_client() -> None:
    assert asks_on_after(b"XYZ1")


def asks_on_after(code: bytes) -> bool:
    settings = MeasureSettings(samples=4, interval_ns=0)
    prober = Prober(("192.0.2.1", 123), settings, random.Random(1))
    first, *_ = prober.start(0)
    assert isinstance(first, Send)
    assert isinstance(first.frame, NtpPacket)
    first.tag.left(Stamp(NOW, StampSource.KERNEL))  # type: ignore[union-attr]
    kiss = reply(first.frame, stratum=0, leap=3, reference_id=int.from_bytes(code, "big"))
    return any(isinstance(effect, Send) for effect in prober.on_packet(kiss, arrived(), 0))


def test_section_8_offset_and_delay() -> None:
    """theta = ((T2 - T1) + (T3 - T4)) / 2, delta = (T4 - T1) - (T3 - T2)."""
    one = sample(t1=1_000, t2=6_300, t3=6_400, t4=1_500)
    assert one.offset_ns == ((6_300 - 1_000) + (6_400 - 1_500)) // 2
    assert one.raw_delay_ns == (1_500 - 1_000) - (6_400 - 6_300)


def test_section_8_the_delay_is_never_below_the_precision() -> None:
    assert sample(t1=0, t2=10, t3=20, t4=5, precision_ns=30).delay_ns == 30


def test_section_8_a_reply_whose_origin_is_not_what_was_sent_is_bogus() -> None:
    association, request = asked()
    forged = reply(request, origin_timestamp=request.transmit_timestamp ^ 1)
    assert association.on_reply(forged, arrived()).rejection is Rejection.WRONG_ORIGIN


def test_section_8_the_same_reply_twice_is_a_duplicate() -> None:
    association, request = asked()
    assert association.on_reply(reply(request), arrived()).accepted
    assert association.on_reply(reply(request), arrived()).rejection is Rejection.DUPLICATE


@pytest.mark.parametrize("changes", [{"leap": 3}, {"stratum": 16}])
def test_section_9_2_a_server_that_is_not_synchronised_gives_no_sample(
    changes: dict[str, int],
) -> None:
    association, request = asked()
    verdict = association.on_reply(reply(request, **changes), arrived())
    assert verdict.standing is Standing.UNSYNCHRONISED
    assert association.samples == []


def test_section_9_2_a_root_distance_of_maxdisp_is_refused() -> None:
    """MAXDISP is 16 s; half the root delay counts with the root dispersion."""
    association, request = asked()
    packet = reply(request, root_delay=20 << 16, root_dispersion=6 << 16)
    assert association.on_reply(packet, arrived()).rejection is Rejection.ROOT_DISTANCE


def test_section_11_1_the_bound_holds_half_of_both_delays_and_the_dispersion() -> None:
    """lambda = (delta + Delta) / 2 + epsilon + E: root delay and dispersion are the server's."""
    plain = sample(t1=0, t2=500, t3=500, t4=1_000)
    claimed = sample(t1=0, t2=500, t3=500, t4=1_000, root_delay_ns=300, root_dispersion_ns=70)
    assert claimed.truth.width - plain.truth.width == 2 * (300 // 2 + 70)
    assert plain.truth.width >= plain.delay_ns


def test_section_11_2_1_a_minority_of_falsetickers_is_found() -> None:
    honest = [Interval(-9, 11), Interval(-4, 6), Interval(-6, 2)]
    chosen = select([*honest, Interval(40, 42), Interval(-80, -70)])
    assert (chosen.truechimers, chosen.falsetickers) == ((0, 1, 2), (3, 4))


def test_section_11_2_1_without_a_majority_nobody_is_believed() -> None:
    assert select([Interval(0, 1), Interval(10, 11)]).combined is None
