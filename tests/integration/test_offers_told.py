"""A place that the waitlist holds is told to who left an address: once, while it holds; the pass says the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hubworld import NOON, World, world
from remindworld import look, posted, stages, states
from tables import IDENTITY_CARD, partner, service

from branchloop.clock import DAY_MS, from_ms
from hub.api.state import now_ms
from hub.config.events import Reminders
from hub.loop.appointments import HOLD_MS
from hub.loop.embedding import Embed, issue
from hub.outgoing.reminders import Reminding
from hub.outgoing.sinks import LogSink, Note, SinkError
from hub.store.book import waitlist
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.places import day_slots
from hub.store.connection import opened

PAGE = "https://travel.example"
PARTS = service("loan", documents=[IDENTITY_CARD])
WEBHOOK = '[reminders]\nsink = "webhook"\n[reminders.webhook]\nurl = "https://g.example/"\nsecret_env = "X"\n'
SMTP = '[reminders]\nsink = "smtp"\n[reminders.smtp]\nhost = "localhost"\nsender = "b@bank.example"\n'


@contextmanager
def hub_with(folder: Path, reminders: str = "") -> Iterator[World]:
    hub = partner("travel", PAGE, sites=["hall"]) + reminders
    with world(folder, parts=PARTS, hub=hub, book=True, zone=NOON) as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with hub_with(tmp_path) as running:
        yield running


class Kept:
    """A sink that keeps what it is given, or fails as told."""

    tells = True

    def __init__(self, fault: Exception | None = None) -> None:
        self.notes, self.fault = list[Note](), fault

    async def send(self, note: Note) -> None:
        if self.fault is not None:
            raise self.fault
        self.notes.append(note)


def filled(hub: World) -> list[Appointment]:
    """All of the day in three days' time is booked."""
    site = hub.config.sites["hall"]
    day = from_ms(now_ms() + 3 * DAY_MS, site.zone_info).date()
    with opened(hub.config.data_dir) as db:
        return [
            hub.state.book.book(db, site, Wanted("loan", each.start_ms, "Somebody Else"), now_ms())
            for each in day_slots(db, site, "loan", day, now_ms())
        ]


def waits(
    hub: World, day_of: Appointment, contact: str | None = '{"email": "maria@example.com"}', lang: str = "en"
) -> Appointment:
    site = hub.config.sites["hall"]
    day = from_ms(day_of.start_ms, site.zone_info).date()
    wanted = Wanted("loan", 0, "Maria Findable", contact=contact, language=lang, channel="card")  # type: ignore[arg-type]
    with opened(hub.config.data_dir) as db:
        return waitlist.join(db, hub.state.book, site, wanted, day, now_ms())


def freed(hub: World, taken: Appointment) -> None:
    with opened(hub.config.data_dir) as db:
        hub.state.book.step(db, taken, "cancel", now_ms())
    assert offers(hub) == 1


def offers(hub: World, later_ms: int = 0) -> int:
    with opened(hub.config.data_dir) as db:
        return waitlist.offer_freed(db, hub.state.book, hub.config.sites.values(), now_ms() + later_ms)


def held(hub: World, one: Appointment) -> Appointment:
    with opened(hub.config.data_dir) as db:
        return hub.state.book.get(db, "hall", one.id)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_held_place_is_told_once_with_until_when(hub: World, lang: str) -> None:
    """In the customer's language, by the branch's clock, with no more of a name than a reminder; who left none is not."""
    taken, sink = filled(hub), Kept()
    one = waits(hub, taken[0], lang=lang)
    assert look(hub, lambda: sink) == [0]
    silent = waits(hub, taken[0], None)
    freed(hub, taken[1])
    freed(hub, taken[2])
    assert look(hub, lambda: sink, 3) == [1, 0, 0]
    (note,) = sink.notes
    zone = hub.config.sites["hall"].zone_info
    until = from_ms(held(hub, one).offered_until_ms or 0, zone)
    start = from_ms(held(hub, one).start_ms, zone)
    assert (note.email, note.phone) == ("maria@example.com", None)
    day = f"{until:%A, %d %B %Y}" if lang == "en" else f"{until.year}年{until.month}月{until.day}日"
    says = f"{until:%H:%M} on {day}" if lang == "en" else f"{day} {until:%H:%M}"
    assert says in note.subject
    assert says in note.text
    assert f"{start:%H:%M}" in note.text
    assert "M***" in note.text
    assert "Findable" not in note.text + note.subject
    assert states(hub) == [("sent", None)]
    assert stages(hub, one) == ["waitlisted", "offered"]  # not reminded: that is of a visit that is booked
    assert stages(hub, silent) == ["waitlisted", "offered"]


def test_the_gateway_is_posted_what_it_is_for_a_reminder(hub: World) -> None:
    taken = filled(hub)
    waits(hub, taken[0], '{"phone": "+8613800138000"}', "zh")
    freed(hub, taken[1])
    (got,) = posted(hub)
    assert (got["type"], got["phone"], got["email"]) == ("branchloop.reminder", "+8613800138000", None)


def test_what_was_taken_or_has_lapsed_is_told_to_nobody(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also before the lapse was written, and when it came while others were told."""
    taken, sink = filled(hub), Kept()
    first, second, third = (
        waits(hub, taken[0], f'{{"email": "{name}@example.com"}}') for name in ("a", "b", "c")
    )
    for each in taken[1:4]:
        freed(hub, each)
    with opened(hub.config.data_dir) as db:
        site, book = hub.config.sites["hall"], hub.state.book
        waitlist.confirm(db, book, site, book.get(db, "hall", first.id), now_ms())
    monkeypatch.setattr("hub.outgoing.reminders.now_ms", lambda: now_ms() + HOLD_MS + 1)
    assert look(hub, lambda: sink) == [0]
    clock = [now_ms()]
    monkeypatch.setattr("hub.outgoing.reminders.now_ms", lambda: clock[0])
    monkeypatch.setattr("hub.outgoing.reminders.AT_ONCE", 1)

    class Slow(Kept):
        async def send(self, note: Note) -> None:
            await super().send(note)
            clock[0] += HOLD_MS + 1

    slow = Slow()
    assert look(hub, lambda: slow) == [1]
    assert [note.email for note in slow.notes] in (["b@example.com"], ["c@example.com"])
    assert stages(hub, second) == stages(hub, third) == ["waitlisted", "offered"]


def test_neither_the_night_nor_a_bank_without_reminders_holds_it_up(hub: World) -> None:
    """By the morning it would be another's."""
    taken, sink = filled(hub), Kept()
    for at, quiet in enumerate(
        (Reminders(quiet_from_h=24, quiet_to_h=12), Reminders(quiet_from_h=12, quiet_to_h=6))
    ):
        waits(hub, taken[0], f'{{"email": "n{at}@example.com"}}')
        freed(hub, taken[1 + at])
        rules = quiet.model_copy(update={"hours_before": []})
        night = Reminding(replace(hub.config, reminders=rules), hub.state.book, sink)
        assert asyncio.run(night.look()) == 1
    assert [note.email for note in sink.notes] == ["n0@example.com", "n1@example.com"]


def test_a_failure_is_tried_again_and_the_log_tells_nobody(
    hub: World, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = filled(hub)
    waits(hub, taken[0])
    freed(hub, taken[1])
    assert look(hub, lambda: Kept(SinkError("the gateway: it answered 500"))) == [0]
    assert states(hub) == [("waiting", "the gateway: it answered 500")]
    assert "notice of a held place" in capsys.readouterr().err
    with opened(hub.config.data_dir) as db:
        db.execute("UPDATE reminder SET next_ms=0")
    assert look(hub, LogSink, 2) == [0, 0]
    said = capsys.readouterr().err
    assert said.count("nothing was sent") == 1
    assert "maria@example" not in said
    assert states(hub) == [("logged", None)]


def ask(
    hub: World, path: str, headers: dict[str, str], body: dict[str, object] | None = None
) -> dict[str, object]:
    url = f"{hub.api}/api/v1/card/{path}"
    answer = httpx.get(url, headers=headers) if body is None else httpx.post(url, headers=headers, json=body)
    assert answer.status_code < 300, answer.text
    return dict(answer.json())


def on_page(hub: World) -> dict[str, str]:
    token = issue(Embed("travel", PAGE, "hall", now_ms() + DAY_MS), hub.state.book.keyring.mac)
    return {"Authorization": f"Embed {token}", "Origin": PAGE}


def joined(hub: World, day_of: Appointment, key: str, **contact: str) -> dict[str, str]:
    """Joins by the card; what opens the pass."""
    day = from_ms(day_of.start_ms, hub.config.sites["hall"].zone_info).date().isoformat()
    body = {
        "service": "loan",
        "day": day,
        "name": "Maria Findable",
        "language": "en",
        "contact": contact or None,
    }
    made = ask(hub, "waitlist", {**on_page(hub), "Idempotency-Key": key * 8}, body)
    return {"Authorization": f"Pass {made['secret']}", "Origin": PAGE}


@pytest.mark.parametrize(
    ("reminders", "by_mail", "by_phone", "joining"),
    [
        ("", False, False, "Keep the pass"),
        (SMTP, True, False, "e-mail address we"),
        (WEBHOOK, True, True, "or phone"),
    ],
)
def test_a_notice_is_promised_only_where_one_goes_out(
    tmp_path: Path, reminders: str, by_mail: bool, by_phone: bool, joining: str
) -> None:
    """Without a sink, or an address that it reaches, the pass says that it must be opened."""
    with hub_with(tmp_path, reminders) as hub:
        taken = filled(hub)
        offer = ask(hub, "offer", on_page(hub))
        assert joining in offer["waitlist"]["en"]  # type: ignore[index]
        assert offer["remind_by"] == ["email"] * by_mail + ["phone"] * by_phone
        for promised, key, contact in (
            (by_mail, "mail", {"email": "maria@example.com"}),
            (by_phone, "call", {"phone": "+8613800138000"}),
            (False, "none", {}),
        ):
            told = ask(hub, "pass", joined(hub, taken[0], key, **contact))["waitlist"]
            assert ("We tell you" in told["en"], "通知您" in told["zh"]) == (promised, promised)  # type: ignore[index]
            assert ("Open this pass" in told["en"]) == (not promised)  # type: ignore[index]


def test_the_pass_says_why_there_was_no_place(hub: World) -> None:
    """A lapsed offer and a wait in vain are not the customer's own cancellation, and are not told as one."""
    taken = filled(hub)
    lapses, gives_up, in_vain = (joined(hub, taken[0], key) for key in ("lapses", "givesup", "invain"))
    freed(hub, taken[1])
    offered = ask(hub, "pass", lapses)
    assert (offered["waitlist"], offered["offered_until"] is None) == (None, False)
    assert offers(hub, HOLD_MS + 1) == 1
    told = ask(hub, "pass", lapses)
    until = from_ms(now_ms() + HOLD_MS, hub.config.sites["hall"].zone_info)
    assert told["state"] == "cancelled"
    for near in (until, until - timedelta(minutes=1)):
        if f"{near:%H:%M}" in str(told["waitlist"]):
            break
    else:
        pytest.fail(str(told["waitlist"]))
    assert told["waitlist"] == {
        "en": f"The place was held for you until {near:%H:%M} on {near.day} {near:%B} and went to the next",
        "zh": f"名额曾为您保留至 {near.month}月{near.day}日 {near:%H:%M}，逾期未确认，已转给下一位",
    }
    own = ask(hub, "pass/cancel", gives_up, {})
    assert (own["state"], own["waitlist"]) == ("cancelled", None)
    offers(hub, 5 * DAY_MS)
    told = ask(hub, "pass", in_vain)
    assert (told["state"], told["waitlist"]) == (
        "cancelled",
        {"en": "No place came free", "zh": "未等到空位"},
    )
