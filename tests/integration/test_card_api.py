"""The card's API as a page sees it: bound to its origin, honest when refused, one booking however often sent."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hubworld import NOON, World, world
from icalendar import Calendar
from paces import within_a_minute
from tables import IDENTITY_CARD, partner, service

from branchloop.clock import DAY_MS, from_ms
from hub.api.card import access as card_access
from hub.api.models import card as models_card
from hub.api.pace import Pace
from hub.api.state import now_ms
from hub.loop.embedding import Embed, issue
from hub.store.book import queueing, waitlist
from hub.store.connection import opened, reading
from hub.store.customers.erasure import erase_customer
from hub.store.journeys import of_journey

PAGE, OTHER = "https://travel.example", "https://other.example"
PARTS = (
    """
address = { en = "1 High Street", zh = "大街一号" }
"""
    + service("loan", per_slot=2, documents=[IDENTITY_CARD])
    + service("proof", online="certificate")
    + service("advice", remote_tickets=True)
)
HUB = partner("travel", PAGE, sites=["hall"]) + partner("other", OTHER)
ASKING = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
"""One for all: a client of its own for each question would take longer than the question."""
Headers = dict[str, str]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card_access, "_writes", Pace(10_000, "bookings from this address"))
        with world(tmp_path_factory.mktemp("hub"), parts=PARTS, hub=HUB, book=True, zone=NOON) as running:
            yield running


def token(hub: World, **more: object) -> str:
    page = replace(Embed("travel", PAGE, "hall", now_ms() + DAY_MS), **more)  # type: ignore[arg-type]
    return issue(page, hub.state.book.keyring.mac)


def page(hub: World, **more: object) -> Headers:
    return {"Authorization": f"Embed {token(hub, **more)}", "Origin": str(more.get("origin", PAGE))}


def holding(made: httpx.Response, origin: str = PAGE) -> Headers:
    return {"Authorization": f"Pass {made.json()['secret']}", "Origin": origin}


def day_after(days: int = 2) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def slots(hub: World, service: str = "loan", days: int = 2) -> list[str]:
    answer = ASKING.get(
        f"{hub.api}/api/v1/card/slots", params={"service": service, "day": day_after(days)}, headers=page(hub)
    )
    assert answer.status_code == 200, answer.text
    return [each["start"] for each in answer.json()["items"] if each["free"]]


def book(hub: World, start: str, key: str, headers: Headers | None = None, **more: object) -> httpx.Response:
    return ASKING.post(
        f"{hub.api}/api/v1/card/appointments",
        headers={**(headers or page(hub)), "Idempotency-Key": key},
        json={"service": "loan", "start": start, "name": "Maria Findable", "language": "en", **more},
    )


def key(name: str) -> str:
    return f"a-random-key-{name:-<20}"


def test_an_offer_tells_the_branch_and_nobody(hub: World) -> None:
    answer = ASKING.get(f"{hub.api}/api/v1/card/offer", headers=page(hub, scene="moving"))
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in answer.headers["vary"]
    told = answer.json()
    assert [each["id"] for each in told["services"]] == ["loan", "proof", "advice"]
    assert told["services"][0]["documents"] == [{"en": "Identity card", "zh": "身份证"}]
    assert told["services"][1]["online"] == "certificate"
    assert (told["scene"], told["partner"]["en"], told["keep_days"]) == ("moving", "Travel page", 90)


def test_a_token_of_one_service_offers_that_one(hub: World) -> None:
    headers = page(hub, service="loan")
    offer = ASKING.get(f"{hub.api}/api/v1/card/offer", headers=headers).json()
    assert [each["id"] for each in offer["services"]] == ["loan"]
    refused = ASKING.get(f"{hub.api}/api/v1/card/slots", params={"service": "proof"}, headers=headers)
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"expires_ms": 1}, 401),
        ({"partner": "gone"}, 403),
        ({"site": "annex"}, 403),
        ({"site": "gone"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"partner": "other"}, 403),
    ],
)
def test_a_token_that_does_not_hold_is_refused(hub: World, changed: dict[str, object], status: int) -> None:
    refused = ASKING.get(f"{hub.api}/api/v1/card/offer", headers=page(hub, **changed))
    assert refused.status_code == status
    assert refused.json()["hint"]


def test_a_page_elsewhere_cannot_use_a_stolen_token(hub: World) -> None:
    """The other origin is listed, so its page may read the sentence; the token is not its own."""
    stolen = {**page(hub), "Origin": OTHER}
    refused = ASKING.get(f"{hub.api}/api/v1/card/offer", headers=stolen)
    assert refused.status_code == 403
    assert refused.headers["access-control-allow-origin"] == OTHER
    evil = ASKING.get(f"{hub.api}/api/v1/card/offer", headers={**page(hub), "Origin": "https://evil.example"})
    assert evil.status_code == 403
    assert "access-control-allow-origin" not in evil.headers
    silent = {"Authorization": page(hub)["Authorization"], "Sec-Fetch-Site": "cross-site"}
    assert ASKING.get(f"{hub.api}/api/v1/card/offer", headers=silent).status_code == 403


def test_a_preflight_is_answered_for_partners_alone(hub: World) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    url = f"{hub.api}/api/v1/card/appointments"
    answer = ASKING.options(url, headers={**asked, "Origin": PAGE})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, PAGE)
    assert "authorization" in answer.headers["access-control-allow-headers"].casefold()
    refused = ASKING.options(url, headers={**asked, "Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


def test_a_body_of_ten_megabytes_is_refused_with_a_sentence_that_the_page_may_read(hub: World) -> None:
    refused = ASKING.post(f"{hub.api}/api/v1/card/appointments", headers=page(hub), content=b"x" * 10_000_000)
    assert refused.status_code == 413
    assert refused.headers["access-control-allow-origin"] == PAGE


def test_a_booking_is_one_however_often_it_is_sent(hub: World) -> None:
    start = slots(hub)[0]
    first, again = book(hub, start, key("once")), book(hub, start, key("once"))
    assert (first.status_code, again.status_code) == (201, 201), first.text
    assert first.json()["secret"] == again.json()["secret"]
    told = first.json()["details"]
    assert (told["state"], told["masked_name"], told["may"]) == ("booked", "M***", ["move", "cancel"])
    assert first.json()["url"] == f"{hub.api}/pass#{first.json()['secret']}"
    other = book(hub, start, key("once"), name="Somebody Else")
    assert other.status_code == 409
    assert book(hub, start, "short").status_code == 422
    with reading(hub.config.data_dir) as db:
        assert first.json()["secret"] not in "\n".join(db.iterdump())


def test_a_slot_that_just_went_says_so(hub: World) -> None:
    start = slots(hub)[1]
    told: list[int] = []
    threads = [
        threading.Thread(target=lambda at=at: told.append(book(hub, start, key(f"race{at}")).status_code))
        for at in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [201, 201, 409, 409, 409, 409]
    refused = book(hub, start, key("late"))
    assert refused.json()["type"] == "urn:branchloop:problem:slot-gone"


@pytest.mark.parametrize(
    "changed",
    [
        {"start": "yesterday"},
        {"start": "2026-01-01T09:00:00"},
        {"start": "2020-01-01T09:00:00Z"},
        {"start": "9999-12-31T23:59:59+14:00"},
        {"name": "<script>alert(1)</script>"},
        {"name": "\u202eevil"},
        {"service": "unknown"},
        {"contact": {"phone": "12"}},
        {"contact": {"phone": "+86 123"}},
        {"contact": {"email": "nobody"}},
        {"contact": {"email": "a@b.example\r\nBcc: c@d.example"}},
        {"contact": {"email": "a@b.example", "phone": "+8613800138000"}},
        {"journey": "j-1"},
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_stored(hub: World, changed: dict[str, object]) -> None:
    with reading(hub.config.data_dir) as db:
        before = db.execute("SELECT count(*) FROM appointment").fetchone()
    refused = book(
        hub,
        str({"start": slots(hub)[2], **changed}["start"]),
        key("bad"),
        **{k: v for k, v in changed.items() if k != "start"},
    )
    assert refused.status_code == 422, refused.text
    with reading(hub.config.data_dir) as db:
        assert db.execute("SELECT count(*) FROM appointment").fetchone() == before


@pytest.mark.parametrize(
    "phone", ["+86 138 0013 8000", "+852 5123 4567", "+49 30 901820", "+1 (202) 456-1111"]
)
def test_phones_of_any_country_are_taken(hub: World, phone: str) -> None:
    made = book(hub, slots(hub, days=3)[0], key(f"phone{len(phone)}{phone[1]}"), contact={"phone": phone})
    assert made.status_code == 201, made.text
    with reading(hub.config.data_dir) as db:
        dump = "\n".join(db.iterdump())
    assert phone not in dump
    assert "".join(filter(str.isdigit, phone)) not in dump
    assert ASKING.post(f"{hub.api}/api/v1/card/pass/cancel", headers=holding(made)).status_code == 200


def test_html_in_a_name_is_a_name_or_refused_but_never_html(hub: World) -> None:
    made = book(hub, slots(hub, days=4)[0], key("html"), name="Mary <b>Ann</b>")
    assert made.status_code == 201
    assert "<b>" not in made.text


def test_a_pass_opens_its_visit_and_nothing_else(hub: World) -> None:
    starts = slots(hub, days=5)
    made = book(hub, starts[0], key("pass"))
    headers = holding(made)
    shown = ASKING.get(f"{hub.api}/api/v1/card/pass", headers=headers).json()
    assert (shown["start"], shown["wait"], shown["you_are_next"]) == (starts[0], None, False)
    moved = ASKING.post(f"{hub.api}/api/v1/card/pass/move", headers=headers, json={"start": starts[1]})
    assert moved.json()["start"] == starts[1]
    over = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    late = ASKING.post(f"{hub.api}/api/v1/card/pass/move", headers=headers, json={"start": over})
    assert (late.status_code, "is over" in late.text) == (422, True)
    picture = ASKING.get(f"{hub.api}/api/v1/card/pass/qr.svg", headers=headers)
    assert picture.text.startswith("<svg")
    file = ASKING.get(f"{hub.api}/api/v1/card/pass/calendar.ics?lang=en", headers=headers)
    assert b"Findable" not in file.content
    assert all(len(line) <= 75 for line in file.content.split(b"\r\n"))
    (event,) = Calendar.from_ical(file.content).walk("VEVENT")
    assert event["DTSTART"].dt == datetime.fromisoformat(starts[1])
    assert (int(event["SEQUENCE"]), str(event["LOCATION"])) == (1, "Hall, 1 High Street")
    own = ASKING.get(f"{hub.api}/api/v1/card/pass", headers={**headers, "Origin": hub.api})
    assert own.status_code == 200
    foreign = ASKING.get(f"{hub.api}/api/v1/card/pass", headers={**headers, "Origin": OTHER})
    assert foreign.status_code == 403
    guessed = ASKING.get(f"{hub.api}/api/v1/card/pass", headers={"Authorization": "Pass " + "0" * 64})
    assert guessed.status_code == 401
    for _ in range(2):
        ended = ASKING.post(f"{hub.api}/api/v1/card/pass/cancel", headers=headers)
        assert (ended.json()["state"], ended.json()["may"]) == ("cancelled", [])
    with reading(hub.config.data_dir) as db:
        lines = db.execute(
            "SELECT actor, action FROM audit_due WHERE detail='appointment ' || "
            "(SELECT appointment FROM pass ORDER BY made_ms DESC LIMIT 1) ORDER BY id"
        ).fetchall()
    assert lines[-1] == ("card:travel", "cancel")
    assert ("card:travel", f"move to {starts[1]}") in lines
    gone = ASKING.get(f"{hub.api}/api/v1/card/pass/calendar.ics", headers=headers)
    assert b"METHOD:CANCEL" in gone.content


@pytest.mark.parametrize("start", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_start_at_the_ends_of_the_calendar_is_refused(hub: World, start: str) -> None:
    """With a sentence, whoever books or moves."""
    staff, branch = hub.token("staff", "hall"), f"{hub.api}/api/v1/branches/hall/appointments"
    made = book(hub, slots(hub, days=8)[0], key("ends"))
    with reading(hub.config.data_dir) as db:
        (identity,) = db.execute("SELECT appointment FROM pass ORDER BY made_ms DESC LIMIT 1").fetchone()
    asked, moved = {"service": "loan", "start": start, "name": "Ann"}, {"start": start}
    answers = [
        book(hub, start, key(f"ends{start[0]}")),
        ASKING.post(f"{hub.api}/api/v1/card/pass/move", headers=holding(made), json=moved),
        ASKING.post(branch, headers=staff, json=asked),
        ASKING.post(f"{branch}/{identity}/move", headers=staff, json=moved),
    ]
    assert [each.status_code for each in answers] == [422] * 4
    assert {each.json()["hint"] for each in answers} == {"Give a year from 1971 to 2199."}


def the_day_comes(hub: World, appointment: str) -> None:
    """It was to be today, at the same time of day."""
    today = from_ms(now_ms(), hub.config.sites["hall"].zone_info).date()
    with opened(hub.config.data_dir) as db:
        day = date.fromisoformat(hub.state.book.get(db, "hall", appointment).day)
        db.execute(
            "UPDATE appointment SET day=:day, start_ms=start_ms-:ahead, end_ms=end_ms-:ahead, "
            "window_from_ms=window_from_ms-:ahead, window_to_ms=window_to_ms-:ahead WHERE id=:id",
            {"day": today.isoformat(), "ahead": (day - today).days * DAY_MS, "id": appointment},
        )


def test_a_visit_is_told_to_its_end_and_followed_up(hub: World) -> None:
    """Impression, start, booking, waiting, call, outcome; then what follows, for the same customer."""
    seen = ASKING.post(
        f"{hub.api}/api/v1/card/seen", headers=page(hub, scene="salary-day"), json={"stage": "impression"}
    )
    journey = seen.json()["journey"]
    for stage in ("impression", "start"):
        body = {"stage": stage, "journey": journey, "service": "loan"}
        assert ASKING.post(f"{hub.api}/api/v1/card/seen", headers=page(hub), json=body).json() == {
            "journey": journey
        }
    made = book(hub, slots(hub, days=6)[0], key("whole"), page(hub, scene="salary-day"), journey=journey)
    headers = holding(made)
    staff = hub.token("staff", "hall")
    with reading(hub.config.data_dir) as db:
        (identity,) = db.execute("SELECT id FROM appointment WHERE journey=?", (journey,)).fetchone()
    todo = f"{hub.api}/api/v1/branches/hall/appointments/{identity}"
    the_day_comes(hub, identity)
    assert ASKING.post(f"{todo}/arrive", headers=staff).status_code == 200
    waiting = ASKING.get(f"{hub.api}/api/v1/card/pass", headers=headers).json()
    assert (waiting["state"], waiting["number"][0]) == ("arrived", "S")
    ASKING.post(f"{todo}/call", headers=staff, json={"counter": "3"})
    called = ASKING.get(f"{hub.api}/api/v1/card/pass", headers=headers).json()
    assert (called["state"], called["counter"], called["ahead"]) == ("called", "3", None)
    finish = {
        "outcome": "documents_missing",
        "follow_up": {"text": "Bring <i>the lease</i>", "service": "loan"},
    }
    assert ASKING.post(f"{todo}/finish", headers=staff, json=finish).status_code == 200
    after = ASKING.get(f"{hub.api}/api/v1/card/pass", headers=headers).json()
    assert (after["outcome"], after["follow_up"]["service"]) == ("documents_missing", "loan")
    onward = {"Authorization": f"Embed {after['embed']}", "Origin": PAGE}
    next_one = book(hub, slots(hub, days=7)[0], key("next"), onward, follows=made.json()["secret"])
    assert next_one.status_code == 201, next_one.text
    with reading(hub.config.data_dir) as db:
        stages = [each.happened.stage for each in of_journey(db, journey)]
        customers = db.execute(
            "SELECT count(DISTINCT customer), count(*) FROM appointment WHERE customer="
            "(SELECT customer FROM appointment WHERE id=?)",
            (identity,),
        ).fetchone()
        told = of_journey(db, journey)[0].happened
    assert stages == [
        "impression", "start", "booked", "arrived", "checked_in", "called", "served", "outcome", "follow_up"
    ]  # fmt: skip
    assert customers == (1, 2)
    assert (told.channel, told.scene, told.partner) == ("card", "salary-day", "travel")
    foreign = book(
        hub,
        slots(hub, days=7)[1],
        key("foreign"),
        page(hub, partner="other", origin=OTHER),
        follows=made.json()["secret"],
    )
    assert foreign.status_code == 403


def test_a_customer_who_waits_sees_who_comes_before(hub: World) -> None:
    with opened(hub.config.data_dir) as db:
        site = hub.config.sites["hall"]
        first = queueing.walk_in(db, hub.state.book, site, "proof", "", "zh", now_ms())
    made = book(hub, slots(hub, "proof", 1)[0], key("ahead"), service="proof")
    with reading(hub.config.data_dir) as db:
        (identity,) = db.execute("SELECT appointment FROM pass ORDER BY made_ms DESC LIMIT 1").fetchone()
    staff = hub.token("staff", "hall")
    # who booked for tomorrow is not checked in, and has no place in today's queue
    early = ASKING.post(f"{hub.api}/api/v1/branches/hall/appointments/{identity}/arrive", headers=staff)
    assert (early.status_code, early.json()["hint"]) == (409, "Move it, or take a ticket.")
    assert ASKING.get(f"{hub.api}/api/v1/card/pass", headers=holding(made)).json()["ahead"] is None
    assert first.state == "arrived"


def test_a_full_day_is_waited_for_and_its_place_confirmed(hub: World) -> None:
    """Waitlist, a place that frees, confirmed by the pass; a second confirmation changes nothing."""
    day = day_after(10)
    taken = [
        book(hub, start, key(f"full{at}{again}"))
        for at, start in enumerate(slots(hub, days=10))
        for again in range(2)
    ]
    refused = [each for each in taken if each.status_code != 201]
    assert not refused, refused[0].text
    body = {"service": "loan", "day": day, "name": "Wanda Waiting", "language": "en"}
    url = f"{hub.api}/api/v1/card/waitlist"
    waits, again = (
        ASKING.post(url, headers={**page(hub), "Idempotency-Key": key("waits")}, json=body) for _ in range(2)
    )
    assert waits.status_code == 201, waits.text
    assert waits.json()["secret"] == again.json()["secret"]
    told = waits.json()["details"]
    assert (told["state"], told["start"], told["may"], told["day"]) == ("waitlisted", None, ["cancel"], day)
    early = ASKING.post(f"{hub.api}/api/v1/card/pass/confirm", headers=holding(waits))
    assert early.status_code == 409
    ASKING.post(f"{hub.api}/api/v1/card/pass/cancel", headers=holding(taken[4]))
    with opened(hub.config.data_dir) as db:
        assert waitlist.offer_freed(db, hub.state.book, hub.config.sites.values(), now_ms()) == 1
    offered = ASKING.get(f"{hub.api}/api/v1/card/pass", headers=holding(waits)).json()
    assert (offered["may"], offered["start"]) == (["confirm", "cancel"], taken[4].json()["details"]["start"])
    assert offered["offered_until"] is not None
    for _ in range(2):
        sure = ASKING.post(f"{hub.api}/api/v1/card/pass/confirm", headers=holding(waits)).json()
        assert (sure["state"], sure["offered_until"]) == ("booked", None)


def test_a_place_in_the_queue_is_taken_from_afar(hub: World) -> None:
    body = {"service": "advice", "name": "", "language": "zh"}
    url = f"{hub.api}/api/v1/card/tickets"
    made, again = (
        ASKING.post(url, headers={**page(hub), "Idempotency-Key": key("afar")}, json=body) for _ in range(2)
    )
    assert made.status_code == 201, made.text
    assert made.json()["secret"] == again.json()["secret"]
    told = made.json()["details"]
    assert (told["kind"], told["state"], told["may"]) == ("remote", "booked", ["cancel"])
    refused = ASKING.post(
        url, headers={**page(hub), "Idempotency-Key": key("not")}, json={**body, "service": "loan"}
    )
    assert refused.status_code == 409


def test_a_forgotten_customer_has_no_pass_any_more(hub: World) -> None:
    made = book(hub, slots(hub, days=8)[0], key("forgotten"))
    assert ASKING.get(f"{hub.api}/api/v1/card/pass", headers=holding(made)).status_code == 200
    with reading(hub.config.data_dir) as db:
        (customer,) = db.execute(
            "SELECT customer FROM appointment a JOIN pass p ON p.appointment=a.id ORDER BY p.made_ms DESC LIMIT 1"
        ).fetchone()
    erase_customer(hub.config.data_dir, customer, now_ms(), hub.state.people)
    assert ASKING.get(f"{hub.api}/api/v1/card/pass", headers=holding(made)).status_code == 401


def test_an_errand_of_another_partner_is_not_gone_on_with(hub: World) -> None:
    seen = ASKING.post(f"{hub.api}/api/v1/card/seen", headers=page(hub), json={"stage": "impression"}).json()
    headers = page(hub, partner="other", origin=OTHER)
    made = book(hub, slots(hub, days=9)[0], key("errand"), headers, journey=seen["journey"])
    assert made.status_code == 201
    with reading(hub.config.data_dir) as db:
        assert [each.happened.stage for each in of_journey(db, seen["journey"])] == ["impression"]


def test_who_asks_too_often_is_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_access, "_writes", Pace(3, "bookings from this address"))
    within_a_minute(monkeypatch, card_access)
    with world(tmp_path, parts=PARTS, hub=HUB, book=True, zone=NOON) as own:
        told = [
            ASKING.post(f"{own.api}/api/v1/card/seen", headers=page(own), json={"stage": "impression"})
            for _ in range(5)
        ]
    assert [each.status_code for each in told] == [201, 201, 201, 429, 429]
    assert json.loads(told[-1].text)["hint"] == "Wait a minute."
    assert 1 <= int(told[-1].headers["Retry-After"]) <= 60
    assert told[-1].headers["Access-Control-Expose-Headers"] == "Retry-After"


def test_everybody_in_a_branch_behind_one_address_may_look_at_a_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass has a pace of its own; only unknown ones are counted by address."""
    monkeypatch.setattr(card_access, "_looks", Pace(3, "questions by this pass"))
    monkeypatch.setattr(card_access, "_guesses", Pace(2, "unknown passes"))
    within_a_minute(monkeypatch, card_access)
    with world(tmp_path, parts=PARTS, hub=HUB, book=True, zone=NOON) as own:
        passes = [holding(book(own, start, key(f"wifi{at}"))) for at, start in enumerate(slots(own)[:3])]
        monkeypatch.setattr(card_access, "_reads", Pace(0, "questions from this address"))
        url = f"{own.api}/api/v1/card/pass"
        for _ in range(3):
            assert [ASKING.get(url, headers=each).status_code for each in passes] == [200, 200, 200]
        assert ASKING.get(url, headers=passes[0]).status_code == 429
        unknown = {"Authorization": "Pass nobody", "Origin": PAGE}
        assert [ASKING.get(url, headers=unknown).status_code for _ in range(3)] == [401, 401, 429]


def test_a_second_visit_of_one_customer_at_one_time_is_told_from_a_full_slot(hub: World) -> None:
    start = slots(hub, days=5)[2]
    first = book(hub, start, key("own-first"))
    again = book(hub, start, key("own-again"), follows=first.json()["secret"])
    assert again.status_code == 409
    assert again.json()["type"] == "urn:branchloop:problem:own-time"
    assert book(hub, start, key("another")).status_code == 201, "the place is not lost by it"


def test_what_follows_a_visit_that_is_still_to_come_is_no_follow_up(hub: World) -> None:
    """It is for the same customer, but nothing of the first visit is done by it."""
    start = slots(hub, days=12)
    first = book(hub, start[0], key("early"))
    assert book(hub, start[1], key("early-next"), follows=first.json()["secret"]).status_code == 201
    with reading(hub.config.data_dir) as db:
        rows = db.execute(
            "SELECT journey, customer FROM appointment ORDER BY booked_ms DESC LIMIT 2"
        ).fetchall()
        stages = [each.happened.stage for journey, _ in rows for each in of_journey(db, journey)]
    assert stages == ["booked", "booked"]
    assert len({customer for _, customer in rows}) == 1


def test_what_a_repeated_request_is_known_by_cannot_be_guessed_from_a_name(hub: World) -> None:
    """The database holds no plain digest of a name: it is made under the hub's key."""
    start = slots(hub, days=13)[0]
    body = models_card.CardBook(service="loan", start=start, name="Maria Findable", language="en")
    assert book(hub, start, key("keyed")).status_code == 201
    said = json.dumps(["hall", "CardBook", body.model_dump()], sort_keys=True)
    with reading(hub.config.data_dir) as db:
        (kept,) = db.execute("SELECT request FROM idempotency WHERE key=?", (key("keyed"),)).fetchone()
    mac = hub.state.book.keyring.mac
    assert kept == mac("request\n" + said)
    assert kept != hashlib.sha256(said.encode()).hexdigest()


def test_a_service_that_the_branch_has_no_more_can_still_be_cancelled(hub: World) -> None:
    made = book(hub, slots(hub, days=11)[0], key("removed"))
    with opened(hub.config.data_dir) as db:
        db.execute(
            "UPDATE appointment SET service='gone' WHERE id=(SELECT appointment FROM pass ORDER BY made_ms DESC LIMIT 1)"
        )
    shown = ASKING.get(f"{hub.api}/api/v1/card/pass", headers=holding(made))
    assert shown.status_code == 200, shown.text
    assert shown.json()["service"]["name"] == {"en": "gone", "zh": "gone"}
    ended = ASKING.post(f"{hub.api}/api/v1/card/pass/cancel", headers=holding(made))
    assert ended.json()["state"] == "cancelled"
