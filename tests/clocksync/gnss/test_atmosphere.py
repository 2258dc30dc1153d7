"""Delays of the air, against worked examples and physics."""

import math

import pytest

from clocksync.gnss.atmosphere import L1_HZ, Klobuchar, mapping, troposphere_m
from clocksync.gnss.geodesy import Geodetic

EXAMPLE = Klobuchar((3.820e-8, 1.490e-8, -1.790e-7, 0.0), (1.430e5, 0.0, -3.280e5, 1.130e5))


def test_klobuchars_model_gives_the_worked_example() -> None:
    # The example that implementations of the model are published with: 40 N, 100 W, elevation 20,
    # azimuth 210 degrees, 593100 s of the week: 23.784 m.
    delay = EXAMPLE.delay_m(
        Geodetic(40.0, -100.0, 0.0), math.radians(210), math.radians(20), 593_100 % 86_400
    )
    assert delay == pytest.approx(23.784, abs=0.001)


def test_the_night_has_five_nanoseconds_at_the_zenith() -> None:
    delay = EXAMPLE.delay_m(Geodetic(0.0, 0.0, 0.0), 0.0, math.pi / 2, 2 * 3600.0)
    assert delay == pytest.approx(1.5, abs=0.01)


def test_the_ionosphere_goes_with_the_inverse_square_of_the_frequency() -> None:
    place, at = Geodetic(10.0, 20.0, 0.0), (1.0, 0.5, 50_000.0)
    once, twice = (EXAMPLE.delay_m(place, *at, hertz) for hertz in (L1_HZ, L1_HZ / 2))
    assert twice == pytest.approx(4 * once)


def test_the_troposphere_at_the_zenith_is_2_3_to_2_5_metres_at_sea_and_less_on_mountains() -> None:
    sea = troposphere_m(Geodetic(45.0, 0.0, 0.0), math.pi / 2)
    mountain = troposphere_m(Geodetic(45.0, 0.0, 4_000.0), math.pi / 2)
    assert 2.3 < sea < 2.5
    # Four kilometres up, six tenths of the air are left.
    assert 0.55 < mountain / sea < 0.65


@pytest.mark.parametrize(("degrees", "times"), [(90, 1.0), (30, 2.0), (10, 5.6), (5, 10.2)])
def test_the_way_through_the_air_grows_towards_the_horizon(degrees: float, times: float) -> None:
    # Niell's mapping function for these elevations, at mid latitudes, to 1 %.
    assert mapping(math.radians(degrees)) == pytest.approx(times, rel=0.01)


def test_heights_outside_the_air_are_no_error() -> None:
    for height in (-5_000.0, 50_000.0, 1e9):
        assert 0 < troposphere_m(Geodetic(0.0, 0.0, height), 0.1) < 50
