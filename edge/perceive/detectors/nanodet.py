"""NanoDet: one score map and one distribution of distances per stride (Generalized Focal Loss v2).

Input (1, 3, H, W): BGR, normalised, padded with 0; at most 416 long, H and W multiples of 32 (or both 416 in a
model that is not slimmed). Outputs per stride 8, 16, 32: scores (n, 1 or 80), class 0 is a person; boxes
(n, 44), 4 sides × 11 bins whose expectation, in strides, is the distance from the cell's centre.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.detectors.boxes import Boxes, check_image, letterbox, thin

SIZE = 416
STRIDES = (8, 16, 32)
BINS = 11
NMS_IOU = 0.6
_STD = np.array([57.375, 57.12, 58.395], np.float32)
_SCALE = 1 / _STD
_SHIFT = (np.array([103.53, 116.28, 123.675], np.float32) / _STD).astype(np.float32)


class NanoDet:
    """Runs in onnxruntime; deterministic."""

    def __init__(self, name: str, session: Any, score_floor: float) -> None:
        self.name = name
        self._session = session
        self._floor = score_floor
        entry = session.get_inputs()[0]
        self._input = entry.name
        self._square = isinstance(entry.shape[2], int)
        self._blob = np.zeros((1, 3, SIZE, SIZE), np.float32)

    def detect(self, image_bgr: NDArray[np.uint8]) -> Boxes:
        """People in a picture (rows, columns, 3) BGR: (n, 5) x0, y0, x1, y1 px and score, best first."""
        check_image(image_bgr)
        fitted, scale = letterbox(image_bgr, SIZE, SIZE)
        canvas = self._canvas(*fitted.shape[:2])
        height, width = fitted.shape[:2]
        for channel, plane in enumerate(cv2.split(fitted)):
            inner = canvas[0, channel, :height, :width]
            np.multiply(plane, _SCALE[channel], out=inner)
            inner -= _SHIFT[channel]
        maps = sorted(self._session.run(None, {self._input: canvas}), key=lambda found: -found.shape[1])
        sides = [found[0] for found in maps if found.shape[2] == 4 * BINS]
        scores = [found[0] for found in maps if found.shape[2] != 4 * BINS]
        found = [
            self._decode(scores[i], sides[i], stride, canvas.shape[3]) for i, stride in enumerate(STRIDES)
        ]
        boxes = np.concatenate(found)
        boxes[:, :4] /= scale
        return thin(boxes, NMS_IOU, (image_bgr.shape[1], image_bgr.shape[0]))

    def _canvas(self, height: int, width: int) -> NDArray[np.float32]:
        """The smallest input that holds the picture; only its padding needs to be 0."""
        if not self._square:
            height, width = (-(-side // STRIDES[-1]) * STRIDES[-1] for side in (height, width))
            if self._blob.shape[2:] != (height, width):
                self._blob = np.zeros((1, 3, height, width), np.float32)
        self._blob.fill(0)
        return self._blob

    def _decode(
        self, scores: NDArray[np.float32], sides: NDArray[np.float32], stride: int, width: int
    ) -> Boxes:
        person = scores[:, 0]
        chosen = np.flatnonzero(person >= self._floor)
        logits = sides[chosen].reshape(-1, 4, BINS)
        weights = np.exp(logits - logits.max(axis=2, keepdims=True))
        weights /= weights.sum(axis=2, keepdims=True)
        reach = weights @ np.arange(BINS, dtype=np.float32) * stride
        centres = _centres(chosen, stride, width)
        return np.column_stack([centres - reach[:, :2], centres + reach[:, 2:], person[chosen]]).astype(
            np.float32
        )


def is_known(inputs: list[tuple[Any, ...]], outputs: list[tuple[Any, ...]]) -> bool:
    """Whether the shapes of a model's inputs and outputs are those of a NanoDet at `SIZE`."""
    if len(inputs) != 1 or len(inputs[0]) != 4 or inputs[0][:2] != (1, 3):
        return False
    if inputs[0][2:] != (SIZE, SIZE) and any(isinstance(side, int) for side in inputs[0][2:]):
        return False
    widths = sorted(shape[2] for shape in outputs if len(shape) == 3 and isinstance(shape[2], int))
    return widths in ([1] * 3 + [4 * BINS] * 3, [4 * BINS] * 3 + [80] * 3)


def _centres(cells: NDArray[np.intp], stride: int, width: int) -> NDArray[np.float32]:
    across = width // stride
    return (np.stack([cells % across, cells // across], axis=1).astype(np.float32) + 0.5) * stride
