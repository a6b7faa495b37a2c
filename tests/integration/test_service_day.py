"""A day of service over the API: tickets by service, the forecast's own error, what may not be told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hubworld import NOON, World, world
from tables import service
from test_api import send, window

from branchloop.clock import MINUTE_MS, from_ms, iso, local_day_end_ms, local_day_start_ms
from hub.api.service import _figures, day as service_day
from hub.api.state import now_ms
from hub.loop.service_day import Counts, Told, Visit, counts, error, hidden, lengths, released, total
from hub.store import journeys
from hub.store.book import queueing
from hub.store.book.queueing import FollowUp
from hub.store.connection import opened, reading

PARTS = service("loan", minutes=20) + service("desk", minutes=10, counters=2)

SEATS = """
[[zone]]
id = "seats"
kind = "queue"
polygon = [[0.1, 0.1], [0.4, 0.1], [0.4, 0.4], [0.1, 0.4]]
"""
COUNTER = """
[[zone]]
id = "counter"
kind = "counter"
polygon = [[0.6, 0.1], [0.9, 0.1], [0.9, 0.4], [0.6, 0.4]]
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Today: six walk-ins of desk served after 1 … 6 s of waiting and 10 s of service, one who left, one who waits."""
    with world(tmp_path_factory.mktemp("hub"), parts=PARTS, book=True) as made:
        site, book, at_ms = made.config.sites["hall"], made.state.book, now_ms()
        with opened(made.config.data_dir) as db:
            come_ms = at_ms - 20_000
            came_ms = [come_ms + turn for turn in range(6)]  # one after the other: a tie is nobody's turn
            tickets = [queueing.walk_in(db, book, site, "desk", "", "zh", each_ms) for each_ms in came_ms]
            for second, (each_ms, ticket) in enumerate(zip(came_ms, tickets, strict=True), 1):
                called = book.step(db, ticket, "call", each_ms + 1000 * second, "1")
                queueing.finish(
                    db, book, site, called, "done" if second > 1 else "partly",
                    FollowUp("Bring the deed"), each_ms + 1000 * (second + 10),
                )  # fmt: skip
            gone = queueing.walk_in(db, book, site, "desk", "", "zh", at_ms)
            queueing.step(db, book, gone, "leave", at_ms)
            queueing.walk_in(db, book, site, "desk", "", "zh", at_ms)
            queueing.walk_in(db, book, site, "loan", "", "zh", at_ms)
        yield made


def ask(hub: World, role: str, **query: str) -> dict[str, Any]:
    headers = hub.token(role) if role == "head_office" else hub.token(role, "hall")
    answer = httpx.get(f"{hub.api}/api/v1/branches/hall/service", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_manager_is_told_the_day_by_service(hub: World) -> None:
    told = ask(hub, "manager")
    loan, desk = told["services"]
    assert (desk["came"], desk["served"], desk["left"], desk["waiting"]) == (8, 6, 1, 1)
    assert desk["wait_median_s"] == pytest.approx(3.5)
    assert desk["wait_p90_s"] == pytest.approx(5.5)
    assert desk["service_median_s"] == pytest.approx(10)
    assert desk["outcomes"] == {"done": 5, "partly": 1}
    assert desk["left_share"] == pytest.approx(1 / 7)
    assert desk["no_show"] is None  # nobody had an appointment: no share of nobody
    assert desk["expected_low_s"] <= desk["expected_wait_s"] <= desk["expected_high_s"]
    assert (loan["came"], loan["waiting"], loan["wait_median_s"]) == (1, 1, None)
    assert (told["total"]["came"], told["total"]["served"]) == (9, 6)
    assert told["total"]["absent"] is None
    (queue,) = told["floor"]
    assert (queue["id"], queue["joined"]) == ("queue", None)  # nobody observed this floor
    assert told["beside"] == {
        "tickets": 9,
        "joined": None,
        "difference": None,
        "coverage": 0.0,
        "absent": None,
    }


def test_the_forecast_told_at_arrival_is_kept_and_judged(hub: World) -> None:
    """The ledger has what the hub expected; whoever left or still waits is not judged."""
    with reading(hub.config.data_dir) as db:
        came = [e.happened for e in journeys.after(db, 0, 1000) if e.happened.stage == "arrived"]
    assert all({"ahead", "wait_s", "wait_low_s", "wait_high_s"} <= set(each.detail) for each in came)
    desk = next(each for each in ask(hub, "manager")["services"] if each["service"] == "desk")
    judged = list(zip(came, range(1, 7), strict=False))
    off = [
        abs(second - float(e.detail["wait_s"] or 0))
        for e, second in judged
        if float(e.detail["wait_high_s"] or 0)
    ]
    assert 0 < len(off) < 6
    assert desk["error"]["waits"] == len(off)
    assert desk["error"]["mae_s"] == pytest.approx(sum(off) / len(off), abs=0.1)
    assert (desk["error"]["no_wait"], desk["error"]["no_wait_wrong"]) == (6 - len(off), 0)


def test_head_office_is_told_no_small_count_nor_what_would_tell_it(hub: World) -> None:
    told = ask(hub, "head_office")
    for each in (*told["services"], told["total"]):
        assert each["absent"] == "small"
        assert {each[key] for key in ("came", "waiting", "served", "left", "outcomes", "wait_median_s")} == {
            None
        }
    assert told["beside"]["tickets"] is None


def test_a_branch_without_services_gives_no_tickets_which_is_not_none_given(hub: World) -> None:
    headers = hub.token("manager", "annex")
    told = httpx.get(f"{hub.api}/api/v1/branches/annex/service", headers=headers).json()
    assert told["services"] == []
    assert (told["beside"]["tickets"], told["beside"]["difference"]) == (None, None)


@pytest.mark.parametrize(
    ("counter", "beside"),
    [
        (COUNTER, {"joined": None, "difference": None, "absent": "shared_counters"}),
        ("", {"joined": 7, "difference": 7, "absent": None}),
    ],
    ids=["one counter for both", "none that both share"],
)
def test_joins_of_queues_of_one_counter_are_not_added(
    tmp_path: Path, counter: str, beside: dict[str, Any]
) -> None:
    """Who sits down first and goes to the line then joins both: five people are no seven who came."""
    with world(tmp_path, parts=service("loan", minutes=20) + SEATS + counter, book=True, zone=NOON) as made:
        start_ms = now_ms() - now_ms() % 60_000 - 60_000
        queues = [
            {"queue": "queue", "person_ms": 0, "joined": 2},
            {"queue": "seats", "person_ms": 0, "joined": 5},
        ]
        send(made, "hall", [("window", window(start_ms, 2, slots=12, queues=queues))])
        told = ask(made, "manager")
    assert [each["joined"] for each in told["floor"]] == [5, 2]
    assert {key: told["beside"][key] for key in beside} == beside


def test_who_waits_is_told_of_now_alone(tmp_path: Path) -> None:
    """As on Live: nothing of a window that is old, or ended with the day before."""
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        site = made.config.sites["hall"]
        today = from_ms(now_ms(), site.zone_info).date()
        queues = [{"queue": "queue", "person_ms": 0, "waiting_end": 4, "joined": 4}]

        def waiting(at_ms: int) -> float | None:
            return service_day(made.state, site, today, at_ms, small=False).floor[0].waiting_now

        midnight_ms = local_day_start_ms(today, site.zone_info)
        send(made, "hall", [("window", window(midnight_ms - 5_000, 4, queues=queues))])
        assert waiting(midnight_ms + 5_000) is None
        start_ms = now_ms() // 5_000 * 5_000 - 60_000
        send(made, "hall", [("window", window(start_ms, 4, queues=queues))], first=2)
        assert waiting(start_ms + 15_000) == 4
        assert waiting(start_ms + 3 * 3_600_000) is None


def test_time_at_a_counter_is_no_wait_for_who_is_sent_on_or_parked(tmp_path: Path) -> None:
    """One is sent on after half an hour of advice, one parked before the call, one at the counter."""
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        site, book, at_ms = made.config.sites["hall"], made.state.book, now_ms()
        with opened(made.config.data_dir) as db:

            def visit(service: str, came: int, *steps: tuple[str, int]) -> str:
                """Steps at so many minutes ago."""
                ticket = queueing.walk_in(db, book, site, service, "", "en", at_ms - came * MINUTE_MS)
                for step, ago in steps:
                    now, held = at_ms - ago * MINUTE_MS, book.get(db, site.id, ticket.id)
                    if step == "call":
                        book.step(db, held, "call", now, "1")
                    elif step == "send on":
                        queueing.transfer(db, book, site, held, "desk", now)
                    elif step == "finish":
                        queueing.finish(db, book, site, held, "done", None, now)
                    else:
                        queueing.step(db, book, held, step, now)  # type: ignore[arg-type]
                return ticket.id

            sent = visit("loan", 60, ("call", 58), ("send on", 28), ("call", 27), ("finish", 20))
            aside = visit("desk", 50, ("park", 49), ("resume", 32), ("call", 31), ("finish", 19))
            paper = visit("loan", 40, ("call", 36), ("park", 30), ("resume", 20), ("call", 10), ("finish", 5))
            waiting = visit("loan", 30, ("call", 29), ("send on", 4))
        told = ask(made, "manager")
        board = httpx.get(
            f"{made.api}/api/v1/branches/hall/board", headers=made.token("staff", "hall")
        ).json()
    keys = ("came", "served", "sent_on", "waiting", "wait_median_s", "service_median_s")
    loan, desk, total = ([each[key] for key in keys] for each in (*told["services"], told["total"]))
    assert loan == [3, 1, 2, 0, 120, 25 * 60]  # waits of 2, 4 and 1 minutes; 30, 6 + 5 and 25 at the counter
    assert desk == [3, 2, 0, 1, 60, 9.5 * 60]
    assert total == [4, 3, 2, 1, 90, 12 * 60]
    waited_s = {each["id"]: each["waited_s"] for each in board["items"]}
    assert board["median_wait_s"] == 90
    assert [waited_s[each] for each in (sent, aside, paper)] == [60, 19 * 60, 240]
    assert waited_s[waiting] == pytest.approx(240, abs=20)


def test_another_day_has_nobody_and_expects_nothing(hub: World) -> None:
    told = ask(hub, "manager", day=date(2026, 1, 5).isoformat())
    assert [(each["came"], each["expected_wait_s"]) for each in told["services"]] == [(0, None)] * 2
    wrong = httpx.get(
        f"{hub.api}/api/v1/branches/hall/service",
        params={"day": "soon"},
        headers=hub.token("manager", "hall"),
    )
    assert wrong.status_code == 422


def test_who_waits_over_midnight_waits_on_the_new_day_and_came_on_the_old_one(hub: World) -> None:
    site = hub.config.sites["hall"]
    today = from_ms(now_ms(), site.zone_info).date()
    after_ms = local_day_end_ms(today, site.zone_info) + 60_000
    told = service_day(hub.state, site, today + timedelta(days=1), after_ms, small=False)
    assert [(each.waiting, each.came, each.served) for each in told.services] == [(1, 0, 0)] * 2
    over = service_day(hub.state, site, today, after_ms, small=False)
    assert [(each.waiting, each.came, each.served) for each in over.services] == [(1, 1, 0), (1, 8, 6)]


@pytest.mark.parametrize("what", ["service", "board", "slots"])
@pytest.mark.parametrize(
    ("day", "says"),
    [
        ("1971-01-01", None),
        ("2199-12-31", None),
        ("1970-12-31", "no branch has such a day. Give a year from 1971 to 2199."),
        ("2200-01-01", "no branch has such a day. Give a year from 1971 to 2199."),
        ("0001-01-01", "no branch has such a day."),
        ("9999-12-31", "no branch has such a day."),
        ("2026-02-30", "Write YYYY-MM-DD."),
    ],
)
def test_a_day_beyond_the_calendar_is_refused_in_a_sentence(
    hub: World, what: str, day: str, says: str | None
) -> None:
    """The first and the last day of the calendar are answered."""
    answer = httpx.get(
        f"{hub.api}/api/v1/branches/hall/{what}",
        params={"day": day, "service": "desk"},
        headers=hub.token("manager", "hall"),
    )
    told = answer.json()
    if says is None:
        assert (answer.status_code, told.get("day")) == (200, day)
    else:
        assert answer.status_code == 422
        assert says in f"{told['detail']} {told['hint']}"


def visit(state: str, **more: Any) -> Visit:
    fields = {
        "service": "a",
        "kind": "booked",
        "outcome": None,
        "waited_s": None,
        "served_s": None,
        "came": True,
    }
    return Visit(**{**fields, "state": state, **more})  # type: ignore[arg-type]


def test_no_show_counts_whoever_was_due() -> None:
    """Who is still expected is neither a no-show nor one who came."""
    row = counts(
        [visit("missed", came=False), visit("arrived"), visit("served"), visit("booked", came=False)]
    )
    assert (row.no_show, row.missed, row.came) == (pytest.approx(1 / 3), 1, 2)
    assert counts([]).no_show is None
    assert counts([]).gone is None


def test_a_ticket_from_afar_that_nobody_came_with_is_no_broken_appointment() -> None:
    """Who comes with one is no appointment that was kept either; the funnel counts neither."""
    afar = [visit("missed", kind="remote", came=False)] * 3
    row = counts([*afar, visit("served", kind="remote"), visit("missed", came=False), visit("served")])
    assert (row.no_show, row.missed) == (pytest.approx(1 / 2), 1)
    assert counts(afar).no_show is None


def test_a_row_is_closed_when_what_is_left_over_would_tell_a_small_count() -> None:
    many = [visit("served", outcome="done") for _ in range(9)]
    open_, closed = counts(many), counts([*many, visit("served")])  # nine outcomes of ten: one is left over
    nobody = counts([])
    assert released([counts([*many, visit("sent_on")])], nobody, open_)[0][0].served is None
    shown, whole = released([open_, closed], nobody, counts([*many, *many]))
    assert shown[0] == open_
    assert shown[1].served is None
    assert whole == hidden()


def test_walk_ins_are_not_told_by_subtracting_who_booked_and_who_was_sent_on() -> None:
    """Five are sent from a to b: those and one walk-in together are six, which is no small count."""
    missed = [visit("missed", came=False)] * 5
    a = [*[visit("served", outcome="done")] * 20, *[visit("sent_on")] * 5, *missed]
    sent = [visit("served", outcome="done", service="b", sent_here=True)] * 5
    b = [*[visit("served", outcome="done", service="b")] * 10, *sent, *missed]
    walk_in = visit("served", outcome="done", service="b", kind="walk_in")

    def told(*of_b: Visit) -> tuple[list[Counts], Counts]:
        return released([counts(a), counts(of_b)], counts([]), total([*a, *of_b]))

    assert told(*b) == ([counts(a), counts(b)], total([*a, *b]))
    assert told(*b, walk_in) == ([counts(a), hidden()], hidden())
    few = [visit("served", outcome="done", service="b", kind="walk_in")] * 4
    shown, whole = released([counts(a)], counts(few), total([*a, *few]))
    assert (shown, whole) == ([hidden()], hidden())  # of a service that the branch has no more


def test_with_a_small_row_goes_the_smallest_other_that_was_counted() -> None:
    """Another answer tells the total (the funnel 9 arrivals): beside six and two services of nobody it is three of the last."""
    six, three, nobody = (counts([visit("arrived", kind="walk_in")] * many) for many in (6, 3, 0))
    seven = counts([visit("arrived", kind="walk_in")] * 7)
    shown, whole = released([six, nobody, three, seven, nobody], nobody, total([]))
    assert (shown, whole) == ([hidden(), nobody, hidden(), seven, nobody], hidden())
    booked = counts([visit("missed", came=False)] * 5)  # closed it would hide no arrival
    shown, _ = released([booked, six, three], nobody, total([]))
    assert shown == [booked, hidden(), hidden()]
    shown, _ = released([seven, seven, three], nobody, total([]))  # which of two went would tell an order
    assert shown == [hidden()] * 3


def test_a_service_that_the_branch_has_no_more_is_not_told_by_the_total(tmp_path: Path) -> None:
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        site, at_ms = made.config.sites["hall"], now_ms()
        today = from_ms(at_ms, site.zone_info).date()
        fewer = site.model_copy(update={"services": [e for e in site.services if e.id == "loan"]})
        with opened(made.config.data_dir) as db:
            for _ in range(5):
                queueing.walk_in(db, made.state.book, site, "loan", "", "en", at_ms)
        alone = service_day(made.state, fewer, today, at_ms, small=True)
        with opened(made.config.data_dir) as db:
            queueing.walk_in(db, made.state.book, site, "desk", "", "en", at_ms)
        told = service_day(made.state, fewer, today, at_ms, small=True)
    assert (alone.services[0].came, alone.total.came) == (5, 5)
    assert (told.services[0].came, told.total.came, told.total.absent) == (None, None, "small")


def test_two_answers_together_tell_head_office_no_small_count(tmp_path: Path) -> None:
    """The funnel tells the week's arrivals by channel: the day must not tell all of them but three."""
    parts = PARTS + service("advice", minutes=20)
    with world(tmp_path, parts=parts, book=True, zone=NOON) as made:
        at_ms = now_ms()
        with opened(made.config.data_dir) as db:
            for name in ("loan",) * 6 + ("advice",) * 3:
                queueing.walk_in(db, made.state.book, made.config.sites["hall"], name, "", "en", at_ms)
        day = ask(made, "head_office")
        funnel = httpx.get(
            f"{made.api}/api/v1/branches/hall/funnel",
            params={"from": iso(at_ms - 60_000), "to": iso(at_ms + 60_000), "by": "channel"},
            headers=made.token("head_office"),
        ).json()
    arrived = next(each for each in funnel["total"]["stages"] if each["stage"] == "arrived")
    assert arrived["journeys"] == 9
    assert [each["came"] for each in day["services"]] == [None, 0, None]


def test_the_forecasts_of_one_service_are_not_told_by_those_of_all() -> None:
    judged = [*[Told("loan", 0, 10, 20, 20)] * 9, *[Told("desk", 0, 10, 20, 20)] * 3]

    def waits(told: list[Told], *, small: bool) -> int | None:
        return _figures(None, counts([]), [], told, None, small=small).error.waits

    assert waits(judged, small=False) == 12
    assert waits(judged, small=True) is None
    assert waits(judged[:9], small=True) == 9


def test_error_and_lengths_of_nobody_are_none() -> None:
    assert (error([]).mae_s, error([]).covered) == (None, None)
    assert lengths([]).wait_median_s is None
    told = error([Told("a", 0, 10, 20, 20), Told("a", 0, 10, 20, 21)])
    assert (told.waits, told.mae_s, told.covered) == (2, 10.5, 0.5)
    none = error([Told("a", 0, 0, 0, 5), Told("a", 0, 0, 0, 61)])
    assert (none.waits, none.mae_s, none.no_wait, none.no_wait_wrong) == (0, None, 2, 1)
