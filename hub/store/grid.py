"""Grids as they are stored: dense little-endian int64, zlib at its fastest level."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hub.store.sums import GridShape, SparseGrid

Grid = NDArray[np.int64]


def pack(grid: Grid) -> bytes:
    """A grid as stored."""
    return zlib.compress(np.ascontiguousarray(grid, "<i8").tobytes(), 1)


def unpack(blob: bytes) -> Grid:
    """The flat grid of `pack`, writable."""
    return np.frombuffer(zlib.decompress(blob), "<i8").astype(np.int64)


def empty(shape: GridShape) -> Grid:
    """A flat grid of zeros."""
    return np.zeros(shape.size, np.int64)


def add(grid: Grid, parts: Iterable[SparseGrid]) -> Grid:
    """Add sparse grids in place. Raises OverflowError when a cell leaves the 64 bits."""
    for part in parts:
        # Cells are unique within a part, so indexed addition loses none.
        more = np.asarray(part.values, np.int64)
        cells = np.asarray(part.cells, np.intp)
        before = grid[cells]
        after = before + more
        # A sum has wrapped where it has the sign of neither of its parts.
        if bool(((before ^ after) & (more ^ after) < 0).any()):
            raise OverflowError("the sum of a cell of a grid does not fit 64 bits")
        grid[cells] = after
    return grid


def sparse(grid: Grid) -> SparseGrid:
    """The cells of a grid that are not zero."""
    cells = np.flatnonzero(grid)
    return SparseGrid(cells.tolist(), grid[cells].tolist())
