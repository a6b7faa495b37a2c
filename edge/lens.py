"""A lens measured on a checkerboard: focal length and distortion, in the form the site file has them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from branchloop.homography import turns_back_px

Array = NDArray[np.float64]
Corners = NDArray[np.float32]
FEWEST = 5
"""Different pictures with a board: fewer leave focal length and distortion undecided."""
ALIKE = 0.005
"""Pictures whose corners differ by less than this share of the width are one picture taken twice."""
LEAST_TURN_DEG = 15.0
"""A board that is never turned further from the picture's plane shows no perspective: any focal length fits it."""
LEAST_SURE = 0.01
"""Standard error of the focal length; the middle of the picture, which is taken as the lens's, adds several times that."""
WORST_PX = 1.0
"""Error up to which the corners lie where the lens puts them, in a picture `WORST_WIDTH_PX` wide or narrower."""
WORST_WIDTH_PX = 1280
LEAST_REACH = 0.5
"""Corners that stay nearer to the picture's middle, as a share of its half diagonal, leave the distortion of its edge to guessing."""
ODD = 3.0
"""A picture whose error is this many times the median may be blurred, or its board bent."""
ODD_PX = 0.5
"""Smaller errors are none to speak of."""


@dataclass(frozen=True, slots=True)
class Lens:
    """`distortion` is k1 k2 p1 p2 k3; `error_px` the RMS distance of corners from where the lens puts them."""

    picture_px: tuple[int, int]
    focal_px: float
    focal_error_px: float
    """Standard error of the focal length."""
    distortion: tuple[float, float, float, float, float]
    error_px: float
    errors_px: tuple[tuple[str, float], ...]
    """The error of each picture that was used, by name."""
    unusable: tuple[str, ...]
    alike: tuple[str, ...]
    """Pictures left out because an earlier one shows the board in the same place."""

    @property
    def odd(self) -> tuple[str, ...]:
        """Pictures that fit far worse than the others."""
        limit = _odd_from([error for _, error in self.errors_px], ODD_PX)
        return tuple(name for name, error in self.errors_px if error > limit)


@dataclass(frozen=True, slots=True)
class _Fit:
    focal_px: float
    focal_error_px: float
    distortion: tuple[float, ...]
    error_px: float
    errors_px: tuple[float, ...]
    turn_deg: float
    k3_error: float
    """Standard error of k3."""


def measure_lens(images: Sequence[Path], cols: int, rows: int, square_mm: float) -> Lens:
    """Measure a lens from pictures of one board with `cols` × `rows` inner corners.

    One focal length and the picture's centre as principal point, as `FloorCalibration` assumes. Raises
    InputError for pictures of different sizes, for fewer than five different ones in which the board is found,
    and for those that fix no lens.
    """
    board = np.zeros((rows * cols, 3), np.float32)
    board[:, :2] = np.mgrid[0:cols, 0:rows].T.reshape(-1, 2) * square_mm
    size, found, unusable = _find(images, cols, rows)
    kept, alike = _different(found, size[0])
    if len(kept) < FEWEST:
        but = f", and {len(alike)} show it where another does" if alike else ""
        raise InputError(
            f"a board of {cols} × {rows} inner corners is found in {len(found)} of {len(images)} pictures{but}.",
            hint=f"At least {FEWEST} different ones are needed: the whole board sharp, tilted differently, "
            "also near the corners.",
        )
    fit = _fit(board, list(kept.values()), size)
    _judge(fit, board, kept, size)
    k1, k2, p1, p2, k3 = fit.distortion
    return Lens(
        size, fit.focal_px, fit.focal_error_px, (k1, k2, p1, p2, k3), fit.error_px,
        tuple(zip(kept, fit.errors_px, strict=True)), tuple(unusable), tuple(alike),
    )  # fmt: skip


def _find(
    images: Sequence[Path], cols: int, rows: int
) -> tuple[tuple[int, int], dict[str, Corners], list[str]]:
    """The pictures' size, the board's corners by picture, and the pictures without a board."""
    size: tuple[int, int] | None = None
    found: dict[str, Corners] = {}
    unusable = []
    for path in images:
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
        if picture is None:
            raise InputError(f"{path} is not a picture.", hint="Give PNG or JPEG files of the board.")
        here = (picture.shape[1], picture.shape[0])
        if size not in (None, here):
            raise InputError(
                f"{path} has {here[0]} × {here[1]} px, the pictures before it {size[0]} × {size[1]}.",
                hint="Take all pictures with the camera's analysed stream.",
            )
        size = here
        seen, places = cv2.findChessboardCornersSB(picture, (cols, rows), flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        if seen:
            found[str(path)] = np.asarray(places, np.float32)
        else:
            unusable.append(str(path))
    if size is None:
        raise InputError("no picture is given.", hint="Give PNG or JPEG files of the board.")
    return size, found, unusable


def _different(found: dict[str, Corners], width: int) -> tuple[dict[str, Corners], list[str]]:
    """Pictures that show the board in places of their own, and those that repeat one of them."""
    kept: dict[str, Corners] = {}
    alike = []
    for name, corners in found.items():
        # Some boards look the same upside down: their corners may be listed from either end.
        apart = (
            float(np.sqrt(((corners - other[::way]) ** 2).sum(axis=-1).mean()))
            for other in kept.values()
            for way in (1, -1)
        )
        if min(apart, default=math.inf) < ALIKE * width:
            alike.append(name)
        else:
            kept[name] = corners
    return kept, alike


def _fit(board: Corners, corners: Sequence[Corners], size: tuple[int, int]) -> _Fit:
    """The lens with k3, or without where k3 only follows the noise: beyond the boards it would bend the picture at will."""
    fit = _calibrate(board, corners, size, 0)
    told = abs(fit.distortion[4]) > 3 * fit.k3_error
    sound = told and turns_back_px(fit.distortion, fit.focal_px, size) is None
    return fit if sound else _calibrate(board, corners, size, cv2.CALIB_FIX_K3)


def _calibrate(board: Corners, corners: Sequence[Corners], size: tuple[int, int], more: int) -> _Fit:
    width, height = size
    guess = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], np.float64)
    fixed = cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_ASPECT_RATIO
    error_px, matrix, bent, turns, _, sure, _, errors = cv2.calibrateCameraExtended(
        [board] * len(corners), corners, size, guess, np.zeros(5), flags=fixed | more
    )
    facing = [np.array([0.0, 0.0, 1.0]), *(cv2.Rodrigues(turn)[0][:, 2] for turn in turns)]
    turn = max(math.acos(max(-1.0, min(1.0, float(a @ b)))) for a, b in itertools.combinations(facing, 2))
    return _Fit(
        float(matrix[0, 0]), float(np.ravel(sure)[1]), tuple(float(value) for value in np.ravel(bent)[:5]),
        float(error_px), tuple(float(error) for error in np.ravel(errors)), math.degrees(turn), float(np.ravel(sure)[8]),
    )  # fmt: skip


def _odd_from(errors_px: Sequence[float], least_px: float) -> float:
    return max(least_px, ODD * float(np.median(errors_px)))


def _agrees(fit: _Fit, worst_px: float) -> bool:
    """Whether one lens fits all pictures: a single wrong one among many leaves the mean small and moves the lens."""
    return fit.error_px <= worst_px and max(fit.errors_px) <= _odd_from(fit.errors_px, worst_px)


def _judge(fit: _Fit, board: Corners, kept: dict[str, Corners], size: tuple[int, int]) -> None:
    worst_px = WORST_PX * max(1.0, size[0] / WORST_WIDTH_PX)
    if not _agrees(fit, worst_px):
        name, odd_px = max(zip(kept, fit.errors_px, strict=True), key=lambda each: each[1])
        raise InputError(
            f"the corners lie {fit.error_px:.1f} px off where one lens would put them, "
            f"those of {name} {odd_px:.1f} px (at most {worst_px:.1f}).",
            hint=_without_the_worst(fit, board, kept, size, worst_px),
        )
    if fit.turn_deg < LEAST_TURN_DEG:
        raise InputError(
            f"the board is turned by {fit.turn_deg:.0f}° at most, which fixes no focal length.",
            hint="Tilt the board by 20 to 40° towards the camera: to the left, to the right, up and down.",
        )
    if fit.focal_error_px > LEAST_SURE * fit.focal_px:
        raise InputError(
            f"the focal length is known to {100 * fit.focal_error_px / fit.focal_px:.1f} % only "
            f"(at most {100 * LEAST_SURE:.0f}).",
            hint="Take more pictures: tilt the board further, bring it closer, and fill the picture's corners.",
        )
    reach = max(
        float(np.hypot(*(each - np.array(size) / 2).reshape(-1, 2).T).max()) for each in kept.values()
    )
    if reach < LEAST_REACH * math.hypot(*size) / 2:
        raise InputError(
            "the board is in the middle of all pictures, which leaves the distortion of their edge to guessing.",
            hint="Bring it closer, and take pictures with it in each of the picture's corners.",
        )
    if turns_back_px(fit.distortion, fit.focal_px, size) is not None:
        raise InputError(
            "the distortion that fits these pictures turns back on itself inside the picture.",
            hint="Take more pictures with the board in each of the picture's corners.",
        )


def _without_the_worst(
    fit: _Fit, board: Corners, kept: dict[str, Corners], size: tuple[int, int], worst_px: float
) -> str:
    """Which pictures to leave out, where the others then agree; else what may be wrong with all."""
    rest, errors, out = dict(kept), fit.errors_px, []
    while len(rest) > FEWEST:
        name = max(zip(rest, errors, strict=True), key=lambda each: each[1])[0]
        out.append(name)
        del rest[name]
        again = _fit(board, list(rest.values()), size)
        if _agrees(again, worst_px):
            return f"Leave out {', '.join(out)}: the others agree to {again.error_px:.1f} px."
        errors = again.errors_px
    return "Hold the board flat and still, switch the camera's zoom and stabiliser off, and check --cols and --rows."
