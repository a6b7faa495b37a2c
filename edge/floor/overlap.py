"""Whether so many people overlap in a camera's picture that not all who stand behind them are seen.

A detector gives one box of two people where one covers the other, and how many are covered nobody can tell from the
picture. What can be told is how many just do not cover each other: in a simulated hall of 12 by 9 m, seen from a
corner, a dozen overlap when it holds some 45 people, of whom about a fifth is not counted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OVERLAP = 0.2
"""Intersection over union of boxes of whom one half hides the other."""
CROWD, NO_CROWD = 12.0, 9.0
"""So many who overlap, on an average of `SPAN_S`, are a crowd; fewer than the latter are none any more."""
SPAN_S = 5.0
LONGEST_S = 1.0
"""No frame stands for longer: after a gap one alone says nothing of an average."""


class Overlap:
    """Of one camera; fed the boxes of each analysed frame, in time order."""

    def __init__(self) -> None:
        self.crowded = False
        self._many = 0.0
        self._t_ms: int | None = None

    def take(self, t_ms: int, boxes_px: Array) -> None:
        """(n, 4) boxes of people: x0, y0, x1, y1."""
        passed_s = 0.0 if self._t_ms is None else min((t_ms - self._t_ms) / 1000, LONGEST_S)
        self._t_ms = t_ms
        self._many += (1 - math.exp(-max(0.0, passed_s) / SPAN_S)) * (overlapping(boxes_px) - self._many)
        self.crowded = self._many >= (NO_CROWD if self.crowded else CROWD)


def overlapping(boxes_px: Array) -> int:
    """How many of (n, 4) boxes overlap another one."""
    if len(boxes_px) < CROWD:
        return 0
    low = np.maximum(boxes_px[:, None, :2], boxes_px[None, :, :2])
    high = np.minimum(boxes_px[:, None, 2:], boxes_px[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = np.prod(boxes_px[:, 2:] - boxes_px[:, :2], axis=1)
    np.fill_diagonal(shared, 0.0)
    return int((shared > OVERLAP * (areas[:, None] + areas[None] - shared)).any(axis=1).sum())
