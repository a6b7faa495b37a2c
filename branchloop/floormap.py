"""One camera's map between its picture and the floor, point by point, in plain Python. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from branchloop import geometry
from branchloop.homography import Matrix, Point, apply, bend, fit, inverse, straighten, widest
from branchloop.site.site import Calibration

PERSON_M = 1.7
Mark = tuple[float, float, float, float]
"""x_px, y_px, x_m, y_m."""


@dataclass(frozen=True)
class FloorMap:
    """One camera's map between picture (px) and floor (m), point by point; None beyond the horizon."""

    to_floor_h: Matrix
    picture_px: tuple[int, int]
    distortion: tuple[float, ...] = ()
    focal_px: float = 1.0

    @classmethod
    def fit(cls, marks: Sequence[Mark], like: Calibration) -> FloorMap | None:
        """Fit marks with the picture and lens of a calibration; None when they fix no floor."""
        lens = cls(
            ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
            like.picture_px,
            tuple(like.distortion),
            like.focal_px or float(max(like.picture_px)),
        )
        found = fit([lens.undistort((m[0], m[1])) for m in marks], [(m[2], m[3]) for m in marks])
        if found is None:
            return None
        return cls(found, lens.picture_px, lens.distortion, lens.focal_px)

    def undistort(self, p: Point) -> Point:
        """A point as seen -> as an ideal lens would show it, px."""
        if not self.distortion:
            return p
        cx, cy = self.picture_px[0] / 2, self.picture_px[1] / 2
        x, y = straighten((p[0] - cx) / self.focal_px, (p[1] - cy) / self.focal_px, self.distortion)
        return x * self.focal_px + cx, y * self.focal_px + cy

    def distort(self, p: Point) -> Point | None:
        """A point as an ideal lens would show it -> as seen, px; None beyond what the lens shows."""
        if not self.distortion:
            return p
        cx, cy = self.picture_px[0] / 2, self.picture_px[1] / 2
        ideal_x, ideal_y = (p[0] - cx) / self.focal_px, (p[1] - cy) / self.focal_px
        if ideal_x * ideal_x + ideal_y * ideal_y > widest(self.distortion):
            return None
        x, y = bend(ideal_x, ideal_y, self.distortion)
        return x * self.focal_px + cx, y * self.focal_px + cy

    def to_floor(self, p: Point) -> Point | None:
        """Picture -> floor."""
        x, y, depth = apply(self.to_floor_h, self.undistort(p))
        return (x / depth, y / depth) if depth * self._near_picture > 1e-9 else None

    def to_picture(self, p: Point) -> Point | None:
        """Floor -> picture; None behind the camera and beyond what its lens shows."""
        x, y, depth = apply(self._to_picture_h, p)
        if depth * self._near_floor <= 1e-9:
            return None
        return self.distort((x / depth, y / depth))

    def shows(self, p: Point) -> Point | None:
        """Where a floor point is in the picture; None when it is not in it."""
        seen = self.to_picture(p)
        width, height = self.picture_px
        return seen if seen is not None and 0 <= seen[0] < width and 0 <= seen[1] < height else None

    def person_px(self, p: Point) -> float | None:
        """Height in the picture of a person of 1.7 m whose feet are at a picture point.

        By the floor's scale across, as the tracker measures people: right where the camera looks far, where
        it matters; too large straight below it.
        """
        left, right = self.to_floor((p[0] - 1, p[1])), self.to_floor((p[0] + 1, p[1]))
        if left is None or right is None:
            return None
        across_m = geometry.distance(left, right) / 2
        return PERSON_M / across_m if across_m > 0 else None

    @cached_property
    def _to_picture_h(self) -> Matrix:
        return inverse(self.to_floor_h)

    @cached_property
    def _bottom(self) -> Point:
        return self.picture_px[0] / 2, float(self.picture_px[1])

    @cached_property
    def _near_picture(self) -> float:
        return math.copysign(1.0, apply(self.to_floor_h, self._bottom)[2])

    @cached_property
    def _near_floor(self) -> float:
        x, y, depth = apply(self.to_floor_h, self._bottom)
        return math.copysign(1.0, apply(self._to_picture_h, (x / depth, y / depth))[2])
