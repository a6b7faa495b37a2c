"""The waitlist: in order, held by the database, never silent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from bookworld import DAY, BookWorld, book_world

from branchloop.clock import HOUR_MS, MINUTE_MS
from branchloop.errors import ConflictError, DependencyError, InputError
from hub.ingest.releasing import Releasing
from hub.store.book import waitlist
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.places import day_slots
from hub.store.connection import connect_readonly, opened, reading
from hub.store.customers.erasure import erase_customer
from hub.store.customers.holders import People
from hub.store.schema.core import DATABASE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = book_world(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def now_ms(world: BookWorld) -> int:
    return world.at("09:00", DAY - timedelta(days=3))


def join(world: BookWorld, now_ms: int, customer: str | None = None, service: str = "loan") -> Appointment:
    with opened(world.data_dir) as db:
        wanted = Wanted(service, 0, "Ann Miller", customer=customer)
        return waitlist.join(db, world.book, world.site, wanted, DAY, now_ms)


def book(world: BookWorld, start_ms: int, now_ms: int, customer: str | None = None) -> Appointment:
    with opened(world.data_dir) as db:
        return world.book.book(
            db, world.site, Wanted("loan", start_ms, "Ann Miller", customer=customer), now_ms
        )


def cancel(world: BookWorld, appointment: str, now_ms: int) -> None:
    with opened(world.data_dir) as db:
        world.book.step(db, world.book.get(db, "north", appointment), "cancel", now_ms)


def offer(world: BookWorld, now_ms: int) -> int:
    with opened(world.data_dir) as db:
        return waitlist.offer_freed(db, world.book, [world.site], now_ms)


def get(world: BookWorld, made: Appointment) -> Appointment:
    with reading(world.data_dir) as db:
        return world.book.get(db, "north", made.id)


def free(world: BookWorld, now_ms: int) -> list[int]:
    with reading(world.data_dir) as db:
        return [slot.free for slot in day_slots(db, world.site, "loan", DAY, now_ms)]


def confirm(world: BookWorld, made: Appointment, now_ms: int) -> Appointment:
    with opened(world.data_dir) as db:
        return waitlist.confirm(db, world.book, world.site, world.book.get(db, "north", made.id), now_ms)


def test_a_place_that_frees_is_the_firsts_and_nobody_elses(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    first, second = join(world, now_ms), join(world, now_ms + 1)
    assert (first.state, first.offered_until_ms) == ("waitlisted", None)
    assert offer(world, now_ms) == 0
    cancel(world, full[1], now_ms)
    assert free(world, now_ms) == [0, 0, 0]
    with pytest.raises(ConflictError, match="full"):  # before it is offered, it is for who waits already
        book(world, world.at("10:00"), now_ms)
    assert offer(world, now_ms + 10) == 1
    assert offer(world, now_ms + 11) == 0
    held = get(world, first)
    assert (held.state, held.start_ms, held.offered_until_ms) == (
        "waitlisted", world.at("10:00"), now_ms + 10 + 2 * HOUR_MS,
    )  # fmt: skip
    assert get(world, second).offered_until_ms is None
    with pytest.raises(DependencyError, match=r"appointment\.place"), opened(world.data_dir) as db:
        _insert_there(db, held)
    made = confirm(world, first, now_ms + HOUR_MS)
    assert (made.state, made.offered_until_ms, made.booking_no) == ("booked", None, first.booking_no)
    assert confirm(world, first, now_ms + HOUR_MS) == made
    assert [stage for stage, _ in world.told(first.id)] == ["waitlisted", "offered", "booked"]


def _insert_there(db: sqlite3.Connection, held: Appointment) -> None:
    """What no rule of ours stands before: the same place, straight into the table."""
    columns = "id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, place, masked_name, minor, name"
    rest = "code, code_mac, state, booked_ms, kind"
    db.execute(
        f"INSERT INTO appointment ({columns}, {rest}, customer, booking_no) SELECT 'twin', {columns[4:]}, "  # noqa: S608
        "code, code_mac, 'booked', booked_ms, kind, 'c-twin', 'none' FROM appointment WHERE id=?",
        (held.id,),
    )


def test_an_offer_that_lapses_is_the_nexts(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    first, second = join(world, now_ms), join(world, now_ms + 1)
    cancel(world, full[0], now_ms)
    offer(world, now_ms)
    assert offer(world, now_ms + 2 * HOUR_MS - 1) == 0
    assert offer(world, now_ms + 2 * HOUR_MS) == 1
    assert get(world, first).state == "cancelled"
    assert world.told(first.id)[-1] == ("cancelled", "offer lapsed")
    assert get(world, second).start_ms == world.at("09:00")
    with pytest.raises(ConflictError, match="cancelled"):
        confirm(world, first, now_ms + 2 * HOUR_MS)
    with pytest.raises(ConflictError, match="no longer"):
        confirm(world, second, now_ms + 9 * HOUR_MS)


def test_who_cancels_gives_the_held_place_on(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    first, second, third = (join(world, now_ms + i) for i in range(3))
    cancel(world, third.id, now_ms)
    cancel(world, full[2], now_ms)
    offer(world, now_ms)
    cancel(world, first.id, now_ms)
    assert get(world, first).offered_until_ms is None
    assert offer(world, now_ms) == 1
    assert get(world, second).offered_until_ms is not None
    confirm(world, second, now_ms)
    cancel(world, full[1], now_ms)
    assert offer(world, now_ms) == 0
    assert free(world, now_ms) == [0, 1, 0]  # nobody waits any more


def test_a_place_that_nobody_who_waits_can_take_is_everybodys(world: BookWorld, now_ms: int) -> None:
    """The only one who waits has another visit at that time: it is neither offered nor kept back."""
    full = world.fill(now_ms)
    with opened(world.data_dir) as db:
        start_ms = world.book.get(db, "north", full[1]).start_ms
        customer = world.book.keyring.new_customer()
        world.book.book(db, world.site, Wanted("cash", start_ms, "Cy", customer=customer), now_ms)
        waitlist.join(
            db, world.book, world.site, Wanted("loan", now_ms, "Cy", customer=customer), DAY, now_ms
        )
        world.book.step(db, world.book.get(db, "north", full[1]), "cancel", now_ms)
        assert waitlist.offer_freed(db, world.book, [world.site], now_ms) == 0
        assert not waitlist.due(db, [world.site], now_ms)
        world.book.book(db, world.site, Wanted("loan", start_ms, "Someone Else"), now_ms)


def test_a_place_too_near_is_not_offered_but_can_be_booked(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    join(world, now_ms)
    near_ms = world.at("10:30")
    cancel(world, full[2], near_ms)
    assert offer(world, near_ms) == 0
    assert free(world, near_ms)[2] == 1
    with opened(world.data_dir) as db:
        assert world.book.book(db, world.site, Wanted("loan", world.at("11:00"), "Ann"), near_ms).id


def test_an_offer_ends_in_time_before_its_start(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    made = join(world, now_ms)
    cancel(world, full[2], world.at("09:30"))
    assert offer(world, world.at("09:30")) == 1
    assert get(world, made).offered_until_ms == world.at("11:00") - 30 * MINUTE_MS


def test_a_day_that_ends_is_told(world: BookWorld, now_ms: int) -> None:
    world.fill(now_ms)
    made = join(world, now_ms)
    reader = connect_readonly(world.data_dir / DATABASE)
    releasing = Releasing(world.store, reader, world.book, {"north": world.site})
    releasing.tick(world.at("11:59"))
    assert get(world, made).state == "waitlisted"
    releasing.tick(world.at("12:00"))
    reader.close()
    assert world.told(made.id)[-1] == ("cancelled", "no place came free")


def test_only_a_full_day_has_a_waitlist(world: BookWorld, now_ms: int) -> None:
    with pytest.raises(ConflictError, match="is free on that day"):
        join(world, now_ms)
    with pytest.raises(ConflictError, match="has no waitlist"):
        join(world, now_ms, service="cash")
    world.fill(now_ms)
    join(world, now_ms, "c-one")
    with pytest.raises(ConflictError, match="waits for that day already"):
        join(world, now_ms, "c-one")
    with pytest.raises(InputError, match="no time left"):
        join(world, world.at("11:30"))
    with pytest.raises(InputError, match="no time left"):
        join(world, now_ms - 90 * 24 * HOUR_MS)


def test_waiting_counts_among_what_a_customer_may_have_ahead(world: BookWorld, now_ms: int) -> None:
    world.fill(now_ms)
    other = DAY + timedelta(days=1)
    for clock in ("09:00", "10:00"):
        book(world, world.at(clock, other), now_ms, "c-one")
    join(world, now_ms, "c-one")
    with pytest.raises(ConflictError, match="3 appointments ahead"):
        book(world, world.at("11:00", other), now_ms, "c-one")


def test_one_address_waits_and_books_three_times_whoever_gives_it(world: BookWorld, now_ms: int) -> None:
    """Who has no link is somebody new each time: their visits are counted by what reminds of them, until they are forgotten."""
    world.fill(now_ms)
    other = DAY + timedelta(days=1)

    def ask(email: str, clock: str = "") -> str:
        wanted = Wanted(
            "loan", world.at(clock or "09:00", other), "Ann Miller", contact=json.dumps({"email": email})
        )
        with opened(world.data_dir) as db:
            if clock:
                return world.book.book(db, world.site, wanted, now_ms).customer
            return waitlist.join(db, world.book, world.site, wanted, DAY, now_ms).customer

    customers = [ask("ann@example.org"), ask(" Ann@Example.org", "09:00"), ask("ANN@example.org")]
    assert len(set(customers)) == 3
    with pytest.raises(ConflictError, match="3 appointments ahead"):
        ask("ann@example.org")
    with pytest.raises(ConflictError, match="3 appointments ahead"):
        ask("ann@example.org", "10:00")
    ask("bob@example.org", "10:00")
    book(world, world.at("11:00", other), now_ms)  # staff ask for no way to remind
    with reading(world.data_dir) as db:
        kept = db.execute("SELECT contact_mac FROM appointment WHERE contact_mac<>''").fetchall()
    assert (len(kept), len(set(kept))) == (4, 2)
    assert "example" not in str(kept)
    erase_customer(world.data_dir, customers[0], now_ms, People(world.book, world.book.keyring))
    with reading(world.data_dir) as db:
        assert db.execute("SELECT count(*) FROM appointment WHERE contact_mac<>''").fetchone() == (3,)
    ask("ann@example.org", "12:00")


def test_who_is_forgotten_waits_no_more(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    first, second = join(world, now_ms, "c-gone"), join(world, now_ms + 1)
    cancel(world, full[0], now_ms)
    offer(world, now_ms)
    erase_customer(world.data_dir, "c-gone", now_ms, People(world.book, world.book.keyring))
    assert (get(world, first).state, get(world, first).masked_name) == ("cancelled", "*")
    assert offer(world, now_ms) == 1
    assert get(world, second).start_ms == world.at("09:00")
