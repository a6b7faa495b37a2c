"""Whether a camera shows what was there already, and nothing else: its picture stands still behind its encoder.

A hanging sensor's picture is encoded anew with every key frame and refined after it, so what is decoded changes without
end: but only among the few pictures that an encoder makes of one. A living sensor's noise makes another at least with
every key frame. So a camera stands still when for a minute each of its pictures was there before, to the last bit, and
they differ by no more than an encoder's doing: a clip in which something moves, shown again and again, is none.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict, deque

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.repetition import DIFFER, GRID

STANDS_S = 60.0
"""So long nothing new. Of quiet live scenes, of a noise of .3 grey levels on, none went without for more than 8 s."""
REMEMBERED_S = 75.0
"""A picture that was not there for so long is new."""
_BACK = 3
_WITHIN_S = 30.0
"""So many new pictures in this time, and it lives: an encoder that still settles makes one now and then."""


class Standstill:
    """Judges the pictures of one camera, each of them."""

    def __init__(self) -> None:
        self.stands = False
        self._seen: OrderedDict[int, tuple[float, NDArray[np.float32]]] = OrderedDict()
        """Digest -> when it was there last, and its means by cells; the oldest first."""
        self._new_s: deque[float] = deque(maxlen=_BACK)

    def observe(self, grey: NDArray[np.uint8], t_s: float) -> bool:
        """Take in a picture (rows × columns) of monotonic time; whether for a minute it has been one and the same."""
        if self._new_s and t_s < self._new_s[-1]:  # times begin anew
            self.stands = False
            self._seen.clear()
            self._new_s.clear()
        while self._seen and t_s - next(iter(self._seen.values()))[0] > REMEMBERED_S:
            self._seen.popitem(last=False)
        digest = zlib.crc32(grey.tobytes())
        before = self._seen.pop(digest, None)
        if before is None:
            self._new_s.append(t_s)
        self._seen[digest] = (t_s, _cells(grey) if before is None else before[1])
        if t_s - self._new_s[-1] >= STANDS_S:
            self.stands = self.stands or self._alike()
        elif len(self._new_s) == _BACK and t_s - self._new_s[0] <= _WITHIN_S:
            self.stands = False
        return self.stands

    def _alike(self) -> bool:
        """Whether no cell differs among the pictures since the last new one by more than what an encoder makes of one."""
        since_s = self._new_s[-1]
        lately = [cells for at_s, cells in self._seen.values() if at_s >= since_s]
        return bool(np.ptp(lately, axis=0).max() < DIFFER)


def _cells(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(grey.astype(np.float32), GRID, interpolation=cv2.INTER_AREA), np.float32)
