"""However a grid is written, it holds the same integers as one that is added up cell by cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box import T0_MS, Box, make_site, window
from hypothesis import given, strategies as st

from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.figures import grid
from hub.store.figures.sums import GridShape, SparseGrid
from hub.store.sqlite import SqliteStore

SHAPE = GridShape(250, 20, 20)
VALUES = st.one_of(st.integers(-300, 300), st.integers(-(2**17), 2**17), st.integers(-(2**53), 2**53))
PARTS = st.lists(st.dictionaries(st.integers(0, SHAPE.size - 1), VALUES, max_size=30), max_size=3)


def sparse(cells: dict[int, int]) -> SparseGrid:
    ordered = sorted(cells)
    return SparseGrid(ordered, [cells[cell] for cell in ordered])


@given(st.lists(PARTS, max_size=12), st.sets(st.integers(0, 11)))
def test_a_grid_that_is_written_behind_is_the_sum_of_its_parts(
    added: list[list[dict[int, int]]], settle: set[int]
) -> None:
    """Whatever is added, in whatever portions, and however often it is settled meanwhile: unpacked it is the plain sum."""
    true = [0] * SHAPE.size
    blob: bytes | None = None
    for number, parts in enumerate(added):
        for part in parts:
            for cell, value in part.items():
                true[cell] += value
        blob = grid.stored_with(blob, SHAPE, [sparse(part) for part in parts])
        if number in settle:
            blob = grid.settled(blob)
            assert grid.settled(blob) == blob
        assert grid.unpack(blob).tolist() == true


def test_a_grid_of_before_takes_more(tmp_path: Path) -> None:
    """What an older hub stored (zlib alone) is read, and added to, to the integer; nothing behind outgrows its room."""
    dense = np.arange(SHAPE.size, dtype=np.int64) * 1_000_003
    blob = grid.pack(dense)
    part = SparseGrid(list(range(0, SHAPE.size, 2)), [7] * (SHAPE.size // 2))
    base = len(blob)
    for _ in range(100):
        blob = grid.stored_with(blob, SHAPE, [part])
        assert len(blob) < 2 * base + grid.MOST_BEHIND
        dense[::2] += 7
        assert np.array_equal(grid.unpack(blob), dense)
    assert np.array_equal(grid.unpack(grid.settled(blob)), dense)


def test_a_cell_near_the_end_of_64_bits_still_cannot_wrap() -> None:
    """Where there is no room to spare every addition is checked, as before."""
    one = GridShape(500, 1, 1)
    blob = grid.stored_with(None, one, [SparseGrid([0], [2**62])])
    blob = grid.stored_with(blob, one, [SparseGrid([0], [2**62 - 5])])
    blob = grid.stored_with(blob, one, [SparseGrid([0], [4])])
    assert grid.unpack(blob).tolist() == [2**63 - 1]
    with pytest.raises(OverflowError):
        grid.stored_with(blob, one, [SparseGrid([0], [1])])


def test_closed_minutes_are_kept_in_their_shortest_form(tmp_path: Path) -> None:
    """Of three minutes live, each grid but the newest of its level, and one that a late window was added to, is zlib alone; all of them are what the messages say."""
    site, box = make_site(), Box()
    store = SqliteStore(tmp_path)
    applier = Applier(store, {site.id: site}, lambda: T0_MS)
    for number in [number for number in range(3 * 12 + 1) if number != 1]:
        seq = box.produce("window", window(T0_MS + number * 5_000, people=number % 7))
        assert applier.apply(*box.payload([seq], T0_MS + number * 5_000 + 6_000)) is not None
    late = box.produce("window", window(T0_MS + 5_000, people=3))
    assert applier.apply(*box.payload([late], T0_MS + 200_000)) is not None
    assert recompute(store, {site.id: site})["equal"]
    with store.transaction() as transaction:
        for table in ("heat", "heat_filled", "flow"):
            asked = f"SELECT level, grid FROM {table} ORDER BY level, start_ms"  # noqa: S608 - names of ours
            rows = transaction.db.execute(asked).fetchall()
            assert [level for level, _ in rows] == ["day", "hour"] + ["minute"] * 4, table
            assert [blob[:1] == b"x" for _, blob in rows] == [False, False, False, True, True, False], table
    store.close()
