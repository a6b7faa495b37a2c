"""One sighting of a track, and the manoeuvres that several tell of: somebody who brakes, turns or sets off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.floor.observation import Observation
from edge.floor.tracking import motion_model
from edge.floor.tracking.motion_model import State

Array = NDArray[np.float64]

MANOEUVRE_SIGHTINGS = 3
MANOEUVRE_SIGMAS = 2.0
"""So many sightings that stray the same way, by so much together, tell of somebody who brakes or turns."""
MANOEUVRE_MS = 800
"""How long before it shows a manoeuvre began."""


@dataclass(slots=True)
class Sighting:
    """What a frame told of a track: its state after it, its box (4,) px, and whether it was seen at all."""

    state: State
    box_px: Array
    score: float
    seen: bool
    feet_m: Array | None = None
    cov_m2: Array | None = None
    """What was measured, if anything."""
    beside: bool = False
    """Whether the left or right border of the picture cut the person off."""
    surprise_m: Array | None = None
    spread_m2: Array | None = None
    """How far that was from what was expected, and the covariance of this."""
    height_m: float = math.nan
    colour: Array | None = None
    """How tall and in what clothes, where that was measured."""
    spare: bool = False
    """Whether its box overlapped somebody else's: it may be theirs as well, and tells of nobody by itself."""

    @classmethod
    def of(cls, state: State, observation: Observation, box: int) -> Sighting:
        """A box of an observation, as what a track saw."""
        return cls(
            state,
            observation.boxes_px[box],
            float(observation.scores[box]),
            True,
            observation.feet_m[box],
            observation.cov_m2[box],
            bool(observation.beside[box]),
            height_m=float(observation.height_m[box]),
            colour=observation.colour[box],
        )

    @property
    def fix(self) -> tuple[Array, Array]:
        """Where it was measured, and the covariance. Raises ValueError for a frame that was held or missed."""
        if self.feet_m is None or self.cov_m2 is None:
            raise ValueError(f"nothing was measured at {self.state.t_ms} ms")
        return self.feet_m, self.cov_m2

    def foretell(self, before: State, acceleration_m_s2: float) -> None:
        """Filter this sighting once more, on from the one before."""
        predicted = motion_model.predict(before, self.state.t_ms, acceleration_m_s2)
        self.fold_in(predicted)

    def fold_in(self, predicted: State) -> None:
        """Take what was expected, and what was measured if anything."""
        if self.feet_m is None or self.cov_m2 is None:
            self.state = predicted
            return
        self.surprise_m = self.feet_m - predicted.mean[:2]
        self.spread_m2 = predicted.cov[:2, :2] + self.cov_m2
        self.state = motion_model.update(predicted, self.feet_m, self.cov_m2)


def refilter(sightings: Sequence[Sighting], acceleration_m_s2: float, scale: float = 1.0) -> list[State]:
    """The states of a track once more from its first sighting on, for somebody who may brake and turn so hard.

    By `scale` the standard deviations of the fixes are multiplied, and that of where the first state is.
    """
    shrunk = np.diag([scale, scale, 1.0, 1.0])
    states: list[State] = []
    for sighting in sightings:
        if not states or (sighting.seen and sighting.feet_m is None):
            states.append(replace(sighting.state, cov=shrunk @ sighting.state.cov @ shrunk))
            continue
        state = motion_model.predict(states[-1], sighting.state.t_ms, acceleration_m_s2)
        if sighting.feet_m is not None and sighting.cov_m2 is not None:
            state = motion_model.update(state, sighting.feet_m, sighting.cov_m2 * scale**2)
        states.append(state)
    return states


def aside(feet_m: Array, last: Sighting, waited_s: float) -> tuple[Array, Array]:
    """(n, 2) -> (n,) m from the way that somebody seen last so goes meanwhile, and (n,) m behind its start."""
    start = last.state.mean[:2] if last.feet_m is None else last.feet_m
    step = last.state.mean[2:] * waited_s
    length = max(float(np.hypot(*step)), 1e-9)
    along = (feet_m - start) @ step / length
    off = feet_m - start - np.clip(along, 0.0, length)[:, None] * step / length
    return np.linalg.norm(off, axis=1), -along


def strays(sightings: list[Sighting]) -> bool:
    """Whether the last sightings all lie off what was expected, the same way: a manoeuvre, not noise."""
    surprise, spread, counted = np.zeros(2), np.zeros((2, 2)), 0
    for sighting in reversed(sightings[-8:]):
        if sighting.surprise_m is None or sighting.spread_m2 is None:
            continue
        surprise, spread, counted = surprise + sighting.surprise_m, spread + sighting.spread_m2, counted + 1
        if surprise @ np.linalg.solve(spread, surprise) > MANOEUVRE_SIGMAS**2:
            return True
        if counted == MANOEUVRE_SIGHTINGS:
            break
    return False


def follow(sightings: list[Sighting]) -> None:
    """Filter the last sightings once more as those of somebody who may brake or turn.

    Observation-centric re-update: Cao et al., *Observation-Centric SORT*, 2023.
    """
    since_ms = sightings[-1].state.t_ms - MANOEUVRE_MS
    first = len(sightings) - 1
    while first > 1 and (sightings[first - 1].state.t_ms >= since_ms or not sightings[first - 1].seen):
        if sightings[first - 1].seen and sightings[first - 1].feet_m is None:
            break
        first -= 1
    for index in range(max(first, 1), len(sightings)):
        sightings[index].foretell(sightings[index - 1].state, motion_model.MANOEUVRE_M_S2)
