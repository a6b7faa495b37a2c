from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from box import T0_MS, window
from hypothesis import given, strategies as st

from branchloop.errors import InputError
from branchloop.wire.messages import Window
from hub.store.figures import grid
from hub.store.figures.rollup import MAX_SUM, check_plausible, collect, differences
from hub.store.figures.sums import Bucket, GridShape, RollUp, SparseGrid

KOLKATA = ZoneInfo("Asia/Kolkata")


def parsed(**more: object) -> Window:
    return Window.model_validate_json(json.dumps(window(**more)))  # type: ignore[arg-type]


def gathered(*windows: Window, zone: ZoneInfo = KOLKATA, open_hours: bool = True) -> dict[Bucket, RollUp]:
    into: dict[Bucket, RollUp] = {}
    for each in windows:
        collect(into, each, zone, open_hours=open_hours)
    return into


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_hours_and_days_are_local() -> None:
    """At 08:30 in Kolkata the hour began at 02:30 UTC and the day at 18:30 UTC the evening before."""
    buckets = set(gathered(parsed()))
    assert buckets == {
        ("minute", T0_MS),
        ("hour", ms("2026-03-23T02:30:00+00:00")),
        ("day", ms("2026-03-22T18:30:00+00:00")),
    }


def test_everything_adds_up() -> None:
    """Two windows of one minute give the sums of both, extremes included, on every level."""
    for rollup in gathered(parsed(people=1), parsed(start_ms=T0_MS + 5_000, people=3)).values():
        totals = rollup.totals
        assert (totals.windows, totals.windows_ms, totals.person_ms) == (2, 10_000, 20_000)
        assert (totals.open_observed_ms, totals.open_expected_ms) == (10_000, 10_000)
        assert (totals.first_ms, totals.last_ms) == (T0_MS, T0_MS + 10_000)
        assert rollup.methods == {"test": 10_000}
        assert (rollup.lines["door"].crossings_in, rollup.lines["door"].crossings_out) == (4, 2)
        assert rollup.zones["queue"].bins == {23: 4}
        assert rollup.cameras["north"].up_ms == 10_000
        desk = rollup.sensors["desk"]
        assert (desk.nearest_mm, desk.farthest_mm, desk.sum_mm) == (501, 903, 14_000)
        assert (totals.staff_ms, totals.filled_ms) == (40, 1_204)
        door = rollup.lines["door"]
        assert (door.returned, door.staff_in, door.staff_out, door.visitors) == (1, 2, 4, 3)
        queue = rollup.queues["queue"]
        assert (queue.windows_ms, queue.person_ms, queue.joined, queue.lost) == (10_000, 2_800, 4, 1)
        assert (queue.served_count, queue.served_sum_ms, queue.served) == (4, 240_000, {43: 4})
        assert (queue.abandoned_count, queue.abandoned_sum_ms, queue.abandoned) == (2, 18_000, {23: 2})
        assert rollup.cameras["north"].faults == {"blurred": 10_000}
        assert desk.faults == {"stuck": 5_000}
        assert rollup.pairs == {"north/south": {"clocks_apart": 10_000}}
        filled = grid.add(grid.empty(GridShape(500, 2, 4)), rollup.filled[GridShape(500, 2, 4)])
        assert filled.tolist() == [0, 300, 0, 900, 0, 0, 4, 0]
        flow = grid.add(grid.empty(GridShape(1_000, 1, 2, 3)), rollup.flow[GridShape(1_000, 1, 2, 3)])
        assert flow.tolist() == [-1_600, 60, 4, -14, 2_000, 62]
        heat = grid.add(grid.empty(GridShape(500, 2, 4)), rollup.heat[GridShape(500, 2, 4)])
        assert heat.tolist() == [0, 1_000, 0, 3_000, 0, 0, 0, 10]


def test_what_was_not_measured_stays_unknown() -> None:
    """A sensor without a valid range has no nearest range, and unknown presence counts as no time."""
    silent = {"sensor": "desk", "state": "down", "observed_ms": 0, "readings": 0, "valid": 0}
    desk = gathered(parsed(sensors=[silent]))["minute", T0_MS].sensors["desk"]
    assert desk.nearest_mm is None
    assert desk.presence_observed_ms == 0
    assert desk.up_ms == 0


def test_time_outside_opening_hours_is_kept_apart() -> None:
    """A window outside opening hours counts, but not as open time."""
    totals = gathered(parsed(), open_hours=False)["minute", T0_MS].totals
    assert (totals.observed_ms, totals.open_observed_ms, totals.open_expected_ms) == (5_000, 0, 0)


def test_the_day_of_a_clock_change_is_one_day() -> None:
    """A day of 25 hours is one bucket; its repeated hour is two hours, not one."""
    berlin = ZoneInfo("Europe/Berlin")
    early = parsed(start_ms=ms("2026-10-25T00:10:00+00:00"))
    late = parsed(start_ms=ms("2026-10-25T01:10:00+00:00"))
    buckets = gathered(early, late, zone=berlin)
    assert [start for level, start in buckets if level == "day"] == [ms("2026-10-24T22:00:00+00:00")]
    assert len([1 for level, _ in buckets if level == "hour"]) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"person_ms": MAX_SUM + 1},
        {"expected_ms": MAX_SUM + 1},
        {"lines": [{"line": "door", "in": MAX_SUM + 1, "out": 0}]},
        {"zones": [{"zone": "queue", "person_ms": 0, "entries": 0, "dwell": {"bins": {"999": 1}}}]},
        {"heat": {"cell_mm": 500, "rows": 2, "cols": 4, "cells": [0], "mps": [MAX_SUM + 1]}},
        {"heat": {"cell_mm": 50, "rows": 4_000, "cols": 4_000, "cells": [], "mps": []}},
        {"filled": {"cell_mm": 50, "rows": 4_000, "cols": 4_000, "cells": [], "mps": []}},
        {"filled": {"cell_mm": 500, "rows": 2, "cols": 4, "cells": [0], "mps": [MAX_SUM + 1]}},
        {"staff_ms": MAX_SUM + 1},
        {"lines": [{"line": "door", "in": 0, "out": 0, "staff_out": MAX_SUM + 1}]},
        {"lines": [{"line": "door", "in": 1, "out": 0, "returned": 2}]},
        {"queues": [{"queue": "q", "person_ms": 0, "joined": MAX_SUM + 1}]},
        {"queues": [{"queue": "q", "person_ms": 0, "joined": 0, "served": {"bins": {"999": 1}}}]},
        {"queues": [{"queue": "q", "person_ms": 0, "joined": 0, "abandoned": {"sum_ms": MAX_SUM + 1}}]},
        {
            "flow": {
                "cell_mm": 1_000,
                "rows": 2_000,
                "cols": 2_000,
                "cells": [],
                "dx_mm": [],
                "dy_mm": [],
                "path_mm": [],
            }
        },
        {
            "flow": {
                "cell_mm": 1_000,
                "rows": 1,
                "cols": 1,
                "cells": [0],
                "dx_mm": [-MAX_SUM - 1],
                "dy_mm": [0],
                "path_mm": [0],
            }
        },
    ],
)
def test_implausible_figures_are_refused(more: dict[str, object]) -> None:
    """A figure that could only overflow the sums is refused before it is added."""
    with pytest.raises(InputError):
        check_plausible(parsed(**more))


def test_a_sum_that_leaves_64_bits_is_noticed() -> None:
    """A heat cell never wraps to a wrong value in silence."""
    cells = grid.empty(GridShape(500, 1, 1))
    cells[0] = 2**63 - 10
    with pytest.raises(OverflowError):
        grid.add(cells, [SparseGrid([0], [10])])


def test_a_signed_sum_that_leaves_64_bits_is_noticed() -> None:
    """Flow grows in both directions, and wraps in neither."""
    cells = grid.empty(GridShape(1_000, 1, 1, 3))
    cells[:] = (-(2**63) + 5, 0, 7)
    assert grid.add(cells, [SparseGrid([0, 1], [-5, -4])]).tolist() == [-(2**63), -4, 7]
    with pytest.raises(OverflowError):
        grid.add(cells, [SparseGrid([0], [-1])])


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50))
def test_a_grid_survives_storing(values: list[int]) -> None:
    """Packing and unpacking give the same integers; the sparse form names only cells that are not 0."""
    cells = np.array(values, np.int64)
    assert np.array_equal(grid.unpack(grid.pack(cells)), cells)
    part = grid.sparse(cells)
    assert 0 not in part.values
    assert np.array_equal(grid.add(np.zeros(len(values), np.int64), [part]), cells)


def test_every_difference_is_named() -> None:
    """A changed sum, a missing bucket and a changed heat cell are each told with the place."""
    wanted = gathered(parsed())
    assert list(differences(gathered(parsed()), wanted)) == []
    stored = gathered(parsed())
    stored["minute", T0_MS].totals.person_ms += 1
    stored["hour", ms("2026-03-23T02:30:00+00:00")].heat[GridShape(500, 2, 4)] = [
        SparseGrid([1, 7], [1_001, 5])
    ]
    del stored["day", ms("2026-03-22T18:30:00+00:00")]
    told = list(differences(stored, wanted))
    assert len(told) == 3
    assert "not stored" in told[0]
    assert "heat cell 1 stored 1001, recomputed 1000" in told[1]
    assert datetime.fromtimestamp(T0_MS / 1000, UTC).isoformat()[:16] in told[2]
