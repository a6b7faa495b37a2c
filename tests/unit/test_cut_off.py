"""People whom a border of the picture cuts off: where they stand, and when they count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.typing import NDArray
from walkers import boxes, calibration, lab

from edge.floor.calibration import FloorCalibration, calibrate
from edge.floor.floor import Floor, Settled
from edge.floor.hidden_feet import feet_below
from edge.floor.observation import observe
from edge.floor.tracking.glimpses import LINGER_MS, View
from edge.floor.windows import no_sensors
from edge.results import Results

WIDE, HIGH = 1280, 720
FOCAL_PX = 900.0


def pinhole(camera_m: float, tilt: float, points_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) m (x right, y away from the camera, z up) -> (n, 2) px of a camera at that height that looks down so far."""
    x, y, z = (points_m - [0, 0, camera_m]).T
    depth = y * np.cos(tilt) - z * np.sin(tilt)
    down = -z * np.cos(tilt) - y * np.sin(tilt)
    return np.column_stack([WIDE / 2 + FOCAL_PX * x / depth, HIGH / 2 + FOCAL_PX * down / depth])


def floor_of(camera_m: float, tilt: float) -> FloorCalibration:
    """The pinhole's floor, from six marks."""
    near = nearest(camera_m, tilt)
    marks = np.array([[x, near + y, 0.0] for x in (-2.0, 2.0) for y in (1.0, 3.0, 6.0)])
    seen = pinhole(camera_m, tilt, marks)
    return calibrate([(u, v, x, y) for (u, v), (x, y, _) in zip(seen, marks, strict=True)], (WIDE, HIGH))


def nearest(camera_m: float, tilt: float) -> float:
    """How far away the floor begins that is seen."""
    return float(camera_m / np.tan(tilt + np.arctan(HIGH / 2 / FOCAL_PX)))


def seen_of(
    camera_m: float, tilt: float, feet_m: tuple[float, float], height_m: float
) -> NDArray[np.float32]:
    """(1, 5): the detection of somebody, as far as the picture shows it."""
    x, y = feet_m
    (u, head), (_, low) = pinhole(camera_m, tilt, np.array([[x, y, height_m], [x, y, 0.0]]))
    half = 0.17 * (low - head)
    return np.array([[u - half, head, u + half, min(low, HIGH), 0.9]], np.float32)


@given(st.floats(2.5, 5.0), st.floats(0.15, 0.75), st.floats(-0.8, 0.8), st.floats(0.05, 0.7))
def test_the_feet_below_the_picture_are_where_that_head_belongs(
    camera_m: float, tilt: float, x_m: float, before_m: float
) -> None:
    """Exact for somebody of usual height, whatever the camera; else within the uncertainty that is told."""
    y_m = nearest(camera_m, tilt) - before_m
    _, head, _, low, _ = seen_of(camera_m, tilt, (x_m, y_m), 1.7)[0]
    assume(y_m > 0.3 and 5 < head < HIGH - 60 and low >= HIGH)
    fitted = floor_of(camera_m, tilt)
    found = observe(0, seen_of(camera_m, tilt, (x_m, y_m), 1.7), fitted)
    assert found.feet_m[0, 1] == pytest.approx(y_m, abs=0.02)
    shorter = observe(0, seen_of(camera_m, tilt, (x_m, y_m), 1.6), fitted)
    off = abs(shorter.feet_m[0, 1] - y_m)
    assert 0.01 < off < 1.5 * np.sqrt(shorter.cov_m2[0, 1, 1])


@pytest.mark.parametrize(
    ("fitted", "high"),
    [(calibration(), 1000.0), (floor_of(4.0, 0.1), 720.0)],
    ids=["straight above", "at the horizon"],
)
def test_where_the_calibration_tells_no_place_the_width_has_to_do(
    fitted: FloorCalibration, high: float
) -> None:
    """Straight above there is no perspective, and no head is seen above the horizon by a camera above heads."""
    box = np.array([[600.0, 200.0, 900.0, high]])
    feet, _ = feet_below(box, fitted)
    assert np.isnan(feet).all()
    found = observe(0, np.column_stack([box, [0.9]]).astype(np.float32), fitted)
    assert found.boxes_px[0, 3] == pytest.approx(max(high, 200 + 2.4 * 300))


def test_who_is_whole_beside_the_lower_border_stays_as_seen() -> None:
    """A box as tall as a person that ends just above the border has its feet there."""
    fitted = floor_of(4.0, 0.3)
    near = fitted.to_floor(np.array([[WIDE / 2, HIGH - 12.0]]))[0]
    found = observe(0, seen_of(4.0, 0.3, (float(near[0]), float(near[1])), 1.7), fitted)
    assert found.feet_m[0] == pytest.approx(near, abs=0.02)


def walk_out(places: list[float], fps: float = 10.0) -> list[Settled]:
    """Somebody at these x (m) along y = 4 m before a camera whose picture ends at x = 0 and cuts off what is beyond."""
    floor = Floor(lab(), prefix="test", method="test")
    settled: list[Settled] = []
    for i, x_m in enumerate(places):
        t_ms = round(i * 1000 / fps)
        found = boxes([(x_m, 4.0)])
        found[:, :4] = np.clip(found[:, :4], 0, 1000)
        floor.frame("north", t_ms, observe(t_ms, found[found[:, 2] > found[:, 0] + 8], calibration()))
        settled.append(floor.settle(t_ms, no_sensors))
    settled.append(floor.finish(no_sensors))
    return settled


def counted(settled: list[Settled]) -> int:
    return sum(window.person_ms for each in settled for window in each.windows)


def test_who_walks_in_or_out_counts_while_whole() -> None:
    """Half a person's width is .3 m here, so at 1 m/s both ways 0.3 s less than the walk with the feet in view."""
    inwards = [0.1 * i - 0.5 for i in range(60)]
    for places in (inwards, inwards[::-1]):
        assert counted(walk_out(places)) == pytest.approx(5_100, abs=250)


def test_who_lingers_half_seen_counts() -> None:
    """Somebody comes as far as the side of the picture and waits there: all the time counts."""
    places = [max(0.1, 3.0 - 0.1 * i) for i in range(120)]
    assert counted(walk_out(places)) == pytest.approx(12_000, abs=300)


def test_a_place_beside_the_picture_is_the_persons_middle() -> None:
    """Of somebody whose right half is seen, the middle is where the picture ends."""
    half = np.array([[0.0, 440.0, 29.0, 600.0, 0.9]], np.float32)
    found = observe(0, half, calibration())
    assert bool(found.beside[0])
    assert found.feet_m[0] == pytest.approx([0.0, 4.0], abs=0.02)


def test_a_walk_out_of_the_picture_is_followed_to_its_end() -> None:
    """A line that is only passed by somebody half out of view is crossed all the same."""
    site = lab()
    door = site.lines[0].model_copy(update={"from_": (0.35, 1.0), "to": (0.35, 7.0), "inside": (3.0, 4.0)})
    floor = Floor(site.model_copy(update={"lines": [door]}), prefix="test", method="test")
    crossings = []
    for i in range(60):
        found = boxes([(3.0 - 0.08 * i, 4.0)])
        found[:, :4] = np.clip(found[:, :4], 0, 1000)
        floor.frame("north", i * 100, observe(i * 100, found[found[:, 2] > 8], calibration()))
        crossings += floor.settle(i * 100, no_sensors).crossings
    crossings += floor.finish(no_sensors).crossings
    assert [passage.crossing.direction for passage in crossings] == ["out"]


def test_a_view_forgives_one_late_whole_sighting() -> None:
    """Cut off for longer than `LINGER_MS` before being seen whole: not somebody who was just coming."""
    view = View(0)
    view.see(0, beside=True)
    view.see(LINGER_MS + 1, beside=False)
    assert not view.glimpsed(0, LINGER_MS + 1, beside=True, gone=False)


def test_the_box_of_who_stands_below_the_picture_is_told_with_what_is_seen(tmp_path: Path) -> None:
    """Off the plan by the head, but seen to end on it: in the boxes' file, cut at the border, and in no heat."""
    site = lab()
    floor = Floor(site, prefix="test", method="test")
    fitted = calibration()
    results = Results(tmp_path, site.plan, (0.0, 0.0), ["north"], 0, {"north": fitted})
    frame_of: dict[str, dict[int, int]] = {"north": {}}
    for i in range(60):
        frame_of["north"][i * 100] = i + 1
        head = 880 + i
        found = np.array([[300.0, head, 360.0, 1000.0, 0.9]], np.float32)
        floor.frame("north", i * 100, observe(i * 100, found, fitted))
        results.add(floor.settle(i * 100, no_sensors), frame_of)
    results.add(floor.finish(no_sensors), frame_of)
    sums = results.close()
    lines = (tmp_path / "tracks-north.txt").read_text().splitlines()
    rows = [[float(v) for v in line.split(",")] for line in lines]
    assert len(rows) > 40
    assert all(row[3] + row[5] == pytest.approx(1000) for row in rows)
    assert sums["person_seconds"] == pytest.approx(0, abs=0.01)
