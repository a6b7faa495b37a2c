"""A kiosk whose clock is wrong: what it deletes, what it keeps, and what the hub is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from bookworld import KIOSK, BookWorld, book_world, site_of

from branchloop.agreement.consent import PURPOSE, consent_text
from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS
from branchloop.errors import DependencyError
from branchloop.keys.box import new_private
from branchloop.keys.sealing import gallery_context, raw_public, seal
from branchloop.wire.arrivals import Attempt, ConsentGiven, Walkin
from branchloop.wire.status import ClockOff
from edge.checkin import desk as desks
from edge.checkin.desk import Clocks, Desk
from edge.checkin.vault import Vault
from edge.perceive.faces.engine import FaceEngine
from edge.send.outbox import Outbox
from hub.ingest.commands import Outgoing, Trust
from hub.ingest.gallery import build
from hub.ingest.releasing import Releasing
from hub.loop.consent import Consent
from hub.store.book.entries import Wanted
from hub.store.book.tickets import assign_series, take_walkin
from hub.store.connection import connect_readonly, opened
from hub.store.customers.consenting import Consenting
from hub.store.customers.receiptkey import receipt_key
from hub.store.schema.core import DATABASE

SOON, LATER = "c" * 32, "d" * 32
UNIT = np.eye(1, 128, dtype=np.float32)[0]


class Blind:
    """A kiosk's eye without models: nobody stands before it."""

    def __init__(self, *_: object) -> None:
        self.engine: FaceEngine | None = None
        self.attempt = None

    def rest(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class KioskAtWork:
    """A kiosk's desk with a clock that can be set; the hub's is always right. `SOON` ends in two days, `LATER` in 90."""

    world: BookWorld
    folder: Path
    at_ms: int
    off_ms: int = 0
    up_ms: int = 0
    hub: bool = True
    key: object = field(default_factory=new_private)

    def __post_init__(self) -> None:
        self.start()
        self.vault.keep(SOON, UNIT, self.at_ms + 2 * DAY_MS)
        self.vault.keep(LATER, UNIT, self.at_ms + 90 * DAY_MS)

    def start(self) -> None:
        self.vault = Vault(self.folder, bytes(32))
        self.outbox = Outbox(self.folder / "outbox.db")
        clocks = Clocks(lambda: self.up_ms / 1000, lambda: self.at_ms + self.off_ms)
        self.desk = Desk(
            self.world.site, self.world.site.kiosks[0], vault=self.vault, outbox=self.outbox,
            key=self.key, clocks=clocks, crowding=self.folder / "crowding.json",
        )  # fmt: skip

    def stop(self, off_ms: int = 0) -> None:
        """As by its switch, for so long."""
        self.desk.close()
        self.outbox.close()
        self.at_ms += off_ms

    def goes(self, ms: int, every_ms: int = 40_000) -> None:
        """Time passes; the hub says what day it is whenever it is heard."""
        until_ms = self.at_ms + ms
        while self.at_ms < until_ms:
            step_ms = min(every_ms, until_ms - self.at_ms)
            self.at_ms, self.up_ms = self.at_ms + step_ms, self.up_ms + step_ms
            if self.hub:
                self.desk.hear("gallery", self.gallery())
            self.desk.step(None)

    def gallery(self) -> bytes:
        with opened(self.world.data_dir) as db:
            made = build(db, self.world.book, self.world.site, "kiosk-1", self.at_ms)
        made = made.model_copy(update={"consents": [SOON, LATER]})
        public = raw_public(self.key.public_key())  # type: ignore[attr-defined]
        return seal(public, made.to_json().encode(), gallery_context("north", "kiosk-1")).to_json().encode()

    def hears_late(self, ms: int) -> None:
        """A gallery comes that was made so long ago; meanwhile the hub is away."""
        late, self.hub = self.gallery(), False
        self.goes(ms, MINUTE_MS)
        self.desk.hear("gallery", late)
        self.desk.step(None)

    def told(self) -> list[Attempt]:
        return [Attempt.model_validate_json(body) for body in self.said("attempt")]

    def said(self, kind: str) -> list[str]:
        self.outbox.flush()
        entries = self.outbox.take(self.outbox.epoch, 0, 1_000, 10**6)
        return [each.body for each in entries if each.kind == kind]

    def walk_in(self) -> str:
        """The number that somebody is given."""
        self.desk.act("home")
        self.desk.act("choose", "walk_in")
        self.desk.act("service", ["cash", "en"])
        number: str = self.desk.view()["ticket"]["number"]
        return number

    def arrives(self) -> list[tuple[str, int]]:
        """All tickets reach the hub now; number and how long (ms) its customer has waited, in the order of being there."""
        site = self.world.site
        with opened(self.world.data_dir) as db:
            for body in self.said("walkin"):
                told = Walkin.model_validate_json(body)
                assert take_walkin(db, self.world.book, site, "kiosk-1", told, self.at_ms).fault is None
        reader = connect_readonly(self.world.data_dir / DATABASE)
        Releasing(self.world.store, reader, self.world.book, {"north": site}).tick(self.at_ms)
        found = reader.execute(
            "SELECT number, ? - arrived_ms FROM appointment WHERE state='arrived' ORDER BY arrived_ms",
            (self.at_ms,),
        ).fetchall()
        reader.close()
        return found


@pytest.fixture
def kiosk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KioskAtWork]:
    monkeypatch.setattr(desks, "Eye", Blind)
    world = book_world(tmp_path, site_of("", KIOSK))
    with opened(world.data_dir) as db:
        assign_series(db, [world.site])
    made = KioskAtWork(world, tmp_path / "kiosk", world.at("09:00"))
    yield made
    made.stop()
    world.store.close()


@pytest.mark.parametrize("hub", [True, False])
@pytest.mark.parametrize("leap_ms", [100 * DAY_MS, -100 * DAY_MS, 3 * DAY_MS])
def test_a_clock_that_leaps_for_a_minute_deletes_nothing(kiosk: KioskAtWork, leap_ms: int, hub: bool) -> None:
    """Neither the templates nor the day; and what is past its time goes afterwards as ever."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.hub = hub
    kiosk.off_ms = leap_ms
    kiosk.goes(75_000)
    kiosk.off_ms = 0
    kiosk.hub = False
    kiosk.goes(2 * MINUTE_MS)
    assert kiosk.vault.consents() == [SOON, LATER]
    assert kiosk.desk.day.gallery is not None, "the day goes on, without the hub too"
    kiosk.goes(2 * DAY_MS, 3 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]
    assert kiosk.vault.kept_day() is None
    assert [(each.outcome, each.consent) for each in kiosk.told() if each.consent] == [("expired", SOON)]


def test_a_start_with_a_clock_that_is_ahead_deletes_nothing(kiosk: KioskAtWork) -> None:
    """The hub has said nothing yet, or says something else."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.stop()
    kiosk.off_ms, kiosk.hub = 100 * DAY_MS, False
    kiosk.start()
    kiosk.goes(3 * HOUR_MS, HOUR_MS)
    kiosk.hub = True
    kiosk.goes(DAY_MS + 3 * HOUR_MS, 3 * HOUR_MS)
    assert kiosk.vault.consents() == [SOON, LATER]
    assert [each.outcome for each in kiosk.told()] == ["clock_off"]
    kiosk.off_ms = 0
    kiosk.goes(DAY_MS, 6 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]


@pytest.mark.parametrize("hub", [True, False])
def test_a_leap_after_days_of_a_clock_that_was_behind_deletes_nothing(kiosk: KioskAtWork, hub: bool) -> None:
    """The hub has contradicted it all the while, so it has not stood."""
    kiosk.off_ms = -10 * MINUTE_MS
    kiosk.goes(DAY_MS + HOUR_MS, 10 * MINUTE_MS)
    kiosk.hub = hub
    kiosk.off_ms = 10 * DAY_MS
    kiosk.goes(75_000, 25_000)
    assert kiosk.vault.consents() == [SOON, LATER]


def test_without_the_hub_a_right_clock_is_believed_although_the_kiosk_is_off_at_night(
    kiosk: KioskAtWork,
) -> None:
    kiosk.goes(2 * MINUTE_MS)
    kiosk.hub = False
    for _ in range(5):
        kiosk.stop(14 * HOUR_MS)
        kiosk.start()
        kiosk.goes(10 * HOUR_MS, 2 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]


def test_without_the_hub_a_template_ends_although_the_clock_is_behind(kiosk: KioskAtWork) -> None:
    """A battery that is empty: since the hub's last word at least the time that the kiosk ran has passed."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.stop()
    kiosk.off_ms, kiosk.hub = -kiosk.at_ms + DAY_MS, False
    kiosk.start()
    kiosk.goes(2 * DAY_MS, 6 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]


def test_a_hub_whose_clock_leaps_deletes_nothing_by_its_word(kiosk: KioskAtWork) -> None:
    kiosk.goes(2 * MINUTE_MS)
    older = kiosk.gallery()
    kiosk.at_ms, kiosk.off_ms = kiosk.at_ms + 100 * DAY_MS, -100 * DAY_MS
    kiosk.goes(2 * MINUTE_MS)
    kiosk.at_ms, kiosk.off_ms = kiosk.at_ms - 100 * DAY_MS, 0
    kiosk.stop()
    kiosk.start()
    kiosk.goes(MINUTE_MS)
    assert kiosk.desk.day.gallery is not None
    assert kiosk.desk.day.gallery.made_ms == kiosk.at_ms, "not of the day that the hub had leapt to"
    kiosk.desk.hear("gallery", older)
    kiosk.desk.step(None)
    assert kiosk.desk.day.gallery.made_ms == kiosk.at_ms
    kiosk.goes(DAY_MS, 6 * HOUR_MS)
    assert kiosk.vault.consents() == [SOON, LATER]


def test_tickets_of_the_minute_in_which_the_hub_had_leapt_make_no_wait_long(kiosk: KioskAtWork) -> None:
    kiosk.goes(2 * MINUTE_MS)
    none_s = kiosk.desk.day.wait_s("cash", kiosk.at_ms)
    kiosk.at_ms, kiosk.off_ms = kiosk.at_ms + 100 * DAY_MS, -100 * DAY_MS
    kiosk.goes(MINUTE_MS)
    for _ in range(3):
        kiosk.walk_in()
    kiosk.at_ms, kiosk.off_ms = kiosk.at_ms - 100 * DAY_MS, 0
    kiosk.goes(MINUTE_MS)
    assert none_s is not None
    assert kiosk.desk.day.wait_s("cash", kiosk.at_ms) == none_s


@pytest.mark.parametrize("behind_ms", [45 * MINUTE_MS, DAY_MS, 3 * DAY_MS])
def test_a_ticket_counts_from_when_it_was_given_although_the_clock_is_behind(
    kiosk: KioskAtWork, behind_ms: int
) -> None:
    """Neither does it pass who came before, nor is its customer of yesterday; what waited for the hub keeps its age."""
    kiosk.goes(MINUTE_MS)
    first = kiosk.walk_in()
    kiosk.goes(10 * MINUTE_MS, MINUTE_MS)
    kiosk.off_ms = -behind_ms
    kiosk.goes(MINUTE_MS)
    second = kiosk.walk_in()
    kiosk.hub = False
    kiosk.goes(5 * MINUTE_MS, MINUTE_MS)
    third = kiosk.walk_in()
    kiosk.goes(20 * MINUTE_MS, MINUTE_MS)
    assert kiosk.arrives() == [(first, 36 * MINUTE_MS), (second, 25 * MINUTE_MS), (third, 20 * MINUTE_MS)]
    assert kiosk.desk.view()["clock_off"]
    assert kiosk.desk.status() == {"clock_off": ClockOff(by_ms=-behind_ms)}
    assert [each.outcome for each in kiosk.told()] == ["clock_off"]
    kiosk.off_ms, kiosk.hub = 0, True
    kiosk.goes(MINUTE_MS)
    assert kiosk.desk.status() == {}
    assert not kiosk.desk.view()["clock_off"]


def test_no_ticket_is_moved_by_what_was_long_on_its_way(kiosk: KioskAtWork) -> None:
    """A gallery that comes half an hour late makes no right clock wrong."""
    kiosk.goes(MINUTE_MS)
    kiosk.hears_late(30 * MINUTE_MS)
    given = kiosk.walk_in()
    kiosk.goes(MINUTE_MS)
    assert kiosk.arrives() == [(given, MINUTE_MS)]


@pytest.mark.parametrize("heard", [True, False])
def test_one_late_gallery_makes_no_clock_ahead(kiosk: KioskAtWork, heard: bool) -> None:
    """Nor at a start, when it is the first; two say so."""
    if heard:
        kiosk.goes(MINUTE_MS)
    kiosk.hears_late(3 * MINUTE_MS)
    assert (kiosk.desk.status(), kiosk.desk.view()["clock_off"], kiosk.told()) == ({}, False, [])
    kiosk.off_ms, kiosk.hub = 3 * MINUTE_MS, True
    kiosk.goes(80_000)
    assert kiosk.desk.status() == {"clock_off": ClockOff(by_ms=3 * MINUTE_MS)}


@pytest.mark.parametrize("newest", [True, False])
def test_a_late_gallery_takes_no_kiosk_back_whose_clock_is_behind(kiosk: KioskAtWork, newest: bool) -> None:
    """An older one is no hub that was set right either."""
    kiosk.off_ms = -45 * MINUTE_MS
    kiosk.goes(MINUTE_MS)
    kiosk.hub = False
    kiosk.goes(40_000)
    late = kiosk.gallery()
    kiosk.hub = not newest
    kiosk.goes(5 * MINUTE_MS, MINUTE_MS)
    kiosk.hub = False
    kiosk.desk.hear("gallery", late)
    kiosk.desk.step(None)
    assert kiosk.desk._clocks.now_ms() == kiosk.at_ms
    assert kiosk.desk.status() == {"clock_off": ClockOff(by_ms=-45 * MINUTE_MS)}
    assert kiosk.desk.day.gallery is not None
    assert kiosk.desk.day.gallery.made_ms == kiosk.at_ms - (5 * MINUTE_MS if newest else 0)


def test_a_hub_that_was_set_right_is_believed_by_a_kiosk_whose_clock_is_behind(kiosk: KioskAtWork) -> None:
    """At its second word where the first may have been late."""
    kiosk.off_ms = -45 * MINUTE_MS
    for leap_ms, words in ((100 * DAY_MS, 1), (30 * MINUTE_MS, 2)):
        kiosk.at_ms, kiosk.off_ms = kiosk.at_ms + leap_ms, kiosk.off_ms - leap_ms
        kiosk.goes(MINUTE_MS)
        kiosk.at_ms, kiosk.off_ms = kiosk.at_ms - leap_ms, kiosk.off_ms + leap_ms
        kiosk.goes(words * 40_000)
        assert kiosk.desk.day.gallery is not None
        assert kiosk.desk.day.gallery.made_ms == kiosk.desk._clocks.now_ms() == kiosk.at_ms


def test_a_start_without_the_hub_goes_on_from_where_its_time_stood(kiosk: KioskAtWork) -> None:
    """A power cut and an empty battery: the kept day's tickets are hardly older than they say."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.stop(off_ms=3 * MINUTE_MS)
    kiosk.off_ms, kiosk.hub = -400 * DAY_MS, False
    kiosk.start()
    given = kiosk.walk_in()
    kiosk.goes(10 * MINUTE_MS, MINUTE_MS)
    ((number, waited_ms),) = kiosk.arrives()
    assert number == given
    assert 13 * MINUTE_MS <= waited_ms <= 15 * MINUTE_MS


def test_who_enrols_at_a_kiosk_whose_clock_is_behind_is_enrolled_for_the_whole_time(
    kiosk: KioskAtWork,
) -> None:
    kiosk.off_ms = -100 * DAY_MS
    kiosk.goes(MINUTE_MS)
    desk, site = kiosk.desk, kiosk.world.site
    with opened(kiosk.world.data_dir) as db:
        wanted = Wanted("cash", kiosk.world.at("10:00"), "Ann Lee")
        kiosk.world.book.book(db, site, wanted, kiosk.at_ms)
    kiosk.goes(MINUTE_MS)
    assert desk.day.gallery is not None
    (expected,) = desk.day.gallery.appointments
    assert desk._recognition.enrol([UNIT], expected, "en", desk._clocks.now_ms())
    (body,) = kiosk.said("consent")
    given = ConsentGiven.model_validate_json(body)
    assert (given.at_ms, given.expires_ms) == (
        kiosk.at_ms,
        kiosk.at_ms + site.kiosks[0].consent_days * DAY_MS,
    )


def test_a_disk_that_is_full_stops_no_kiosk(kiosk: KioskAtWork, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise DependencyError("the disk is full.")

    monkeypatch.setattr(kiosk.vault, "keep_time", full)
    kiosk.hub = False
    kiosk.goes(2 * MINUTE_MS)
    monkeypatch.undo()
    kiosk.goes(2 * MINUTE_MS)
    assert kiosk.vault.kept_time() is not None


def test_a_hub_whose_clock_leaps_ends_no_consent(kiosk: KioskAtWork) -> None:
    """Nor does a gallery of that minute leave one out, by which every kiosk deletes; when it has come it ends."""
    store, sure_ms = kiosk.world.store, kiosk.at_ms
    trust = Trust(None, receipt_key(kiosk.world.data_dir), 90)
    text = consent_text("en", 90)
    given = Consent(
        SOON, "c-1", "north", text.version, text.sha256, PURPOSE, "en", "kiosk", kiosk.at_ms,
        kiosk.at_ms + 90 * DAY_MS, guardian=False,
    )  # fmt: skip
    with store.transaction() as transaction:
        Consenting(transaction.db, trust.receipt_key).kiosk_gave(given, "kiosk-1", kiosk.at_ms)
    reader = connect_readonly(kiosk.world.data_dir / DATABASE)
    outgoing = Outgoing(store, reader, trust, lambda *_: True, sure_ms=lambda: sure_ms)

    def after(leap_ms: int) -> tuple[str, list[str]]:
        outgoing.tick(kiosk.at_ms + leap_ms)
        book, site, at_ms = kiosk.world.book, kiosk.world.site, kiosk.at_ms + leap_ms
        consents = build(reader, book, site, "kiosk-1", at_ms, sure_ms).consents
        (state,) = reader.execute("SELECT state FROM consent").fetchone()
        return state, consents

    assert after(100 * DAY_MS) == ("given", [SOON])
    sure_ms += 91 * DAY_MS
    assert after(91 * DAY_MS) == ("expired", []), "the clock was set back meanwhile"
    reader.close()
