"""Boxes of one track through time."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from edge.floor.tracking.boxes import smooth_boxes


def test_a_steady_walk_stays_what_it_is() -> None:
    """Nothing is bent that was straight: equal speed and size come out unchanged, gaps are filled in line."""
    t_s = np.array([0.0, 0.2, 0.4, 1.4, 1.6])
    at_s = np.linspace(0, 1.6, 9)

    def boxes(times: np.ndarray) -> np.ndarray:
        return np.column_stack([100 + 50 * times, 80 + 10 * times, 130 + 50 * times, 160 + 10 * times])

    smoothed = smooth_boxes(t_s, boxes(t_s), np.full(5, 0.8), at_s)
    np.testing.assert_allclose(smoothed, boxes(at_s), atol=1e-6)


def test_trembling_boxes_come_closer_to_the_truth() -> None:
    """Noise of 5 px on every side shrinks by half at the least."""
    rng = np.random.default_rng(3)
    t_s = np.arange(60) / 7
    truth = np.column_stack([100 + 30 * t_s, 80 + 0 * t_s, 130 + 30 * t_s, 160 + 0 * t_s])
    seen = truth + rng.normal(0, 5, truth.shape)
    smoothed = smooth_boxes(t_s, seen, np.full(60, 0.7), t_s)
    assert np.abs(smoothed - truth).mean() < 0.5 * np.abs(seen - truth).mean()


@settings(max_examples=50)
@given(st.lists(st.floats(0.05, 20), min_size=1, max_size=8), st.floats(-3, 180))
def test_a_box_is_finite_however_far_its_sightings_lie(gaps_s: list[float], at_s: float) -> None:
    """No gap, however long, makes a box that is no box."""
    t_s = np.cumsum(gaps_s)
    boxes = np.tile([10.0, 20.0, 40.0, 100.0], (len(t_s), 1))
    smoothed = smooth_boxes(t_s, boxes, np.full(len(t_s), 0.4), np.array([at_s]))
    np.testing.assert_allclose(smoothed, boxes[:1], atol=1e-6)
