"""The motion gate: whether a frame is worth the detector's time.

A frame is compared, small and grey, with the last one that the detector saw: where nothing changed since,
its boxes still hold. (A running background would hold the gate open for seconds behind whoever left a
place.) Recall comes first: the threshold follows the picture's own noise, a change of the light as a whole
is subtracted, and a few changed pixels side by side are enough, so that a far person counts as much as a
near one. The gate stays open a little after the last motion and opens by itself every `refresh_s`, so
slow change cannot add up unseen and whoever stands still is looked at again.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH_PX = 320
"""Working width: the smallest at which a person 24 px tall in a 384 px wide picture still shows."""

_HOLD_S = 0.3
_PATCH_PX = 7
_PATCH_CHANGED = 9
"""Changed pixels among the `_PATCH_PX`² of a patch that make it motion; noise makes lone ones."""

_NOISE_FACTOR = 6.0
_LEAST_CHANGE = 8.0
"""Grey levels: below this nothing counts as change, however quiet the camera."""

_SPARSE = 6
"""Light and noise are judged on every sixth pixel of every sixth row."""

_IQR_SIGMAS = 1.349


class MotionGate:
    """Decides frame by frame; one per camera. `fps` is the rate at which frames are shown to it."""

    def __init__(self, fps: float, refresh_s: float = 1.0) -> None:
        if not fps > 0:
            raise ValueError(f"a motion gate needs a positive frame rate, not {fps}")
        self._period_ms = 1000 / fps
        self._refresh_ms = refresh_s * 1000 - self._period_ms / 2
        self._seen: NDArray[np.uint8] | None = None
        self._noise = 0.0
        self._now_ms = 0.0
        self._opened_ms = float("-inf")
        self._motion_ms = float("-inf")
        self.moving_share = 0.0
        """Share of the picture that changed, of the frame observed last (0 to 1)."""

    def observe(self, image: NDArray[np.uint8], t_ms: float | None = None) -> bool:
        """Take in the next frame (rows × columns × 3, BGR); True if it should go to the detector.

        `t_ms` is its time of capture; without it frames are taken to come at the gate's rate.
        """
        self._now_ms = self._now_ms + self._period_ms if t_ms is None else t_ms
        grey = small_grey(image)
        if self._moved(grey):
            self._motion_ms = self._now_ms
        held = 0 <= self._now_ms - self._motion_ms <= _HOLD_S * 1000
        fresh = 0 <= self._now_ms - self._opened_ms < self._refresh_ms
        if fresh and not held:
            return False
        self._seen = grey
        self._opened_ms = self._now_ms
        return True

    def _moved(self, grey: NDArray[np.uint8]) -> bool:
        if self._seen is None or self._seen.shape != grey.shape:
            self.moving_share = 1.0
            return True
        light, spread = light_and_spread(grey, self._seen)
        self._noise += (spread - self._noise) * min(1.0, self._period_ms / 1000)
        lit = cv2.add(self._seen, light)  # type: ignore[call-overload]  # its stubs know no scalar
        change = cv2.absdiff(grey, lit)
        limit = max(_LEAST_CHANGE, _NOISE_FACTOR * self._noise)
        _, mask = cv2.threshold(change, limit, 1, cv2.THRESH_BINARY)
        changed = cv2.countNonZero(mask)
        self.moving_share = changed / mask.size
        if changed < _PATCH_CHANGED:
            return False
        patches = cv2.boxFilter(mask, -1, (_PATCH_PX, _PATCH_PX), normalize=False)
        return bool(patches.max() >= _PATCH_CHANGED)


def small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey picture at most `_WIDTH_PX` wide, smoothed over 3 × 3 pixels against sensor noise."""
    height, width = image.shape[:2]
    small: cv2.typing.MatLike = image
    if width > _WIDTH_PX:
        size = (_WIDTH_PX, max(1, round(height * _WIDTH_PX / width)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (3, 3)), np.uint8)


def light_and_spread(grey: NDArray[np.uint8], seen: NDArray[np.uint8]) -> tuple[int, float]:
    """Change of the light as a whole (median) and σ of the rest (from quartiles, which people leave alone)."""
    now = grey[::_SPARSE, ::_SPARSE].astype(np.int16)
    change = np.sort(now - seen[::_SPARSE, ::_SPARSE], axis=None)
    low, middle, high = (int(change[change.size * quarter // 4]) for quarter in (1, 2, 3))
    return middle, (high - low) / _IQR_SIGMAS
