"""Who was hidden: the frames between two fixes in which somebody nearer to the camera stood where the walker was to be seen.

Not to be seen in plain view and not to be seen behind somebody are two things: the one is chance and does not last.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict

from edge.floor.tracking.trail import Fixes

COVERS_IOU = 0.35
"""Boxes that overlap more than this may be those of somebody hidden and of who hides them: where somebody unseen was is
only known about, and a detector keeps one of two that overlap by about .6."""
NEARER_PX = 8.0
"""Who hides somebody stands lower in the picture, or not higher by more than this."""


class Hiding:
    """Of the walkers of one window; from one fix to another of theirs they are taken to go straight, in the picture."""

    def __init__(self, fixes: Fixes) -> None:
        self._t_ms: list[int] = fixes.t_ms.tolist()
        self._frames = list(fixes.frames_ms)
        self._boxes: list[list[float]] = fixes.boxes_px.tolist()
        self._shown: defaultdict[int, list[list[float]]] = defaultdict(list)
        for t_ms, box in zip(self._t_ms, self._boxes, strict=True):
            self._shown[t_ms].append(box)
        self._known: dict[tuple[int, int], int] = {}

    def frames(self, before: int, after: int) -> int:
        """How many frames between two fixes may have shown another instead."""
        if (before, after) not in self._known:
            self._known[before, after] = self._hidden(before, after)
        return self._known[before, after]

    def _hidden(self, before: int, after: int) -> int:
        first, last = self._t_ms[before], self._t_ms[after]
        one, other = self._boxes[before], self._boxes[after]
        left, right = min(one[0], other[0]), max(one[2], other[2])
        hidden = 0
        for t_ms in self._frames[bisect_right(self._frames, first) : bisect_left(self._frames, last)]:
            near = [shown for shown in self._shown.get(t_ms, ()) if shown[0] < right and shown[2] > left]
            if near:
                share = (t_ms - first) / (last - first)
                box = [a + share * (b - a) for a, b in zip(one, other, strict=True)]
                hidden += any(_hides(shown, box) for shown in near)
        return hidden


def _hides(nearer: list[float], box: list[float]) -> bool:
    """Whether one box may hide the other; one at a time, since there are few and often."""
    if nearer[3] < box[3] - NEARER_PX:
        return False
    wide = min(nearer[2], box[2]) - max(nearer[0], box[0])
    if wide <= 0:
        return False
    high = min(nearer[3], box[3]) - max(nearer[1], box[1])
    if high <= 0:
        return False
    areas = (box[2] - box[0]) * (box[3] - box[1]) + (nearer[2] - nearer[0]) * (nearer[3] - nearer[1])
    return wide * high / (areas - wide * high) > COVERS_IOU
