"""What a reply must be before anything is believed of it (RFC 5905)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp import timestamps
from clocksync.ntp.checks import Rejection, Standing, check_claims, check_shape, standing
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.strategies import frames
from clocksync.runtime.units import SECOND

NOW = timestamps.from_unix_ns(1_790_000_000 * SECOND)
GOOD = NtpPacket(
    mode=4,
    stratum=2,
    reference_timestamp=NOW - (64 << 32),
    receive_timestamp=NOW,
    transmit_timestamp=NOW + 1000,
)


def code(text: str) -> int:
    return int.from_bytes(text.encode().ljust(4, b"\0"), "big")


def test_a_good_answer_passes() -> None:
    assert check_shape(GOOD, 4) is None
    assert standing(GOOD) is Standing.GOOD
    assert check_claims(GOOD) is None


@pytest.mark.parametrize("mode", [0, 1, 2, 3, 5, 6, 7])
def test_only_server_mode_answers_a_client(mode: int) -> None:
    assert check_shape(replace(GOOD, mode=mode), 4) is Rejection.WRONG_MODE


@pytest.mark.parametrize("asked", [1, 2, 3, 4])
@pytest.mark.parametrize("told", range(8))
def test_the_version_of_the_answer_is_that_of_the_request(asked: int, told: int) -> None:
    rejection = check_shape(replace(GOOD, version=told), asked)
    assert rejection is (None if asked == told else Rejection.WRONG_VERSION)


@pytest.mark.parametrize("kiss", ["DENY", "RSTR", "RATE", "NTSN", "X\x1b[m", "deny"])
def test_stratum_zero_with_a_code_is_a_kiss(kiss: str) -> None:
    packet = replace(GOOD, stratum=0, reference_id=code(kiss), leap=3)
    assert standing(packet) is Standing.KISS


@pytest.mark.parametrize(
    "changes",
    [
        {"leap": 3},
        {"stratum": 16},
        {"stratum": 255},
        {"stratum": 0, "reference_id": code("INIT")},
        {"stratum": 0, "reference_id": code("STEP")},
        {"stratum": 0, "reference_id": 0},
    ],
)
def test_a_server_without_time_says_so_in_one_of_these_ways(changes: dict[str, int]) -> None:
    assert standing(replace(GOOD, **changes)) is Standing.UNSYNCHRONISED


@pytest.mark.parametrize("changes", [{"leap": 1}, {"leap": 2}, {"stratum": 1}, {"stratum": 15}])
def test_a_leap_second_ahead_and_every_real_stratum_are_good(changes: dict[str, int]) -> None:
    assert standing(replace(GOOD, **changes)) is Standing.GOOD


@pytest.mark.parametrize("name", ["receive_timestamp", "transmit_timestamp"])
def test_an_empty_timestamp_is_no_time(name: str) -> None:
    assert check_claims(replace(GOOD, **{name: 0})) is Rejection.ZERO_TIMESTAMP


@pytest.mark.parametrize(
    ("delay_s", "dispersion_s", "rejected"),
    [(0, 15.9, False), (0, 16, True), (32, 0, True), (31.9, 0, False), (16, 8, True)],
)
def test_a_root_distance_of_16_s_is_useless(
    delay_s: float, dispersion_s: float, rejected: bool
) -> None:
    packet = replace(
        GOOD, root_delay=int(delay_s * 65536), root_dispersion=int(dispersion_s * 65536)
    )
    assert check_claims(packet) is (Rejection.ROOT_DISTANCE if rejected else None)


@pytest.mark.parametrize(("ahead_s", "rejected"), [(-1000, False), (0, False), (2, True)])
def test_a_clock_cannot_have_been_set_after_it_answered(ahead_s: int, rejected: bool) -> None:
    packet = replace(GOOD, reference_timestamp=NOW + (ahead_s << 32))
    assert check_claims(packet) is (Rejection.REFERENCE_IN_FUTURE if rejected else None)


def test_a_clock_set_before_the_end_of_an_era_is_not_set_in_the_future() -> None:
    packet = replace(
        GOOD,
        reference_timestamp=(1 << 64) - (5 << 32),
        receive_timestamp=5 << 32,
        transmit_timestamp=5 << 32,
    )
    assert check_claims(packet) is None


@given(frames(NtpPacket), st.integers(1, 4))
def test_no_packet_makes_a_check_raise(packet: NtpPacket, version: int) -> None:
    assert check_shape(packet, version) in (None, Rejection.WRONG_MODE, Rejection.WRONG_VERSION)
    assert standing(packet) in Standing
    assert check_claims(packet) in (None, *Rejection)
