"""Who was hidden: the frames between two fixes in which somebody nearer to the camera stood where the walker was to be seen.

Not to be seen in plain view and not to be seen behind somebody are two things: the one is chance and does not last.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

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
        self._known: dict[tuple[int, int], int] = {}

    def frames(self, before: int, after: int) -> int:
        """How many frames between two fixes may have shown another instead."""
        if (before, after) not in self._known:
            first, last = self._t_ms[before], self._t_ms[after]
            between = self._frames[bisect_right(self._frames, first) : bisect_left(self._frames, last)]
            hidden = (self._hidden(before, after, t_ms) for t_ms in between)
            self._known[before, after] = sum(hidden)
        return self._known[before, after]

    def _hidden(self, before: int, after: int, t_ms: int) -> bool:
        share = (t_ms - self._t_ms[before]) / (self._t_ms[after] - self._t_ms[before])
        box = [a + share * (b - a) for a, b in zip(self._boxes[before], self._boxes[after], strict=True)]
        others = self._boxes[bisect_left(self._t_ms, t_ms) : bisect_right(self._t_ms, t_ms)]
        return any(other[3] >= box[3] - NEARER_PX and _overlap(box, other) > COVERS_IOU for other in others)


def _overlap(one: list[float], other: list[float]) -> float:
    """IoU of two boxes; one at a time, since there are few and often."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return wide * high / (sum(areas) - wide * high)
