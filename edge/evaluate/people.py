"""`branchloop evaluate`: figures against ground truth, from files to numbers."""

from __future__ import annotations

import math
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from branchloop.errors import InputError
from branchloop.survey import UNIT_FITS, UNITS
from edge.accuracy.bootstrap import (
    CONFIDENCE,
    LEAST_BLOCKS,
    REPLICATES,
    SEED,
    Interval,
    block_of_stays_s,
    block_s,
    intervals,
)
from edge.accuracy.heat import Grid, heat_accuracy, heat_intervals, on_floor, truth_grid
from edge.accuracy.mot import Frames, Tally, without
from edge.evaluate.labelled import Labelled, Without
from edge.tables import numbered_rows, read_rows

MAX_TRUTH_GAP_S = 1.0
PEOPLE = ("mota", "idf1", "hota")
LEAST_BLOCK_FRAMES = 35
"""5 s at 7 frames a second; for files whose frame rate is not given."""
WINDOW_S = 5.0
MOST_FRAMES = 10_000_000
"""11 days at 10 a second; what is beyond is a slip of the hand, and every frame up to it would be judged."""
_SAME_S = 1e-9
LEAST_CELL_M = 0.01
LEAST_ON_FLOOR = 0.1
"""Share of the true places: with fewer on the grid, they are of another unit or origin."""


def evaluate_people(
    tracks: Path, truth: Path, fps: float | None = None, block: float | None = None
) -> dict[str, Any]:
    """Tracking accuracy of a MOT file against another, over the frames that the truth spans.

    Frames after the truth's last are left out: nothing is known of them. So are those between labels that stand on
    every third or fifth frame (`every`; None where their step is not constant), and true boxes of confidence 0, which
    MOTChallenge marks as not to be judged, with the tracks on them. Frames without truth in which there are tracks are
    judged as empty and told: how many, their longest stretch, and whether these are `many`. `block` is the
    bootstrap's, in s, or in frames where `fps` is not given.
    """
    labelled, aside = read_judged(truth)
    found = read_mot(tracks)
    if not labelled:
        raise InputError(f"{truth} holds no box.", hint="Write frame,id,x,y,w,h,conf,-1,-1,-1.")
    judged = Labelled.of(labelled)
    frames, span = judged.frames, len(judged.frames) * judged.step
    true_frames, ignored = (_chosen(labelled, aside, ignored=ignored) for ignored in (False, True))
    if not true_frames:
        raise InputError(
            f"{truth} holds only boxes of confidence 0.", hint="Write 1 where a box is to be judged."
        )
    if block is None:
        block = block_s(span / fps) if fps else max(LEAST_BLOCK_FRAMES, span // 30)
    length = max(1, round(block * (fps or 1) / judged.step))
    tally = Tally(true_frames, without(found, true_frames, ignored), frames)
    figures = tally.accuracy()
    found_intervals = intervals(tally.weighted, len(frames), length)
    empty = Without.of(judged, labelled, found)
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
        "every": judged.every,
        "without_truth": empty.frames,
        "without_truth_longest": empty.longest,
        "without_truth_many": empty.many,
        **bounds({name: found_intervals[name] for name in PEOPLE}),
        **_bootstrap(round(length * judged.step), "frames"),
    }


def evaluate_heat(
    heat: Path, truth: Path, fps: float | None = None, block: float | None = None
) -> dict[str, Any]:
    """Heat grid against true floor places: t_s,id,x_m,y_m, or frame,id,x_m,y_m with the frame rate.

    Places beside the grid are in no figure and told as `places_beside`; raises InputError where nearly all are, as in
    another unit. Places of a time that was not recorded neither (`places_outside`); raises InputError where most are.
    Their time and intervals need the grid's own windows, which `edge replay` and `edge simulate` write, and five blocks: `enough_s` is
    how long a recording would have those. `block` is the bootstrap's, in s; by default it follows how long people stay.
    """
    measured, windows = _read_heat(heat)
    places, seconds, t_s, stays_s = _true_places(truth, fps)
    on = on_floor(measured, places)
    _see_floor(truth, measured, places, on)
    index = np.zeros(len(t_s), dtype=np.intp) if windows is None else _window_of(t_s, windows[0])
    recorded = index >= 0
    if windows is not None:
        _see_clock(truth, t_s, recorded, windows[0])
    figures = heat_accuracy(measured, truth_grid(measured, places[recorded], seconds[recorded]))
    said: dict[str, Any] = {
        "r": figures.r,
        "emd_m": figures.emd_m,
        "mass_ratio": figures.mass_ratio,
        "person_seconds": float(measured.person_seconds.sum()),
        "places": int((on & recorded).sum()),
        "places_beside": int((~on & recorded).sum()),
        "places_outside": None if windows is None else int((~recorded).sum()),
    }
    if windows is None:
        return said | bounds(dict.fromkeys(("r", "emd_m", "mass_ratio")))
    grids = windows[1]
    true = np.array(
        [
            truth_grid(measured, places[index == i], seconds[index == i]).person_seconds
            for i in range(len(grids))
        ]
    )
    if block is None:
        block = block_of_stays_s(len(grids) * WINDOW_S, stays_s)
    length = max(1, round(block / WINDOW_S))
    found = heat_intervals(grids, true, measured.cell_m, length)
    enough_s = round(LEAST_BLOCKS * length * WINDOW_S)
    return said | bounds(found) | _bootstrap(round(length * WINDOW_S), "s") | {"enough_s": enough_s}


def read_mot(path: Path) -> Frames:
    """Read frame,id,x,y,w,h,… (MOTChallenge). Raises InputError naming file and row."""
    return _read_mot(path, labelled=False)[0]


def read_judged(path: Path) -> tuple[Frames, set[tuple[int, int]]]:
    """The same of a truth, and frame and id of those boxes whose confidence is 0: it does not want them judged.

    Raises InputError for a detector's scores, too: those are what a box made.
    """
    return _read_mot(path, labelled=True)


def _read_mot(path: Path, *, labelled: bool) -> tuple[Frames, set[tuple[int, int]]]:
    rows: defaultdict[int, dict[int, list[float]]] = defaultdict(dict)
    aside = set[tuple[int, int]]()
    for number, row in numbered_rows(path):
        try:
            frame, person = int(float(row[0])), int(float(row[1]))
            box = [float(value) for value in row[2:6]]
            confidence = float(row[6]) if len(row) > 6 else 1.0
            if len(box) < 4 or not all(math.isfinite(value) for value in box) or abs(frame) > MOST_FRAMES:
                raise ValueError
        except (ValueError, IndexError, OverflowError) as error:
            raise InputError(
                f"{path}, row {number}: not frame,id,x,y,w,h with a frame up to {MOST_FRAMES:,}.",
                hint="Mend or delete the row.",
            ) from error
        if person in rows[frame]:
            raise InputError(
                f"{path}, row {number}: id {person} stands twice in frame {frame}.", hint="Delete one."
            )
        rows[frame][person] = box
        if labelled and not confidence.is_integer():
            raise InputError(
                f"{path}, row {number}: the confidence {row[6].strip()[:12]} is a score, as the box's tracks have it; a truth says 1 or 0.",
                hint="Give what the box made as tracks, and what people labelled as truth: 1 where a box is to be judged.",
            )
        if confidence == 0:
            aside.add((frame, person))
    return {frame: (list(boxes), np.array(list(boxes.values()))) for frame, boxes in rows.items()}, aside


def _chosen(frames: Frames, aside: set[tuple[int, int]], *, ignored: bool) -> Frames:
    """Of the boxes those that are set aside, or the others; frames without any go."""
    chosen = {}
    for frame, (ids, boxes) in frames.items():
        kept = [i for i, person in enumerate(ids) if ((frame, person) in aside) == ignored]
        if kept:
            chosen[frame] = [ids[i] for i in kept], boxes[kept]
    return chosen


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
    sound = (
        grid.ndim == 2 and grid.size > 0 and np.isfinite((grid.sum(), *corner)).all() and (grid >= 0).all()
    )
    if not (sound and LEAST_CELL_M <= cell_m < math.inf):
        raise InputError(f"{path} holds no grid of numbers.", hint="Give a heat.npz of edge replay.")
    return Grid(grid, *corner, cell_m), parts


def _windows(stored: Any, shape: tuple[int, ...]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    starts_s, ends = stored["window_start_s"], stored["window_ends"]
    cells, mps = stored["window_cells"], stored["window_mps"]
    grids = np.zeros((len(starts_s), int(np.prod(shape))))
    for grid, start, end in zip(grids, [0, *ends[:-1]], ends, strict=True):
        np.add.at(grid, cells[start:end], mps[start:end] / 1000)
    return starts_s, grids.reshape(len(starts_s), *shape)


def _see_floor(
    path: Path, grid: Grid, places: np.ndarray[Any, Any], on: np.ndarray[Any, np.dtype[np.bool_]]
) -> None:
    if on.mean() >= LEAST_ON_FLOOR:
        return
    rows, columns = grid.person_seconds.shape
    units = [name for name, metres in UNITS if on_floor(grid, places * metres).mean() >= UNIT_FITS]
    hint = "Measure from the plan's upper left corner, x to the right and y down, in metres."
    raise InputError(
        f"{(~on).sum()} of {len(on)} places of {path} lie beside the floor of {columns * grid.cell_m:g} × {rows * grid.cell_m:g} m "
        f"that starts at {grid.x0_m:g}, {grid.y0_m:g}.",
        hint=f"Were they written in {units[0]}? Then they would lie on it. Write metres." if units else hint,
    )


def _window_of(t_s: np.ndarray[Any, Any], starts_s: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(n,) times -> (n,): the window that each lies in, -1 where there is none."""
    index = np.searchsorted(starts_s, t_s + _SAME_S, side="right") - 1
    return np.where(t_s + _SAME_S < starts_s[index] + WINDOW_S, index, -1)


def _see_clock(
    path: Path,
    t_s: np.ndarray[Any, Any],
    recorded: np.ndarray[Any, np.dtype[np.bool_]],
    starts_s: np.ndarray[Any, Any],
) -> None:
    beside = int((~recorded).sum())
    if beside > len(t_s) / 2:
        raise InputError(
            f"{beside} of {len(t_s)} places of {path} ({t_s.min():.0f} to {t_s.max():.0f} s) lie outside the recording "
            f"({starts_s[0]:.0f} to {starts_s[-1] + WINDOW_S:.0f} s).",
            hint="Write seconds since the recording began.",
        )


def _true_places(
    path: Path, fps: float | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Places (n, 2) in m, how long each was held in s, and when in s; and how long each person was there in s."""
    rows = list(read_rows(path))
    header = [name.strip() for name in rows[0]] if rows else []
    if not {"id", "x_m", "y_m"} <= set(header) or not {"t_s", "frame"} & set(header):
        raise InputError(
            f"{path} lacks a column.", hint="The first row must name t_s,id,x_m,y_m (or frame,…)."
        )
    by_frame = "t_s" not in header
    if by_frame and fps is None:
        raise InputError(f"{path} counts frames.", hint="Give their rate with --fps.")
    clock, x, y = header.index("frame" if by_frame else "t_s"), header.index("x_m"), header.index("y_m")
    try:
        table = np.array([[float(row[clock]), float(row[x]), float(row[y])] for row in rows[1:]])
        if not np.isfinite(table).all():
            raise ValueError
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} has a row that is not numbers.", hint="Mend or delete it.") from error
    if not len(table):
        raise InputError(f"{path} holds no place.", hint="Write one row per person and moment.")
    t_s = table[:, 0] / fps if by_frame and fps else table[:, 0]
    times, position = np.unique(t_s, return_inverse=True)
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    spans = np.append(np.diff(times), usual)
    spans = np.where(spans > MAX_TRUTH_GAP_S, usual, spans)
    _, who = np.unique([row[header.index("id")].strip() for row in rows[1:]], return_inverse=True)
    if len(np.unique(np.column_stack([t_s, who]), axis=0)) < len(who):
        raise InputError(f"{path} has an id twice at one moment.", hint="Delete one of the two rows.")
    first, last = np.full(who.max() + 1, np.inf), np.full(who.max() + 1, -np.inf)
    np.minimum.at(first, who, t_s)
    np.maximum.at(last, who, t_s)
    return table[:, 1:], spans[position], t_s, last - first + usual


def bounds(found: Mapping[str, Interval | None]) -> dict[str, Any]:
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
