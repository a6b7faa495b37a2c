"""Whatever windows hold, their sums do not depend on how they were cut into increments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from box import T0_MS
from hypothesis import given, settings, strategies as st

from branchloop.wire.messages import Window
from hub.store.figures.rollup import MAX_SUM, check_plausible, collect, differences
from hub.store.figures.sums import LEVELS, Bucket, RollUp
from hub.store.sqlite import SqliteStore

ZONE = ZoneInfo("Asia/Kolkata")
COUNT = st.integers(0, MAX_SUM)
STEP = st.integers(-MAX_SUM, MAX_SUM)
SMALL = st.integers(0, 1_000)


@st.composite
def histograms(draw: st.DrawFn) -> dict[str, Any]:
    bins = draw(st.dictionaries(st.integers(0, 97).map(str), SMALL, max_size=4))
    return {"count": sum(bins.values()), "sum_ms": draw(COUNT), "bins": bins}


@st.composite
def queues(draw: st.DrawFn, queue: str) -> dict[str, Any]:
    return {
        "queue": queue, "person_ms": draw(COUNT), "joined": draw(SMALL), "lost": draw(SMALL),
        "waiting_end": draw(st.none() | SMALL), "looked_ms": draw(st.none() | SMALL), "served": draw(histograms()), "abandoned": draw(histograms()),
    }  # fmt: skip


@st.composite
def heats(draw: st.DrawFn) -> dict[str, Any]:
    cells = sorted(draw(st.sets(st.integers(0, 7), max_size=8)))
    mps = [draw(st.integers(0, MAX_SUM // 8)) for _ in cells]
    return {"cell_mm": draw(st.sampled_from([250, 500])), "rows": 2, "cols": 4, "cells": cells, "mps": mps}


@st.composite
def flows(draw: st.DrawFn) -> dict[str, Any]:
    cells = sorted(draw(st.sets(st.integers(0, 3), max_size=4)))
    steps = [[draw(STEP) for _ in cells] for _ in range(2)]
    path = [draw(st.integers(0, MAX_SUM // 4)) for _ in cells]
    return {
        "cell_mm": 1_000,
        "rows": 2,
        "cols": 2,
        "cells": cells,
        "dx_mm": steps[0],
        "dy_mm": steps[1],
        "path_mm": path,
    }


@st.composite
def windows(draw: st.DrawFn) -> Window:
    went_in = draw(SMALL)
    line = {"line": "door", "in": went_in, "out": draw(SMALL), "returned": draw(st.integers(0, went_in)), "looked_ms": draw(st.none() | SMALL),
            "staff_in": draw(SMALL), "staff_out": draw(COUNT), "entrance": draw(st.none() | st.booleans())}  # fmt: skip
    camera = {"camera": "north", "state": "up", "observed_ms": 5_000, "frames": 1, "analysed": 1,
              "fault": draw(st.sampled_from([None, "moved", "blurred"]))}  # fmt: skip
    sensor = {"sensor": "desk", "state": "up", "observed_ms": 5_000, "readings": 1, "valid": 1,
              "fault": draw(st.sampled_from([None, "stuck"]))}  # fmt: skip
    return Window.model_validate(
        {
            "start_ms": T0_MS + 5_000 * draw(st.integers(0, 2_000)), "expected_ms": 5_000, "observed_ms": 5_000,
            "person_ms": draw(COUNT), "staff_ms": draw(COUNT), "looked_ms": draw(st.none() | SMALL), "lines": [line], "cameras": [camera], "sensors": [sensor],
            "queues": [draw(queues(queue)) for queue in draw(st.sets(st.sampled_from(["q", "r"])))],
            "heat": draw(st.none() | heats()), "filled": draw(st.none() | heats()), "flow": draw(st.none() | flows()),
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path_factory.mktemp("store"))
    store._db.execute("PRAGMA synchronous=OFF")
    yield store
    store.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(windows(), st.integers(0, 3)), min_size=1, max_size=8))
def test_increments_add_to_the_same_sums(store: SqliteStore, cut: list[tuple[Window, int]]) -> None:
    """In up to four increments or in one, through the database and back: not one figure differs."""
    whole: dict[Bucket, RollUp] = {}
    parts: list[dict[Bucket, RollUp]] = [{} for _ in range(4)]
    for window, part in cut:
        check_plausible(window)
        for into in (whole, parts[part]):
            collect(into, window, ZONE, open_hours=True)
    with store.transaction() as transaction:
        transaction.forget_device("hall", "box-1")
    for increment in reversed(parts):
        with store.transaction() as transaction:
            transaction.add_rollups("hall", "box-1", increment)
    stored: dict[Bucket, RollUp] = {}
    for level in LEVELS:
        stored |= store.rollups("hall", "box-1", level, 0, 2**53)
    assert list(differences(stored, whole)) == []
