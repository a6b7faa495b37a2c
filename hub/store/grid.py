"""Heat grids as they are stored: dense little-endian int64, zlib at its fastest level."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hub.store.sums import GridShape, SparseHeat

Grid = NDArray[np.int64]


def pack(grid: Grid) -> bytes:
    """A grid as stored."""
    return zlib.compress(np.ascontiguousarray(grid, "<i8").tobytes(), 1)


def unpack(blob: bytes) -> Grid:
    """The flat grid of `pack`, `rows * cols` milli-person-seconds, writable."""
    return np.frombuffer(zlib.decompress(blob), "<i8").astype(np.int64)


def empty(shape: GridShape) -> Grid:
    """A flat grid of zeros."""
    return np.zeros(shape.rows * shape.cols, np.int64)


def add(grid: Grid, parts: Iterable[SparseHeat]) -> Grid:
    """Add sparse grids in place. Raises OverflowError when a cell leaves the 64 bits."""
    for part in parts:
        # Cells are unique within a part, so indexed addition loses none.
        grid[part.cells] += np.asarray(part.mps, np.int64)
        if grid.size and int(grid[part.cells].min(initial=0)) < 0:
            raise OverflowError("the sum of a heat cell does not fit 64 bits")
    return grid


def sparse(grid: Grid) -> SparseHeat:
    """The cells of a grid where anybody was."""
    cells = np.flatnonzero(grid)
    return SparseHeat(cells.tolist(), grid[cells].tolist())
