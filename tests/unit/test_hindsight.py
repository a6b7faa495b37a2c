"""Fixes dealt out anew: nothing is lost, what is final stays, and people who were mixed up are told apart."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from walkers import calibration

from edge.accuracy import counting_scene as scene
from edge.accuracy.counting_scene import Cell
from edge.bench.floor import count, judge
from edge.floor.tracking.attendance import NOBODY, Attendance
from edge.floor.tracking.borders import Borders
from edge.floor.tracking.dealing import Dealer
from edge.floor.tracking.hindsight import MOST_LOOKS, MOST_PAIRS, _Search, reconsider
from edge.floor.tracking.neighbours import nearest
from edge.floor.tracking.switching import Switching
from edge.floor.tracking.trail import Fixes, Trail

Array = NDArray[np.float64]
Walks = list[list[tuple[int, float, float]]]
"""Per trail: frame, x_m, y_m."""
FRAME_MS = 200
FLOOR_M = (10.0, 8.0)


def window(walks: Walks, worn: list[float] | None = None, inside_m: float = 3.0) -> tuple[list[Trail], Fixes]:
    """Trails and fixes of walks, each with clothes of its own if any; σ 0.1 m, frames 0.2 s apart, far from any border."""
    order = sorted((frame, number, x, y) for number, walk in enumerate(walks) for frame, x, y in walk)
    last = max(frame for frame, *_ in order)
    colour = np.full((len(order), 6), np.nan)
    for row, (_, number, *_) in enumerate(order):
        if worn is not None:
            colour[row] = worn[number]
    fixes = Fixes(
        np.array([frame * FRAME_MS for frame, *_ in order]),
        np.array([(x, y) for *_, x, y in order]),
        np.tile(0.01 * np.eye(2), (len(order), 1, 1)),
        colour,
        np.array([(100 * x, 0, 100 * x + 40, 100 * y) for *_, x, y in order]),
        np.full(len(order), inside_m),
        [frame * FRAME_MS for frame in range(last + 1)],
        Borders(calibration(), FLOOR_M),
    )
    trails = [
        Trail(tuple(row for row, (_, owner, *_) in enumerate(order) if owner == number))
        for number in range(len(walks))
    ]
    return trails, fixes


def places(trail: Trail, fixes: Fixes) -> list[tuple[float, float]]:
    """Where a trail goes."""
    return [(round(float(x), 2), round(float(y), 2)) for x, y in fixes.feet_m[list(trail.walk)]]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 12), st.tuples(st.floats(0, 4), st.floats(0, 4)), min_size=1),
        min_size=1, max_size=4,
    ),
    st.integers(0, 3),
    st.booleans(),
)  # fmt: skip
def test_no_fix_is_lost_or_had_twice(
    walks: list[dict[int, tuple[float, float]]], final: int, closely: bool
) -> None:
    """Whatever the fixes: each is in one trail, in time order, and what is final stays where it was."""
    trails, fixes = window([[(frame, *place) for frame, place in walk.items()] for walk in walks])
    for trail in trails:
        trail.final = min(final, len(trail.walk))
    before = [trail.walk for trail in trails]
    reconsider(trails, fixes, closely=closely, dealt=closely)
    assert sorted(itertools.chain.from_iterable(trail.walk for trail in trails)) == list(
        range(len(fixes.t_ms))
    )
    for trail, was in zip(trails, before, strict=False):
        assert trail.walk[: trail.final] == was[: trail.final]
        assert trail.changed or trail.walk == was
    for trail in trails:
        assert (np.diff(fixes.t_ms[list(trail.walk)]) > 0).all()


def test_two_who_met_go_on_straight() -> None:
    """Each was taken for the other where they met, so both seem to turn back: nobody does."""
    frames = range(21)
    up, down = [(f, 2.0, 0.2 * f) for f in frames], [(f, 2.3, 4.0 - 0.2 * f) for f in frames]
    trails, fixes = window([up[:10] + down[10:], down[:10] + up[10:]])
    reconsider(trails, fixes, closely=False)
    assert places(trails[0], fixes) == [(x, round(y, 2)) for _, x, y in up]
    assert places(trails[1], fixes) == [(x, round(y, 2)) for _, x, y in down]


def test_clothes_tell_who_turned_back() -> None:
    """Two who meet, stand and part again as if they had passed: their clothes say that they had not."""
    frames = range(36)
    near = [(f, 2.0, min(0.2 * f, 1.9, 0.2 * (35 - f))) for f in frames]
    far = [(f, 2.0, 4.0 - y) for f, _, y in near]
    mixed: Walks = [near[:18] + far[18:], far[:18] + near[18:]]
    trails, fixes = window(mixed)
    for row in range(len(fixes.worn)):
        fixes.worn[row] = 2.0 if fixes.feet_m[row][1] > 2.0 else 0.0
    reconsider(trails, fixes, closely=False)
    assert places(trails[0], fixes) == [(x, round(y, 2)) for _, x, y in near]


def test_a_walk_that_broke_off_is_one_where_nobody_comes_and_goes() -> None:
    """Straight on after 1.2 s unseen, in the middle of the floor; who comes to a border later is somebody else."""
    first, second = [(f, 0.2 * f, 2.0) for f in range(8)], [(f, 0.2 * f, 2.0) for f in range(14, 20)]
    trails, fixes = window([first, second])
    reconsider(trails, fixes, closely=False)
    assert sorted(len(trail.walk) for trail in trails) == [0, 14]
    back = [(f, 1.4 - 0.35 * (f - 11), 2.0) for f in range(11, 17)]
    trails, fixes = window([first, back], inside_m=0.0)
    reconsider(trails, fixes, closely=False)
    assert [len(trail.walk) for trail in trails] == [8, 6]


def test_who_took_over_is_handed_on() -> None:
    """Two met and looked like one for a second; the one track went on with the other, whose own had ended."""
    frames = range(30)
    down, up = [(f, 2.0, 6.0 - 0.2 * f) for f in frames], [(f, 2.2, 0.2 * f) for f in frames]
    trails, fixes = window([down[:15] + up[18:], up[:13], down[19:]])
    reconsider(trails, fixes, closely=False)
    assert places(trails[0], fixes) == [(x, round(y, 2)) for _, x, y in (*down[:15], *down[19:])]
    assert places(trails[1], fixes) == [(x, round(y, 2)) for _, x, y in (*up[:13], *up[18:])]
    assert trails[2].walk == ()


def test_one_fix_that_went_to_another_comes_home_when_looked_at_closely() -> None:
    """Two walk abreast, and one frame's places were swapped."""
    left, right = [(f, 1.0, 0.3 * f) for f in range(12)], [(f, 1.8, 0.3 * f) for f in range(12)]
    mixed: Walks = [[*left[:6], right[6], *left[7:]], [*right[:6], left[6], *right[7:]]]
    trails, fixes = window(mixed)
    reconsider(trails, fixes, closely=True)
    assert {x for x, _ in places(trails[0], fixes)} == {1.0}


def test_fixes_of_two_that_one_took_are_dealt_out_at_once() -> None:
    """Frames show now the one and now the other; the one track has the fixes of both: no single exchange is better."""
    frames = range(24)
    down, up = [(f, 2.0, 5.0 - 0.15 * f) for f in frames], [(f, 2.4, 1.6 + 0.15 * f) for f in frames]
    shown = sorted([*down[8:16:2], *up[9:16:2]])
    trails, fixes = window([down[:8] + shown + down[16:], [*up[:8], *up[16:]]])
    reconsider(trails, fixes, closely=True, dealt=True)
    assert [{x for x, _ in places(trail, fixes)} for trail in trails[:2]] == [{2.0}, {2.4}]
    assert all(not trail.walk for trail in trails[2:])


@pytest.mark.parametrize("seldom", [False, True])
@pytest.mark.parametrize("final", [0, 1, 2])
def test_a_deal_is_as_likely_as_its_walks_say(seldom: bool, final: int) -> None:
    """The deals' sum is the evidence of both walks, coming, going and not being seen, and no other deal has more."""
    frames = range(10)
    trails, fixes = window(
        [[(f, 1.0, 0.3 * f) for f in frames if f % 3], [(f, 1.6, 3 - 0.3 * f) for f in frames]]
    )
    trails[0].final = final
    attendance = Attendance(trails, fixes, seldom=seldom)
    straight = Switching(fixes.t_ms / 1000, fixes.feet_m, fixes.cov_m2)
    dealt = Dealer(fixes, attendance).deal(*trails)
    assert dealt is not None
    every = [
        tuple(tuple(fix for fix, owner in enumerate(owners) if owner == side) for side in (0, 1))
        for owners in itertools.product((0, 1), repeat=len(fixes.t_ms))
    ]
    real = [
        walks
        for walks in every
        if walks[0][:final] == trails[0].walk[:final]
        and all((np.diff(fixes.t_ms[list(walk)]) > 0).all() for walk in walks)
    ]
    straight.learn({walk for walks in real for walk in walks})
    value = {
        walks: sum(
            straight[walk] + attendance.value(trail, walk) for trail, walk in zip(trails, walks, strict=True)
        )
        for walks in real
    }
    assert value[dealt] == pytest.approx(max(value.values()), abs=1e-3)


def test_who_walks_comes_from_behind_and_goes_ahead() -> None:
    """At 5, 2 on a floor of 10 × 8 m: who walks away from the near wall came there, and does not leave by it, unless they turn."""
    trails, fixes = window([[(0, 5.0, 2.0), (4, 5.0, 3.0)], [(0, 3.0, 3.0), (4, 3.0, 2.0)], [(8, 8.0, 2.0)]])
    far, near, alone = (trail.walk for trail in trails)
    attendance = Attendance(trails, fixes, seldom=True)
    last_ms = fixes.frames_ms[-1] + 1
    usual = Attendance(trails, fixes)
    assert attendance.came(*far) == pytest.approx(attendance.comes[far[0]], abs=0.2)
    assert attendance.came(*near) > attendance.came(*far) + 1
    assert usual.came(*near) == usual.came(*far) == usual.comes[far[0]]
    fixes = replace(fixes, frames_ms=[*fixes.frames_ms, *range(last_ms, last_ms + 10_000, FRAME_MS)])
    late = Attendance(trails, fixes, seldom=True)
    assert late.since(*near, fixes.frames_ms[-1]) > late.since(*far, fixes.frames_ms[-1]) + 0.5
    assert (
        late.since(alone[0], alone[0], fixes.frames_ms[-1])
        > late.since(NOBODY, alone[0], fixes.frames_ms[-1]) + 0.5
    )


def test_people_who_meet_slowly_are_counted() -> None:
    """At 0.5 m/s and 5 fps, 40 % of the detections dropped, σ 8 px: places of one frame do not tell them apart."""
    cell = Cell("crossing", 5.0, 0.5, 0.4, 8.0)
    footage = scene.film(cell, 20)
    judged = judge(cell, footage, count(footage))
    assert judged.asked >= 20
    assert judged.missed + judged.extra <= 1


def test_borders_are_those_of_the_picture_and_of_the_plan() -> None:
    """In metres, about; beyond a border 0."""
    seen = calibration()
    endless, room = Borders(seen), Borders(seen, (6.0, 5.0))
    middle = seen.to_floor(np.array([[seen.picture_px[0] / 2, seen.picture_px[1] / 2]]))
    edge = seen.to_floor(np.array([[1.0, seen.picture_px[1] / 2]]))
    assert endless.inside_m(middle)[0] > 1.0
    assert endless.inside_m(edge)[0] < 0.1
    assert room.inside_m(np.array([[-1.0, 2.0]]))[0] == 0.0
    assert room.inside_m(middle)[0] == pytest.approx(
        min(endless.inside_m(middle)[0], *middle[0], *(np.array([6.0, 5.0]) - middle[0])), abs=1e-9
    )


@pytest.mark.parametrize(
    ("place", "way", "ahead_m"),
    [((5.0, 2.0), (0.0, 1.0), 6.0), ((5.0, 2.0), (0.0, -1.0), 2.0), ((5.0, 2.0), (0.6, 0.8), 7.5),
     ((9.9, 4.0), (1.0, 0.0), 0.1), ((-1.0, 4.0), (-1.0, 0.0), 0.0)],
)  # fmt: skip
def test_the_border_ahead_is_as_far_as_one_walks_to_it(
    place: tuple[float, float], way: tuple[float, float], ahead_m: float
) -> None:
    """On a floor of 10 × 8 m all of which is in the picture; about."""
    found = Borders(calibration(), FLOOR_M).ahead_m(np.array(place), np.array(way))
    assert found == pytest.approx(ahead_m, abs=0.3)


def test_an_endless_floor_ends_with_the_picture() -> None:
    """100 px are a metre and the picture is 10 m wide: 5 m from the middle, and no farther than is looked."""
    assert Borders(calibration()).ahead_m(np.array([5.0, 4.0]), np.array([1.0, 0.0])) == pytest.approx(
        5, abs=0.3
    )


def crowd(seed: int, count: int = 60, frames: int = 30) -> Walks:
    """People who walk about a hall of 10 by 8 m, each at a pace of their own."""
    random = np.random.default_rng(seed)
    begin, way = random.uniform((0, 0), FLOOR_M, (count, 2)), random.normal(0, 0.15, (count, 2))
    places = begin[:, None] + np.arange(frames)[None, :, None] * way[:, None]
    return [[(frame, float(x), float(y)) for frame, (x, y) in enumerate(walk)] for walk in places]


def test_of_few_every_two_are_asked_about_and_of_a_crowd_the_nearest() -> None:
    trails, fixes = window(crowd(1, 17))
    assert nearest(trails, fixes, MOST_PAIRS) == list(itertools.combinations(range(17), 2))
    row = [[(frame, 0.5 * number, 3.0) for frame in range(5)] for number in range(30)]
    trails, fixes = window([*row, []])
    assert nearest(trails, fixes, 29) == list(itertools.pairwise(range(30)))


def test_who_goes_on_for_another_is_near_to_them() -> None:
    ends = [(frame, 5.0, 3.0) for frame in range(5)]
    begins = [(frame, 5.3, 3.0) for frame in range(9, 12)]
    others = [[(frame, 0.5 * number, 7.0) for frame in range(12)] for number in range(4)]
    trails, fixes = window([ends, *others, begins])
    assert nearest(trails, fixes, 1) == [(0, 5)]


def test_two_who_were_mixed_up_in_a_crowd_are_told_apart() -> None:
    """Thirty stand about, so that not every two are asked about."""
    standing = [
        [(frame, 1.5 * column, 1.6 * row) for frame in range(21)] for column in range(7) for row in range(5)
    ]
    right = [(frame, 4.0 + 0.2 * frame - 2.0, 4.1) for frame in range(21)]
    left = [(frame, 6.0 - 0.2 * frame, 3.9) for frame in range(21)]
    mixed = [right[:10] + left[10:], left[:10] + right[10:]]
    trails, fixes = window([*standing, *mixed])
    reconsider(trails, fixes, closely=False)
    for trail in trails[-2:]:
        steps = np.diff([x for x, _ in places(trail, fixes)])
        assert (steps > 0).all() or (steps < 0).all()


@pytest.mark.parametrize("closely", [False, True])
def test_a_crowd_costs_no_more_looks_than_a_few(monkeypatch: pytest.MonkeyPatch, closely: bool) -> None:
    """Sixty are 1,770 pairs, and every exchange would ask about 118 of them anew."""
    asked: list[tuple[int, int]] = []
    looks = _Search._best
    monkeypatch.setattr(_Search, "_best", lambda self, *pair: (asked.append(pair), looks(self, *pair))[1])
    trails, fixes = window(crowd(2))
    reconsider(trails, fixes, closely=closely)
    assert MOST_PAIRS <= len(asked) <= MOST_LOOKS + 2 * len(trails)
    assert sorted(row for trail in trails for row in trail.walk) == list(range(len(fixes.t_ms)))
