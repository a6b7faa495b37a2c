from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from box import T0_MS, Box, make_site, window

from branchloop.wire.batches import Ack
from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.commands import Commands
from hub.store.figures.alerts import Alerts
from hub.store.figures.retention import prune
from hub.store.figures.sqlite_rollups import ROLLUP_TABLES
from hub.store.sqlite import SqliteStore

DAY_MS = 86_400_000
SITE = make_site()
SITES = {SITE.id: SITE}


@dataclass
class Keep:
    messages_h: float = 48
    minutes_days: float = 35
    hours_days: float = 400
    quarantine_days: float = 90


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    yield store
    store.close()


def count(store: SqliteStore, what: str) -> int:
    return int(store._db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608


def test_alerts_are_kept_while_open_and_for_a_time_after(store: SqliteStore) -> None:
    """A cleared one goes 400 days later; an open one never does."""
    with store.transaction() as transaction:
        alerts = Alerts(transaction.db)
        for subject in ("cleared", "open"):
            assert alerts.open("hall", ("covered", subject), T0_MS, {}, ["footfall"])
        assert alerts.clear("hall", ("covered", "cleared"), T0_MS + DAY_MS)
    assert prune(store, Keep(), SITES, T0_MS + 400 * DAY_MS)["alert"] == 0
    assert prune(store, Keep(), SITES, T0_MS + 402 * DAY_MS)["alert"] == 1
    with store.transaction() as transaction:
        assert [each.subject for each in Alerts(transaction.db).open_alerts("hall")] == ["open"]


def test_requests_for_pictures_go_and_those_of_consents_stay(store: SqliteStore) -> None:
    """What was asked for a consent is kept with it; what is still open always is."""
    with store.transaction() as transaction:
        commands = Commands(transaction.db)
        asked = {
            name: commands.add("hall", "box-1", "background", {}, consent=consent, customer="", now_ms=T0_MS, expires_ms=T0_MS)
            for name, consent in (("settled", ""), ("open", ""), ("of a consent", "c-1"))
        }  # fmt: skip
        for name in ("settled", "of a consent"):
            commands.settle(asked[name], "done", "done", T0_MS)
    assert prune(store, Keep(), SITES, T0_MS + 399 * DAY_MS)["command"] == 0
    assert prune(store, Keep(), SITES, T0_MS + 401 * DAY_MS)["command"] == 1
    with store.transaction() as transaction:
        assert {name for name, each in asked.items() if Commands(transaction.db).find(each)} == {
            "open", "of a consent"
        }  # fmt: skip


def test_details_go_and_aggregates_stay(store: SqliteStore) -> None:
    """Each kind goes in its time, days never, and a pruned message that comes again counts no twice."""
    box = Box()
    box.produce("window", window())
    box.produce("weather", {})
    applier = Applier(store, SITES, lambda: T0_MS)
    applier.apply(*box.payload())
    gone = prune(store, Keep(), SITES, T0_MS + 3 * DAY_MS)
    assert gone["message"] == 1
    assert gone["minute"] == gone["quarantine"] == 0
    assert count(store, "rollup WHERE level='minute'") == 1
    prune(store, Keep(), SITES, T0_MS + 100 * DAY_MS)
    assert count(store, "quarantine") == count(store, "alarm") == 0
    assert count(store, "heat WHERE level='minute'") == count(store, "rollup WHERE level='minute'") == 0
    assert count(store, "heat WHERE level='hour'") == 1
    for table in ROLLUP_TABLES:
        assert count(store, f"{table} WHERE level='minute'") == 0, table
        assert count(store, f"{table} WHERE level='hour'") > 0, table
    prune(store, Keep(), SITES, T0_MS + 1_000 * DAY_MS)
    assert count(store, "rollup WHERE level='hour'") == count(store, "rollup_line WHERE level='hour'") == 0
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=2)
    day = store.rollups("hall", "box-1", "day", 0, 2**53)
    assert [rollup.totals.windows for rollup in day.values()] == [1]
    assert count(store, "message") == 0


def test_a_recomputation_judges_only_days_it_can_know(store: SqliteStore) -> None:
    """A day of which messages were pruned is skipped, not called different; whole days are judged."""
    box = Box()
    for day in range(4):
        box.produce("window", window(T0_MS + day * DAY_MS))
    now_ms = T0_MS + 3 * DAY_MS + 10_000
    Applier(store, SITES, lambda: now_ms).apply(*box.payload(arrived_ms=now_ms))
    prune(store, Keep(messages_h=48), SITES, now_ms)
    report = recompute(store, SITES)
    assert (report["equal"], report["days"], report["skipped_days"], report["windows"]) == (True, 2, 2, 2)
    prune(store, Keep(messages_h=48, minutes_days=1), SITES, now_ms)
    assert recompute(store, SITES)["equal"]
