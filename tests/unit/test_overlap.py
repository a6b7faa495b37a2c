"""A crowd in which people hide each other is told; a full hall in which they do not, and a queue, are not."""

from __future__ import annotations

import numpy as np
import pytest
from hall import HEIGHT_M, WIDTH_M, Moments, corner_eyes, run, site

from edge.floor.floor import Floor
from edge.floor.observation import observe
from edge.floor.overlap import Overlap, overlapping


def walking_about(count: int, seconds: float) -> Moments:
    """People who walk from place to place in the whole hall, five moments a second."""
    random = np.random.default_rng(3)
    most = (WIDTH_M - 0.8, HEIGHT_M - 0.8)
    at, to = (random.uniform(0.8, most, (count, 2)) for _ in range(2))
    step_m = 0.2 * random.uniform(0.3, 1.3, count)
    moments = []
    for moment in range(round(5 * seconds)):
        way = to - at
        far = np.maximum(np.linalg.norm(way, axis=1), 1e-6)
        to[far < step_m] = random.uniform(0.8, most, ((far < step_m).sum(), 2))
        at = at + way / far[:, None] * np.minimum(step_m, far)[:, None]
        moments.append((0.2 * moment, {number + 1: (float(x), float(y)) for number, (x, y) in enumerate(at)}))
    return moments


@pytest.mark.parametrize(("people", "told"), [(20, False), (60, True)])
def test_windows_of_a_crowd_that_hides_people_say_so(people: int, told: bool) -> None:
    done = run(corner_eyes(1, fps=4, hides=True), walking_about(people, 12))
    windows = [window for settled in done.settled for window in settled.windows]
    assert {camera.fault for window in windows[1:] for camera in window.cameras} == {
        "crowded" if told else None
    }


def boxes(places: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """People beside each other, 40 px wide, whose left sides are there."""
    return np.array([(left, 100.0, left + 40.0, 300.0) for left in places]).reshape(-1, 4)


def test_only_who_overlaps_another_counts() -> None:
    side_by_side = [41.0 * number for number in range(30)]
    assert overlapping(boxes(side_by_side)) == 0
    assert overlapping(boxes([*side_by_side, 5.0, 415.0])) == 4
    assert overlapping(boxes([0.0, 5.0] * 5)) == 0  # ten cannot be a crowd
    assert overlapping(boxes([])) == 0


def test_one_frame_after_a_gap_is_no_crowd() -> None:
    overlap = Overlap()
    overlap.take(0, boxes([0.0]))
    overlap.take(60_000, boxes([20.0 * number for number in range(18)]))
    assert not overlap.crowded


def test_a_camera_that_goes_down_in_a_crowd_is_not_crowded_while_it_is_away() -> None:
    """Its windows then say why nothing is seen."""
    floor, camera = Floor(site(corner_eyes(1)), prefix="hall", method="test"), corner_eyes(1)[0].id
    crowd = np.concatenate([boxes([20.0 * number for number in range(18)]), np.full((18, 1), 0.9)], axis=1)
    for number in range(40):
        t_ms = 60_000 + 250 * number
        floor.frame(camera, t_ms, observe(t_ms, crowd.astype(np.float32), floor.calibration(camera)))
    assert floor._eyes[camera].faulty_now == "crowded"
    floor.state(camera, "down")
    assert floor._eyes[camera].faulty_now is None


@pytest.mark.parametrize("fps", [2, 15])
def test_a_crowd_begins_and_ends_slowly_whatever_the_rate_of_frames(fps: int) -> None:
    """A group that walks by for two seconds is none."""
    many, few = boxes([20.0 * number for number in range(18)]), boxes([0.0])
    overlap = Overlap()
    told = []
    for frames, from_s, to_s in (
        (few, 0, 5), (many, 5, 7), (few, 7, 20), (many, 20, 29), (few, 29, 31), (few, 31, 36),
    ):  # fmt: skip
        for number in range(from_s * fps, to_s * fps):
            overlap.take(round(1000 * number / fps), frames)
        told.append(overlap.crowded)
    assert told == [False, False, False, True, True, False]
