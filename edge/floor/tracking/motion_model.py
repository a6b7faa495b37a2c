"""A person on the floor: constant velocity in metres, Kalman filtered and smoothed.

State (x, y, vx, vy) in m and m/s. White acceleration noise, small for who walks on and large for who brakes
or turns; the smoother is Rauch–Tung–Striebel and takes for every step the noise that its filter took.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACCELERATION_M_S2 = 0.7
"""Standard deviation of a walker's acceleration."""
MANOEUVRE_M_S2 = 2.0
"""And of one who brakes, turns back or sets off."""
START_SPEED_M_S = 0.9
"""Standard deviation of the unknown speed of a new track."""
_HERE = np.eye(4)
_H = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])


@dataclass(frozen=True, slots=True)
class State:
    """Mean (4,) and covariance (4, 4) at `t_ms`, reached with this standard deviation of acceleration."""

    t_ms: int
    mean: Array
    cov: Array
    acceleration_m_s2: float = ACCELERATION_M_S2

    @property
    def place_m(self) -> Array:
        """(2,) position in metres."""
        return self.mean[:2]


def start(t_ms: int, place_m: Array, cov_m2: Array, speed_m_s: float = START_SPEED_M_S) -> State:
    """State of a track seen once, whose unknown speed has this standard deviation."""
    cov = np.zeros((4, 4))
    cov[:2, :2] = cov_m2
    cov[2, 2] = cov[3, 3] = speed_m_s**2
    return State(t_ms, np.array([place_m[0], place_m[1], 0.0, 0.0]), cov)


def predict(state: State, t_ms: int, acceleration_m_s2: float = ACCELERATION_M_S2) -> State:
    """Where the person is expected at `t_ms`."""
    transition, noise = _step((t_ms - state.t_ms) / 1000, acceleration_m_s2)
    cov = transition @ state.cov @ transition.T + noise
    return State(t_ms, transition @ state.mean, cov, acceleration_m_s2)


def update(predicted: State, place_m: Array, cov_m2: Array) -> State:
    """Fold a measured floor point (2,) with covariance (2, 2) into a predicted state."""
    spread = predicted.cov[:2, :2] + cov_m2
    gain = predicted.cov[:, :2] @ _inverse(spread)
    keep = _HERE - gain @ _H
    mean = predicted.mean + gain @ (place_m - predicted.mean[:2])
    cov = keep @ predicted.cov @ keep.T + gain @ cov_m2 @ gain.T
    return State(predicted.t_ms, mean, cov, predicted.acceleration_m_s2)


def smooth(filtered: list[State]) -> list[State]:
    """Rauch–Tung–Striebel pass over filtered states in time order."""
    if not filtered:
        return []
    steps = [
        _step((ahead.t_ms - state.t_ms) / 1000, ahead.acceleration_m_s2)
        for state, ahead in itertools.pairwise(filtered)
    ]
    smoothed = [filtered[-1]]
    for state, guess, expected, gain in reversed(list(zip(filtered, *_gains(filtered, steps), strict=False))):
        ahead = smoothed[-1]
        smoothed.append(
            State(
                state.t_ms,
                state.mean + gain @ (ahead.mean - guess),
                state.cov + gain @ (ahead.cov - expected) @ gain.T,
                state.acceleration_m_s2,
            )
        )
    return smoothed[::-1]


def _gains(filtered: list[State], steps: list[tuple[Array, Array]]) -> tuple[Array, Array, Array]:
    """What the smoother takes from the filter: of each state but the last the mean (n, 4) and covariance (n, 4, 4) expected of the next, and the gain (n, 4, 4)."""
    if not steps:
        return np.zeros((0, 4)), np.zeros((0, 4, 4)), np.zeros((0, 4, 4))
    transition, noise = (np.stack(part) for part in zip(*steps, strict=True))
    moved = transition @ np.stack([state.cov for state in filtered[:-1]])
    expected = moved @ transition.swapaxes(1, 2) + noise
    guess = transition @ np.stack([state.mean for state in filtered[:-1]])[..., None]
    return guess[..., 0], expected, np.linalg.solve(expected, moved).swapaxes(1, 2)


def _inverse(spread: Array) -> Array:
    """Of a symmetric (2, 2)."""
    wide, across, high = float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1])
    volume = wide * high - across**2
    return np.array([[high, -across], [-across, wide]]) / volume


@lru_cache(maxsize=1_024)
def _step(dt_s: float, acceleration_m_s2: float) -> tuple[Array, Array]:
    """Transition and noise (4, 4) of so many seconds, for reading only: most frames are equally far apart."""
    transition = np.eye(4)
    transition[0, 2] = transition[1, 3] = dt_s
    q = acceleration_m_s2**2
    a, b, c = q * dt_s**4 / 4, q * dt_s**3 / 2, q * dt_s**2
    noise = np.array([[a, 0, b, 0], [0, a, 0, b], [b, 0, c, 0], [0, b, 0, c]]) + np.eye(4) * 1e-9
    transition.flags.writeable = noise.flags.writeable = False
    return transition, noise
