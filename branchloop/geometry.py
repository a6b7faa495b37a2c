"""Plane geometry in metres on the plan, without dependencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
Polygon = Sequence[Point]
_CELLS = 100


def side(a: Point, b: Point, p: Point) -> float:
    """Signed distance (m) of `p` from the line through `a` and `b`; positive on the left of a→b.

    "Left" with y pointing up; on a plan whose y points down it is the right-hand side.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    return (dx * (p[1] - a[1]) - dy * (p[0] - a[0])) / math.hypot(dx, dy)


def along(a: Point, b: Point, p: Point) -> float:
    """Position of the foot of `p` on a→b as a share of its length (0 at a, 1 at b)."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    return ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / (dx * dx + dy * dy)


def segment_distance(a: Point, b: Point, p: Point) -> float:
    """Distance (m) of `p` from the nearest point of the segment a–b."""
    share = min(1.0, max(0.0, along(a, b, p))) if a != b else 0.0
    return distance(p, (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))


def distance(p: Point, q: Point) -> float:
    """Distance in metres."""
    return math.hypot(p[0] - q[0], p[1] - q[1])


def area(polygon: Polygon) -> float:
    """Area in m², whatever the direction of the corners."""
    return abs(_shoelace(polygon)) / 2


def contains(polygon: Polygon, p: Point) -> bool:
    """Whether `p` lies in the polygon (even-odd rule; half-open, so that tiles share no point)."""
    x, y = p
    inside = False
    x0, y0 = polygon[-1]
    for x1, y1 in polygon:
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
        x0, y0 = x1, y1
    return inside


def shared_area(one: Polygon, other: Polygon) -> float:
    """Area in m² that lies in both polygons, to about a hundredth of what their bounding boxes share."""
    low = [max(min(p[axis] for p in one), min(p[axis] for p in other)) for axis in (0, 1)]
    high = [min(max(p[axis] for p in one), max(p[axis] for p in other)) for axis in (0, 1)]
    if low[0] >= high[0] or low[1] >= high[1]:
        return 0.0
    step_x, step_y = (high[0] - low[0]) / _CELLS, (high[1] - low[1]) / _CELLS
    middles = (
        (low[0] + (i + 0.5) * step_x, low[1] + (j + 0.5) * step_y)
        for i in range(_CELLS)
        for j in range(_CELLS)
    )
    return sum(contains(one, p) and contains(other, p) for p in middles) * step_x * step_y


def area_beside(polygon: Polygon, a: Point, b: Point, p: Point) -> float:
    """Area in m² of the part of a polygon that lies on the same side of the line through `a` and `b` as `p`."""
    facing = side_sign(a, b, p)
    kept: list[Point] = []
    for corner, after in pairwise([*polygon, polygon[0]]):
        here, there = (facing * side(a, b, point) for point in (corner, after))
        if here >= 0:
            kept.append(corner)
        if here * there < 0:
            share = here / (here - there)
            kept.append(
                (corner[0] + share * (after[0] - corner[0]), corner[1] + share * (after[1] - corner[1]))
            )
    return area(kept) if kept else 0.0


def is_simple(polygon: Polygon) -> bool:
    """Whether no two edges of the polygon cross, and none is walked along twice: who outlines twice encloses nothing."""
    edges = list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))
    walked = [(p, q) for p, q in edges if p != q]
    if len(set(walked)) < len(walked):
        return False
    return not any(
        _cross(*edges[i], *edges[j])
        for i in range(len(edges))
        for j in range(i + 2, len(edges))
        if not (i == 0 and j == len(edges) - 1)
    )


def spread(points: Sequence[Point]) -> float:
    """Largest distance (in the points' unit) of a point from the line through the two farthest apart.

    Near zero means that the points lie on one line and fix no homography.
    """
    pairs = [(distance(p, q), p, q) for i, p in enumerate(points) for q in points[i + 1 :]]
    if not pairs:
        return 0.0
    far, a, b = max(pairs)
    return 0.0 if far == 0 else max(abs(side(a, b, p)) for p in points)


def _shoelace(polygon: Polygon) -> float:
    return sum(
        x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True)
    )


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    return side_sign(a, b, c) * side_sign(a, b, d) < 0 and side_sign(c, d, a) * side_sign(c, d, b) < 0


def side_sign(a: Point, b: Point, p: Point) -> int:
    """-1, 0 or 1: on which side of a→b the point lies."""
    value = (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0])
    return (value > 0) - (value < 0)
