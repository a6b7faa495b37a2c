"""Which tracks of two cameras are one person, when a camera's tracks break off and begin anew.

At any moment a person has one track in each camera. So only tracks that last at the same time are rivals;
one that broke off and the next, which is foreseen already, may both belong to the same track of the other camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.floor.fusion.paths import GRID_MS, Sheet
from edge.floor.tracking.association import IMPOSSIBLE, assign

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BROKEN_MS = 400
"""A camera's track that breaks off is carried on so long, while the next one of the same person begins."""
CLEAR, CLEAR_BY = 1.5, 0.3
"""A pair is clear where every other that could be meant costs more than `CLEAR` times as much and `CLEAR_BY`."""


def rivals(sheet: Sheet) -> Mask:
    """(n, n): which tracks of one camera last at the same time, each with itself."""
    seen = np.isfinite(sheet.places_m[..., 0]).astype(np.int64)
    found = seen @ seen.T > BROKEN_MS // GRID_MS
    np.fill_diagonal(found, val=True)
    return np.asarray(found, dtype=np.bool_)


def pair_up(cost: Array, now: Mask, first: Mask, second: Mask) -> list[tuple[int, int, int]]:
    """(rank, row, column) of the pairs that cost less than 1, cheapest together, none a rival of another.

    `cost` (n, m); `first` (n, n) and `second` (m, m) are the rivals of either camera. Pairs of `now` (n, m) have
    rank 0 and rule out others, which have rank 1.
    """
    paired = np.zeros(cost.shape, dtype=np.bool_)
    found: list[tuple[int, int, int]] = []
    for rank, meant in enumerate((now, ~now)):
        while pairs := assign(
            np.where(meant & ~((first @ paired) | (paired @ second)), cost, IMPOSSIBLE), 1.0
        ):
            paired[tuple(np.transpose(pairs))] = True
            found += [(rank, row, column) for row, column in pairs]
    return found


def is_clear(cost: Array, first: Mask, second: Mask, row: int, column: int) -> bool:
    """Whether nobody else could be meant by this pair."""
    others = [
        *cost[row, second[column] & (np.arange(cost.shape[1]) != column)],
        *cost[first[row] & (np.arange(cost.shape[0]) != row), column],
    ]
    return bool(min(others, default=IMPOSSIBLE) >= CLEAR * cost[row, column] + CLEAR_BY)
