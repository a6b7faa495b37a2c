"""Clicks in a camera's picture become places on the plan: through the lens, or not at all and why."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from hypothesis import given, strategies as st

from branchloop.floormap import FloorMap
from branchloop.site.site import Calibration, Plan
from branchloop.text.setup import WORDS
from dashboard.ground import EDGE_M, Beyond, place_of

HALL = Plan(width_m=10.0, height_m=8.0, cell_m=0.25)
MARKS = [
    (220.0, 200.0, 0.0, 0.0),
    (420.0, 200.0, 10.0, 0.0),
    (40.0, 460.0, 0.0, 8.0),
    (600.0, 460.0, 10.0, 8.0),
]
"""The hall's corners; for an ideal lens the horizon lies at 56 px."""


def camera(*distortion: float) -> FloorMap:
    lens = Calibration(points=MARKS, picture_px=(640, 480), distortion=list(distortion), focal_px=500.0)
    found = FloorMap.fit(MARKS, lens)
    assert found is not None
    return found


@given(st.floats(0, 10), st.floats(0, 8))
def test_a_place_is_found_where_the_camera_shows_it(x: float, y: float) -> None:
    """To the centimetre, with a lens that bends and without."""
    for found in (camera(), camera(-0.15, 0.02, 0.001, -0.001)):
        seen = found.shows((x, y))
        if seen is not None:
            place = place_of(found, seen, HALL)
            assert not isinstance(place, str)
            assert math.dist(place, (x, y)) < 0.011


def test_the_lens_counts() -> None:
    """Near the border of the picture the same pixel is another place once the lens is known."""
    straight, bent = (place_of(each, (320.0, 330.0), HALL) for each in (camera(), camera(-0.15)))
    assert not isinstance(straight, str)
    assert not isinstance(bent, str)
    assert math.dist(straight, bent) > 0.05


@pytest.mark.parametrize(
    ("found", "at_px", "beyond"),
    [
        (camera(), (320.0, 40.0), "horizon"),
        (camera(-0.1), (320.0, 40.0), "horizon"),
        (camera(), (320.0, 70.0), "plan"),
        (camera(), (639.0, 210.0), "plan"),
        (camera(-0.9), (639.0, 1.0), "lens"),
    ],
)
def test_what_is_no_place_says_why(found: FloorMap, at_px: tuple[float, float], beyond: Beyond) -> None:
    """Sky, a floor beyond the plan, and a corner where the lens cannot be straightened give no metres."""
    assert place_of(found, at_px, HALL) == beyond


def test_the_border_can_be_met() -> None:
    """A click a hand's breadth beside the plan is its border; farther out it is not."""
    found = camera()
    for off_m, place in ((EDGE_M * 0.9, (0.0, 4.0)), (EDGE_M * 1.5, "plan")):
        seen = found.to_picture((-off_m, 4.0))
        assert seen is not None
        assert place_of(found, seen, HALL) == place


def test_every_reason_has_words() -> None:
    """In both languages."""
    assert all(all(WORDS[f"setup.beyond.{beyond}"]) for beyond in get_args(Beyond))
