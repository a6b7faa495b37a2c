"""Whether a camera's picture can be believed: covered, out of focus, frozen, played again, or moved.

A covered lens gives flawless frames without people; counted as observed they would be a silent zero. What
is judged here is the whole picture over seconds, so nobody who walks by can cause it.

- *covered*: nearly no contrast (a hand, paint, darkness, a bag), or so little of what was there;
- *blurred*: the fine detail that this camera has shown so far is gone (grease, a bumped lens), see `edge.perceive.detail`;
- *frozen*: the very same picture for a minute, or what an encoder makes of it; a real sensor has noise, see `edge.perceive.standstill`;
- *looped*: a recording is played again and again, see `edge.perceive.repetition`;
- *moved*: the room is there, but not where it was when the camera was calibrated, see `edge.perceive.viewpoint`.

The first four show nothing of the branch; a moved camera still sees its people, at wrong places.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from branchloop.wire.messages import CameraFault
from edge.perceive.detail import Detail
from edge.perceive.repetition import Repetition
from edge.perceive.standstill import STANDS_S, Standstill
from edge.perceive.viewpoint import Motion, Viewpoint

Fault = CameraFault
BLIND: frozenset[CameraFault] = frozenset({"covered", "blurred", "frozen", "looped"})
"""With these a camera observes nothing."""

FLAT = 6.0
"""Grey levels: standard deviation below which a picture shows nothing."""
SURE_S = 3.0
FROZEN_S = STANDS_S
_WIDTH_PX = 320
_EVERY_S = 0.5


class Integrity:
    """Judges the pictures of one camera, twice a second at most; whether they repeat or stand still, all of them."""

    def __init__(
        self,
        view: Viewpoint | None = None,
        repetition: Repetition | None = None,
        detail: Detail | None = None,
    ) -> None:
        """Without `view` nothing is said of a moved camera, without `repetition` of a recording.

        Without `detail` what is usual is learnt from the first pictures.
        """
        self.fault: Fault | None = None
        self._view = view
        self._repetition = repetition
        self._looked_s = float("-inf")
        self._detail = detail or Detail()
        self._blind: Fault | None = None
        self._suspect: Fault | None = None
        self._suspect_s = 0.0
        self._standstill = Standstill()

    @property
    def motion(self) -> Motion | None:
        """How far the view has moved, if it has."""
        return self._view.motion if self._view is not None else None

    def observe(
        self, image: NDArray[np.uint8], t_s: float, people: NDArray[np.float32] | None = None
    ) -> Fault | None:
        """Take in a frame (rows × columns × 3, BGR) of monotonic time; what is wrong with the pictures now.

        `people` (n, ≥ 4): x0, y0, x1, y1 px of those seen last; they are no part of the view.
        """
        looped = self._repetition is not None and self._repetition.observe(image, t_s)
        grey = _small_grey(image)
        stands = self._standstill.observe(grey, t_s) and not looped
        if not 0 <= t_s - self._looked_s < _EVERY_S:
            self._looked_s = t_s
            found = self._judge(grey, (image.shape[1], image.shape[0]))
            if found is None and stands:
                found = "frozen"
            if found != self._suspect:
                self._suspect, self._suspect_s = found, t_s
            if found == "frozen" or t_s - self._suspect_s >= SURE_S:
                self._blind = found
            if self._view is not None and not looped and (self._suspect, self._blind) == (None, None):
                self._view.observe(grey, t_s, _shares(people, image))
        moved: Fault | None = "moved" if self.motion is not None else None
        self.fault = self._blind or ("looped" if looped else moved)
        return self.fault

    def _judge(self, grey: NDArray[np.uint8], picture_px: tuple[int, int]) -> Fault | None:
        if float(grey.std()) < FLAT:
            return "covered"
        if self._detail.lost(grey, picture_px):
            return "blurred"
        return None


def _small_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`_WIDTH_PX` to twice that wide. Every few pixels one is taken as it is: averaging them costs ten times as much."""
    step = max(1, image.shape[1] // _WIDTH_PX)
    return np.ascontiguousarray(image[::step, ::step, 1])


def _shares(people: NDArray[np.float32] | None, image: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    if people is None:
        return None
    height, width = image.shape[:2]
    return np.asarray(people[:, :4] / np.array([width, height, width, height], np.float32), np.float32)
