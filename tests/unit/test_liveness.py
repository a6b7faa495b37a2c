"""Depth: what a plane leaves over is nothing, what a head leaves over is not."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, strategies as st

from edge.kiosk.liveness import DEPTH, RIGID, parallax

RNG = np.random.default_rng(5)
FACE = np.column_stack([RNG.uniform(200, 440, 478), RNG.uniform(100, 400, 478), RNG.uniform(-60, 60, 478)])
FACE[33, :2], FACE[263, :2] = (250, 200), (390, 200)


def turned(points: np.ndarray, yaw_deg: float, *, depth: float) -> np.ndarray:
    """Points before a camera far away, turned about an upright axis; `depth` 0 makes them a print."""
    yaw = np.radians(yaw_deg)
    space = points - (320, 250, 0)
    x = space[:, 0] * np.cos(yaw) + depth * space[:, 2] * np.sin(yaw)
    z = 900 - space[:, 0] * np.sin(yaw) + depth * space[:, 2] * np.cos(yaw)
    return np.column_stack([x / z * 900 + 320, space[:, 1] / z * 900 + 250])


@given(st.floats(-70, 70))
def test_a_print_leaves_nothing_over(yaw_deg: float) -> None:
    """Any turn of a plane is a homography, exactly."""
    rest, seen = turned(FACE, 0, depth=0), turned(FACE, yaw_deg, depth=0)
    assert parallax(rest, seen) < 1e-6


@given(st.floats(-35, 35))
def test_depth_shows_when_the_head_turns(yaw_deg: float) -> None:
    """The more it turns the more is left over, far beyond the limit at 20 degrees."""
    assume(abs(yaw_deg) >= 15)
    rest, seen = turned(FACE, 0, depth=1), turned(FACE, yaw_deg, depth=1)
    assert parallax(rest, seen) > DEPTH


def test_trembling_landmarks_are_not_depth() -> None:
    """A pixel of noise on a face of 140 px between the eyes stays below the limit."""
    noisy = FACE[:, :2] + np.random.default_rng(7).normal(0, 1.0, (478, 2))
    assert parallax(FACE, noisy) < DEPTH
    assert len(set(RIGID)) == len(RIGID)
