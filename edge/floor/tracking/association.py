"""Which box belongs to which track: overlap in the picture and distance on the floor, together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array = NDArray[np.float64]

IMPOSSIBLE = 1e6


def buffered_iou(a_px: Array, b_px: Array, buffer: float) -> Array:
    """(n, 4) and (m, 4) boxes, each grown by `buffer` of its size on every side -> (n, m) IoU.

    Buffered IoU: Yang et al., *Hard to track objects with irregular motions…* (C-BIoU), 2023.
    """
    a, b = _grow(a_px, buffer), _grow(b_px, buffer)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a = np.prod(a[:, 2:] - a[:, :2], axis=1)
    area_b = np.prod(b[:, 2:] - b[:, :2], axis=1)
    return np.asarray(shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, 1e-9))


def covered(box_px: Array, others_px: list[Array], limit: float) -> bool:
    """Whether a box (4,) overlaps one of the others by more than `limit`."""
    return bool(others_px) and bool(buffered_iou(box_px[None], np.array(others_px), 0.0).max() > limit)


def mahalanobis(places_m: Array, covs_m2: Array, feet_m: Array, feet_cov_m2: Array) -> Array:
    """(n, 2)±(n, 2, 2) against (m, 2)±(m, 2, 2) -> (n, m) distance in standard deviations."""
    apart = feet_m[None, :, :] - places_m[:, None, :]
    spread = covs_m2[:, None] + feet_cov_m2[None, :]
    inverse = np.linalg.inv(spread)
    return np.asarray(np.sqrt(np.maximum(np.einsum("nmi,nmij,nmj->nm", apart, inverse, apart), 0.0)))


def assign(cost: Array, limit: float) -> list[tuple[int, int]]:
    """Cheapest one-to-one pairs (row, column) whose cost stays below `limit`.

    To stay alone costs `limit`: a pair that fits is never broken up so that two may fit badly, which would
    hand a whole file of walkers on by one when its first is missed.
    """
    if cost.size == 0:
        return []
    bounded = np.minimum(cost, limit)
    rows, columns = linear_sum_assignment(bounded)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if bounded[r, c] < limit]


def _grow(boxes: Array, buffer: float) -> Array:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] - buffer * size, boxes[:, 2:] + buffer * size], axis=1)
