"""The far end of a floor, where people have few pixels, looked at a second time, enlarged.

`far_window` is a quarter of the picture: where the calibration puts most square metres of floor on which people
are small. A plan whose far floor is wider than that has none: a plaza of small people gains little.
`FarFloor` runs the detector there when something changed in it, and once a second; between, what it found holds.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration
from edge.perceive.detectors.boxes import thin
from edge.perceive.people import Detector

PERSON_M = 1.7
SMALL_PX = 80.0
"""Height in a network input 416 px wide below which people count as far."""
LEAST_PX = 14.0
"""Height in the picture below which nobody is found, enlarged or not."""
NETWORK_PX = 416
MOST = 0.75
"""Share of the far floor that the window has to hold."""
REFRESH_MS = 1_000
EDGE_PX = 3
NMS_IOU = 0.6
_CHANGE = 10
_CHANGED_PX = 6
_STEP_M = 0.25

Window = tuple[int, int, int, int]
"""x0, y0, x1, y1 px of the picture."""


def far_window(calibration: FloorCalibration, width_m: float, height_m: float) -> Window | None:
    """The part of the picture that shows the far people of a plan of `width_m` × `height_m`, if it is small."""
    columns, rows = np.arange(0, width_m + _STEP_M, _STEP_M), np.arange(0, height_m + _STEP_M, _STEP_M)
    floor = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    feet = calibration.to_picture(floor)
    wide, high = calibration.picture_px
    with np.errstate(invalid="ignore"):
        seen = (feet[:, 0] >= 0) & (feet[:, 0] < wide) & (feet[:, 1] >= 0) & (feet[:, 1] < high)
    feet = feet[seen]
    if not len(feet):
        return None
    jacobian = calibration.metres_per_px(feet)
    tall_px = PERSON_M / np.maximum(np.hypot(jacobian[:, 0, 0], jacobian[:, 1, 0]), 1e-9)
    with np.errstate(invalid="ignore"):
        far = (tall_px * NETWORK_PX / max(wide, high) < SMALL_PX) & (tall_px >= LEAST_PX)
    if not far.any():
        return None
    feet, tall = feet[far], tall_px[far]
    size = wide // 2, high // 2
    best: tuple[int, Window] | None = None
    for y0 in range(0, high - size[1] + 1, max(1, high // 24)):
        for x0 in range(0, wide - size[0] + 1, max(1, wide // 24)):
            x1, y1 = x0 + size[0], y0 + size[1]
            inside = (feet[:, 0] >= x0) & (feet[:, 0] < x1) & (feet[:, 1] < y1 - EDGE_PX)
            inside &= feet[:, 1] - 0.8 * tall >= y0
            count = int(inside.sum())
            if best is None or count > best[0]:
                best = count, (x0, y0, x1, y1)
    return best[1] if best is not None and best[0] >= MOST * len(feet) else None


class FarFloor:
    """One per camera; frames in time order."""

    def __init__(self, detector: Detector, window: Window) -> None:
        self._detector = detector
        self._window = window
        self._seen: NDArray[np.uint8] | None = None
        self._seen_ms = 0
        self._found = np.zeros((0, 5), np.float32)

    def add(self, image: NDArray[np.uint8], boxes: NDArray[np.float32], t_ms: int) -> NDArray[np.float32]:
        """Picture (rows, columns, 3) BGR and its boxes (n, 5) -> those and the far ones, each person once."""
        x0, y0, x1, y1 = self._window
        part = np.ascontiguousarray(image[y0:y1, x0:x1])
        if self._changed(part, t_ms):
            found = self._detector.detect(part) + np.array([x0, y0, x0, y0, 0], np.float32)
            size = image.shape[1], image.shape[0]
            cut = (found[:, 3] > y1 - EDGE_PX) & (y1 < size[1])
            cut |= (found[:, 0] < x0 + EDGE_PX) & (x0 > 0)
            cut |= (found[:, 2] > x1 - EDGE_PX) & (x1 < size[0])
            self._found = found[~cut]
        return thin(np.concatenate([boxes, self._found]), NMS_IOU, (image.shape[1], image.shape[0]))

    def _changed(self, part: NDArray[np.uint8], t_ms: int) -> bool:
        grey = np.asarray(cv2.blur(cv2.cvtColor(part, cv2.COLOR_BGR2GRAY), (3, 3)), np.uint8)
        if self._seen is not None and 0 <= t_ms - self._seen_ms < REFRESH_MS:
            difference = cv2.absdiff(grey, self._seen)
            if int(np.count_nonzero(difference > _CHANGE)) < _CHANGED_PX:
                return False
        self._seen, self._seen_ms = grey, t_ms
        return True
