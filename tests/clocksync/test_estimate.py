"""The estimate against oracles: a bound from all samples at once, slopes one by one."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clocksync.ntp.estimate import (
    MAX_DRIFT_PPM,
    SKEW_CLAIMED_BELOW_PPM,
    Contradiction,
    Estimate,
    estimate,
    feasible_skew,
)
from clocksync.ntp.sample import PHI_PPM, Sample
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

NOW = 1_790_000_000 * SECOND


def sample(
    at: int, offset: int = 0, there: int = 50_000, back: int = 50_000, **more: int
) -> Sample:
    """An exchange that ends `at` ns after NOW with a server `offset` ahead; held for 10 us."""
    t4 = NOW + at
    t3 = t4 - back + offset
    t2 = t3 - 10_000
    values = {"root_delay_ns": 0, "root_dispersion_ns": 0, "precision_ns": 2} | more
    return Sample(
        t1=t2 - offset - there,
        t2=t2,
        t3=t3,
        t4=t4,
        source=StampSource.KERNEL,
        interleaved=False,
        **values,
    )


moments = st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=8, unique=True)
delays = st.integers(0, 5 * MILLISECOND)
any_samples = st.lists(
    st.builds(
        sample,
        st.integers(0, 20 * SECOND),
        st.integers(-5 * MILLISECOND, 5 * MILLISECOND),
        delays,
        delays,
        root_dispersion_ns=st.integers(0, 3 * MILLISECOND),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.t4,
)


def grown(one: Sample, at: int, ppm: float) -> Interval:
    """What a sample still proves of another moment, without any code of the estimate."""
    drift = -(-abs(at - one.t4) * round(ppm) // 1_000_000)
    return Interval(one.truth.earliest - drift, one.truth.latest + drift)


def oracle(samples: list[Sample], at: int, ppm: float) -> Interval | None:
    """A value that moves by at most `ppm` can pass through all intervals if and only if it can
    through every pair of them (McShane's extension); where it can be at the end is then what they
    all still prove."""
    for one in samples:
        for other in samples:
            if grown(one, other.t4, ppm) & other.truth is None:
                return None
    parts = [grown(one, at, ppm) for one in samples]
    first, last = max(p.earliest for p in parts), min(p.latest for p in parts)
    return Interval(first, last) if first <= last else None


@given(any_samples, st.integers(0, 5 * SECOND))
def test_the_bound_is_what_all_samples_still_prove(samples: list[Sample], later: int) -> None:
    at = max(one.t4 for one in samples) + later
    found = estimate(samples, at)
    wanted = oracle(samples, at, MAX_DRIFT_PPM)
    rounding = len(samples)  # each step of the way rounds its drift up by at most a nanosecond
    if isinstance(found, Contradiction):
        assert wanted is None
        assert found.gap_ns > 0
        return
    if wanted is None:  # they miss each other by less than the rounding
        loose = [replace(one, precision_ns=one.precision_ns + rounding) for one in samples]
        wanted = oracle(loose, at, MAX_DRIFT_PPM)
        assert wanted is not None
    assert found.offset_ns in wanted.widened(rounding)  # the estimate contradicts no sample
    widest = max(wanted.latest - found.offset_ns, found.offset_ns - wanted.earliest)
    assert found.error_bound_ns <= max(widest + rounding, samples[0].precision_ns)
    assert found.interval.contains(wanted)


@given(any_samples, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(samples: list[Sample], random) -> None:
    shuffled = samples[:]
    random.shuffle(shuffled)
    at = NOW + 20 * SECOND
    assert estimate(shuffled, at) == estimate(samples, at)


@given(any_samples, st.integers(0, 5 * SECOND))
def test_what_is_told_is_never_absurd(samples: list[Sample], later: int) -> None:
    found = estimate(samples, max(one.t4 for one in samples) + later)
    assume(isinstance(found, Estimate))
    assert isinstance(found, Estimate)
    assert found.offset_ns in found.interval
    assert found.interval == Interval.around(found.offset_ns, found.error_bound_ns)
    assert found.error_bound_ns >= min(one.precision_ns for one in samples)
    assert found.delay_ns >= 0
    assert (found.jitter_ns is None) == (len(samples) == 1)
    assert (found.skew_ppm is None) == (found.skew_bound_ppm is None)


@given(
    moments,
    st.integers(-(10**18), 10**18),
    st.integers(-400, 400),
    st.lists(delays, min_size=16, max_size=16),
    st.booleans(),
)
def test_the_truth_of_a_steady_clock_is_contained_and_so_is_its_skew(
    at: list[int], offset: int, rate_ppm: int, ways: list[int], with_path_of_one_way: bool
) -> None:
    samples = []
    for t1 in at:
        there, back = ways.pop(), 0 if with_path_of_one_way else ways.pop()
        # The server's own stamps, each true when it was made: at t2, t3, not all at t4.
        t4 = t1 + there + back + 10_000
        ahead = [offset + moment * rate_ppm // 1_000_000 for moment in (t1 + there, t4 - back)]
        stamps = NOW + t1, NOW + t1 + there + ahead[0], NOW + t4 - back + ahead[1], NOW + t4
        samples.append(Sample(*stamps, 0, 0, 2, StampSource.KERNEL, False))
    end = max(one.t4 for one in samples)
    found = estimate(samples, end + SECOND)
    assert isinstance(found, Estimate)
    assert offset + (end + SECOND - NOW) * rate_ppm // 1_000_000 in found.interval
    if found.skew_ppm is not None:
        assert found.skew_bound_ppm is not None
        assert abs(found.skew_ppm - rate_ppm) <= found.skew_bound_ppm + 1e-9


# Skew


def passes(samples: list[Sample], slope_ppm: Fraction) -> bool:
    """Whether some line of that slope runs through all path intervals: one linear programme in
    one unknown, the line's height."""
    lows = [one.path.earliest - slope_ppm * (one.t4 - NOW) / 10**6 for one in samples]
    highs = [one.path.latest - slope_ppm * (one.t4 - NOW) / 10**6 for one in samples]
    return max(lows) <= min(highs)


@given(any_samples.filter(lambda samples: len(samples) > 1), st.fractions(0, 1))
def test_feasible_slopes_are_those_of_lines_through_every_interval(
    samples: list[Sample], part: Fraction
) -> None:
    samples.sort(key=lambda one: one.t4)
    found, slack = feasible_skew(samples, MAX_DRIFT_PPM), Fraction(1, 1000)
    if found is None:
        slopes = [Fraction(ppm) for ppm in range(-500, 501, 25)]
        assert not any(passes(samples, slope) for slope in slopes)
        return
    lowest, highest = Fraction(found[0]), Fraction(found[1])
    assert -500 <= lowest <= highest <= 500
    if highest - lowest > 2 * slack:
        within = lowest + slack + part * (highest - lowest - 2 * slack)
        assert passes(samples, within)
    assert lowest == -500 or not passes(samples, lowest - slack)
    assert highest == 500 or not passes(samples, highest + slack)


@given(any_samples)
def test_the_sample_of_least_delay_and_age_speaks(samples: list[Sample]) -> None:
    at = max(one.t4 for one in samples)
    best = min(
        sorted(samples, key=lambda one: one.t4),
        key=lambda one: one.delay_ns // 2 + drift_allowance(at - one.t4, PHI_PPM),
    )
    found = estimate(samples, at)
    assume(isinstance(found, Estimate))
    assert found.delay_ns == best.delay_ns


def test_a_skew_that_is_just_known_well_enough_is_claimed() -> None:
    # Delays of 100 us over 1.4 s leave 143 ppm open: 71 to either side.
    found = estimate([sample(0), sample(14 * SECOND // 10)], NOW + 2 * SECOND)
    assert isinstance(found, Estimate)
    assert found.skew_bound_ppm is not None
    assert 70 < found.skew_bound_ppm < 75


def test_one_sample_or_one_moment_has_no_slope() -> None:
    assert feasible_skew([sample(0)], MAX_DRIFT_PPM) is None
    assert feasible_skew([sample(0), sample(0)], MAX_DRIFT_PPM) == (-500.0, 500.0)


@pytest.mark.parametrize("rate_ppm", [-300, -1, 0, 17, 300])
def test_a_skew_is_claimed_when_the_span_pins_it_and_followed_to_the_present(rate_ppm: int) -> None:
    step = rate_ppm * 2000  # a sample every 2 s
    samples = [sample(i * 2 * SECOND, i * step) for i in range(8)]
    found = estimate(samples, NOW + 16 * SECOND)
    assert isinstance(found, Estimate)
    assert found.skew_ppm == pytest.approx(rate_ppm, abs=0.01)
    assert found.skew_bound_ppm is not None
    assert found.skew_bound_ppm < SKEW_CLAIMED_BELOW_PPM
    assert abs(found.offset_ns - 8 * step) <= 10
    assert found.jitter_ns == pytest.approx(0, abs=10)


def test_a_burst_claims_no_skew() -> None:
    found = estimate([sample(i * 200_000) for i in range(8)], NOW + SECOND)
    assert isinstance(found, Estimate)
    assert found.skew_ppm is None


def test_one_outlier_does_not_tilt_the_line() -> None:
    samples = [sample(i * 2 * SECOND) for i in range(9)]
    samples[4] = sample(8 * SECOND, there=40 * MILLISECOND)  # a queue on the way there
    found = estimate(samples, NOW + 16 * SECOND)
    assert isinstance(found, Estimate)
    assert found.skew_ppm == pytest.approx(0, abs=0.05)
    assert abs(found.offset_ns) < MICROSECOND


def test_long_pairs_outweigh_many_short_ones() -> None:
    # Eight samples within 70 us, each 1 us later on a queue that grows; then one 20 s later.
    crowd = [sample(i * 10_000, there=50_000 + i * 1_000) for i in range(8)]
    found = estimate([*crowd, sample(20 * SECOND)], NOW + 20 * SECOND)
    assert isinstance(found, Estimate)
    assert found.skew_ppm == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("count", [70, 500])
def test_a_long_series_is_thinned_and_still_contains_the_truth(count: int) -> None:
    samples = [sample(i * SECOND, i * 50_000) for i in range(count)]
    skew = feasible_skew(samples, MAX_DRIFT_PPM)
    assert skew is not None
    assert skew[0] <= 50 <= skew[1]
    found = estimate(samples, samples[-1].t4)
    assert isinstance(found, Estimate)
    assert (count - 1) * 50_000 in found.interval


# The rest


def test_there_is_no_estimate_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        estimate([], NOW)


def test_a_bound_of_one_sample_is_delay_distance_precision_and_drift() -> None:
    one = sample(0, root_delay_ns=3_000, root_dispersion_ns=500, precision_ns=7)
    found = estimate([one], NOW + 2 * SECOND)
    assert isinstance(found, Estimate)
    within_ns = -(-(one.t4 - one.t1) * 500 // 1_000_000)
    assert found.error_bound_ns == 50_000 + 1_500 + 500 + 7 + within_ns + 1_000_000


def test_a_step_between_two_samples_is_a_contradiction_even_when_both_have_aged() -> None:
    samples = [sample(0), sample(MILLISECOND, offset=SECOND // 2)]
    found = estimate(samples, NOW + 3600 * SECOND)
    assert isinstance(found, Contradiction)
    assert abs(found.gap_ns - SECOND // 2) < MILLISECOND


def test_the_least_delayed_sample_speaks_where_no_skew_is_known() -> None:
    slow = [sample(i * MILLISECOND, there=9 * MILLISECOND) for i in range(5)]
    found = estimate([*slow[:2], sample(2_500_000), *slow[3:]], NOW + 5 * MILLISECOND)
    assert isinstance(found, Estimate)
    assert found.delay_ns == 100_000
    assert abs(found.offset_ns) <= 1


def test_a_wider_drift_allowance_only_widens() -> None:
    samples = [sample(0), sample(SECOND)]
    bounds = []
    for ppm in (10, 500, 5000):
        found = estimate(samples, NOW + 2 * SECOND, ppm)
        assert isinstance(found, Estimate)
        bounds.append(found.error_bound_ns)
    assert bounds == sorted(set(bounds))


def test_a_basic_answer_is_taken_to_leave_as_late_as_our_own_requests_do() -> None:
    """A stamp written 2 us before the datagram left, and sending that takes us just as long."""
    samples = [
        sample(n * 100_000, back=52_000, sending_ns=sending)
        for n, sending in enumerate((9_000, 2_000, 4_000))
    ]
    untold = estimate([replace(one, sending_ns=0) for one in samples], NOW + 200_000)
    told = estimate(samples, NOW + 200_000)
    assert isinstance(untold, Estimate)
    assert isinstance(told, Estimate)
    assert (untold.offset_ns, told.offset_ns) == (-1_000, 0)
    assert told.interval.contains(Interval(-1_000, 0))


def test_an_interleaved_answer_needs_no_such_guess() -> None:
    samples = [replace(sample(0, sending_ns=2_000), interleaved=True)]
    found = estimate(samples, NOW)
    assert isinstance(found, Estimate)
    assert found.offset_ns == 0


def test_the_guess_never_leaves_the_bound() -> None:
    samples = [sample(0, there=10, back=10, sending_ns=1_000_000)]
    found = estimate(samples, NOW)
    assert isinstance(found, Estimate)
    assert found.offset_ns in samples[0].truth
