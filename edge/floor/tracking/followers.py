"""Who walks close behind somebody known, as the camera sees them: one box over another, and two places on the floor.

A box that overlaps that of somebody known is taken for a second one of theirs. Where the two stay a
stride apart for a second, a foot and a head above the other's, there are two people: who is seen so
is somebody from the first of these boxes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.floor.observation import Observation
from edge.floor.tracking.association import buffered_iou
from edge.floor.tracking.manoeuvre import Sighting

Array = NDArray[np.float64]

SURE_MS = 1_000
LEAST_FIXES = 4
LEAST_SHARE = 0.6
"""For so long and so often somebody is seen, in so large a share of the frames."""
APART_M = 1.0
RISE = 0.06
"""So far the places are apart on average, and so far the feet and the head by the box's height: a half of somebody shares one of them."""
LOST_MS = 500
NEAR_M = 0.4
"""The next box of the same person stands no farther off than this and what one walks meanwhile."""


@dataclass(slots=True, eq=False)
class _Follower:
    fixes: list[Sighting]
    frames: int
    apart_m: float
    rise: Array
    """Sums over the fixes: m from the other's place, and the head's and feet's (2,) part of the height above the other's."""


class Followers:
    """Those of one camera who are not believed in yet."""

    def __init__(self, height_m: tuple[float, float], max_speed_m_s: float) -> None:
        self._height_m = height_m
        self._max_speed_m_s = max_speed_m_s
        self._known: list[_Follower] = []

    def see(
        self, hidden: Sequence[Sighting], observation: Observation, taken: Sequence[int]
    ) -> list[list[Sighting]]:
        """Boxes of one frame over those `taken` by somebody; the fixes of each who is somebody by now."""
        t_ms = observation.t_ms
        self._known = [each for each in self._known if t_ms - each.fixes[-1].state.t_ms <= LOST_MS]
        for each in self._known:
            each.frames += 1
        free = list(self._known)
        for fix in hidden:
            found = self._beyond(fix, observation, taken)
            if found is None:
                continue
            mine = min(
                (each for each in free if self._same(each.fixes[-1], fix)),
                key=lambda e: _gap_m(e.fixes[-1], fix),
                default=None,
            )
            if mine is None:
                self._known.append(_Follower([fix], 1, *found))
                continue
            free.remove(mine)
            mine.fixes.append(fix)
            mine.apart_m += found[0]
            mine.rise = mine.rise + found[1]
        sure = [each for each in self._known if _sure(each)]
        self._known = [each for each in self._known if each not in sure]
        return [each.fixes for each in sure]

    def clear(self) -> None:
        """Another scene."""
        self._known = []

    def _beyond(
        self, fix: Sighting, observation: Observation, taken: Sequence[int]
    ) -> tuple[float, Array] | None:
        low, high = self._height_m
        if not low <= fix.height_m <= high:
            return None
        boxes = observation.boxes_px[list(taken)]
        over = int(buffered_iou(fix.box_px[None], boxes, 0.0)[0].argmax())
        apart_m = float(np.linalg.norm(observation.feet_m[list(taken)] - fix.fix[0], axis=1).min())
        height_px = fix.box_px[3] - fix.box_px[1]
        return apart_m, (boxes[over] - fix.box_px)[[1, 3]] / height_px

    def _same(self, last: Sighting, fix: Sighting) -> bool:
        waited_s = (fix.state.t_ms - last.state.t_ms) / 1000
        noise_m = float(np.sqrt(np.trace(fix.fix[1])))
        return _gap_m(last, fix) <= NEAR_M + self._max_speed_m_s * waited_s + noise_m


def _gap_m(last: Sighting, fix: Sighting) -> float:
    return float(np.linalg.norm(fix.fix[0] - last.fix[0]))


def _sure(each: _Follower) -> bool:
    seen = len(each.fixes)
    lasted_ms = each.fixes[-1].state.t_ms - each.fixes[0].state.t_ms
    if seen < max(LEAST_FIXES, LEAST_SHARE * each.frames) or lasted_ms < SURE_MS:
        return False
    rise = each.rise / seen
    return bool(each.apart_m / seen >= APART_M and np.abs(rise).min() >= RISE and rise[0] * rise[1] > 0)
