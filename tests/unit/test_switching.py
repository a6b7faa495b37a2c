"""The evidence of walks with stops: equal to the closed form where nobody changes, and no worse for who stands a while."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from walkers import noisy_walk

from edge.floor.tracking import switching
from edge.floor.tracking.straightness import MODES, Straightness
from edge.floor.tracking.switching import Switching


def test_who_never_changes_walks_as_the_gaussian_process_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filters that are never mixed sum up to the closed form of `straightness`."""
    monkeypatch.setattr(switching, "CHANGES_HZ", np.full((3, 3), 1e-12) * (1 - np.eye(3)))
    monkeypatch.setattr(switching, "BEGINS", np.log([*(share for share, _ in MODES), 1e-12]))
    monkeypatch.setattr(switching, "DENSITIES", np.array([density for _, density in MODES]))
    for seed in range(5):
        t_s, feet, cov = noisy_walk(seed, 7, 1.5)
        walks = [(0, 1, 2, 3, 4, 5, 6), (1, 4), (3,), (0, 2, 5)]
        closed, stepped = Straightness(t_s, feet, cov), Switching(t_s, feet, cov)
        closed.learn(walks)
        stepped.learn(walks)
        for walk in walks:
            assert stepped[walk] == pytest.approx(closed[walk], abs=0.01)


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(2, 8))
def test_walks_learnt_together_do_not_tell_of_each_other(seed: int, count: int) -> None:
    """A walk's evidence is the same whichever others are worked out with it, in whichever order."""
    t_s, feet, cov = noisy_walk(seed, count, 1.5)
    walk = tuple(range(0, count, 2))
    alone, together = Switching(t_s, feet, cov), Switching(t_s, feet, cov)
    alone.learn([walk])
    together.learn([(0,), walk, tuple(range(count)), (count - 1,)])
    assert together[walk] == pytest.approx(alone[walk], abs=1e-9)


def test_who_walks_up_and_stands_is_one() -> None:
    """Two fixes of a walk at 2.3 m/s and five of standing where it leads: two people by whole walks, one by walks with stops."""
    t_s = np.array([0.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
    feet = np.column_stack([np.full(7, 4.4), [8.0, 4.5, 3.9, 4.1, 4.0, 3.9, 4.0]])
    cov = np.tile(np.diag([0.005, 0.08]), (7, 1, 1))
    whole, walked_up, stood = (0, 1, 2, 3, 4, 5, 6), (0,), (1, 2, 3, 4, 5, 6)
    gains = []
    for evidence in (Straightness(t_s, feet, cov), Switching(t_s, feet, cov)):
        evidence.learn([whole, walked_up, stood])
        gains.append(evidence[whole] - evidence[walked_up] - evidence[stood])
    assert gains[0] < -8
    assert gains[1] > gains[0] + 6


def test_two_who_pass_each_other_do_not_both_turn_round() -> None:
    """At half a metre a second, fixes of 17 cm: that both walk on is clearly the likelier."""
    t_s = np.repeat(np.arange(9) * 0.5, 2)
    rng = np.random.default_rng(1)
    along = np.column_stack([0.5 * t_s[::2] - 1.0, 1.0 - 0.5 * t_s[::2]]).ravel()
    feet = np.column_stack([along, np.tile([0.0, 0.1], 9)]) + rng.normal(0, [0.17, 0.06], (18, 2))
    one, other = tuple(range(0, 18, 2)), tuple(range(1, 18, 2))
    turned = one[:4] + other[4:], other[:4] + one[4:]
    walks = Switching(t_s, feet, np.tile(np.diag([0.17**2, 0.06**2]), (18, 1, 1)))
    walks.learn([one, other, *turned])
    assert walks[one] + walks[other] > walks[turned[0]] + walks[turned[1]] + 3


def test_who_turns_back_at_once_is_still_two() -> None:
    """2 m to and fro within half a second is two people's."""
    t_s = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5])
    feet = np.column_stack([2.0 * t_s, np.zeros(6)])
    feet[3:, 0] = [0.0, -1.0, -2.0]
    walks = Switching(t_s, feet, np.tile(0.01 * np.eye(2), (6, 1, 1)))
    walks.learn([(0, 1, 2, 3, 4, 5), (0, 1, 2), (3, 4, 5)])
    assert walks[0, 1, 2, 3, 4, 5] < walks[0, 1, 2] + walks[3, 4, 5]
