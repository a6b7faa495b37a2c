"""In which order people are called, whatever they are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from branchloop.clock import HOUR_MS, MINUTE_MS
from hub.loop.queue import Waiting, ahead, order, promised_ms

TARGET_MIN = 15
waiting = st.builds(
    Waiting,
    appointment=st.uuids().map(str),
    service=st.just("loan"),
    start_ms=st.integers(0, 8 * HOUR_MS),
    arrived_ms=st.integers(0, 8 * HOUR_MS),
)
walked_in = waiting.map(lambda w: replace(w, start_ms=promised_ms(w.arrived_ms, TARGET_MIN)))


@given(st.lists(waiting | walked_in, min_size=2, max_size=20), st.randoms())
def test_the_order_does_not_depend_on_who_is_listed_first(people: list[Waiting], random: object) -> None:
    shuffled = list(people)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert order(people) == order(shuffled)


@given(st.lists(waiting | walked_in, max_size=20), walked_in, st.integers(1, 8 * HOUR_MS))
def test_who_comes_later_than_ones_promise_never_passes(
    people: list[Waiting], me: Waiting, later_ms: int
) -> None:
    """Nobody starves: only those who are here before the promised time can be called earlier."""
    late = Waiting("late", "loan", 0, me.start_ms + later_ms)
    assert ahead([*people, me, late], me) == ahead([*people, me], me)


@given(st.integers(0, HOUR_MS))
def test_an_appointment_is_not_behind_an_hour_of_walk_ins(start_ms: int) -> None:
    booked = Waiting("booked", "loan", HOUR_MS + start_ms, HOUR_MS)
    crowd = [
        Waiting(f"w{i}", "loan", promised_ms(i * MINUTE_MS, TARGET_MIN), i * MINUTE_MS) for i in range(180)
    ]
    before = order([*crowd, booked]).index(booked)
    assert all(each.arrived_ms <= booked.start_ms - TARGET_MIN * MINUTE_MS for each in crowd[:before])
