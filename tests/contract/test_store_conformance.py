"""What every back end of the store must do. A further back end is one more entry in BACK_ENDS."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from box import T0_MS, make_site, window

from branchloop.wire.messages import Window
from hub.store.figures.rollup import collect, differences
from hub.store.figures.sums import LEVELS, Bucket, GridShape, RollUp
from hub.store.interface import (
    ALARM_SILENCE_MS,
    Alarm,
    Cursor,
    Fate,
    FeedEvent,
    Import,
    KnownGap,
    Latest,
    Message,
    NoticeRow,
    Quarantined,
    StatusRow,
    Store,
    Stored,
    Unstorable,
)
from hub.store.sqlite import SqliteStore

Open = Callable[[], Store]
BACK_ENDS: dict[str, Callable[[Path], Store]] = {"sqlite": SqliteStore}
HALL = make_site()
EPOCH = "0123456789abcdef"


@pytest.fixture(params=sorted(BACK_ENDS))
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[Store] = []

    def open_one() -> Store:
        opened.append(BACK_ENDS[request.param](tmp_path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> Store:
    return open_store()


def message(seq: int, event_ms: int = T0_MS, kind: str = "window", device: str = "box-1") -> Message:
    return Message("hall", device, EPOCH, seq, kind, event_ms, T0_MS, f"digest-{seq}", "{}")


def rollups(*bodies: dict[str, object]) -> dict[Bucket, RollUp]:
    found: dict[Bucket, RollUp] = {}
    for body in bodies:
        parsed = Window.model_validate_json(json.dumps(body))
        collect(found, parsed, HALL.zone_info, open_hours=HALL.is_open(parsed.start_ms))
    return found


def stored_rollups(store: Store, device: str = "box-1") -> dict[Bucket, RollUp]:
    found: dict[Bucket, RollUp] = {}
    for level in LEVELS:
        found |= store.rollups("hall", device, level, 0, 2**53)
    return found


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    """An exception rolls everything back, and the store works on."""

    def fail() -> None:
        with store.transaction() as transaction:
            transaction.insert_messages([message(1)])
            transaction.put_cursor(Cursor("hall", "box-1", EPOCH, 1))
            transaction.add_rollups("hall", "box-1", rollups(window()))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert store.cursors() == []
    assert list(store.messages("hall", "box-1", 0, 2**53)) == []
    assert stored_rollups(store) == {}
    with store.transaction() as transaction:
        transaction.insert_messages([message(1)])
    assert len(list(store.messages("hall", "box-1", 0, 2**53))) == 1


def test_what_is_committed_is_seen_by_the_next_to_open(open_store: Open) -> None:
    """A commit outlives the store object that made it."""
    first = open_store()
    with first.transaction() as transaction:
        transaction.put_cursor(Cursor("hall", "box-1", EPOCH, 7, ((9, 10), (12, 12))))
    assert open_store().cursors("hall") == [Cursor("hall", "box-1", EPOCH, 7, ((9, 10), (12, 12)))]
    assert open_store().cursors("elsewhere") == []


def test_a_cursor_is_locked_against_other_writers(open_store: Open) -> None:
    """Two workers that raise the same cursor at once both count: the second waits for the first."""
    stores = [open_store(), open_store()]

    def raise_cursor(store: Store) -> None:
        for _ in range(20):
            with store.transaction() as transaction:
                cursor = transaction.lock_cursor("hall", "box-1", EPOCH)
                transaction.put_cursor(Cursor("hall", "box-1", EPOCH, cursor.upto + 1))

    workers = [threading.Thread(target=raise_cursor, args=(store,)) for store in stores]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert stores[0].cursors()[0].upto == 40


def test_messages_are_kept_once(store: Store) -> None:
    """A seq that is there already is refused, with all that shared its transaction."""
    with store.transaction() as transaction:
        transaction.insert_messages([message(2), message(1)])
    with pytest.raises(Unstorable), store.transaction() as transaction:
        transaction.insert_messages([message(3), message(1)])
    assert [m.seq for m in store.messages("hall", "box-1", 0, 2**53)] == [2, 1]


def test_messages_are_read_by_event_time(store: Store) -> None:
    """The end of the range is open, other devices stay out, and all fields come back."""
    late = Message("hall", "box-1", EPOCH, 9, "window", T0_MS + 5, T0_MS, "d", '{"ü":1}', "future", True)
    with store.transaction() as transaction:
        transaction.insert_messages([late, message(1), message(2, T0_MS + 10), message(3, device="box-2")])
    assert list(store.messages("hall", "box-1", T0_MS, T0_MS + 10)) == [message(1), late]
    assert store.message_days("hall", "box-1") == [T0_MS // 86_400_000]
    assert store.message_days("elsewhere", "box-1") == []


def test_what_is_kept_under_a_seq_is_known(store: Store) -> None:
    """Applied and quarantined messages alike; the unknown are absent; any number may be asked for."""
    put_aside = Quarantined("hall", "box-1", "why", T0_MS, "dq", b"{}", 2, "weather", EPOCH, 2)
    with store.transaction() as transaction:
        transaction.insert_messages([message(1)])
        transaction.quarantine([put_aside, put_aside])
        assert transaction.stored("hall", "box-1", EPOCH, range(1, 3_000)) == {
            1: Stored("window", "digest-1"),
            2: Stored("weather", "dq"),
        }
        assert transaction.stored("hall", "box-2", EPOCH, [1, 2]) == {}
        assert transaction.stored("hall", "box-1", EPOCH, []) == {}


def test_roll_ups_add(store: Store) -> None:
    """Increments added one by one or at once end as the sums of all windows, grids included."""
    bodies = [window(T0_MS + n * 5_000, people=n) for n in range(14)]
    with store.transaction() as transaction:
        transaction.add_rollups("hall", "box-1", rollups(*bodies[:5]))
        transaction.add_rollups("hall", "box-1", rollups(bodies[5]))
    with store.transaction() as transaction:
        transaction.add_rollups("hall", "box-1", rollups(*bodies[6:]))
        transaction.add_rollups("hall", "box-2", rollups(bodies[0]))
    assert list(differences(stored_rollups(store), rollups(*bodies))) == []
    assert list(differences(stored_rollups(store, "box-2"), rollups(bodies[0]))) == []


def test_unknown_ranges_stay_unknown_when_added(store: Store) -> None:
    """No nearest range plus no nearest range is none; plus a range it is that range."""
    silent = window(
        sensors=[{"sensor": "desk", "state": "down", "observed_ms": 0, "readings": 0, "valid": 0}]
    )
    with store.transaction() as transaction:
        transaction.add_rollups("hall", "box-1", rollups(silent))
        transaction.add_rollups("hall", "box-1", rollups(silent))
    assert stored_rollups(store)["minute", T0_MS].sensors["desk"].nearest_mm is None
    with store.transaction() as transaction:
        transaction.add_rollups("hall", "box-1", rollups(window()))
        transaction.add_rollups("hall", "box-1", rollups(silent))
    assert stored_rollups(store)["minute", T0_MS].sensors["desk"].nearest_mm == 501


def test_grids_of_different_shapes_never_mix(store: Store) -> None:
    """A plan that was changed in the middle of an hour leaves two grids."""
    heat = {"cell_mm": 250, "rows": 4, "cols": 8, "cells": [0], "mps": [7]}
    with store.transaction() as transaction:
        transaction.add_rollups("hall", "box-1", rollups(window()))
        transaction.add_rollups("hall", "box-1", rollups(window(heat=heat)))
    assert set(stored_rollups(store)["minute", T0_MS].heat) == {GridShape(500, 2, 4), GridShape(250, 4, 8)}


@pytest.mark.parametrize("what", ["person_ms", "heat", "filled", "flow", "staff", "waits"])
def test_a_sum_that_overflows_is_refused(store: Store, what: str) -> None:
    """A sum beyond 64 bits is Unstorable, and the transaction leaves nothing."""
    increments = rollups(window())
    for rollup in increments.values():
        if what == "heat":
            rollup.heat[GridShape(500, 2, 4)][0].values[1] = 2**63 - 1
        elif what == "filled":
            rollup.filled[GridShape(500, 2, 4)][0].values[0] = 2**63 - 1
        elif what == "flow":
            rollup.flow[GridShape(1_000, 1, 2, 3)][0].values[0] = -(2**63)
        elif what == "staff":
            rollup.totals.staff_ms = 2**63 - 1
        elif what == "waits":
            rollup.queues["queue"].served_sum_ms = 2**63 - 1
        else:
            rollup.totals.person_ms = 2**63 - 1

    def overflow() -> None:
        with store.transaction() as transaction:
            transaction.add_rollups("hall", "box-1", increments)
            transaction.add_rollups("hall", "box-1", rollups(window(people=3)))

    with pytest.raises(Unstorable):
        overflow()
    assert stored_rollups(store) == {}


def test_buckets_can_be_replaced(store: Store) -> None:
    """Replacing deletes what is not given anew."""
    wrong, right = rollups(window(people=3), window(T0_MS + 60_000)), rollups(window(people=1))
    with store.transaction() as transaction:
        transaction.add_rollups("hall", "box-1", wrong)
        transaction.replace_rollups("hall", "box-1", wrong.keys() | right.keys(), right)
    assert list(differences(stored_rollups(store), right)) == []


def test_alarms_count_up_and_are_news_after_silence(store: Store) -> None:
    """An alarm is news once, and again only after ten minutes without it."""

    def alarm(at_ms: int) -> bool:
        with store.transaction() as transaction:
            return transaction.raise_alarm(Alarm("hall", "box-1", "clone", EPOCH, at_ms, "twice"))

    assert alarm(T0_MS)
    assert not alarm(T0_MS + 1)
    assert not alarm(T0_MS + ALARM_SILENCE_MS)
    assert alarm(T0_MS + 2 * ALARM_SILENCE_MS + 1)


@pytest.mark.parametrize("order", [("confirmed", "withdrawn"), ("withdrawn", "confirmed")])
def test_a_withdrawn_notice_stays_withdrawn(store: Store, order: tuple[Fate, Fate]) -> None:
    """Settled both ways, a notice ends the same whatever came first."""
    with store.transaction() as transaction:
        transaction.add_notices([NoticeRow("hall", "box-1", "n-1", T0_MS, "crossing")])
        for fate in order:
            transaction.settle_notices("hall", "box-1", ["n-1"], fate, T0_MS)
    assert store.notice_fates("hall", "box-1") == {"n-1": "withdrawn"}


def test_status_and_last_seen(store: Store) -> None:
    """The status is replaced as a whole; last-seen only moves forward, with or without a status."""
    birth = StatusRow("hall", "box-1", True, "ab" * 8, 3, T0_MS, T0_MS + 1, "{}")
    with store.transaction() as transaction:
        transaction.seen("hall", "box-1", T0_MS)
        assert transaction.status("hall", "box-1") is None
        transaction.put_status(birth)
        transaction.put_behind("hall", "box-1", 3_600_000)
        transaction.seen("hall", "box-1", T0_MS - 5)
        assert transaction.status("hall", "box-1") == birth
    assert store.sites() == ["hall"]


def test_everything_of_a_device_can_be_forgotten(store: Store) -> None:
    """Forgetting one device leaves no row of it and every row of the others."""
    with store.transaction() as transaction:
        for device in ("box-1", "box-2"):
            transaction.insert_messages([message(1, device=device)])
            transaction.put_cursor(Cursor("hall", device, EPOCH, 1))
            transaction.add_rollups("hall", device, rollups(window()))
            transaction.put_latest(Latest("hall", device, T0_MS, T0_MS + 5_000, T0_MS, "{}"))
            transaction.add_notices([NoticeRow("hall", device, "n-1", T0_MS, "crossing")])
            transaction.record_gaps([KnownGap("hall", device, EPOCH, 1, 2, "restored", T0_MS)])
            transaction.feed([FeedEvent("hall", device, "window", T0_MS, "{}")])
            transaction.put_import(Import("hall", device, EPOCH, "digest", None, T0_MS))
    with store.transaction() as transaction:
        transaction.forget_device("hall", "box-1")
        assert transaction.last_import("hall", "box-1") is None
        assert transaction.epochs("hall", "box-1") == []
        assert transaction.last_import("hall", "box-2") == Import(
            "hall", "box-2", EPOCH, "digest", None, T0_MS
        )
        assert transaction.epochs("hall", "box-2") == [EPOCH]
    assert store.devices("hall") == ["box-2"]
    assert stored_rollups(store) == {}
    assert stored_rollups(store, "box-2") != {}


def test_a_snapshot_sees_one_moment(open_store: Open) -> None:
    """What another worker commits meanwhile is not seen until the snapshot ends."""
    reader, writer = open_store(), open_store()
    with reader.snapshot():
        assert reader.cursors() == []
        with writer.transaction() as transaction:
            transaction.put_cursor(Cursor("hall", "box-1", EPOCH, 1))
        assert reader.cursors() == []
    assert reader.cursors() != []


def test_pruning_remembers_how_far_it_went(store: Store) -> None:
    """Rows before the moment go, later ones stay, and how far it went never goes back."""
    with store.transaction() as transaction:
        transaction.insert_messages([message(1, T0_MS - 1), message(2, T0_MS)])
        transaction.add_rollups("hall", "box-1", rollups(window(T0_MS - 60_000), window()))
        assert transaction.prune("message", "hall", T0_MS) == 1
        assert transaction.prune("message", "hall", T0_MS - 1_000) == 0
        assert transaction.prune("minute", "hall", T0_MS) > 0
    assert [m.seq for m in store.messages("hall", "box-1", 0, 2**53)] == [2]
    assert store.pruned_to_ms("message") == T0_MS
    assert store.pruned_to_ms("hour") == 0
    assert list(store.rollups("hall", "box-1", "minute", 0, 2**53)) == [("minute", T0_MS)]
    assert next(iter(store.rollups("hall", "box-1", "day", 0, 2**53).values())).totals.windows == 2
    with store.transaction() as transaction:
        transaction.mend_marks(T0_MS - 500)  # by a clock that was ahead
        assert transaction.prune("message", "hall", T0_MS - 1_000) == 0
    assert store.pruned_to_ms("message") == store.pruned_to_ms("minute") == T0_MS - 500


def test_the_time_that_was_believed_outlives_the_hub(store: Store) -> None:
    """That of the last heartbeat, by the wall clock where nothing else was said."""
    assert store.last_believed_ms() is None
    store.heartbeat("ingest-1", T0_MS, connected=True, committed_ms=None)
    assert store.last_believed_ms() == T0_MS
    store.heartbeat("ingest-1", T0_MS + 86_400_000, connected=True, committed_ms=None, believed_ms=T0_MS + 2)
    assert store.last_believed_ms() == T0_MS + 2
