"""Floor tracks from elsewhere, mended as the tracker mends its own: gaps that close are filled, noise is smoothed.

The noise is read off the tracks themselves, by their second differences. Exact tracks stay as they are.
"""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.floor.fusion.people import HOLD_MS

Array = NDArray[np.float64]
Places = Mapping[int, tuple[float, float]]

GAP_MS = 3_000
"""A longer absence is one."""
MAX_SPEED_M_S = 4.0
SLACK_M = 0.7
"""A step farther than a run and this is a jump: an id given to somebody else."""
EXACT_M = 0.05
"""Noise below this is how people sway."""
SMOOTH_S = 0.35
"""Kernel width: about six places at 5 Hz become one."""


def mend(moments: Sequence[tuple[int, Places]]) -> list[tuple[int, Places]]:
    """Moments of (ms, person -> place) in time order, filled and smoothed person by person.

    Where nobody has a row for a while there are moments too: a gap is one whoever else is there.
    """
    moments = _with_gaps(moments)
    times = np.array([t_ms for t_ms, _ in moments], dtype=np.int64)
    seen: defaultdict[int, list[int]] = defaultdict(list)
    for index, (_, places) in enumerate(moments):
        for person in places:
            seen[person].append(index)
    mended: list[dict[int, tuple[float, float]]] = [{} for _ in moments]
    for person, indices in sorted(seen.items()):
        path = np.array([moments[index][1][person] for index in indices], dtype=np.float64)
        for first, last in _pieces(times[indices], path):
            piece = np.array(indices[first:last])
            at = np.arange(piece[0], piece[-1] + 1)
            filled = np.column_stack(
                [np.interp(times[at], times[piece], path[first:last, axis]) for axis in (0, 1)]
            )
            for index, (x, y) in zip(at, _smooth(times[at] / 1000, filled, path[first:last]), strict=True):
                mended[index][person] = (float(x), float(y))
    return [(t_ms, places) for (t_ms, _), places in zip(moments, mended, strict=True)]


def _with_gaps(moments: Sequence[tuple[int, Places]]) -> Sequence[tuple[int, Places]]:
    """With moments put in, a usual step apart and none for longer than people stand, where no more than `GAP_MS` are missing."""
    if len(moments) < 2:
        return moments
    step_ms = statistics.median(after[0] - before[0] for before, after in itertools.pairwise(moments))
    found = [moments[0]]
    for (before_ms, _), after in itertools.pairwise(moments):
        gap_ms = after[0] - before_ms
        if 0 < gap_ms <= GAP_MS:
            parts = max(round(gap_ms / step_ms), -(-gap_ms // HOLD_MS))
            found += [(before_ms + round(gap_ms * part / parts), {}) for part in range(1, parts)]
        found.append(after)
    return found


def noise_m(path: Array) -> float:
    """Standard deviation (m, per axis) of the noise of an evenly sampled path (n, 2)."""
    if len(path) < 5:
        return 0.0
    bends = path[:-2] - 2 * path[1:-1] + path[2:]
    return float(1.4826 * np.median(np.abs(bends)) / np.sqrt(6))


def _pieces(t_ms: NDArray[np.int64], path: Array) -> list[tuple[int, int]]:
    """Index ranges of one walk each: without long gaps and without jumps."""
    gaps_ms = np.diff(t_ms)
    steps_m = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    breaks = (gaps_ms > GAP_MS) | (steps_m > SLACK_M + MAX_SPEED_M_S * gaps_ms / 1000)
    borders = [0, *(np.flatnonzero(breaks) + 1).tolist(), len(path)]
    return list(itertools.pairwise(borders))


def _smooth(t_s: Array, filled: Array, measured: Array) -> Array:
    if noise_m(measured) < EXACT_M:
        return filled
    step_s = float(np.median(np.diff(t_s)))
    reach = min(round(3 * SMOOTH_S / step_s), len(filled) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step_s / SMOOTH_S) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(filled, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.column_stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)])
