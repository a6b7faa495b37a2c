"""How much fine detail a camera's pictures have, against what they usually have: a smeared lens loses it.

Noise is no detail: it is another in every picture, the room is the same. Were it not left out, a night of noise
would make the next morning look blurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

LOST = 0.12
"""Share of the usual detail below which a picture is blurred; night, shadow and glare leave .4 of it or more."""
LEARN_PICTURES = 40
"""20 s of them."""
WORTH_STORING = 1.25
"""By this factor the usual detail changes before it is stored again."""
_DEVIATIONS = 1.4826
"""Standard deviation of noise over its median distance from the median."""


@dataclass(frozen=True, slots=True)
class Usual:
    """The usual detail of pictures of this size (width, height): pictures of other sizes have other detail."""

    detail: float
    picture_px: tuple[int, int]


class Detail:
    """Learns the usual detail of one camera; `learnt` is what an earlier run has learnt, if anything."""

    def __init__(self, learnt: Usual | None = None) -> None:
        self.usual = learnt
        """None while it is being learnt."""
        self.changed = False
        """Whether `usual` is worth storing; to be set to False by who stores it."""
        self._stored = learnt
        self._detail = learnt.detail if learnt is not None else 0.0
        self._pictures = 0
        self._picture_px = learnt.picture_px if learnt is not None else None
        self._edges: NDArray[np.float32] | None = None
        self._lost = False

    def lost(self, grey: NDArray[np.uint8], picture_px: tuple[int, int]) -> bool:
        """Take in a picture that shows something, made small from `picture_px`; whether it is blurred."""
        edges = np.asarray(cv2.Laplacian(grey, cv2.CV_32F), np.float32)
        before, self._edges = self._edges, edges
        if picture_px != self._picture_px:
            self.usual, self._pictures, self._picture_px, self._lost = None, 0, picture_px, False
        if before is None or before.shape != edges.shape or np.array_equal(before, edges):
            # What of it is noise cannot be told; an encoder repeats the picture of a still room.
            return self._lost
        noise = _DEVIATIONS * float(np.median(np.abs(edges - before)[::2, ::2])) / np.sqrt(2)
        detail = max(0.0, float(edges.var()) - noise**2) / float(grey.var())
        self._lost = self.usual is not None and detail < LOST * self.usual.detail
        if not self._lost:
            self._learn(detail)
        return self._lost

    def _learn(self, detail: float) -> None:
        if self.usual is None:
            self._detail += (detail - self._detail) * (0.2 if self._pictures else 1.0)
            self._pictures += 1
            if self._pictures < LEARN_PICTURES:
                return
        else:
            self._detail += (detail - self._detail) * 0.002
        assert self._picture_px is not None  # noqa: S101 - set with the first picture
        self.usual = Usual(self._detail, self._picture_px)
        stored = self._stored
        if stored is None or stored.picture_px != self._picture_px or _far(stored.detail, self._detail):
            self.changed, self._stored = True, self.usual


def _far(stored: float, now: float) -> bool:
    return not stored / WORTH_STORING <= now <= stored * WORTH_STORING
