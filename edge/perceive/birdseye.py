"""All cameras' backgrounds laid out on the plan, seen from above, and how well they agree where they overlap.

Every plan pixel asks every camera what it sees there. Near views weigh more than far ones, and a camera's
weight fades out towards the border of its picture, so that no seam shows where both are right; brightness is
matched where they overlap. What stands above the floor (walls, posts) leans away from its camera: only the
floor itself can agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from edge.floor.calibration import FloorCalibration
from edge.perceive.backdrop import hatched
from edge.perceive.nobody import Image

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PIXEL_M = 0.03
WIDEST_PX = 1_200
_COARSEST_M = 0.3
"""A camera whose pixels are longer than this on the floor says nothing of it."""
_FADE = 0.12
"""Share of a picture's width over which its weight fades out towards the border."""
_MOST_GAIN = 1.8

_PATCH_M = 1.6
_REACH_M = 0.8
"""How far apart the same thing may be in two views and still be found again."""
_LEAST_TEXTURE = 6.0
_LEAST_MATCH = 0.5
_NEARLY = 0.03
LEAST_PATCHES = 3


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One camera's background (rows × columns × 3, BGR), where it is blank, and its calibration.

    `camera_px` is the size of the camera's own pictures, in which the calibration counts.
    """

    image: Image
    blank: Mask
    calibration: FloorCalibration
    camera_px: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two cameras where both see the floor: `apart_m` is None where too little could be compared."""

    a: str
    b: str
    overlap_m2: float
    patches: int
    apart_m: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The floor from above: `image` (rows × columns × 3, BGR), row 0 at the plan's top.

    `seen`: some camera looks there. `blank`: but none knows the floor without people.
    """

    image: Image
    seen: Mask
    blank: Mask
    bounds_m: tuple[float, float, float, float]
    seams: tuple[Agreement, ...]

    @property
    def pixel_m(self) -> float:
        """Side of a pixel."""
        x0, _, x1, _ = self.bounds_m
        return float((x1 - x0) / self.image.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    image: NDArray[np.float32]
    seen: Mask
    known: Mask
    weight: NDArray[np.float32]


def lay_out(
    views: Mapping[str, View], bounds_m: tuple[float, float, float, float], pixel_m: float = PIXEL_M
) -> Layout:
    """The floor within `bounds_m` (x0, y0, x1, y1) by all `views`. Raises InputError when none sees any of it."""
    x0, y0, x1, y1 = bounds_m
    pixel_m = max(pixel_m, (x1 - x0) / WIDEST_PX, (y1 - y0) / WIDEST_PX)
    columns, rows = max(1, round((x1 - x0) / pixel_m)), max(1, round((y1 - y0) / pixel_m))
    xs = x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns
    ys = y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows
    places = np.stack(np.meshgrid(xs, ys), axis=-1)
    laid = {camera: _lay(view, places, pixel_m) for camera, view in views.items()}
    seen = np.any([each.seen for each in laid.values()], axis=0) if laid else np.zeros((rows, columns), bool)
    if not seen.any():
        raise InputError("no camera sees the plan.", hint="Check the calibrations and the plan's size.")
    gains = _gains(list(laid.values()))
    total = np.zeros((rows, columns), np.float32)
    summed = np.zeros((rows, columns, 3), np.float32)
    for each, gain in zip(laid.values(), gains, strict=True):
        weight = np.where(each.known, each.weight, 0).astype(np.float32)
        total += weight
        summed += each.image * gain.astype(np.float32) * weight[..., None]
    known = total > 0
    image = np.clip(summed / np.maximum(total, 1e-6)[..., None], 0, 255).astype(np.uint8)
    seams = tuple(
        _agreement(a, laid[a], b, laid[b], pixel_m)
        for a, b in combinations(laid, 2)
        if (laid[a].known & laid[b].known).any()
    )
    return Layout(image, seen, seen & ~known, bounds_m, seams)


def drawn(layout: Layout, blank: Mask) -> Image:
    """The picture with `blank` in hatched grey, and grey where no camera looks (rows × columns × 3)."""
    return np.where(layout.seen[..., None], hatched(layout.image, blank), 128).astype(np.uint8)


def with_alpha(layout: Layout, blank: Mask) -> Image:
    """The picture with an alpha channel: transparent where no camera looks (rows × columns × 4, BGRA)."""
    alpha = layout.seen.astype(np.uint8) * 255
    return np.dstack([drawn(layout, blank), alpha])


def webp(image: Image, most_bytes: int) -> bytes:
    """BGRA as WebP without metadata, as good as fits. Raises InputError when nothing fits."""
    for quality in (85, 70, 55, 40, 25):
        ok, encoded = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])
        if ok and encoded.size <= most_bytes:
            return encoded.tobytes()
    raise InputError("the bird's-eye picture does not fit.", hint="Make the plan smaller.")


def _lay(view: View, places: Array, pixel_m: float) -> _Laid:
    rows, columns = places.shape[:2]
    height, width = view.blank.shape
    scale = np.array([width / view.camera_px[0], height / view.camera_px[1]])
    at = view.calibration.to_picture(places.reshape(-1, 2)).reshape(rows, columns, 2) * scale
    at[~np.isfinite(at).all(axis=2)] = -1e6
    x, y = at[..., 0].astype(np.float32), at[..., 1].astype(np.float32)
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    # Picture pixels per metre along the plan's axes; the worse direction decides.
    along_x, along_y = np.gradient(at, axis=1), np.gradient(at, axis=0)
    cross = np.abs(along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0])
    longest = np.maximum(np.hypot(*np.moveaxis(along_x, -1, 0)), np.hypot(*np.moveaxis(along_y, -1, 0)))
    finest = cross / np.maximum(longest, 1e-6) / pixel_m
    seen = inside & (finest >= 1 / _COARSEST_M)
    image = cv2.remap(view.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    blank = cv2.remap(view.blank.astype(np.uint8) * 255, x, y, cv2.INTER_LINEAR, borderValue=255)
    border = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y)) / (_FADE * width)
    weight = np.where(seen, finest * np.clip(border, 0.02, 1), 0)
    return _Laid(
        image.astype(np.float32), seen, seen & (np.asarray(blank) < 8), (weight**2).astype(np.float32)
    )


def _gains(laid: Sequence[_Laid]) -> list[Array]:
    """A factor per camera and channel that makes overlaps alike, their mean kept: least squares of logs."""
    count = len(laid)
    equations: list[tuple[int, int, Array]] = []
    for i, j in combinations(range(count), 2):
        both = laid[i].known & laid[j].known
        if both.sum() >= 400:
            ratio = np.log(
                (np.median(laid[i].image[both], axis=0) + 8) / (np.median(laid[j].image[both], axis=0) + 8)
            )
            equations.append((i, j, ratio))
    matrix = np.zeros((len(equations) + 1, count))
    wanted = np.zeros((len(equations) + 1, 3))
    matrix[-1] = 1
    for row, (i, j, ratio) in enumerate(equations):
        matrix[row, j], matrix[row, i], wanted[row] = 1, -1, ratio
    logs = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
    return list(np.clip(np.exp(logs), 1 / _MOST_GAIN, _MOST_GAIN))


def _agreement(a: str, first: _Laid, b: str, second: _Laid, pixel_m: float) -> Agreement:
    """How far apart the same floor lies in two views: the median over patches that have something to show.

    Along a straight edge any shift fits as well, so of all shifts that fit nearly best the smallest counts:
    the figure is no larger than the truth.
    """
    both = first.known & second.known
    area_m2 = float(both.sum()) * pixel_m**2
    one, other = (_edges(each, pixel_m) for each in (first, second))
    side, reach = round(_PATCH_M / pixel_m), round(_REACH_M / pixel_m)
    apart: list[float] = []
    rows, columns = both.shape
    for top in range(reach, rows - side - reach + 1, max(1, side // 2)):
        for left in range(reach, columns - side - reach + 1, max(1, side // 2)):
            patch = slice(top, top + side), slice(left, left + side)
            around = slice(top - reach, top + side + reach), slice(left - reach, left + side + reach)
            if not both[patch].all() or second.known[around].mean() < 0.75:
                continue
            if min(one[patch].std(), other[patch].std()) < _LEAST_TEXTURE:
                continue
            match = cv2.matchTemplate(other[around], one[patch], cv2.TM_CCOEFF_NORMED)
            best = float(match.max())
            if best < _LEAST_MATCH:
                continue
            down, right = np.nonzero(match >= best - _NEARLY)
            apart.append(float(np.hypot(down - reach, right - reach).min()) * pixel_m)
    median = float(np.median(apart)) if len(apart) >= LEAST_PATCHES else None
    return Agreement(a, b, round(area_m2, 2), len(apart), median)


def _edges(laid: _Laid, pixel_m: float) -> NDArray[np.float32]:
    """Strength of edges at the scale of a hand's breadth, independent of brightness."""
    grey = cv2.cvtColor(np.clip(laid.image, 0, 255).astype(np.uint8), cv2.COLOR_BGR2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.04 / pixel_m))
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(across, down)
    strength[~laid.known] = 0
    return np.asarray(strength, np.float32)
