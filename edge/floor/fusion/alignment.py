"""How far two cameras' clocks and calibrations are apart, learnt from the people both of them see.

A person at `x(t)` with velocity `v` is placed by cameras a and b at `p_a(t) = x(t − o_a) + c_a` and
`p_b(t) = x(t − o_b) + c_b`, so their difference is `p_a − p_b ≈ (c_a − c_b) + (o_b − o_a)·v`: a linear regression
on the velocity tells clock and calibration apart. It is kept as a Kalman filter with slow drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[str, str]

START_BIAS_M = 0.5
START_CLOCK_S = 0.4
"""What is thought possible before anything is learnt (standard deviations)."""
CORRELATED = 4.0
"""Errors of foot points last for about a second, so this many samples are worth one."""
DRIFT_M_S = 0.002
DRIFT_S_S = 0.001
MAX_CLOCK_S = 1.0
MAX_BIAS_M = 1.5
"""More than this is told, and not corrected."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is taken off one camera: seconds that its clock is ahead, metres that its places are off."""

    clock_s: float
    bias_m: Array


class PairAlignment:
    """State (bx, by, d): metres and seconds between two cameras, and their covariance."""

    def __init__(self) -> None:
        self.mean = np.zeros(3)
        self.cov = np.diag([START_BIAS_M**2, START_BIAS_M**2, START_CLOCK_S**2])
        self.samples = 0

    @property
    def bias_m(self) -> tuple[float, float]:
        """Where the first camera puts a standing person, minus where the second does."""
        return float(self.mean[0]), float(self.mean[1])

    @property
    def clock_s(self) -> float:
        """How far the second camera's clock is ahead of the first's."""
        return float(self.mean[2])

    def slack_m(self, speed_m_s: float) -> float:
        """How far apart two places of one person may be because of what is not learnt yet."""
        bias = float(np.sqrt(self.cov[0, 0] + self.cov[1, 1]))
        return float(np.hypot(bias, speed_m_s * np.sqrt(self.cov[2, 2])))

    def learn(self, apart_m: Array, velocity_m_s: Array, variance_m2: Array) -> None:
        """Fold in differences (n, 2) of one person's places, that person's velocity (n, 2), variances (n,)."""
        for apart, velocity, variance in zip(apart_m, velocity_m_s, variance_m2, strict=True):
            measure = np.array([[1.0, 0.0, velocity[0]], [0.0, 1.0, velocity[1]]])
            noise = np.eye(2) * (variance * CORRELATED)
            spread = measure @ self.cov @ measure.T + noise
            miss = apart - measure @ self.mean
            surprise = float(miss @ np.linalg.solve(spread, miss))
            if surprise > 16.0:  # four standard deviations: somebody else, or a torn box
                continue
            gain = np.linalg.solve(spread, measure @ self.cov).T
            self.mean = self.mean + gain @ miss
            keep = np.eye(3) - gain @ measure
            self.cov = keep @ self.cov @ keep.T + gain @ noise @ gain.T
            self.samples += 1

    def drift(self, seconds: float) -> None:
        """Time passes: clocks drift, cameras sag."""
        growth = np.array([DRIFT_M_S, DRIFT_M_S, DRIFT_S_S]) ** 2 * seconds
        start = np.array([START_BIAS_M, START_BIAS_M, START_CLOCK_S]) ** 2
        room = np.maximum(start - np.diag(self.cov), 0.0)
        self.cov = self.cov + np.diag(np.minimum(growth, room))


class Alignment:
    """All cameras of a site: pairwise learning, one correction per camera.

    The first camera's clock is the site's; places meet in the middle, since nobody knows who is right.
    """

    def __init__(self, cameras: Sequence[str]) -> None:
        self.cameras = list(cameras)
        self.pairs: dict[Pair, PairAlignment] = {
            (a, b): PairAlignment() for i, a in enumerate(cameras) for b in cameras[i + 1 :]
        }

    def corrections(self) -> Mapping[str, Correction]:
        """The corrections that explain all pairs best, each held near zero by what is thought possible."""
        n = len(self.cameras)
        index = {camera: i for i, camera in enumerate(self.cameras)}
        clock_info = np.full(n, 1.0 / START_CLOCK_S**2)
        clock_info[:1] = 1e9
        clocks = self._solve(index, 2, -1.0, np.diag(clock_info), MAX_CLOCK_S)
        places = [
            self._solve(index, axis, 1.0, np.eye(n) / (10 * START_BIAS_M) ** 2, MAX_BIAS_M) for axis in (0, 1)
        ]
        return {
            camera: Correction(float(clocks[i]), np.array([places[0][i], places[1][i]]))
            for camera, i in index.items()
        }

    def _solve(
        self, index: Mapping[str, int], part: int, sign: float, info: Array, limit: float
    ) -> NDArray[np.float64]:
        """Least squares over `value(a) − value(b) = sign · mean`, pairs beyond `limit` left out."""
        right = np.zeros(len(index))
        matrix = info.copy()
        for (a, b), pair in self.pairs.items():
            if pair.samples == 0 or abs(pair.mean[part]) > limit:
                continue
            i, j, weight = index[a], index[b], 1.0 / max(pair.cov[part, part], 1e-4)
            matrix[[i, j], [i, j]] += weight
            matrix[[i, j], [j, i]] -= weight
            right[i] += weight * sign * pair.mean[part]
            right[j] -= weight * sign * pair.mean[part]
        return np.asarray(np.linalg.solve(matrix, right))
