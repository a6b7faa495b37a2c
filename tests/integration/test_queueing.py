"""Walk-ins, and what staff do with the queue, over the API; every step is once in the ledger of journeys."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime

import httpx
import pytest
from consentworld import ConsentWorld, consent_world

from branchloop.clock import MINUTE_MS, to_ms
from branchloop.text import refusals
from hub.api.state import now_ms
from hub.store import journeys
from hub.store.book import queueing
from hub.store.book.tickets import arrive
from hub.store.connection import opened, reading
from hub.store.customers.erasure import erase_customer
from hub.store.customers.forgetting import retire_appointments
from hub.store.migrating import Database
from hub.store.schema.book import m004_follow_up


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsentWorld]:
    with consent_world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(scope="module")
def staff(world: ConsentWorld) -> dict[str, str]:
    return world.staff("north", "south")


def post(world: ConsentWorld, staff: dict[str, str], tail: str, body: object = None) -> httpx.Response:
    return httpx.post(f"{world.api}/api/v1/branches/north/{tail}", headers=staff, json=body or {})


def slots(world: ConsentWorld, staff: dict[str, str]) -> list[dict[str, int | str]]:
    day = date.fromordinal(date.today().toordinal() + 3).isoformat()  # noqa: DTZ011
    found: list[dict[str, int | str]] = httpx.get(
        f"{world.api}/api/v1/branches/north/slots?service=loan&day={day}", headers=staff
    ).json()["items"]
    return found


def booked(world: ConsentWorld, staff: dict[str, str], start: object, **more: object) -> dict[str, str]:
    answer = post(
        world, staff, "appointments", {"service": "loan", "start": start, "name": "Ann Miller", **more}
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


def stages(world: ConsentWorld, appointment: str) -> list[str]:
    with reading(world.config.data_dir) as db:
        return [
            e.happened.stage for e in journeys.after(db, 0, 10_000) if e.happened.appointment == appointment
        ]


def test_a_walk_in_is_called_parked_called_again_and_served(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    made = post(world, staff, "walk-ins", {"service": "loan"})
    assert made.status_code == 201, made.text
    ticket = made.json()
    assert (ticket["kind"], ticket["state"], ticket["masked_name"]) == ("walk_in", "arrived", "—")
    assert ticket["number"].startswith("S")
    board = httpx.get(f"{world.api}/api/v1/branches/north/board", headers=staff).json()
    assert ticket["id"] in board["next"]
    queue = next(each for each in board["queues"] if each["service"] == "loan")
    assert 0 <= queue["wait_low_s"] <= queue["wait_s"] <= queue["wait_high_s"]
    to = f"appointments/{ticket['id']}"
    assert post(world, staff, f"{to}/recall").status_code == 409  # nobody called yet
    assert post(world, staff, f"{to}/finish", {"outcome": "done"}).status_code == 409
    for step, state in (
        ("call", "called"), ("recall", "called"), ("park", "parked"), ("park", "parked"),
        ("resume", "arrived"), ("resume", "arrived"), ("call", "called"),
    ):  # fmt: skip
        answer = post(world, staff, f"{to}/{step}")
        assert (answer.status_code, answer.json()["state"]) == (200, state), answer.text
    finish = {"outcome": "documents_missing", "follow_up": {"text": "Bring the deed"}}
    done = [post(world, staff, f"{to}/finish", finish) for _ in range(2)]
    assert [each.json()["outcome"] for each in done] == ["documents_missing"] * 2
    assert post(world, staff, f"{to}/finish", {"outcome": "done"}).status_code == 409
    other = post(world, staff, f"{to}/finish", {**finish, "follow_up": {"text": "Bring the lease"}})
    assert refusals.told("{detail} {hint}".format(**other.json()), "zh").startswith("该次到店已登记结果")
    assert (other.status_code, other.json()["title"]) == (409, "Conflict")  # not kept: so it is told
    assert stages(world, ticket["id"]) == [
        "arrived", "checked_in", "called", "recalled", "parked", "called", "served", "outcome",
    ]  # fmt: skip


def test_who_goes_away_cannot_be_served(world: ConsentWorld, staff: dict[str, str]) -> None:
    to = f"appointments/{post(world, staff, 'walk-ins', {'service': 'loan', 'name': 'Li'}).json()['id']}"
    assert post(world, staff, f"{to}/leave").json()["state"] == "left"
    assert post(world, staff, f"{to}/leave").status_code == 200
    assert post(world, staff, f"{to}/call").status_code == 409


def test_who_is_not_served_has_left(world: ConsentWorld, staff: dict[str, str]) -> None:
    made = [post(world, staff, "walk-ins", {"service": "loan"}).json()["id"] for _ in range(2)]
    finish = {"outcome": "not_served", "follow_up": {"text": "Come back with your passport"}}
    for each in made:
        assert (
            post(world, staff, f"appointments/{each}/finish", finish).status_code == 409
        )  # nobody called yet
        assert post(world, staff, f"appointments/{each}/call").status_code == 200
    for _ in range(2):
        told = post(world, staff, f"appointments/{made[0]}/finish", finish).json()
        assert (told["state"], told["outcome"], told["served"]) == ("left", "not_served", None)
    assert stages(world, made[0]) == ["arrived", "checked_in", "called", "left", "outcome"]
    assert post(world, staff, f"appointments/{made[1]}/serve").json()["state"] == "served"
    refused = post(world, staff, f"appointments/{made[1]}/finish", finish)
    assert (refused.status_code, "Only one that is called" in refused.text) == (409, True)


def test_ten_who_call_at_once_call_once(world: ConsentWorld, staff: dict[str, str]) -> None:
    made = post(world, staff, "walk-ins", {"service": "loan"}).json()
    threads = [
        threading.Thread(target=post, args=(world, staff, f"appointments/{made['id']}/call"))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stages(world, made["id"]).count("called") == 1


def test_an_unknown_service_and_html_for_a_name_are_refused(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    assert post(world, staff, "walk-ins", {"service": "gold"}).status_code == 422
    assert post(world, staff, "walk-ins", {"service": "loan", "name": "<b>x</b>"}).status_code == 422
    made = post(world, staff, "walk-ins", {"service": "loan"}).json()
    assert post(world, staff, f"appointments/{made['id']}/transfer", {"service": "gold"}).status_code == 422


def test_a_move_keeps_the_code_and_frees_the_place(world: ConsentWorld, staff: dict[str, str]) -> None:
    free = slots(world, staff)
    first, second = free[0], free[1]
    made = booked(world, staff, first["start"])
    moved = post(world, staff, f"appointments/{made['id']}/move", {"start": second["start"]})
    assert moved.status_code == 200, moved.text
    assert moved.json()["start"] == second["start"]
    after = slots(world, staff)
    assert (after[0]["free"], after[1]["free"]) == (first["free"], int(second["free"]) - 1)
    with reading(world.config.data_dir) as db:
        assert world.state.book.by_code(db, "north", made["code"]) is not None
    assert stages(world, made["id"]) == ["booked", "moved"]


def test_a_move_to_a_full_slot_changes_nothing(world: ConsentWorld, staff: dict[str, str]) -> None:
    free = slots(world, staff)
    full = free[4]
    for _ in range(int(full["free"])):
        booked(world, staff, full["start"])
    made = booked(world, staff, free[5]["start"])
    answer = post(world, staff, f"appointments/{made['id']}/move", {"start": full["start"]})
    assert answer.status_code == 409, answer.text
    assert stages(world, made["id"]) == ["booked"]
    assert (
        post(world, staff, f"appointments/{made['id']}/move", {"start": "2020-01-01T00:00:00Z"}).status_code
        == 422
    )
    assert post(world, staff, f"appointments/{made['id']}/move", {"start": "soon"}).status_code == 422


def test_a_customer_holds_three_appointments_ahead_and_is_told_what_to_do(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    free = slots(world, staff)
    made = [booked(world, staff, free[i]["start"], customer="c-three") for i in (8, 9, 10)]
    body = {"service": "loan", "start": free[11]["start"], "name": "Ann Miller", "customer": "c-three"}
    refused = post(world, staff, "appointments", body)
    assert refused.status_code == 409
    assert "Cancel or move" in refused.json()["hint"]
    assert post(world, staff, f"appointments/{made[0]['id']}/cancel").status_code == 200
    assert post(world, staff, "appointments", body).status_code == 201


def test_who_does_not_come_gives_the_place_back_and_may_still_come(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    free = slots(world, staff)
    made = booked(world, staff, free[14]["start"])
    book, at_ms = world.state.book, to_ms(datetime.fromisoformat(made["arrive_to"])) + MINUTE_MS
    with opened(world.config.data_dir) as db:
        assert book.release_missed(db, at_ms) >= 1
        assert book.release_missed(db, at_ms) == 0
    assert slots(world, staff)[14]["free"] == free[14]["free"]
    booked(world, staff, free[14]["start"])  # the place that was given back
    with opened(world.config.data_dir) as db:
        site, missed = world.config.sites["north"], book.get(db, "north", made["id"])
        assert arrive(db, book, site, missed, at_ms).state == "arrived"
    assert stages(world, made["id"]) == ["booked", "missed", "arrived", "checked_in"]


def test_who_is_forgotten_is_in_no_journey(world: ConsentWorld, staff: dict[str, str]) -> None:
    made = booked(world, staff, slots(world, staff)[16]["start"], customer="c-gone")
    erase_customer(world.config.data_dir, "c-gone", now_ms(), world.state.people)
    with reading(world.config.data_dir) as db:
        entries = [e for e in journeys.after(db, 0, 10_000) if e.happened.appointment == made["id"]]
        assert entries
        assert all(e.happened.customer not in {"c-gone", None} for e in entries)


def test_what_comes_next_is_forgotten_with_the_customer(world: ConsentWorld, staff: dict[str, str]) -> None:
    """Whether staff wrote it before they were forgotten or after, and where an older hub left it."""
    secret = "Bring the divorce decree"
    finish = {"outcome": "partly", "follow_up": {"text": secret}}
    before, after, retired = (
        post(world, staff, "walk-ins", {"service": "loan"}).json()["id"] for _ in range(3)
    )
    with opened(world.config.data_dir) as db:
        of = dict(db.execute("SELECT id, customer FROM appointment").fetchall())
    for each in (before, after, retired):
        assert post(world, staff, f"appointments/{each}/call").status_code == 200
    for each in (before, retired):
        assert post(world, staff, f"appointments/{each}/finish", finish).status_code == 200
    with opened(world.config.data_dir) as db:
        (kept_as,) = db.execute("SELECT follow_up FROM appointment WHERE id=?", (before,)).fetchone()
        made = world.state.book.get(db, "north", before)
        earlier = replace(made, follow_up=json.dumps({"text": secret, "service": None}))
        for each in (made, earlier):  # one as an earlier version kept it
            assert queueing.follow_up_of(world.state.book, each) == queueing.FollowUp(secret)
        assert secret.encode().hex() not in kept_as
        assert secret not in kept_as
    for each in (before, after):
        erase_customer(world.config.data_dir, of[each], now_ms(), world.state.people)
    answer = post(world, staff, f"appointments/{after}/finish", finish)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "partly")
    with opened(world.config.data_dir) as db:
        (end_ms,) = db.execute("SELECT end_ms FROM appointment WHERE id=?", (retired,)).fetchone()
        retire_appointments(db, end_ms + 1, now_ms())
        kept = dict(db.execute("SELECT id, follow_up FROM appointment").fetchall())
        db.execute("UPDATE appointment SET follow_up=? WHERE id=?", (secret, before))
        m004_follow_up(Database(db))
        (left,) = db.execute("SELECT count(*) FROM appointment WHERE follow_up=?", (secret,)).fetchone()
    assert [kept[each] for each in (before, after, retired)] == [None] * 3
    assert left == 0


def test_a_retired_appointment_leaves_the_later_journeys_of_its_customer(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    free = slots(world, staff)
    first, second = (booked(world, staff, free[i]["start"], customer="c-twice")["id"] for i in (18, 19))
    with opened(world.config.data_dir) as db:
        ends = dict(db.execute("SELECT id, end_ms FROM appointment").fetchall())
        retire_appointments(db, ends[first] + 1, now_ms())
        told = {
            entry.happened.appointment: entry.happened.customer
            for entry in journeys.after(db, 0, 10_000)
            if entry.happened.appointment in {first, second}
        }
    assert told[first] not in {"c-twice", None}
    assert told[second] == "c-twice"


def test_entries_are_read_by_cursor_and_by_journey(world: ConsentWorld) -> None:
    with reading(world.config.data_dir) as db:
        everything = journeys.after(db, 0, 10_000)
        assert [e.id for e in everything] == sorted({e.id for e in everything})
        assert everything[-1].id == journeys.head(db)
        middle = everything[len(everything) // 2].id
        assert [e.id for e in journeys.after(db, middle, 2)] == [e.id for e in everything if e.id > middle][
            :2
        ]
        one = everything[0].happened.journey
        assert journeys.of_journey(db, one) == [e for e in everything if e.happened.journey == one]
