"""How precise a camera's boxes are, learnt from walks: found where it differs from what is assumed, and not from one wrong walk."""

from __future__ import annotations

import numpy as np
import pytest

from edge.floor.tracking.manoeuvre import Sighting
from edge.floor.tracking.motion_model import State
from edge.floor.tracking.precision import Precision

ASSUMED_M = 0.2


def fixes(rng: np.random.Generator, sigma_m: float, begun_ms: int = 0) -> list[Sighting]:
    """Somebody who walks 1.2 m/s, stands for two seconds and walks on, in twelve fixes half a second apart."""
    t_s = np.arange(12) * 0.5
    along = 1.2 * np.where(t_s < 2, t_s, np.where(t_s < 4, 2.0, t_s - 2.0))
    feet = np.column_stack([along, np.zeros(12)]) + rng.normal(0, sigma_m, (12, 2))
    cov = ASSUMED_M**2 * np.eye(2)
    return [
        Sighting(
            State(begun_ms + round(t * 1000), np.zeros(4), np.eye(4)), np.zeros(4), 0.9, True, place, cov
        )
        for t, place in zip(t_s, feet, strict=True)
    ]


def learn(precision: Precision, walk: list[Sighting], piece: int = 12) -> None:
    """A walk that becomes final piece by piece."""
    for first in range(0, len(walk), piece):
        precision.learn([(walk[:first], walk[first : first + piece])])


def test_nothing_seen_is_what_is_assumed() -> None:
    assert Precision().scale == pytest.approx(1.0, abs=0.02)
    assert not Precision().known


@pytest.mark.parametrize("piece", [1, 5, 12])
@pytest.mark.parametrize("true", [0.5, 1.0, 1.6])
def test_the_scale_of_the_noise_is_found(true: float, piece: int) -> None:
    """From forty walks, however they are cut into pieces."""
    rng, precision = np.random.default_rng(1), Precision()
    for _ in range(40):
        learn(precision, fixes(rng, true * ASSUMED_M), piece)
    assert precision.scale == pytest.approx(true, rel=0.2)
    assert precision.known


@pytest.mark.parametrize("piece", [1, 12])
@pytest.mark.parametrize("aside_m", [1.0, 3.0])
def test_a_walk_of_two_people_tells_little(piece: int, aside_m: float) -> None:
    """Every second fix aside is no noise of the camera, not even after three walks."""
    rng, precision = np.random.default_rng(2), Precision()
    for _ in range(3):
        learn(precision, fixes(rng, 0.5 * ASSUMED_M))
    before = precision.scale
    torn = fixes(rng, 0.5 * ASSUMED_M)
    for sighting in torn[::2]:
        assert sighting.feet_m is not None
        sighting.feet_m = sighting.feet_m + np.array([0.0, aside_m])
    learn(precision, torn, piece)
    assert precision.scale == pytest.approx(before, rel=0.35)


def test_few_fixes_tell_nothing() -> None:
    precision, rng = Precision(), np.random.default_rng(3)
    precision.learn([([], fixes(rng, 9.0)[:2]), (fixes(rng, 9.0), [])])
    assert precision.scale == Precision().scale


def test_what_is_old_fades() -> None:
    """A camera that was cleaned."""
    precision, rng = Precision(), np.random.default_rng(3)
    for sigma_m in [1.6 * ASSUMED_M] * 200 + [0.5 * ASSUMED_M] * 60:
        learn(precision, fixes(rng, sigma_m))
    assert precision.scale == pytest.approx(0.5, rel=0.2)
