"""Where on the plan a place in a camera's picture is. Pure."""

from __future__ import annotations

from typing import Literal

from branchloop import geometry
from branchloop.floormap import FloorMap
from branchloop.homography import Point
from branchloop.site.site import Plan

Beyond = Literal["horizon", "lens", "plan"]
"""Why a place in a picture is none on the plan."""
SAME_PX = 1.0
EDGE_M = 0.05
"""A click this near beside the plan is meant for its border: no pointer meets it to the centimetre."""


def place_of(found: FloorMap, at_px: Point, plan: Plan) -> Point | Beyond:
    """The place in metres, to the centimetre as on the plan itself, or what it lies beyond."""
    again = found.distort(found.undistort(at_px))
    if again is None or not geometry.distance(again, at_px) <= SAME_PX:
        return "lens"  # straightening did not settle there: what it gave is no place
    place = found.to_floor(at_px)
    if place is None:
        return "horizon"
    x, y = min(max(place[0], 0.0), plan.width_m), min(max(place[1], 0.0), plan.height_m)
    return (round(x, 2), round(y, 2)) if geometry.distance((x, y), place) <= EDGE_M else "plan"
