"""Places that come from counters, on a real database: shared by services, kept apart by it, never lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from bookworld import DAY, HOURS, BookWorld, book_world, site_of
from hubworld import world as hub_world

from branchloop.clock import DAY_MS, MINUTE_MS, from_ms
from branchloop.errors import ConflictError, InputError
from hub.api.state import now_ms as present_ms
from hub.store.book import waitlist
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.forecasting import line_of, reconciled, wait_for, with_waits
from hub.store.book.kiosk_day import queues
from hub.store.book.places import day_slots
from hub.store.book.queueing import transfer, walk_in
from hub.store.book.stranded import stranded
from hub.store.connection import opened, reading

COUNTERS = """
[[counter]]
id = "both"
name = { en = "Both", zh = "两者" }
services = ["cash", "loan"]
[[counter]]
id = "desk"
name = { en = "Desk", zh = "柜" }
services = ["loan"]
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = book_world(tmp_path, site_of(tables=COUNTERS))
    yield made
    made.store.close()


@pytest.fixture
def now_ms(world: BookWorld) -> int:
    return world.at("09:00", DAY - timedelta(days=3))


def book(world: BookWorld, service: str, clock: str, now_ms: int) -> Appointment:
    with opened(world.data_dir) as db:
        return world.book.book(db, world.site, Wanted(service, world.at(clock), "Ann Miller"), now_ms)


def free(world: BookWorld, service: str, clock: str, now_ms: int) -> int:
    with reading(world.data_dir) as db:
        found = day_slots(db, world.site, service, DAY, now_ms)
    return next(slot.free for slot in found if slot.start_ms == world.at(clock))


def held(world: BookWorld) -> dict[str, tuple[str, int]]:
    with reading(world.data_dir) as db:
        rows = db.execute("SELECT appointment, counter, count(*) FROM held GROUP BY appointment, counter")
        return {appointment: (counter, count) for appointment, counter, count in rows}


@pytest.mark.parametrize(("tables", "ahead"), [(COUNTERS, 3), ("", 0)], ids=["shared counters", "apart"])
def test_who_waits_is_told_everybody_ahead_at_shared_counters(
    tmp_path: Path, tables: str, ahead: int
) -> None:
    """Somebody of another service whom the same counter calls before stands ahead, as in the wait."""
    made = book_world(tmp_path, site_of(tables=tables))
    at_ms = made.at("09:30")
    with opened(made.data_dir) as db:
        for _ in range(3):
            walk_in(db, made.book, made.site, "loan", "", "en", at_ms)
        mine = walk_in(db, made.book, made.site, "cash", "", "en", at_ms + 1)
        own = wait_for(db, made.book, made.site, mine, at_ms + 1)
    made.store.close()
    assert own is not None
    assert own.wait is not None
    assert own.ahead == ahead
    assert (own.wait.expected_s > 0) == (ahead > 0)


THREE = "counters = 3\n"
APART = "".join(
    f'[[counter]]\nid = "{name}"\nname = {{ en = "{name}", zh = "{name}" }}\nservices = ["{of}"]\n'
    for name, of in [("a", "cash"), ("b", "cash"), ("c", "cash"), ("advice", "loan")]
)


@pytest.mark.parametrize("tables", [THREE, THREE + APART], ids=["without counters", "counters"])
@pytest.mark.parametrize("sent_on", [False, True], ids=["came", "sent on"])
def test_who_is_sent_on_has_not_waited_at_the_next_service_yet(
    tmp_path: Path, tables: str, sent_on: bool
) -> None:
    """Two counters of three are idle: that one came to the branch long ago does not say that these are closed."""
    made = book_world(tmp_path, site_of(tables=tables))
    now_ms = made.at("09:31")
    with opened(made.data_dir) as db:
        busy = walk_in(db, made.book, made.site, "cash", "", "en", now_ms - MINUTE_MS)
        made.book.step(db, busy, "call", now_ms - MINUTE_MS, "a")
        if sent_on:
            other = walk_in(db, made.book, made.site, "loan", "", "en", now_ms - 31 * MINUTE_MS)
            called = made.book.step(db, other, "call", now_ms - 30 * MINUTE_MS, "advice")
            mine = transfer(db, made.book, made.site, called, "cash", now_ms - 5_000)
        else:
            mine = walk_in(db, made.book, made.site, "cash", "", "en", now_ms - 5_000)
        own = wait_for(db, made.book, made.site, mine, now_ms)
        told = reconciled(db, made.book, made.site, now_ms)["cash"]
        later = reconciled(db, made.book, made.site, now_ms + 2 * MINUTE_MS)["cash"]
    made.store.close()
    assert own is not None
    assert own.wait is not None
    assert told is not None
    assert later is not None
    assert (own.wait.expected_s, told.counters, told.wait.expected_s) == (0, 3, 0)
    assert later.counters == 1  # by now somebody would have been called there


@pytest.mark.parametrize("tables", [COUNTERS, ""], ids=["counters", "without counters"])
def test_a_closed_branch_tells_no_wait(tmp_path: Path, tables: str) -> None:
    """No wait is not a wait of nothing: who comes is refused. Who still waits at closing time is told theirs."""
    made = book_world(tmp_path, site_of(tables=tables))
    with opened(made.data_dir) as db:

        def told(clock: str) -> list[float | None]:
            at_ms = made.at(clock)
            found = reconciled(db, made.book, made.site, at_ms)
            kiosk = with_waits(
                line_of(db, made.book, made.site, at_ms), made.site, queues(db, made.site, at_ms)
            )
            waits_s = [None if each is None else each.wait.expected_s for each in found.values()]
            assert [(each.wait_s, each.booked_s) for each in kiosk] == [(each, each) for each in waits_s]
            return waits_s

        assert told("08:55") == told("12:05") == [None, None]
        assert told("11:00") == [0, 0]
        mine = walk_in(db, made.book, made.site, "cash", "", "en", made.at("11:59"))
        own = wait_for(db, made.book, made.site, mine, made.at("12:05"))
    made.store.close()
    assert own is not None
    assert (own.ahead, own.wait is None) == (0, bool(tables))  # configured counters keep the branch's hours


def test_two_services_share_a_counter(world: BookWorld, now_ms: int) -> None:
    assert (free(world, "loan", "09:00", now_ms), free(world, "cash", "09:30", now_ms)) == (2, 1)
    first = book(world, "loan", "09:00", now_ms)
    assert held(world) == {first.id: ("desk", 12)}  # who can do more stays free
    second = book(world, "cash", "09:30", now_ms)
    assert held(world)[second.id] == ("both", 2)
    assert free(world, "loan", "09:00", now_ms) == 0
    with pytest.raises(ConflictError, match="full"):
        book(world, "loan", "09:00", now_ms)
    with pytest.raises(ConflictError, match="full"):
        book(world, "cash", "09:30", now_ms)
    assert free(world, "cash", "09:45", now_ms) == 1
    assert free(world, "loan", "10:00", now_ms) == 2


def test_the_database_itself_keeps_a_counter_from_two(world: BookWorld, now_ms: int) -> None:
    """Also when the rules before it were wrong: nothing of the second booking is stored."""
    made = book(world, "cash", "09:30", now_ms)
    with opened(world.data_dir) as db:  # a visit that the book does not know of
        db.execute(
            "UPDATE held SET appointment='unknown', tick_ms=tick_ms+? WHERE appointment=?",
            (60 * MINUTE_MS, made.id),
        )
    with pytest.raises(ConflictError, match="was taken"):
        book(world, "cash", "10:30", now_ms)
    with reading(world.data_dir) as db:
        assert db.execute("SELECT count(*) FROM appointment").fetchone() == (1,)


def test_what_is_given_back_is_free(world: BookWorld, now_ms: int) -> None:
    made = [book(world, "loan", "09:00", now_ms) for _ in range(2)]
    with opened(world.data_dir) as db:
        moved = world.book.move(db, world.site, made[0], world.at("10:00"), now_ms)
        world.book.step(db, made[1], "cancel", now_ms)
    assert set(held(world)) == {moved.id}
    assert (free(world, "loan", "09:00", now_ms), free(world, "loan", "10:00", now_ms)) == (2, 1)
    with opened(world.data_dir) as db:
        world.book.release_missed(db, world.at("11:00"))
    assert held(world) == {}


def test_who_moves_does_not_stand_in_the_own_way(tmp_path: Path) -> None:
    """By ten minutes at the only counter; and a move that cannot be leaves everything as it was."""
    world = book_world(tmp_path, site_of(tables=COUNTERS.split('[[counter]]\nid = "desk"', maxsplit=1)[0]))
    now_ms = world.at("09:00", DAY - timedelta(days=3))
    first, second = book(world, "cash", "09:00", now_ms), book(world, "cash", "09:30", now_ms)
    assert first.end_ms == world.at("09:10")
    before = held(world)
    with pytest.raises(ConflictError, match="full"), opened(world.data_dir) as db:
        world.book.move(db, world.site, first, second.start_ms, now_ms)
    assert held(world) == before
    with opened(world.data_dir) as db:
        assert world.book.move(db, world.site, first, world.at("09:15"), now_ms).start_ms == world.at("09:15")
    world.store.close()


def test_the_waitlist_holds_a_counter(world: BookWorld, now_ms: int) -> None:
    full = world.fill(now_ms)
    assert len(full) == 6
    with opened(world.data_dir) as db:
        made = waitlist.join(db, world.book, world.site, Wanted("loan", 0, "Li"), DAY, now_ms)
        world.book.step(db, world.book.get(db, "north", full[0]), "cancel", now_ms)
        assert waitlist.offer_freed(db, world.book, [world.site], now_ms) == 1
    assert held(world)[made.id][1] == 12
    with opened(world.data_dir) as db:
        waitlist.confirm(db, world.book, world.site, world.book.get(db, "north", made.id), now_ms)
    assert held(world)[made.id][1] == 12
    with opened(world.data_dir) as db:
        world.book.step(db, world.book.get(db, "north", made.id), "cancel", now_ms)
    assert made.id not in held(world)


def test_an_offer_goes_to_another_place_where_the_database_refuses_the_first(
    world: BookWorld, now_ms: int
) -> None:
    """One that cannot be held stops neither the others nor ingest, and leaves nothing half written."""
    full = world.fill(now_ms)
    with opened(world.data_dir) as db:
        made = waitlist.join(db, world.book, world.site, Wanted("loan", 0, "Li"), DAY, now_ms)
        for each in (full[0], full[4]):
            world.book.step(db, world.book.get(db, "north", each), "cancel", now_ms)
        db.executemany(
            "INSERT OR IGNORE INTO held VALUES ('north', ?, ?, 'unknown')",
            [(counter, world.at("09:55")) for counter in ("both", "desk")],
        )
        assert waitlist.offer_freed(db, world.book, [world.site], now_ms) == 1
        offered = world.book.get(db, "north", made.id)
        assert offered.start_ms == world.at("11:00")
        rows = db.execute(
            "SELECT min(tick_ms), max(tick_ms) FROM held WHERE appointment=?", (made.id,)
        ).fetchall()
    assert rows == [(world.at("11:00"), world.at("11:55"))]


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        (site_of(tables=COUNTERS), []),
        (site_of(tables=COUNTERS.replace('id = "desk"', 'id = "table"')), []),  # the other counter takes them
        (site_of(tables=COUNTERS.split('[[counter]]\nid = "desk"', maxsplit=1)[0]), ["counter"]),
        (site_of(tables=COUNTERS.replace('services = ["loan"]', 'services = ["cash"]')), ["counter"]),
        (site_of('hours = { tue = "09:00-10:30" }', COUNTERS), ["closed", "closed"]),
        (site_of(f"closed_on = [2031-03-04]\n{HOURS}", COUNTERS), ["closed"] * 3),
        (site_of(), ["places"]),
    ],
)  # fmt: skip
def test_a_change_of_the_branch_loses_nobody(
    world: BookWorld, now_ms: int, changed: object, reasons: list[str]
) -> None:
    made = [
        book(world, "loan", "09:00", now_ms).id,
        book(world, "loan", "10:00", now_ms).id,
        book(world, "loan", "10:00", now_ms).id,
    ]
    other = replace(world, site=changed)  # type: ignore[arg-type]
    with reading(world.data_dir) as db:
        found = stranded(db, world.book, other.site, now_ms)
        assert [each.reason for each in found] == reasons
        assert {each.appointment.id for each in found} <= set(made)
        assert [world.book.get(db, "north", each).state for each in made] == ["booked"] * 3
        places = [slot for slot in day_slots(db, other.site, "loan", DAY, now_ms) if slot.free]
    for slot in places:  # what is offered now can be booked, and is not one of theirs
        for _ in range(slot.free):
            with opened(world.data_dir) as db:
                world.book.book(db, other.site, Wanted("loan", slot.start_ms, "Li"), now_ms)
    with reading(world.data_dir) as db:
        again = stranded(db, world.book, other.site, now_ms)
        assert [each.appointment.id for each in again] == [each.appointment.id for each in found]
        (ticks, distinct) = db.execute(
            "SELECT count(*), count(DISTINCT counter || ' ' || tick_ms) FROM held"
        ).fetchone()
    assert ticks == distinct


def test_counters_that_come_later_take_what_was_booked_before(tmp_path: Path) -> None:
    world = book_world(tmp_path, site_of())
    now_ms = world.at("09:00", DAY - timedelta(days=3))
    made = book(world, "loan", "10:00", now_ms)
    later = replace(world, site=site_of(tables=COUNTERS))
    assert free(later, "loan", "10:00", now_ms) == 1
    second = book(later, "loan", "10:00", now_ms)
    assert sorted(counter for counter, _ in held(later).values()) == ["both", "desk"]
    assert set(held(later)) == {made.id, second.id}
    world.store.close()


def test_a_slot_where_nobody_is_staffed_is_none(tmp_path: Path) -> None:
    tables = COUNTERS.replace('services = ["loan"]', 'services = ["loan"]\nhours = { tue = "10:00-11:30" }')
    tables = tables.replace('["cash", "loan"]', '["cash"]')
    world = book_world(tmp_path, site_of(tables=tables))
    now_ms = world.at("09:00", DAY - timedelta(days=3))
    with reading(world.data_dir) as db:
        found = day_slots(db, world.site, "loan", DAY, now_ms)
    assert [slot.start_ms for slot in found] == [world.at("10:00")]
    with pytest.raises(InputError, match="no slot"):
        book(world, "loan", "09:00", now_ms)
    world.store.close()


def test_staff_see_who_is_stranded(tmp_path: Path) -> None:
    service = '[[service]]\nid = "loan"\nname = { en = "Loans", zh = "贷款" }\nminutes = 30\n'
    with hub_world(tmp_path, parts=service, book=True) as world:
        site = world.config.sites["hall"]
        assert world.state.book is not None
        with opened(world.config.data_dir) as db:
            start_ms = day_slots(db, site, "loan", _soon())[4].start_ms
            made = world.state.book.book(db, site, Wanted("loan", start_ms, "Ann Miller"), present_ms())
        text = (tmp_path / "hall.toml").read_text(encoding="utf-8")
        check = f"{world.api}/api/v1/branches/hall/configuration/check"
        told = [
            httpx.post(check, json={"text": each}, headers=world.token("manager", "hall")).json()
            for each in (text, text.replace('id = "loan"', 'id = "fund"'), "nonsense")
        ]
        assert [(each["ok"], each["stranded"]) for each in told] == [(True, 0), (True, 1), (False, None)], (
            told
        )
        with opened(world.config.data_dir) as db:
            db.execute("UPDATE appointment SET service='gone' WHERE id=?", (made.id,))
        url = f"{world.api}/api/v1/branches/hall/stranded"
        answer = httpx.get(url, headers=world.token("staff", "hall"))
        assert answer.status_code == 200, answer.text
        (item,) = answer.json()["items"]
        assert (item["reason"], item["appointment"]["id"], item["appointment"]["masked_name"]) == (
            "service", made.id, "A***",
        )  # fmt: skip
        assert httpx.get(url).status_code == 401


def _soon() -> date:
    return from_ms(present_ms() + 3 * DAY_MS).date()
