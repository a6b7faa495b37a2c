"""A head has depth: seen from another side its points do not move as a plane does. Pure.

Between two views of a plane there is a homography; what it leaves over is the parallax of nose against
cheeks. A photo turned, bent a little or shifted before the camera leaves next to nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RIGID = (
    1, 4, 5, 6, 168, 195, 197, 10, 151, 9, 8, 108, 337, 69, 299, 50, 280, 101, 330, 116, 345, 123, 352, 127, 356,
    234, 454, 93, 323, 54, 284, 2, 98, 327, 48, 278,
)  # fmt: skip
"""Landmarks that neither mouth nor lids move: nose, forehead, cheeks, temples."""
EYES = (33, 263)
TURNED_DEG = 12.0
DEPTH = 0.038
"""Parallax of a turned head, as a share of the distance of the eyes' outer corners; see docs/faces.md."""


def parallax(rest_px: Array, turned_px: Array) -> float:
    """What a homography between two sets of landmarks (478, 2 or 3) leaves over: RMS over the eyes' distance."""
    a, b = rest_px[list(RIGID), :2], turned_px[list(RIGID), :2]
    moved = _through(_homography(a, b), a)
    scale = float(np.hypot(*(rest_px[EYES[0], :2] - rest_px[EYES[1], :2])))
    return float(np.sqrt(((moved - b) ** 2).sum(1).mean()) / max(scale, 1e-9))


def _homography(a: Array, b: Array) -> Array:
    """Direct linear transform on normalised points (Hartley 1997)."""
    ta, tb = _normaliser(a), _normaliser(b)
    x, y = _through(ta, a).T
    u, v = _through(tb, b).T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.vstack(
        [
            np.column_stack([-x, -y, -one, zero, zero, zero, u * x, u * y, u]),
            np.column_stack([zero, zero, zero, -x, -y, -one, v * x, v * y, v]),
        ]
    )
    h = np.linalg.svd(rows)[2][-1].reshape(3, 3)
    return np.asarray(np.linalg.inv(tb) @ h @ ta)


def _normaliser(points: Array) -> Array:
    middle = points.mean(0)
    scale = np.sqrt(2) / max(float(np.sqrt(((points - middle) ** 2).sum(1)).mean()), 1e-9)
    return np.array([[scale, 0, -scale * middle[0]], [0, scale, -scale * middle[1]], [0, 0, 1]])


def _through(h: Array, points: Array) -> Array:
    mapped = np.column_stack([points, np.ones(len(points))]) @ h.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])
