"""How likely it is that some fixes are one person's walk: evidence of a Gaussian process of white acceleration.

Most of the time people walk straight on or stand; now and then they brake, set off or turn. A walk is the
mixture of both, each in closed form: Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, eq. 2.30.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Walk = tuple[int, ...]
"""Numbers of fixes in time order."""

PLACE_M = 10.0
SPEED_M_S = 1.2
"""Standard deviations of where somebody begins, and of a walker's speed per axis."""
ENDLESS = 1e18
"""Below a covariance matrix that the fixes border, so that its factor holds them whitened in the last row."""
MODES = ((0.98, 0.04), (0.02, 1.5))
"""How often, and the spectral density of the acceleration (m²/s³)."""
_SHARES = np.log([[share] for share, _ in MODES])
_DENSITIES = np.array([density for _, density in MODES])[:, None, None, None]


class Straightness:
    """Log evidence of walks through given fixes: `t_s` (n,), `feet_m` (n, 2), `cov_m2` (n, 2, 2)."""

    at_once: ClassVar[int] = 64
    """So many walks are worked out at once, those of about the same length."""

    def __init__(self, t_s: Array, feet_m: Array, cov_m2: Array) -> None:
        self._t_s, self._feet, self._cov = t_s, feet_m, cov_m2
        self._known: dict[Walk, float] = {(): 0.0}

    def learn(self, walks: Iterable[Walk]) -> None:
        """Work out those that are not known yet, many at once."""
        fresh = sorted({walk for walk in walks if walk not in self._known}, key=len)
        for start in range(0, len(fresh), self.at_once):
            some = fresh[start : start + self.at_once]
            self._known |= zip(some, self._evidence(some).tolist(), strict=True)

    def __getitem__(self, walk: Walk) -> float:
        """Of a walk that was learnt. Raises KeyError for another."""
        return self._known[walk]

    def _evidence(self, walks: Sequence[Walk]) -> Array:
        """(k,): fixes that a shorter walk lacks are independent ones of unit variance at zero, which tell nothing.

        Of the symmetric matrices the lower triangles are filled, which is what is factorised.
        """
        count, longest = len(walks), max(map(len, walks))
        index = np.zeros((count, longest), dtype=np.intp)
        real = np.zeros((count, longest), dtype=bool)
        for row, walk in enumerate(walks):
            index[row, : len(walk)] = walk
            real[row, : len(walk)] = True
        t = np.where(real, self._t_s[index] - self._t_s[index[:, :1]], 0.0)
        earlier = np.minimum(t[:, :, None], t[:, None, :])
        apart = np.abs(t[:, :, None] - t[:, None, :])
        begun = (
            PLACE_M**2 * (real[:, :, None] & real[:, None, :]) + SPEED_M_S**2 * t[:, :, None] * t[:, None, :]
        )
        bent = earlier * earlier * (earlier / 3 + apart / 2)
        noise = np.where(real[:, :, None, None], self._cov[index], np.eye(2))
        off = np.where(real[:, :, None], self._feet[index] - self._feet[index[:, :1]], 0.0)
        last = 2 * longest
        bordered = np.zeros((len(MODES), count, last + 1, last + 1))
        along, across = slice(longest), slice(longest, last)
        bordered[..., along, along] = begun + _DENSITIES * bent
        bordered[..., across, across] = bordered[..., along, along]
        here = np.arange(longest)
        there = here + longest
        bordered[:, :, here, here] += noise[..., 0, 0]
        bordered[:, :, there, here] += noise[..., 1, 0]
        bordered[:, :, there, there] += noise[..., 1, 1]
        bordered[:, :, last, along], bordered[:, :, last, across] = off[..., 0], off[..., 1]
        bordered[:, :, last, last] = ENDLESS
        factor = np.linalg.cholesky(bordered)
        white = factor[:, :, last, :last]
        volume = np.log(np.diagonal(factor, axis1=2, axis2=3)[..., :last]).sum(axis=2)
        value = _SHARES - 0.5 * (white**2).sum(axis=2) - volume
        return np.asarray(np.logaddexp.reduce(value, axis=0) - real.sum(axis=1) * np.log(2 * np.pi))
