"""Crowding out of the hub's own tables: roll-ups, the book, holidays, and what is kept of it."""

from __future__ import annotations

import json
import sqlite3
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS, from_ms, to_ms
from branchloop.site.site import Site, parse_site
from hub.config.hub import read_config
from hub.loop.nearby import nearby
from hub.store.book.entries import Book, Wanted
from hub.store.connection import opened, prepare
from hub.store.customers.keyring import Keyring
from hub.store.figures import sqlite_rollups
from hub.store.figures.crowding import Crowds, Load
from hub.store.figures.sums import Level, RollUp, Totals

ZONE = ZoneInfo("Asia/Shanghai")
SITE = """
id = "{id}"
name = {{ en = "North", zh = "北" }}
timezone = "Asia/Shanghai"
hours = {{ mon = "08:30-12:00,13:00-17:00", tue = "09:00-17:00", wed = "09:00-17:00", thu = "09:00-17:00", fri = "09:00-17:00" }}
closed_on = ["2026-04-06"]
plan = {{ width_m = 10.0, height_m = 8.0 }}
place = {{ lat_deg = {lat}, lon_deg = 121.47 }}
[[service]]
id = "loan"
name = {{ en = "Loans", zh = "贷款" }}
minutes = 30
slot_minutes = 30
per_slot = 5
"""
NOW = to_ms(datetime(2026, 4, 14, 10, 30, tzinfo=ZONE))
"""A Tuesday, open."""


def site(name: str = "north", lat: float = 31.23) -> Site:
    return parse_site(SITE.format(id=name, lat=lat))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    prepare(tmp_path)
    return tmp_path


def put(
    db: sqlite3.Connection, where: Site, level: Level, start_ms: int, people: float, *, share: float = 1.0
) -> None:
    """A bucket of one camera that saw `share` of the time, and windows that were stored for all of it."""
    length = {"minute": MINUTE_MS, "hour": HOUR_MS, "day": DAY_MS}[level]
    open_ms = sum(
        max(0, min(end, start_ms + length) - max(start, start_ms))
        for start, end in where.open_spans_ms(from_ms(start_ms, ZONE).date())
    )
    totals = Totals(
        windows=1,
        windows_ms=length,
        expected_ms=length,
        observed_ms=round(length * share),
        open_expected_ms=open_ms,
        open_observed_ms=round(open_ms * share),
        person_ms=round(people * open_ms * share),
        looked_ms=round(length * share),
        first_ms=start_ms,
        last_ms=start_ms + length,
    )
    sqlite_rollups.add(db, where.id, "box-1", {(level, start_ms): RollUp(totals=totals)})


def people_at(hour: int) -> float:
    return 3.0 + 2 * abs(hour - 12)


def fill(db: sqlite3.Connection, where: Site, weeks: int = 4) -> None:
    """Whole days, nights too: nobody is there while it is closed."""
    for back in range(1, 7 * weeks + 1):
        day = date(2026, 4, 14) - timedelta(days=back)
        for hour in range(24):
            start_ms = to_ms(datetime(day.year, day.month, day.day, hour, tzinfo=ZONE))
            put(db, where, "hour", start_ms, people_at(hour))


def hour_ms(day: int, hour: int, minute: int = 0) -> int:
    return to_ms(datetime(2026, 4, day, hour, minute, tzinfo=ZONE))


def test_without_history_nothing_is_told(folder: Path) -> None:
    crowds = Crowds()
    with opened(folder) as db:
        assert crowds.levels(db, site(), [(NOW, NOW + HOUR_MS)], NOW) == [None]
        told = crowds.now(db, site(), NOW)
        assert crowds.quietest(db, site(), [NOW], NOW) == []
    assert (told.open, told.level, told.people, told.as_of_ms, told.weeks, told.best) == (
        True,
        None,
        None,
        None,
        0,
        [],
    )
    assert [each.crowd for each in told.hours] == [None] * 7


def test_hours_are_told_as_they_were_measured(folder: Path) -> None:
    where = site()
    with opened(folder) as db:
        fill(db, where)
        spans = [(hour_ms(15, hour), hour_ms(15, hour + 1)) for hour in range(9, 17)]
        for (start_ms, _), crowd in zip(spans, Crowds().levels(db, where, spans, NOW), strict=True):
            assert crowd is not None
            assert crowd.people == pytest.approx(people_at(from_ms(start_ms, ZONE).hour), rel=0.1)


def test_of_closed_hours_nothing_is_told(folder: Path) -> None:
    where = site()
    with opened(folder) as db:
        fill(db, where)
        spans = [
            (hour_ms(15, 8), hour_ms(15, 9)),
            (hour_ms(15, 9), hour_ms(15, 10)),
            (hour_ms(18, 10), hour_ms(18, 11)),
        ]
        closed, told, weekend = Crowds().levels(db, where, spans, NOW)
    assert (closed, weekend) == (None, None)
    assert told is not None


def test_an_hour_that_is_half_open_is_told_by_its_open_half(folder: Path) -> None:
    """Half past eight to nine holds as many as from nine on would; its closed half empties nothing."""
    where = site()
    with opened(folder) as db:
        fill(db, where)
        known = Crowds().known(db, where, NOW)
        assert known is not None
    assert known.profile.cells[0, 8] == pytest.approx(people_at(8), rel=0.15)
    assert (0, 12) not in known.profile.cells
    assert (5, 10) not in known.profile.cells


def test_a_holiday_teaches_nothing(folder: Path) -> None:
    """On the holiday the cameras saw an empty hall for as long as the branch would have been open."""
    where = site()
    with opened(folder) as db:
        fill(db, where)
        before = Crowds().known(db, where, NOW)
        for hour in range(9, 17):
            db.execute("UPDATE rollup SET person_ms=0 WHERE level='hour' AND start_ms=?", (hour_ms(6, hour),))
        after = Crowds().known(db, where, NOW)
    assert before == after


def test_what_was_hardly_measured_hardly_counts(folder: Path) -> None:
    where = site()
    with opened(folder) as db:
        fill(db, where, 3)
        db.execute(
            "UPDATE rollup SET observed_ms=observed_ms/20, open_observed_ms=open_observed_ms/20 WHERE start_ms=?",
            (hour_ms(7, 10),),
        )
        db.execute("UPDATE rollup SET person_ms=100*3600000 WHERE start_ms=?", (hour_ms(7, 10),))
        known = Crowds().known(db, where, NOW)
    assert known is not None
    assert known.profile.cells[1, 10] == pytest.approx(people_at(10), rel=0.1)


def test_today_corrects_the_next_hours(folder: Path) -> None:
    where = site()
    span = (hour_ms(14, 11), hour_ms(14, 12))
    with opened(folder) as db:
        fill(db, where)
        (before,) = Crowds().levels(db, where, [span], NOW)
        for minute in range(40):
            put(db, where, "minute", NOW - (minute + 1) * MINUTE_MS, 25.0)
        (after,) = Crowds().levels(db, where, [span], NOW)
    assert before is not None
    assert after is not None
    assert after.people > before.people


def test_bookings_make_a_slot_busier_and_steer_away_from_it(folder: Path) -> None:
    where = site()
    (folder / "north.toml").write_text(SITE.format(id="north", lat=31.23))
    (folder / "hub.toml").write_text('[hub]\ndata_dir = "."\nsites = ["north.toml"]\n')
    book = Book(Keyring.of(read_config(folder / "hub.toml")))
    starts = [hour_ms(15, hour) for hour in (11, 12)]
    crowds = Crowds()
    with opened(folder) as db:
        fill(db, where)
        spans = [(start_ms, start_ms + HOUR_MS // 2) for start_ms in starts]
        before = crowds.levels(db, where, spans, NOW)
        assert crowds.quietest(db, where, starts, NOW)[0] == starts[1]
        for number in range(5):
            book.book(db, where, Wanted("loan", starts[1], "Ann Miller", customer=f"c-{number}"), NOW)
        after = crowds.levels(db, where, spans, NOW)
        assert crowds.quietest(db, where, starts, NOW)[0] == starts[0]
    assert before[0] == after[0]
    assert before[1] is not None
    assert after[1] is not None
    assert after[1].people == pytest.approx(before[1].people + 4.5, rel=0.05)


def test_people_now_are_told_only_while_they_are_fresh(folder: Path) -> None:
    where = site()
    with opened(folder) as db:
        body = {"start_ms": NOW - 5_000, "people_end": 4, "observed_ms": 5_000, "expected_ms": 5_000}

        def newest(end_ms: int, **more: int | None) -> tuple[int | None, int | None]:
            db.execute(
                "INSERT OR REPLACE INTO latest VALUES ('north', 'box-1', ?, ?, ?, ?)",
                (end_ms - 5_000, end_ms, end_ms, json.dumps({**body, **more})),
            )
            told = Crowds().now(db, where, NOW)
            return told.people, told.as_of_ms

        assert newest(NOW) == (4, NOW)
        assert newest(NOW - 3 * MINUTE_MS) == (None, None)
        assert newest(NOW, observed_ms=0) == (None, None)
        assert newest(NOW, people_end=None) == (None, None)


def test_the_rest_of_today_or_the_next_open_day(folder: Path) -> None:
    where = site()
    with opened(folder) as db:
        fill(db, where)
        today = Crowds().now(db, where, NOW)
        evening = Crowds().now(db, where, hour_ms(17, 18))
    assert [from_ms(each.start_ms, ZONE).hour for each in today.hours] == [10, 11, 12, 13, 14, 15, 16]
    assert today.level is not None
    assert (evening.open, evening.level) == (False, None)
    assert [from_ms(each.start_ms, ZONE) for each in evening.hours][:2] == [
        datetime(2026, 4, 20, 8, 30, tzinfo=ZONE),
        datetime(2026, 4, 20, 9, tzinfo=ZONE),
    ]
    assert len(today.best) == 3
    assert all(start_ms > NOW for start_ms in today.best)
    assert today.weeks == 4


def test_a_profile_is_learned_once_and_only_so_many_are_kept(folder: Path) -> None:
    crowds = Crowds(most=2)
    sites = [site(f"s{number}") for number in range(3)]
    with opened(folder) as db:
        for each in sites:
            fill(db, each, 2)
        first = crowds.known(db, sites[0], NOW)
        assert crowds.known(db, sites[0], NOW + MINUTE_MS) is first
        assert crowds.known(db, sites[0], NOW + 11 * MINUTE_MS) is not first
        for each in sites:
            crowds.known(db, each, NOW)
        assert len(crowds._kept) == 2
        changed = site("s2")
        assert crowds.known(db, changed, NOW) is not crowds.known(db, sites[2], NOW)


def test_branches_nearby_come_nearest_first() -> None:
    home = site()
    sites = {each.id: each for each in (home, site("far", 31.5), site("b", 31.25), site("a", 31.24))}
    found = nearby(sites, home, 10)
    assert [each.id for each, _ in found] == ["a", "b"]
    assert found[0][1] == pytest.approx(1.11, abs=0.01)
    crowds = Crowds()
    assert [each.id for each, _ in crowds.near(sites, home, 10, NOW)] == ["a", "b"]
    del sites["a"]
    assert [each.id for each, _ in crowds.near(sites, home, 10, NOW)] == ["b"]
    sites["c"] = site("c", 31.22)
    assert [each.id for each, _ in crowds.near(sites, home, 10, NOW + 11 * MINUTE_MS)] == ["c", "b"]
    nowhere = parse_site(
        "\n".join(line for line in SITE.format(id="x", lat=1).splitlines() if "place" not in line)
    )
    assert nearby(sites, nowhere, 10) == []


def test_a_load_is_the_time_of_all_visits_within() -> None:
    load = Load([(0, 10), (5, 15), (20, 30)])
    assert load.total_ms(0, 40) == 30
    assert load.total_ms(8, 12) == 2 + 4
    assert load.total_ms(16, 19) == 0
    assert load.total_ms(25, 26) == 1
