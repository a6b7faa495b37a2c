"""A person as one camera tells of it in one frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Began:
    """Where a track began, before the frames in which it could be told: it was believed only later."""

    t_ms: int
    place_m: tuple[float, float]
    sigma_m: float
    precise_m: float | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one frame: id, box in the picture (x0, y0, x1, y1), place on the plan."""

    id: int
    box_px: tuple[float, float, float, float]
    place_m: tuple[float, float]
    sigma_m: float
    score: float
    precise_m: float | None = None
    """The standard deviation of the place by how precise this camera is (`precision`), where that is known; `sigma_m` is by
    what is assumed of all cameras, and more than enough."""
    began: Began | None = None
    glimpsed: bool = False
    """Only partly seen at the side of the picture, coming into view or leaving it."""
