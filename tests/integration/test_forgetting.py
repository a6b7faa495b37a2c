"""Who is forgotten and who books at the same moment: a key goes only with what it opens, and never without."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hubworld import World, world
from tables import service

from branchloop.clock import DAY_MS
from branchloop.errors import DependencyError
from hub.api.state import now_ms
from hub.ingest.worker import prune_hourly
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.places import day_slots
from hub.store.connection import opened
from hub.store.customers import keyring as keyrings
from hub.store.customers.erasure import erase_customer, finish_erasures, retire_people
from hub.store.schema.core import DATABASE

CUSTOMER = "c-returning"
Forget = Callable[[World], object]


def retire(hub: World) -> int:
    return retire_people(hub.config, now_ms() - 30 * DAY_MS, now_ms())


def erase(hub: World) -> object:
    return erase_customer(hub.config.data_dir, CUSTOMER, now_ms(), hub.state.people)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    """With an appointment that was a hundred days ago."""
    with world(tmp_path, parts=service("loan", per_slot=50), book=True) as running:
        with opened(running.config.data_dir) as db:
            made = book(running, db)
            db.execute(
                "UPDATE appointment SET start_ms=start_ms-?1, end_ms=end_ms-?1, window_to_ms=window_to_ms-?1, "
                "state='served' WHERE id=?2",
                (100 * DAY_MS, made.id),
            )
        yield running


def book(hub: World, db: sqlite3.Connection) -> Appointment:
    assert hub.state.book is not None
    site, day = hub.config.sites["hall"], (datetime.now(UTC) + timedelta(days=3)).date()
    start_ms = next(slot.start_ms for slot in day_slots(db, site, "loan", day, now_ms()) if slot.free)
    return hub.state.book.book(db, site, Wanted("loan", start_ms, "Ann Miller", customer=CUSTOMER), now_ms())


def name(hub: World, appointment: Appointment) -> str | None:
    assert hub.state.book is not None
    with opened(hub.config.data_dir) as db:
        return hub.state.book.name(db, appointment)


@pytest.mark.parametrize("forget", [retire, erase])
def test_who_books_while_forgotten_keeps_name_and_code(
    hub: World, monkeypatch: pytest.MonkeyPatch, forget: Forget
) -> None:
    """The booking tries to get in just before the key is deleted; it comes before all of it or after."""
    tried: list[Appointment | None] = []
    connect = keyrings._connect

    def book_first(statement: str) -> None:
        if not statement.startswith("DELETE FROM key") or tried:
            return
        with closing(sqlite3.connect(hub.config.data_dir / DATABASE, timeout=0, isolation_level=None)) as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                tried.append(book(hub, db))
                db.execute("COMMIT")
            except sqlite3.OperationalError:  # locked, as it must be
                tried.append(None)

    def traced(path: Path) -> sqlite3.Connection:
        db = connect(path)
        db.set_trace_callback(book_first)
        return db

    monkeypatch.setattr(keyrings, "_connect", traced)
    forget(hub)
    (made,) = tried
    if made is None:
        with opened(hub.config.data_dir) as db:
            made = book(hub, db)
    assert name(hub, made) == "Ann Miller"


@pytest.mark.parametrize("forget", [retire, erase])
def test_a_key_that_cannot_be_deleted_is_tried_again(hub: World, forget: Forget) -> None:
    """Whoever is forgotten without it would never be found again, and the key would stay for ever."""
    keys = hub.config.data_dir / keyrings.DATABASE
    with closing(sqlite3.connect(keys, isolation_level=None)) as db:
        db.execute("CREATE TRIGGER full BEFORE DELETE ON key BEGIN SELECT RAISE(ABORT, 'disk'); END")
        with pytest.raises(DependencyError, match="keys"):
            forget(hub)
        db.execute("DROP TRIGGER full")
        forget(hub)
        assert db.execute("SELECT 1 FROM key WHERE customer=?", (CUSTOMER,)).fetchall() == []


def test_many_keys_go_in_one_write(hub: World) -> None:
    """Each write of keys.db waits for the disk, and whoever books waits for them all."""
    assert hub.state.book is not None
    ring = hub.state.book.keyring
    customers = [ring.new_customer() for _ in range(20)]
    assert ring.forget_all([*customers, "c-nobody"]) == 20
    assert ring.forget_all(customers) == 0
    assert ring.forget_all([]) == 0


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def erase_broken_off(hub: World, monkeypatch: pytest.MonkeyPatch, *, key_gone: bool) -> None:
    """An erasure that ends between its line in the journal and its commit."""
    forget = keyrings.Keyring.forget

    def dies(ring: keyrings.Keyring, customer: str) -> bool:
        if key_gone:
            forget(ring, customer)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(keyrings.Keyring, "forget", dies)
        with pytest.raises(Killed):
            erase(hub)


def start(hub: World) -> None:
    """What the hub does with its people as it starts, and no pruning."""
    stop = threading.Event()
    stop.set()
    prune_hourly(hub.config, stop, now_ms)


def rows(hub: World) -> list[tuple[str, str]]:
    with opened(hub.config.data_dir) as db:
        return db.execute("SELECT masked_name, state FROM appointment ORDER BY start_ms").fetchall()


@pytest.mark.parametrize("key_gone", [True, False])
def test_an_erasure_that_broke_off_is_finished_at_the_next_start(
    hub: World, monkeypatch: pytest.MonkeyPatch, key_gone: bool
) -> None:
    """The journal says that they are forgotten; no board, pass or code may know them."""
    with opened(hub.config.data_dir) as db:
        book(hub, db)
    erase_broken_off(hub, monkeypatch, key_gone=key_gone)
    assert rows(hub) == [("A***", "served"), ("A***", "booked")]
    start(hub)
    assert rows(hub) == [("*", "served"), ("*", "cancelled")]
    with opened(hub.config.data_dir) as db:
        kept = db.execute("SELECT 1 FROM journey_event WHERE customer=?", (CUSTOMER,)).fetchall()
        assert kept == db.execute("SELECT 1 FROM appointment WHERE code_mac<>''").fetchall() == []
    with closing(sqlite3.connect(hub.config.data_dir / keyrings.DATABASE)) as keys:
        assert keys.execute("SELECT 1 FROM key WHERE customer=?", (CUSTOMER,)).fetchall() == []


LEFT = {
    "consent": "INSERT INTO consent (id, customer, site, text_version, text_sha256, purpose, language, channel, "
    "given_ms, expires_ms, guardian, state) VALUES (?1,?2,'hall','1','','recognition','en','kiosk',?3,?3+9,0,'given')",
    "partner_link": "INSERT INTO partner_link (partner, subject, customer, consent, purposes, text_version, "
    "text_sha256, language, site, journey, given_ms, expires_ms) VALUES (?1,'',?2,?1,'[]','1','','en','hall','j',?3,?3+9)",
    "tag": "INSERT INTO tag (id, customer, name, purpose, provenance, partner, consent, given_ms, expires_ms) "
    "VALUES (?1,?2,?1,'share','partner','p','',?3,?3+9)",
    "request": "INSERT INTO request (id, site, service, kind, customer, masked_name, phone_mac, journey, channel, "
    "language, state, told, made_ms) VALUES (?1,'hall','loan','statement',?2,'A***','','j','card','en','asked',x'',?3)",
}
HELD = {
    "consent": "SELECT given_ms FROM consent WHERE customer=? AND state='given'",
    "partner_link": "SELECT given_ms FROM partner_link WHERE customer=?",
    "tag": "SELECT given_ms FROM tag WHERE customer=?",
    "request": "SELECT made_ms FROM request WHERE customer=?",
    "appointment": "SELECT booked_ms FROM appointment WHERE customer=?",
}


@pytest.mark.parametrize("broken_off", [True, False])
def test_who_comes_back_after_being_forgotten_keeps_what_is_new(
    hub: World, monkeypatch: pytest.MonkeyPatch, broken_off: bool
) -> None:
    """A bank's own pseudonym stays the same; an erasure of before has to do with all that is older, and nothing newer."""
    with opened(hub.config.data_dir) as db:
        for insert in LEFT.values():
            db.execute(insert, ("old", CUSTOMER, now_ms() - 5000))
    if broken_off:
        erase_broken_off(hub, monkeypatch, key_gone=True)
    else:
        erase(hub)
    back_ms = now_ms() + 1
    with opened(hub.config.data_dir) as db:
        for insert in LEFT.values():
            db.execute(insert, ("new", CUSTOMER, back_ms))
        made = book(hub, db)
        db.execute("UPDATE appointment SET booked_ms=? WHERE id=?", (back_ms, made.id))
    assert finish_erasures(hub.config) == broken_off
    with opened(hub.config.data_dir) as db:
        held = {table: db.execute(since, (CUSTOMER,)).fetchall() for table, since in HELD.items()}
    assert held == {table: [(back_ms,)] for table in HELD}
    assert rows(hub) == [("*", "served"), ("A***", "booked")]
    assert name(hub, made) == "Ann Miller"
    assert finish_erasures(hub.config) == 0


def test_who_was_forgotten_by_a_clock_ahead_keeps_what_is_booked_once_it_is_set_right(hub: World) -> None:
    """The booking seems to be from before the erasure, which did not break off."""
    erase_customer(hub.config.data_dir, CUSTOMER, now_ms() + DAY_MS, hub.state.people)
    with opened(hub.config.data_dir) as db:
        made = book(hub, db)
    start(hub)
    assert rows(hub) == [("*", "served"), ("A***", "booked")]
    assert name(hub, made) == "Ann Miller"


def test_while_no_erasure_broke_off_nobody_waits_for_the_look(hub: World) -> None:
    erase(hub)
    with opened(hub.config.data_dir) as db:
        db.execute("DELETE FROM erased")  # as of a version that ticked nothing off
    assert finish_erasures(hub.config) == 0
    with opened(hub.config.data_dir):  # who needs this lock would wait for ever
        assert finish_erasures(hub.config) == 0
