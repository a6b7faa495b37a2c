"""What a kiosk knows over midnight: the hub's word in time, and enough of it to go on where the hub is out of reach."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from bookworld import DAY, HOURS, KIOSK, BookWorld, book_world, site_of

from branchloop.clock import HOUR_MS, MINUTE_MS, from_ms, to_ms
from branchloop.keys.box import new_private, sign_box_key
from branchloop.keys.sealing import fingerprint, gallery_context, raw_public, unseal
from branchloop.wire.arrivals import Checkin, Walkin
from branchloop.wire.commands import Gallery, Sealed
from edge.checkin.post import Post
from edge.checkin.tickets import Tickets
from edge.checkin.vault import Vault
from edge.kiosk.day import Day
from edge.kiosk.session import FAILURES, Give, Session
from edge.send.outbox import Outbox
from hub.ingest.gallery import AGAIN_MS, LOOK_MS, Galleries, build, valid_until_ms
from hub.store.book import queueing
from hub.store.book.entries import Wanted
from hub.store.book.kiosk_day import ticket_range
from hub.store.book.tickets import assign_series, take_checkin, take_walkin
from hub.store.connection import connect_readonly, opened
from hub.store.customers.consents import Consents
from hub.store.schema.core import DATABASE

NEXT = DAY + timedelta(days=1)
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
    """Whatever was sent right before; and once. Each says when it was made, not when its round began."""
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
    run_s = itertools.count(0.0, 0.25)
    galleries = Galleries(
        world.store, reader, world.book, {"north": world.site}, publish, print, now_s=lambda: next(run_s)
    )
    for at_ms in (before_ms, before_ms + LOOK_MS, midnight_ms, midnight_ms + LOOK_MS):
        galleries.tick(at_ms)
    reader.close()
    assert [each.made_ms for each in sent] == [before_ms + 250, midnight_ms + 250]
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


@dataclass
class KioskAtWork:
    """A kiosk's tickets, with its vault and outbox; what it says reaches the hub when `tell` is called."""

    world: BookWorld
    folder: Path
    day: Day = field(default_factory=Day)
    told: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As after a power cut; the gallery is the one that was kept."""
        self.vault = Vault(self.folder, bytes(32))
        self.outbox = Outbox(self.folder / "outbox.db")
        self.session = Session("north", self.day, "off")
        zone = self.world.site.zone_info
        self.tickets = Tickets(
            self.world.site.kiosks[0], zone, self.day, self.session, self.vault, Post("kiosk-1", self.outbox)
        )

    def close(self) -> None:
        self.vault.close()
        self.outbox.close()

    def hear(self, now_ms: int) -> None:
        assert self.day.take(gallery(self.world, now_ms), now_ms)

    def walk_in(self, now_ms: int) -> str:
        self.tickets.walk_in("cash", "en", 0.0, now_ms)
        return self._shown()

    def check_in(self, code: str, now_ms: int) -> str:
        self.session.choose("code", 0.0)
        self.session.typed(code, now_ms, 0.0)
        for give in self.session.take_effects():
            assert isinstance(give, Give)
            self.tickets.check_in(give, None, 0.0, now_ms)
        return self._shown()

    def _shown(self) -> str:
        assert self.session.ticket is not None
        return self.session.ticket.number

    def tell(self, now_ms: int) -> list[str]:
        """Alarms that the hub raises over what it hears."""
        alarms = []
        with opened(self.world.data_dir) as db:
            for entry in self.outbox.take(self.outbox.epoch, self.told, 100, 10**6):
                self.told = entry.seq
                place = (db, self.world.book, self.world.site, "kiosk-1")
                if entry.kind == "walkin":
                    taken = take_walkin(*place, Walkin.model_validate_json(entry.body), now_ms)
                else:
                    taken = take_checkin(*place, Checkin.model_validate_json(entry.body), now_ms)
                assert taken.fault is None
                alarms += [taken.alarm] if taken.alarm else []
        return alarms


@pytest.fixture
def kiosk(world: BookWorld, tmp_path: Path) -> Iterator[KioskAtWork]:
    made = KioskAtWork(world, tmp_path / "kiosk")
    yield made
    made.close()


def test_who_comes_late_over_midnight_gets_a_number_of_their_own(
    world: BookWorld, kiosk: KioskAtWork
) -> None:
    """The appointment is of the day before, where the first number of the new day was given as well."""
    late, first = book(world, world.at("23:45")), world.at("23:59")
    kiosk.hear(first)
    assert [kiosk.walk_in(first + each) for each in range(3)] == ["A001", "A002", "A003"]
    assert kiosk.tell(first + 10) == []
    midnight_ms = world.at("00:00", NEXT)
    kiosk.hear(midnight_ms)
    assert kiosk.check_in(late, midnight_ms + 1_000) == "A004"
    assert kiosk.walk_in(midnight_ms + 2_000) == "A005"
    assert kiosk.tell(midnight_ms + 3_000) == []
    kiosk.hear(midnight_ms + MINUTE_MS)
    assert kiosk.check_in(late, midnight_ms + MINUTE_MS) == "A004"


@pytest.mark.parametrize("off_ms", [-5_000, 5_000])
def test_a_clock_that_is_seconds_off_gives_nobody_anothers_number(
    world: BookWorld, kiosk: KioskAtWork, off_ms: int
) -> None:
    """Nor does a ticket that was on its way as the new day was told."""
    midnight_ms = world.at("00:00", NEXT)
    kiosk.hear(midnight_ms - MINUTE_MS)
    given = [kiosk.walk_in(midnight_ms - 2_000 + off_ms)]
    kiosk.hear(midnight_ms)
    given += [kiosk.walk_in(midnight_ms + each * 1_000 + off_ms) for each in range(10)]
    assert len(set(given)) == len(given)
    assert kiosk.tell(midnight_ms + MINUTE_MS) == []


def test_numbers_go_on_over_midnight_without_the_hub_and_after_a_power_cut(
    world: BookWorld, kiosk: KioskAtWork
) -> None:
    """And go on again from there when the hub is back, though it has heard of none yet."""
    kiosk.hear(world.at("22:00"))
    given = [kiosk.walk_in(world.at(clock)) for clock in ("22:30", "23:30", "23:50")]
    kiosk.close()
    kiosk.restart()
    given += [kiosk.walk_in(world.at(clock, NEXT)) for clock in ("00:10", "00:40")]
    kiosk.hear(world.at("00:50", NEXT))
    given += [kiosk.walk_in(world.at(clock, NEXT)) for clock in ("00:50", "01:00")]
    assert given == [f"A00{count}" for count in range(1, 8)]
    assert kiosk.tell(world.at("01:01", NEXT)) == []


def test_a_day_begins_with_its_first_number_where_nobody_is_left_of_the_one_before(
    world: BookWorld, kiosk: KioskAtWork
) -> None:
    kiosk.hear(world.at("18:00"))
    assert [kiosk.walk_in(world.at("18:00")), kiosk.walk_in(world.at("18:01"))] == ["A001", "A002"]
    assert kiosk.tell(world.at("18:02")) == []
    with opened(world.data_dir) as db:
        midnight_ms = world.at("00:00", NEXT)
        assert ticket_range(db, world.site, "kiosk-1", midnight_ms).first == 3, "they still wait"
        db.execute("UPDATE appointment SET state='served'")
        assert ticket_range(db, world.site, "kiosk-1", midnight_ms).first == 1
    kiosk.hear(midnight_ms)
    assert kiosk.walk_in(midnight_ms) == "A001"
    assert kiosk.tell(midnight_ms) == []


def test_a_clone_is_told_over_midnight_as_at_any_time(world: BookWorld, kiosk: KioskAtWork) -> None:
    kiosk.hear(world.at("23:00"))
    assert kiosk.walk_in(world.at("23:00")) == "A001"
    assert kiosk.tell(world.at("23:00")) == []

    def alarm(identity: str, at_ms: int) -> str | None:
        with opened(world.data_dir) as db:
            told = Walkin(
                id=identity, at_ms=at_ms, service="cash", language="en", number="A001", provisional=True
            )
            return take_walkin(db, world.book, world.site, "kiosk-1", told, at_ms).alarm

    for identity, at_ms in (("x-1", world.at("23:30")), ("x-2", world.at("01:00", NEXT))):
        assert "A001 twice" in (alarm(identity, at_ms) or "")
    assert alarm("x-3", world.at("02:00", NEXT) + 3 * HOUR_MS) is not None  # of the day of x-2
    assert alarm("x-4", world.at("09:00", NEXT + timedelta(days=1))) is None


def test_staff_give_no_number_that_somebody_holds_over_midnight(world: BookWorld) -> None:
    with opened(world.data_dir) as db:
        numbers = [
            queueing.walk_in(db, world.book, world.site, "cash", "", "en", at_ms).number
            for at_ms in (world.at("23:50"), world.at("00:05", NEXT), world.at("00:06", NEXT))
        ]
    assert numbers == ["S001", "S002", "S003"]
