"""The appointment book over its API, and over a real broker from a kiosk."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from boxpeer import BoxPeer
from brokers import until
from consentworld import ConsentWorld, consent_world
from written import written

from branchloop.clock import iso
from branchloop.codes import code_digest, read_qr
from branchloop.wire.arrivals import Attempt, Checkin
from hub.api.state import now_ms
from hub.store.audit import AuditLog
from hub.store.connection import opened
from hub.store.customers.erasure import retire_people
from hub.store.schema.core import AUDIT_DATABASE

NAME = "Bartholomew Quickfinder"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsentWorld]:
    with consent_world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(scope="module")
def staff(world: ConsentWorld) -> dict[str, str]:
    return world.staff("north", "south")


def path(world: ConsentWorld, tail: str, site: str = "north") -> str:
    return f"{world.api}/api/v1/branches/{site}/{tail}"


def a_slot(world: ConsentWorld, staff: dict[str, str], after: int = 0, site: str = "north") -> str:
    """A free slot of tomorrow."""
    day = date.fromordinal(date.today().toordinal() + 2).isoformat()  # noqa: DTZ011
    slots = httpx.get(path(world, f"slots?service=loan&day={day}", site), headers=staff).json()["items"]
    return str([slot for slot in slots if slot["free"]][after]["start"])


def book(
    world: ConsentWorld, staff: dict[str, str], start: str, *, key: str | None = None, **more: object
) -> httpx.Response:
    headers = staff if key is None else {**staff, "Idempotency-Key": key}
    return httpx.post(
        path(world, "appointments"),
        headers=headers,
        json={"service": "loan", "start": start, "name": NAME, **more},
    )


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "tomorrow"])
def test_a_day_that_no_branch_has_is_refused(world: ConsentWorld, staff: dict[str, str], day: str) -> None:
    """With a sentence, at both ends of the calendar."""
    answer = httpx.get(path(world, f"slots?service=loan&day={day}"), headers=staff)
    assert (answer.status_code, day in answer.text) == (422, True), answer.text


def test_a_booking_gives_a_code_and_its_picture(world: ConsentWorld, staff: dict[str, str]) -> None:
    answer = book(world, staff, a_slot(world, staff), title="mr")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["masked_name"] == "B***"
    assert (made["state"], made["number"], made["missed"]) == ("booked", None, False)
    scanned = read_qr(made["qr"])
    assert (scanned.site, scanned.code) == ("north", made["code"].replace("-", ""))
    picture = httpx.get(path(world, f"appointments/{made['id']}/qr.svg"), headers=staff)
    assert picture.text.startswith("<svg")
    name = httpx.get(path(world, f"appointments/{made['id']}/name"), headers=staff).json()
    assert name == {"name": NAME}


def test_a_place_is_never_given_twice(world: ConsentWorld, staff: dict[str, str]) -> None:
    """Twelve customers at once for three places."""
    start = a_slot(world, staff, 2)
    told: list[int] = []
    threads = [
        threading.Thread(target=lambda: told.append(book(world, staff, start).status_code)) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [201] * 3 + [409] * 9


def test_the_database_itself_refuses_a_second_holder_of_a_place(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    made = book(world, staff, a_slot(world, staff, 3)).json()
    with opened(world.config.data_dir) as db, pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute(
            "INSERT INTO appointment (id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, "
            "place, customer, masked_name, title, minor, name, code, code_mac, booking_no, state, booked_ms) "
            "SELECT 'other', site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, place, "
            "'c-other', masked_name, title, minor, name, code, code_mac, 'xxxx', state, booked_ms "
            "FROM appointment WHERE id=?",
            (made["id"],),
        )


def test_the_same_key_books_once_and_another_request_under_it_is_refused(
    world: ConsentWorld, staff: dict[str, str]
) -> None:
    start = a_slot(world, staff, 4)
    first, again = (book(world, staff, start, key="k-1").json() for _ in range(2))
    assert (first["id"], first["code"]) == (again["id"], again["code"])
    refused = book(world, staff, start, key="k-1", title="ms")
    assert refused.status_code == 409
    assert "Idempotency-Key" in refused.json()["detail"]


def test_a_cancelled_place_is_free_again(world: ConsentWorld, staff: dict[str, str]) -> None:
    start = a_slot(world, staff, 6)
    made = [book(world, staff, start).json() for _ in range(3)]
    assert book(world, staff, start).status_code == 409
    for _ in range(2):
        answer = httpx.post(path(world, f"appointments/{made[1]['id']}/cancel"), headers=staff)
        assert answer.json()["state"] == "cancelled"
    assert book(world, staff, start).status_code == 201


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"service": "gold"}, "no service 'gold'"),
        ({"start": "2020-01-01T00:00:00Z"}, "2020-01-01T00:00:00.000Z has begun, or is over"),
        ({"start": "2026-01-01"}, "zone"),
        ({"start": "2035-01-01T00:00:00Z"}, "days ahead"),
        ({"start": f"{datetime.now(UTC).date() + timedelta(days=2)}T01:01:00Z"}, "no slot"),
        ({"name": "1234"}, "not a name"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_bad_bookings_get_a_sentence(
    world: ConsentWorld, staff: dict[str, str], more: dict[str, object], says: str
) -> None:
    answer = book(world, staff, str(more.pop("start", a_slot(world, staff, 8))), **more)
    assert answer.status_code == 422
    assert says in answer.json()["detail"] + answer.json()["hint"]


def test_staff_check_in_call_and_serve(world: ConsentWorld, staff: dict[str, str]) -> None:
    """Each step once, however often it is asked for; out of order it is refused."""
    world.book_now("a-staff", "c-staff", NAME)
    base = path(world, "appointments/a-staff")
    assert httpx.post(f"{base}/call", headers=staff, json={}).status_code == 409
    arrived = [httpx.post(f"{base}/arrive", headers=staff).json() for _ in range(2)]
    assert arrived[0]["number"] == arrived[1]["number"] == "S001"
    board = httpx.get(path(world, "board"), headers=staff).json()
    assert "a-staff" in board["next"]
    assert NAME not in json.dumps(board)
    assert board["methods"]["staff"] == 1
    called = httpx.post(f"{base}/call", headers=staff, json={"counter": "3"}).json()
    assert (called["state"], called["counter"]) == ("called", "3")
    assert called["waited_s"] >= 0
    served = httpx.post(f"{base}/serve", headers=staff).json()
    assert served["state"] == "served"
    assert httpx.post(f"{base}/cancel", headers=staff).status_code == 409


def test_a_time_that_has_begun_is_promised_to_nobody(world: ConsentWorld, staff: dict[str, str]) -> None:
    """Not booked, not moved to, not offered as free; who is here now walks in, and who has that time keeps it."""
    kept = world.book_at(now_ms(), "a-begun", "c-begun", NAME)
    begun = iso(kept.start_ms)
    same = httpx.post(path(world, "appointments/a-begun/move"), headers=staff, json={"start": begun})
    assert same.status_code == 200, same.text
    for service in ("loan", "desk"):
        sent = {"service": service, "start": begun, "name": NAME}
        refused = httpx.post(path(world, "appointments"), headers=staff, json=sent)
        assert (refused.status_code, refused.json()["detail"]) == (422, f"{begun} has begun, or is over.")
    made = book(world, staff, a_slot(world, staff, 9)).json()
    moved = httpx.post(path(world, f"appointments/{made['id']}/move"), headers=staff, json={"start": begun})
    assert (moved.status_code, "takes a ticket of the queue" in moved.json()["hint"]) == (422, True)
    assert world.kept(made["id"]).start_ms > kept.end_ms
    asked = {"service": "desk", "day": kept.day}
    told = httpx.get(path(world, "slots"), params=asked, headers=staff).json()["items"]
    assert [each["free"] for each in told if each["start"] <= begun] == [0] * sum(
        each["start"] <= begun for each in told
    )
    walked_in = httpx.post(path(world, "walk-ins"), headers=staff, json={"service": "desk"})
    assert walked_in.status_code == 201, walked_in.text


def checkin(number: str, appointment: str, at_ms: int, **more: object) -> Checkin:
    fields: dict[str, object] = {
        "id": f"x-{number.lower()}-{at_ms}", "at_ms": at_ms, "appointment": appointment, "method": "code",
        "number": number, "provisional": True, **more,
    }  # fmt: skip
    return Checkin.model_validate(fields)


def test_two_kiosks_give_a_ticket_each_and_the_earlier_counts(world: ConsentWorld) -> None:
    """Whichever is heard first; the other number is an alias that staff see."""
    world.book_now("a-two", "c-two", NAME)
    peer = world.peer()
    at_ms = now_ms()
    peer.report("checkin", checkin("A007", "a-two", at_ms - 1_000), 1)
    until(lambda: world.kept("a-two").state == "arrived", "the check-in is kept")
    earlier = checkin("B002", "a-two", at_ms - 5_000, id="other-kiosk")
    peer.report("checkin", earlier, 2)
    peer.report("checkin", earlier, 3)
    until(lambda: world.kept("a-two").number == "B002", "the earlier ticket counts")
    board = httpx.get(path(world, "board"), headers=world.staff()).json()
    shown = next(item for item in board["items"] if item["id"] == "a-two")
    assert (shown["number"], shown["aliases"], shown["provisional"]) == ("B002", ["A007"], True)
    assert world.ask("SELECT count(*) FROM ticket WHERE appointment='a-two'") == [(2,)]
    peer.close()


def test_a_kiosk_whose_clock_is_ahead_still_checks_people_in(world: ConsentWorld) -> None:
    """As of now, with an alarm; the message stays out of the figures."""
    world.book_now("a-clock", "c-clock", NAME)
    peer = world.peer()
    peer.report("checkin", checkin("A020", "a-clock", now_ms() + 300_000), 50)
    until(lambda: world.kept("a-clock").state == "arrived", "the check-in is kept")
    assert (world.kept("a-clock").arrived_ms or 0) <= now_ms()
    assert world.ask("SELECT 1 FROM alarm WHERE what='future'")
    peer.close()


def test_who_comes_after_a_cancellation_is_served(world: ConsentWorld, staff: dict[str, str]) -> None:
    """The kiosk did not know: the customer stands there with a ticket."""
    world.book_now("a-back", "c-back", NAME)
    httpx.post(path(world, "appointments/a-back/cancel"), headers=staff)
    peer = world.peer()
    peer.report("checkin", checkin("A030", "a-back", now_ms()), 60)
    until(lambda: world.kept("a-back").state == "arrived", "the appointment is revived")
    peer.close()


def test_attempts_and_check_ins_are_in_the_audit_log(world: ConsentWorld) -> None:
    peer = world.peer()
    peer.report("attempt", Attempt(id="t-1", at_ms=now_ms(), outcome="unknown_code", method="code"), 70)
    sql = "SELECT detail FROM audit WHERE action='check-in attempt'"

    def lines() -> list[tuple[str]]:
        db = sqlite3.connect(world.config.data_dir / AUDIT_DATABASE)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    until(lambda: lines() == [("unknown_code code",)], "the attempt is in the audit log")
    until(lambda: world.ask("SELECT 1 FROM audit_due") == [], "nothing is owed any more")
    log = AuditLog(world.config.data_dir)
    assert log.verify().broken_seq is None
    log.close()
    peer.close()


@pytest.mark.parametrize("flaw", ["unknown appointment", "no kiosk"])
def test_what_cannot_be_kept_is_put_aside(world: ConsentWorld, flaw: str) -> None:
    peer = BoxPeer(world.broker, world.root, "north")
    peer.connect()
    appointment = "a-nobody" if flaw == "unknown appointment" else "a-1"
    seq = 80 if flaw == "unknown appointment" else 81
    site = world.config.sites["north"]
    kiosks = list(site.kiosks)
    if flaw == "no kiosk":
        site.kiosks.clear()
    try:
        peer.report("checkin", checkin("A040", appointment, now_ms()), seq)
        until(lambda: world.ask("SELECT 1 FROM quarantine WHERE seq=?", seq), "it is put aside")
    finally:
        site.kiosks[:] = kiosks
    assert world.ask("SELECT 1 FROM ticket WHERE number='A040'") == []
    peer.close()


def test_a_gallery_holds_digests_and_masked_names_only(world: ConsentWorld) -> None:
    peer = world.peer()
    until(lambda: peer.galleries, "a gallery")
    gallery = peer.galleries[-1]
    mine = next(each for each in gallery.appointments if each.id == "a-1")
    assert mine.code_digest == code_digest(gallery.salt, world.code("a-1"))
    assert (gallery.tickets.series, gallery.tickets.last) == ("A", 999)
    text = gallery.to_json()
    assert world.code("a-1") not in text
    assert "王小明" not in text
    peer.close()


def test_clear_names_and_codes_are_in_no_file(world: ConsentWorld, staff: dict[str, str]) -> None:
    made = book(world, staff, a_slot(world, staff, 12), customer="c-bytes").json()
    needles = [NAME.encode(), made["code"].encode(), made["code"].replace("-", "").encode()]
    needles.append(world.state.people.wrapping.unwrap.__self__._find("c-bytes"))  # type: ignore[attr-defined]
    for file, content in written(world.folder).items():
        assert not any(needle in content for needle in needles), file


def test_after_its_time_an_appointment_names_nobody(world: ConsentWorld, staff: dict[str, str]) -> None:
    """Its key is gone too, so an older copy of the database cannot be read either."""
    made = book(world, staff, a_slot(world, staff, 14), customer="c-old").json()
    ((wrapped,),) = world.ask("SELECT name FROM appointment WHERE id=?", made["id"])
    assert isinstance(wrapped, bytes)
    assert world.keys.unwrap("c-old", wrapped, "customer's name") == NAME.encode()
    assert retire_people(world.config, now_ms() + 10 * 86_400_000, now_ms()) > 0
    kept = world.kept(made["id"])
    assert (kept.masked_name, kept.state) == ("*", "cancelled")
    assert kept.customer != "c-old"
    assert world.keys.unwrap("c-old", wrapped, "customer's name") is None
    assert httpx.get(path(world, f"appointments/{made['id']}/name"), headers=staff).status_code == 404
