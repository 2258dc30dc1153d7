"""What a grandmaster's claims are worth, table by table of IEEE 1588-2019."""

import pytest

from clocksync.ptp.claims import Claims
from clocksync.ptp.frames import LEAP_59, LEAP_61, PTP_TIMESCALE, UTC_OFFSET_VALID, Announce

VALID = PTP_TIMESCALE | UTC_OFFSET_VALID
GOOD = {"flags": VALID, "utc_offset": 37, "clock_class": 6, "clock_accuracy": 0x21}


@pytest.mark.parametrize(
    ("code", "accuracy_ns"),
    [
        (0x16, None),
        (0x17, 1),  # 1 ps: never told as 0
        (0x1D, 1),
        (0x1E, 3),
        (0x20, 25),
        (0x21, 100),
        (0x23, 1_000),
        (0x29, 1_000_000),
        (0x2F, 1_000_000_000),
        (0x30, 10_000_000_000),
        (0x31, None),
        (0x80, None),
        (0xFE, None),
        (0xFF, None),
    ],
)
def test_an_accuracy_code_is_a_limit_or_unknown(code: int, accuracy_ns: int | None) -> None:
    claims = Claims(Announce(clock_accuracy=code))
    assert claims.accuracy_ns == accuracy_ns
    assert claims.is_useless == (code == 0x31)


def test_a_grandmaster_with_nothing_to_hide_has_no_words() -> None:
    claims = Claims(Announce(**GOOD))
    assert claims.words == []
    assert claims.to_utc_ns == -37_000_000_000


@pytest.mark.parametrize("flags", [0, UTC_OFFSET_VALID, PTP_TIMESCALE])
def test_an_arbitrary_timescale_is_taken_as_it_is_and_said(flags: int) -> None:
    claims = Claims(Announce(**{**GOOD, "flags": flags}))
    assert claims.to_utc_ns == 0
    assert "arbitrary" in claims.words[0]
    assert ("37 s is not marked valid" in claims.words[0]) == (flags == PTP_TIMESCALE)


@pytest.mark.parametrize(
    ("kind", "steps", "stratum"),
    [
        *[(6, 0, 1), (6, 3, 4), (7, 0, 1), (6, 65_535, 255), (13, 0, None), (52, 0, None)],
        *[(187, 0, None), (248, 0, None), (255, 0, None), (100, 0, None)],
    ],
)
def test_only_a_traceable_class_has_a_stratum(kind: int, steps: int, stratum: int | None) -> None:
    claims = Claims(Announce(**{**GOOD, "clock_class": kind, "steps_removed": steps}))
    assert claims.stratum == stratum
    assert (claims.words == []) == (kind == 6)


def test_boundary_clocks_are_named_because_they_claim_nothing() -> None:
    claims = Claims(Announce(**GOOD, source_clock=5, grandmaster=0x001122FFFE334455))
    (words,) = claims.words
    assert "000000.0000.000005" in words
    assert "001122.fffe.334455" in words


@pytest.mark.parametrize(
    ("flags", "leap"), [(0, 0), (LEAP_61, 1), (LEAP_59, 2), (LEAP_61 | LEAP_59, 0)]
)
def test_a_pending_leap_second_is_told_as_ntp_does(flags: int, leap: int) -> None:
    claims = Claims(Announce(**{**GOOD, "flags": VALID | flags}))
    assert claims.leap == leap
    assert any("leap second" in words for words in claims.words) == (leap > 0)
