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
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class Filters(NamedTuple):
    """k walkers, each in all three ways: mean (4, 3, k) m and m/s, covariance (4, 4, 3, k), log weight (3, k) with the evidence.

    Whoever stands has the speed that they may set off with: in the mean none.

    Walkers are last, so that each figure of all of them lies in one piece and is reckoned with at once.
    """

    mean: Array
    cov: Array
    weight: Array

    def at(self, numbers: NDArray[np.intp]) -> Filters:
        """Some of them, or one several times."""
        return Filters(*(part.take(numbers, axis=-1) for part in self))

    def put(self, numbers: NDArray[np.intp], others: Filters) -> None:
        """Others in the place of some."""
        for part, fresh in zip(self, others, strict=True):
            part[..., numbers] = fresh

    @property
    def evidence(self) -> Array:
        """(k,): in whichever way."""
        most = self.weight.max(axis=0)
        return np.asarray(most + np.log(np.exp(self.weight - most).sum(axis=0)))


def nobody(count: int) -> Filters:
    """Walkers of whom nothing is known."""
    ways = len(BEGINS)
    return Filters(np.zeros((4, ways, count)), np.zeros((4, 4, ways, count)), np.zeros((ways, count)))


def begin(feet_m: Array, cov_m2: Array) -> Filters:
    """Walkers seen for the first time at (k, 2), covariance (k, 2, 2)."""
    mean, cov, _ = nobody(len(feet_m))
    mean[:2] = feet_m.T[:, None]
    cov[:2, :2] = cov_m2.T[:, :, None]
    cov[2, 2] = cov[3, 3] = SPEED_M_S**2
    volume = np.log(np.linalg.det(cov_m2 + PLACE_M**2 * np.eye(2)))
    return Filters(mean, cov, BEGINS[:, None] - np.log(2 * np.pi) - 0.5 * volume)


def go_on(walkers: Filters, step_s: Array, feet_m: Array, cov_m2: Array) -> Filters:
    """Walkers seen again so many seconds (k,) later at (k, 2), covariance (k, 2, 2)."""
    mean, cov, weight = _ahead(walkers, step_s)
    off_x, off_y = feet_m.T[:, None] - mean[:2]
    (wide, across), (_, high) = cov[:2, :2] + cov_m2.T[:, :, None]
    volume = wide * high - across**2
    gain_x = (cov[0] * high - cov[1] * across) / volume
    gain_y = (cov[1] * wide - cov[0] * across) / volume
    strange = (off_x**2 * high - 2 * off_x * off_y * across + off_y**2 * wide) / volume
    mean += gain_x * off_x + gain_y * off_y
    told = gain_x[:, None] * cov[0]
    told += gain_y[:, None] * cov[1]
    cov -= told
    weight -= 0.5 * (strange + np.log(volume)) + np.log(2 * np.pi)
    return Filters(mean, cov, weight)


class Switching(Straightness):
    """Log evidence of walks, step by step."""

    at_once: ClassVar[int] = 10_000

    def _evidence(self, walks: Sequence[Walk]) -> Array:
        return step_by_step(self._t_s, self._feet, self._cov, walks)[:, -1]


def step_by_step(t_s: Array, feet_m: Array, cov_m2: Array, walks: Sequence[Walk]) -> Array:
    """(k, longest): log evidence of the first fixes of each walk, one more in each column; beyond its end, of all of it.

    Walks that begin alike are one as long as they do.
    """
    lengths = np.array([len(walk) for walk in walks])
    order = np.argsort(-lengths, kind="stable")
    fixes = np.zeros((len(walks), lengths.max()), dtype=np.intp)
    for row, number in enumerate(order.tolist()):
        fixes[row, : lengths[number]] = walks[number]
    first, shared = np.unique(fixes[:, 0], return_inverse=True)
    walkers = begin(feet_m[first], cov_m2[first])
    told = np.empty(fixes.shape)
    told[:, 0] = walkers.evidence[shared]
    for step in range(1, fixes.shape[1]):
        going = int(np.count_nonzero(lengths > step))
        begun = shared[:going] * len(t_s) + fixes[:going, step]
        _, rows, then = np.unique(begun, return_index=True, return_inverse=True)
        before, now = fixes[rows, step - 1], fixes[rows, step]
        walkers = go_on(walkers.at(shared[rows]), t_s[now] - t_s[before], feet_m[now], cov_m2[now])
        shared = then
        told[:going, step] = walkers.evidence[shared]
        told[going:, step] = told[going:, step - 1]
    return told[np.argsort(order)]


def _ahead(walkers: Filters, step_s: Array) -> Filters:
    """Where walkers are expected so many seconds (k,) later, before they are seen there."""
    most = walkers.weight.max(axis=0)
    both = np.exp(walkers.weight - most)[:, None] * _changed(step_s)
    total = both[0] + both[1] + both[2]
    share = both / total
    mean, cov = np.zeros_like(walkers.mean), np.zeros_like(walkers.cov)
    cov[2, 2] = cov[3, 3] = SPEED_M_S**2
    walked, spread = _mixed(share[:, :STANDS], walkers.mean, walkers.cov)
    walked[:2] += step_s * walked[2:]
    spread[:2] += step_s * spread[2:]
    spread[:, :2] += step_s * spread[:, 2:]
    _bend(spread, step_s)
    mean[:, :STANDS], cov[:, :, :STANDS] = walked, spread
    mean[:2, STANDS:], cov[:2, :2, STANDS:] = _mixed(share[:, STANDS:], *_halted(walkers, step_s))
    return Filters(mean, cov, most + np.log(total))


def _changed(step_s: Array) -> Array:
    """(3, 3, k): the probability to be in one way (column) after so long, from another (row)."""
    speeds, shares = _chain(tuple(map(tuple, CHANGES_HZ.tolist())))
    first, second, third = np.exp(speeds[:, None] * step_s)
    changed = shares[0] * first + shares[1] * second + shares[2] * third
    return np.asarray(np.maximum(changed, 1e-12))


@lru_cache(maxsize=4)
def _chain(changes_hz: tuple[tuple[float, ...], ...]) -> tuple[Array, Array]:
    """Eigenvalues (3,) of the changes, and what each adds to their shares (3, 3, 3, 1); all real, since who leaves one way comes back to it."""
    rates = np.array(changes_hz)
    speeds, ways = np.linalg.eig(rates - np.diag(rates.sum(axis=1)))
    back = np.linalg.inv(ways.real)
    return speeds.real, (ways.real.T[:, :, None] * back[:, None, :])[..., None]


def _mixed(share: Array, mean: Array, cov: Array) -> tuple[Array, Array]:
    """One normal distribution for each way, of those who are in it by now: `share` (3, m, k), (d, 3, k), (d, d, 3, k)."""
    off = mean - mean[:, :1]
    square = off[:, None] * off
    square += cov
    mixed = share[1] * off[:, 1:2] + share[2] * off[:, 2:]
    spread = share[0] * square[:, :, :1]
    spread += share[1] * square[:, :, 1:2]
    spread += share[2] * square[:, :, 2:]
    spread -= mixed[:, None] * mixed
    mixed += mean[:, :1]
    return mixed, spread


def _halted(walkers: Filters, step_s: Array) -> tuple[Array, Array]:
    """Where walkers (2, 3, k) are who came to stand at some moment of a step: at once, after all of it, or in between."""
    half, speed, quick = step_s / 2, walkers.mean[2:, :STANDS], walkers.cov[2:, 2:, :STANDS]
    place, cov = walkers.mean[:2].copy(), walkers.cov[:2, :2].copy()
    place[:, :STANDS] += half * speed
    ahead = walkers.cov[:2, :, :STANDS] + half * walkers.cov[2:, :, :STANDS]
    cov[:, :, :STANDS] = ahead[:, :2] + half * ahead[:, 2:]
    cov[:, :, :STANDS] += (quick + speed[:, None] * speed) * (step_s**2 / 12 + BRAKES_S**2)
    cov[0, 0, STANDS] += SHUFFLES_M2_S * step_s
    cov[1, 1, STANDS] += SHUFFLES_M2_S * step_s
    return place, cov


def _bend(cov: Array, step_s: Array) -> None:
    """Add to covariances (4, 4, 2, k) what white acceleration of each density does."""
    place, both, speed = (DENSITIES[:, None] * power for power in (step_s**3 / 3, step_s**2 / 2, step_s))
    for x, vx in ((0, 2), (1, 3)):
        cov[x, x] += place
        cov[x, vx] += both
        cov[vx, x] += both
        cov[vx, vx] += speed
