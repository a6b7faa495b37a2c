"""Walkers on a synthetic floor, seen by a camera straight above it: 100 px are one metre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from branchloop.site.site import Site, parse_site
from edge.floor.calibration import FloorCalibration, calibrate

SITE = """
id = "lab"
name = { en = "Lab", zh = "实验室" }
timezone = "UTC"
[plan]
width_m = 10.0
height_m = 8.0
[[camera]]
id = "north"
source = "none"
[camera.calibration]
picture_px = [1000, 1000]
points = [[0, 200, 0, 0], [1000, 200, 10, 0], [1000, 1000, 10, 8], [0, 1000, 0, 8], [500, 600, 5, 4]]
[[camera]]
id = "south"
source = "none"
[camera.calibration]
picture_px = [1000, 1000]
points = [[1000, 1000, 0, 0], [0, 1000, 10, 0], [0, 200, 10, 8], [1000, 200, 0, 8], [500, 600, 5, 4]]
[[line]]
id = "middle"
from = [5.0, 0.5]
to = [5.0, 7.5]
inside = [8.0, 4.0]
entrance = true
[[zone]]
id = "east"
kind = "waiting"
polygon = [[6.0, 1.0], [9.5, 1.0], [9.5, 7.0], [6.0, 7.0]]
min_stay_s = 1.0
"""
SIZE_PX = (60.0, 160.0)
Place = tuple[float, float]
Walk = Callable[[float], Place | None]


def lab(cameras: Sequence[str] = ("north",)) -> Site:
    """A floor of 10 × 8 m with a line in the middle and a zone on the right."""
    site = parse_site(SITE)
    return site.model_copy(update={"cameras": [c for c in site.cameras if c.id in cameras]})


@cache
def calibration(camera: str = "north") -> FloorCalibration:
    """The camera's calibration."""
    marks = next(c for c in lab((camera,)).cameras if c.id == camera).calibration
    return calibrate(marks.points, marks.picture_px)


def boxes(places: Sequence[Place], camera: str = "north", score: float = 0.9) -> NDArray[np.float32]:
    """Detections of people whose feet are at `places`."""
    if not places:
        return np.zeros((0, 5), np.float32)
    feet = calibration(camera).to_picture(np.array(places))
    width, height = SIZE_PX
    return np.column_stack(
        [
            feet[:, 0] - width / 2,
            feet[:, 1] - height,
            feet[:, 0] + width / 2,
            feet[:, 1],
            np.full(len(feet), score),
        ]
    ).astype(np.float32)


def straight(x0: float, x1: float, y: float, start_s: float, speed: float) -> Walk:
    """Somebody who walks from x0 to x1 at height y."""

    def walk(t_s: float) -> Place | None:
        x = x0 + np.sign(x1 - x0) * speed * (t_s - start_s)
        return (float(x), y) if t_s >= start_s and min(x0, x1) <= x <= max(x0, x1) else None

    return walk


def present(walks: Sequence[Walk], t_s: float) -> list[Place]:
    """Where everybody is."""
    return [place for walk in walks if (place := walk(t_s)) is not None]


def noisy_walk(
    seed: int, count: int, most_s: float = 0.8
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Times (s) at most so far apart, places (m) and covariances (m²) of a straight walk with noise."""
    rng = np.random.default_rng(seed)
    t_s = np.cumsum(rng.uniform(0.1, most_s, count))
    feet = np.column_stack([0.8 * t_s, 3 + 0.2 * t_s]) + rng.normal(0, 0.1, (count, 2))
    skewed = rng.normal(0, 0.15, (count, 2, 2))
    return t_s, feet, skewed @ skewed.transpose(0, 2, 1) + 0.01 * np.eye(2)
