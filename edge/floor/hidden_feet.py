"""Where somebody's feet are when the picture ends above them: from the head, and from how tall people are.

A homography of the floor also tells the camera's focal length and from where it looks, if the pixels are square and the
lens looks through the picture's middle (Hartley & Zisserman, *Multiple View Geometry*, 2nd ed., 8.8). So the plane on which
heads are has a homography of its own, and a head's place on it is the place of the feet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration

Array = NDArray[np.float64]

PERSON_M = 1.7
PERSON_SIGMA_M = 0.12
"""Height of people with shoes, and its standard deviation."""
HEAD_SIGMA = 0.05
"""Standard deviation of a box's upper edge, as a share of what is seen of the person."""
FOCAL = 0.3, 20.0
"""Focal lengths that are believed, in widths of the picture."""
MOST_WIDTHS = 6.0
"""Nobody is taller than so many widths of what is seen of them."""


def feet_below(boxes_px: Array, calibration: FloorCalibration) -> tuple[Array, Array]:
    """Boxes (n, 4: x0, y0, x1, y1 px) that end above the feet -> (n,) y of the feet and (n,) its standard deviation, px.

    NaN where the calibration does not tell: the floor was fitted without perspective, or the head is above all floor.
    """
    unknown = np.full(len(boxes_px), np.nan)
    heads = np.column_stack([(boxes_px[:, 0] + boxes_px[:, 2]) / 2, boxes_px[:, 1]])
    planes = [at_height(calibration, height) for height in (PERSON_M, PERSON_M + PERSON_SIGMA_M)]
    if planes[0] is None or planes[1] is None:
        return unknown, unknown
    seen = boxes_px[:, 3] - boxes_px[:, 1]
    lower = heads + np.column_stack([np.zeros(len(heads)), HEAD_SIGMA * seen])
    feet = _under(heads, planes[0], calibration)
    taller, lowered = _under(heads, planes[1], calibration), _under(lower, planes[0], calibration)
    sigma = np.hypot(taller - feet, lowered - feet)
    most = boxes_px[:, 1] + MOST_WIDTHS * (boxes_px[:, 2] - boxes_px[:, 0])
    return np.where(np.isfinite(sigma), np.minimum(feet, most), np.nan), sigma


def at_height(calibration: FloorCalibration, height_m: float) -> Array | None:
    """3×3: metres on the plane `height_m` above the floor -> px of the ideal lens; None where no focal length follows."""
    wide, high = calibration.picture_px
    centred = np.array([[1, 0, -wide / 2], [0, 1, -high / 2], [0, 0, 1.0]]) @ calibration.to_picture_h
    a, b = centred[:, 0], centred[:, 1]
    equations = np.array([a[:2] @ b[:2], a[:2] @ a[:2] - b[:2] @ b[:2]])
    wanted = -np.array([a[2] * b[2], a[2] ** 2 - b[2] ** 2])
    along = float(equations @ wanted)
    if along <= 0:
        return None
    focal_px = float(np.sqrt((equations @ equations) / along))
    if not FOCAL[0] <= focal_px / wide <= FOCAL[1]:
        return None
    pose = centred / np.array([[focal_px], [focal_px], [1.0]])
    pose = pose / np.sqrt(np.linalg.norm(pose[:, 0]) * np.linalg.norm(pose[:, 1]))
    near = calibration.to_floor(np.array([[wide / 2, high - 1.0]]))[0]
    if pose[2] @ np.array([*near, 1.0]) < 0:
        pose = -pose
    up = np.cross(pose[:, 0], pose[:, 1])
    up = -up if up @ pose[:, 2] > 0 else up
    lifted = np.column_stack([pose[:, :2], pose[:, 2] + height_m * up])
    return np.asarray(np.array([[focal_px, 0, wide / 2], [0, focal_px, high / 2], [0, 0, 1]]) @ lifted)


def _under(heads_px: Array, plane: Array, calibration: FloorCalibration) -> Array:
    """(n, 2) px of heads on that plane -> (n,) y of the feet; NaN where the plane is not seen there."""
    flat = np.column_stack([calibration.undistort(heads_px), np.ones(len(heads_px))])
    places = flat @ np.linalg.inv(plane).T
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = places[:, :2] / places[:, 2:]
        depth = (np.column_stack([metres, np.ones(len(metres))]) @ plane.T)[:, 2]
    feet = calibration.to_picture(np.where(depth[:, None] > 0, metres, np.nan))[:, 1]
    return np.where(feet >= heads_px[:, 1], feet, np.nan)
