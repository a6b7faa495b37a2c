"""The occupancy grid: what a cone hears, and what is filled where no camera looks."""

from __future__ import annotations

import numpy as np
import pytest
from hall import Eye, run, site
from hypothesis import given, strategies as st
from sonar import PLAN, Morning, morning, play

from branchloop.site.site import Sensor
from edge.floor.floor import Floor
from edge.floor.fusion.people import SitePerson, Stretch
from edge.floor.sensors.cone import FLOOR_M, cone_of, first_echo_m
from edge.floor.sensors.occupancy import Occupancy
from edge.floor.sight import Sight

SPOT = (5.0, 4.0)
NOWHERE = {"cam": Sight(PLAN, np.zeros((PLAN.rows, PLAN.cols), dtype=np.bool_))}
ALL = {"cam": Sight(PLAN, np.ones((PLAN.rows, PLAN.cols), dtype=np.bool_))}


def ceiling(**more: object) -> Sensor:
    fields = {"id": "s", "source": "log:x", "x_m": SPOT[0], "y_m": SPOT[1], "height_m": 3.0, "cone_deg": 60.0}
    return Sensor.model_validate({**fields, **more})


def say(grid: Occupancy, window: int, range_m: float | None, up: bool = False, people: bool = False) -> None:
    """One window: ten readings a second of one range, a camera that looks or not, perhaps somebody at the spot."""
    start_ms = window * 5_000
    for t_ms in range(start_ms, start_ms + 5_000, 100):
        grid.reading("s", t_ms, range_m)
    there = (SitePerson(1, SPOT, ()),) if people and up else ()
    grid.stretch(Stretch(start_ms, start_ms + 5_000, there, frozenset({"cam"} if up else ()), frozenset()))


def filled_s(grid: Occupancy, window: int, disbelieved: frozenset[str] = frozenset()) -> float:
    heat = grid.close(window * 5_000, disbelieved)
    return 0.0 if heat is None else sum(heat.mps) / 1000


def test_the_first_echo_of_who_stands_beside_the_axis_comes_from_deeper() -> None:
    """Head under the axis, hip at the edge, nothing outside."""
    echo = first_echo_m(np.array([0.0, 0.6, 1.2, 3.0]), 3.0, 60.0)
    assert echo[0] == pytest.approx(1.3)
    assert 1.3 < echo[1] < echo[2]
    assert echo[3] == np.inf


@given(st.floats(0.05, 6.0), st.integers(0, 1_000))
def test_evidence_is_a_probability_and_an_echo_is_about_one_person(range_m: float, seed: int) -> None:
    """Whatever is read, whatever was expected."""
    cone = cone_of(ceiling(), PLAN)
    assert cone is not None
    expected = np.random.default_rng(seed).uniform(1e-6, 0.05, len(cone.cells))
    taken = cone.evidence(range_m, expected)
    assert taken is not None
    assert (taken >= 0).all()
    assert (taken <= 1).all()
    if range_m >= 3.0 - FLOOR_M:
        assert taken.sum() < expected.sum()
    assert taken.sum() <= 1 + expected.sum()


def test_a_sensor_that_hangs_low_places_nobody() -> None:
    """At a counter it tells presence only."""
    assert cone_of(ceiling(height_m=1.1), PLAN) is None


def test_no_echo_is_nobody_only_where_the_floor_is_out_of_range() -> None:
    """A drop-out says nothing."""
    near, far = cone_of(ceiling(range_m=2.5), PLAN), cone_of(ceiling(range_m=4.0), PLAN)
    assert near is not None
    assert far is not None
    expected = np.full(len(far.cells), 0.01)
    assert far.evidence(None, expected) is None
    gone = near.evidence(None, expected[: len(near.cells)])
    assert gone is not None
    assert gone.sum() < 0.001 * len(near.cells)


def test_somebody_under_a_sensor_without_camera_is_about_one_person() -> None:
    """Person time is filled in the cone, apart from heat; nobody fills nearly nothing."""
    grid = Occupancy(PLAN, NOWHERE, [ceiling()])
    for window in range(4):
        say(grid, window, 1.4)
    assert np.mean([filled_s(grid, window) for window in range(4)]) == pytest.approx(5.0, rel=0.5)
    for window in range(4, 8):
        say(grid, window, 3.0)
    assert [filled_s(grid, window) for window in range(4, 8)][-1] < 0.3


@pytest.mark.parametrize("period_ms", [100, 250, 400, 500, 700, 1_000])
def test_a_slow_sensor_tells_as_much_of_who_stands(period_ms: int) -> None:
    """A reading stands until the next one: one a second says no less than ten."""
    grid, total_s = Occupancy(PLAN, {}, [ceiling()]), 0.0
    for window in range(12):
        for t_ms in range(-(-window * 5_000 // period_ms) * period_ms, (window + 1) * 5_000, period_ms):
            grid.reading("s", t_ms, 1.4)
        total_s += filled_s(grid, window)
    assert 50 < total_s < 60


def test_a_reading_stands_for_a_second() -> None:
    """A sensor that speaks every other second is heard half of the time at most."""
    grid, total_s = Occupancy(PLAN, {}, [ceiling()]), 0.0
    for window in range(12):
        for t_ms in range(window * 5_000 + window * 5_000 % 2_000, (window + 1) * 5_000, 2_000):
            grid.reading("s", t_ms, 1.4)
        total_s += filled_s(grid, window)
    assert 5 < total_s < 32


def test_where_a_camera_looks_nothing_is_filled() -> None:
    """However loud the sensor."""
    grid = Occupancy(PLAN, ALL, [ceiling()])
    say(grid, 0, 1.4, up=True, people=True)
    assert grid.close(0, frozenset()) is None
    assert grid.probability().max() > 0.9


def test_a_disbelieved_or_silent_sensor_fills_nothing() -> None:
    """A stuck one would fill for ever."""
    grid = Occupancy(PLAN, NOWHERE, [ceiling()])
    say(grid, 0, 1.4)
    assert filled_s(grid, 0, frozenset({"s"})) == 0
    assert filled_s(grid, 1) == 0  # nothing came


def test_evidence_decays() -> None:
    """Ten seconds after the last reading the grid is back at what is usual."""
    grid = Occupancy(PLAN, NOWHERE, [ceiling()])
    say(grid, 0, 1.4)
    grid.close(0, frozenset())
    loud = grid.probability().max()
    for window in (1, 2):
        grid.close(window * 5_000, frozenset())
    assert loud > 5 * grid.probability().max()


def test_a_sensor_is_calibrated_against_the_cameras() -> None:
    """One that claims a bystander twice as often as cameras see somebody fills half as much."""
    honest, loud = (Occupancy(PLAN, ALL, [ceiling()]) for _ in range(2))
    for grid, share in ((honest, 1), (loud, 2)):
        for window in range(60):
            say(grid, window, 1.4, up=True, people=window % share == 0)
            grid.close(window * 5_000, frozenset())
        for window in range(60, 66):
            say(grid, window, 1.4)
    assert sum(filled_s(loud, w) for w in range(60, 66)) < 0.8 * sum(
        filled_s(honest, w) for w in range(60, 66)
    )


def test_filled_is_whole_and_lies_on_the_plan() -> None:
    """The message is a heat grid of its own, in whole milli-person-seconds."""
    grid = Occupancy(PLAN, NOWHERE, [ceiling()])
    for window in range(3):
        say(grid, window, 1.4)
        heat = grid.close(window * 5_000, frozenset())
    assert heat is not None
    assert (heat.rows, heat.cols, heat.cell_mm) == (PLAN.rows, PLAN.cols, 250)
    assert all(mps >= 100 for mps in heat.mps)


def test_who_is_remembered_is_one_of_those_who_usually_are_there() -> None:
    """Floor that no sensor hears: somebody who stood there all along is filled once, at first and a minute later."""
    grid = Occupancy(PLAN, ALL, [ceiling(x_m=9.5, y_m=7.0)])
    for window in range(120):
        say(grid, window, 3.0, up=window < 100, people=True)
        heat = grid.close(window * 5_000, frozenset())
        if window >= 101:
            assert heat is not None
            assert sum(heat.mps) / 1000 == pytest.approx(5.0, rel=0.25), window


@pytest.mark.parametrize("missed", [0, 4, 10])
def test_people_whom_the_cameras_miss_are_filled_all_the_same(missed: int) -> None:
    """A camera sees the one under the sensor in all windows, three of four, nine of ten: a person is filled."""
    grid = Occupancy(PLAN, ALL, [ceiling()])
    filled = []
    for window in range(320):
        up = window < 300
        say(grid, window, 1.4, up=up, people=not missed or window % missed != 0)
        heat = grid.close(window * 5_000, frozenset())
        filled += [sum(heat.mps) / 1000] if heat is not None and not up else []
    assert np.mean(filled) == pytest.approx(5.0, rel=0.15)


@pytest.fixture(scope="module")
def day() -> Morning:
    return morning(30)


def test_an_outage_is_mostly_filled_by_seven_sensors(day: Morning) -> None:
    """The smaller version of tests/bench/bench_fusion.py: a camera out for 20 % of half an hour (simulated)."""
    outcome = play(day, lap_s=300)
    assert outcome.r() >= 0.85
    assert outcome.r(filled=False) < outcome.r() - 0.1
    assert outcome.mass() == pytest.approx(1, abs=0.15)
    assert outcome.known_mass() == pytest.approx(1, abs=0.1)
    deaf = play(day, lap_s=300, heard=[])
    assert deaf.filled.sum() == 0


def test_a_window_carries_what_was_filled_while_its_camera_was_out() -> None:
    """Through the floor: heat while the camera looks, filled while it is out, coverage says which, never both."""
    eye = Eye("cam", (5.0, 0.2, 3.0), (5.0, 4.5), out_s=((20.0, 35.0),))
    moments = [(float(t), {1: SPOT}) for t in np.arange(0, 45, 0.2)]
    floor = Floor(site([eye], [ceiling(range_m=4.0)]), prefix="t", method="test")
    ticks = np.random.default_rng(1)

    def hear(floor: Floor, t_ms: int) -> None:
        floor.reading("s", t_ms, round(1.4 + ticks.normal(0, 0.02), 2))

    done = run([eye], moments, floor=floor, on_time=hear)
    windows = {w.start_ms // 1000 - 20: w for settled in done.settled for w in settled.windows}
    for start_s in (5, 10):
        assert windows[start_s].filled is None
        assert windows[start_s].heat is not None
        assert windows[start_s].observed_ms == 5_000
    for start_s in (25, 30):
        assert windows[start_s].observed_ms == 0
        assert windows[start_s].heat is None
        filled = windows[start_s].filled
        assert filled is not None
        assert sum(filled.mps) == pytest.approx(5_000, rel=0.6)
        cells = np.array(filled.cells)
        places = np.column_stack([cells % filled.cols + 0.5, cells // filled.cols + 0.5]) * 0.25
        middle = np.average(places, axis=0, weights=filled.mps)
        assert middle == pytest.approx(SPOT, abs=0.4)
