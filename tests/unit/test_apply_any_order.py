from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from box import T0_MS, Box, make_site, notice, window
from hypothesis import given, settings, strategies as st

from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.figures.sums import LEVELS, Bucket
from hub.store.sqlite import SqliteStore

SITE = make_site()
COUNT = 8
Dump = tuple[dict[Bucket, object], list[tuple[object, ...]]]


def full_box() -> Box:
    """Windows over an hour's boundary, and notices that later windows settle."""
    box = Box()
    for n in range(COUNT // 2):
        box.produce("notice", notice(f"n-{n}", T0_MS + n))
        line = {"line": "door", "in": n, "out": 1, "confirmed": [f"n-{n}"] if n % 2 else []}
        box.produce("window", window(T0_MS - 1_825_000 + n * 20_000, people=n, lines=[line]))
    return box


def dump(store: SqliteStore) -> Dump:
    found: dict[Bucket, object] = {}
    for level in LEVELS:
        found |= store.rollups(SITE.id, "box-1", level, 0, 2**53)
    notices = store._db.execute("SELECT id, at_ms, what, fate FROM notice ORDER BY id").fetchall()
    return found, notices


def applied(groups: list[list[list[int]]]) -> Dump:
    """Deliver these groups of batches of seqs, then whatever was left out; check what must always hold."""
    box = full_box()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder))
        store._db.execute("PRAGMA synchronous=OFF")
        applier = Applier(store, {SITE.id: SITE}, lambda: T0_MS)
        upto, delivered = 0, set[int]()
        for group in [*groups, [sorted(box.items)]]:
            acks = applier.apply_many([box.payload(batch) for batch in group])
            for batch, ack in zip(group, acks, strict=True):
                delivered |= set(batch)
                assert ack is not None
                assert ack.upto >= upto, "acks never go back"
                assert set(range(1, ack.upto + 1)) <= delivered, "an ack never covers what did not come"
                upto = ack.upto
        assert upto == COUNT
        assert store._db.execute("SELECT count(*) FROM message").fetchone()[0] == COUNT
        assert recompute(store, {SITE.id: SITE})["equal"]
        state = dump(store)
        store.close()
    return state


BATCHES = st.lists(st.integers(1, COUNT), min_size=1, max_size=COUNT, unique=True).map(sorted)


@cache
def in_order() -> Dump:
    return applied([])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(BATCHES, min_size=1, max_size=3), max_size=5))
def test_order_duplication_and_batching_change_nothing(groups: list[list[list[int]]]) -> None:
    """Order, duplication, batching and grouping leave no trace in roll-ups, grids and notices.

    They end equal to those of one delivery in order, and to a recomputation.
    """
    assert applied(groups) == in_order()
