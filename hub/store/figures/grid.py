"""Grids as they are stored: dense little-endian int64 in zlib, and what was added since as it came, behind it.

A window touches a hundredth of the cells, so compressing all of them anew costs far more than all else that a window
asks for. `stored_with` writes its cells behind the grid until they are too many; `settled` is the grid alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from hub.store.figures.sums import GridShape, SparseGrid

Grid = NDArray[np.int64]
MOST_BEHIND = 8_192
"""Bytes of increments behind a grid."""
_MARK = b"+"
"""Begins a grid that may have increments behind it; zlib alone begins with another byte."""
_HEAD = struct.Struct("<cII")
"""The mark, how many numbers the grid holds, and the bytes of its zlib: none while it is nothing but increments."""
_COUNT = struct.Struct("<I")
_ROOM = 2**62
"""No cell of a marked grid is beyond this, so that increments, which are of 16 bits, cannot leave the 64."""


def pack(grid: Grid) -> bytes:
    """A grid as stored."""
    return zlib.compress(np.ascontiguousarray(grid, "<i8").tobytes(), 1)


def unpack(blob: bytes) -> Grid:
    """The flat grid of `pack` or `stored_with`, writable."""
    if blob[:1] != _MARK:
        return np.frombuffer(zlib.decompress(blob), "<i8").astype(np.int64)
    _, size, length = _HEAD.unpack_from(blob)
    at = _HEAD.size + length
    grid = unpack(blob[_HEAD.size : at]) if length else np.zeros(size, np.int64)
    while at < len(blob):
        (count,) = _COUNT.unpack_from(blob, at)
        at += _COUNT.size
        cells = np.frombuffer(blob, "<u2", count, at)
        grid[cells] += np.frombuffer(blob, "<i2", count, at + 2 * count)
        at += 4 * count
    return grid


def stored_with(blob: bytes | None, shape: GridShape, parts: Sequence[SparseGrid]) -> bytes:
    """A stored grid (None: not yet) with more added to it. Raises OverflowError as `add`."""
    more = _increments(parts)
    if more is not None and len(more) <= MOST_BEHIND:
        if blob is None:
            return _HEAD.pack(_MARK, shape.size, 0) + more
        if blob[:1] == _MARK:
            behind = len(blob) - _HEAD.size - _HEAD.unpack_from(blob)[2]
            if behind + len(more) <= MOST_BEHIND:
                return blob + more
    grid = add(empty(shape) if blob is None else unpack(blob), parts)
    packed = pack(grid)
    if grid.min(initial=0) < -_ROOM or grid.max(initial=0) > _ROOM:
        return packed
    return _HEAD.pack(_MARK, grid.size, len(packed)) + packed


def settled(blob: bytes) -> bytes:
    """The same grid without anything behind it."""
    return pack(unpack(blob)) if blob[:1] == _MARK else blob


def _increments(parts: Sequence[SparseGrid]) -> bytes | None:
    """As they are written behind a grid; None when one does not fit 16 bits."""
    written: list[bytes] = []
    for part in parts:
        cells, values = np.asarray(part.cells, np.int64), np.asarray(part.values, np.int64)
        if len(cells) and (cells[-1] > 0xFFFF or values.min() < -0x8000 or values.max() > 0x7FFF):
            return None
        written += [_COUNT.pack(len(cells)), cells.astype("<u2").tobytes(), values.astype("<i2").tobytes()]
    return b"".join(written)


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
