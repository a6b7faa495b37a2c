"""The next in line, called by several counters at once, and codes shown to staff."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hubworld import NOON, World, world
from tables import counter, service

from branchloop.clock import DAY_MS, MINUTE_MS, iso
from branchloop.codes import qr_text
from hub.api.state import now_ms
from hub.store import journeys
from hub.store.connection import opened, reading

PARTS = service("loan", per_slot=50) + service("desk", per_slot=50)
LONGEST = "relationship-manager-desk-one-01"
COUNTERS = (
    counter("c-1", "desk")
    + counter("c-2", "desk", "loan")
    + counter(LONGEST, "desk", name=("Adviser", "客户经理"))
)


@pytest.fixture
def free(tmp_path: Path) -> Iterator[World]:
    """Counters are named as staff like."""
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        yield made


@pytest.fixture
def skilled(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS + COUNTERS, book=True, zone=NOON) as made:
        yield made


def post(hub: World, staff: dict[str, str], tail: str, body: object = None, **more: str) -> httpx.Response:
    return httpx.post(
        f"{hub.api}/api/v1/branches/hall/{tail}", headers={**staff, **more}, json=body or {}, timeout=20
    )


def ticket(hub: World, staff: dict[str, str], service: str) -> str:
    answer = post(hub, staff, "walk-ins", {"service": service})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_ten_counters_that_call_at_once_get_ten_people(free: World) -> None:
    """Each the next of the line, none twice, and the line's order kept; a further one gets nobody."""
    staff = free.token("staff", "hall")
    made = [ticket(free, staff, "desk" if i % 2 else "loan") for i in range(10)]
    gate, got = threading.Barrier(10), dict[int, httpx.Response]()

    def call(counter: int) -> None:
        gate.wait()
        got[counter] = post(free, staff, "call-next", {"counter": f"{counter}"})

    threads = [threading.Thread(target=call, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in got.values()} == {200}
    assert sorted(answer.json()["called"]["id"] for answer in got.values()) == sorted(made)
    assert sorted(answer.json()["waiting"] for answer in got.values()) == list(range(10))
    assert not any(answer.json()["again"] for answer in got.values())
    with reading(free.config.data_dir) as db:
        told = [e.happened.appointment for e in journeys.after(db, 0, 1000) if e.happened.stage == "called"]
    assert told == made
    assert post(free, staff, "call-next", {"counter": "11"}).json() == {
        "called": None, "again": False, "waiting": 0,
    }  # fmt: skip


def test_ten_taps_at_one_counter_call_one_person(free: World) -> None:
    staff = free.token("staff", "hall")
    first, second = ticket(free, staff, "desk"), ticket(free, staff, "desk")
    got: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: got.append(post(free, staff, "call-next", {"counter": "1"})))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.json()["called"]["id"] for answer in got] == [first] * 10
    assert sum(not answer.json()["again"] for answer in got) == 1
    assert post(free, staff, f"appointments/{first}/finish", {"outcome": "done"}).status_code == 200
    after = post(free, staff, "call-next", {"counter": "1"}).json()
    assert (after["called"]["id"], after["called"]["counter"], after["again"]) == (second, "1", False)


def test_a_counter_calls_for_what_it_serves(skilled: World) -> None:
    """Who waits for another counter is not called; an unknown counter or service is named."""
    staff = skilled.token("staff", "hall")
    loan, desk = ticket(skilled, staff, "loan"), ticket(skilled, staff, "desk")
    board = httpx.get(f"{skilled.api}/api/v1/branches/hall/board", headers=staff).json()
    assert [each["id"] for each in board["counters"]] == ["c-1", "c-2", LONGEST]
    assert post(skilled, staff, "call-next", {"counter": "c-1"}).json()["called"]["id"] == desk
    refused = post(skilled, staff, "call-next", {"counter": "c-1", "services": ["loan"]})
    assert (refused.status_code, refused.json()["hint"]) == (422, "It serves: desk.")
    unknown = post(skilled, staff, "call-next", {"counter": "c-9"})
    assert (unknown.status_code, unknown.json()["hint"]) == (422, f"It has: c-1, c-2, {LONGEST}.")
    assert post(skilled, staff, "call-next", {"counter": "c-2", "services": ["gold"]}).status_code == 422
    assert post(skilled, staff, "call-next", {"counter": "c-2"}).json()["called"]["id"] == loan


def test_who_was_called_to_one_counter_is_not_called_to_another(skilled: World) -> None:
    """The second of two tellers would take it for done; the same counter again changes nothing."""
    staff = skilled.token("staff", "hall")
    at = f"appointments/{ticket(skilled, staff, 'desk')}/call"
    assert [post(skilled, staff, at, {"counter": LONGEST}).json()["counter"] for _ in range(2)] == [
        LONGEST
    ] * 2
    assert post(skilled, staff, at).status_code == 200
    refused = post(skilled, staff, at, {"counter": "c-2"})
    assert (refused.status_code, refused.json()["detail"]) == (
        409, f"the appointment was called to {LONGEST} already.",
    )  # fmt: skip
    assert post(skilled, staff, at, {"counter": " "}).status_code == 422
    unknown = post(skilled, staff, at, {"counter": "c-9"})  # nobody is told to go where there is no counter
    assert (unknown.status_code, unknown.json()["detail"]) == (422, "hall has no counter 'c-9'.")


def test_the_earlier_promise_is_called_first(free: World) -> None:
    """The next appointment goes before an earlier walk-in, who is promised a time later than it."""
    staff = free.token("staff", "hall")
    booked = post(free, staff, "appointments", appointment()).json()
    walked_in = ticket(free, staff, "desk")
    shown = post(free, staff, "check-in", {"code": booked["code"]})
    assert shown.status_code == 200, shown.text
    assert post(free, staff, "call-next", {"counter": "1"}).json()["called"]["id"] == booked["id"]
    assert post(free, staff, "call-next", {"counter": "2"}).json()["called"]["id"] == walked_in


def appointment() -> dict[str, str]:
    at_ms = now_ms()
    return {
        "service": "desk",
        "start": iso(at_ms - at_ms % (15 * MINUTE_MS) + 15 * MINUTE_MS),
        "name": "Ann Miller",
    }


def test_a_code_checks_in_once_and_today_only(free: World) -> None:
    staff = free.token("staff", "hall")
    booked = post(free, staff, "appointments", appointment()).json()
    texts = (booked["code"].lower().replace("-", " "), booked["qr"])
    answers = [post(free, staff, "check-in", {"code": text}) for text in texts]
    assert [(each.status_code, each.json()["number"]) for each in answers] == [(200, "S001")] * 2
    assert answers[0].json()["masked_name"] == "A***"
    assert post(free, staff, "check-in", {"code": "0000-0000"}).status_code == 404
    assert post(free, staff, "check-in", {"code": "hello"}).status_code == 422
    elsewhere = post(free, staff, "check-in", {"code": qr_text("annex", booked["code"])})
    assert (elsewhere.status_code, "annex" in elsewhere.json()["detail"]) == (409, True)
    with opened(free.config.data_dir) as db:
        db.execute("UPDATE appointment SET day='2031-01-01', state='booked', start_ms=start_ms+?", (DAY_MS,))
    other = post(free, staff, "check-in", {"code": booked["code"]})
    assert (other.status_code, other.json()["detail"]) == (409, "this appointment is on 2031-01-01.")


def test_a_walk_in_that_is_sent_twice_gets_one_ticket(free: World) -> None:
    staff = free.token("staff", "hall")
    again = {"Idempotency-Key": "one"}
    made = [post(free, staff, "walk-ins", {"service": "desk"}, **again) for _ in range(2)]
    assert [each.status_code for each in made] == [201, 201]
    assert made[0].json()["id"] == made[1].json()["id"]
    assert post(free, staff, "walk-ins", {"service": "loan"}, **again).status_code == 409
    assert post(free, staff, "walk-ins", {"service": "desk"}).json()["id"] != made[0].json()["id"]


def test_an_empty_key_makes_no_two_customers_one(free: World) -> None:
    """As a variable that was not set sends it: everybody who comes for the same would get the first one's ticket."""
    staff = free.token("staff", "hall")
    empty = post(free, staff, "walk-ins", {"service": "desk"}, **{"Idempotency-Key": ""})
    assert empty.status_code == 422
    assert "Idempotency-Key" in empty.json()["detail"]
