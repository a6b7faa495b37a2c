"""What all detectors share: fitting a picture into the network's input, and thinning its boxes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(n, 5): x0, y0, x1, y1 in px of the picture, score 0..1."""


def letterbox(image: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.uint8], float]:
    """The picture scaled to fit into width × height (top left, unpadded), and the scale."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    if size == (image.shape[1], image.shape[0]):
        return image, scale
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8), scale


def thin(boxes: Boxes, iou: float, size: tuple[int, int]) -> Boxes:
    """Non-maximum suppression, then clipping to the picture of `size` (width, height); best first."""
    if not len(boxes):
        return np.zeros((0, 5), np.float32)
    corners = boxes[:, :4]
    sizes = corners[:, 2:] - corners[:, :2]
    areas = np.prod(np.clip(sizes, 0, None), axis=1)
    order = list(np.argsort(-boxes[:, 4], kind="stable"))
    kept: list[int] = []
    while order:
        best, rest = order[0], np.array(order[1:], dtype=int)
        kept.append(int(best))
        low = np.maximum(corners[best, :2], corners[rest, :2])
        high = np.minimum(corners[best, 2:], corners[rest, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        union = areas[best] + areas[rest] - shared
        order = list(rest[shared <= iou * np.maximum(union, 1e-9)])
    result = boxes[kept].astype(np.float32)
    result[:, [0, 2]] = np.clip(result[:, [0, 2]], 0, size[0])
    result[:, [1, 3]] = np.clip(result[:, [1, 3]], 0, size[1])
    return np.asarray(result[(result[:, 2] > result[:, 0]) & (result[:, 3] > result[:, 1])])


def check_image(image: NDArray[np.uint8]) -> None:
    """Raise ValueError unless the picture is rows × columns × 3 bytes and not empty."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"a picture is rows × columns × 3 bytes, not {image.shape} of {image.dtype}")
