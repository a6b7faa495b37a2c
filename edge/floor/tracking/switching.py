"""How likely it is that some fixes are one person's walk, who goes straight on, turns and changes pace a while, or stands.

Three Kalman filters, one for each of the three, mixed before every step: interacting multiple models (Blom and
Bar-Shalom, *The interacting multiple model algorithm*, 1988). Who comes to stand loses all speed and who sets off takes
a new one, so a walk that stops and goes on is not much less likely than a straight one, as it is for a mixture of whole
walks (`straightness`), and who seems to turn round on the spot is unlikelier than for filters of acceleration alone.
At many frames a second the mixture tells as much and costs less; in seldom ones people do all of it between two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from edge.floor.tracking.straightness import PLACE_M, SPEED_M_S, Array, Straightness, Walk

DENSITIES = np.array([0.015, 1.5])
"""Spectral density of the acceleration (m²/s³) of who goes on as before, and of who turns, slows down or speeds up."""
STANDS = 2
"""The third way: who stands."""
BEGINS = np.log([0.92, 0.04, 0.04])
CHANGES_HZ = np.array([[0.0, 0.04, 0.04], [2.0, 0.0, 0.0], [0.2, 0.0, 0.0]])
"""How probable each is at first (natural logarithm), and how often somebody changes from one (row) to another."""
SHUFFLES_M2_S = 0.005
"""How fast the variance of where somebody stands grows."""
BRAKES_S = 0.12
"""Standard deviation of the time by which somebody stops sooner or later than a halt at once would say."""

_HERE = np.eye(4)
_PLACE = np.diag([1.0, 1.0, 0.0, 0.0])
_WAY = np.eye(4, k=2)
_BENDS = np.stack([_PLACE, _WAY + _WAY.T, _HERE - _PLACE]).reshape(3, 16)


class Filters(NamedTuple):
    """k walkers, each in all three ways: mean (k, 3, 4) m and m/s, covariance (k, 3, 4, 4), log weight (k, 3) with the evidence."""

    mean: Array
    cov: Array
    weight: Array


def begin(feet_m: Array, cov_m2: Array) -> Filters:
    """Walkers seen for the first time at (k, 2), covariance (k, 2, 2)."""
    count, ways = len(feet_m), len(BEGINS)
    mean, cov = np.zeros((count, ways, 4)), np.zeros((count, ways, 4, 4))
    mean[..., :2] = feet_m[:, None]
    cov[..., :2, :2] = cov_m2[:, None]
    cov[:, :STANDS, 2, 2] = cov[:, :STANDS, 3, 3] = SPEED_M_S**2
    volume = np.log(np.linalg.det(cov_m2 + PLACE_M**2 * np.eye(2)))
    return Filters(mean, cov, BEGINS - np.log(2 * np.pi) - 0.5 * volume[:, None])


def go_on(walkers: Filters, step_s: Array, feet_m: Array, cov_m2: Array) -> Filters:
    """Walkers seen again so many seconds (k,) later at (k, 2), covariance (k, 2, 2)."""
    mean, cov, weight = _ahead(walkers, step_s)
    spread, off = cov[..., :2, :2] + cov_m2[:, None], feet_m[:, None] - mean[..., :2]
    inverse, volume = _inverted(spread)
    gain = cov[..., :2] @ inverse
    strange = (off[..., None, :] @ inverse @ off[..., None])[..., 0, 0]
    return Filters(
        mean + (gain @ off[..., None])[..., 0],
        cov - gain @ cov[..., :2, :],
        weight - 0.5 * (strange + np.log(volume)) - np.log(2 * np.pi),
    )


class Switching(Straightness):
    """Log evidence of walks, step by step."""

    def _evidence(self, walks: Sequence[Walk]) -> Array:
        return step_by_step(self._t_s, self._feet, self._cov, walks)[:, -1]


def step_by_step(t_s: Array, feet_m: Array, cov_m2: Array, walks: Sequence[Walk]) -> Array:
    """(k, longest): log evidence of the first fixes of each walk, one more in each column; beyond its end, of all of it."""
    lengths = np.array([len(walk) for walk in walks])
    order = np.argsort(-lengths, kind="stable")
    fixes = np.zeros((len(walks), lengths.max()), dtype=np.intp)
    for row, number in enumerate(order.tolist()):
        fixes[row, : lengths[number]] = walks[number]
    first = fixes[:, 0]
    walkers = begin(feet_m[first], cov_m2[first])
    told = np.empty(fixes.shape)
    told[order, 0] = np.logaddexp.reduce(walkers.weight, axis=1)
    for step in range(1, fixes.shape[1]):
        going = int(np.count_nonzero(lengths > step))
        before, now = fixes[:going, step - 1], fixes[:going, step]
        ahead = go_on(
            Filters(*(part[:going] for part in walkers)),
            t_s[now] - t_s[before], feet_m[now], cov_m2[now],
        )  # fmt: skip
        for part, fresh in zip(walkers, ahead, strict=True):
            part[:going] = fresh
        told[order, step] = np.logaddexp.reduce(walkers.weight, axis=1)
    return told


def _ahead(walkers: Filters, step_s: Array) -> Filters:
    """Where walkers are expected so many seconds (k,) later, before they are seen there."""
    both = walkers.weight[:, :, None] + np.log(_changed(step_s))
    weight = np.logaddexp.reduce(both, axis=1)
    share = np.exp(both - weight[:, None]).swapaxes(1, 2)
    free = walkers.cov.copy()
    free[:, STANDS, 2, 2] = free[:, STANDS, 3, 3] = SPEED_M_S**2
    mean, cov = np.empty_like(walkers.mean), np.empty_like(walkers.cov)
    far = _HERE + step_s[:, None, None, None] * _WAY
    walked, spread = _mixed(share[:, :STANDS], walkers.mean, free)
    mean[:, :STANDS] = (far @ walked[..., None])[..., 0]
    cov[:, :STANDS] = far @ spread @ far.swapaxes(-1, -2) + _bent(step_s)
    mean[:, STANDS:], cov[:, STANDS:] = _mixed(share[:, STANDS:], *_halted(walkers, step_s))
    return Filters(mean, cov, weight)


def _changed(step_s: Array) -> Array:
    """(k, 3, 3): the probability to be in one way (column) after so long, from another (row)."""
    speeds, shares = _chain(tuple(map(tuple, CHANGES_HZ.tolist())))
    changed = np.exp(step_s[:, None] * speeds) @ shares
    return np.asarray(np.maximum(changed, 1e-12).reshape(-1, *CHANGES_HZ.shape))


@lru_cache(maxsize=4)
def _chain(changes_hz: tuple[tuple[float, ...], ...]) -> tuple[Array, Array]:
    """Eigenvalues (3,) of the changes, and what each adds to their shares (3, 9); all real, since who leaves one way comes back to it."""
    rates = np.array(changes_hz)
    speeds, ways = np.linalg.eig(rates - np.diag(rates.sum(axis=1)))
    back = np.linalg.inv(ways.real)
    return speeds.real, (ways.real.T[:, :, None] * back[:, None, :]).reshape(len(rates), -1)


def _mixed(share: Array, mean: Array, cov: Array) -> tuple[Array, Array]:
    """One normal distribution for each way, of those who are in it by now: `share` (k, m, 3), (k, 3, 4), (k, 3, 4, 4)."""
    off = mean - mean[:, :1]
    mixed = share @ off
    square = (cov + off[..., :, None] * off[..., None, :]).reshape(*off.shape[:2], -1)
    spread = (share @ square).reshape(*mixed.shape, -1) - mixed[..., :, None] * mixed[..., None, :]
    return mixed + mean[:, :1], spread


def _halted(walkers: Filters, step_s: Array) -> tuple[Array, Array]:
    """Walkers who came to stand at some moment of a step: at once, after all of it, or in between."""
    half = _PLACE + step_s[:, None, None, None] / 2 * _WAY
    speed, quick = walkers.mean[..., 2:], walkers.cov[..., 2:, 2:]
    when_s2 = (step_s**2 / 12 + BRAKES_S**2)[:, None, None, None]
    mean, cov = (half @ walkers.mean[..., None])[..., 0], half @ walkers.cov @ half.swapaxes(-1, -2)
    cov[..., :2, :2] += (quick + speed[..., :, None] * speed[..., None, :]) * when_s2
    cov[:, STANDS, :2, :2] += SHUFFLES_M2_S * step_s[:, None, None] * np.eye(2)
    return mean, cov


def _bent(step_s: Array) -> Array:
    """(k, 2, 4, 4): what white acceleration of each density adds to a covariance."""
    powers = np.stack([step_s**3 / 3, step_s**2 / 2, step_s], axis=1)
    return np.asarray(DENSITIES[:, None, None] * (powers @ _BENDS).reshape(-1, 1, 4, 4))


def _inverted(spread: Array) -> tuple[Array, Array]:
    """Inverse and determinant of symmetric (…, 2, 2)."""
    wide, high, across = spread[..., 0, 0], spread[..., 1, 1], spread[..., 0, 1]
    volume = wide * high - across**2
    inverse = np.empty_like(spread)
    inverse[..., 0, 0], inverse[..., 1, 1] = high / volume, wide / volume
    inverse[..., 0, 1] = inverse[..., 1, 0] = -across / volume
    return inverse, volume
