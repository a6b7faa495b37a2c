"""A branch whose time zone was corrected: its hours and days go by the new clock, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from box import T0_MS, Box, make_site, window

from branchloop.clock import DAY_MS, HOUR_MS
from branchloop.errors import ConfigError
from branchloop.site.site import Site
from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.branches.opening import OpeningHistory, OpeningNotes
from hub.store.interface import Prunable
from hub.store.sqlite import SqliteStore

DAYS = 5
EVERY_MS = 1_200_000
FIRST_MS = T0_MS + 4 * DAY_MS
"""Friday, 2026-03-27 03:00 UTC: two days before the clocks of Europe go forward."""
NOW_MS = FIRST_MS + (DAYS + 1) * DAY_MS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    yield store
    store.close()


def send(store: SqliteStore, site: Site, box: Box, first_ms: int, until_ms: int) -> None:
    """A window each twenty minutes, with everything to add up in it."""
    starts = range(first_ms, until_ms, EVERY_MS)
    seqs = [box.produce("window", window(start_ms, people=n % 5)) for n, start_ms in enumerate(starts)]
    applier = Applier(store, {site.id: site}, lambda: NOW_MS)
    for at in range(0, len(seqs), 100):
        applier.apply(*box.payload(seqs[at : at + 100], arrived_ms=NOW_MS))


def note(store: SqliteStore, site: Site) -> list[str]:
    """As a hub does at its start; what it says."""
    said: list[str] = []
    OpeningNotes(store, {site.id: site}, said.append).tick(NOW_MS)
    return said


def prune(store: SqliteStore, before_ms: int, *kinds: Prunable) -> None:
    with store.transaction() as transaction:
        for what in kinds:
            transaction.prune(what, "hall", before_ms)


def days(store: SqliteStore) -> list[Any]:
    rows = store._db.execute("SELECT start_ms, windows, person_ms FROM rollup WHERE level='day' ORDER BY 1")
    return [tuple(row) for row in rows]


def everything(store: SqliteStore) -> dict[str, list[Any]]:
    """All rows of all roll-ups but the grids, whose bytes differ by how they were added up."""
    tables = ("rollup", "rollup_line", "rollup_zone", "rollup_dwell", "rollup_wait", "rollup_fault")
    return {table: sorted(map(tuple, store._db.execute(f"SELECT * FROM {table}"))) for table in tables}  # noqa: S608


@pytest.mark.parametrize("old", ["UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("new", ["Asia/Tokyo", "Asia/Kathmandu", "America/St_Johns", "Europe/London"])
def test_hours_and_days_of_another_zone_are_as_if_counted_by_it(
    store: SqliteStore, old: str, new: str
) -> None:
    """Every figure and grid is what the messages give by the new clock; a second start changes nothing."""
    before, now, box = make_site(zone=old), make_site(zone=new), Box()
    note(store, before)
    send(store, before, box, FIRST_MS, FIRST_MS + DAYS * DAY_MS)
    assert not recompute(store, {now.id: now})["equal"]
    (said,) = note(store, now)
    assert new in said
    assert recompute(store, {now.id: now})["equal"]
    assert note(store, now) == []


def test_what_was_counted_by_both_zones_on_one_day_is_put_together(store: SqliteStore) -> None:
    """A zone that was changed by a hub that did not know of this: its day has a part of each."""
    before, now, box = make_site(zone="UTC"), make_site(zone="Asia/Tokyo"), Box()
    note(store, before)
    send(store, before, box, FIRST_MS, FIRST_MS + DAY_MS)
    send(store, now, box, FIRST_MS + DAY_MS, FIRST_MS + 2 * DAY_MS)
    note(store, now)
    assert recompute(store, {now.id: now})["equal"]


def test_days_live_on_hours_that_fit_both_zones(store: SqliteStore) -> None:
    """Between zones of whole hours no minutes are needed."""
    before, now, box = make_site(zone="UTC"), make_site(zone="Asia/Tokyo"), Box()
    note(store, before)
    send(store, before, box, FIRST_MS, FIRST_MS + 3 * DAY_MS)
    prune(store, NOW_MS, "minute")
    note(store, now)
    store._db.execute("DELETE FROM pruned")
    told = recompute(store, {now.id: now})["differences"]
    assert told
    assert all("/box-1 minute " in each for each in told)


def test_what_no_minutes_tell_is_set_aside_and_comes_back(store: SqliteStore) -> None:
    """No day holds hours of another; set back to the old zone, all is as it was. Twice, since nobody gets it right at once."""
    before, now, box = make_site(zone="UTC"), make_site(zone="Asia/Kolkata"), Box()
    note(store, before)
    send(store, before, box, FIRST_MS, FIRST_MS + DAYS * DAY_MS)
    kept_ms = FIRST_MS - 3 * HOUR_MS + 3 * DAY_MS
    prune(store, kept_ms, "message", "minute")
    first = everything(store)
    for _ in range(2):
        note(store, now)
        # Kolkata's first whole day after the mark begins 18.5 h into that of UTC.
        assert [start_ms for start_ms, *_ in days(store)] == [
            kept_ms + DAY_MS * n + 18 * HOUR_MS + HOUR_MS // 2 for n in range(2)
        ]
        assert recompute(store, {now.id: now})["equal"]
        note(store, before)
        assert everything(store) == first


def test_hours_that_were_set_aside_are_pruned_in_their_time(store: SqliteStore) -> None:
    before, now, box = make_site(zone="UTC"), make_site(zone="Asia/Kolkata"), Box()
    note(store, before)
    send(store, before, box, FIRST_MS, FIRST_MS + DAY_MS)
    prune(store, NOW_MS, "minute")
    note(store, now)
    prune(store, NOW_MS, "hour")
    levels = {level for (level,) in store._db.execute("SELECT DISTINCT level FROM rollup")}
    assert levels == {"day of another zone"}


def test_a_zone_that_no_hub_has_started_with_is_not_recomputed(store: SqliteStore) -> None:
    """Days of two clocks beside each other would be worse than none."""
    note(store, make_site(zone="UTC"))
    history = OpeningHistory(store._db)
    history.check_zone(make_site(zone="UTC"))
    with pytest.raises(ConfigError, match="kept by UTC, its time zone is Asia/Tokyo"):
        history.check_zone(make_site(zone="Asia/Tokyo"))
