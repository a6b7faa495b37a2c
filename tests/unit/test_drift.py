"""An hour against hours like it, a sensor against the cameras, a calibration against time."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, strategies as st

from hub.loop.drift import (
    FEWEST_HOURS,
    Cone,
    Hour,
    calibration,
    camera_history,
    comparable,
    in_cone,
    line_history,
    reach_m,
    sensor_agreement,
)

SPAN = (0, 3_600_000)
HOUR_MS = 3_600_000


def hours(values: list[float], weekday: int = 1, hour: int = 10, observed: float = 1.0) -> list[Hour]:
    return [Hour(weekday, hour, value, observed) for value in values]


def test_an_hour_is_compared_with_the_same_weekday_and_hour() -> None:
    """With four of them; before that with the same hour of working days, never of weekends."""
    now = Hour(1, 10, 0.0, 1.0)
    same, working, weekend = (
        hours([50.0] * FEWEST_HOURS),
        hours([90.0] * 4, weekday=3),
        hours([5.0] * 9, weekday=6),
    )
    assert comparable(now, same + working + weekend) == [50.0] * FEWEST_HOURS
    assert sorted(comparable(now, same[1:] + working + weekend)) == [50.0] * (FEWEST_HOURS - 1) + [90.0] * 4
    assert comparable(now, hours([50.0] * 9, hour=11)) == []
    assert comparable(now, hours([50.0] * 9, observed=0.4)) == []


@given(st.lists(st.floats(0, 1_000), min_size=4, max_size=40), st.floats(0, 1e9))
def test_one_outlier_does_not_move_what_is_usual(values: list[float], wild: float) -> None:
    """The expectation stays within the values of the other hours, whatever one hour was."""
    finding = line_history("door", SPAN, Hour(1, 10, 1.0, 1.0), hours([*values, wild]))
    assert finding.expected is not None
    assert min(values) <= finding.expected <= max(values)


def test_a_line_that_falls_silent_is_found_and_noise_is_not() -> None:
    """Poisson counts round 60 hardly ever look unusual in 500 hours; an hour of 10 always does."""
    draw = random.Random(7)

    def poisson() -> float:
        return float(sum(draw.random() < 0.06 for _ in range(1_000)))

    history = hours([poisson() for _ in range(8)])
    unusual = sum(
        line_history("door", SPAN, Hour(1, 10, poisson(), 1.0), history).outcome == "off" for _ in range(500)
    )
    assert unusual <= 2
    dead = line_history("door", SPAN, Hour(1, 10, 10.0, 1.0), history)
    assert dead.outcome == "off"
    assert dead.numbers["hours"] == 8


def test_too_little_is_not_compared() -> None:
    """Half an hour unobserved, or three hours of history, and nothing is said."""
    history = hours([60.0] * 8)
    assert line_history("door", SPAN, Hour(1, 10, 0.0, 0.3), history).reason == "coverage"
    assert line_history("door", SPAN, Hour(1, 10, 0.0, 1.0), history[:3]).reason == "too_few"


def test_a_camera_that_sees_no_more_movement_is_found() -> None:
    """Two moving frames a second as ever are fine; none means that something stands before it."""
    history = hours([2.0, 2.2, 1.9, 2.1, 2.0])
    assert camera_history("hall", SPAN, Hour(1, 10, 2.3, 1.0), history).outcome == "ok"
    assert camera_history("hall", SPAN, Hour(1, 10, 0.1, 1.0), history).outcome == "off"


def cone(mean: float, *, seen: bool = True) -> Cone:
    """Cameras that saw `mean` people in the cone on average, a fifth less or more at its rim."""
    return Cone(0.8 * mean * HOUR_MS, 1.2 * mean * HOUR_MS, HOUR_MS, seen)


@given(st.floats(0.02, 3.0))
def test_a_sensor_that_tells_what_the_cameras_tell_agrees(mean: float) -> None:
    """Independent people leave a place empty for exp(-mean) of the time."""
    present_ms = round(HOUR_MS * (1 - math.exp(-mean)))
    assert sensor_agreement("s", SPAN, present_ms, HOUR_MS, cone(mean)).outcome == "ok"


@pytest.mark.parametrize(("mean", "share"), [(0.05, 1.0), (0.05, 0.5), (1.5, 0.0), (2.0, 0.2)])
def test_a_stuck_sensor_disagrees(mean: float, share: float) -> None:
    """Always somebody where hardly anybody is, or nobody where there always is."""
    finding = sensor_agreement("s", SPAN, round(share * HOUR_MS), HOUR_MS, cone(mean))
    assert finding.outcome == "off"
    assert finding.value == pytest.approx(share)
    assert finding.numbers["cameras_low"] < finding.numbers["cameras_high"]


def test_a_sensor_where_no_camera_looks_is_not_judged() -> None:
    """Nor one that was not heard for half of the hour."""
    assert sensor_agreement("s", SPAN, 0, HOUR_MS, cone(0.0, seen=False)).reason == "not_seen_there"
    assert sensor_agreement("s", SPAN, 0, HOUR_MS // 3, cone(1.0)).reason == "coverage"


def test_a_calibration_is_held_against_time_and_residual() -> None:
    """Half a year, and 30 cm; what a box does not tell is not taken for fine."""
    residual, age = calibration("hall", 5, 301, 181)
    assert (residual.check, residual.outcome) == ("calibration_residual", "off")
    assert (age.check, age.outcome, age.tolerance) == ("calibration_age", "off", 180)
    assert [f.outcome for f in calibration("hall", 5, 300, 180)] == ["ok", "ok"]
    assert [f.reason for f in calibration("hall", 5, None, None)] == ["not_reported"] * 2
    assert [f.reason for f in calibration("hall", 5, None, None, dated=False)] == ["not_reported", "no_date"]


def test_four_marks_are_no_check_of_themselves() -> None:
    """They fit whatever was typed: a residual of zero agrees with nothing, and none is told; the age is what it was."""
    for residual_mm in (0, None):
        residual, age = calibration("hall", 5, residual_mm, 20, always_fits=True)
        assert (residual.outcome, residual.reason, residual.value) == ("unknown", "four_marks", None)
        assert age.outcome == "ok"


@given(
    st.floats(0, 5), st.floats(0, 4), st.floats(0, 3), st.floats(0, 1),
)  # fmt: skip
def test_the_sum_under_a_cone_grows_with_it(x_m: float, y_m: float, radius_m: float, more_m: float) -> None:
    """And is what lies within the circle, cell by cell."""
    cells = [float(i % 7) for i in range(16 * 20)]
    small = in_cone(cells, 20, 0.25, (x_m, y_m), radius_m)
    wanted = sum(
        value
        for i, value in enumerate(cells)
        if math.hypot((i % 20 + 0.5) * 0.25 - x_m, (i // 20 + 0.5) * 0.25 - y_m) <= radius_m
    )
    assert small == wanted
    assert in_cone(cells, 20, 0.25, (x_m, y_m), radius_m + more_m) >= small


def test_a_shoulder_reaches_into_the_cone_from_beside_it() -> None:
    """A sensor below shoulder height reaches no farther than a body."""
    assert reach_m(3.0, 30.0) == pytest.approx(1.6 * math.tan(math.radians(15)) + 0.25)
    assert reach_m(1.0, 30.0) == 0.25
