"""`branchloop evaluate`: figures against ground truth, from files to numbers."""

from __future__ import annotations

import csv
import json
import math
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from branchloop.errors import InputError
from edge.accuracy.bootstrap import CONFIDENCE, REPLICATES, SEED, Interval, block_s, intervals
from edge.accuracy.counting import CountAccuracy, Times, Totals, best_shift_s, count_accuracy, total_accuracy
from edge.accuracy.dwelling import Visits, dwell_accuracy
from edge.accuracy.heat import Grid, heat_accuracy, heat_intervals, truth_grid
from edge.accuracy.mot import Frames, Tally

MAX_TRUTH_GAP_S = 1.0
PEOPLE = ("mota", "idf1", "hota")
LEAST_BLOCK_FRAMES = 35
"""5 s at 7 frames a second; for files whose frame rate is not given."""
WINDOW_S = 5.0
TOLERANCE_S = 3.0
"""A hand at a counter is late by a second or two."""
LONGEST_S = 7 * 86_400.0
"""Times farther apart are of two clocks: seconds since the start, and since 1970."""
CLAIM = 0.05
"""Error rate whose proof `needed` counts crossings for."""


def evaluate_people(
    tracks: Path, truth: Path, fps: float | None = None, block: float | None = None
) -> dict[str, Any]:
    """Tracking accuracy of a MOT file against another, over the frames that the truth spans.

    Frames after the truth's last are left out: nothing is known of them. `block` is the bootstrap's, in s, or in
    frames where `fps` is not given.
    """
    true_frames, found = read_mot(truth), read_mot(tracks)
    if not true_frames:
        raise InputError(f"{truth} holds no box.", hint="Write frame,id,x,y,w,h,conf,-1,-1,-1.")
    frames = list(range(min(true_frames), max(true_frames) + 1))
    if block is None:
        block = block_s(len(frames) / fps) if fps else max(LEAST_BLOCK_FRAMES, len(frames) // 30)
    length = max(1, round(block * (fps or 1)))
    tally = Tally(true_frames, found, frames)
    figures = tally.accuracy()
    found_intervals = intervals(tally.weighted, len(frames), length)
    return {
        "mota": figures.mota,
        "idf1": figures.idf1,
        "hota": figures.hota,
        "deta": figures.deta,
        "assa": figures.assa,
        "id_switches": figures.id_switches,
        "false_positives": figures.false_positives,
        "misses": figures.misses,
        "truth_boxes": figures.truth_boxes,
        "frames": figures.frames,
        **_bounds({name: found_intervals[name] for name in PEOPLE}),
        **_bootstrap(length, "frames"),
    }


def evaluate_heat(
    heat: Path, truth: Path, fps: float | None = None, block: float | None = None
) -> dict[str, Any]:
    """Heat grid against true floor places: t_s,id,x_m,y_m, or frame,id,x_m,y_m with the frame rate.

    Intervals need the grid's own windows, which `edge replay` and `edge simulate` write.
    """
    measured, windows = _read_heat(heat)
    places, seconds, t_s = _true_places(truth, fps)
    figures = heat_accuracy(measured, truth_grid(measured, places, seconds))
    said: dict[str, Any] = {
        "r": figures.r,
        "emd_m": figures.emd_m,
        "mass_ratio": figures.mass_ratio,
        "person_seconds": float(measured.person_seconds.sum()),
        "places": len(places),
    }
    if windows is None:
        return said | _bounds(dict.fromkeys(("r", "emd_m", "mass_ratio")))
    starts_s, grids = windows
    index = np.searchsorted(starts_s, t_s + 1e-9, side="right") - 1
    true = np.array(
        [
            truth_grid(measured, places[index == i], seconds[index == i]).person_seconds
            for i in range(len(grids))
        ]
    )
    length = max(1, round((block_s(len(grids) * WINDOW_S) if block is None else block) / WINDOW_S))
    found = heat_intervals(grids, true, measured.cell_m, length)
    return said | _bounds(found) | _bootstrap(round(length * WINDOW_S), "s")


def evaluate_counts(
    counts: Path, truth: Path, tolerance_s: float = TOLERANCE_S, align_s: float = 0.0, claim: float = CLAIM
) -> dict[str, Any]:
    """Crossings of the box (events.ndjson or t_s,line,direction) against a manual count, line by line.

    A manual count may be totals alone (line,direction,count), as a clicker gives them: then only sums are compared.
    `align_s` allows the hand's clock to be off by so much. Raises InputError naming file and row.
    """
    said: dict[str, Any]
    if _has_totals(truth):
        sums, true_sums = read_totals(counts), read_totals(truth)
        every, lines = total_accuracy(sums, true_sums, claim)
        said = {"matched": False}
    else:
        counted, true = read_crossings(counts), read_crossings(truth)
        _one_clock(counts, truth, [times for table in (counted, true) for times in table.values()])
        shift_s = best_shift_s(counted, true, tolerance_s, align_s) if align_s else 0.0
        moved = {key: [t - shift_s for t in times] for key, times in true.items()}
        every, lines = count_accuracy(counted, moved, tolerance_s, claim)
        sums, true_sums = ({key: len(times) for key, times in table.items()} for table in (counted, true))
        said = {"matched": True, "tolerance_s": tolerance_s, "shift_s": shift_s}
    if not every.true:
        raise InputError(
            f"{truth} holds no crossing.", hint="Write one row per crossing: t_s,line,direction."
        )
    apart = sum(abs(sums.get(key, 0) - true_sums.get(key, 0)) for key in sums.keys() | true_sums.keys())
    return {
        **_count(every),
        "absolute_error": apart / every.true,
        "claim": claim,
        **said,
        "lines": {line: _count(figures) for line, figures in lines.items()},
    }


def evaluate_dwell(visits: Path, truth: Path) -> dict[str, Any]:
    """Visits of the box (events.ndjson or zone,start_s,dwell_s) against those somebody timed, zone by zone."""
    measured, true = read_visits(visits), read_visits(truth)
    if not any(true.values()):
        raise InputError(f"{truth} holds no visit.", hint="Write one row per visit: zone,start_s,dwell_s.")
    tables = [table for both in (measured, true) for table in both.values()]
    _one_clock(visits, truth, [[start_s for start_s, _ in table] for table in tables])
    zones = {}
    for zone, figures in dwell_accuracy(measured, true).items():
        zones[zone] = {
            "visits": figures.visits,
            "true_visits": figures.true_visits,
            "median_s": figures.median_s,
            "p90_s": figures.p90_s,
            **{f"{name}_error": value for name, value in figures.errors.items()},
            **_bounds({f"{name}_error": found for name, found in figures.intervals.items()}),
        }
    return {"visits": sum(len(v) for v in measured.values()), "true_visits": sum(len(v) for v in true.values()), "zones": zones}  # fmt: skip


def read_crossings(path: Path) -> Times:
    """Read crossings by line and direction: events of `edge replay`, or a table t_s,line,direction.

    Times are seconds or h:m:s. Raises InputError naming file and row.
    """
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for number, row in _records(path, "crossing", ("t_s", "line", "direction")):
        direction = str(row["direction"]).strip().lower()
        if direction not in {"in", "out"}:
            raise InputError(
                f"{path}, row {number}: the direction {direction[:20]!r} is neither in nor out.",
                hint="Mend it.",
            )
        found[str(row["line"]).strip(), direction].append(_seconds(row["t_s"], path, number))
    return found


def read_totals(path: Path) -> Totals:
    """Read totals by line and direction: a table line,direction,count, or crossings, which are summed."""
    if not _has_totals(path):
        return {key: len(times) for key, times in read_crossings(path).items()}
    found: defaultdict[tuple[str, str], int] = defaultdict(int)
    for number, row in _records(path, "crossing", ("line", "direction", "count")):
        text = str(row["count"] or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InputError(f"{path}, row {number}: {text[:20]!r} is no number of people.", hint="Mend it.")
        found[str(row["line"]).strip(), _direction(row, path, number)] += int(text)
    return found


def read_visits(path: Path) -> Visits:
    """Read visits by zone: events of `edge replay`, or a table zone,start_s,dwell_s (or end_s).

    Raises InputError naming file and row.
    """
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for number, row in _records(path, "visit", ("zone", "start_s")):
        start_s = _seconds(row["start_s"], path, number)
        if row.get("dwell_s") not in {None, ""}:
            dwell_s = _seconds(row["dwell_s"], path, number)
        else:
            dwell_s = _seconds(row.get("end_s"), path, number) - start_s
        if dwell_s < 0:
            raise InputError(f"{path}, row {number}: the visit ends before it begins.", hint="Mend it.")
        found[str(row["zone"]).strip()].append((start_s, dwell_s))
    return found


def read_mot(path: Path) -> Frames:
    """Read frame,id,x,y,w,h,… (MOTChallenge). Raises InputError naming file and row."""
    rows: defaultdict[int, dict[int, list[float]]] = defaultdict(dict)
    for number, row in enumerate(_rows(path), 1):
        try:
            frame, person = int(float(row[0])), int(float(row[1]))
            box = [float(value) for value in row[2:6]]
            if len(box) < 4 or not all(math.isfinite(value) for value in box):
                raise ValueError
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{path}, row {number}: not frame,id,x,y,w,h.", hint="Mend or delete the row."
            ) from error
        if person in rows[frame]:
            raise InputError(
                f"{path}, row {number}: id {person} stands twice in frame {frame}.", hint="Delete one."
            )
        rows[frame][person] = box
    return {frame: (list(boxes), np.array(list(boxes.values()))) for frame, boxes in rows.items()}


def read_heat(path: Path) -> Grid:
    """Read a heat.npz of `edge replay` or `edge simulate`."""
    return _read_heat(path)[0]


def _read_heat(path: Path) -> tuple[Grid, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None]:
    """The grid, and its windows where the file has them: starts in s, and a grid each."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            grid = np.asarray(stored["person_seconds"], dtype=np.float64)
            corner = float(stored["x0_m"]), float(stored["y0_m"])
            cell_m = float(stored["cell_m"])
            parts = _windows(stored, grid.shape) if "window_start_s" in stored else None
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as a heat grid.", hint="Give a heat.npz of edge replay."
        ) from error
    except (KeyError, ValueError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a heat grid.", hint="Give a heat.npz of edge replay.") from error
    if grid.ndim != 2 or grid.size == 0 or not np.isfinite(grid).all() or not cell_m > 0:
        raise InputError(f"{path} holds no grid of numbers.", hint="Give a heat.npz of edge replay.")
    return Grid(grid, *corner, cell_m), parts


def _windows(stored: Any, shape: tuple[int, ...]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    starts_s, ends = stored["window_start_s"], stored["window_ends"]
    cells, mps = stored["window_cells"], stored["window_mps"]
    grids = np.zeros((len(starts_s), int(np.prod(shape))))
    for grid, start, end in zip(grids, [0, *ends[:-1]], ends, strict=True):
        np.add.at(grid, cells[start:end], mps[start:end] / 1000)
    return starts_s, grids.reshape(len(starts_s), *shape)


def _true_places(
    path: Path, fps: float | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Places (n, 2) in m, how long each was held in s, and when in s."""
    rows = list(_rows(path))
    header = [name.strip() for name in rows[0]] if rows else []
    if not {"x_m", "y_m"} <= set(header) or not {"t_s", "frame"} & set(header):
        raise InputError(
            f"{path} lacks a column.", hint="The first row must name t_s,id,x_m,y_m (or frame,…)."
        )
    by_frame = "t_s" not in header
    if by_frame and fps is None:
        raise InputError(f"{path} counts frames.", hint="Give their rate with --fps.")
    clock, x, y = header.index("frame" if by_frame else "t_s"), header.index("x_m"), header.index("y_m")
    try:
        table = np.array([[float(row[clock]), float(row[x]), float(row[y])] for row in rows[1:]])
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} has a row that is not numbers.", hint="Mend or delete it.") from error
    if not len(table):
        raise InputError(f"{path} holds no place.", hint="Write one row per person and moment.")
    t_s = table[:, 0] / fps if by_frame and fps else table[:, 0]
    times, position = np.unique(t_s, return_inverse=True)
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    spans = np.append(np.diff(times), usual)
    spans = np.where(spans > MAX_TRUTH_GAP_S, usual, spans)
    return table[:, 1:], spans[position], t_s


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="") as file:
            return [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a text table.", hint="Write comma-separated values.") from error


def _direction(row: Mapping[str, Any], path: Path, number: int) -> str:
    direction = str(row["direction"]).strip().lower()
    if direction not in {"in", "out"}:
        raise InputError(
            f"{path}, row {number}: the direction {direction[:20]!r} is neither in nor out.", hint="Mend it."
        )
    return direction


def _has_totals(path: Path) -> bool:
    if path.suffix == ".ndjson":
        return False
    header = next(iter(_rows(path)), [])
    return "count" in [name.strip().lstrip("\ufeff") for name in header]


def _records(path: Path, event: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    """Rows of a table, or the events of one kind in an events.ndjson."""
    if path.suffix == ".ndjson":
        return _events(path, event, columns)
    rows = _rows(path)
    header = [name.strip().lstrip("\ufeff") for name in rows[0]] if rows else []
    if not set(columns) <= set(header):
        raise InputError(
            f"{path} lacks a column.",
            hint=f"The first row must name {','.join(columns)} (or give an .ndjson).",
        )
    return [(number, dict(zip(header, row, strict=False))) for number, row in enumerate(rows[1:], 2)]


def _events(path: Path, event: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [(number, json.loads(line)) for number, line in enumerate(lines, 1) if line.strip()]
        rows = [(number, row) for number, row in found if row["event"] == event]
        for _, row in rows:
            for column in columns:
                _ = row[column]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a file of events.", hint="Give an events.ndjson of edge replay."
        ) from error
    return rows


def _seconds(value: Any, path: Path, number: int) -> float:
    """Seconds, or h:m:s."""
    try:
        parts = [float(part) for part in str(value).split(":")]
        seconds = sum((part * 60.0**i for i, part in enumerate(reversed(parts))), 0.0)
        if len(parts) > 3 or not math.isfinite(seconds):
            raise ValueError
    except ValueError as error:
        raise InputError(
            f"{path}, row {number}: {str(value)[:20]!r} is no time.", hint="Write seconds or h:m:s."
        ) from error
    return seconds


def _one_clock(made: Path, truth: Path, times: Iterable[Sequence[float]]) -> None:
    moments = [t_s for some in times for t_s in some]
    if moments and max(moments) - min(moments) > LONGEST_S:
        raise InputError(
            f"the times of {made} and {truth} lie more than a week apart.",
            hint="Write both on the same clock, such as seconds since the recording began.",
        )


def _count(figures: CountAccuracy) -> dict[str, Any]:
    return {
        "crossings": figures.true,
        "counted": figures.counted,
        "missed": figures.missed,
        "extra": figures.extra,
        "wrong_rate": figures.wrong_rate,
        "net_error": figures.net_error,
        **_bounds({"wrong_rate": figures.wrong_interval, "net_error": figures.net_interval}),
        "needed": figures.needed,
    }


def _bounds(found: Mapping[str, Interval | None]) -> dict[str, Any]:
    """The ends of intervals as `NAME_low` and `NAME_high`; null where there is none."""
    ends: dict[str, Any] = {}
    for name, interval in found.items():
        ends[f"{name}_low"], ends[f"{name}_high"] = interval or (None, None)
    return ends


def _bootstrap(block: int, unit: str) -> dict[str, Any]:
    return {
        "confidence": CONFIDENCE,
        "block": block,
        "block_unit": unit,
        "replicates": REPLICATES,
        "seed": SEED,
    }
