"""The line as it may go on: who passes whom, what the floor adds, which counters count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from hub.bench.line import compare
from hub.loop.forecast import Lengths, Running, forecast
from hub.loop.line import (
    Coming,
    Desk,
    Floor,
    Line,
    Person,
    Seen,
    _drawn,
    beyond,
    learn_coming,
    open_counters,
)
from hub.loop.mixed_simulation import SCENES

FIXED = Lengths(math.log(600), 1e-9, 100)
"""Ten minutes, always."""
MIXED = Lengths(math.log(300), 0.6, 100)
ONE = [Desk(frozenset({"a"}))]


def waits(people: list[Person], desks: list[Desk], due_s: float, **more: object) -> float:
    told = Line(people, desks, {"a": FIXED, "b": FIXED}, **more).wait("a", due_s)  # type: ignore[arg-type]
    assert told is not None
    return told.wait.expected_s


def always(after_s: float) -> Coming:
    return Coming(0.0, (after_s,))


def test_who_is_expected_passes_only_when_here_before_the_call_and_promised_earlier() -> None:
    """One ahead takes ten minutes; an appointment in five minutes is called before a walk-in promised for fifteen."""
    ahead = Person("a", FIXED, -60.0)
    assert waits([ahead], ONE, 900.0) == pytest.approx(600)
    assert waits([ahead, Person("a", FIXED, 300.0, always(0.0))], ONE, 900.0) == pytest.approx(1200)
    assert waits([ahead, Person("a", FIXED, 300.0, always(400.0))], ONE, 900.0) == pytest.approx(
        600
    )  # too late
    assert waits([ahead, Person("a", FIXED, 1000.0, always(-900.0))], ONE, 900.0) == pytest.approx(600)
    assert waits([ahead, Person("a", FIXED, 300.0, Coming(1.0, (0.0,)))], ONE, 900.0) == pytest.approx(600)


def test_whoever_has_not_come_for_long_is_less_and_less_likely_to() -> None:
    coming = learn_coming([-300.0, -120.0, 0.0, 60.0] * 10, missed=5)
    chances = [coming.shows(start_s) for start_s in (600.0, 100.0, 0.0, -30.0, -61.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == pytest.approx(1 - 6 / 55)
    assert chances[-1] == 0.0
    assert (coming.at_s(100.0, np.linspace(0, 0.999, 50)) > 0).all()


def test_counters_that_serve_something_else_do_not_help_and_shared_ones_do() -> None:
    people = [Person("b", FIXED, -10.0), Person("a", FIXED, -5.0)]
    apart = [Desk(frozenset({"a"})), Desk(frozenset({"b"}))]
    shared = [Desk(frozenset({"a", "b"})), Desk(frozenset({"b"}))]
    only = [Desk(frozenset({"a", "b"}))]
    assert waits(people, apart, 0.0) == pytest.approx(600)
    assert waits(people, shared, 0.0) == pytest.approx(600)
    assert waits(people, only, 0.0) == pytest.approx(1200)
    assert Line(people, [Desk(frozenset({"b"}))], {}).wait("a", 0.0) is None


@given(
    st.lists(st.floats(-900, 0), max_size=8),
    st.integers(1, 4),
    st.lists(st.floats(1, 900), max_size=3),
)
@settings(max_examples=40, deadline=None)
def test_with_nobody_expected_it_is_the_plain_forecast(
    dues: list[float], counters: int, elapsed: list[float]
) -> None:
    """The general course of the line gives the same distribution as the plain one."""
    running = [Running(MIXED, each) for each in elapsed[:counters]]
    desks = [Desk(frozenset({"a"}), running[at] if at < len(running) else None) for at in range(counters)]
    people = [Person("a", MIXED, due) for due in dues]
    told = Line(people, desks, {"a": MIXED}).wait("a", 1.0)
    plain = forecast([MIXED] * len(dues), [*running], counters)
    assert told is not None
    assert plain is not None
    assert (told.wait.low_s, told.wait.expected_s, told.wait.high_s) == (
        plain.low_s,
        plain.expected_s,
        plain.high_s,
    )
    drawn = _drawn(people, desks, "a", 1.0, 4000, 1)
    assert float(np.median(drawn)) == pytest.approx(plain.expected_s, rel=0.12, abs=20)


def test_the_floor_counts_when_it_is_clear() -> None:
    assert beyond(None, 3) == (0, 0)
    assert beyond(Floor(4, 9), 3) == (0, 0)
    assert beyond(Floor(5, 9), 3) == (2, 0)
    assert beyond(Floor(12, 20), 9) == (3, 0)
    assert beyond(Floor(11, 20), 9) == (0, 0)
    assert beyond(Floor(1, 2), 9) == (0, 7)


def test_people_without_tickets_are_further_ahead_and_the_forecast_says_so() -> None:
    shares = {"a": 3.0, "b": 1.0}
    desks = [Desk(frozenset({"a", "b"}))]
    line = Line([Person("a", FIXED, -10.0)], desks, {"a": FIXED, "b": FIXED}, shares, Floor(5, 6, 0))
    told = line.wait("a", 900.0)
    assert told is not None
    assert (told.floor_extra, told.wait.expected_s) == (4, pytest.approx(3000))
    apart = [Desk(frozenset({"a"})), Desk(frozenset({"b"}))]
    three = Line([Person("a", FIXED, -10.0)], apart, {"a": FIXED, "b": FIXED}, shares, Floor(5, 6, 0))
    own = three.wait("a", 900.0)
    assert own is not None
    assert own.wait.expected_s == pytest.approx(2400)  # three of the four want `a`


def test_fewer_people_than_tickets_widen_and_do_not_shorten() -> None:
    people = [Person("a", FIXED, -10.0 * at) for at in range(6)]
    known = {"a": FIXED}
    sure, unsure = Line(people, ONE, known), Line(people, ONE, known, {}, Floor(0, 1, 0))
    before, after = sure.wait("a", 900.0), unsure.wait("a", 900.0)
    assert before is not None
    assert after is not None
    assert after.gone == 5
    assert after.wait.expected_s == before.wait.expected_s
    assert after.wait.high_s == before.wait.high_s
    assert after.wait.low_s == pytest.approx(600)
    assert before.wait.low_s == pytest.approx(3600)


def test_open_counters_are_those_busy_when_somebody_was_called_who_had_waited() -> None:
    waited = [Seen(-1000.0 + at, -600.0 + 10 * at, -100.0 if at < 2 else None) for at in range(4)]
    assert open_counters(waited[:2], 3) == 2  # two were busy when the second was called
    assert open_counters([], 3) == 3
    assert open_counters([Seen(-10.0, -5.0, None)], 3) == 3  # nobody had to wait: nothing is shown
    assert open_counters([Seen(-500.0, -5.0, None), Seen(-400.0, None, None)], 3) == 1
    assert open_counters(waited, 0) == 0
    assert open_counters(waited[:2], 3, Floor(4, 9, 3)) == 3  # the floor sees the third one busy


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.name != "plain"], ids=lambda s: s.name)
def test_reconciled_is_nearer_than_plain_where_a_branch_is_not_plain(scene: object) -> None:
    """A small run of the second table of `branchloop bench loop`. Simulated."""
    found = compare(scene, 3, 3, 7_000_000)  # type: ignore[arg-type]
    assert found.waits > 100
    assert found.reconciled_s < 0.95 * found.plain_s
    assert found.reconciled_covered > found.plain_covered


def test_where_a_branch_is_plain_both_are_one() -> None:
    found = compare(SCENES[0], 2, 2, 7_000_000)
    assert found.reconciled_s == pytest.approx(found.plain_s, rel=0.02)
