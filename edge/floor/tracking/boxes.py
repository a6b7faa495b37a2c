"""A person's box through time, smoothed: a detector's boxes tremble more than people do.

Centre and foot line follow a local line (kernel of `PLACE_S`), width and height, which change only with
the distance, a slower local mean (`SIZE_S`); both weigh by score.
A box of the right person that trembles out of overlap counts as a miss and a false alarm at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PLACE_S = 0.3
SIZE_S = 0.8
_FLOOR = 1e-6


def smooth_boxes(t_s: Array, boxes_px: Array, scores: Array, at_s: Array) -> Array:
    """Sightings of one track at `t_s` (n,): boxes (n, 4: x0, y0, x1, y1), scores (n,) -> (m, 4) at `at_s`."""
    middle_foot = np.column_stack([(boxes_px[:, 0] + boxes_px[:, 2]) / 2, boxes_px[:, 3]])
    apart = t_s[None, :] - at_s[:, None]
    near, slow = _kernel(apart, scores, PLACE_S), _kernel(apart, scores, SIZE_S)
    s1, s2 = (near * apart).sum(1, keepdims=True), (near * apart**2).sum(1, keepdims=True)
    spread = s2 - s1 * s1
    line = np.where(spread > _FLOOR, (s2 - s1 * apart) / np.maximum(spread, _FLOOR), 1.0) * near
    place = line @ middle_foot
    extent = slow @ (boxes_px[:, 2:] - boxes_px[:, :2])
    half = extent[:, 0] / 2
    return np.column_stack([place[:, 0] - half, place[:, 1] - extent[:, 1], place[:, 0] + half, place[:, 1]])


def _kernel(apart_s: Array, scores: Array, width_s: float) -> Array:
    """(m, n) weights that sum to 1 for each wanted time, however far its nearest sighting lies."""
    exponent = -0.5 * (apart_s / width_s) ** 2
    weights = np.maximum(scores, 0.05) * np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
