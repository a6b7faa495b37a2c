"""Boxes that would have begun somebody, had they not overlapped a known person's: kept while frames may still tell whose they were."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from edge.floor.observation import Observation
from edge.floor.tracking.manoeuvre import Sighting

DOUBLE_M = 0.6
"""A second box nearer than this to the feet of whom it overlaps is a second box of the same person."""


class Spares:
    """Those of one camera's open window, in time order."""

    def __init__(self, height_m: tuple[float, float]) -> None:
        self._height_m = height_m
        self.fixes: list[Sighting] = []

    def offer(self, fix: Sighting, observation: Observation, taken: list[int]) -> None:
        """Keep a fix that is as tall as a person and stands where none of the boxes `taken` does: no double, and no half of one."""
        low, high = self._height_m
        apart_m = np.linalg.norm(observation.feet_m[taken] - fix.fix[0], axis=1)
        if low <= fix.height_m <= high and (apart_m >= DOUBLE_M).all():
            self.fixes.append(replace(fix, spare=True))

    def take(self, fixes: Collection[Sighting]) -> None:
        """These are somebody's now."""
        taken = set(map(id, fixes))
        self.fixes = [fix for fix in self.fixes if id(fix) not in taken]

    def settle(self, settled_ms: int) -> None:
        """What is final is dealt out no more."""
        self.fixes = [fix for fix in self.fixes if fix.state.t_ms > settled_ms]
