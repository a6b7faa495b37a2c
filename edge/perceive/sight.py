"""What one camera's pictures are turned into, live and in a replay: boxes, far ones too, with the clothes' colour and whether only the scenery is there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration
from edge.perceive.clothes import with_clothes
from edge.perceive.far_floor import FarFloor, far_window
from edge.perceive.people import Detector
from edge.perceive.scenery import Scenery


class Sight:
    """One per camera; frames in time order. The plan is `width_m` × `height_m`."""

    def __init__(
        self, detector: Detector, calibration: FloorCalibration, width_m: float, height_m: float
    ) -> None:
        self._detector = detector
        window = far_window(calibration, width_m, height_m)
        self._far = FarFloor(detector, window) if window else None
        self._scenery = Scenery()

    def look(self, image_bgr: NDArray[np.uint8], t_ms: int) -> NDArray[np.float32]:
        """Picture (rows, columns, 3) -> (n, 12): x0, y0, x1, y1 px, score, colours of torso and legs, 1 where nothing is but the scenery."""
        boxes = self._detector.detect(image_bgr)
        if self._far is not None:
            boxes = self._far.add(image_bgr, boxes, t_ms)
        scenery = self._scenery.shows(image_bgr, boxes, t_ms)
        return np.column_stack([with_clothes(image_bgr, boxes), scenery]).astype(np.float32)
