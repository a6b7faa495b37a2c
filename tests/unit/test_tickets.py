"""Tickets are settled the same in whatever order they come; the queue knows no way of checking in."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from branchloop.errors import ConflictError
from hub.loop.appointments import Method
from hub.loop.queue import Waiting, ahead, order
from hub.loop.tickets import KIOSK_SERIES, STAFF_SERIES, Ticket, first_free, next_series, number, settle

METHODS: list[Method] = ["code", "face", "staff"]
TICKETS = st.lists(
    st.builds(
        Ticket,
        checkin=st.text("abc", min_size=1, max_size=4),
        device=st.sampled_from(["kiosk-1", "kiosk-2", "staff"]),
        number=st.from_regex(r"[A-C]00[1-9]", fullmatch=True),
        at_ms=st.integers(0, 5),
        method=st.sampled_from(METHODS),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda ticket: ticket.checkin,
)


@given(TICKETS, st.randoms())
def test_the_earliest_counts_in_any_order(tickets: list[Ticket], random: object) -> None:
    shuffled = list(tickets)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    settled = settle(tickets)
    assert settle(shuffled) == settled
    assert settled.ticket.at_ms == min(ticket.at_ms for ticket in tickets)
    assert {settled.ticket.number, *settled.aliases} == {ticket.number for ticket in tickets}
    assert settled.ticket.number not in settled.aliases


@given(
    st.lists(
        st.tuples(st.integers(0, 10), st.integers(0, 10), st.sampled_from(METHODS)), min_size=1, max_size=12
    ),
    st.lists(st.sampled_from(METHODS), min_size=12, max_size=12),
)
def test_the_way_of_checking_in_never_changes_the_queue(
    people: list[tuple[int, int, Method]], other_ways: list[Method]
) -> None:
    """Everybody checks in twice, in two worlds that differ in nothing but how."""

    def world(ways: list[Method]) -> list[str]:
        tickets = [
            Ticket(f"c{i}", f"kiosk-{1 + (way == 'face')}", number("A", i + 1), arrived, way)
            for i, ((_, arrived, _), way) in enumerate(zip(people, ways, strict=False))
        ]
        return [
            waiting.appointment
            for waiting in order(
                Waiting(f"a{i:02d}", "loan", start, settle([ticket]).ticket.at_ms)
                for i, ((start, _, _), ticket) in enumerate(zip(people, tickets, strict=True))
            )
        ]

    assert world([way for _, _, way in people]) == world(other_ways)


def test_early_does_not_pass_those_who_are_due_and_late_takes_the_place_of_arrival() -> None:
    due = Waiting("due", "loan", 100, 95)
    early = Waiting("early", "loan", 130, 70)
    late = Waiting("late", "loan", 60, 110)
    assert [each.appointment for each in order([late, early, due])] == ["due", "late", "early"]
    assert ahead([due, early, late], early) == 2
    assert ahead([due, early, late, Waiting("x", "card", 0, 0)], due) == 0


def test_series_are_given_once_and_run_out_with_a_sentence() -> None:
    taken: list[str] = []
    for _ in KIOSK_SERIES:
        taken.append(next_series(taken))
    assert len(set(taken)) == len(KIOSK_SERIES)
    assert STAFF_SERIES not in taken
    with pytest.raises(ConflictError, match="no further kiosk"):
        next_series(taken)


def test_numbers_end_at_999() -> None:
    assert number("A", 7) == "A007"
    with pytest.raises(ConflictError, match="used up"):
        number("A", 1000)


@pytest.mark.parametrize(
    ("taken", "first"),
    [
        (set[int](), 1), ({1, 2, 3}, 4), (set(range(40, 61)), 61), (set(range(280, 301)), 1), ({3, *range(700, 721)}, 4),
        (set(range(1, 1000, 50)) | {999}, 2), (set(range(1, 1000)), 1),
    ],
)  # fmt: skip
def test_numbers_begin_where_they_are_nobodys_for_a_while(taken: set[int], first: int) -> None:
    """At once, or past those that people still hold; so that a series that never rests is not used up by it."""
    assert first_free(taken) == first
