"""`branchloop evaluate`: figures against ground truth, from files to numbers."""

from __future__ import annotations

import csv
import math
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from branchloop.errors import InputError
from edge.accuracy.heat import Grid, heat_accuracy, truth_grid
from edge.accuracy.mot import Frames, tracking_accuracy

MAX_TRUTH_GAP_S = 1.0


def evaluate_people(tracks: Path, truth: Path) -> dict[str, Any]:
    """Tracking accuracy of a MOT file against another, over the frames that the truth spans.

    Frames after the truth's last are left out: nothing is known of them.
    """
    true_frames, found = read_mot(truth), read_mot(tracks)
    if not true_frames:
        raise InputError(f"{truth} holds no box.", hint="Write frame,id,x,y,w,h,conf,-1,-1,-1.")
    frames = list(range(min(true_frames), max(true_frames) + 1))
    figures = tracking_accuracy(true_frames, found, frames)
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
    }


def evaluate_heat(heat: Path, truth: Path, fps: float | None = None) -> dict[str, Any]:
    """Heat grid against true floor places: t_s,id,x_m,y_m, or frame,id,x_m,y_m with the frame rate."""
    measured = read_heat(heat)
    places, seconds = _true_places(truth, fps)
    figures = heat_accuracy(measured, truth_grid(measured, places, seconds))
    return {
        "r": figures.r,
        "emd_m": figures.emd_m,
        "mass_ratio": figures.mass_ratio,
        "person_seconds": float(measured.person_seconds.sum()),
    }


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
    try:
        with np.load(path, allow_pickle=False) as stored:
            grid = np.asarray(stored["person_seconds"], dtype=np.float64)
            corner = float(stored["x0_m"]), float(stored["y0_m"])
            cell_m = float(stored["cell_m"])
    except OSError as error:
        raise InputError(
            f"{path} cannot be read as a heat grid.", hint="Give a heat.npz of edge replay."
        ) from error
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a heat grid.", hint="Give a heat.npz of edge replay.") from error
    if grid.ndim != 2 or grid.size == 0 or not np.isfinite(grid).all() or not cell_m > 0:
        raise InputError(f"{path} holds no grid of numbers.", hint="Give a heat.npz of edge replay.")
    return Grid(grid, *corner, cell_m)


def _true_places(path: Path, fps: float | None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
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
    return table[:, 1:], spans[position]


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="") as file:
            return [row for row in csv.reader(file) if row]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a text table.", hint="Write comma-separated values.") from error
