"""Which cells of the floor a camera can see people on, from its calibration alone; walls are not known here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from branchloop.site.site import Calibration, Plan
from edge.floor.calibration import FloorCalibration, calibrate

Mask = NDArray[np.bool_]

PERSON_M = 1.7
SMALLEST_PX = 20.0
"""A standing person shorter than this in the picture is missed by every detector that was measured."""


class Sight:
    """Cells (rows × cols of the plan) on which a standing person would be seen."""

    def __init__(self, plan: Plan, cells: Mask) -> None:
        self._plan = plan
        self.cells = cells

    def holds(self, places_m: NDArray[np.float64]) -> Mask:
        """(n, 2) m -> (n,): whether these places are seen; NaN and places off the plan are not."""
        places = np.asarray(places_m, dtype=np.float64).reshape(-1, 2)
        known: Mask = np.asarray(np.isfinite(places).all(axis=1))
        cells = np.floor(np.where(np.isfinite(places), places, -1.0) / self._plan.cell_m).astype(int)
        col, row = cells[:, 0], cells[:, 1]
        inside = known & (row >= 0) & (col >= 0) & (row < self._plan.rows) & (col < self._plan.cols)
        found = np.zeros(len(places), dtype=np.bool_)
        found[inside] = self.cells[row[inside], col[inside]]
        return found

    def shared(self, other: Sight, margin_m: float) -> Sight:
        """What both see, without a border of `margin_m`, where a foot point may lie on either side."""
        both: Mask = np.logical_and(self.cells, other.cells)
        steps = round(margin_m / self._plan.cell_m)
        if steps:
            both = np.asarray(binary_erosion(both, iterations=steps, border_value=1), dtype=np.bool_)
        return Sight(self._plan, both)


def cell_centres(plan: Plan) -> NDArray[np.float64]:
    """(rows · cols, 2): the middle of every cell in metres, row by row."""
    x = (np.arange(plan.cols) + 0.5) * plan.cell_m
    y = (np.arange(plan.rows) + 0.5) * plan.cell_m
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def sight(calibration: FloorCalibration, plan: Plan) -> Sight:
    """Where on `plan` a standing person's feet are in the picture and the person is tall enough in it."""
    feet = calibration.to_picture(cell_centres(plan))
    width, height = calibration.picture_px
    inside = np.isfinite(feet).all(axis=1)
    inside &= (feet[:, 0] >= 0) & (feet[:, 0] < width) & (feet[:, 1] >= 0) & (feet[:, 1] < height)
    seen = np.zeros(len(feet), dtype=np.bool_)
    if inside.any():
        scale = calibration.metres_per_px(feet[inside])
        across = np.hypot(scale[:, 0, 0], scale[:, 1, 0])
        seen[inside] = np.isfinite(across) & (across * SMALLEST_PX <= PERSON_M)
    return Sight(plan, seen.reshape(plan.rows, plan.cols))


def sight_of(marks: Calibration, plan: Plan) -> Sight:
    """The sight of a camera by its marks. Raises ConfigError where they fix no floor."""
    return sight(calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px), plan)
