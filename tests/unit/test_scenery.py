"""What always stands before a camera begins nobody, however like a person; who comes, stands or passes is no scenery."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from walkers import boxes, calibration

from edge.floor.observation import observe
from edge.floor.tracking.tracker import Tracker
from edge.perceive.scenery import FIRST_S, FOUND_S, PASSES_S, SETTLES_S, Scenery

Picture = NDArray[np.uint8]

BOLLARD = np.array([[150, 50, 170, 100, 0.4]], np.float32)
BESIDE = np.array([[50, 50, 70, 100, 0.4]], np.float32)
NOBODY = np.zeros((0, 5), np.float32)
STEP_MS = 500


def texture(seed: int, high: int, wide: int) -> NDArray[np.int16]:
    """Coarse random light and shade."""
    coarse = np.random.default_rng(seed).integers(40, 200, (high // 5 + 1, wide // 5 + 1))
    return np.kron(coarse, np.ones((5, 5)))[:high, :wide].astype(np.int16)


class Street:
    """A textured street of 320 × 180 px with noise and, if wanted, somebody in it."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._ground = texture(2, 180, 320)
        self.light = 0
        self.t_ms = 0
        self.scenery = Scenery()
        self._seen = np.zeros((180, 320, 3), np.uint8)

    def go_on(
        self, seconds: float, *, somebody: NDArray[np.float32] | None = None, seed: int = 3,
        found: NDArray[np.float32] = NOBODY,
    ) -> None:  # fmt: skip
        """Show so much of it; the detector finds that."""
        for _ in range(round(seconds * 1000 / STEP_MS)):
            self.t_ms += STEP_MS
            self._seen = self._frame(somebody, seed)
            self.scenery.shows(self._seen, found, self.t_ms)

    def shows(self, boxes_px: NDArray[np.float32]) -> list[bool]:
        """Of boxes of the last frame, whether only the scenery is there."""
        told: list[bool] = self.scenery.shows(self._seen, boxes_px, self.t_ms).tolist()
        return told

    def _frame(self, somebody: NDArray[np.float32] | None, seed: int) -> Picture:
        grey = self._ground + self.light + self._random.normal(0, 2.0, self._ground.shape)
        if somebody is not None:
            x0, y0, x1, y1 = somebody[0, :4].astype(int)
            grey[y0:y1, x0:x1] = texture(seed, y1 - y0, x1 - x0) + self.light
        return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def street() -> Street:
    """A street that was looked at for long enough."""
    told = Street()
    told.go_on(FIRST_S + 1)
    return told


def test_what_was_there_all_the_time_is_scenery_once_that_is_known() -> None:
    """Before `FIRST_S` nothing is known, so nobody is kept out."""
    street = Street()
    street.go_on(FIRST_S / 2)
    assert not street.shows(BOLLARD)[0]
    street.go_on(FIRST_S / 2 + 1)
    assert street.shows(np.concatenate([BOLLARD, BESIDE])) == [True, True]
    assert street.shows(NOBODY) == []


def test_who_comes_and_stands_still_is_somebody(street: Street) -> None:
    """For as long as `SETTLES_S` without moving a pixel; the bollard beside stays scenery."""
    street.go_on(SETTLES_S / 2, somebody=BESIDE)
    assert street.shows(np.concatenate([BOLLARD, BESIDE])) == [True, False]


def test_what_was_put_there_becomes_scenery_in_time(street: Street) -> None:
    """A new poster is a person for ten minutes at most."""
    street.go_on(SETTLES_S + 2, somebody=BESIDE)
    assert street.shows(BESIDE)[0]


def test_who_is_found_there_is_never_learnt_however_still(street: Street) -> None:
    """Neither who came, nor who sat there from the first; until nobody is found there for as long."""
    sure = BESIDE.copy()
    sure[:, 4] = 0.7
    street.go_on(SETTLES_S + 2, somebody=BESIDE, found=sure)
    assert not street.shows(sure)[0]
    sitting = Street()
    sitting.go_on(FIRST_S * 3, found=sure)
    assert sitting.shows(np.concatenate([BOLLARD, sure])) == [True, False]
    sitting.go_on(FIRST_S + FOUND_S)
    assert sitting.shows(sure) == [True]


def test_who_passes_before_it_changes_nothing(street: Street) -> None:
    """While somebody is before it, it is not seen; right after it is what it was."""
    for seconds in (PASSES_S / 2, 20.0):
        street.go_on(seconds, somebody=BOLLARD)
        assert not street.shows(BOLLARD)[0]
        street.go_on(STEP_MS / 1000)
        assert street.shows(BOLLARD)[0]


def test_light_and_a_clock_that_is_set_back_change_nothing(street: Street) -> None:
    """Another light on everything is the same scenery; so is an earlier time."""
    for light in (10, 20, 5):
        street.light = light
        street.go_on(1)
        assert street.shows(BOLLARD)[0]
    street.t_ms -= 3_600_000
    street.go_on(1)
    assert street.shows(BOLLARD)[0]


def test_a_picture_of_another_size_is_learnt_anew(street: Street) -> None:
    """Nothing is known of it at first."""
    other = np.zeros((100, 100, 3), np.uint8)
    box = np.array([[10, 10, 30, 60, 0.7]], np.float32)
    assert not street.scenery.shows(other, box, street.t_ms + STEP_MS)[0]


@pytest.mark.parametrize("scenery", [False, True])
def test_scenery_begins_nobody_and_who_is_followed_already_stays(scenery: bool) -> None:
    """The flag of a box is asked only for who is new."""
    tracker = Tracker(calibration())
    for frame in range(40):
        found = boxes([(4.0, 4.0)] if frame < 10 else [(4.0, 4.0), (7.0, 4.0)])
        told = np.column_stack([found, np.full((len(found), 6), np.nan), np.zeros(len(found))])
        told[:, 11] = scenery and frame >= 10
        tracker.step(observe(frame * 200, told.astype(np.float32), calibration()))
    assert len(tracker.present()) == (1 if scenery else 2)
