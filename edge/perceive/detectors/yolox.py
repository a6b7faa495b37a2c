"""YOLOX as exported undecoded: (1, 3, H, W) BGR 0–255 padded with 114 -> (1, n, 85) by stride 8, 16, 32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.perceive.detectors.boxes import Boxes, check_image, letterbox, thin

STRIDES = (8, 16, 32)
NMS_IOU = 0.6


class Yolox:
    """Runs in onnxruntime; deterministic."""

    def __init__(self, name: str, session: Any, score_floor: float) -> None:
        self.name = name
        self._session = session
        self._floor = score_floor
        entry = session.get_inputs()[0]
        self._input = entry.name
        self._height, self._width = int(entry.shape[2]), int(entry.shape[3])
        self._corners, self._strides = _grid(self._width, self._height)

    def detect(self, image_bgr: NDArray[np.uint8]) -> Boxes:
        """People in a picture (rows, columns, 3) BGR: (n, 5) x0, y0, x1, y1 px and score, best first."""
        check_image(image_bgr)
        fitted, scale = letterbox(image_bgr, self._width, self._height)
        blob = np.full((1, 3, self._height, self._width), 114.0, np.float32)
        blob[0, :, : fitted.shape[0], : fitted.shape[1]] = fitted.transpose(2, 0, 1)
        raw = self._session.run(None, {self._input: blob})[0][0]
        scores = raw[:, 4] * raw[:, 5]
        chosen = np.flatnonzero(scores >= self._floor)
        stride = self._strides[chosen, None]
        centres = (raw[chosen, :2] + self._corners[chosen]) * stride
        halves = np.exp(raw[chosen, 2:4]) * stride / 2
        boxes = np.column_stack([(centres - halves) / scale, (centres + halves) / scale, scores[chosen]])
        return thin(boxes.astype(np.float32), NMS_IOU, (image_bgr.shape[1], image_bgr.shape[0]))


def cells(width: int, height: int) -> int:
    """How many candidates an input of this size yields."""
    return sum((width // s) * (height // s) for s in STRIDES)


def _grid(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    corners, strides = [], []
    for stride in STRIDES:
        across, down = width // stride, height // stride
        cell = np.arange(across * down)
        corners.append(np.stack([cell % across, cell // across], axis=1))
        strides.append(np.full(across * down, stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(strides).astype(np.float32)
