"""Whether anybody can be found in a picture: at the sizes that the product checks, and at others."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.backdrop import CHECK_FLOOR, CHECKED, CLEAR
from edge.perceive.nobody import Detector, people_anywhere

FOUND = 0.4
"""The detector itself says `person` from .5 on; below .3 it also does of bins and cones."""


def nobody_in(picture: NDArray[np.uint8], detector: Detector) -> None:
    """Fail if somebody is found: faintly in the picture as checked, clearly at sizes that were not."""
    looks = [(1.0, False, CHECKED, CHECK_FLOOR), (1.0, True, CHECKED[:3], CLEAR)]
    looks += [(scale, False, (1, 2, 3), FOUND) for scale in (0.6, 1.6)]
    for scale, mirrored, grids, most in looks:
        shown = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale), np.uint8)
        shown = np.ascontiguousarray(shown[:, ::-1]) if mirrored else shown
        score = people_anywhere(detector, shown, grids)[:, 4].max(initial=0)
        assert score < most, f"a person of score {score:.2f} at {scale} of the size, mirrored: {mirrored}"
