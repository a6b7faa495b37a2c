"""How likely it is that some fixes are one person's walk, who goes straight on or stands, and in between brakes, sets off or turns.

Two Kalman filters, one for each of the two, mixed before every step: interacting multiple models (Blom and Bar-Shalom,
*The interacting multiple model algorithm*, 1988). A walk that stops and goes on is not much less likely than a
straight one, as it is for a mixture of whole walks (`straightness`); at many frames a second the latter tells as
much and costs less, in seldom ones people do all of it between two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.floor.straightness import PLACE_M, SPEED_M_S, Array, Straightness, Walk

DENSITIES = np.array([0.04, 3.0])
"""Spectral density of the acceleration (m²/s³) of who goes on as before, and of who brakes, sets off or turns."""
BEGINS = np.log([0.95, 0.05])
LEAVES_HZ = np.array([0.1, 1.5])
"""How probable each is at first, and how often somebody changes from it to the other."""


class Filters(NamedTuple):
    """k walkers, each in both ways to walk: mean (k, 2, 4) m and m/s, covariance (k, 2, 4, 4), log weight (k, 2) with the evidence."""

    mean: Array
    cov: Array
    weight: Array


def begin(feet_m: Array, cov_m2: Array) -> Filters:
    """Walkers seen for the first time at (k, 2), covariance (k, 2, 2)."""
    count = len(feet_m)
    mean, cov = np.zeros((count, 2, 4)), np.zeros((count, 2, 4, 4))
    mean[..., :2] = feet_m[:, None]
    cov[..., :2, :2] = cov_m2[:, None]
    cov[..., 2, 2] = cov[..., 3, 3] = SPEED_M_S**2
    volume = np.log(np.linalg.det(cov_m2 + PLACE_M**2 * np.eye(2)))
    return Filters(mean, cov, BEGINS - np.log(2 * np.pi) - 0.5 * volume[:, None])


def go_on(walkers: Filters, step_s: Array, feet_m: Array, cov_m2: Array) -> Filters:
    """Walkers seen again so many seconds (k,) later at (k, 2), covariance (k, 2, 2)."""
    mean, cov, weight = _mixed(walkers, step_s)
    far = np.tile(np.eye(4), (len(step_s), 1, 1, 1))
    far[..., 0, 2] = far[..., 1, 3] = step_s[:, None]
    mean = np.einsum("kmij,kmj->kmi", np.broadcast_to(far, cov.shape), mean)
    cov = far @ cov @ far.swapaxes(-1, -2) + _bent(step_s)
    spread, off = cov[..., :2, :2] + cov_m2[:, None], feet_m[:, None] - mean[..., :2]
    inverse = np.linalg.inv(spread)
    strange = np.einsum("kmi,kmij,kmj->km", off, inverse, off)
    gain = cov[..., :2] @ inverse
    return Filters(
        mean + np.einsum("kmij,kmj->kmi", gain, off),
        cov - gain @ cov[..., :2, :],
        weight - 0.5 * (strange + np.log(np.linalg.det(spread))) - np.log(2 * np.pi),
    )


class Switching(Straightness):
    """Log evidence of walks, step by step."""

    def _evidence(self, walks: Sequence[Walk]) -> Array:
        lengths = np.array([len(walk) for walk in walks])
        order = np.argsort(-lengths, kind="stable")
        fixes = np.zeros((len(walks), lengths.max()), dtype=np.intp)
        for row, number in enumerate(order.tolist()):
            fixes[row, : lengths[number]] = walks[number]
        first = fixes[:, 0]
        walkers = begin(self._feet[first], self._cov[first])
        for step in range(1, lengths.max()):
            going = int(np.count_nonzero(lengths > step))
            before, now = fixes[:going, step - 1], fixes[:going, step]
            ahead = go_on(
                Filters(*(part[:going] for part in walkers)),
                self._t_s[now] - self._t_s[before], self._feet[now], self._cov[now],
            )  # fmt: skip
            for part, fresh in zip(walkers, ahead, strict=True):
                part[:going] = fresh
        told = np.empty(len(walks))
        told[order] = np.logaddexp.reduce(walkers.weight, axis=1)
        return told


def _mixed(walkers: Filters, step_s: Array) -> Filters:
    """Each way to walk with those who changed to it since: one normal distribution of the same mean and covariance."""
    leaves = 1 - np.exp(-LEAVES_HZ * step_s[:, None])
    changes: NDArray[np.float64] = np.empty((len(step_s), 2, 2))
    changes[:, 0, 0], changes[:, 0, 1] = 1 - leaves[:, 0], leaves[:, 0]
    changes[:, 1, 0], changes[:, 1, 1] = leaves[:, 1], 1 - leaves[:, 1]
    both = walkers.weight[:, :, None] + np.log(changes)
    weight = np.logaddexp.reduce(both, axis=1)
    share = np.exp(both - weight[:, None])
    mean = np.einsum("kij,kia->kja", share, walkers.mean)
    apart = walkers.mean[:, :, None] - mean[:, None]
    cov = np.einsum("kij,kiab->kjab", share, walkers.cov)
    cov += np.einsum("kij,kija,kijb->kjab", share, apart, apart)
    return Filters(mean, cov, weight)


def _bent(step_s: Array) -> Array:
    """(k, 2, 4, 4): what white acceleration of each density adds to a covariance."""
    noise = np.zeros((len(step_s), len(DENSITIES), 4, 4))
    for axis in (0, 1):
        noise[..., axis, axis] = np.outer(step_s**3 / 3, DENSITIES)
        noise[..., axis, axis + 2] = noise[..., axis + 2, axis] = np.outer(step_s**2 / 2, DENSITIES)
        noise[..., axis + 2, axis + 2] = np.outer(step_s, DENSITIES)
    return noise
