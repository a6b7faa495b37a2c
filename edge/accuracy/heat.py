"""How well a heat grid agrees with the truth: correlation, earth mover's distance, mass.

Both grids are brought to cells of `COMPARE_M`, or as near as whole cells of theirs come, and blurred by a Gaussian of `SIGMA_M` before the
correlation; the distance moves the unblurred, normalised mass over the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import linprog
from scipy.sparse import coo_matrix
from scipy.special import stdtrit

from edge.accuracy.bootstrap import CONFIDENCE, LEAST_BLOCKS, Interval, intervals

Array = NDArray[np.float64]

COMPARE_M = 0.5
SIGMA_M = 0.5
_FOLDS = 12
_STEPS = [(0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1)]


@dataclass(frozen=True, slots=True)
class Grid:
    """Person-seconds per cell (rows, cols); row 0 starts at `y0_m`, column 0 at `x0_m`."""

    person_seconds: Array
    x0_m: float
    y0_m: float
    cell_m: float


@dataclass(frozen=True, slots=True)
class HeatAccuracy:
    """Pearson `r`; `emd_m` (None when either grid is empty); `mass_ratio` = measured / true."""

    r: float | None
    emd_m: float | None
    mass_ratio: float | None


def heat_accuracy(measured: Grid, truth: Grid) -> HeatAccuracy:
    """Compare two grids that share corner, shape and cell size."""
    a, b = (_coarse(grid) for grid in (measured, truth))
    mass = float(truth.person_seconds.sum())
    size_m = _coarse_m(measured.cell_m)
    blurred = [gaussian_filter(grid, SIGMA_M / size_m, mode="constant").ravel() for grid in (a, b)]
    flat = any(float(np.ptp(grid)) == 0 for grid in blurred)
    return HeatAccuracy(
        r=None if flat else float(np.corrcoef(*blurred)[0, 1]),
        emd_m=earth_mover_m(a, b, size_m),
        mass_ratio=None if mass == 0 else float(measured.person_seconds.sum()) / mass,
    )


def heat_intervals(measured: Array, truth: Array, cell_m: float, block: int) -> dict[str, Interval | None]:
    """Intervals of r, emd_m and mass_ratio from person-seconds by window: both (windows, rows, cols).

    r and the mass by block bootstrap (`block` windows each); the distance, which takes a flow problem per value, by
    leaving out one of at most `_FOLDS` equal stretches of time (delete-group jackknife, Student's t).
    """
    fine = [np.asarray(grids, dtype=np.float64) for grids in (measured, truth)]
    coarse = [np.array([_coarse(Grid(grid, 0, 0, cell_m)) for grid in grids]) for grids in fine]
    size_m = _coarse_m(cell_m)
    blurred = [
        np.array([gaussian_filter(g, SIGMA_M / size_m, mode="constant").ravel() for g in grids])
        for grids in coarse
    ]
    masses = [grids.sum(axis=(1, 2)) for grids in fine]

    def figures(weights: Array) -> dict[str, Array]:
        a, b = (weights @ grids for grids in blurred)
        a, b = (grids - grids.mean(axis=1, keepdims=True) for grids in (a, b))
        with np.errstate(divide="ignore", invalid="ignore"):
            r = (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
            return {"r": r, "mass_ratio": (weights @ masses[0]) / (weights @ masses[1])}

    return {
        **intervals(figures, len(measured), block),
        "emd_m": _distance_interval(coarse[0], coarse[1], size_m, block),
    }


def _distance_interval(measured: Array, truth: Array, size_m: float, block: int) -> Interval | None:
    count = min(_FOLDS, len(measured) // max(1, block))
    if count < LEAST_BLOCKS:
        return None
    folds = np.array_split(np.arange(len(measured)), count)
    whole = earth_mover_m(measured.sum(axis=0), truth.sum(axis=0), size_m)
    left = [
        earth_mover_m(
            np.delete(measured, fold, axis=0).sum(axis=0),
            np.delete(truth, fold, axis=0).sum(axis=0),
            size_m,
        )
        for fold in folds
    ]
    known = [value for value in left if value is not None]
    if whole is None or len(known) < len(folds):
        return None
    n = len(known)
    error = float(np.sqrt((n - 1) / n * np.sum((np.array(known) - np.mean(known)) ** 2)))
    reach = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * error
    return max(0.0, whole - reach), whole + reach


def truth_grid(like: Grid, places_m: Array, seconds: Array) -> Grid:
    """Bin true places (n, 2) with their durations (n,) into the cells of `like`; the rest is off the floor."""
    row, column, on = _cells(like, places_m)
    grid = np.zeros(like.person_seconds.shape)
    np.add.at(grid, (row[on], column[on]), seconds[on])
    return Grid(grid, like.x0_m, like.y0_m, like.cell_m)


def on_floor(like: Grid, places_m: Array) -> NDArray[np.bool_]:
    """(n, 2) -> (n,): which places lie in the cells of `like`."""
    return _cells(like, places_m)[2]


def _cells(like: Grid, places_m: Array) -> tuple[NDArray[np.int_], NDArray[np.int_], NDArray[np.bool_]]:
    rows, columns = like.person_seconds.shape
    column = np.floor((places_m[:, 0] - like.x0_m) / like.cell_m).astype(int)
    row = np.floor((places_m[:, 1] - like.y0_m) / like.cell_m).astype(int)
    return row, column, (column >= 0) & (column < columns) & (row >= 0) & (row < rows)


def earth_mover_m(a: Array, b: Array, cell_m: float) -> float | None:
    """Earth mover's distance in metres between two grids, each normalised to mass 1.

    Solved as a minimum-cost flow over 16 neighbours, which overstates straight-line distance by at
    most 2.8 %. None when a grid is empty.
    """
    if a.sum() <= 0 or b.sum() <= 0:
        return None
    supply = (a / a.sum() - b / b.sum()).ravel()
    rows, columns = a.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    tails, heads, costs = [], [], []
    for dy, dx in _STEPS:
        here = index[: rows - dy, max(0, -dx) : columns - max(0, dx)]
        there = index[dy:, max(0, dx) : columns - max(0, -dx)]
        for tail, head in ((here, there), (there, here)):
            tails.append(tail.ravel())
            heads.append(head.ravel())
            costs.append(np.full(tail.size, np.hypot(dx, dy) * cell_m))
    tail, head, cost = np.concatenate(tails), np.concatenate(heads), np.concatenate(costs)
    edge = np.arange(len(tail))
    flow = coo_matrix(
        (np.r_[np.ones(len(edge)), -np.ones(len(edge))], (np.r_[tail, head], np.r_[edge, edge])),
        shape=(supply.size, len(edge)),
    ).tocsr()
    solved = linprog(cost, A_eq=flow, b_eq=supply, bounds=(0, None), method="highs")
    if solved.status != 0:
        raise RuntimeError(f"the flow problem was not solved: {solved.message}")
    return float(solved.fun)


def _factor(cell_m: float) -> int:
    return max(1, round(COMPARE_M / cell_m))


def _coarse_m(cell_m: float) -> float:
    """The size of the cells that grids of this one are compared in."""
    return cell_m * _factor(cell_m)


def _coarse(grid: Grid) -> Array:
    factor = _factor(grid.cell_m)
    rows, columns = grid.person_seconds.shape
    padded = np.pad(grid.person_seconds, ((0, -rows % factor), (0, -columns % factor)))
    shape = (padded.shape[0] // factor, factor, padded.shape[1] // factor, factor)
    return np.asarray(padded.reshape(shape).sum(axis=(1, 3)))
