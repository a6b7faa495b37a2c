"""Noise of a camera's sensor, another at every frame: a part, somewhere, of one field drawn once.

To draw each frame's noise anew takes longer than most of what looks at the frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MARGIN_PX = 160


class Grain:
    """Normal noise of `sigma` grey levels over pictures of any sizes, of one run the same."""

    def __init__(self, sigma: float, seed: int) -> None:
        self._sigma = sigma
        self._rng = np.random.default_rng(seed)
        self._field = np.empty((0, 0, 3), np.float32)

    def over(self, picture: NDArray[Any]) -> NDArray[np.uint8]:
        """The (h, w, 3) picture with noise on it, the same size."""
        height, width = picture.shape[:2]
        if self._field.shape[0] <= height or self._field.shape[1] <= width:
            shape = (height + MARGIN_PX, width + MARGIN_PX, 3)
            self._field = np.float32(self._sigma) * self._rng.standard_normal(shape, np.float32)
        y = self._rng.integers(self._field.shape[0] - height)
        x = self._rng.integers(self._field.shape[1] - width)
        noisy = picture.astype(np.float32)
        noisy += self._field[y : y + height, x : x + width]
        return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
