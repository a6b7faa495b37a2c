from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from box import T0_MS, Box, make_site, window

from hub.ingest.apply import Applier
from hub.ingest.recompute import MOST_DIFFERENCES, recompute
from hub.store.sqlite import SqliteStore

SITE = make_site()
SITES = {SITE.id: SITE}
DAY_MS = 86_400_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    box = Box()
    for day in range(2):
        for n in range(30):
            box.produce("window", window(T0_MS + day * DAY_MS + n * 120_000, people=n))
    Applier(store, SITES, lambda: T0_MS).apply(*box.payload(arrived_ms=T0_MS + 3 * DAY_MS))
    yield store
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rollup SET person_ms = person_ms + 1 WHERE level='hour'",
        "UPDATE rollup SET open_observed_ms = 0 WHERE level='day'",
        "UPDATE rollup_line SET crossings_in = 0 WHERE level='minute'",
        "UPDATE rollup_dwell SET visits = visits + 1 WHERE level='day'",
        "DELETE FROM heat WHERE level='day'",
        "DELETE FROM rollup WHERE level='day'",
        "UPDATE heat SET grid = (SELECT grid FROM heat ORDER BY start_ms LIMIT 1) WHERE level='minute'",
        "UPDATE rollup_sensor SET nearest_mm = 1 WHERE level='day'",
        "UPDATE rollup_camera SET start_ms = start_ms + 1 WHERE level='day'",
        "UPDATE rollup_method SET method = 'other' WHERE level='day'",
        "UPDATE rollup SET staff_ms = staff_ms + 1 WHERE level='day'",
        "UPDATE rollup SET filled_ms = 0 WHERE level='minute'",
        "UPDATE rollup_line SET returned = 0 WHERE level='day'",
        "UPDATE rollup_queue SET joined = joined + 1 WHERE level='hour'",
        "UPDATE rollup_wait SET waits = waits + 1 WHERE level='day' AND fate='abandoned'",
        "DELETE FROM rollup_wait WHERE level='day' AND fate='served'",
        "UPDATE rollup_fault SET fault_ms = 1 WHERE level='day' AND part='sensor'",
        "DELETE FROM rollup_fault WHERE level='hour' AND part='camera'",
        "DELETE FROM heat_filled WHERE level='day'",
        "UPDATE flow SET grid = (SELECT grid FROM flow ORDER BY start_ms LIMIT 1) WHERE level='minute'",
        "DELETE FROM message WHERE seq = 7",
    ],
)
def test_damage_is_found_and_mended(store: SqliteStore, damage: str) -> None:
    """Whatever is wrong in any table is told, not mended by a check, and mended on demand."""
    assert recompute(store, SITES)["equal"]
    store._db.execute(damage)
    report = recompute(store, SITES)
    assert not report["equal"]
    assert not report["written"]
    assert 0 < len(report["differences"]) <= MOST_DIFFERENCES
    assert report["difference_count"] >= len(report["differences"])
    assert report["differences"][0].startswith("hall/box-1 ")
    assert recompute(store, SITES, write=True)["written"]
    assert recompute(store, SITES)["equal"]


def test_a_period_touches_whole_local_days(store: SqliteStore) -> None:
    """Only days that the period touches are judged."""
    assert recompute(store, SITES, from_ms=T0_MS, to_ms=T0_MS + 1)["days"] == 1
    assert recompute(store, SITES, from_ms=T0_MS, to_ms=T0_MS + DAY_MS)["days"] == 2
    assert recompute(store, SITES, from_ms=T0_MS + 5 * DAY_MS)["days"] == 0


def test_days_that_agree_are_compared_while_another_writes(store: SqliteStore, tmp_path: Path) -> None:
    """Nobody waits for a comparison, and it for nobody: mending takes the lock for days that differ alone."""
    begun: list[str] = []
    hasty = SqliteStore(tmp_path, busy_timeout_ms=0)
    hasty._db.set_trace_callback(begun.append)
    with store.transaction():
        assert recompute(hasty, SITES, write=True)["equal"]
    store._db.execute("UPDATE rollup SET person_ms = 0 WHERE level='day' AND start_ms < ?", (T0_MS,))
    report = recompute(hasty, SITES, write=True)
    assert (report["days"], report["written"]) == (2, True)
    assert begun.count("BEGIN IMMEDIATE") == 1
    assert recompute(hasty, SITES)["equal"]
    hasty.close()


@pytest.mark.parametrize("write", [True, False])
def test_a_day_whose_messages_are_pruned_meanwhile_keeps_its_figures(
    store: SqliteStore, tmp_path: Path, write: bool
) -> None:
    """Who prunes gets in just before the lock, or the moment that is read: the day is skipped, not emptied."""
    other = SqliteStore(tmp_path)
    if write:
        store._db.execute("UPDATE rollup SET person_ms = person_ms + 1 WHERE level='day'")
    before = days_of(other)

    def prune(statement: str) -> None:
        if statement == ("BEGIN IMMEDIATE" if write else "BEGIN DEFERRED"):
            store._db.set_trace_callback(None)
            with other.transaction() as transaction:
                assert transaction.prune("message", SITE.id, T0_MS + DAY_MS - 1) == 30

    store._db.set_trace_callback(prune)
    report = recompute(store, SITES, to_ms=T0_MS + 1, write=write)
    assert (report["equal"], report["skipped_days"], report["written"]) == (True, 1, False)
    assert days_of(other) == before
    other.close()


def test_a_day_without_windows_is_told_and_left_as_it_is(store: SqliteStore) -> None:
    """There is nothing to compute it from, and what is deleted cannot come back."""
    before = days_of(store)
    store._db.execute("DELETE FROM message WHERE event_ms < ?", (T0_MS + DAY_MS - 1,))
    report = recompute(store, SITES, write=True)
    assert (report["equal"], report["written"]) == (False, False)
    assert "no message is behind it" in report["differences"][0]
    assert days_of(store) == before


def test_windows_that_come_meanwhile_are_in_what_is_mended(store: SqliteStore, tmp_path: Path) -> None:
    """Ingest gets in just before the lock: its windows are neither lost nor counted twice."""
    other, box = SqliteStore(tmp_path), Box(epoch="fedcba9876543210")
    for n in range(40):
        box.produce("window", window(T0_MS + n * 120_000 + 5_000, people=1))
    store._db.execute("UPDATE rollup SET person_ms = person_ms + 1 WHERE level='day'")

    def ingest(statement: str) -> None:
        if statement == "BEGIN IMMEDIATE":
            store._db.set_trace_callback(None)
            Applier(other, SITES, lambda: T0_MS).apply(*box.payload(arrived_ms=T0_MS + 3 * DAY_MS))

    store._db.set_trace_callback(ingest)
    report = recompute(store, SITES, to_ms=T0_MS + 1, write=True)
    assert (report["windows"], report["written"]) == (70, True)
    assert recompute(store, SITES, to_ms=T0_MS + 1)["equal"]
    other.close()


def days_of(store: SqliteStore) -> list[tuple[int, int]]:
    return store._db.execute("SELECT start_ms, person_ms FROM rollup WHERE level='day' ORDER BY 1").fetchall()
