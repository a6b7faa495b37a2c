"""A lens measured on a checkerboard: focal length and distortion, in the form the site file has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from branchloop.errors import InputError

FEWEST = 5
"""Pictures with a board: fewer leave focal length and distortion undecided."""


@dataclass(frozen=True, slots=True)
class Lens:
    """`distortion` is k1 k2 p1 p2 k3; `error_px` the RMS distance of corners from where the lens puts them."""

    picture_px: tuple[int, int]
    focal_px: float
    distortion: tuple[float, float, float, float, float]
    error_px: float
    used: int
    unusable: tuple[str, ...]


def measure_lens(images: Sequence[Path], cols: int, rows: int, square_mm: float) -> Lens:
    """Measure a lens from pictures of one board with `cols` × `rows` inner corners.

    One focal length and the picture's centre as principal point, as `FloorCalibration` assumes. Raises
    InputError for pictures of different sizes and for fewer than five in which the board is found.
    """
    board = np.zeros((rows * cols, 3), np.float32)
    board[:, :2] = np.mgrid[0:cols, 0:rows].T.reshape(-1, 2) * square_mm
    size: tuple[int, int] | None = None
    corners, unusable = [], []
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
        found, places = cv2.findChessboardCornersSB(picture, (cols, rows), flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        if found:
            corners.append(np.asarray(places, np.float32))
        else:
            unusable.append(path.name)
    if size is None or len(corners) < FEWEST:
        raise InputError(
            f"a board of {cols} × {rows} inner corners is found in {len(corners)} of {len(images)} pictures.",
            hint=f"At least {FEWEST} are needed: the whole board sharp, tilted differently, also near the corners.",
        )
    width, height = size
    guess = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], np.float64)
    fixed = cv2.CALIB_USE_INTRINSIC_GUESS | cv2.CALIB_FIX_PRINCIPAL_POINT | cv2.CALIB_FIX_ASPECT_RATIO
    error_px, matrix, bent, _, _ = cv2.calibrateCamera(
        [board] * len(corners), corners, size, guess, np.zeros(5), flags=fixed
    )
    k1, k2, p1, p2, k3 = (float(value) for value in np.ravel(bent)[:5])
    return Lens(
        size, float(matrix[0, 0]), (k1, k2, p1, p2, k3), float(error_px), len(corners), tuple(unusable)
    )
