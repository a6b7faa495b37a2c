"""What a kiosk knows over midnight: the hub's word in time, and enough of it to go on where the hub is out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from bookworld import DAY, HOURS, BookWorld, book_world, site_of

from branchloop.boxkeys import new_private, sign_box_key
from branchloop.clock import from_ms, to_ms
from branchloop.commands import Gallery, Sealed
from branchloop.sealing import fingerprint, gallery_context, raw_public, unseal
from edge.kiosk.day import Day
from edge.kiosk.session import FAILURES, Session
from hub.ingest.gallery import AGAIN_MS, LOOK_MS, Galleries, build, valid_until_ms
from hub.store.book import Wanted
from hub.store.connection import connect_readonly, opened
from hub.store.consents import Consents
from hub.store.schema import DATABASE
from hub.store.tickets import assign_series

NEXT = DAY + timedelta(days=1)
KIOSK = """
[[kiosk]]
id = "kiosk-1"
x_m = 1.0
y_m = 1.0
source = "usb:0"
"""
OVER_MIDNIGHT = 'hours = { tue = "20:00-24:00", wed = "00:00-02:00,09:00-17:00" }'
SHUT_AT_MIDNIGHT = 'hours = { tue = "20:00-24:00", wed = "09:00-17:00" }'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = book_world(tmp_path, site_of("arrive_late_min = 30", KIOSK))
    with opened(made.data_dir) as db:
        assign_series(db, [made.site])
    yield made
    made.store.close()


def gallery(world: BookWorld, now_ms: int) -> Gallery:
    with opened(world.data_dir) as db:
        return build(db, world.book, world.site, "kiosk-1", now_ms)


def book(world: BookWorld, start_ms: int) -> str:
    """The code of an appointment."""
    with opened(world.data_dir) as db:
        made = world.book.book(db, world.site, Wanted("cash", start_ms, "Ann Lee"), world.at("12:00"))
        return world.book.code(db, made) or ""


@pytest.mark.parametrize(
    ("hours", "clock", "until"),
    [
        ("", "00:00", "2031-03-06 00:00"), ("", "23:59", "2031-03-06 00:00"),
        (OVER_MIDNIGHT, "23:00", "2031-03-05 02:00"), (SHUT_AT_MIDNIGHT, "23:59", "2031-03-05 00:00"),
        (HOURS, "10:00", "2031-03-04 12:00"), (HOURS, "13:00", "2031-03-05 00:00"),
    ],
)  # fmt: skip
def test_a_gallery_is_good_until_the_doors_shut(hours: str, clock: str, until: str) -> None:
    """Midnight is no closing where they stay open; where they never shut, the end of the next day is."""
    site = site_of(hours)
    at_ms = to_ms(datetime.fromisoformat(f"{DAY} {clock}").replace(tzinfo=site.zone_info))
    assert from_ms(valid_until_ms(site, at_ms), site.zone_info).strftime("%Y-%m-%d %H:%M") == until


def test_the_day_that_begins_is_told_at_once(world: BookWorld) -> None:
    """Whatever was sent right before; and once."""
    key = new_private()
    public = raw_public(key.public_key())
    sent: list[Gallery] = []

    def publish(topic: str, payload: str) -> bool:
        plain = unseal(key, Sealed.model_validate_json(payload), gallery_context("north", "kiosk-1"))
        sent.append(Gallery.model_validate_json(plain))
        return topic.endswith("/gallery")

    before_ms, midnight_ms = world.at("23:59") + 59_000, world.at("00:00", NEXT)
    with opened(world.data_dir) as db:
        certificate = sign_box_key(new_private(), "north", "kiosk-1", public, midnight_ms + AGAIN_MS)
        Consents(db).note_key(certificate, fingerprint(public), before_ms)
        db.execute(
            "INSERT INTO device_status (site, device, last_seen_ms, online, boot, connect_no) VALUES ('north', 'kiosk-1', ?, 1, 'b', 1)",
            (before_ms,),
        )
    reader = connect_readonly(world.data_dir / DATABASE)
    galleries = Galleries(world.store, reader, world.book, {"north": world.site}, publish, print)
    for at_ms in (before_ms, before_ms + LOOK_MS, midnight_ms, midnight_ms + LOOK_MS):
        galleries.tick(at_ms)
    reader.close()
    assert [each.made_ms for each in sent] == [before_ms, midnight_ms]
    assert [each.tickets.day for each in sent] == [DAY.isoformat(), NEXT.isoformat()]


def test_without_the_hub_a_kiosk_goes_on_over_midnight(world: BookWorld) -> None:
    """Codes on either side of it open within their windows, and who walks in is let in."""
    late = book(world, world.at("23:45"))
    early, soon = (book(world, world.at(clock, NEXT)) for clock in ("00:15", "02:00"))
    day = Day()
    day.take(gallery(world, world.at("23:30")), world.at("23:30"))
    session = Session("north", day, "off")

    def outcome(code: str, clock: str) -> str:
        now_ms = world.at(clock, NEXT)
        assert not day.close(now_ms)
        session.choose("code", 0.0)
        session.typed(code, now_ms, 0.0)
        session.take_effects()
        return session.why or "ticket"

    assert [outcome(each, "00:03") for each in (late, early, soon)] == ["ticket", "ticket", "too_early"]
    assert outcome(soon, "01:45") == "ticket"
    session.without(1.0)
    assert session.stage == "service"
    assert day.close(world.at("00:00", NEXT + timedelta(days=1)))


def test_a_kiosk_that_knows_nobody_locks_nobody_out() -> None:
    """Codes that it cannot know are no guesses."""
    session = Session("north", Day(), "off")
    for attempt in range(FAILURES + 1):
        session.choose("code", float(attempt))
        session.typed("7K2M-Q4XD", 0, float(attempt))
        assert (session.stage, session.why) == ("refused", "no_gallery")
