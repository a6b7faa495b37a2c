"""What a camera reports for one instant: boxes in the picture and the feet on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration

Array = NDArray[np.float64]

FOOT_SIGMA_X = 0.04
FOOT_SIGMA_Y = 0.08
"""Standard deviation of a detected foot point, as a share of the box height."""

BORDER = 0.03
"""A box that ends within this share of the picture's height of its border may be cut off by it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Boxes of one analysed frame.

    `boxes_px` (n, 4): x0, y0, x1, y1; `scores` (n,); `feet_m` (n, 2) on the plan; `cov_m2`
    (n, 2, 2): the foot point's covariance, carried from the picture through the homography;
    `height_m` (n,): how tall the box is by the floor's scale across at its feet, NaN where a border of the
    picture cuts it (the people of PETS09-S2L1's truth come out 1.45 to 2.05 m tall, a traffic cone 0.75 m);
    `colour` (n, 6): torso and legs as `edge.perceive.clothes` measures them, NaN where only boxes are known.
    """

    t_ms: int
    boxes_px: Array
    scores: Array
    feet_m: Array
    cov_m2: Array
    height_m: Array
    colour: Array


def observe(t_ms: int, detections: NDArray[np.float32], calibration: FloorCalibration) -> Observation:
    """Place detections (n, 5: x0, y0, x1, y1, score; or (n, 11) with the clothes' colour) on the floor.

    Those without a floor point go.

    A box that ends at the picture's lower border shows no feet: its foot point is moved down to
    where a person of that width would end, with a larger uncertainty.
    """
    found = np.asarray(detections, dtype=np.float64)
    found = found.reshape(-1, found.shape[-1] if found.size else 5)
    colour = found[:, 5:] if found.shape[1] > 5 else np.full((len(found), 6), np.nan)
    boxes, scores = found[:, :4].copy(), found[:, 4]
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    cut = boxes[:, 3] >= calibration.picture_px[1] - 2
    foot_y = np.where(cut, np.maximum(boxes[:, 3], boxes[:, 1] + 2.4 * width), boxes[:, 3])
    feet_px = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, foot_y])
    feet = calibration.to_floor(feet_px)
    jacobian = calibration.metres_per_px(feet_px)
    sigma = np.zeros((len(boxes), 2, 2))
    sigma[:, 0, 0] = (FOOT_SIGMA_X * height) ** 2
    sigma[:, 1, 1] = (np.where(cut, 0.2, FOOT_SIGMA_Y) * height) ** 2
    cov = jacobian @ sigma @ jacobian.transpose(0, 2, 1) + np.eye(2) * 0.02**2
    across = np.hypot(jacobian[:, 0, 0], jacobian[:, 1, 0])
    border = BORDER * calibration.picture_px[1]
    whole = (boxes[:, 1] > border) & (boxes[:, 3] < calibration.picture_px[1] - border)
    height_m = np.where(whole, across * height, np.nan)
    good = np.isfinite(feet).all(axis=1) & np.isfinite(cov).all(axis=(1, 2)) & (width > 0) & (height > 0)
    return Observation(t_ms, boxes[good], scores[good], feet[good], cov[good], height_m[good], colour[good])
