"""What one exchange proves, held against clocks that are made up exactly."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp import timestamps
from clocksync.ntp.packet import NtpPacket
from clocksync.ntp.sample import Sample, make_sample
from clocksync.runtime.core import StampSource
from clocksync.runtime.units import SECOND

NOW = 1_790_000_000 * SECOND
DAY = 86_400 * SECOND

spans = st.integers(0, 3 * SECOND)
offsets = st.integers(-(10**18), 10**18)
rates = st.integers(-250_000, 250_000).map(lambda ppb: Fraction(ppb, 10**9))


def sample(t1=NOW, t2=NOW, t3=NOW, t4=NOW, delay=0, dispersion=0, precision=2) -> Sample:
    return Sample(t1, t2, t3, t4, delay, dispersion, precision, StampSource.KERNEL, False)


def answer(receive: int, transmit: int, **more: int) -> NtpPacket:
    return NtpPacket(
        mode=4,
        stratum=1,
        precision=-20,
        receive_timestamp=timestamps.from_unix_ns(receive),
        transmit_timestamp=timestamps.from_unix_ns(transmit),
        **more,
    )


def made(packet: NtpPacket, t1: int, t4: int) -> Sample:
    return make_sample(packet, t1, packet.transmit_timestamp, t4, 10, StampSource.KERNEL, False)


@given(offsets, spans, spans, spans)
def test_the_path_contains_the_offset_whatever_the_asymmetry(
    offset: int, there: int, held: int, back: int
) -> None:
    t2 = NOW + there + offset
    one = sample(NOW, t2, t2 + held, NOW + there + held + back)
    assert one.raw_delay_ns == there + back
    assert one.offset_ns == offset + (there - back) // 2
    assert offset in one.path
    assert one.delay_ns == max(there + back, 2)


def test_a_path_of_clocks_so_coarse_that_time_runs_backwards_holds_both_ends() -> None:
    one = sample(t1=NOW, t2=NOW, t3=NOW + 50, t4=NOW)
    assert (one.path.earliest, one.path.latest) == (-2, 52)


@given(offsets, spans, spans, spans, rates, rates)
def test_the_path_contains_the_offset_of_clocks_that_run_at_different_rates(
    offset: int, there: int, held: int, back: int, ours: Fraction, theirs: Fraction
) -> None:
    moments = [0, there, there + held, there + held + back]
    own = [int(NOW + at * (1 + ours)) for at in moments]
    other = [int(NOW + offset + at * (1 + theirs)) for at in moments]
    one = sample(own[0], other[1], other[2], own[3])
    assert other[3] - own[3] in one.path


def test_drift_within_the_exchange_counts_in_full() -> None:
    # All of the delay on the way back, the server 500 ppm slow: the upper end was true a second
    # before the answer came, and the clocks have come 500 us apart since.
    one = sample(NOW, NOW, NOW, NOW + SECOND)
    assert one.path.latest == 2 + 500_000
    assert one.path_within(100).latest == 2 + 100_000
    assert one.path.earliest == -SECOND - 2 - 500_000


@given(spans, spans, st.integers(0, 10**6))
def test_the_servers_own_bound_comes_on_top(delay: int, dispersion: int, precision: int) -> None:
    one = sample(t4=NOW + 100, delay=delay, dispersion=dispersion, precision=precision)
    assert 2 * one.root_distance_ns in (delay + 2 * dispersion, delay + 2 * dispersion + 1)
    assert one.truth == one.path.widened(one.root_distance_ns)


@given(st.integers(-1000, 1000))
def test_a_round_trip_below_the_precision_leaves_no_negative_width(delay: int) -> None:
    one = sample(NOW, NOW, NOW - delay, NOW, precision=1000)
    assert one.delay_ns == 1000
    assert one.path.width >= 2000


@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_stamps_are_read_to_the_nanosecond(offset: int, held: int) -> None:
    one = made(answer(NOW + offset, NOW + offset + held), NOW - 5, NOW + held + 7)
    assert (one.t1, one.t2, one.t3, one.t4) == (
        NOW - 5,
        NOW + offset,
        NOW + offset + held,
        NOW + held + 7,
    )
    assert one.precision_ns == 10 + 954


@pytest.mark.parametrize("years_off", [-60, -20, 0, 20, 60])
@pytest.mark.parametrize("now", [NOW, 2_085_978_496 * SECOND, 2 * 2_085_978_496 * SECOND])
def test_eras_are_chosen_nearest_to_our_clock(now: int, years_off: int) -> None:
    theirs = now + years_off * 365 * DAY
    assert made(answer(theirs, theirs), now, now).offset_ns == theirs - now


def test_claims_are_rounded_up_because_they_are_bounds() -> None:
    one = made(answer(NOW, NOW, root_delay=1, root_dispersion=2), NOW, NOW)
    assert (one.root_delay_ns, one.root_dispersion_ns) == (15_259, 30_518)  # of 15,258.8 each


@pytest.mark.parametrize(
    ("age_ns", "dispersion_ns"),
    [
        (0, 0),
        (DAY, 0),
        (DAY + SECOND, 86_401 * 15_000),  # 15 ppm of a day and a second
        (7 * DAY, 7 * 86_400 * 15_000),
    ],
)
def test_a_server_not_set_for_over_a_day_accounts_for_its_drift(
    age_ns: int, dispersion_ns: int
) -> None:
    set_at = timestamps.from_unix_ns(NOW - age_ns)
    one = made(answer(NOW, NOW, reference_timestamp=set_at), NOW, NOW)
    assert one.root_dispersion_ns == dispersion_ns


def test_a_server_that_does_not_say_when_it_was_set_is_not_stale() -> None:
    assert made(answer(NOW, NOW, reference_timestamp=0), NOW, NOW).root_dispersion_ns == 0
