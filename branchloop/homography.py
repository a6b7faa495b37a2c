"""The plane geometry of a camera: a homography between picture and floor, and a bent lens. Pure arithmetic.

The homography is the normalised direct linear transform (Hartley & Zisserman, *Multiple View
Geometry*, 2nd ed., alg. 4.2); its null vector comes from a one-sided Jacobi decomposition (Hestenes 1958),
which needs no library and loses no digits to a squared matrix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from typing import Any

Point = tuple[float, float]
Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
_DEGENERATE = 1e-9
_SINGULAR = 1e-8
"""A map of norm 1 between points about zero, of size 1, with a smaller determinant flattens the plane."""
_SWEEPS = 60
_NEAR_R2, _FARTHER, _SIDEWAYS_R2 = 0.01, 1.02, 400.0
"""No lens turns back within 6 degrees of its axis; nor is asked of what lies 87 degrees off it."""
_HALVINGS = 40
_STEPS, _FLAT = 6, 0.02
"""Newton's steps, and how little a place may move the bent one for them not to leap away."""


def fit(source: Sequence[Point], target: Sequence[Point]) -> Matrix | None:
    """The 3×3 matrix that takes `source` to `target` (least squares), of norm 1; None when they fix none, or flatten the plane."""
    return _fitted(tuple((p[0], p[1]) for p in source), tuple((q[0], q[1]) for q in target))


@lru_cache(maxsize=256)
def _fitted(source: tuple[Point, ...], target: tuple[Point, ...]) -> Matrix | None:
    move_s, move_t = _normaliser(source), _normaliser(target)
    if len(source) < 4 or move_s is None or move_t is None:
        return None
    rows: list[list[float]] = []
    for p, q in zip(source, target, strict=True):
        x, y = (float(move_s[0] * p[k] + move_s[k + 1]) for k in (0, 1))
        u, v = (float(move_t[0] * q[k] + move_t[k + 1]) for k in (0, 1))
        rows.append([0, 0, 0, -x, -y, -1, v * x, v * y, v])
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
    strengths, vectors = _right_singular(rows)
    order = sorted(range(9), key=lambda k: strengths[k])
    if strengths[order[1]] < _DEGENERATE * strengths[order[-1]]:
        return None
    h = vectors[order[0]]
    if abs(determinant(((h[0], h[1], h[2]), (h[3], h[4], h[5]), (h[6], h[7], h[8])))) < _SINGULAR:
        return None
    forth: Matrix = ((move_s[0], 0, move_s[1]), (0, move_s[0], move_s[2]), (0, 0, 1))
    scale = 1 / move_t[0]
    back: Matrix = ((scale, 0, -move_t[1] * scale), (0, scale, -move_t[2] * scale), (0, 0, 1))
    found = product(back, product(((h[0], h[1], h[2]), (h[3], h[4], h[5]), (h[6], h[7], h[8])), forth))
    norm = math.sqrt(sum(value * value for row in found for value in row))
    return scaled(found, 1 / norm)


def apply(matrix: Matrix, p: Point) -> tuple[float, float, float]:
    """Homogeneous image of `p`; the third number's sign says on which side of the horizon it lies."""
    x, y, w = (row[0] * p[0] + row[1] * p[1] + row[2] for row in matrix)
    return x, y, w


def product(a: Matrix, b: Matrix) -> Matrix:
    """The product: first `b`, then `a`."""
    rows = [tuple(sum(row[k] * b[k][j] for k in range(3)) for j in range(3)) for row in a]
    return tuple(rows)  # type: ignore[return-value]


def scaled(matrix: Matrix, factor: float) -> Matrix:
    """The matrix times a number: the same map."""
    return tuple(tuple(value * factor for value in row) for row in matrix)  # type: ignore[return-value]


def determinant(m: Matrix) -> float:
    """Zero for a map that flattens the plane."""
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )


def inverse(m: Matrix) -> Matrix:
    """The map back, with 1 as its last number. Raises ZeroDivisionError for a flat one."""
    (a, b, c), (d, e, f), (g, h, i) = m
    adjugate: Matrix = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return scaled(adjugate, 1 / (adjugate[2][2] or determinant(m)))


def bend(x: Any, y: Any, distortion: Sequence[float]) -> tuple[Any, Any]:
    """Brown–Conrady distortion (k1 k2 p1 p2 k3) of normalised coordinates: numbers, or arrays of them."""
    k1, k2, p1, p2, k3 = (*distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@lru_cache(maxsize=64)
def widest(distortion: tuple[float, ...]) -> float:
    """The squared radius up to which `bend` leads outwards; what lies beyond it is not in the picture, though it seems to be."""
    k1, k2, _, _, k3 = (*distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]

    def outwards(r2: float) -> bool:
        return 1 + r2 * (3 * k1 + r2 * (5 * k2 + r2 * 7 * k3)) > 0

    low, high = 0.0, _NEAR_R2
    while outwards(high):
        low, high = high, high * _FARTHER
        if high > _SIDEWAYS_R2:
            return math.inf
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if outwards(middle) else (low, middle)
    return low


def turns_back_px(distortion: Sequence[float], focal_px: float, picture_px: tuple[int, int]) -> float | None:
    """How far from the picture's middle a lens turns back on itself, so that two directions share a place; None beyond the picture."""
    k1, k2, _, _, k3 = (*distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    edge = widest(tuple(distortion))
    if math.isinf(edge):
        return None
    reach, _ = bend(math.sqrt(edge), 0.0, (k1, k2, 0.0, 0.0, k3))
    reach_px = float(reach * focal_px)
    return reach_px if reach_px < math.hypot(*picture_px) / 2 else None


def straighten(x: Any, y: Any, distortion: Sequence[float]) -> tuple[Any, Any]:
    """The inverse of `bend`, by Newton's method; no place for what no ideal lens shows."""
    k1, k2, p1, p2, k3 = (*distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    ideal_x, ideal_y = x, y
    for _ in range(_STEPS):
        bent_x, bent_y = bend(ideal_x, ideal_y, distortion)
        r2 = ideal_x * ideal_x + ideal_y * ideal_y
        radial, steeper = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 2 * k1 + r2 * (4 * k2 + r2 * 6 * k3)
        xx = radial + ideal_x * ideal_x * steeper + 2 * p1 * ideal_y + 6 * p2 * ideal_x
        yy = radial + ideal_y * ideal_y * steeper + 6 * p1 * ideal_y + 2 * p2 * ideal_x
        xy = ideal_x * ideal_y * steeper + 2 * p1 * ideal_x + 2 * p2 * ideal_y
        det = xx * yy - xy * xy
        det = det + (det < _FLAT) * (_FLAT - det)
        miss_x, miss_y = x - bent_x, y - bent_y
        ideal_x = ideal_x + (yy * miss_x - xy * miss_y) / det
        ideal_y = ideal_y + (xx * miss_y - xy * miss_x) / det
    return ideal_x, ideal_y


def _normaliser(points: Sequence[Point]) -> tuple[float, float, float] | None:
    """Scale and shifts that put the points round the origin at a mean distance of √2."""
    if not points:
        return None
    cx = sum(p[0] for p in points) / len(points)
    cy = sum(p[1] for p in points) / len(points)
    spread = sum(math.hypot(p[0] - cx, p[1] - cy) for p in points) / len(points)
    if spread < 1e-12:
        return None
    scale = math.sqrt(2) / spread
    return scale, -scale * cx, -scale * cy


def _right_singular(rows: Sequence[Sequence[float]]) -> tuple[list[float], list[list[float]]]:
    """Singular values of a tall matrix and the right singular vectors that belong to them."""
    width = len(rows[0])
    columns = [[row[j] for row in rows] for j in range(width)]
    vectors = [[1.0 if i == j else 0.0 for i in range(width)] for j in range(width)]
    squares = [_dot(column, column) for column in columns]
    for _ in range(_SWEEPS):
        turned = False
        for i in range(width - 1):
            for j in range(i + 1, width):
                alpha, beta = squares[i], squares[j]
                gamma = _dot(columns[i], columns[j])
                if abs(gamma) <= 1e-15 * math.sqrt(alpha * beta) or gamma == 0:
                    continue
                turned = True
                zeta = (beta - alpha) / (2 * gamma)
                t = math.copysign(1.0, zeta) / (abs(zeta) + math.hypot(1.0, zeta))
                c = 1 / math.hypot(1.0, t)
                s = c * t
                for of in (columns, vectors):
                    pair = list(zip(of[i], of[j], strict=True))
                    of[i] = [c * v - s * w for v, w in pair]
                    of[j] = [s * v + c * w for v, w in pair]
                squares[i], squares[j] = _dot(columns[i], columns[i]), _dot(columns[j], columns[j])
        if not turned:
            break
    return [math.sqrt(square) for square in squares], vectors


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    total: float = sum(map(mul, a, b))
    return total
