"""Branches near a branch, by the great circle. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from branchloop.site.site import Place, Site

EARTH_KM = 6371.0088
"""Mean radius."""
_DEGREE_KM = EARTH_KM * math.pi / 180


def distance_km(a: Place, b: Place) -> float:
    """Along the surface."""
    lat_a, lat_b = math.radians(a.lat_deg), math.radians(b.lat_deg)
    half_lat = math.sin((lat_b - lat_a) / 2) ** 2
    half_lon = math.sin(math.radians(b.lon_deg - a.lon_deg) / 2) ** 2
    return (
        2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon)))
    )


def nearby(sites: Mapping[str, Site], home: Site, most_km: float) -> list[tuple[Site, float]]:
    """Other branches within `most_km`, the nearest first; none where the place of `home` is not known."""
    if home.place is None:
        return []
    found = [
        (site, distance_km(home.place, site.place))
        for site in sites.values()
        if site.place is not None
        and site.id != home.id
        and abs(site.place.lat_deg - home.place.lat_deg) * _DEGREE_KM <= most_km
    ]
    return sorted(
        ((site, far) for site, far in found if far <= most_km), key=lambda each: (each[1], each[0].id)
    )
