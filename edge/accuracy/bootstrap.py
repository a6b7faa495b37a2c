"""How sure a figure is: the circular block bootstrap over time (Politis & Romano 1992).

Moments that follow each other are not independent: who is missed in one frame is missed in the next. So whole
blocks of time are drawn with replacement, not moments, and an interval is where the middle 95 % of the
figures of such draws lie. Few blocks differ less than they would elsewhere, so a draw holds fewer than there were, as
Student's t is wider than the normal. The seed is fixed: the same files give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

Array = NDArray[np.float64]
Interval = tuple[float, float]

REPLICATES = 1_000
SEED = 1
CONFIDENCE = 0.95
LEAST_BLOCKS = 5
"""Fewer say nothing about how blocks differ: then there is no interval."""
SHORTEST_BLOCK_S = 5.0
LONGEST_BLOCK_S = 60.0
STAYS_IN_BLOCK = 2
_CHUNK = 100


def block_s(span_s: float) -> float:
    """The default block: a thirtieth of what was observed, at least 5 s (a person's walk), at most a minute."""
    return min(LONGEST_BLOCK_S, max(SHORTEST_BLOCK_S, span_s / 30))


def block_of_stays_s(span_s: float, stays_s: Array) -> float:
    """The block where people stay: who is missed is missed for as long as that, so twice what nine in ten stay at least."""
    return max(block_s(span_s), STAYS_IN_BLOCK * float(np.quantile(stays_s, 0.9)))


def blocks_drawn(blocks: float) -> int:
    """How many of so many blocks a draw holds: the spread of its figures is then that of Student's t."""
    free, at = max(1.0, blocks - 1), (1 + CONFIDENCE) / 2
    return max(1, round(free * float(ndtri(at) / stdtrit(free, at)) ** 2))


def weights(units: int, block: int, draws: int, rng: np.random.Generator, blocks: int | None = None) -> Array:
    """(draws, units): how often each of `units` moments is in a draw of blocks of `block` moments.

    Blocks may begin anywhere and go on at the beginning; a draw holds `blocks`, or as many as cover the whole.
    """
    block = max(1, min(block, units))
    drawn = np.zeros((draws, units + block))
    for starts, row in zip(rng.integers(0, units, (draws, blocks or -(-units // block))), drawn, strict=True):
        np.add.at(row, starts, 1)
        np.add.at(row, starts + block, -1)
    covered = np.cumsum(drawn, axis=1)
    covered[:, :block] += covered[:, units:]
    return covered[:, :units]


def intervals(
    figures: Callable[[Array], dict[str, Array]], units: int, block: int, replicates: int = REPLICATES
) -> dict[str, Interval | None]:
    """Figure -> interval, from `figures`: (n, units) weights -> n values each. None: too short to say."""
    names = list(figures(np.ones((1, units)))) if units else []
    if units < LEAST_BLOCKS * block:
        return dict.fromkeys(names)
    rng = np.random.default_rng(SEED)
    parts = [
        figures(weights(units, block, min(_CHUNK, replicates - done), rng, blocks_drawn(units / block)))
        for done in range(0, replicates, _CHUNK)
    ]
    return {name: middle(np.concatenate([part[name] for part in parts])) for name in names}


def middle(values: Array) -> Interval | None:
    """The middle 95 % of drawn values; None when more than one in twenty is not a number."""
    known = values[np.isfinite(values)]
    if len(known) < CONFIDENCE * len(values) or not len(known):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
