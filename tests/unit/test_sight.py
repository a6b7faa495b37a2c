"""Clothes' colours and the far end of the floor, as they reach the tracker."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from walkers import boxes, calibration

from edge.floor.calibration import calibrate
from edge.floor.observation import observe
from edge.floor.tracking.tracker import Tracker
from edge.perceive.clothes import with_clothes
from edge.perceive.far_floor import REFRESH_MS, FarFloor, far_window
from edge.perceive.report import FrameReport, decode, encode

CORRIDOR = [
    (91.0, 163.0, 1.0, 12.0),
    (241.0, 163.0, 3.9, 12.0),
    (98.0, 266.0, 1.0, 1.1),
    (322.0, 265.0, 3.9, 1.1),
]


class Finder:
    """A detector of one small thing: says where it is called and finds the brightest spot."""

    name = "finder"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.shapes.append(image_bgr.shape)
        y, x = np.unravel_index(int(image_bgr[:, :, 0].argmax()), image_bgr.shape[:2])
        return np.array([[x - 5, y - 10, x + 5, y + 10, 0.7]], np.float32)


def test_clothes_are_those_of_torso_and_legs() -> None:
    """A red jacket over blue trousers: red–green above, yellow–blue below; grey around does not matter."""
    image = np.full((200, 100, 3), 90, np.uint8)
    image[40:100, 30:70] = (0, 0, 200)
    image[100:180, 30:70] = (180, 0, 0)
    torso, legs = with_clothes(image, np.array([[30, 20, 70, 180, 0.9]], np.float32))[0, 5:].reshape(2, 3)
    assert (torso[1], torso[2]) == (200, 100)
    assert (legs[1], legs[2]) == (0, -180)
    assert with_clothes(image, np.zeros((0, 5), np.float32)).shape == (0, 11)


def test_the_far_end_of_a_corridor_is_found_and_a_near_floor_has_none() -> None:
    """The window lies at the top of a corridor's picture; a floor seen from close by has no far end."""
    window = far_window(calibrate(CORRIDOR, (384, 288)), 5.0, 50.0)
    assert window is not None
    assert window[1] < 40
    assert window[2] - window[0] == 192
    assert far_window(calibration(), 10.0, 8.0) is None


def test_the_far_end_is_looked_at_when_something_moved_there() -> None:
    """What was found holds while nothing changes, for a second at most; places are those of the whole picture."""
    finder = Finder()
    far = FarFloor(finder, (100, 20, 292, 164))
    image = np.zeros((288, 384, 3), np.uint8)
    image[70:74, 200:204] = 255
    nobody = np.zeros((0, 5), np.float32)
    first = far.add(image, nobody, 0)
    assert first[0, :4].tolist() == [195, 60, 205, 80]
    assert finder.shapes == [(144, 192, 3)]
    assert far.add(image, nobody, 200).tolist() == first.tolist()
    assert len(finder.shapes) == 1
    image[:] = 0
    image[90:94, 200:204] = 255
    assert far.add(image, nobody, 400)[0, 3] == 100
    far.add(image, nobody, 400 + REFRESH_MS)
    assert len(finder.shapes) == 3


def test_colours_survive_the_way_from_the_cameras_process() -> None:
    """Twelve columns in, twelve out, none for nobody; five are read as well."""
    for table in (np.arange(24, dtype=np.float32).reshape(2, 12), np.zeros((0, 12), np.float32)):
        report = decode(encode(FrameReport("north", 5, table)))
        assert isinstance(report, FrameReport)
        assert report.boxes is not None
        assert report.boxes.tolist() == table.tolist()
    five = decode(encode(FrameReport("north", 5, np.ones((1, 5), np.float32))))
    assert isinstance(five, FrameReport)
    assert five.boxes is not None
    assert five.boxes.shape == (1, 5)


def test_two_who_change_places_out_of_sight_keep_their_names() -> None:
    """A second behind a pillar: clothes tell who is who, places alone cannot."""

    def ids(coloured: bool) -> tuple[list[int], list[int]]:
        tracker = Tracker(calibration())
        ends: list[list[int]] = []
        for i in range(40):
            t_ms = round(i * 1000 / 7)
            places = [(4.8, 4.0), (5.2, 4.0)] if i < 15 else [(5.2, 4.0), (4.8, 4.0)]
            found = boxes([] if 15 <= i < 20 else places)
            worn = np.array([[40, 90, 20, 40, 0, 0], [160, -40, -30, 90, 0, -40]], np.float32)[: len(found)]
            tracker.step(observe(t_ms, np.column_stack([found, worn]) if coloured else found, calibration()))
            if i in (14, 39):
                ends.append([p.id for p in sorted(tracker.present(), key=lambda p: p.place_m[0])])
        return ends[0], ends[1]

    before, after = ids(coloured=True)
    assert len(before) == 2
    assert after == before[::-1]
    before, after = ids(coloured=False)
    assert after == before
