"""The evidence of a walk against the same normal distribution, written down another way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal
from walkers import noisy_walk

from edge.floor.tracking.straightness import MODES, PLACE_M, SPEED_M_S, Straightness


def integral(a_s: float, b_s: float) -> float:
    """Covariance of two places of a walker whose acceleration is white noise of density 1."""
    return float(quad(lambda u: (a_s - u) * (b_s - u), 0, min(a_s, b_s))[0])


def test_evidence_is_that_of_the_walks_normal_distribution() -> None:
    """The covariance by numerical integration, the density by another library, walk by walk."""
    t_s, feet, cov = noisy_walk(1, 6)
    walks = [(0, 1, 2, 3, 4, 5), (1, 4), (3,), (0, 2, 5)]
    straight = Straightness(t_s, feet, cov)
    straight.learn(walks)
    for walk in walks:
        at, off = t_s[list(walk)] - t_s[walk[0]], feet[list(walk)] - feet[walk[0]]
        bent = np.array([[integral(a, b) for b in at] for a in at])
        total = 0.0
        for share, density in MODES:
            kernel = PLACE_M**2 + SPEED_M_S**2 * np.outer(at, at) + density * bent
            spread = np.kron(kernel, np.eye(2))
            for i, number in enumerate(walk):
                spread[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] += cov[number]
            total += share * multivariate_normal.pdf(off.ravel(), np.zeros(2 * len(walk)), spread)
        assert straight[walk] == pytest.approx(np.log(total), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(2, 8))
def test_walks_learnt_together_do_not_tell_of_each_other(seed: int, count: int) -> None:
    """A walk's evidence is the same whichever longer ones are worked out with it."""
    t_s, feet, cov = noisy_walk(seed, count)
    walk = tuple(range(0, count, 2))
    alone, together = Straightness(t_s, feet, cov), Straightness(t_s, feet, cov)
    alone.learn([walk])
    together.learn([tuple(range(count)), walk, (0,)])
    assert together[walk] == pytest.approx(alone[walk], abs=1e-9)


def test_who_turns_back_at_once_is_less_likely_one_than_two() -> None:
    """Straight on after a gap is one walk; 2 m back within half a second is two people's."""
    t_s = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    ahead = np.column_stack([2.0 * t_s, np.zeros(6)])
    back = ahead.copy()
    back[3:, 0] = [0.0, -1.0, -2.0]
    cov = np.tile(0.01 * np.eye(2), (6, 1, 1))
    for feet, one in ((ahead, True), (back, False)):
        straight = Straightness(t_s, feet, cov)
        straight.learn([(0, 1, 2, 3, 4, 5), (0, 1, 2), (3, 4, 5)])
        assert (straight[0, 1, 2, 3, 4, 5] > straight[0, 1, 2] + straight[3, 4, 5]) == one
