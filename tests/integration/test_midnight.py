"""A branch that never closes: who waits, is served or is expected over midnight is lost to no screen and no count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from bookworld import DAY, HOURS, BookWorld, book_world, site_of

from branchloop.clock import MINUTE_MS, from_ms
from branchloop.errors import ConflictError
from branchloop.site.site import Site
from branchloop.wire.arrivals import Checkin, Walkin
from hub.api.booking import day_board
from hub.loop.appointments import ClosedError
from hub.loop.service_day import counts
from hub.store.book import calling, forecasting, queueing, remote, service_day
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.kiosk_day import expected, queues
from hub.store.book.midnight import doors_ms
from hub.store.book.tickets import arrive, take_checkin, take_walkin
from hub.store.connection import opened

NEXT = DAY + timedelta(days=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = book_world(tmp_path, site_of(""))
    yield made
    made.store.close()


def walk_in(world: BookWorld, clock: str, day: date = DAY) -> Appointment:
    with opened(world.data_dir) as db:
        return queueing.walk_in(db, world.book, world.site, "cash", "", "en", world.at(clock, day))


def take(world: BookWorld, clock: str, day: date = DAY, **more: str) -> Appointment:
    with opened(world.data_dir) as db:
        return remote.take(
            db, world.book, world.site, "loan", "", "zh", "card", None, None, None, world.at(clock, day), **more
        )  # fmt: skip


def board(
    world: BookWorld, clock: str, day: date = NEXT, of: date = NEXT
) -> tuple[list[str], list[str], dict[str, int]]:
    """Who is on a day's board at a moment, who is next, and how many wait for each service."""
    with opened(world.data_dir) as db:
        told = day_board(db, world.book, world.site, of, world.at(clock, day))
    return [each.id for each in told.items], told.next, {each.service: each.waiting for each in told.queues}


def test_who_came_before_midnight_stays_on_the_board_until_the_visit_is_over(world: BookWorld) -> None:
    waits, served, done, parked = (walk_in(world, f"23:4{minute}") for minute in range(4))
    with opened(world.data_dir) as db:
        queueing.step(db, world.book, parked, "park", world.at("23:50"))
        world.book.step(db, served, "call", world.at("23:50"), "1")
        world.book.step(db, done, "call", world.at("23:50"), "2")
        world.book.step(db, world.book.get(db, "north", done.id), "serve", world.at("23:58"))
    came = walk_in(world, "00:01", NEXT)
    shown, line, waiting = board(world, "00:02")
    assert shown == [waits.id, served.id, parked.id, came.id]
    assert line == [waits.id, came.id]
    assert waiting["cash"] == 2
    with opened(world.data_dir) as db:
        told = counts(service_day.over_midnight(db, world.site, world.at("00:02", NEXT)))
    assert (told.waiting, told.serving, told.parked, told.served, told.came) == (1, 1, 1, 0, 0)
    assert board(world, "00:02", of=DAY)[0] == [waits.id, served.id, done.id, parked.id]
    assert board(world, "00:02", of=DAY + timedelta(days=2))[:2] == ([], [])


def test_who_walks_in_shortly_before_midnight_passes_nobody(world: BookWorld) -> None:
    """At the kiosk or with staff, the promise is the arrival and the service's target, and may be after midnight."""
    first = walk_in(world, "23:50")
    told = Walkin(
        id="w-1", at_ms=world.at("23:55"), service="cash", language="zh", number="A001", provisional=False
    )
    with opened(world.data_dir) as db:
        assert take_walkin(db, world.book, world.site, "kiosk-1", told, world.at("23:55")).fault is None
        came = [each for each in world.book.of_day(db, "north", DAY) if each.number == "A001"]
    assert [each.start_ms for each in came] == [world.at("00:10", NEXT)]
    line = [first.id, came[0].id]
    assert board(world, "23:58", DAY, DAY)[1] == line
    assert board(world, "00:02")[1] == line


def test_what_was_left_open_the_evening_before_is_not_served_in_the_morning(world: BookWorld) -> None:
    left_open = walk_in(world, "17:00")
    with opened(world.data_dir) as db:
        world.book.step(db, left_open, "call", world.at("17:05"), "1")
        assert (
            calling.call_next(db, world.book, world.site, "1", None, world.at("09:00", NEXT)).appointment
            is None
        )
    assert board(world, "09:00")[0] == []


def test_a_counter_is_busy_over_midnight(world: BookWorld) -> None:
    """Whoever comes right after midnight waits for the one counter as whoever came right before."""
    came = walk_in(world, "23:50")
    with opened(world.data_dir) as db:
        world.book.step(db, came, "call", world.at("23:55"), "1")
        before, after = (
            forecasting.waits(db, world.book, world.site, at_ms)["cash"]
            for at_ms in (world.at("23:59"), world.at("00:00", NEXT))
        )
        assert [each.busy for each in queues(db, world.site, world.at("00:00", NEXT))] == [0, 1]
    assert before is not None
    assert after is not None
    assert before.expected_s > 0
    assert after.expected_s == pytest.approx(before.expected_s, abs=60)


def test_who_is_expected_right_after_midnight_is_counted_before_it(world: BookWorld) -> None:
    with opened(world.data_dir) as db:
        world.book.book(db, world.site, Wanted("cash", world.at("00:00", NEXT), "Ann Lee"), world.at("12:00"))
        told = forecasting.reconciled(db, world.book, world.site, world.at("23:50"))["cash"]
    assert told is not None
    assert told.expected == 1


def test_a_place_in_the_queue_is_to_be_had_over_midnight(world: BookWorld) -> None:
    """Its turn comes after midnight, in order; as many an hour, and one each, as at any other time."""
    made = take(world, "23:50", customer="c-one")
    assert (made.day, made.start_ms) == (NEXT.isoformat(), world.at("00:05", NEXT))
    assert made.window_to_ms == world.at("00:05", NEXT) + world.site.arrive_late_min * MINUTE_MS
    with pytest.raises(ConflictError, match="holds a ticket already"):
        take(world, "23:51", customer="c-one")
    with pytest.raises(ConflictError, match="holds a ticket already"):
        take(world, "00:01", NEXT, customer="c-one")
    assert take(world, "23:52").start_ms >= made.start_ms
    assert take(world, "00:01", NEXT).start_ms >= made.start_ms
    with pytest.raises(ConflictError, match="within this hour"):
        take(world, "00:02", NEXT)
    with opened(world.data_dir) as db:
        assert remote.coming(db, "north", DAY) == remote.coming(db, "north", NEXT) == {"loan": 3}


def test_its_holder_may_come_before_midnight_and_is_called(world: BookWorld) -> None:
    made = take(world, "23:50")
    with opened(world.data_dir) as db:
        at_ms = world.at("23:56")
        told = expected(db, world.book, world.site, at_ms, "salt", {})
        assert [(each.id, each.state) for each in told] == [(made.id, "booked")]
        code = world.book.code(db, made)
        assert code is not None
        came = calling.arrive_by_code(db, world.book, world.site, code, at_ms)
        assert came is not None
        assert came.state == "arrived"
    assert board(world, "23:57", DAY, DAY) == ([made.id], [made.id], {"loan": 1, "cash": 0})
    with opened(world.data_dir) as db:
        called = calling.call_next(db, world.book, world.site, "1", None, world.at("23:58"))
        again = calling.call_next(db, world.book, world.site, "1", None, world.at("23:59"))
    assert called.appointment is not None
    assert again.appointment is not None
    assert (called.appointment.id, again.appointment.id, again.again) == (made.id, made.id, True)


def test_who_is_checked_in_a_day_ahead_is_not_in_line(world: BookWorld) -> None:
    with opened(world.data_dir) as db:
        made = world.book.book(
            db, world.site, Wanted("loan", world.at("10:00", NEXT), "Ann Lee"), world.at("12:00")
        )
        told = Checkin(
            id="x-1",
            at_ms=world.at("12:01"),
            appointment=made.id,
            method="code",
            number="A001",
            provisional=True,
        )
        assert take_checkin(db, world.book, world.site, "kiosk", told, world.at("12:01")).fault is None
        assert calling.call_next(db, world.book, world.site, "1", None, world.at("12:02")).appointment is None
    assert board(world, "12:02", DAY, DAY) == ([], [], {"loan": 0, "cash": 0})


def test_a_code_of_another_day_is_refused_out_of_its_window(world: BookWorld) -> None:
    with opened(world.data_dir) as db:
        made = world.book.book(
            db, world.site, Wanted("loan", world.at("00:00", NEXT), "Ann Lee"), world.at("12:00")
        )
        code = world.book.code(db, made)
        assert code is not None
        with pytest.raises(ConflictError, match="is on 2031-03-05"):
            calling.arrive_by_code(db, world.book, world.site, code, world.at("20:00"))
        came = calling.arrive_by_code(db, world.book, world.site, code, world.at("23:59"))
        assert came is not None
        assert came.state == "arrived"


@pytest.mark.parametrize(
    ("clock", "came"), [("20:00", False), ("23:29", False), ("23:30", True), ("23:59", True)]
)
def test_staff_check_in_another_days_only_within_its_window(world: BookWorld, clock: str, came: bool) -> None:
    """Who comes early for right after midnight is here; who was clicked on hours ahead is not, and waits for nobody."""
    with opened(world.data_dir) as db:
        made = world.book.book(
            db, world.site, Wanted("cash", world.at("00:00", NEXT), "Ann Lee"), world.at("12:00")
        )
        if came:
            arrived = arrive(db, world.book, world.site, made, world.at(clock))
            again = arrive(db, world.book, world.site, arrived, world.at("00:01", NEXT))
            assert (again.state, again.number, again.arrived_ms) == ("arrived", "S001", world.at(clock))
        else:
            with pytest.raises(ConflictError, match="is on 2031-03-05"):
                arrive(db, world.book, world.site, made, world.at(clock))
            assert world.book.get(db, "north", made.id).state == "booked"


@pytest.mark.parametrize(
    ("hours", "last"),
    [
        (HOURS, "12:00"),
        ('hours = { tue = "20:00-24:00", wed = "00:00-02:00,09:00-17:00" }', "02:00"),
        ('hours = { tue = "20:00-24:00", wed = "09:00-17:00" }', "00:00"),
    ],
)
def test_doors_that_shut_at_midnight_or_before_keep_nobody_till_the_next_day(hours: str, last: str) -> None:
    site: Site = site_of(hours)
    _, end_ms = doors_ms(site, DAY)[-1]
    assert from_ms(end_ms, site.zone_info).strftime("%H:%M") == last


def test_where_the_doors_shut_no_turn_comes_after_midnight(tmp_path: Path) -> None:
    world = book_world(tmp_path, site_of('hours = { tue = "20:00-24:00", wed = "09:00-17:00" }'))
    with pytest.raises(ClosedError, match="after closing time"):
        take(world, "23:50")
    world.store.close()
