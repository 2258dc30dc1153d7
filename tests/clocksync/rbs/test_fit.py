"""The statistics of reference broadcasts: means, lines, outliers, on points whose line is known."""

import random

import pytest

from clocksync.rbs.fit import fit, middle_of, precision_by_count

MS, US = 1_000_000, 1_000
FAR = 1_790_000_000 * 10**9


def line(count, offset, ppm, noise_ns=0.0, seed=1):
    rng = random.Random(seed)
    return [
        (FAR + n * 10 * MS, offset + round(n * 10 * MS * ppm / 1e6 + rng.gauss(0, noise_ns)))
        for n in range(count)
    ]


@pytest.mark.parametrize("offset", [0, 412_000, -3 * 10**9, 2**62])
@pytest.mark.parametrize("ppm", [0.0, 100.0, -100.0])
def test_a_line_without_noise_is_found_to_the_nanosecond(offset, ppm):
    points = line(30, offset, ppm)
    found = fit(points)
    assert found.slope * 1e6 == pytest.approx(ppm, abs=1e-3)
    for at, value in points:
        assert abs(found.value(at) - value) <= 1
    assert (found.used, found.rejected) == (30, 0)


def test_the_mean_gets_better_with_the_root_of_the_count():
    spread = {}
    for count in (10, 1000):
        errors = [fit(line(count, 0, 0, 5 * US, seed)).offset for seed in range(40)]
        spread[count] = (sum(error**2 for error in errors) / 40) ** 0.5
    assert 5 < spread[10] / spread[1000] < 20


def test_the_standard_error_says_how_far_off_it_is():
    within = 0
    for seed in range(100):
        found = fit(line(30, 0, 50, 2 * US, seed))
        at = FAR + 290 * MS
        within += abs(found.value(at) - 14_500) <= 2 * found.error(at)
    assert 85 <= within <= 100


@pytest.mark.parametrize("late", [50 * US, 10 * MS, 10**9])
def test_arrivals_that_are_late_are_left_out(late):
    points = line(30, 700, 20, 100)
    for n in (3, 11, 12, 25):
        points[n] = (points[n][0], points[n][1] + late)
    found = fit(points)
    assert found.rejected >= 4
    assert abs(found.value(FAR + 150 * MS) - 3_700) < 200


def test_equal_offsets_have_no_outliers():
    assert fit([(n, 5) for n in range(10)]).rejected == 0
    assert fit([(n, 5 + n % 3) for n in range(30)]).rejected == 0, "a few ns are no outlier"


def test_a_slope_that_is_noise_is_not_followed():
    flat = [fit(line(30, 0, 0, US, seed)) for seed in range(100)]
    level = [found for found in flat if not found.is_sloping]
    assert len(level) >= 95
    assert all(found.value(FAR + 10**12) == found.offset for found in level)
    steep = fit(line(30, 0, 80, US))
    assert steep.is_sloping


@pytest.mark.parametrize("count", [1, 2])
def test_a_point_or_two_give_a_mean_and_no_slope(count):
    found = fit(line(count, 100, 0))
    assert (found.offset, found.slope, found.error(0)) == (100, None, None)
    assert found.value(10**12) == 100


def test_points_at_one_instant_have_no_slope():
    found = fit([(5, 1), (5, 2), (5, 3)])
    assert (found.offset, found.slope) == (2, None)


def test_the_mean_of_few_takes_the_slope_of_many():
    many = line(300, 0, 40, 500)
    found = fit(many[-10:]).along(fit(many))
    assert found.used == 10
    assert found.slope * 1e6 == pytest.approx(40, abs=1)


def test_no_points_are_refused():
    for function in (fit, middle_of):
        with pytest.raises(ValueError, match="no"):
            function([])


def test_a_median_does_not_mind_one_that_is_far_off():
    median, error = middle_of([10, 12, 11, 13, 10**9])
    assert median == 12
    assert 0 < error < 3
    assert middle_of([3, 5]) == (4, None)


def test_precision_is_that_of_disjoint_means():
    rows = precision_by_count([1, -1, 2, -2, 3, -3], (1, 2, 3))
    assert rows == [(1, 2.0, pytest.approx(0.894, abs=1e-3), 6), (2, 0.0, 0.0, 3)]
