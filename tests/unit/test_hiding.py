"""Frames in which somebody nearer to the camera stood where a walker was to be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_hindsight import FRAME_MS, window

from edge.floor.tracking.attendance import HIDDEN, LOST, PLAIN_MS, Attendance
from edge.floor.tracking.hiding import Hiding
from edge.floor.tracking.trail import Fixes, Trail

FAR, NEAR = [0.0, 0.0, 40.0, 100.0], [10.0, 0.0, 50.0, 110.0]


def seen(*boxes: tuple[int, list[float]]) -> Fixes:
    """Fixes of boxes in frames; the first and the last are the walker's."""
    _, fixes = window([[(frame, 1.0, 1.0)] for frame, _ in boxes])
    return replace(fixes, boxes_px=np.array([box for _, box in boxes]))


@pytest.mark.parametrize(
    ("other", "hidden"),
    [
        (NEAR, 2),
        ([10.0, -20.0, 50.0, 90.0], 0),  # who stands behind hides nobody
        ([30.0, 0.0, 70.0, 110.0], 0),  # nor who stands beside
    ],
)
def test_who_stands_in_front_hides(other: list[float], hidden: int) -> None:
    fixes = seen((0, FAR), (2, other), (3, other), (6, FAR))
    assert Hiding(fixes).frames(0, 3) == hidden


def test_a_walker_is_looked_for_on_the_way() -> None:
    """Halfway between where they were seen before and after, not where they began."""
    on = [200.0, 0.0, 240.0, 100.0]
    halfway, begun = [100.0, 0.0, 140.0, 105.0], [0.0, 0.0, 40.0, 105.0]
    assert Hiding(seen((0, FAR), (2, halfway), (4, on))).frames(0, 2) == 1
    assert Hiding(seen((0, FAR), (2, begun), (4, on))).frames(0, 2) == 0


def test_not_to_be_seen_behind_somebody_costs_little() -> None:
    """In rare frames; at full rate each frame counts alike."""
    fixes = seen((0, FAR), (2, NEAR), (3, FAR))
    rare, full = Attendance([], fixes, seldom=True), Attendance([], fixes)
    assert rare.between(0, 2) == pytest.approx(rare.unseen + HIDDEN)
    assert full.between(0, 2) == pytest.approx(2 * full.unseen)


def test_nobody_is_overlooked_for_long_in_plain_view() -> None:
    frames = PLAIN_MS // FRAME_MS
    short, long = (seen((0, FAR), (last, FAR)) for last in (frames - 1, frames + 1))
    rare, full = Attendance([], short, seldom=True), Attendance([], long)
    assert rare.between(0, 1) == pytest.approx((frames - 2) * rare.unseen)
    rare = Attendance([], long, seldom=True)
    assert rare.between(0, 1) == pytest.approx(frames * rare.unseen - LOST)
    assert full.between(0, 1) == pytest.approx(frames * full.unseen)


def test_frames_that_come_once_in_four_seconds_overlook_nobody() -> None:
    _, fixes = window([[(0, 1.0, 1.0), (20, 1.0, 1.0)]])
    fixes = replace(fixes, frames_ms=fixes.t_ms.tolist())
    assert Attendance([], fixes, seldom=True).between(0, 1) == 0


def test_at_full_rate_a_walk_tells_of_its_frames_alike() -> None:
    """Hidden or not, and however long."""
    fixes = seen((0, FAR), (2, NEAR), (30, FAR))
    walk = (0, 2)
    full, rare = (Attendance([Trail(walk)], fixes, seldom=seldom) for seldom in (False, True))
    ends = 2 * full.seen - full.comes[0]
    assert full.value(Trail(walk), walk) == pytest.approx(ends + 29 * full.unseen)
    between = 28 * rare.unseen + HIDDEN - LOST
    assert rare.value(Trail(walk), walk) == pytest.approx(2 * rare.seen - rare.came(*walk) + between)
