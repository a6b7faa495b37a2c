"""The counting grid: its scene obeys its own rules, errors do not cancel, and easy and hard cells are counted."""

from __future__ import annotations

import numpy as np
import pytest
from walkers import boxes, calibration

from branchloop.errors import DependencyError, UsageError
from branchloop.site.site import Line
from edge.accuracy import counting_scene as scene
from edge.accuracy.counting_scene import Cell
from edge.accuracy.crossings import compare
from edge.bench.floor import bench_floor, count, grid, judge
from edge.floor.counting.lines import LineCounter
from edge.floor.observation import observe
from edge.floor.tracking.association import assign
from edge.floor.tracking.tracker import Tracker


def test_the_camera_sees_the_hall_it_is_calibrated_for() -> None:
    """Feet on the floor, projected and placed again, are where they were."""
    site = scene.bench_site()
    marks = site.cameras[0].calibration
    from edge.floor.calibration import calibrate

    fitted = calibrate(marks.points, marks.picture_px)
    places = np.array([(3.0, 1.0), (5.0, 4.0), (7.0, 7.5)])
    pixels = scene.project(np.column_stack([places, np.zeros(3)]))
    assert np.allclose(fitted.to_floor(pixels), places, atol=0.01)


def test_only_who_is_seen_on_both_sides_is_asked_for() -> None:
    """With four detections in five gone at 2 fps, most crossings cannot be asked for; without, all can."""
    clear = scene.film(Cell("singles", 2, 1.0, 0.0, 0.0), 20)
    blind = scene.film(Cell("singles", 2, 1.8, 0.8, 0.0), 5)
    assert all(clear.seen)
    assert sum(blind.seen) < 0.3 * len(blind.seen)


def test_as_many_are_asked_for_as_were_wanted() -> None:
    """However many hide each other where they meet."""
    footage = scene.film(Cell("crossing", 2, 2.5, 0.4, 8.0), 100)
    pairs = zip(footage.walkers, footage.seen, strict=True)
    assert sum(seen and walker.crosses is not None for walker, seen in pairs) >= 100


def test_who_turns_back_never_crosses() -> None:
    """Half of the hesitant go back: their feet never come clearly beyond the line."""
    footage = scene.film(Cell("turning", 5, 1.8, 0.0, 0.0), 20)
    turned = [walker for walker in footage.walkers if walker.crosses is None]
    assert len(turned) >= 15
    for walker in turned:
        beyond = (walker.knots[:, 2] - scene.LINE_Y_M) * np.sign(walker.knots[0, 2] - scene.LINE_Y_M)
        assert beyond.min() >= -1e-9


def test_who_turned_back_is_a_walker_too() -> None:
    """Seen as often as who is asked for, they stand beside the crossings; seen hardly at all, they do not."""
    clear, blind = (scene.film(Cell("turning", 3, 1.8, drop, 0.0), 20) for drop in (0.0, 0.8))
    assert clear.turned == sum(walker.crosses is None for walker in clear.walkers)
    assert blind.turned < 0.6 * sum(walker.crosses is None for walker in blind.walkers)
    judged = judge(Cell("turning", 3, 1.8, 0.0, 0.0), clear, [])
    assert (judged.missed, judged.extra, judged.error) == (judged.asked, 0, 1.0)
    assert judged.walker_error == judged.asked / (judged.asked + clear.turned)
    assert judged.figures()["turned"] == clear.turned


def test_errors_do_not_cancel() -> None:
    """One missed and one invented are two errors, not none; what could not be asked for is neither."""
    judged = compare(
        [(1.0, "in"), (9.0, "in"), (20.0, "out")], [(1.2, "in"), (5.0, "in")], [(20.3, "out")], 1.0
    )
    assert (judged.missed, judged.extra, judged.error) == (1, 1, 1.0)


def test_of_two_who_cross_at_once_only_one_is_owed() -> None:
    """A count may be that of the one who could not be asked for; it is the other's all the same."""
    judged = compare([(1.0, "in")], [(1.3, "in")], [(1.0, "in")], 1.0)
    assert (judged.missed, judged.extra) == (0, 0)


def test_a_pattern_that_fits_no_cell_is_refused() -> None:
    """So is a peer that cannot run."""
    with pytest.raises(UsageError, match="no cell"):
        grid(["nothing/*"])
    with pytest.raises(DependencyError, match="peer"):
        bench_floor(
            grid(["singles/15fps/2.5m?s/drop0/jitter0"]), 1, "/nonexistent/python", 1, lambda *_: None
        )


@pytest.mark.parametrize(
    "cell",
    [
        Cell("singles", 2, 1.8, 0.0, 4.0),
        Cell("singles", 5, 1.0, 0.4, 8.0),
        Cell("pairs", 5, 1.0, 0.4, 4.0),
        Cell("steady", 3, 1.8, 0.2, 4.0),
        Cell("turning", 5, 1.0, 0.0, 4.0),
        Cell("turning", 5, 2.5, 0.0, 4.0),
        Cell("crossing", 10, 1.8, 0.2, 4.0),
    ],
    ids=lambda cell: cell.name,
)
def test_a_reduced_grid_is_counted(cell: Cell) -> None:
    """At most one crossing in 25 is wrong, missed and invented ones together."""
    footage = scene.film(cell, 25)
    judged = judge(cell, footage, count(footage))
    assert judged.asked >= 25
    assert judged.missed + judged.extra <= 1, judged


def test_a_file_of_walkers_is_not_handed_on_by_one() -> None:
    """Whose first is missed: the pair that fits stays together rather than two that fit badly."""
    cost = np.array([[0.8, 9.0], [0.1, 0.8]])
    assert assign(cost, 0.9) == [(1, 0)]
    assert assign(np.array([[0.2, 0.5], [0.1, 9.0]]), 0.9) == [(0, 1), (1, 0)]


def test_a_slow_camera_believes_after_three_strides() -> None:
    """Two frames a second and every other one missing: the walker is believed, and where the walk began is told."""
    tracker = Tracker(calibration())
    for i in range(16):
        seen = i % 2 == 0 or i < 2
        place = [(1.0 + 0.9 * i * 0.5, 4.0)] if seen else []
        tracker.step(observe(i * 500, boxes(place), calibration()))
        if i == 1:
            assert tracker.settle(500) == [(0, []), (500, [])]
    (person,) = tracker.settle(4_000)[-1][1]
    assert person.began is not None
    assert person.began.t_ms == 0
    assert person.began.place_m == pytest.approx((1.0, 4.0), abs=0.05)


def test_a_walk_that_began_before_it_was_believed_counts() -> None:
    """First seen clearly on one side, told on the other: one crossing; first seen too near to say: none."""
    line = Line.model_validate({"id": "l", "from": [0, -3], "to": [0, 3], "inside": [2, 0]})
    for first_x, crossings in ((-1.5, 1), (-0.3, 0)):
        counter = LineCounter(line)
        counter.begin(0, 1, (first_x, 0.0), sigma_m=0.4)
        told = [counter.step(1_000 + 200 * i, 1, (0.8 + 0.2 * i, 0.0)) for i in range(5)]
        assert sum(crossing is not None for crossing in told) == crossings
