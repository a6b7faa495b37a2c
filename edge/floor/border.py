"""When a walk crossed the border of an area: between two frames, by the way between two places."""

from __future__ import annotations

from branchloop import geometry

Fix = tuple[int, geometry.Point]
"""Time (ms) and place (m)."""
_HALVINGS = 10


def crossed_ms(polygon: geometry.Polygon, before: Fix, after: Fix) -> int:
    """The moment at which somebody who walked straight on came in or went out; one of the two places is inside."""
    (from_ms, (x0, y0)), (to_ms, (x1, y1)) = before, after
    inside = geometry.contains(polygon, (x0, y0))
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        share = (low + high) / 2
        place = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        low, high = (share, high) if geometry.contains(polygon, place) == inside else (low, share)
    return round(from_ms + (low + high) / 2 * (to_ms - from_ms))
