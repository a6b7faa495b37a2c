"""Pixel ↔ metre mapping of one camera: a homography of the floor plane, lens distortion optional.

The fit and the lens are `branchloop.homography`'s; here they work on arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from branchloop.errors import ConfigError
from branchloop.homography import bend, fit, straighten, widest

Array = NDArray[np.float64]

_STEPS_PX = np.array([[[1.0, 0.0]], [[-1.0, 0.0]], [[0.0, 1.0]], [[0.0, -1.0]]])


@dataclass(frozen=True, slots=True)
class FloorCalibration:
    """Maps picture points (px) to floor points (m on the plan) and back.

    `to_floor_h` and `to_picture_h` are 3×3; `residual_m` is the RMS distance on the floor between
    the calibration points and where the homography puts them.
    """

    to_floor_h: Array
    to_picture_h: Array
    picture_px: tuple[int, int]
    residual_m: float
    distortion: tuple[float, ...] = ()
    focal_px: float = 1.0
    _ahead: tuple[float, float] = field(init=False, repr=False, compare=False)
    """The sign of the depth of what lies before the camera: on the way to the floor, and to the picture."""

    def __post_init__(self) -> None:
        bottom = np.array([self.picture_px[0] / 2, self.picture_px[1], 1.0])
        centre = self.to_floor_h @ bottom
        facing = float(np.sign((self.to_picture_h @ (centre / centre[2]))[2]))
        object.__setattr__(self, "_ahead", (float(np.sign(centre[2])), facing))

    def to_floor(self, points_px: Array) -> Array:
        """(n, 2) px -> (n, 2) m. Points on or above the horizon come back as NaN."""
        flat = self.undistort(np.asarray(points_px, dtype=np.float64).reshape(-1, 2))
        return _apply(self.to_floor_h, flat, self._ahead[0])

    def to_picture(self, points_m: Array) -> Array:
        """(n, 2) m -> (n, 2) px. Points behind the camera, or beyond what its lens shows, come back as NaN."""
        flat = np.asarray(points_m, dtype=np.float64).reshape(-1, 2)
        return self._distort(_apply(self.to_picture_h, flat, self._ahead[1]))

    def metres_per_px(self, points_px: Array) -> Array:
        """(n, 2) px -> (n, 2, 2) Jacobian d(metres)/d(px), by central differences."""
        points = np.asarray(points_px, dtype=np.float64).reshape(-1, 2)
        right, left, down, up = self.to_floor(points + _STEPS_PX).reshape(4, -1, 2)
        return np.stack([(right - left) / 2.0, (down - up) / 2.0], axis=-1)

    def undistort(self, points: Array) -> Array:
        """(n, 2) px as seen -> (n, 2) px of an ideal lens, by fixed-point iteration."""
        if not self.distortion:
            return points
        centre = np.array(self.picture_px) / 2.0
        seen = (points - centre) / self.focal_px
        ideal = np.stack(straighten(seen[:, 0], seen[:, 1], self.distortion), axis=-1)
        return np.asarray(ideal * self.focal_px + centre)

    def _distort(self, points: Array) -> Array:
        if not self.distortion:
            return points
        centre = np.array(self.picture_px) / 2.0
        seen = (points - centre) / self.focal_px
        bent = np.stack(bend(seen[:, 0], seen[:, 1], self.distortion), axis=-1)
        bent[(seen**2).sum(axis=1) > widest(self.distortion)] = np.nan
        return np.asarray(bent * self.focal_px + centre)


def calibrate(
    points: Sequence[tuple[float, float, float, float]],
    picture_px: tuple[int, int],
    distortion: Sequence[float] = (),
    focal_px: float | None = None,
) -> FloorCalibration:
    """Fit a homography to ≥ 4 marks `(x_px, y_px, x_m, y_m)`.

    Raises ConfigError when the marks fix no floor plane.
    """
    marks = np.asarray(points, dtype=np.float64).reshape(-1, 4)
    if len(marks) < 4:
        raise ConfigError(
            f"{len(marks)} calibration points fix no floor.", hint="Give at least 4 that span the floor."
        )
    lens = FloorCalibration(
        np.eye(3), np.eye(3), picture_px, 0.0, tuple(distortion), focal_px or float(max(picture_px))
    )
    pixels, metres = lens.undistort(marks[:, :2]), marks[:, 2:]
    fitted_h = fit([(p[0], p[1]) for p in pixels.tolist()], [(p[0], p[1]) for p in metres.tolist()])
    homography = None if fitted_h is None else np.array(fitted_h)
    if homography is None:
        raise ConfigError("the calibration points lie on one line.", hint="Choose marks that span the floor.")
    back = np.linalg.inv(homography)
    fitted = FloorCalibration(homography, back / back[2, 2], picture_px, 0.0, lens.distortion, lens.focal_px)
    miss = fitted.to_floor(marks[:, :2]) - metres
    if not np.all(np.isfinite(miss)):
        raise ConfigError(
            "a calibration point lies on or above the horizon.", hint="Choose marks on the floor."
        )
    residual = float(np.sqrt(np.mean(np.sum(miss**2, axis=1))))
    return FloorCalibration(
        homography, fitted.to_picture_h, picture_px, residual, lens.distortion, lens.focal_px
    )


def _apply(homography: Array, points: Array, facing: float) -> Array:
    homogeneous = np.ones((len(points), 3))
    homogeneous[:, :2] = points
    mapped = homogeneous @ homography.T
    depth = mapped[:, 2:3] * facing
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(depth > 1e-9, mapped[:, :2] / mapped[:, 2:3], np.nan)
