"""What a trail tells but how straight it is: coming, going, and not being seen, as natural logarithms."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from edge.floor.habits import Habits
from edge.floor.straightness import Walk
from edge.floor.trail import Fixes, Trail

COMES, GOES, MOST_COMES, MOST_GOES = 2.0, 2.0, 13.0, 8.0
SELDOM_COMES, SELDOM_GOES, SELDOM_MOST_COMES, SELDOM_MOST_GOES = -2.0, 0.0, 11.0, 6.0
"""What it costs that somebody comes or goes at a border, and at most anywhere: between, what it takes to walk there from
the border and not be seen. The latter ones where frames are far apart; less than nothing, since the evidence of a first fix
pays for a place anywhere within `PLACE_M`."""
LEAST_SEEN, MOST_SEEN = 0.5, 0.95
"""Bounds of the share of frames that show who is there."""


class Attendance:
    """Of the walkers of one window, whose trails and `habits` tell how often somebody there is seen."""

    def __init__(
        self, trails: Sequence[Trail], fixes: Fixes, habits: Habits | None = None, *, seldom: bool = False
    ) -> None:
        habits = habits or Habits()
        self._t_ms: list[int] = fixes.t_ms.tolist()
        self._frames = list(fixes.frames_ms)
        seen = sum(len(trail.walk) for trail in trails)
        could = sum(self._between(trail.walk) for trail in trails)
        share = (seen + habits.frames * habits.share) / (could + habits.frames)
        share = min(MOST_SEEN, max(LEAST_SEEN, share))
        self.seen, self.unseen = float(np.log(share)), float(np.log(1 - share))
        steps_ms = np.diff(self._frames) if len(self._frames) > 1 else np.array([1000.0])
        unseen = fixes.inside_m / habits.pace_m_s / (float(np.median(steps_ms)) / 1000) * -self.unseen
        comes, most_comes = (SELDOM_COMES, SELDOM_MOST_COMES) if seldom else (COMES, MOST_COMES)
        goes, most_goes = (SELDOM_GOES, SELDOM_MOST_GOES) if seldom else (GOES, MOST_GOES)
        self.comes: list[float] = np.minimum(comes + unseen, most_comes).tolist()
        self._goes: list[float] = np.minimum(goes + unseen, most_goes).tolist()

    def value(self, trail: Trail, walk: Walk) -> float:
        """Of a walk, were it that of `trail`."""
        if not walk:
            return 0.0
        value = len(walk) * self.seen + (self._between(walk) - len(walk)) * self.unseen
        value += self.since(walk[-1], self._frames[-1] if self._frames else 0)
        return value - (0.0 if trail.final else self.comes[walk[0]])

    def since(self, fix: int, t_ms: int) -> float:
        """Of who was seen last so, in the frames up to `t_ms`: gone, or there and not seen."""
        after = bisect_right(self._frames, t_ms) - bisect_right(self._frames, self._t_ms[fix])
        return max(after * self.unseen, -self._goes[fix])

    def missed(self, before: int, after: int) -> int:
        """Frames between two fixes."""
        return bisect_left(self._frames, self._t_ms[after]) - bisect_right(self._frames, self._t_ms[before])

    def _between(self, walk: Walk) -> int:
        """Frames from the first fix to the last."""
        if not walk:
            return 0
        first_ms, last_ms = self._t_ms[walk[0]], self._t_ms[walk[-1]]
        return bisect_right(self._frames, last_ms) - bisect_left(self._frames, first_ms)
