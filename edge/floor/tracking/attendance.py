"""What a trail tells but how straight it is: coming, going, and not being seen, as natural logarithms."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np

from edge.floor.tracking.borders import FARTHEST_M
from edge.floor.tracking.habits import Habits
from edge.floor.tracking.hiding import Hiding
from edge.floor.tracking.straightness import Walk
from edge.floor.tracking.trail import Fixes, Trail

COMES, GOES, MOST_COMES, MOST_GOES = 2.0, 2.0, 13.0, 8.0
SELDOM_COMES, SELDOM_GOES, SELDOM_MOST_COMES, SELDOM_MOST_GOES = -2.0, 0.0, 11.0, 6.0
"""What it costs that somebody comes or goes at a border, and at most anywhere: between, what it takes to walk there from
the border and not be seen. The latter ones where frames are far apart; less than nothing, since the evidence of a first fix
pays for a place anywhere within `PLACE_M`."""
LEAST_SEEN, MOST_SEEN = 0.5, 0.95
"""Bounds of the share of frames that show who is there."""
NOBODY = -1
"""No fix."""
TURNED, ONCE_TURNED = 0.1, 0.02
"""So seldom, in rare frames, somebody came from another side than that on which their way began, or leaves to another than
that to which it leads; and goes where they came, of those who were seen but once."""
HIDDEN = float(np.log(0.5))
"""That somebody was not seen who may have been hidden by somebody nearer."""
PLAIN_MS, LOST = 3_900, 3.0
"""Who was in plain view, in rare frames, is hardly ever not seen for longer: that costs more."""
STRIDE_M_S, STRIDE_SIGMAS, LEAST_STRIDE_M = 0.5, 1.0, 0.1
"""Two fixes tell a way where somebody walked so fast between them, farther than they are uncertain and than this."""


class Attendance:
    """Of the walkers of one window, whose trails and `habits` tell how often somebody there is seen."""

    def __init__(
        self, trails: Sequence[Trail], fixes: Fixes, habits: Habits | None = None, *, seldom: bool = False
    ) -> None:
        habits = habits or Habits()
        self._fixes, self._by_way = fixes, seldom
        self._hiding = Hiding(fixes)
        self._noise_m = np.sqrt(np.trace(fixes.cov_m2, axis1=1, axis2=2))
        self._t_ms: list[int] = fixes.t_ms.tolist()
        self._frames = list(fixes.frames_ms)
        seen = sum(len(trail.walk) for trail in trails)
        could = seen + sum(self._plain(trail.walk) for trail in trails)
        share = (seen + habits.frames * habits.share) / (could + habits.frames)
        share = min(MOST_SEEN, max(LEAST_SEEN, share))
        self.seen, self.unseen = float(np.log(share)), float(np.log(1 - share))
        steps_ms = np.diff(self._frames) if len(self._frames) > 1 else np.array([1000.0])
        self._step_ms = float(np.median(steps_ms))
        self._unseen_a_metre = float(-self.unseen / habits.pace_m_s / (self._step_ms / 1000))
        unseen = fixes.inside_m * self._unseen_a_metre
        comes, most_comes = (SELDOM_COMES, SELDOM_MOST_COMES) if seldom else (COMES, MOST_COMES)
        goes, most_goes = (SELDOM_GOES, SELDOM_MOST_GOES) if seldom else (GOES, MOST_GOES)
        self.comes: list[float] = np.minimum(comes + unseen, most_comes).tolist()
        self._goes: list[float] = np.minimum(goes + unseen, most_goes).tolist()
        self._come_bounds, self._go_bounds = (comes, most_comes), (goes, most_goes)
        self._ways: dict[tuple[int, int], float | None] = {}
        self._between: dict[tuple[int, int], float] = {}

    def value(self, trail: Trail, walk: Walk) -> float:
        """Of a walk, were it that of `trail`."""
        if not walk:
            return 0.0
        value = len(walk) * self.seen + self._unseen(walk)
        once = NOBODY if not trail.final else walk[-1]
        before = walk[-2] if len(walk) > 1 else once
        value += self.since(before, walk[-1], self._frames[-1] if self._frames else 0)
        if trail.final:
            return value
        return value - (self.came(walk[0], walk[1]) if len(walk) > 1 else self.comes[walk[0]])

    def came(self, first: int, second: int) -> float:
        """What it costs that somebody was first seen so, and then so."""
        return self._priced(self.comes[first], self._ahead_m(second, first), *self._come_bounds)

    def since(self, before: int, last: int, t_ms: int) -> float:
        """Of who was seen last so, and before it so, in the frames up to `t_ms`: gone, or there and not seen.

        Who was seen but once, and before it `NOBODY`, hardly ever goes where people come.
        """
        after = bisect_right(self._frames, t_ms) - bisect_right(self._frames, self._t_ms[last])
        if not after:
            return 0.0
        once = before == NOBODY
        ahead_m, turned = (FARTHEST_M, ONCE_TURNED) if once else (self._ahead_m(before, last), TURNED)
        return max(after * self.unseen, -self._priced(self._goes[last], ahead_m, *self._go_bounds, turned))

    def _priced(
        self, anyhow: float, ahead_m: float | None, least: float, most: float, turned: float = TURNED
    ) -> float:
        """The price of a border that is so far ahead on the way and met unseen, from `least` to `most`, or, seldom, that of any."""
        if not self._by_way or ahead_m is None:
            return anyhow
        straight = max(anyhow, min(least + ahead_m * self._unseen_a_metre, most))
        return float(-np.logaddexp(np.log1p(-turned) - straight, np.log(turned) - anyhow))

    def _ahead_m(self, before: int, here: int) -> float | None:
        """How far from one fix a border is on the way that leads there from another, later or earlier one; None where no way shows."""
        if (before, here) not in self._ways:
            way = self._fixes.feet_m[here] - self._fixes.feet_m[before]
            far_m = float(np.hypot(*way))
            step_s = abs(self._t_ms[here] - self._t_ms[before]) / 1000
            noise_m = STRIDE_SIGMAS * (self._noise_m[here] + self._noise_m[before])
            strides = far_m >= max(noise_m, STRIDE_M_S * step_s, LEAST_STRIDE_M)
            borders, feet = self._fixes.borders, self._fixes.feet_m[here]
            self._ways[before, here] = borders.ahead_m(feet, way / far_m) if strides else None
        return self._ways[before, here]

    def between(self, before: int, after: int) -> float:
        """Of who was seen so, and next so, in the frames between."""
        if (before, after) not in self._between:
            plain, hidden = self._missed(before, after)
            lost = self._by_way and plain and (plain + 1) * self._step_ms > PLAIN_MS
            self._between[before, after] = plain * self.unseen + hidden * HIDDEN - LOST * bool(lost)
        return self._between[before, after]

    def _unseen(self, walk: Walk) -> float:
        """Of a walk, in the frames that do not show it from the first fix to the last."""
        if not self._by_way:
            return self._plain(walk) * self.unseen
        return sum(itertools.starmap(self.between, itertools.pairwise(walk)))

    def _plain(self, walk: Walk) -> int:
        """Frames from the first fix to the last that do not show somebody in plain view."""
        if self._by_way:
            return sum(self._missed(*pair)[0] for pair in itertools.pairwise(walk))
        if not walk:
            return 0
        first_ms, last_ms = self._t_ms[walk[0]], self._t_ms[walk[-1]]
        return bisect_right(self._frames, last_ms) - bisect_left(self._frames, first_ms) - len(walk)

    def _missed(self, before: int, after: int) -> tuple[int, int]:
        """Frames between two fixes, in plain view and hidden."""
        first, last = self._t_ms[before], self._t_ms[after]
        missed = bisect_left(self._frames, last) - bisect_right(self._frames, first)
        hidden = self._hiding.frames(before, after) if self._by_way else 0
        return missed - hidden, hidden
