"""Two who walk one behind the other towards the camera are two; a second box of one walker is nobody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.accuracy.counting_scene import BODY_M, DEPTH_M, bench_site, project
from edge.floor.floor import Floor, Settled
from edge.floor.observation import observe
from edge.floor.windows import no_sensors

Array = NDArray[np.float64]
SPEED_M_S = 0.5
TALL_M, SMALL_M = 1.8, 1.5
BEHIND_M = 1.5
FILES_M = (3.5, 6.5)
Second = Callable[[Array], Array]


def box(y_m: float, height_m: float = TALL_M, x_m: float = 5.0) -> Array:
    """(5,): who stands so far from the hall's back wall, sure by .9."""
    corners = np.array([[x_m - BODY_M / 2, y_m, 0], [x_m + BODY_M / 2, y_m, 0], [x_m, y_m, height_m]])
    (left, feet), (right, _), (_, head) = project(corners).tolist()
    return np.array([left, head, right, feet, 0.9])


def counted(fps: float, seconds: float, boxes_at: Callable[[float], list[Array]]) -> tuple[list[str], int]:
    """The directions of who crossed, and how many people there were."""
    floor, settled = Floor(bench_site(), prefix="test", method="test"), list[Settled]()
    calibration = floor.calibration("hall")
    for frame in range(int(seconds * fps)):
        t_ms = round(frame * 1000 / fps)
        found = np.array(boxes_at(t_ms / 1000)).reshape(-1, 5).astype(np.float32)
        floor.frame("hall", t_ms, observe(t_ms, found, calibration))
        settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    people = {person.id for each in settled for stretch in each.stretches for person in stretch.people}
    return [passage.crossing.direction for each in settled for passage in each.crossings], len(people)


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
@pytest.mark.parametrize("seen", [1.0, 0.75])
def test_who_follows_closely_is_somebody(fps: float, seen: float) -> None:
    """In two files: boxes overlap by half from the first frame on, all the way to the line; all cross it."""
    random = np.random.default_rng(1)

    def present(t_s: float) -> list[Array]:
        file = ((SPEED_M_S * t_s, TALL_M), (SPEED_M_S * t_s - BEHIND_M, SMALL_M))
        return [
            box(y, height, x)
            for x in FILES_M
            for y, height in file
            if 0 <= y <= DEPTH_M and random.random() < seen
        ]

    assert counted(fps, (DEPTH_M + BEHIND_M) / SPEED_M_S + 2, present) == (["out"] * 4, 4)


def upper(one: Array) -> Array:
    """Without the legs."""
    return one - [0, 0, 0, 0.3 * (one[3] - one[1]), 0]


def lower(one: Array) -> Array:
    """Without head and shoulders."""
    return one + np.array([0, 0.35 * (one[3] - one[1]), 0, 0, 0])


def raised(one: Array) -> Array:
    """The whole, a little higher."""
    return one - [0, 0.09 * (one[3] - one[1]), 0, 0.09 * (one[3] - one[1]), 0]


@pytest.mark.parametrize("second", [upper, lower, raised])
@pytest.mark.parametrize("jitter_px", [0.0, 3.0])
def test_a_second_box_of_a_walker_is_nobody(second: Second, jitter_px: float) -> None:
    """In every frame of the whole way, exact or as unsteady as a detector's."""
    random = np.random.default_rng(2)

    def twice(t_s: float) -> list[Array]:
        y = SPEED_M_S * t_s
        if y > DEPTH_M:
            return []
        found = [box(y), second(box(y)) - [0, 0, 0, 0, 0.1]]
        return [each + np.append(random.normal(0, jitter_px, 4), 0) for each in found]

    assert counted(7.0, DEPTH_M / SPEED_M_S + 2, twice) == (["out"], 1)
