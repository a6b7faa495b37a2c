"""Lines, zones, heat and windows on synthetic walks with known truth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from walkers import lab

from branchloop.site.site import Line, Site, Zone
from branchloop.wire.messages import Window
from edge.floor.counting.joints import reaches
from edge.floor.counting.lines import LineCounter
from edge.floor.counting.zones import Visit, ZoneMeter
from edge.floor.fusion.people import SitePerson, Stretch
from edge.floor.sight import Sight
from edge.floor.watch import Watch
from edge.floor.windows import CameraQuality, ClosedBy, WindowBook
from edge.simulate import count

LINE = Line.model_validate({"id": "l", "from": [0, -3], "to": [0, 3], "inside": [2, 0]})


def crossings(path: list[tuple[float, float]], step_ms: int = 200) -> list[str]:
    counter = LineCounter(LINE)
    found = [counter.step(i * step_ms, 1, place) for i, place in enumerate(path)]
    return [crossing.direction for crossing in found if crossing is not None]


def test_walking_through_counts_once_in_its_direction() -> None:
    """There and back is one in and one out."""
    there = [(x / 10, 0.0) for x in range(-20, 21)]
    assert crossings(there) == ["in"]
    assert crossings(there + there[::-1]) == ["in", "out"]


@given(st.lists(st.floats(-0.19, 0.19), min_size=2, max_size=60))
def test_swaying_on_the_line_counts_nothing(offsets: list[float]) -> None:
    """Whoever stands on the line and sways has not crossed it."""
    assert crossings([(-1.0, 0.0), *((x, 0.0) for x in offsets), (-1.0, 0.0)]) == []


@pytest.mark.parametrize(("last_x", "after"), [(0.25, ["in"]), (0.15, []), (-0.25, [])])
def test_who_was_last_seen_beyond_the_line_has_crossed(last_x: float, after: list[str]) -> None:
    """Not while more may be seen; and where the last place tells no side, none is told."""
    counter = LineCounter(LINE)
    for i, x in enumerate((-1.0, -0.5, last_x)):
        assert counter.step(200 * i, 1, (x, 0.0), 0.2) is None
    assert counter.gone(400) == []
    assert [crossing.direction for crossing in counter.gone(401)] == after
    assert counter.gone(401) == []


@pytest.mark.parametrize(
    ("path", "step_ms", "precise", "after"),
    [
        ((-1.0, -0.5, -0.05), 500, True, ["in"]),  # walks on, and is 0.18 m beyond half a step later
        ((-1.0, -0.5, -0.05), 1_200, True, []),  # the frame before is too long ago to tell
        ((-1.0, -0.5, -0.05), 500, False, []),  # where frames are many, the next would have told
        ((-0.4, -0.3, -0.05), 500, True, []),  # is hardly beyond
        ((-1.0, 0.6, 0.15), 500, True, []),  # comes back
    ],
)
def test_who_was_last_seen_walking_went_on(
    path: tuple[float, ...], step_ms: int, precise: bool, after: list[str]
) -> None:
    counter = LineCounter(LINE)
    found = [
        counter.step(step_ms * i, 1, (x, 0.0), 0.4, 0.2 if precise else None) for i, x in enumerate(path)
    ]
    found += counter.gone(10_000)
    assert [crossing.direction for crossing in found if crossing is not None] == after
    assert counter.gone(10_000) == []


@pytest.mark.parametrize(("back_x", "after"), [(-1.0, ["out"]), (1.0, [])])
def test_who_is_seen_again_comes_from_where_they_had_gone(back_x: float, after: list[str]) -> None:
    """Told to have crossed: seen where they came from, they came back meanwhile; farther on, nothing more is told."""
    counter = LineCounter(LINE)
    for i, x in enumerate((-1.0, -0.5, -0.05)):
        assert counter.step(500 * i, 1, (x, 0.0), 0.4, 0.2) is None
    (gone,) = counter.gone(4_000)
    assert gone.direction == "in"
    assert gone.place_m == pytest.approx((0.0, 0.0))
    assert 1_000 < gone.at_ms < 1_250
    found = [counter.step(t_ms, 1, (back_x, 0.0), 0.4, 0.2) for t_ms in (5_000, 5_500)]
    crossings = [crossing for crossing in found if crossing is not None]
    assert [crossing.direction for crossing in crossings] == after
    assert all(gone.at_ms < crossing.at_ms < 5_000 for crossing in crossings)


@pytest.mark.parametrize(
    ("path", "assumed", "learnt"),
    [
        ((-0.15, -0.1, 1.0), [], ["in"]),  # begins nearly on the line
        ((-1.0, -0.5, 0.68), ["in"], []),  # goes on, 3.4 standard deviations beyond
        ((-1.0, -0.5, 0.72), ["in"], ["in"]),
        ((0.05, 0.0, 1.0), [], []),  # nobody can tell
    ],
)
def test_what_was_learnt_of_a_camera_is_taken_at_its_word(
    path: tuple[float, ...], assumed: list[str], learnt: list[str]
) -> None:
    """Less is enough at the ends of a path, and more is asked of who goes on."""
    for precise_m, expected in ((None, assumed), (0.2, learnt)):
        counter = LineCounter(LINE)
        told = [counter.step(500 * i, 1, (x, 0.0), 0.2, precise_m) for i, x in enumerate(path)]
        assert [crossing.direction for crossing in told if crossing is not None] == expected


@given(st.lists(st.floats(-0.19, 0.19), min_size=2, max_size=60))
def test_who_sways_counts_nothing_however_precise_a_camera_is(offsets: list[float]) -> None:
    """Who came up to the line and stands on it has not crossed."""
    counter = LineCounter(LINE)
    told = [counter.step(500 * i, 1, (x, 0.0), 0.1, 0.05) for i, x in enumerate((-1.0, *offsets, -1.0))]
    assert not any(told)


def test_who_had_gone_and_comes_again_goes_out_again() -> None:
    """A person found again after all stands where the crossing had said."""
    counter = LineCounter(LINE)
    for i, x in enumerate((-1.0, -0.5, 0.25)):
        counter.step(200 * i, 1, (x, 0.0), 0.2)
    assert len(counter.gone(5_000)) == 1
    told = [counter.step(5_000 + 200 * i, 1, (x, 0.0), 0.2) for i, x in enumerate((0.1, -0.5, -1.0))]
    assert [crossing.direction for crossing in told if crossing is not None] == ["out"]


@given(
    st.sampled_from(
        [
            (0.0, 0.0),
            (0.05, 0.0),
            (0.15, 0.0),
            (-0.02, 0.0),
            (-0.1, 0.0),
            (-0.18, 0.0),
            (0.0, -1.0),
            (0.0, 1.0),
            (0.0, 2.5),
        ]
    ),
    st.integers(-240, 240),
    st.sampled_from(range(8)),
)
@example((-0.1, 0.0), -10, 0)
@example((0.05, 0.0), 5, 0)
def test_who_passes_where_two_lines_meet_crosses_one(
    ends: tuple[float, float], at_half_cm: int, turned: int
) -> None:
    """A door drawn as two lines, straight on, with a little gap, over each other or with a bend, whichever of their ends meet."""
    gap_m, bend_m = ends
    first = {"id": "a", "from": [0, -3], "to": [0, 0], "inside": [2, -1]}
    second = {"id": "b", "from": [0, gap_m], "to": [bend_m, 3], "inside": [4, 1.5]}
    for line, bit in ((first, 1), (second, 2)):
        if turned & bit:
            line["from"], line["to"] = line["to"], line["from"]
    lines = [Line.model_validate(line) for line in (first, second)][:: -1 if turned & 4 else 1]
    counters = [LineCounter(line, reach_m) for line, reach_m in zip(lines, reaches(lines), strict=True)]
    path = [(x / 10, at_half_cm / 200) for x in range(-20, 41)]
    told = [counter.step(200 * i, 1, place) for i, place in enumerate(path) for counter in counters]
    assert [crossing.direction for crossing in told if crossing is not None] == ["in"]


def test_a_line_beside_another_is_not_cut() -> None:
    """An entrance and, 15 cm behind it, a longer line for something else: who comes in at its end is in both."""
    door = Line.model_validate({"id": "door", "from": [0, -1], "to": [0, 1], "inside": [2, 0]})
    hall = Line.model_validate({"id": "hall", "from": [0.15, -1.05], "to": [0.15, 1.05], "inside": [2, 0]})
    counters = [
        LineCounter(line, reach_m) for line, reach_m in zip((door, hall), reaches((door, hall)), strict=True)
    ]
    for at_m in (-0.98, 0.93, 0.98):
        told = [
            counter.step(200 * i, round(100 * at_m), (x / 10, at_m))
            for i, x in enumerate(range(-20, 21))
            for counter in counters
        ]
        assert [crossing.line for crossing in told if crossing is not None] == ["door", "hall"]


def test_passing_round_the_end_counts_nothing() -> None:
    """The line has ends."""
    assert crossings([(x / 10, 3.5) for x in range(-20, 21)]) == []


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=2, max_size=80))
def test_in_minus_out_is_where_one_stands(path: list[tuple[float, float]]) -> None:
    """Crossings alternate, and their balance says on which side a person who is clearly off the line is."""
    path = [(-1.5, 0.0), *path, (1.5, 0.0)]
    found = crossings(path, step_ms=2_000)
    assert all(a != b for a, b in itertools.pairwise(found))
    assert found.count("in") - found.count("out") == 1


def test_nobody_jumps_over_a_line() -> None:
    """An id that is suddenly far away on the other side has not walked there."""
    assert crossings([(-3.0, 0.0), (-2.8, 0.0), (1.5, 0.0), (1.7, 0.0)]) == []


def test_two_people_are_two_people() -> None:
    """A walk is never continued by another person's."""
    counter = LineCounter(LINE)
    assert counter.step(0, 1, (-1.0, 0.0)) is None
    assert counter.step(200, 2, (1.0, 0.0)) is None


@st.composite
def floors(draw: st.DrawFn) -> list[tuple[int, dict[int, tuple[float, float]]]]:
    """Moments with people anywhere on the floor, now and then off it."""
    times = sorted(draw(st.sets(st.integers(0, 40_000), min_size=2, max_size=60)))
    people = st.dictionaries(
        st.integers(1, 6), st.tuples(st.floats(-0.5, 10.5), st.floats(-0.5, 8.5)), max_size=5
    )
    return [(t_ms, draw(people)) for t_ms in times]


@given(floors())
@settings(max_examples=60, deadline=None)
def test_heat_is_exactly_the_time_spent(moments: list[tuple[int, dict[int, tuple[float, float]]]]) -> None:
    """Σ heat = Σ person time = what the moments say, to the millisecond, however windows cut it."""
    site = lab(())
    windows = [window for settled in count(site, moments) for window in settled.windows]
    truth_ms = sum(
        min(after - t_ms, 1_000) * sum(site.plan.holds(place) for place in places.values())
        for (t_ms, places), (after, _) in zip(moments, [*moments[1:], (moments[-1][0] + 1, {})], strict=True)
    )
    assert sum(window.person_ms for window in windows) == truth_ms
    assert sum(sum(window.heat.mps) for window in windows if window.heat) == truth_ms
    assert all(window.observed_ms <= window.expected_ms for window in windows)
    assert [window.start_ms for window in windows] == sorted({window.start_ms for window in windows})


def windows_of(path: dict[int, tuple[float, float]], until_ms: int) -> list[Window]:
    moments = [(t_ms, {1: path[t_ms]} if t_ms in path else {}) for t_ms in range(0, until_ms, 200)]
    return [window for settled in count(lab(()), moments) for window in settled.windows]


def test_a_visit_ends_with_its_dwell() -> None:
    """Ten seconds in the zone are one visit of ten seconds, told in the window in which it ended."""
    path = {t: (7.0 if 2_000 <= t < 12_000 else 2.0, 4.0) for t in range(0, 20_000, 200)}
    zones = [window.zones[0] for window in windows_of(path, 20_000)]
    assert sum(zone.entries for zone in zones) == 1
    assert sum(zone.dwell.count for zone in zones) == 1
    assert sum(zone.dwell.sum_ms for zone in zones) == pytest.approx(10_000, abs=400)
    assert sum(zone.person_ms for zone in zones) == 10_000


@given(st.floats(0.5, 6.0), st.floats(0.0, 1.0), st.sampled_from([100, 143, 200, 333, 500]))
def test_a_visit_lasts_from_border_to_border_at_any_frame_rate(
    dwell_s: float, phase: float, period_ms: int
) -> None:
    """Who walks through a zone is a visit by the time spent in it, not by the frames that showed it."""
    zone = Zone.model_validate(
        {"id": "z", "kind": "waiting", "min_stay_s": 3.0, "polygon": [[4, 0], [6, 0], [6, 8], [4, 8]]}
    )
    meter, found = ZoneMeter(zone), list[Visit]()
    speed = 2.0 / dwell_s
    for t_ms in range(round(phase * period_ms), round(20_000 + 4_000 * dwell_s), period_ms):
        place = (speed * (t_ms / 1000) + 4 - 2 * speed, 4.0)
        found += meter.step(t_ms, t_ms + period_ms, 1, place, inside=meter.holds(place))
    begun, ended = [v for v in found if v.end_ms is None], [v for v in found if v.end_ms is not None]
    assert len(begun) == len(ended)
    if abs(dwell_s - 3.0) > 0.01:
        assert bool(begun) == (dwell_s > 3.0)
    for visit in ended:
        assert visit.start_ms == pytest.approx(2_000, abs=3)
        assert visit.end_ms == pytest.approx(2_000 + dwell_s * 1000, abs=3)


def test_a_step_over_the_border_is_no_second_visit() -> None:
    """One second outside does not end a visit."""
    path = {t: (7.0 if t < 5_000 or 6_000 <= t < 12_000 else 2.0, 4.0) for t in range(0, 20_000, 200)}
    zones = [window.zones[0] for window in windows_of(path, 20_000)]
    assert sum(zone.dwell.count for zone in zones) == 1


def test_time_nobody_observed_is_a_gap() -> None:
    """A window without an observing camera has no people, which is not zero people."""
    book = WindowBook(lab(()), "test")
    book.begin(0)
    book.stretch(Stretch(0, 2_000, (SitePerson(1, (1, 1), ()),), frozenset({"north"}), frozenset()))
    book.stretch(Stretch(2_000, 5_000, (), frozenset(), frozenset()))
    (window,) = book.close(5_000, {}, lambda _start: ())
    assert window.observed_ms == 2_000
    assert window.person_ms == 2_000
    assert window.people_end is None


def _doors(site: Site) -> list[Line]:
    """One in the west, one in the east, one half in each."""
    return [
        site.lines[0].model_copy(
            update={"id": name, "from_": (start, 4.0), "to": (end, 4.0), "inside": (5.0, 6.0)}
        )
        for name, start, end in (("west", 1.0, 3.0), ("east", 6.0, 8.0), ("middle", 4.0, 6.0))
    ]


def test_what_is_on_the_floor_is_observed_by_the_cameras_that_see_it() -> None:
    """One camera of two is out: whom the other sees is counted over the whole time, of what it does not see nothing is known."""
    site = lab(("north", "south"))
    west = np.tile(np.arange(site.plan.cols) * site.plan.cell_m < 5.0, (site.plan.rows, 1))
    near = Zone.model_validate({"id": "near", "kind": "queue", "polygon": [[0, 0], [4, 0], [4, 4], [0, 4]]})
    far = Zone.model_validate({"id": "far", "kind": "queue", "polygon": [[6, 0], [9, 0], [9, 4], [6, 4]]})
    both = Zone.model_validate({"id": "both", "kind": "waiting", "polygon": [[3, 0], [7, 0], [7, 4], [3, 4]]})
    watched = site.model_copy(update={"zones": [near, far, both], "lines": _doors(site)})
    sights = {"north": Sight(site.plan, west), "south": Sight(site.plan, ~west)}
    watch = Watch(site.plan, watched.zones, watched.lines, sights)
    book = WindowBook(watched, "test", watch)
    book.begin(0)
    up = CameraQuality("up", 0.01)
    here = (SitePerson(1, (1.0, 1.0), ()),)
    book.stretch(Stretch(0, 2_000, here, frozenset({"north", "south"}), frozenset()))
    book.stretch(Stretch(2_000, 5_000, here, frozenset({"north"}), frozenset()))
    (window,) = book.close(5_000, {camera.id: up for camera in site.cameras}, lambda _start: ())
    assert (window.observed_ms, window.looked_ms, window.person_ms) == (7_000, 5_000, 5_000)
    assert {zone.zone: zone.looked_ms for zone in window.zones} == {
        "near": 5_000,
        "far": 2_000,
        "both": 5_000,
    }
    assert {queue.queue: queue.looked_ms for queue in window.queues} == {"near": 5_000, "far": 2_000}
    assert {line.line: line.looked_ms for line in window.lines} == {
        "west": 5_000,
        "east": 2_000,
        "middle": 3_500,
    }
    assert {queue.queue: queue.waiting_end for queue in window.queues}["far"] is None
    assert {queue.queue: queue.waiting_end for queue in window.queues}["near"] is not None


def test_what_no_camera_sees_is_never_watched() -> None:
    """Nobody is counted there, which is not nobody; floor tracks without a camera see everything."""
    site = lab(())
    nowhere = Sight(site.plan, np.zeros((site.plan.rows, site.plan.cols), dtype=np.bool_))
    parts = [("line", site.lines[0].id), ("zone", site.zones[0].id)]
    for sights, unseen in (({"north": nowhere}, parts), (dict[str, Sight](), [])):
        watch = Watch(site.plan, site.zones, site.lines, sights)
        assert watch.unseen() == unseen
        for observing in (frozenset({"north"}), frozenset[str]()):
            watched = bool(observing) and not unseen
            assert watch.zone(site.zones[0].id, observing) is watched
            assert watch.line(site.lines[0].id, observing) == float(watched)


@pytest.mark.parametrize("closed_by", ["time", "stop"])
def test_an_outage_of_hours_is_told_window_by_window(closed_by: ClosedBy) -> None:
    """Each says that nothing was observed, however late it is told."""
    windows = leap(6 * 3_600_000, closed_by)
    assert [window.start_ms for window in windows] == list(range(0, 6 * 3_600_000 + 5_000, 5_000))
    assert [window.observed_ms for window in windows] == [5_000, *[0] * (len(windows) - 2), 5_000]
    assert all(window.people_end is None for window in windows[1:-1])


@pytest.mark.parametrize("closed_by", ["time", "stop"])
@pytest.mark.parametrize("years", [0.1, 50])
def test_a_leap_of_time_beyond_any_outage_makes_no_windows(years: float, closed_by: ClosedBy) -> None:
    """A clock that was set without anybody noticing: what was watched before and after is told, nothing else."""
    by_ms = round(years * 365 * 86_400_000) // 5_000 * 5_000
    windows = leap(by_ms, closed_by)
    assert [(window.start_ms, window.observed_ms) for window in windows] == [(0, 5_000), (by_ms, 5_000)]


def leap(by_ms: int, closed_by: ClosedBy) -> list[Window]:
    """One window is watched, and one `by_ms` later; only then is anything closed."""
    book = WindowBook(lab(()), "test")
    book.begin(0)
    for start_ms in (0, by_ms):
        book.stretch(Stretch(start_ms, start_ms + 5_000, (), frozenset({"north"}), frozenset()))
    return book.close(by_ms + 5_000, {}, lambda _start: (), closed_by)


def test_a_window_is_cut_at_the_end_of_a_run() -> None:
    """Stopping closes the unfinished window and says why."""
    windows = windows_of(dict.fromkeys(range(0, 7000, 200), (1.0, 1.0)), 7_000)
    assert [window.closed_by for window in windows] == ["time", "stop"]
    assert math.isclose(sum(window.person_ms for window in windows), 6_801, abs_tol=1)
