"""Who is who when a camera's own tracks break: still everybody once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
from hypothesis import given, settings, strategies as st

from edge.floor.fusion.pairing import pair_up
from edge.floor.fusion.people import Fusion, Stretch
from edge.floor.person import Person

STEP_MS = 200
AHEAD_MS = 3_000
Place = tuple[float, float]
Tracks = Mapping[int, tuple[Callable[[float], Place], int, int]]
"""Track -> where it is (m) by time (s), and its first and last sighting (ms)."""


def told(cameras: Mapping[str, Tracks], until_ms: int) -> list[Stretch]:
    """What is settled of cameras that see the same floor, each second, with what is believed of the next three."""
    fusion = Fusion(list(cameras))
    stretches: list[Stretch] = []
    for upto_ms in range(1_000, until_ms + 1, 1_000):
        for camera, tracks in cameras.items():
            people = {
                t_ms: [
                    Person(track, (0.0, 0.0, 1.0, 1.0), where(t_ms / 1000), 0.1, 0.9)
                    for track, (where, first_ms, last_ms) in tracks.items()
                    if first_ms <= t_ms <= last_ms
                ]
                for t_ms in range(upto_ms - 1_000, upto_ms + AHEAD_MS, STEP_MS)
            }
            outlook: dict[int, dict[int, Person]] = {}
            for t_ms, there in people.items():
                for person in there:
                    if t_ms >= upto_ms:
                        outlook.setdefault(person.id, {})[t_ms] = person
            fusion.add(camera, [(t_ms, there) for t_ms, there in people.items() if t_ms < upto_ms], outlook)
        stretches += fusion.advance(upto_ms)
    return stretches


def walk(y: float) -> Callable[[float], Place]:
    return lambda t_s: (1.0 + 0.9 * t_s, y)


@given(
    breaks=st.lists(st.integers(10, 50), min_size=1, max_size=3, unique=True).map(sorted),
    gap=st.integers(-1, 4),
)
@settings(max_examples=25, deadline=None)
def test_a_track_that_breaks_does_not_double_whom_the_other_camera_follows(
    breaks: list[int], gap: int
) -> None:
    """The next track of the same camera is foreseen, and no rival of the one that goes on until then."""
    borders = [0, *(one * STEP_MS for one in breaks), 12_000]
    broken = {
        number + 1: (walk(4.0), start_ms + gap * STEP_MS * (number > 0), end_ms)
        for number, (start_ms, end_ms) in enumerate(itertools.pairwise(borders))
        if end_ms - start_ms > 1_600
    }
    stretches = told({"whole": {1: (walk(4.0), 0, 12_000)}, "broken": broken}, 12_000)
    assert {len(stretch.people) for stretch in stretches} == {1}
    assert len({stretch.people[0].id for stretch in stretches}) == 1


@given(apart_m=st.floats(1.5, 4.0), breaks_ms=st.integers(10, 45).map(lambda k: k * STEP_MS))
@settings(max_examples=15, deadline=None)
def test_two_side_by_side_stay_two_when_a_track_breaks(apart_m: float, breaks_ms: int) -> None:
    """Nobody is joined to somebody else, and both keep the id they had."""
    both = {1: (walk(3.0), 0, 11_800), 2: (walk(3.0 + apart_m), 0, 11_800)}
    broken = {
        1: (walk(3.0), 0, breaks_ms),
        2: (walk(3.0 + apart_m), 0, 11_800),
        3: (walk(3.0), breaks_ms, 11_800),
    }
    stretches = told({"whole": both, "broken": broken}, 11_000)
    assert {len(stretch.people) for stretch in stretches} == {2}
    lanes = {(person.id, person.place_m[1] > 3.7) for stretch in stretches for person in stretch.people}
    assert len(lanes) == 2


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6), columns=st.integers(1, 6))
def test_no_pair_is_a_rival_of_another(seed: int, rows: int, columns: int) -> None:
    """However tracks overlap in time, a person has one track of a camera at once; the present goes first."""
    random = np.random.default_rng(seed)
    cost = random.uniform(0, 1.5, (rows, columns))
    now = random.random((rows, columns)) < 0.5
    first, second = (np.triu(random.random((n, n)) < 0.5, 1) for n in (rows, columns))
    first, second = (
        first | first.T | np.eye(rows, dtype=bool),
        second | second.T | np.eye(columns, dtype=bool),
    )
    pairs = pair_up(cost, now, first, second)
    assert len(pairs) == len(set(pairs))
    for (_, i, j), (_, row, column) in itertools.combinations(pairs, 2):
        assert not (i == row and second[j, column])
        assert not (j == column and first[i, row])
    assert all(cost[i, j] < 1 and now[i, j] == (rank == 0) for rank, i, j in pairs)
    taken = {(i, j) for _, i, j in pairs}
    for i, j in np.argwhere(cost < 1).tolist():  # whoever is left out has a rival
        assert any(
            (i == row and second[j, column]) or (j == column and first[i, row]) for row, column in taken
        )


def shown(
    frames: Mapping[str, list[tuple[int, float | None]]], upto_ms: int = 6_000
) -> list[tuple[int, int]]:
    """When the site has somebody who stands still: `frames` of each camera with the score, None where not seen."""
    fusion = Fusion(list(frames))
    for camera, moments in frames.items():
        people = [
            (t_ms, [] if score is None else [Person(1, (0.0, 0.0, 1.0, 1.0), (3.0, 3.0), 0.1, score)])
            for t_ms, score in moments
        ]
        fusion.add(camera, people, {})
    spans: list[tuple[int, int]] = []
    for stretch in fusion.advance(upto_ms):
        assert len(stretch.people) <= 1
        if stretch.people:
            if spans and spans[-1][1] == stretch.start_ms:
                spans[-1] = (spans[-1][0], stretch.end_ms)
            else:
                spans.append((stretch.start_ms, stretch.end_ms))
    return spans


@given(
    offsets=st.lists(st.integers(0, 19), min_size=2, max_size=4, unique=True),
    entry_ms=st.integers(1_000, 1_999),
    stay_ms=st.integers(1_500, 3_000),
    coast=st.integers(0, 1),
)
@settings(max_examples=40, deadline=None)
def test_more_cameras_do_not_make_a_stay_longer(
    offsets: list[int], entry_ms: int, stay_ms: int, coast: int
) -> None:
    """A stay lasts from the first frame with somebody to the first without, whichever camera's.

    A path that the tracker carries on for a frame adds nothing.
    """
    frames: dict[str, list[tuple[int, float | None]]] = {}
    for number, offset in enumerate(offsets):
        times = range(10 * offset, 6_000, 200)
        inside = [entry_ms <= t_ms < entry_ms + stay_ms for t_ms in times]
        last = max(i for i, seen in enumerate(inside) if seen)
        frames[f"c{number}"] = [
            (t_ms, 0.9 if seen else 0.0 if last < i <= last + coast else None)
            for i, (t_ms, seen) in enumerate(zip(times, inside, strict=True))
        ]
    every = sorted(t_ms for moments in frames.values() for t_ms, _ in moments)
    begin_ms = min(t_ms for t_ms in every if t_ms >= entry_ms)
    end_ms = min(t_ms for t_ms in every if t_ms >= entry_ms + stay_ms)
    assert shown(frames) == [(begin_ms, end_ms)]


def test_a_camera_that_has_lost_somebody_before_ends_no_stay() -> None:
    """Who left one view, or is hidden from it for a moment, stays as long as the other camera says."""
    whole: list[tuple[int, float | None]] = [
        (t_ms, 0.9 if t_ms < 4_000 else None) for t_ms in range(0, 6_000, 400)
    ]
    partly: list[tuple[int, float | None]] = [
        (t_ms, 0.9 if t_ms < 2_050 or 3_000 < t_ms < 3_400 else None) for t_ms in range(50, 6_000, 200)
    ]
    assert shown({"whole": whole, "partly": partly}) == [(0, 4_000)]
