"""The ellipsoid, against pymap3d and itself."""

import math

import pymap3d
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.gnss.geodesy import Geodetic, LocalFrame, to_ecef, to_geodetic

PLACES = st.builds(
    Geodetic, st.floats(-89.9, 89.9), st.floats(-179.9, 179.9), st.floats(-6_000, 1_000_000)
)


@given(PLACES)
def test_a_place_comes_back_from_its_coordinates(place: Geodetic) -> None:
    again = to_geodetic(to_ecef(place))
    assert again.latitude_deg == pytest.approx(place.latitude_deg, abs=1e-10)
    assert again.longitude_deg == pytest.approx(place.longitude_deg, abs=1e-10)
    assert again.height_m == pytest.approx(place.height_m, abs=1e-5)


@given(PLACES)
def test_coordinates_are_those_of_pymap3d(place: Geodetic) -> None:
    theirs = pymap3d.geodetic2ecef(place.latitude_deg, place.longitude_deg, place.height_m)
    assert math.dist(to_ecef(place), theirs) < 1e-6


@given(PLACES, PLACES)
def test_azimuth_and_elevation_are_those_of_pymap3d(here: Geodetic, there: Geodetic) -> None:
    point = to_ecef(Geodetic(there.latitude_deg, there.longitude_deg, 20_200_000.0))
    azimuth, elevation = LocalFrame.at(to_ecef(here)).direction(point)
    theirs_azimuth, theirs_elevation, _ = pymap3d.ecef2aer(
        *point, here.latitude_deg, here.longitude_deg, here.height_m
    )
    assert math.degrees(elevation) == pytest.approx(theirs_elevation, abs=1e-7)
    turned = math.degrees(azimuth) - theirs_azimuth
    assert math.sin(math.radians(turned)) * math.cos(elevation) == pytest.approx(0.0, abs=1e-8)


@given(PLACES, st.tuples(*[st.floats(-1e6, 1e6)] * 3))
def test_east_north_and_up_come_back(place: Geodetic, enu: tuple[float, float, float]) -> None:
    frame = LocalFrame.at(to_ecef(place))
    assert frame.enu(frame.point(*enu)) == pytest.approx(enu, abs=1e-6)


@pytest.mark.parametrize(
    ("point", "latitude", "height"),
    [
        ((0.0, 0.0, 6_356_752.314245), 90.0, 0.0),
        ((0.0, 0.0, -6_356_852.314245), -90.0, 100.0),
        ((6_378_137.0, 0.0, 0.0), 0.0, 0.0),
    ],
)
def test_the_poles_and_the_equator_have_places(
    point: tuple[float, float, float], latitude: float, height: float
) -> None:
    place = to_geodetic(point)
    assert place.latitude_deg == pytest.approx(latitude)
    assert place.height_m == pytest.approx(height, abs=1e-5)


def test_the_centre_of_the_earth_is_no_error() -> None:
    # The solver starts there.
    assert math.isfinite(to_geodetic((0.0, 0.0, 0.0)).height_m)
    assert LocalFrame.at((0.0, 0.0, 0.0)).enu((1.0, 0.0, 0.0))
