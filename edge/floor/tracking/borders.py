"""How far from where people come and go a place is: the border of the picture, and of the plan, where walls and doors are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration

Array = NDArray[np.float64]

FARTHEST_M, STEP_M = 20.0, 0.5
"""So far, and in such steps, the way to a border is looked along."""


@dataclass(frozen=True, slots=True)
class Borders:
    """Of what one camera sees of a floor of `floor_m` (width, height), or of an endless one."""

    calibration: FloorCalibration
    floor_m: tuple[float, float] | None = None

    def inside_m(self, feet_m: Array) -> Array:
        """(n, 2) m on the plan -> (n,) m to the nearest border; about, for the picture's, and 0 beyond one."""
        wide, high = self.calibration.picture_px
        feet_px = self.calibration.to_picture(feet_m)
        scale = np.linalg.norm(self.calibration.metres_per_px(feet_px), axis=1)
        across = np.minimum(feet_px[:, 0], wide - feet_px[:, 0]) * scale[:, 0]
        down = np.minimum(feet_px[:, 1], high - feet_px[:, 1]) * scale[:, 1]
        inside = np.minimum(across, down)
        if self.floor_m is not None:
            inside = np.minimum(inside, np.minimum(feet_m, np.array(self.floor_m) - feet_m).min(axis=1))
        return np.asarray(np.maximum(np.nan_to_num(inside, nan=0.0), 0.0))

    def ahead_m(self, foot_m: Array, way: Array) -> Array:
        """(…,) m that somebody at (…, 2) walks the way (…, 2), of length 1, before a border is met; at most `FARTHEST_M`."""
        steps = np.arange(STEP_M, FARTHEST_M + STEP_M, STEP_M)
        points = foot_m[..., None, :] + steps[:, None] * way[..., None, :]
        feet_px = self.calibration.to_picture(points).reshape(points.shape)
        out = ~((feet_px >= 0) & (feet_px <= np.array(self.calibration.picture_px))).all(axis=-1)
        if self.floor_m is not None:
            out |= ((points < 0) | (points > np.array(self.floor_m))).any(axis=-1)
        return np.where(out.any(axis=-1), steps[np.argmax(out, axis=-1)] - STEP_M / 2, FARTHEST_M)
