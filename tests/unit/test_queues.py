"""Queues of the same counters, counters drawn over a queue, and counters by the wall: who waited, once, and for how long."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from walkers import lab

from branchloop import geometry
from branchloop.site.site import Zone
from edge.floor.counting.queueing import Wait
from edge.floor.counting.queues import Queues
from edge.floor.fusion.people import SitePerson
from edge.simulate import count

STEP_MS = 200
UNSEEN_MS = 20_000
Knot = tuple[float, float, float]
"""At this second, at this place (m)."""


def zone(
    id_: str, kind: str, west: float, east: float, north: float = 0.0, south: float = 8.0, **more: object
) -> Zone:
    """A rectangle."""
    polygon = [[west, north], [east, north], [east, south], [west, south]]
    return Zone.model_validate({"id": id_, "kind": kind, "polygon": polygon, **more})


SEATS = zone("seats", "queue", 0.5, 3, min_stay_s=5)
LINE = zone("line", "queue", 4, 6, min_stay_s=5)
COUNTER = zone("counter", "counter", 7, 9)


def waits(zones: list[Zone], *knots: Knot) -> tuple[dict[str, int], list[Wait]]:
    """Joins by queue, and the waits that ended, of somebody who walks straight from knot to knot and is seen no more."""
    queues = Queues(lab(()).model_copy(update={"zones": zones}))
    t, x, y = (np.array(values) for values in zip(*knots, strict=True))
    joined = {meter.zone.id: 0 for meter in queues.meters}
    ended: list[Wait] = []
    end_ms = round(t[-1] * 1000)
    for t_ms in range(round(t[0] * 1000), end_ms + UNSEEN_MS, STEP_MS):
        place = float(np.interp(t_ms / 1000, t, x)), float(np.interp(t_ms / 1000, t, y))
        people = [SitePerson(1, place, ())] if t_ms <= end_ms else []
        for meter, progress in queues.step(t_ms, t_ms + STEP_MS, people):
            joined[meter.zone.id] += progress.joined
            ended += progress.ended
    return joined, ended


@given(st.floats(0.1, 1.5), st.floats(0.0, 1.0), st.floats(10.0, 120.0))
def test_a_counter_drawn_over_its_queue_serves_once(overlap_m: float, share: float, stay_s: float) -> None:
    """However deep in the overlap somebody stands at the counter, and for however long: one wait, as long as with a gap."""
    stands_m = COUNTER.polygon[0][0] + 0.05 + share * (overlap_m - 0.1)
    queue = zone("queue", "queue", 2, COUNTER.polygon[0][0] + overlap_m)
    way = (
        (0, 1, 4),
        (2, 4, 4),
        (60, 4, 4),
        (64, stands_m, 4),
        (64 + stay_s, stands_m, 4),
        (70 + stay_s, 9.9, 4),
    )
    joined, (wait,) = waits([queue, COUNTER], *way)
    assert joined == {"queue": 1}
    assert wait.outcome == "served"
    assert wait.end_ms == pytest.approx((60 + 4 * 3 / (stands_m - 4)) * 1000, abs=STEP_MS)


def test_who_walks_to_a_counter_that_is_free_waits_for_nothing() -> None:
    """Two minutes at a counter that was drawn over the queue, and nobody waited."""
    queue = zone("queue", "queue", 5, 7.5)
    joined, ended = waits([queue, COUNTER], (0, 3, 4), (3, 7.2, 4), (120, 7.2, 4), (123, 3, 4))
    assert (joined, ended) == ({"queue": 0}, [])


PLACES = st.tuples(st.floats(0.2, 9.8), st.floats(1.0, 60.0))


@given(st.lists(PLACES, min_size=2, max_size=9), st.floats(-1.0, 1.0), st.floats(-1.0, 2.0), st.booleans())
def test_nobody_waits_twice_at_once(
    stays: list[tuple[float, float]], overlap_m: float, seats_overlap_m: float, line_first: bool
) -> None:
    """Between seats, line and counter in any order, drawn over each other or not.

    No wait overlaps another, and nobody is served again before leaving the counter.
    """
    line = zone("line", "queue", 4, 7 + overlap_m, min_stay_s=5)
    seats = zone("seats", "queue", 0.5, 4 + seats_overlap_m, min_stay_s=5)
    queues = [line, seats] if line_first else [seats, line]
    knots: list[Knot] = [(0, 0.2, 4)]
    for x_m, stay_s in stays:
        there_s = knots[-1][0] + 0.5 + abs(x_m - knots[-1][1]) / 1.2
        knots += [(there_s, x_m, 4), (there_s + stay_s, x_m, 4)]
    joined, ended = waits([*queues, COUNTER], *knots)
    ended.sort(key=lambda wait: (wait.end_ms, wait.start_ms))
    assert len(ended) <= sum(joined.values())
    assert len(ended) == 0 or sum(joined.values()) > 0
    for one, other in itertools.pairwise(ended):
        assert one.end_ms <= other.start_ms
    t, x, _ = zip(*knots, strict=True)
    served = [wait.end_ms for wait in ended if wait.outcome == "served"]
    for one_ms, other_ms in itertools.pairwise(served):
        between = np.interp(np.arange(one_ms + STEP_MS, other_ms, STEP_MS) / 1000, t, x)
        assert any(not geometry.contains(COUNTER.polygon, (float(x_m), 4.0)) for x_m in between)


@pytest.mark.parametrize("first", ["one", "two"])
def test_queues_drawn_over_each_other_serve_once(first: str) -> None:
    """Who stands where two queues of the same counters overlap waits in the one that is named first."""
    queues = {"one": zone("one", "queue", 2, 6), "two": zone("two", "queue", 3, 6.5)}
    zones = [queues.pop(first), *queues.values(), COUNTER]
    way = ((0, 0.5, 4), (2, 4.5, 4), (60, 4.5, 4), (62, 8, 4), (120, 8, 4))
    joined, (wait,) = waits(zones, *way)
    assert (wait.outcome, wait.served_in) == ("served", "counter")
    assert wait.wait_ms == pytest.approx(60_000, abs=2_500)
    standing = sum(
        queue.person_ms
        for settled in count(
            lab(()).model_copy(update={"zones": zones, "lines": []}),
            [(t_ms, {1: (4.5, 4.0)}) for t_ms in range(0, 60_000, STEP_MS)],
        )
        for window in settled.windows
        for queue in window.queues
    )
    assert standing == pytest.approx(60_000, abs=STEP_MS)
    assert joined[first] == 1


def test_from_seats_to_the_line_is_one_wait() -> None:
    """Two minutes on seats, 76 s in the line, served: one wait of all that time, told of the line; nobody abandoned the seats."""
    way = ((0, 3.5, 4), (2, 2, 4), (120, 2, 4), (124, 5, 4), (200, 5, 4), (203, 8, 4), (300, 8, 4))
    joined, (wait,) = waits([SEATS, LINE, COUNTER], *way)
    assert joined == {"seats": 1, "line": 1}
    assert (wait.queue, wait.outcome, wait.served_in) == ("line", "served", "counter")
    assert wait.wait_ms == pytest.approx(201_300, abs=STEP_MS)


def test_from_the_line_to_seats_and_back_is_one_wait() -> None:
    """Sits down for a minute in between."""
    way = (
        (0, 3.5, 4),
        (1, 5, 4),
        (40, 5, 4),
        (43, 2, 4),
        (103, 2, 4),
        (106, 5, 4),
        (130, 5, 4),
        (133, 8, 4),
        (160, 8, 4),
    )
    joined, (wait,) = waits([SEATS, LINE, COUNTER], *way)
    assert joined == {"seats": 1, "line": 2}
    assert (wait.queue, wait.outcome) == ("line", "served")
    assert wait.wait_ms == pytest.approx(131_700, abs=STEP_MS)


def test_who_is_called_from_the_seats_through_the_line_waited_on_the_seats() -> None:
    """Three seconds through the line are no wait in it."""
    way = ((0, 3.5, 4), (2, 2, 4), (120, 2, 4), (126, 8, 4), (200, 8, 4))
    joined, (wait,) = waits([SEATS, LINE, COUNTER], *way)
    assert joined == {"seats": 1, "line": 0}
    assert (wait.queue, wait.outcome) == ("seats", "served")
    assert wait.wait_ms == pytest.approx(124_300, abs=STEP_MS)


def test_a_line_that_is_joined_late_keeps_nobody_from_being_served() -> None:
    """Fifty seconds in a line whose `min_stay_s` is a minute: the wait is that of the seats, however long ago they were left."""
    line = zone("line", "queue", 4, 6, min_stay_s=60)
    way = ((0, 3.5, 4), (2, 2, 4), (60, 2, 4), (64, 5, 4), (114, 5, 4), (118, 8, 4), (200, 8, 4))
    joined, (wait,) = waits([SEATS, line, COUNTER], *way)
    assert joined == {"seats": 1, "line": 0}
    assert (wait.queue, wait.outcome) == ("seats", "served")


def test_who_gives_up_in_the_line_gave_up_once() -> None:
    """From the seats to the line and off the plan: abandoned by the line alone, after all the time waited."""
    way = ((0, 3.5, 4), (2, 2, 4), (60, 2, 4), (64, 5, 4), (100, 5, 4), (104, 5, 8.2))
    line = zone("line", "queue", 4, 6, 3, 6, min_stay_s=5)
    joined, (wait,) = waits([SEATS, line, COUNTER], *way)
    assert joined == {"seats": 1, "line": 1}
    assert (wait.queue, wait.outcome) == ("line", "abandoned")
    assert wait.wait_ms == pytest.approx(101_200, abs=STEP_MS)


@pytest.mark.parametrize("stay_s", [2, 30])
def test_who_is_lost_in_the_line_is_lost_once(stay_s: float) -> None:
    """Whether the line was joined or not, and though it stands by the wall: nobody left."""
    line = zone("line", "queue", 4, 6, 6, 8, min_stay_s=5)
    way = ((0, 3.5, 4), (2, 2, 4), (60, 2, 7), (63, 5, 7.5), (63 + stay_s, 5, 7.5))
    _, (wait,) = waits([SEATS, line, COUNTER], *way)
    assert (wait.queue, wait.outcome) == ("line" if stay_s > 5 else "seats", "lost")


def test_a_beginning_that_nobody_saw_stays_unseen() -> None:
    """First seen deep among the seats: the wait that ends from the line has no known duration."""
    way = ((0, 1.7, 4), (60, 1.7, 4), (63, 5, 4), (100, 5, 4), (103, 8, 4), (150, 8, 4))
    _, (wait,) = waits([SEATS, LINE, COUNTER], *way)
    assert (wait.queue, wait.outcome, wait.wait_ms) == ("line", "lost", None)


def test_queues_of_other_counters_are_two() -> None:
    """Who leaves the line of one counter for that of another has abandoned the first."""
    seats = SEATS.model_copy(update={"served_in": ["machine"]})
    line = LINE.model_copy(update={"served_in": ["counter"]})
    machine = zone("machine", "self-service", 9.2, 9.9)
    way = ((0, 3.5, 4), (2, 2, 4), (60, 2, 4), (64, 5, 4), (100, 5, 4), (103, 8, 4), (150, 8, 4))
    _, ended = waits([seats, line, COUNTER, machine], *way)
    assert [(wait.queue, wait.outcome) for wait in ended] == [("seats", "abandoned"), ("line", "served")]


def test_who_was_served_from_the_line_walks_back_past_the_seats() -> None:
    """Ten seconds at the seats after the counter are no new wait there."""
    way = (
        (0, 3.5, 4),
        (1, 5, 4),
        (40, 5, 4),
        (43, 8, 4),
        (80, 8, 4),
        (85, 2, 4),
        (93, 2, 4),
        (95, 3.5, 4),
        (96, 3.5, 4),
    )
    joined, (wait,) = waits([SEATS, LINE, COUNTER], *way)
    assert joined == {"seats": 0, "line": 1}
    assert wait.outcome == "served"


@pytest.mark.parametrize(("stay_s", "outcome"), [(0.5, "lost"), (4.0, "served")])
def test_who_is_lost_at_a_counter_by_the_wall_has_not_gone(stay_s: float, outcome: str) -> None:
    """The plan ends behind the counter, and no way leads out there."""
    line = zone("line", "queue", 4, 6, 3, 6, min_stay_s=5)
    counter = zone("counter", "counter", 2, 8, 0.2, 1.4)
    way = ((0, 3.5, 4), (2, 5, 4), (120, 5, 4), (123, 5, 0.9), (123 + stay_s, 5, 0.9))
    _, (wait,) = waits([line, counter], *way)
    assert wait.outcome == outcome


def test_windows_add_up_to_one_wait() -> None:
    """Over all queues of the branch: one served, after all the time waited, and time in queues is counted where it passed."""
    site = lab(()).model_copy(update={"zones": [SEATS, LINE, COUNTER], "lines": []})
    t, x = (0, 2, 60, 64, 100, 103, 130), (3.5, 2, 2, 5, 5, 8, 8)
    moments = [(t_ms, {1: (float(np.interp(t_ms / 1000, t, x)), 4.0)}) for t_ms in range(0, 130_000, STEP_MS)]
    queues = [
        queue for settled in count(site, moments) for window in settled.windows for queue in window.queues
    ]
    assert sum(queue.served.count for queue in queues) == 1
    assert sum(queue.abandoned.count + queue.lost for queue in queues) == 0
    assert sum(queue.served.sum_ms for queue in queues) == pytest.approx(101_300, abs=2 * STEP_MS)
    assert sum(queue.person_ms for queue in queues if queue.queue == "seats") == pytest.approx(
        60_700, abs=900
    )
    assert sum(queue.person_ms for queue in queues if queue.queue == "line") == pytest.approx(38_300, abs=900)


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.floats(0.0, 8.0)] * 4), st.tuples(*[st.floats(0.5, 4.0)] * 4))
def test_shared_area_of_rectangles_is_exact(corner: tuple[float, ...], size: tuple[float, ...]) -> None:
    """As their bounding boxes share all of it, whichever is named first."""
    one, other = (
        [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]
        for x, y, w, h in ((*corner[:2], *size[:2]), (*corner[2:], *size[2:]))
    )
    wide, high = (
        max(0.0, min(corner[i] + size[i], corner[i + 2] + size[i + 2]) - max(corner[i], corner[i + 2]))
        for i in (0, 1)
    )
    assert geometry.shared_area(one, other) == pytest.approx(wide * high, rel=1e-6, abs=1e-9)
    assert geometry.shared_area(other, one) == pytest.approx(wide * high, rel=1e-6, abs=1e-9)


def test_shared_area_of_a_corner() -> None:
    """A triangle and a square, to a hundredth."""
    triangle, square = [(0.0, 0.0), (4.0, 0.0), (0.0, 4.0)], [(1.0, 1.0), (5.0, 1.0), (5.0, 5.0), (1.0, 5.0)]
    assert geometry.shared_area(triangle, square) == pytest.approx(2.0, rel=0.02)


POINTS = st.tuples(st.floats(-1.0, 5.0), st.floats(-1.0, 5.0))


@given(POINTS, POINTS, st.sampled_from([(0.5, 0.5), (4.5, 3.5)]))
def test_a_line_parts_an_area_in_two(a: geometry.Point, b: geometry.Point, p: geometry.Point) -> None:
    """Of a room with a corner, wherever the line runs."""
    assume(geometry.distance(a, b) > 0.2 and abs(geometry.side(a, b, p)) > 0.05)
    room = [(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0)]
    dx, dy = b[0] - a[0], b[1] - a[1]
    away = -geometry.side(a, b, p) / (dx * dx + dy * dy) ** 0.5
    mirrored = (p[0] - 2 * away * dy, p[1] + 2 * away * dx)
    parts = [geometry.area_beside(room, a, b, point) for point in (p, mirrored)]
    assert sum(parts) == pytest.approx(geometry.area(room))
    assert all(part >= 0 for part in parts)


def test_the_area_beside_a_line() -> None:
    """Of a room with a corner, left of a line through both of its arms."""
    room = [(0.0, 0.0), (4.0, 0.0), (4.0, 1.0), (1.0, 1.0), (1.0, 3.0), (0.0, 3.0)]
    assert geometry.area_beside(room, (0.5, 0.0), (0.5, 3.0), (0.0, 1.0)) == pytest.approx(1.5)
    assert geometry.area_beside(room, (0.5, 0.0), (0.5, 3.0), (9.0, 1.0)) == pytest.approx(4.5)
    assert geometry.area_beside(room, (0.0, 9.0), (1.0, 9.0), (0.0, 10.0)) == 0.0
