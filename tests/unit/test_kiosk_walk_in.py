"""Tickets without appointment at the kiosk, and the wait it shows: the hub's while fresh, then its own and said so."""

from __future__ import annotations

import pytest
from test_kiosk_session import MINUTE_MS, NOW_MS, gallery

from branchloop.wire.commands import Queue
from edge.kiosk.day import FORECAST_FRESH_MS, QUEUE_FRESH_MS, Day, Given, ToldWait
from edge.kiosk.session import MOST_TAKEN, TAKEN_S, Note, Session, Take

TOLD = Queue(
    service="loan", waiting=2, busy=1, counters=2, mean_service_s=600.0, as_of_ms=NOW_MS, wait_low_s=300.0,
    wait_s=480.0, wait_high_s=720.0, booked_low_s=60.0, booked_s=120.0, booked_high_s=240.0,
)  # fmt: skip


def day(queue: Queue = TOLD) -> Day:
    made = Day()
    made.take(gallery(queues=[queue]), NOW_MS)
    return made


def session() -> Session:
    return Session("north", day(), "verify")


def test_a_service_is_chosen_and_taken_once() -> None:
    made = session()
    made.without(0.0)
    assert made.stage == "service"
    made.chosen("loan", 1.0)
    made.home(1.1)
    made.chosen("loan", 1.2)  # the second touch of a double tap finds another page
    assert made.take_effects() == [Take("loan")]


@pytest.mark.parametrize("known", [True, False])
def test_closed_or_without_a_day_none_is_given(known: bool) -> None:
    made = Session("north", day() if known else Day(), "verify")
    made.without(0.0, "closed" if known else None)
    assert (made.stage, made.why) == ("refused", "closed" if known else "no_gallery")
    made.chosen("loan", 1.0)
    assert made.take_effects() == []


def test_somebody_who_plays_is_sent_to_staff_and_others_may_go_on_later() -> None:
    made = session()
    for at in range(MOST_TAKEN):
        made.without(float(at))
        made.chosen("loan", float(at))
        made.home(float(at))
    made.without(10.0)
    assert (made.stage, made.why) == ("staff", "many")
    assert Note("many_tickets") in made.take_effects()
    made.without(TAKEN_S + MOST_TAKEN)
    assert made.stage == "service"


def test_the_hubs_forecast_is_told_while_it_is_fresh() -> None:
    made = day()
    assert made.wait("loan", NOW_MS + FORECAST_FRESH_MS) == ToldWait(480.0, 300.0, 720.0)
    own = made.wait("loan", NOW_MS + FORECAST_FRESH_MS + 1)
    assert own is not None
    assert own.estimate
    assert own.wait_s == pytest.approx(600.0)  # two ahead of two counters, one of them free
    assert made.wait("loan", NOW_MS + QUEUE_FRESH_MS + 1) is None
    assert made.wait("gold", NOW_MS) is None


def test_who_has_an_appointment_for_now_is_told_the_wait_of_those() -> None:
    made = day()
    assert made.wait("loan", NOW_MS, start_ms=NOW_MS) == ToldWait(120.0, 60.0, 240.0)
    assert made.wait("loan", NOW_MS, start_ms=NOW_MS + 20 * MINUTE_MS) == ToldWait(480.0, 300.0, 720.0)


def test_tickets_given_since_lengthen_it_but_ones_own_does_not() -> None:
    made = day()
    made.gave(Given("kiosk-1-a", "A001", NOW_MS + 1, "loan"))
    made.gave(Given("kiosk-1-b", "A002", NOW_MS + 2, "gold"))
    assert made.wait("loan", NOW_MS + 3) == ToldWait(780.0, 300.0, 1020.0)
    assert made.wait("loan", NOW_MS + 3, besides="kiosk-1-a") == ToldWait(480.0, 300.0, 720.0)
