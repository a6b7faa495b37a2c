"""What a camera reports for one instant: boxes in the picture and the feet on the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration
from edge.floor.hidden_feet import feet_below

Array = NDArray[np.float64]

COLUMNS = 12
"""Of a camera's table of boxes: x0, y0, x1, y1 px, score, six of colour, and 1 where only the scenery is."""
COLOUR_SCALE = np.array([0.5, 1.0, 1.0, 0.5, 1.0, 1.0]) / 40
"""Light counts half, for shadows; 40 grey levels apart are clearly other clothes."""

FOOT_SIGMA_X = 0.04
FOOT_SIGMA_Y = 0.08
"""Standard deviation of a detected foot point, as a share of the box height."""

BORDER = 0.03
"""A box that ends within this share of the picture's height of its border may be cut off by it."""
SHORT_M = 1.4
"""And is, where the floor's scale says that less than this of a person is seen."""
EDGE = 0.003
"""A box that ends within this share of the picture's width of its left or right border is cut off by it."""
WIDE = 0.36
"""Width of a person's box, as a share of its height."""
FOOT_SIGMA_CUT = 0.1
"""Standard deviation across of a foot point whose box such a border cuts, as a share of the box height."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Boxes of one analysed frame.

    `boxes_px` (n, 4): x0, y0, x1, y1, of the whole person where a border of the picture cuts one off, so beyond
    it; `scores` (n,); `feet_m` (n, 2) on the plan; `cov_m2`
    (n, 2, 2): the foot point's covariance, carried from the picture through the homography;
    `height_m` (n,): how tall the box is by the floor's scale across at its feet, NaN where a border of the
    picture cuts it (the people of PETS09-S2L1's truth come out 1.45 to 2.05 m tall, a traffic cone 0.75 m);
    `colour` (n, 6): torso and legs as `edge.perceive.clothes` measures them, NaN where only boxes are known;
    `beside` (n,): whether the left or right border of the picture cuts the person off;
    `scenery` (n,): whether nothing is there but what always is (`edge.perceive.scenery`), False where only boxes are known.
    """

    t_ms: int
    boxes_px: Array
    scores: Array
    feet_m: Array
    cov_m2: Array
    height_m: Array
    colour: Array
    beside: NDArray[np.bool_]
    scenery: NDArray[np.bool_]


def observe(t_ms: int, detections: NDArray[np.float32], calibration: FloorCalibration) -> Observation:
    """Place detections (n, 5: x0, y0, x1, y1, score; or (n, 12) with the clothes' colour and whether it is scenery) on the floor.

    Those without a floor point go.

    Who is cut off by a border of the picture is completed beyond it: below by where a person with that head
    would stand, or if the head is cut off too by the width, and beside by how wide people of that height are.
    """
    found = np.asarray(detections, dtype=np.float64)
    if not found.size:
        return _nothing(t_ms)
    found = found.reshape(-1, found.shape[-1])
    colour = found[:, 5:11] if found.shape[1] > 5 else np.full((len(found), 6), np.nan)
    scenery = found[:, 11] > 0 if found.shape[1] > 11 else np.zeros(len(found), dtype=np.bool_)
    boxes, scores = found[:, :4].copy(), found[:, 4]
    height_m = _height_m(boxes, calibration)
    sigma_y = _complete_below(boxes, height_m, calibration)
    beside = _complete_beside(boxes, calibration.picture_px[0])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    feet_px = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
    feet = calibration.to_floor(feet_px)
    jacobian = calibration.metres_per_px(feet_px)
    sigma = np.zeros((len(boxes), 2, 2))
    sigma[:, 0, 0] = (np.where(beside, FOOT_SIGMA_CUT, FOOT_SIGMA_X) * height) ** 2
    sigma[:, 1, 1] = np.where(np.isnan(sigma_y), FOOT_SIGMA_Y * height, sigma_y) ** 2
    cov = jacobian @ sigma @ jacobian.transpose(0, 2, 1) + np.eye(2) * 0.02**2
    border = BORDER * calibration.picture_px[1]
    whole = (found[:, 1] > border) & (found[:, 3] < calibration.picture_px[1] - border)
    height_m = np.where(whole, height_m, np.nan)
    good = np.isfinite(feet).all(axis=1) & np.isfinite(cov).all(axis=(1, 2)) & (width > 0) & (height > 0)
    return Observation(
        t_ms, boxes[good], scores[good], feet[good], cov[good], height_m[good], colour[good], beside[good],
        scenery[good],
    )  # fmt: skip


def _nothing(t_ms: int) -> Observation:
    """A frame without anybody, as most are."""
    none, flags = np.zeros(0), np.zeros(0, dtype=np.bool_)
    return Observation(
        t_ms,
        np.zeros((0, 4)),
        none,
        np.zeros((0, 2)),
        np.zeros((0, 2, 2)),
        none,
        np.zeros((0, 6)),
        flags,
        flags,
    )


def _height_m(boxes: Array, calibration: FloorCalibration) -> Array:
    """(n, 4) -> (n,) m by the floor's scale across at the lower edge."""
    ends = np.column_stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]])
    jacobian = calibration.metres_per_px(ends)
    return np.asarray(np.hypot(jacobian[:, 0, 0], jacobian[:, 1, 0]) * (boxes[:, 3] - boxes[:, 1]))


def _complete_below(boxes: Array, height_m: Array, calibration: FloorCalibration) -> Array:
    """Move down the lower edges that the picture's border makes; (n,) px their standard deviations, NaN for the others."""
    high = calibration.picture_px[1]
    sigma = np.full(len(boxes), np.nan)
    cut = (boxes[:, 3] >= high - 2) | ((boxes[:, 3] >= high * (1 - BORDER)) & (height_m < SHORT_M))
    if cut.any():
        some = boxes[cut]
        width, height = some[:, 2] - some[:, 0], some[:, 3] - some[:, 1]
        feet, known = feet_below(some, calibration)
        unknown = np.isnan(feet) | (some[:, 1] <= 2)
        feet = np.where(unknown, some[:, 1] + 2.4 * width, feet)
        sigma[cut] = np.where(unknown, 0.2 * height, known)
        boxes[cut, 3] = np.maximum(some[:, 3], feet)
    return sigma


def _complete_beside(boxes: Array, wide: int) -> NDArray[np.bool_]:
    """Move out the edges that the picture's left and right border make; (n,) whether there is one."""
    edge = max(1.5, EDGE * wide)
    full = WIDE * (boxes[:, 3] - boxes[:, 1])
    left, right = np.abs(boxes[:, 0]) <= edge, np.abs(boxes[:, 2] - wide) <= edge
    boxes[:, 0] = np.where(left & ~right, np.minimum(boxes[:, 0], boxes[:, 2] - full), boxes[:, 0])
    boxes[:, 2] = np.where(right & ~left, np.maximum(boxes[:, 2], boxes[:, 0] + full), boxes[:, 2])
    return np.asarray(left | right)
