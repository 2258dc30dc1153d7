"""Where on the ellipsoid: WGS 84, earth-centred coordinates to latitude, longitude and height.

Metres and radians, except where a name says degrees. Heights are above the ellipsoid, not above the
sea. Formulas: Hofmann-Wellenhof et al., "GNSS", 2008, section 8.2; Bowring's latitude, iterated.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

Ecef: TypeAlias = tuple[float, float, float]
"""x, y, z in metres: through Greenwich and the equator, through 90 degrees east, to the north."""

SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
_ECCENTRICITY_SQUARED = FLATTENING * (2 - FLATTENING)


@dataclass(frozen=True, slots=True)
class Geodetic:
    """Latitude and longitude in degrees, height in metres above the ellipsoid."""

    latitude_deg: float
    longitude_deg: float
    height_m: float

    def __str__(self) -> str:
        north, east = "NS"[self.latitude_deg < 0], "EW"[self.longitude_deg < 0]
        return (
            f"{abs(self.latitude_deg):.6f}° {north}, {abs(self.longitude_deg):.6f}° {east}, "
            f"{self.height_m:.1f} m"
        )


@dataclass(frozen=True, slots=True)
class LocalFrame:
    """East, north and up at a place: where errors and elevations are told."""

    origin: Ecef
    east: Ecef
    north: Ecef
    up: Ecef

    @classmethod
    def at(cls, origin: Ecef) -> "LocalFrame":
        """The frame of a place; at the centre of the earth there is none, and any will do."""
        place = to_geodetic(origin)
        latitude, longitude = math.radians(place.latitude_deg), math.radians(place.longitude_deg)
        sin_lat, cos_lat = math.sin(latitude), math.cos(latitude)
        sin_lon, cos_lon = math.sin(longitude), math.cos(longitude)
        return cls(
            origin,
            (-sin_lon, cos_lon, 0.0),
            (-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat),
            (cos_lat * cos_lon, cos_lat * sin_lon, sin_lat),
        )

    def enu(self, point: Ecef) -> Ecef:
        """A point as metres east, north and up of the origin."""
        apart = (
            point[0] - self.origin[0],
            point[1] - self.origin[1],
            point[2] - self.origin[2],
        )
        return _dot(self.east, apart), _dot(self.north, apart), _dot(self.up, apart)

    def point(self, east: float, north: float, up: float) -> Ecef:
        """The inverse of :meth:`enu`."""
        x, y, z = (
            start + east * e + north * n + up * u
            for start, e, n, u in zip(self.origin, self.east, self.north, self.up, strict=True)
        )
        return x, y, z

    def direction(self, point: Ecef) -> tuple[float, float]:
        """Azimuth (from north over east) and elevation of a point, in radians."""
        east, north, up = self.enu(point)
        return math.atan2(east, north) % math.tau, math.atan2(up, math.hypot(east, north))


def to_geodetic(point: Ecef) -> Geodetic:
    """Latitude, longitude and height of a point; right to a micrometre from the core to orbit.

    >>> print(to_geodetic((-1882182.8402, -4464343.6597, 4136557.1040)))
    40.680722° N, 112.860458° W, 1469.2 m
    """
    x, y, z = point
    across = math.hypot(x, y)
    longitude = math.atan2(y, x) if across else 0.0
    latitude = math.atan2(z, across * (1 - _ECCENTRICITY_SQUARED))
    for _ in range(10):
        sine = math.sin(latitude)
        curvature = SEMI_MAJOR_M / math.sqrt(1 - _ECCENTRICITY_SQUARED * sine * sine)
        better = math.atan2(z + _ECCENTRICITY_SQUARED * curvature * sine, across)
        done, latitude = abs(better - latitude) < 1e-14, better
        if done:
            break
    sine, cosine = math.sin(latitude), math.cos(latitude)
    curvature = SEMI_MAJOR_M / math.sqrt(1 - _ECCENTRICITY_SQUARED * sine * sine)
    height = across * cosine + z * sine - SEMI_MAJOR_M**2 / curvature
    return Geodetic(math.degrees(latitude), math.degrees(longitude), height)


def to_ecef(place: Geodetic) -> Ecef:
    """The inverse of :func:`to_geodetic`.

    >>> [round(metres, 3) for metres in to_ecef(Geodetic(0.0, 90.0, 1.0))]
    [0.0, 6378138.0, 0.0]
    """
    latitude, longitude = math.radians(place.latitude_deg), math.radians(place.longitude_deg)
    sine, cosine = math.sin(latitude), math.cos(latitude)
    curvature = SEMI_MAJOR_M / math.sqrt(1 - _ECCENTRICITY_SQUARED * sine * sine)
    across = (curvature + place.height_m) * cosine
    return (
        across * math.cos(longitude),
        across * math.sin(longitude),
        (curvature * (1 - _ECCENTRICITY_SQUARED) + place.height_m) * sine,
    )


def _dot(one: Ecef, other: Ecef) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
