"""A box whose clock was set back tells of times again: nobody counts twice, and torn slots lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from box import T0_MS, Box, make_site, window

from branchloop.clock import DAY_MS, MINUTE_MS
from branchloop.wire.batches import Ack
from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.sqlite import SqliteStore

SITE = make_site()
SLOT_MS = 5_000
NOW_MS = T0_MS + 10 * MINUTE_MS


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def applier(store: SqliteStore) -> Applier:
    return Applier(store, {SITE.id: SITE}, lambda: NOW_MS)


def rows(store: SqliteStore, sql: str) -> list[Any]:
    return [row[0] if len(row) == 1 else tuple(row) for row in store._db.execute(sql)]


def part(start_ms: int, observed_ms: int, closed_by: str = "time") -> dict[str, Any]:
    """A window of which a camera observed so much, with one person."""
    body = window(start_ms, closed_by=closed_by, observed_ms=observed_ms, person_ms=observed_ms)
    body["cameras"][0]["observed_ms"] = observed_ms
    return body


def send(applier: Applier, box: Box, bodies: list[dict[str, Any]], each: bool = False) -> None:
    """In one batch, or in one batch each."""
    seqs = [box.produce("window", body) for body in bodies]
    for batch in [[seq] for seq in seqs] if each else [seqs]:
        assert applier.apply(*box.payload(batch, arrived_ms=NOW_MS)) == Ack(epoch=box.epoch, upto=batch[-1])


@pytest.mark.parametrize("each", [False, True], ids=["one batch", "batch by batch"])
def test_a_clock_that_is_set_back_counts_no_time_twice(
    store: SqliteStore, applier: Applier, *, each: bool
) -> None:
    """What comes first counts, what comes again is put aside with an alarm and acknowledged; the time after it counts."""
    minutes = [T0_MS + n * SLOT_MS for n in range(12)]
    again = [*minutes, T0_MS + MINUTE_MS]
    send(applier, Box(), [window(start_ms, people=2) for start_ms in [*minutes, *again]], each)
    assert rows(store, "SELECT windows_ms, person_ms FROM rollup WHERE level='minute'") == [
        (MINUTE_MS, 2 * MINUTE_MS),
        (SLOT_MS, 2 * SLOT_MS),
    ]
    assert rows(store, "SELECT what, count FROM alarm") == [("clock", 12)]
    assert rows(store, "SELECT count(*) FROM quarantine WHERE reason LIKE '%clock was set back%'") == [12]
    assert recompute(store, {SITE.id: SITE})["equal"]


@pytest.mark.parametrize("each", [False, True], ids=["one batch", "batch by batch"])
def test_a_torn_slot_counts_with_all_its_parts(store: SqliteStore, applier: Applier, *, each: bool) -> None:
    """A box that was stopped and began again within a slot tells of it in parts, in any order of arrival."""
    send(applier, Box(), [part(T0_MS, 1_000), part(T0_MS, 2_500, "stop"), part(T0_MS, 500, "step")], each)
    assert rows(store, "SELECT observed_ms FROM rollup WHERE level='day'") == [4_000]
    assert rows(store, "SELECT what FROM alarm") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (part(T0_MS, 2_500, "step"), part(T0_MS, 5_000)),
        (part(T0_MS, 2_000), part(T0_MS, 2_000)),
        (window(T0_MS, slots=12), part(T0_MS + 30_000, 0, "stop")),
    ],
    ids=["more than the slot is long", "both ended by time", "within a joined window"],
)
def test_parts_that_do_not_make_one_slot_are_told_again(
    store: SqliteStore, applier: Applier, first: dict[str, Any], second: dict[str, Any]
) -> None:
    """Half an hour observed and told again half observed is no whole hour."""
    send(applier, Box(), [first, second])
    assert rows(store, "SELECT observed_ms FROM rollup WHERE level='day'") == [first["observed_ms"]]
    assert rows(store, "SELECT seq FROM quarantine") == [2]


@pytest.mark.parametrize("later", [0, 1], ids=["at once", "in a later transaction"])
def test_a_time_whose_messages_are_pruned_is_not_told_again(
    store: SqliteStore, applier: Applier, later: int
) -> None:
    """Its minutes know how much of them is told: what is left of a minute may still come, no more."""
    box = Box()
    send(applier, box, [window(T0_MS + n * SLOT_MS, people=1) for n in range(8)])
    with store.transaction() as transaction:
        transaction.prune("message", SITE.id, T0_MS + DAY_MS)
    minute = [window(T0_MS + n * SLOT_MS, people=1) for n in range(12)]
    send(applier, box, minute[: 12 - later])
    send(applier, box, minute[12 - later :] or minute[:1])
    assert rows(store, "SELECT windows_ms, person_ms FROM rollup WHERE level='minute'") == [
        (MINUTE_MS, MINUTE_MS)
    ]
    assert rows(store, "SELECT what FROM alarm") == ["clock"]


def test_a_late_backlog_with_a_torn_slot_loses_nothing(store: SqliteStore, applier: Applier) -> None:
    """From before what retention has left, but never told of: every message of it is here."""
    box = Box()
    with store.transaction() as transaction:
        transaction.prune("message", SITE.id, T0_MS + DAY_MS)
    slots = [window(T0_MS + n * SLOT_MS) for n in range(1, 12)]
    send(applier, box, [part(T0_MS, 1_000, "stop"), part(T0_MS, 2_000), *slots])
    assert rows(store, "SELECT observed_ms FROM rollup WHERE level='minute'") == [58_000]
    assert rows(store, "SELECT what FROM alarm") == []
