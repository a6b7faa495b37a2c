"""How precisely a camera's boxes place feet, learnt from the walks that became final.

What is assumed of a foot point (`observation`) is on the safe side: a good detector in a good light is twice as
precise. Where frames are so far apart that their errors have nothing to do with each other, the evidence of walks
tells by how much: the posterior over a few scales of all standard deviations, old walks slowly forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.floor.manoeuvre import Sighting
from edge.floor.straightness import Array
from edge.floor.switching import Switching

SCALES = np.geomspace(0.35, 2.0, 11)
PRIOR = 0.35
"""How far, in natural logarithms, the scale may be from 1 before anything was seen: one standard deviation."""
REMEMBERED_FIXES = 600.0
LEAST_FIXES = 3
"""Fewer fixes fit any walk."""
MOST_TOLD = 4.0
"""One walk speaks against a scale by no more than this: it may have been two people's."""


class Precision:
    """What is known of one camera."""

    def __init__(self) -> None:
        self._prior: Array = -0.5 * (np.log(SCALES) / PRIOR) ** 2
        self._told: Array = np.zeros(len(SCALES))

    @property
    def scale(self) -> float:
        """By this the assumed standard deviations are to be multiplied."""
        belief = self._prior + self._told
        share = np.exp(belief - belief.max())
        return float(np.exp(share @ np.log(SCALES) / share.sum()))

    def learn(self, walks: Sequence[tuple[Sequence[Sighting], Sequence[Sighting]]]) -> None:
        """Of each walker, the fixes that were learnt from before and those that became final since."""
        telling = [(past, fresh) for past, fresh in walks if fresh and len(past) + len(fresh) >= LEAST_FIXES]
        if not telling:
            return
        t_ms: list[int] = []
        feet, cov, pairs = [], [], []
        for scale in SCALES:
            for past, fresh in telling:
                first = len(t_ms)
                for sighting in (*past, *fresh):
                    feet_m, cov_m2 = sighting.fix
                    t_ms.append(sighting.state.t_ms)
                    feet.append(feet_m)
                    cov.append(cov_m2 * scale**2)
                pairs.append((tuple(range(first, len(t_ms))), tuple(range(first, first + len(past)))))
        evidence = Switching(np.array(t_ms) / 1000, np.array(feet), np.array(cov))
        evidence.learn(walk for pair in pairs for walk in pair)
        told = np.array([evidence[all_] - evidence[past] for all_, past in pairs])
        told = told.reshape(len(SCALES), len(telling))
        told = np.maximum(told - told.max(axis=0), -MOST_TOLD)
        fixes = sum(len(fresh) for _, fresh in telling)
        self._told = self._told * (1 - 1 / REMEMBERED_FIXES) ** fixes + told.sum(axis=1)
