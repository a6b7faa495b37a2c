"""A figure of every two fixes of a window, worked out when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.intp]


class Remembered(dict[tuple[int, int], float]):
    """One pair at a time."""

    def __init__(self, figure: Callable[[int, int], float]) -> None:
        super().__init__()
        self._figure = figure

    def __missing__(self, pair: tuple[int, int]) -> float:
        """Work it out, and keep it."""
        found = self[pair] = self._figure(*pair)
        return found


class Pairwise:
    """Many pairs at a time, of `count` fixes or nobody (-1) and a fix; `figures` are worked out of several at once."""

    def __init__(self, count: int, figures: Callable[[Sequence[tuple[int, int]]], Sequence[float]]) -> None:
        self._figures = figures
        self._known = np.full((count + 1, count), np.nan)

    def __call__(self, one: Numbers, other: Numbers) -> NDArray[np.float64]:
        """(k,): of fixes (k,) and others (k,)."""
        found = self._known[one, other]
        fresh = np.isnan(found)
        if not fresh.any():
            return np.asarray(found)
        pairs = sorted(set(zip(one[fresh].tolist(), other[fresh].tolist(), strict=True)))
        self._known[tuple(np.array(pairs).T)] = self._figures(pairs)
        return np.asarray(self._known[one, other])
