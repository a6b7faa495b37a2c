"""Whose fixes may be each other's, where so many people are in view that not every two of them can be asked about."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from edge.floor.tracking.trail import Fixes, Trail

EVERY_MS = 500


def nearest(trails: Sequence[Trail], fixes: Fixes, most: int) -> list[tuple[int, int]]:
    """Pairs of trails, by number: all, or the `most` that come nearest to each other at one time.

    Before a trail begins and after it has ended its walker is taken to be there still, so that who goes on for another is
    near to them.
    """
    pairs = list(itertools.combinations(range(len(trails)), 2))
    if len(pairs) <= most:
        return pairs
    times = np.arange(fixes.t_ms[0], fixes.t_ms[-1] + EVERY_MS, EVERY_MS)
    places = np.full((len(trails), len(times), 2), np.inf)
    for place, trail in zip(places, trails, strict=True):
        walk = list(trail.walk)
        for axis in range(2 if walk else 0):
            place[:, axis] = np.interp(times, fixes.t_ms[walk], fixes.feet_m[walk, axis])
    one, other = np.array(pairs).T
    with np.errstate(invalid="ignore"):
        apart_m = np.linalg.norm(places[one] - places[other], axis=2).min(axis=1)
    order = np.argsort(np.nan_to_num(apart_m, nan=np.inf), kind="stable")[:most]
    return sorted(pairs[number] for number in order.tolist())
