"""In which order people are called, whatever they are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st

from branchloop.clock import HOUR_MS, MINUTE_MS
from hub.loop.queue import Waiting, ahead, order, promised_ms, remote_promised_ms

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


taking = st.tuples(st.integers(0, 8 * HOUR_MS), st.none() | st.floats(0, 4 * 3600))
"""When somebody takes a place from afar, and the wait that is forecast then."""


def promised_from_afar(takings: list[tuple[int, float | None]]) -> list[Waiting]:
    """Everybody who takes a place from afar, in order; all of them check in at once."""
    found: list[Waiting] = []
    for number, (taken_ms, wait_s) in enumerate(sorted(takings, key=lambda each: each[0])):
        before_ms = max((each.start_ms for each in found), default=0)
        found.append(
            Waiting(
                f"r{number}", "loan", remote_promised_ms(taken_ms, TARGET_MIN, wait_s, before_ms), taken_ms
            )
        )
    return found


@given(st.lists(taking, min_size=1, max_size=20), walked_in)
def test_nobody_present_is_passed_by_who_takes_a_place_from_afar_afterwards(
    takings: list[tuple[int, float | None]], me: Waiting
) -> None:
    remote = promised_from_afar(takings)
    before = [each for each in remote if each.arrived_ms <= me.arrived_ms]
    assert ahead([*remote, me], me) <= len(before)
    assert ahead([*remote, me], me) == ahead([*before, me], me)


@given(st.lists(taking, min_size=2, max_size=20))
def test_taking_anew_gains_nothing(takings: list[tuple[int, float | None]]) -> None:
    """Whatever the forecast has become meanwhile: a later ticket is never for an earlier turn."""
    promised = [each.start_ms for each in promised_from_afar(takings)]
    assert promised == sorted(promised)
