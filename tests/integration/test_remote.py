"""A place in the queue taken from afar, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from bookworld import DAY, BookWorld, book_world, site_of

from branchloop.clock import MINUTE_MS
from branchloop.codes import code_digest
from branchloop.errors import ConflictError, InputError
from hub.ingest.releasing import Releasing
from hub.store.book import calling, closing, queueing, remote
from hub.store.book.appointment import Appointment
from hub.store.book.kiosk_day import expected
from hub.store.book.tickets import arrive
from hub.store.connection import connect_readonly, opened, reading
from hub.store.schema.core import DATABASE


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = book_world(tmp_path)
    yield made
    made.store.close()


def take(world: BookWorld, now_ms: int, **more: str) -> Appointment:
    with opened(world.data_dir) as db:
        return remote.take(
            db, world.book, world.site, more.pop("service", "loan"), more.pop("name", ""), "zh", "card", None, "home",
            more.pop("journey", None), now_ms, **more,  # type: ignore[arg-type]
        )  # fmt: skip


def test_it_is_booked_until_its_holder_checks_in(world: BookWorld) -> None:
    now_ms = world.at("09:10")
    made = take(world, now_ms, name="Li Hua")
    assert (made.kind, made.state, made.masked_name, made.day) == ("remote", "booked", "L***", "2031-03-04")
    assert made.start_ms == now_ms + 15 * MINUTE_MS
    assert (made.window_from_ms, made.window_to_ms) == (now_ms, made.start_ms + 15 * MINUTE_MS)
    with opened(world.data_dir) as db:
        assert world.book.waiting(db, "north", _day(made)) == []
        told = expected(db, world.book, world.site, now_ms, "salt", {})
        code = world.book.code(db, made)
        assert code is not None
        assert [(each.id, each.state, each.code_digest) for each in told] == [
            (made.id, "booked", code_digest("salt", code))
        ]
        came = arrive(db, world.book, world.site, made, now_ms + MINUTE_MS)
        assert (came.state, came.method) == ("arrived", "staff")
        assert [each.start_ms for each in world.book.waiting(db, "north", _day(made))] == [made.start_ms]
    assert [stage for stage, _ in world.told(made.id)] == ["ticket", "arrived", "checked_in"]


def test_nobody_takes_two_nor_gains_by_taking_anew(world: BookWorld) -> None:
    now_ms = world.at("09:10")
    with opened(world.data_dir) as db:
        for _ in range(3):
            queueing.walk_in(db, world.book, world.site, "loan", "", "zh", now_ms)
    first = take(world, now_ms, customer="c-one")
    assert first.start_ms > now_ms + 60 * MINUTE_MS  # three wait, with an hour each
    with pytest.raises(ConflictError, match="holds a ticket already"):
        take(world, now_ms, customer="c-one")
    with opened(world.data_dir) as db:
        world.book.step(db, first, "cancel", now_ms)
        for each in world.book.waiting(db, "north", _day(first)):
            queueing.step(db, world.book, world.book.get(db, "north", each.appointment), "leave", now_ms)
    again = take(world, now_ms + MINUTE_MS, customer="c-one")
    assert again.start_ms == first.start_ms
    with pytest.raises(ConflictError, match="holds a ticket already"):
        take(world, now_ms + MINUTE_MS, journey=again.journey)


def test_those_on_the_way_are_counted_ahead(world: BookWorld) -> None:
    now_ms = world.at("09:00")
    promised = [take(world, now_ms).start_ms for _ in range(3)]
    assert promised == sorted(promised)
    assert promised[2] > promised[0] + 30 * MINUTE_MS


def test_no_more_than_so_many_in_an_hour(world: BookWorld) -> None:
    made = [take(world, world.at("09:00")) for _ in range(3)]
    with pytest.raises(ConflictError, match="within this hour"):
        take(world, world.at("09:30"))
    with opened(world.data_dir) as db:
        world.book.step(db, made[2], "cancel", world.at("09:31"))
    assert take(world, world.at("09:32")).state == "booked"


def test_what_cannot_be_is_said(world: BookWorld) -> None:
    with pytest.raises(ConflictError, match="closed now"):
        take(world, world.at("12:00"))
    with pytest.raises(ConflictError, match="after closing time"):
        take(world, world.at("11:50"))
    with pytest.raises(ConflictError, match="no queue that can be joined from afar"):
        take(world, world.at("09:10"), service="cash")
    with pytest.raises(InputError, match="not a name"):
        take(world, world.at("09:10"), name="<b>")
    with pytest.raises(InputError, match="no service"):
        take(world, world.at("09:10"), service="gold")
    with reading(world.data_dir) as db:
        assert db.execute("SELECT count(*) FROM appointment").fetchone() == (0,)


def test_no_turn_is_promised_while_the_doors_are_shut(tmp_path: Path) -> None:
    """What would come in the lunch break comes when it is over, and is not missed before."""
    world = book_world(tmp_path, site_of('hours = { tue = "09:00-12:00,13:00-17:00" }'))
    with opened(world.data_dir) as db:
        made = remote.take(
            db, world.book, world.site, "loan", "Ann Lee", "en", "card", None, None, None, world.at("11:50")
        )
        assert made.start_ms == world.at("13:00")
        assert made.window_to_ms > world.at("13:00")
        world.book.release_missed(db, world.at("12:59"))
        assert world.book.get(db, "north", made.id).state == "booked"
    world.store.close()


def test_midnight_ends_no_waiting(tmp_path: Path) -> None:
    """In a branch that never closes who came at twenty to twelve is called after midnight, and once."""
    world = book_world(tmp_path, site_of(""))
    with opened(world.data_dir) as db:
        came = queueing.walk_in(db, world.book, world.site, "cash", "", "en", world.at("23:40"))
        queueing.walk_in(db, world.book, world.site, "cash", "", "en", world.at("23:41"))
        for clock, again in (("00:01", False), ("00:02", True)):
            called = calling.call_next(
                db, world.book, world.site, "1", None, world.at(clock, DAY + timedelta(days=1))
            )
            assert called.appointment is not None
            assert (called.appointment.id, called.again) == (came.id, again)
    world.store.close()


def test_who_does_not_come_in_time_has_missed_it(world: BookWorld) -> None:
    made = take(world, world.at("09:00"))
    reader = connect_readonly(world.data_dir / DATABASE)
    releasing = Releasing(world.store, reader, world.book, {"north": world.site})
    releasing.tick(made.window_to_ms)
    assert _state(world, made) == "booked"
    releasing.tick(made.window_to_ms + 5_000)
    assert _state(world, made) == "missed"
    reader.close()
    assert [stage for stage, _ in world.told(made.id)] == ["ticket", "missed"]


def test_closing_time_ends_what_is_on_the_way_and_a_queue_is_swept_later(world: BookWorld) -> None:
    """Hours that are cut after it was taken count, too; who waits is served on."""
    now_ms = world.at("09:10")
    made = take(world, now_ms)
    with opened(world.data_dir) as db:
        here = queueing.walk_in(db, world.book, world.site, "loan", "", "zh", now_ms)
    earlier = replace(world, site=site_of('hours = { tue = "09:00-09:20" }'))
    with opened(world.data_dir) as db:
        assert closing.sweep(db, world.book, [earlier.site], world.at("09:19")) == 0
        assert closing.sweep(db, world.book, [earlier.site], world.at("09:20")) == 1
        assert closing.sweep(db, world.book, [earlier.site], world.at("12:19")) == 0
        assert closing.due(db, world.book, [earlier.site], world.at("12:20"))
        assert closing.sweep(db, world.book, [earlier.site], world.at("12:20")) == 1
        assert not closing.due(db, world.book, [earlier.site], world.at("12:20"))
    assert world.told(made.id)[-1] == ("missed", "closed")
    assert world.told(here.id)[-1] == ("left", "closed")
    with reading(world.data_dir) as db:
        assert world.book.get(db, "north", here.id).left_ms == world.at("12:20")


def _day(made: Appointment) -> date:
    return date.fromisoformat(made.day)


def _state(world: BookWorld, made: Appointment) -> str:
    with reading(world.data_dir) as db:
        return world.book.get(db, "north", made.id).state
