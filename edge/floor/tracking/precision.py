"""How precisely a camera's boxes place feet, learnt from the walks that became final.

What is assumed of a foot point (`observation`) is on the safe side: a good detector in a good light is twice as
precise. Where frames are so far apart that their errors have nothing to do with each other, the evidence of walks
tells by how much: the posterior over a few scales of all standard deviations, old fixes slowly forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.floor.tracking.manoeuvre import Sighting
from edge.floor.tracking.straightness import Array
from edge.floor.tracking.switching import step_by_step

SCALES = np.geomspace(0.35, 2.0, 11)
PRIOR = 0.35
"""How far, in natural logarithms, the scale may be from 1 before anything was seen: one standard deviation."""
REMEMBERED_FIXES = 600.0
KNOWN_FIXES = 60.0
"""So many fixes tell enough for lines to take the scale at its word."""
LEAST_FIXES = 3
"""The first fixes of a walk fit any."""
STRANGE = 5.0
"""A fix may have been somebody else's: it is never less likely, in natural logarithms, than this below the most that is assumed."""


class Precision:
    """What is known of one camera."""

    def __init__(self) -> None:
        self._prior: Array = -0.5 * (np.log(SCALES) / PRIOR) ** 2
        self._told: Array = np.zeros(len(SCALES))
        self._fixes = 0.0

    @property
    def scale(self) -> float:
        """By this the assumed standard deviations are to be multiplied."""
        belief = self._prior + self._told
        share = np.exp(belief - belief.max())
        return float(np.exp(share @ np.log(SCALES) / share.sum()))

    @property
    def known(self) -> bool:
        """Whether the scale is this camera's, more than what is assumed of all."""
        return self._fixes >= KNOWN_FIXES

    def learn(self, walks: Sequence[tuple[Sequence[Sighting], Sequence[Sighting]]]) -> None:
        """Of each walker, the fixes that were learnt from before and those that became final since."""
        telling = [(past, fresh) for past, fresh in walks if fresh and len(past) + len(fresh) >= LEAST_FIXES]
        if not telling:
            return
        whole = [(*past, *fresh) for past, fresh in telling]
        ends = np.cumsum([len(walk) for walk in whole])
        t_s = np.array([sighting.state.t_ms for walk in whole for sighting in walk]) / 1000
        feet, cov = (np.array(each) for each in zip(*(s.fix for walk in whole for s in walk), strict=True))
        rows = [
            tuple(range(scale * len(t_s) + end - len(walk), scale * len(t_s) + end))
            for scale in range(len(SCALES))
            for walk, end in zip(whole, ends.tolist(), strict=True)
        ]
        scaled = (SCALES[:, None, None, None] ** 2 * cov).reshape(-1, 2, 2)
        told = step_by_step(np.tile(t_s, len(SCALES)), np.tile(feet, (len(SCALES), 1)), scaled, rows)
        told = np.diff(told.reshape(len(SCALES), len(whole), -1), axis=2)
        least = -np.log(2 * np.pi) - 0.5 * np.log(np.linalg.det(cov)) - STRANGE
        for number, (past, walk) in enumerate(zip((past for past, _ in telling), whole, strict=True)):
            since = max(len(past), LEAST_FIXES - 1)
            fixes = range(ends[number] - len(walk) + since, ends[number])
            each = np.logaddexp(told[:, number, since - 1 : len(walk) - 1], least[fixes])
            kept = (1 - 1 / REMEMBERED_FIXES) ** len(fixes)
            self._told = self._told * kept + each.sum(axis=1)
            self._fixes = self._fixes * kept + len(fixes)
