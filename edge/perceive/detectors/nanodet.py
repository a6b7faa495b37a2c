"""NanoDet: one score map and one distribution of distances per stride (Generalized Focal Loss v2).

Input (1, 3, 416, 416): BGR, normalised, padded with 0. Outputs per stride 8, 16, 32: scores (n, 80),
class 0 is a person; boxes (n, 44), 4 sides × 11 bins whose expectation, in strides, is the distance
from the cell's centre.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.perceive.detectors.boxes import Boxes, check_image, letterbox, thin

SIZE = 416
STRIDES = (8, 16, 32)
BINS = 11
NMS_IOU = 0.6
_SCALE = (1 / np.array([57.375, 57.12, 58.395], np.float32))[:, None, None]
_SHIFT = (np.array([103.53, 116.28, 123.675], np.float32) / [57.375, 57.12, 58.395]).astype(np.float32)[
    :, None, None
]
SHAPES = sorted([((SIZE // s) ** 2, 80) for s in STRIDES] + [((SIZE // s) ** 2, 4 * BINS) for s in STRIDES])


class NanoDet:
    """Runs in onnxruntime; deterministic."""

    def __init__(self, name: str, session: Any, score_floor: float) -> None:
        self.name = name
        self._session = session
        self._floor = score_floor
        self._input = session.get_inputs()[0].name
        self._outputs = _by_shape(session.get_outputs())
        self._blob = np.zeros((1, 3, SIZE, SIZE), np.float32)
        self._centres = {stride: _centres(stride) for stride in STRIDES}

    def detect(self, image_bgr: NDArray[np.uint8]) -> Boxes:
        """People in a picture (rows, columns, 3) BGR: (n, 5) x0, y0, x1, y1 px and score, best first."""
        check_image(image_bgr)
        fitted, scale = letterbox(image_bgr, SIZE, SIZE)
        height, width = fitted.shape[:2]
        self._blob.fill(0)
        inner = self._blob[0, :, :height, :width]
        np.multiply(fitted.transpose(2, 0, 1), _SCALE, out=inner)
        inner -= _SHIFT
        maps = self._session.run(self._outputs, {self._input: self._blob})
        found = [self._decode(maps[i][0], maps[i + 3][0], stride) for i, stride in enumerate(STRIDES)]
        boxes = np.concatenate(found)
        boxes[:, :4] /= scale
        return thin(boxes, NMS_IOU, (image_bgr.shape[1], image_bgr.shape[0]))

    def _decode(self, scores: NDArray[np.float32], sides: NDArray[np.float32], stride: int) -> Boxes:
        person = scores[:, 0]
        chosen = np.flatnonzero(person >= self._floor)
        logits = sides[chosen].reshape(-1, 4, BINS)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        reach = weights @ np.arange(BINS, dtype=np.float32) * stride
        centres = self._centres[stride][chosen]
        return np.column_stack([centres - reach[:, :2], centres + reach[:, 2:], person[chosen]]).astype(
            np.float32
        )


def _centres(stride: int) -> NDArray[np.float32]:
    across = SIZE // stride
    cells = np.arange(across * across)
    return (np.stack([cells % across, cells // across], axis=1).astype(np.float32) + 0.5) * stride


def _by_shape(outputs: Any) -> list[str]:
    """Output names: three score maps, then three box maps, by growing stride."""
    named = {tuple(output.shape[1:]): output.name for output in outputs}
    return [named[(SIZE // s) ** 2, width] for width in (80, 4 * BINS) for s in STRIDES]
