"""Pixel to metre and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from branchloop.errors import ConfigError
from branchloop.floormap import FloorMap
from branchloop.site.site import Calibration
from edge.floor.calibration import FloorCalibration, calibrate
from edge.floor.observation import observe

PICTURE = (1280, 720)
MARKS = [
    (210.0, 650.0, 2.0, 8.0),
    (1080.0, 640.0, 10.0, 8.0),
    (890.0, 250.0, 9.5, 2.0),
    (380.0, 255.0, 2.5, 2.0),
]


def test_four_exact_marks_fit_exactly() -> None:
    """With four marks the homography goes through all of them."""
    fitted = calibrate(MARKS, PICTURE)
    assert fitted.residual_m < 1e-9
    assert fitted.to_floor(np.array([[210.0, 650.0]])) == pytest.approx(np.array([[2.0, 8.0]]))


@pytest.mark.parametrize("size", [(1280, 720), (3840, 2160)], ids=str)
@pytest.mark.parametrize("corner_m", [0.0, 480.0])
def test_a_sharp_camera_far_from_the_plan_s_corner_is_calibrated(
    size: tuple[int, int], corner_m: float
) -> None:
    """The same marks in more pixels, and on a larger plan, fix the floor as well."""
    times = size[0] / PICTURE[0]
    marks = [(x * times, y * times, a + corner_m, b + corner_m) for x, y, a, b in MARKS]
    fitted = calibrate(marks, size)
    assert fitted.residual_m < 1e-6
    assert FloorMap.fit(marks, Calibration(points=marks, picture_px=size)) is not None


@given(st.floats(2.5, 9.5), st.floats(2.2, 7.9))
@settings(max_examples=50)
def test_floor_to_picture_and_back(x_m: float, y_m: float) -> None:
    """Mapping there and back returns the same place."""
    fitted = calibrate(MARKS, PICTURE)
    place = np.array([[x_m, y_m]])
    assert fitted.to_floor(fitted.to_picture(place)) == pytest.approx(place, abs=1e-6)


@given(st.floats(-0.25, 0.1), st.floats(-0.05, 0.05))
@settings(max_examples=30)
def test_a_bent_lens_is_straightened(k1: float, k2: float) -> None:
    """With distortion, marks seen through the lens still map to their places."""
    straight = calibrate(MARKS, PICTURE)
    lens = FloorCalibration(
        straight.to_floor_h, straight.to_picture_h, PICTURE, 0.0, distortion=(k1, k2), focal_px=1100.0
    )
    places = np.array([[3.0, 3.0], [9.0, 7.0], [6.0, 5.0]])
    assert lens.to_floor(lens.to_picture(places)) == pytest.approx(places, abs=0.02)


def homography(
    high_m: float, down_deg: float, focal_px: float, picture_px: tuple[int, int]
) -> NDArray[np.float64]:
    """Floor to picture of an ideal camera above the origin that looks along y, so steeply down."""
    tilt = np.deg2rad(down_deg)
    lens = np.array([[focal_px, 0, picture_px[0] / 2], [0, focal_px, picture_px[1] / 2], [0, 0, 1]])
    turned = np.array(
        [[1, 0, 0], [0, -np.sin(tilt), high_m * np.cos(tilt)], [0, np.cos(tilt), high_m * np.sin(tilt)]]
    )
    return np.asarray(lens @ turned)


@pytest.mark.parametrize(
    "distortion", [(-0.3, 0.0, 0, 0, 0), (-0.32, 0.12, 0, 0, -0.02), (-0.25, 0.05, 0, 0, 0)]
)
def test_floor_beside_a_wide_picture_is_not_in_it(distortion: tuple[float, ...]) -> None:
    """The polynomial of a wide lens leads back into the picture far off its axis: what it shows there lies elsewhere."""
    picture_px = (1280, 720)
    across, along = np.meshgrid(np.linspace(-12, 12, 97), np.linspace(0.2, 12, 60))
    floor = np.column_stack([across.ravel(), along.ravel()])
    tilted = homography(3.0, 40.0, 640.0, picture_px)
    camera = FloorCalibration(np.linalg.inv(tilted), tilted, picture_px, 0.0, distortion, 640.0)
    seen = camera.to_picture(floor)
    shown = np.isfinite(seen).all(axis=1) & (seen >= 0).all(axis=1) & (seen < picture_px).all(axis=1)
    back = camera.to_floor(seen[shown])
    assert shown.sum() > 50
    elsewhere = np.linalg.norm(back - floor[shown], axis=1) > 0.6
    assert elsewhere.mean() < 0.001  # within 2 % of where the polynomial turns nothing converges
    plain = FloorMap(
        tuple(map(tuple, np.linalg.inv(tilted).tolist())), picture_px, distortion, 640.0
    )  # fmt: skip
    assert [plain.shows((x, y)) is not None for x, y in floor.tolist()] == shown.tolist()


def test_beyond_the_horizon_there_is_no_floor() -> None:
    """A point above the horizon has no place, rather than a wrong one; its box is left out."""
    fitted = calibrate(MARKS, PICTURE)
    assert np.isnan(fitted.to_floor(np.array([[640.0, -4000.0]]))).all()
    boxes = np.array([[600, -4100, 640, -4000, 0.9], [600, 300, 660, 480, 0.9]], np.float32)
    assert len(observe(0, boxes, fitted).scores) == 1


def test_marks_that_fix_no_floor_are_refused() -> None:
    """Collinear marks and too few of them."""
    with pytest.raises(ConfigError, match="one line"):
        calibrate([(i * 10.0, i * 10.0, float(i), float(i)) for i in range(6)], PICTURE)
    with pytest.raises(ConfigError, match="at least 4"):
        calibrate(MARKS[:3], PICTURE)


def test_uncertainty_grows_with_distance() -> None:
    """The same box height error means more metres at the far end of the floor."""
    fitted = calibrate(MARKS, PICTURE)
    boxes = np.array([[600, 200, 640, 300, 0.9], [600, 500, 640, 600, 0.9]], np.float32)
    far, near = np.trace(observe(0, boxes, fitted).cov_m2, axis1=1, axis2=2)
    assert far > near
