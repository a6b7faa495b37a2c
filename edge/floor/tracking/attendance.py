"""What a trail tells but how straight it is: coming, going, and not being seen, as natural logarithms."""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import numpy as np

from edge.floor.tracking.borders import FARTHEST_M
from edge.floor.tracking.habits import Habits
from edge.floor.tracking.hiding import Hiding
from edge.floor.tracking.pairwise import Remembered
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
        self.shown = np.searchsorted(np.array(self._frames, dtype=np.int64), fixes.t_ms, side="right")
        """(n,): how many frames there were by each fix."""
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
        self._between = Remembered(self._between_two)

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

    def came_so(self, pairs: Sequence[tuple[int, int]]) -> list[float]:
        """`came` of several at once."""
        self._look((second, first) for first, second in pairs)
        return [self.came(*pair) for pair in pairs]

    def since(self, before: int, last: int, t_ms: int) -> float:
        """Of who was seen last so, and before it so, in the frames up to `t_ms`: gone, or there and not seen.

        Who was seen but once, and before it `NOBODY`, hardly ever goes where people come.
        """
        after = bisect_right(self._frames, t_ms) - bisect_right(self._frames, self._t_ms[last])
        return max(after * self.unseen, self.gone(before, last)) if after else 0.0

    def gone(self, before: int, last: int) -> float:
        """Of who was seen last so, and before it so, or `NOBODY`: that they are gone."""
        once = before == NOBODY
        ahead_m, turned = (FARTHEST_M, ONCE_TURNED) if once else (self._ahead_m(before, last), TURNED)
        return -self._priced(self._goes[last], ahead_m, *self._go_bounds, turned)

    def gone_so(self, pairs: Sequence[tuple[int, int]]) -> list[float]:
        """`gone` of several at once."""
        self._look(pairs)
        return [self.gone(*pair) for pair in pairs]

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
        if not self._by_way:
            return None
        if (before, here) not in self._ways:
            self._look([(before, here)])
        return self._ways[before, here]

    def learn(self, walks: Iterable[Walk]) -> None:
        """Look where walks may have come from and may go, all at once."""
        if self._by_way:
            long = {walk for walk in walks if len(walk) > 1}
            self._look(way for walk in long for way in ((walk[1], walk[0]), (walk[-2], walk[-1])))

    def _look(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Look along the ways that lead from one fix to another, all at once; from `NOBODY` none does."""
        fresh = list({pair for pair in pairs if pair[0] != NOBODY and pair not in self._ways})
        if not fresh or not self._by_way:
            return
        before, here = np.array(fresh).T
        feet = self._fixes.feet_m[here]
        way = feet - self._fixes.feet_m[before]
        far_m = np.hypot(*way.T)
        step_s = np.abs(self._fixes.t_ms[here] - self._fixes.t_ms[before]) / 1000
        noise_m = STRIDE_SIGMAS * (self._noise_m[here] + self._noise_m[before])
        strides = far_m >= np.maximum(np.maximum(noise_m, STRIDE_M_S * step_s), LEAST_STRIDE_M)
        self._ways.update(dict.fromkeys(fresh))
        ahead_m = self._fixes.borders.ahead_m(feet[strides], way[strides] / far_m[strides, None])
        striding = itertools.compress(fresh, strides.tolist())
        self._ways.update(zip(striding, ahead_m.tolist(), strict=True))

    def between(self, before: int, after: int) -> float:
        """Of who was seen so, and next so, in the frames between."""
        return self._between[before, after]

    def between_so(self, pairs: Sequence[tuple[int, int]]) -> list[float]:
        """`between` of several."""
        return [self._between[pair] for pair in pairs]

    def _between_two(self, before: int, after: int) -> float:
        plain, hidden = self._missed(before, after)
        lost = self._by_way and plain and (plain + 1) * self._step_ms > PLAIN_MS
        return plain * self.unseen + hidden * HIDDEN - LOST * bool(lost)

    def _unseen(self, walk: Walk) -> float:
        """Of a walk, in the frames that do not show it from the first fix to the last."""
        if not self._by_way:
            return self._plain(walk) * self.unseen
        return sum(map(self._between.__getitem__, itertools.pairwise(walk)))

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
