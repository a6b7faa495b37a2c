"""`branchloop bench floor`: crossings counted by the real tracker and counters on a grid of conditions.

Simulated boxes in, windows' crossings out, beside ByteTrack and LineZone on the same boxes where an
interpreter that has them is named. The figure of a cell is (missed + extra) / crossings asked for; beside it stands
(missed + extra) / walkers, those too who were seen often enough and turned back.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np

from branchloop.errors import DependencyError, UsageError
from edge.accuracy import counting_scene as scene
from edge.accuracy.counting_scene import Cell, Footage
from edge.accuracy.crossings import CountError, Event, compare
from edge.bench.cell_table import CellTable, code
from edge.floor.floor import Floor, Settled
from edge.floor.observation import observe
from edge.floor.windows import no_sensors

FPS = (2.0, 3.0, 5.0, 10.0, 15.0)
SPEEDS_M_S = (0.5, 1.0, 1.8, 2.5)
DROPS = (0.0, 0.2, 0.4)
JITTERS_PX = (0.0, 4.0, 8.0)
LIMIT = 0.02
PEER = Path(__file__).with_name("peer_counting.py")
PEER_PATIENCE_S = 3_600

Progress = Callable[[int, int, str], None]


def grid(patterns: Sequence[str] = ()) -> list[Cell]:
    """All cells, or those whose name fits one of the patterns. Raises UsageError when none does."""
    cells = [
        Cell(*condition)
        for condition in itertools.product(scene.SCENARIOS, FPS, SPEEDS_M_S, DROPS, JITTERS_PX)
    ]
    chosen = [cell for cell in cells if not patterns or any(fnmatch(cell.name, p) for p in patterns)]
    if not chosen:
        raise UsageError(f"no cell is called {patterns[0]!r}.", hint=f"Cells look like {cells[0].name}; * and ? fit anything.")  # fmt: skip
    return chosen


def bench_floor(
    cells: Sequence[Cell],
    crossings: int,
    peer: str | None,
    jobs: int,
    progress: Progress,
    table: CellTable | None = None,
) -> dict[str, Any]:
    """Every cell's error, ours and the peer's; a summary with the worst cells.

    A cell that stands in the `table` is not counted again, and each that was counted is added to it.
    Raises DependencyError when the peer's interpreter cannot run it.
    """
    known = [row for cell in cells if table and (row := table.counted(cell.name, crossings))]
    names = {row["cell"] for row in known}
    tasks = [(cell, crossings, peer) for cell in cells if cell.name not in names]
    rows: list[dict[str, Any]] = [*known]
    now = code()
    for row in _run(tasks, jobs):
        rows.append({**row, "code": now})
        if table:
            table.add(rows[-1], crossings)
        progress(len(rows), len(cells), _line(row))
    rows.sort(key=lambda row: (-(row["error"] or 0.0), row["cell"]))
    errors, by_walker = (
        [row[key] for row in rows if row[key] is not None] for key in ("error", "walker_error")
    )
    figures: dict[str, Any] = {
        "simulated": True,
        "cells": len(rows),
        "crossings_a_cell": crossings,
        "asked": sum(row["asked"] for row in rows),
        "excluded": sum(row["excluded"] for row in rows),
        "worst_error": max(errors, default=None),
        "mean_error": round(float(np.mean(errors)), 4) if errors else None,
        "cells_over_limit": sum(error > LIMIT for error in errors),
        "turned": sum(row["turned"] for row in rows),
        "worst_walker_error": max(by_walker, default=None),
        "walker_cells_over_limit": sum(error > LIMIT for error in by_walker),
        "wrong": sum(row["missed"] + row["extra"] for row in rows),
        "limit": LIMIT,
        "cells_of_other_code": sum(row["code"] != now for row in rows),
        "peer": "absent" if peer is None else "ByteTrack (trackers) + LineZone (supervision)",
    }
    if peer is not None:
        theirs = [row["peer_error"] for row in rows if row["peer_error"] is not None]
        figures |= {
            "peer_worst_error": max(theirs, default=None),
            "peer_mean_error": round(float(np.mean(theirs)), 4) if theirs else None,
            "peer_cells_over_limit": sum(error > LIMIT for error in theirs),
        }
    return {**figures, "rows": rows}


def count(footage: Footage) -> list[Event]:
    """Crossings that the floor's settled counters give for the footage, by tracker and all."""
    floor = Floor(scene.bench_site(), prefix="bench", method="bench")
    calibration = floor.calibration("hall")
    settled: list[Settled] = []
    for t_ms, boxes in zip(footage.t_ms.tolist(), footage.frames, strict=True):
        floor.frame("hall", t_ms, observe(t_ms, boxes, calibration))
        settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    return [
        (passage.crossing.at_ms / 1000, passage.crossing.direction)
        for each in settled
        for passage in each.crossings
    ]


def judge(cell: Cell, footage: Footage, counted: Sequence[Event]) -> CountError:
    """The count of a cell against its truth."""
    events = [
        ((walker.crossed_s, walker.crosses), seen)
        for walker, seen in zip(footage.walkers, footage.seen, strict=True)
        if walker.crosses is not None
    ]
    asked = [event for event, seen in events if seen]
    excluded = [event for event, seen in events if not seen]
    pause_s = scene.PAUSE_S if cell.scenario == "turning" else 0.0
    judged = compare(counted, asked, excluded, 1.0 + 0.5 / cell.speed_m_s + pause_s)
    return replace(judged, turned=footage.turned)


def _run(tasks: Sequence[tuple[Cell, int, str | None]], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        yield from map(_cell, tasks)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            for ended in as_completed([pool.submit(_cell, task) for task in tasks]):
                yield ended.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _cell(task: tuple[Cell, int, str | None]) -> dict[str, Any]:
    cell, crossings, peer = task
    footage = scene.film(cell, crossings)
    row = {"cell": cell.name, **judge(cell, footage, count(footage)).figures()}
    if peer is not None:
        theirs = _peer(peer, cell, footage)
        row |= {f"peer_{key}": theirs[key] for key in ("error", "missed", "extra")}
    return row


def _peer(python: str, cell: Cell, footage: Footage) -> dict[str, Any]:
    """The peer's count of the same boxes; of its two directions the naming that suits it better."""
    line = np.array([[0.5, scene.LINE_Y_M, 0.0], [9.5, scene.LINE_Y_M, 0.0]])
    with tempfile.TemporaryDirectory() as folder:
        boxes, answer = Path(folder) / "boxes.npz", Path(folder) / "crossings.json"
        np.savez(
            boxes,
            fps=cell.fps,
            line_px=scene.project(line),
            sizes=[len(frame) for frame in footage.frames],
            boxes=np.concatenate(footage.frames),
        )
        try:
            ran = subprocess.run(
                [python, "-I", str(PEER), str(boxes), str(answer)],
                capture_output=True, text=True, timeout=PEER_PATIENCE_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DependencyError(f"the peer's interpreter {python} did not run: {error}.") from error
        if ran.returncode:
            last = (ran.stderr.strip().splitlines() or ["no word"])[-1]
            raise DependencyError(
                f"the peer failed: {last}.", hint="Its interpreter needs trackers and supervision."
            )
        found = [(float(t_s), str(way)) for t_s, way in json.loads(answer.read_text())]
    other = {"in": "out", "out": "in"}
    both = [judge(cell, footage, found), judge(cell, footage, [(t_s, other[way]) for t_s, way in found])]
    return min(both, key=lambda judged: judged.error or 0.0).figures()


def _line(row: dict[str, Any]) -> str:
    theirs = f", peer {row['peer_error']:.1%}" if row.get("peer_error") is not None else ""
    ours = "nothing asked" if row["error"] is None else f"{row['error']:.1%}"
    turned = f", {row['walker_error']:.1%} with {row['turned']} who turned back" if row["turned"] else ""
    return f"{row['cell']}: {ours}{turned}{theirs} ({row['asked']} asked, {row['excluded']} excluded)"


def tell(done: int, total: int, line: str) -> None:
    """Progress on standard error, a line per cell."""
    print(f"[{done}/{total}] {line}", file=sys.stderr, flush=True)
