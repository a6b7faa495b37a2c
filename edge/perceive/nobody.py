"""Whether anybody can be found in a picture: the detector on the whole of it and on overlapping parts.

A detector sees a person best at one size. In parts of a picture, shown to it at its own input size, whoever
is small in the whole is large enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
Image = NDArray[np.uint8]

_OVERLAP = 0.35
"""Share of a part that its neighbour shows as well, so that nobody is cut by every border."""

_FILLS = 0.85
"""A find that fills a part as much as this is the part itself; a person so large is found in a larger part."""


class Detector(Protocol):
    """Finds people: see `edge.perceive.people.Detector`."""

    def detect(self, image_bgr: Image) -> Boxes:
        """(rows, columns, 3) BGR -> (n, 5): x0, y0, x1, y1 px, score."""
        ...


class Remembering:
    """A detector that looks at no picture twice."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._known: dict[tuple[tuple[int, ...], bytes], Boxes] = {}

    def detect(self, image_bgr: Image) -> Boxes:
        """As the detector does; what it said before of the very same pixels is said again."""
        key = image_bgr.shape, hashlib.blake2b(np.ascontiguousarray(image_bgr).data).digest()
        if key not in self._known:
            self._known[key] = self._detector.detect(image_bgr)
        return self._known[key]


def people_anywhere(detector: Detector, image: Image, grids: Sequence[int] = (1, 2, 3)) -> Boxes:
    """Everybody found in `image` (rows × columns × 3, BGR), cut into n × n overlapping parts for each n.

    (m, 5): x0, y0, x1, y1 px of the whole picture and score; one person may be there several times.
    """
    height, width = image.shape[:2]
    found = [np.zeros((0, 5), np.float32)]
    for parts in grids:
        for top, bottom in _spans(height, parts):
            for left, right in _spans(width, parts):
                boxes = detector.detect(np.ascontiguousarray(image[top:bottom, left:right]))
                if parts > 1:
                    filled = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
                    boxes = boxes[filled < _FILLS * (bottom - top) * (right - left)]
                found.append(boxes + np.array([left, top, left, top, 0], np.float32))
    return np.concatenate(found).astype(np.float32)


def grown(boxes: Boxes, size: tuple[int, int], share: float) -> NDArray[np.bool_]:
    """Mask (rows × columns) of the boxes in a picture of `size` (width, height), each grown on all sides."""
    width, height = size
    mask = np.zeros((height, width), np.bool_)
    for x0, y0, x1, y1 in boxes[:, :4]:
        more_x, more_y = (x1 - x0) * share, (y1 - y0) * share
        left, right = max(0, int(x0 - more_x)), min(width, int(np.ceil(x1 + more_x)))
        top, bottom = max(0, int(y0 - more_y)), min(height, int(np.ceil(y1 + more_y)))
        mask[top:bottom, left:right] = True
    return mask


def _spans(length: int, parts: int) -> list[tuple[int, int]]:
    if parts == 1:
        return [(0, length)]
    span = min(length, int(np.ceil(length / (parts - (parts - 1) * _OVERLAP))))
    return [(start, start + span) for start in np.linspace(0, length - span, parts).astype(int)]
