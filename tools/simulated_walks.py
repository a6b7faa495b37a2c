"""How simulated visitors walk: the way round what stands in it, soft turns, and room for each other."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from simulated_floor import BLOCKS, DOOR, LINE_AREA, WAYPOINTS, Point, Rect

Floats = NDArray[np.float64]
RATE_HZ = 10.0
"""Rate at which paths are drawn."""
Track = tuple[int, Floats]
"""First frame (at RATE_HZ, counted from midnight) and positions `[n, 2]` in metres."""
TOUCH_M = 0.45
SWAY_M = 0.045


def _hits(p: Point, q: Point, rect: Rect, margin_m: float) -> bool:
    """Whether the way from p to q touches the rectangle, widened by the margin."""
    low, high = 0.0, 1.0
    for axis in (0, 1):
        start, step = p[axis], q[axis] - p[axis]
        near, far = rect[axis] - margin_m, rect[axis + 2] + margin_m
        if abs(step) < 1e-9:
            if not near < start < far:
                return False
            continue
        a, b = sorted(((near - start) / step, (far - start) / step))
        low, high = max(low, a), min(high, b)
    return low < high


def _free(p: Point, q: Point, *, round_line: bool) -> bool:
    if round_line and _hits(p, q, LINE_AREA, 0.0):
        return False
    return not any(_hits(p, q, rect, 0.2) for rect in BLOCKS)


def route(start: Point, to: Point, jitter: Point) -> list[Point]:
    """Shortest way over the way-points, each moved by the visitor's own jitter."""

    def in_line(p: Point) -> bool:
        return LINE_AREA[0] < p[0] < LINE_AREA[2] and LINE_AREA[1] < p[1] < LINE_AREA[3]

    round_line = not (in_line(start) or in_line(to))
    if max(start[1], to[1]) > DOOR[0][1] or _free(start, to, round_line=round_line):
        return [to]
    nodes = [start, *((x + jitter[0], y + jitter[1]) for x, y in WAYPOINTS), to]
    best: dict[int, float] = {0: 0.0}
    heap: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, ())]
    while heap:
        length, i, way = heapq.heappop(heap)
        if i == len(nodes) - 1:
            return [nodes[k] for k in (*way[1:], i)]
        if length > best[i]:
            continue
        for j, node in enumerate(nodes):
            further = length + math.dist(nodes[i], node)
            if (
                j != i
                and further < best.get(j, math.inf)
                and _free(nodes[i], node, round_line=round_line or 0 not in (i, j))
            ):
                best[j] = further
                heapq.heappush(heap, (further, j, (*way, i)))
    return [to]


def smooth(xy: Floats, sigma: float) -> Floats:
    """Gaussian smoothing along time, sigma in samples; the ends keep their slope."""
    reach = int(4 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(xy, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)], axis=1)


def draw_path(knots: Sequence[tuple[float, float, float]], rng: np.random.Generator) -> Track:
    """Path through knots `(t_s, x_m, y_m)` with soft turns and the idle sway of a body."""
    t, x, y = np.array(knots).T
    k0, k1 = math.ceil(t[0] * RATE_HZ), math.floor(t[-1] * RATE_HZ)
    at = np.arange(k0, k1 + 1) / RATE_HZ
    xy = np.stack([np.interp(at, t, x), np.interp(at, t, y)], axis=1)
    sway = smooth(rng.standard_normal(xy.shape), 12.0)
    return k0, smooth(xy, 3.0) + sway * (SWAY_M / 0.154)  # 0.154: what is left of one sigma


def step_aside(tracks: list[Track]) -> None:
    """Move walkers sideways, in place, where two bodies would touch."""
    order = sorted(range(len(tracks)), key=lambda i: tracks[i][0])
    for a, i in enumerate(order):
        ki, pi = tracks[i]
        for j in order[a + 1 :]:
            kj, pj = tracks[j]
            if kj >= ki + len(pi):
                break
            end = min(ki + len(pi), kj + len(pj))
            mine, other = pi[kj - ki : end - ki], pj[: end - kj]
            gap = mine - other
            near = np.flatnonzero(gap[:, 0] ** 2 + gap[:, 1] ** 2 < TOUCH_M**2)
            if near.size:
                for run in np.split(near, np.flatnonzero(np.diff(near) > 8) + 1):
                    _part(mine, other, int(run[0]), int(run[-1]))


def _part(mine: Floats, other: Floats, first: int, last: int) -> None:
    """Push two people apart over one encounter, across their relative motion, softly in and out."""
    gap = mine[first : last + 1] - other[first : last + 1]
    closest = int(np.argmin((gap**2).sum(axis=1)))
    a, b = max(0, first - 4), min(len(mine) - 1, last + 4)
    relative = (mine[b] - other[b]) - (mine[a] - other[a])
    if np.hypot(*relative) > 0.3:
        across = np.array([-relative[1], relative[0]]) / np.hypot(*relative)
    else:
        across = gap[closest] / max(1e-6, float(np.hypot(*gap[closest])))
    miss = float(gap[closest] @ across)
    push = (TOUCH_M + 0.03 - abs(miss)) * (-1.0 if miss < 0 else 1.0)
    moved = [float(np.hypot(*(p[b] - p[a]))) / ((b - a + 1) / RATE_HZ) for p in (mine, other)]
    share = 0.5 if (moved[0] > 0.25) == (moved[1] > 0.25) else float(moved[0] > 0.25)
    walled = [_solid(p[first + closest] + sign * push * across) for p, sign in ((mine, 1.0), (other, -1.0))]
    if walled[0] != walled[1]:
        share = float(walled[1])  # the one who has the room makes it
    k = np.arange(max(0, first - 12), min(len(mine), last + 13))
    beyond = np.clip(np.maximum(first - k, k - last) / 12.0, 0, 1)
    ramp = (0.5 + 0.5 * np.cos(np.pi * beyond))[:, None] * across * push
    mine[k] += share * ramp
    other[k] -= (1 - share) * ramp


def _solid(p: Floats) -> bool:
    return any(
        x0 < p[0] + 0.1 and p[0] < x1 + 0.1 and y0 < p[1] + 0.1 and p[1] < y1 + 0.1
        for x0, y0, x1, y1 in BLOCKS
    )


def off_walls(xy: Floats) -> Floats:
    """Positions kept 0.15 m off everything solid, moved to the nearest edge."""
    x, y = xy[:, 0].copy(), xy[:, 1].copy()
    for x0, y0, x1, y1 in BLOCKS:
        inside = np.flatnonzero((x > x0 - 0.15) & (x < x1 + 0.15) & (y > y0 - 0.15) & (y < y1 + 0.15))
        if not inside.size:
            continue
        px, py = x[inside], y[inside]
        depths = np.stack([px - x0 + 0.15, x1 + 0.15 - px, py - y0 + 0.15, y1 + 0.15 - py])
        nearest, depth = depths.argmin(axis=0), depths.min(axis=0)
        x[inside] += np.choose(nearest, [-depth, depth, 0 * depth, 0 * depth])
        y[inside] += np.choose(nearest, [0 * depth, 0 * depth, -depth, depth])
    return np.stack([x, y], axis=1)
