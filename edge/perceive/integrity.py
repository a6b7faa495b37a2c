"""Whether a camera's picture can be believed: covered, out of focus, or frozen.

A covered lens gives flawless frames without people; counted as observed they would be a silent zero. What
is judged here is the whole picture over seconds, so nobody who walks by can cause it.

- *covered*: nearly no contrast (a hand, paint, darkness, a bag), or so little of what was there;
- *blurred*: the fine detail that this camera has shown so far is gone (grease, a bumped lens);
- *frozen*: the very same picture for a minute; a real sensor has noise.
"""

from __future__ import annotations

import zlib
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Fault = Literal["covered", "blurred", "frozen"]

FLAT = 6.0
"""Grey levels: standard deviation below which a picture shows nothing."""
DETAIL_LOST = 0.12
"""Share of the usual detail below which a picture is blurred."""
SURE_S = 3.0
FROZEN_S = 60.0
_LEARN_S = 20.0
_WIDTH_PX = 320
_EVERY_S = 0.5


class Integrity:
    """Judges the pictures of one camera, twice a second at most."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._looked_s = float("-inf")
        self._began_s: float | None = None
        self._usual = 0.0
        self._suspect: Fault | None = None
        self._suspect_s = 0.0
        self._digest = 0
        self._digest_s = 0.0

    def observe(self, image: NDArray[np.uint8], t_s: float) -> Fault | None:
        """Take in a frame (rows × columns × 3, BGR) of monotonic time; what is wrong with the pictures now."""
        if 0 <= t_s - self._looked_s < _EVERY_S:
            return self.fault
        self._looked_s = t_s
        found = self._judge(image, t_s)
        if found != self._suspect:
            self._suspect, self._suspect_s = found, t_s
        if found == "frozen" or t_s - self._suspect_s >= SURE_S:
            self.fault = found
        return self.fault

    def _judge(self, image: NDArray[np.uint8], t_s: float) -> Fault | None:
        height, width = image.shape[:2]
        scale = min(1.0, _WIDTH_PX / width)
        small = cv2.resize(
            image, (round(width * scale), max(1, round(height * scale))), interpolation=cv2.INTER_AREA
        )
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        digest = zlib.crc32(grey.tobytes())
        if digest != self._digest:
            self._digest, self._digest_s = digest, t_s
        contrast = float(grey.std())
        if contrast < FLAT:
            return "covered"
        detail = float(cv2.Laplacian(grey, cv2.CV_32F).var()) / contrast**2
        if self._began_s is None:
            self._began_s, self._usual = t_s, detail
        if t_s - self._began_s > _LEARN_S and detail < DETAIL_LOST * self._usual:
            return "blurred"
        self._usual += (detail - self._usual) * (0.2 if t_s - self._began_s < _LEARN_S else 0.002)
        return "frozen" if t_s - self._digest_s >= FROZEN_S else None
