from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from box import T0_MS, Box, dropped, make_site, notice, site_text, window

from branchloop.clock import FUTURE_LIMIT_MS
from branchloop.site.site import parse_site
from branchloop.wire.batches import Ack, body_digest
from hub.ingest.apply import Applier, Payload
from hub.ingest.parsing import canonical
from hub.ingest.recompute import recompute
from hub.ingest.taking_up import AT_ONCE, TakingUp
from hub.ingest.walltime import WallTime
from hub.store.aside import Aside, waiting
from hub.store.sqlite import SqliteStore

ARRIVED_MS = T0_MS + 20_000
SITE = make_site()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path)
    yield store
    store.close()


@pytest.fixture
def applier(store: SqliteStore) -> Applier:
    return Applier(store, {SITE.id: SITE}, lambda: ARRIVED_MS)


def rows(store: SqliteStore, sql: str) -> list[Any]:
    return [row[0] if len(row) == 1 else tuple(row) for row in store._db.execute(sql)]


def status(**more: Any) -> Payload:
    body = {"online": True, "boot": "ab" * 8, "connect_no": 1, "at_ms": T0_MS, **more}
    return ("branchloop/1/hall/box-1/status", json.dumps(body).encode(), ARRIVED_MS)


def test_a_duplicate_is_acknowledged_again_and_counts_once(store: SqliteStore, applier: Applier) -> None:
    """The second copy changes nothing, and is acknowledged all the same: the first ack may be lost."""
    box = Box()
    box.produce("window", window(people=2))
    for _ in range(3):
        assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=1)
    assert rows(store, "SELECT person_ms, windows FROM rollup WHERE level='day'") == [(10_000, 1)]
    assert rows(store, "SELECT total_mps FROM heat") == [2_005] * 3
    assert rows(store, "SELECT count FROM alarm") == []


def test_what_lies_above_a_hole_is_applied_but_not_acknowledged(store: SqliteStore, applier: Applier) -> None:
    """Seqs above a missing one are kept and remembered; the ack moves past them once it is filled."""
    box = Box()
    for n in range(5):
        box.produce("window", window(T0_MS + n * 5_000))
    assert applier.apply(*box.payload([1, 3, 5])) == Ack(epoch=box.epoch, upto=1)
    assert store.cursors()[0].sparse == ((3, 3), (5, 5))
    assert applier.apply(*box.payload([2, 3])) == Ack(epoch=box.epoch, upto=3)
    assert applier.apply(*box.payload([4, 5])) == Ack(epoch=box.epoch, upto=5)
    assert rows(store, "SELECT windows FROM rollup WHERE level='day'") == [5]
    assert store.cursors()[0].sparse == ()


def test_a_bad_message_costs_only_itself(store: SqliteStore, applier: Applier) -> None:
    """Unknown kinds, newer versions and invalid bodies are put aside with a reason, and acknowledged."""
    box = Box()
    box.produce("window", window())
    box.produce("weather", {"sunny": True})
    box.produce("window", window(), v=2)
    box.produce("window", {**window(), "start_ms": T0_MS + 1})
    box.produce("window", window(T0_MS + 5_000))
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=5)
    assert rows(store, "SELECT windows FROM rollup WHERE level='day'") == [2]
    reasons = dict(rows(store, "SELECT seq, reason FROM quarantine"))
    assert set(reasons) == {2, 3, 4}
    assert "weather" in reasons[2]
    assert "version 2" in reasons[3]
    assert "multiple of 5 s" in reasons[4]
    assert json.loads(rows(store, "SELECT body FROM quarantine WHERE seq=2")[0]) == {"sunny": True}
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=5)
    assert len(rows(store, "SELECT 1 FROM quarantine")) == 3


def test_a_site_that_is_not_configured_is_put_aside(store: SqliteStore, applier: Applier) -> None:
    """Data of an unknown site is kept in quarantine and acknowledged."""
    box = Box(site="elsewhere")
    box.produce("window", window())
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=1)
    assert "elsewhere" in rows(store, "SELECT reason FROM quarantine")[0]
    assert rows(store, "SELECT 1 FROM rollup") == []


def aside(store: SqliteStore, *sites: str) -> list[Aside]:
    return waiting(store._db, sites or (SITE.id,), 0, 100)


def test_what_was_put_aside_is_taken_up_once_its_branch_is_known(store: SqliteStore) -> None:
    """A box that spoke before the hub knew its branch: each window counts once, in whatever order, and an ack is as before."""
    box = Box()
    for n in range(4):
        box.produce("window", window(T0_MS + n * 5_000, people=2))
    early, late = Applier(store, {}, lambda: ARRIVED_MS), Applier(store, {SITE.id: SITE}, lambda: ARRIVED_MS)
    assert early.apply(*box.payload([1, 2, 3])) == Ack(epoch=box.epoch, upto=3)
    assert aside(store, "elsewhere") == []
    assert late.apply(*box.payload([4])) == Ack(epoch=box.epoch, upto=4)
    assert [late.take_up(aside(store)) for _ in range(2)] == [3, 0]
    assert rows(store, "SELECT person_ms, windows FROM rollup WHERE level='day'") == [(40_000, 4)]
    assert rows(store, "SELECT seq FROM message ORDER BY seq") == [1, 2, 3, 4]
    assert rows(store, "SELECT start_ms FROM latest") == [T0_MS + 15_000]
    assert late.apply(*box.payload()) == Ack(epoch=box.epoch, upto=4)
    assert rows(store, "SELECT windows FROM rollup WHERE level='day'") == [4]
    assert recompute(store, {SITE.id: SITE})["equal"]


def test_a_hub_takes_up_a_few_at_a_time_and_says_how_many(store: SqliteStore, applier: Applier) -> None:
    """What arrives meanwhile does not wait for a long backlog; once all is looked at there is nothing more to do."""
    box = Box()
    for n in range(2 * AT_ONCE, -1, -1):
        box.produce("window", window(T0_MS - n * 5_000))
    Applier(store, {}, lambda: ARRIVED_MS).apply(*box.payload())
    said: list[str] = []
    done = threading.Event()
    taking_up = TakingUp(store._db, applier, [SITE.id], said.append, done)
    for counted in (AT_ONCE, 2 * AT_ONCE, 2 * AT_ONCE + 1):
        taking_up.tick(ARRIVED_MS)
        assert rows(store, "SELECT sum(windows) FROM rollup WHERE level='day'") == [counted]
        assert not done.is_set()
    for _ in range(2):
        taking_up.tick(ARRIVED_MS)
    assert done.is_set()
    assert said == [f"took up {2 * AT_ONCE + 1} messages that had been put aside as not known yet."]


def test_only_what_is_understood_by_now_is_taken_up(store: SqliteStore, applier: Applier) -> None:
    """A kind and a version that are still unknown stay, with their reasons; so does a time that was told already."""
    box, copy = Box(), Box(epoch="fedcba9876543210")
    box.produce("weather", {"sunny": True})
    box.produce("window", window(), v=2)
    box.produce("window", window(people=2))
    copy.produce("window", window(people=3))
    Applier(store, {}, lambda: ARRIVED_MS).apply(*copy.payload())
    applier.apply(*box.payload())
    assert applier.take_up(aside(store)) == 0
    assert rows(store, "SELECT person_ms FROM rollup WHERE level='day'") == [10_000]
    causes = "SELECT cause FROM quarantine ORDER BY cause"
    assert rows(store, causes) == ["newer version", "outbox", "unknown kind"]
    assert {each.kind for each in aside(store)} == {"weather", "window"}


def test_what_had_not_come_yet_is_not_counted_when_it_has(store: SqliteStore) -> None:
    """A box with its clock ahead, before its branch was known: taken up after that time has passed it is untrue still."""
    box = Box()
    box.produce("window", window(ARRIVED_MS + FUTURE_LIMIT_MS + 5_000, people=9))
    Applier(store, {}, lambda: ARRIVED_MS).apply(*box.payload())
    later = Applier(store, {SITE.id: SITE}, lambda: ARRIVED_MS + 3_600_000)
    assert later.take_up(aside(store)) == 1
    assert rows(store, "SELECT treatment FROM message") == ["future"]
    assert rows(store, "SELECT 1 FROM rollup") == []


def test_what_is_still_not_understood_says_why(store: SqliteStore, applier: Applier) -> None:
    """Its branch is known by now; the reason is that it is no window."""
    box = Box()
    box.produce("window", {"people": "many"})
    Applier(store, {}, lambda: ARRIVED_MS).apply(*box.payload())
    assert [applier.take_up(aside(store)) for _ in range(2)] == [0, 0]
    assert rows(store, "SELECT cause FROM quarantine") == ["invalid body"]
    assert "not known" not in rows(store, "SELECT reason FROM quarantine")[0]


def test_what_an_older_hub_put_aside_is_known_by_its_reason(tmp_path: Path) -> None:
    """It noted no cause: a branch or a kind that it did not know is told by the sentence."""
    old = SqliteStore(tmp_path)
    box = Box()
    box.produce("window", window())
    box.produce("weather", {"sunny": True})
    Applier(old, {}, lambda: ARRIVED_MS).apply(*box.payload([1]))
    Applier(old, {SITE.id: SITE}, lambda: ARRIVED_MS).apply(*box.payload([2]))
    old._db.execute("ALTER TABLE quarantine DROP COLUMN cause")
    old._db.execute("ALTER TABLE quarantine DROP COLUMN v")
    old._db.execute("DELETE FROM _sqlite_migrations WHERE name='m005_cause'")
    old._db.commit()
    old.close()
    store = SqliteStore(tmp_path)
    assert [each.kind for each in aside(store)] == ["window", "weather"]
    assert Applier(store, {SITE.id: SITE}, lambda: ARRIVED_MS).take_up(aside(store)) == 1
    store.close()


def test_a_kiosk_tells_nothing_of_the_floor(store: SqliteStore) -> None:
    """Its windows and crossings are put aside and acknowledged; what its outbox says of its own disk is kept."""
    site = parse_site(site_text() + '[[kiosk]]\nid = "kiosk-1"\nx_m = 1.0\ny_m = 0.5\nsource = "usb:0"\n')
    applier = Applier(store, {SITE.id: site}, lambda: ARRIVED_MS)
    box, kiosk = Box(), Box(device="kiosk-1", epoch="fedcba9876543210")
    for each in (box, kiosk):
        each.produce("window", window(people=40))
        each.produce("notice", notice(f"{each.device}-n"))
        each.produce("notice", {"id": f"{each.device}-d", "what": "disk", "at_ms": T0_MS, "detail": "full"})
        each.produce("dropped", dropped())
    assert applier.apply(*kiosk.payload()) == Ack(epoch=kiosk.epoch, upto=4)
    assert rows(store, "SELECT 1 FROM rollup") == rows(store, "SELECT 1 FROM latest") == []
    assert rows(store, "SELECT seq, kind FROM quarantine") == [(1, "window"), (2, "notice")]
    assert rows(store, "SELECT what, key, count FROM alarm") == [("quarantine", "kiosk", 2)]
    assert rows(store, "SELECT device, id FROM notice") == [("kiosk-1", "kiosk-1-d")]
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=4)
    assert rows(store, "SELECT device, windows FROM rollup WHERE level='day'") == [("box-1", 1)]
    assert rows(store, "SELECT id FROM notice WHERE device='box-1' ORDER BY id DESC") == [
        "box-1-n",
        "box-1-d",
    ]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("branchloop/1/hall/box-1/data", b"{"),
        ("branchloop/1/hall/box-1/data", b"\xff" * 600_000),
        ("branchloop/1/hall/box-1/data", b'{"epoch":"zz","boot":"ab","oldest":1,"sent_ms":1,"items":[]}'),
        ("branchloop/1/hall/box-1/status", b"[]"),
        ("branchloop/1/hall/box-1/reply", b"{}"),
        ("somebody/else", b"{}"),
    ],
)
def test_an_unreadable_payload_is_kept_and_not_acknowledged(
    store: SqliteStore, applier: Applier, topic: str, payload: bytes
) -> None:
    """Its beginning is kept once by digest with the reason, an alarm counts it, and nothing is acked."""
    assert applier.apply_many([(topic, payload, ARRIVED_MS)] * 3) == [None] * 3
    kept = rows(store, "SELECT size, length(body), reason FROM quarantine")
    assert len(kept) == 1
    assert kept[0][0] == len(payload)
    assert kept[0][1] <= 4_096
    assert kept[0][2]
    assert rows(store, "SELECT what, count FROM alarm") == [("envelope", 3)]


def test_a_batch_of_a_newer_version_stays_with_the_box(store: SqliteStore, applier: Applier) -> None:
    """An envelope this hub cannot understand is not acknowledged, so the box keeps it for an upgrade."""
    box = Box()
    box.produce("window", window())
    assert applier.apply(*box.payload(v=2)) is None
    assert store.cursors() == []
    assert "Upgrade the hub" in rows(store, "SELECT reason FROM quarantine")[0]


def test_a_poisoned_payload_does_not_harm_its_neighbours(store: SqliteStore, applier: Applier) -> None:
    """Payloads that share a transaction with hostile ones are applied and acknowledged as if alone."""
    one, two = Box(device="box-1"), Box(device="box-2")
    for box in (one, two):
        box.produce("window", window())
    acks = applier.apply_many(
        [one.payload(), ("branchloop/1/hall/box-1/data", b"\x00", ARRIVED_MS), two.payload()]
    )
    assert acks == [Ack(epoch=one.epoch, upto=1), None, Ack(epoch=two.epoch, upto=1)]


def test_a_sum_that_overflows_costs_only_the_message_that_overflows(
    store: SqliteStore, applier: Applier
) -> None:
    """When the database refuses a sum, its neighbours are stored and only the culprit is put aside."""
    box, other = Box(), Box(device="box-2")
    for n in range(3):
        box.produce("window", window(T0_MS + n * 5_000))
    other.produce("window", window())
    applier.apply(*box.payload([1]))
    store._db.execute("UPDATE rollup SET person_ms = ? WHERE level='day'", (2**63 - 1 - 5_000,))
    acks = applier.apply_many([box.payload(), other.payload()])
    assert acks == [Ack(epoch=box.epoch, upto=3), Ack(epoch=other.epoch, upto=1)]
    assert rows(store, "SELECT seq FROM quarantine") == [3]
    assert rows(store, "SELECT windows FROM rollup WHERE level='day' ORDER BY device") == [2, 1]


def test_the_future_stays_out_of_the_roll_ups(store: SqliteStore, applier: Applier) -> None:
    """An event more than a minute ahead is stored and acked, raises an alarm, and is added nowhere."""
    box = Box()
    box.produce("window", window(ARRIVED_MS + FUTURE_LIMIT_MS + 5_000))
    box.produce("notice", notice("n-1", ARRIVED_MS + FUTURE_LIMIT_MS + 1))
    box.produce("window", window(ARRIVED_MS + FUTURE_LIMIT_MS))
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=3)
    assert rows(store, "SELECT treatment FROM message ORDER BY seq") == ["future", "future", "applied"]
    assert rows(store, "SELECT windows FROM rollup WHERE level='day'") == [1]
    assert rows(store, "SELECT 1 FROM notice") == []
    assert rows(store, "SELECT what, count FROM alarm") == [("future", 2)]
    assert recompute(store, {SITE.id: SITE})["equal"]


def test_a_hub_whose_clock_is_behind_calls_no_box_ahead(store: SqliteStore) -> None:
    """It counts what comes; mended, which a box's clock confirms, it judges again."""
    hub_ms = ARRIVED_MS
    clock = WallTime(ARRIVED_MS, wall_ms=lambda: hub_ms, monotonic_s=lambda: 0.0)
    applier = Applier(store, {SITE.id: SITE}, lambda: hub_ms, clock=clock)
    hub_ms -= 3_600_000
    box = Box()
    box.produce("window", window(T0_MS))
    applier.apply(box.payload()[0], box.payload()[1], hub_ms)
    assert rows(store, "SELECT treatment FROM message") == ["applied"]
    hub_ms = ARRIVED_MS
    box.produce("window", window(ARRIVED_MS + FUTURE_LIMIT_MS + 5_000))
    applier.apply(box.payload()[0], box.payload()[1], hub_ms)
    assert rows(store, "SELECT treatment FROM message ORDER BY seq") == ["applied", "future"]


def test_a_clone_is_noticed_and_overwrites_nothing(store: SqliteStore, applier: Applier) -> None:
    """The same seq with other content raises an alarm; what was stored first stays."""
    box, clone = Box(), Box()
    box.produce("window", window(people=1))
    clone.produce("window", window(people=3))
    applier.apply(*box.payload())
    assert applier.apply(*clone.payload()) == Ack(epoch=box.epoch, upto=1)
    assert rows(store, "SELECT what FROM alarm") == ["clone"]
    assert rows(store, "SELECT person_ms FROM rollup WHERE level='day'") == [5_000]
    assert recompute(store, {SITE.id: SITE})["equal"]


def test_a_clone_within_one_transaction_is_noticed(store: SqliteStore, applier: Applier) -> None:
    """Two boxes on copies of one outbox are told apart even when their batches arrive together."""
    box, clone = Box(), Box()
    box.produce("window", window(people=1))
    clone.produce("window", window(people=3))
    applier.apply_many([box.payload(), clone.payload()])
    assert rows(store, "SELECT what FROM alarm") == ["clone"]


@pytest.mark.parametrize("together", [False, True], ids=["one after the other", "in one transaction"])
def test_two_outboxes_of_one_box_count_nobody_twice(
    store: SqliteStore, applier: Applier, *, together: bool
) -> None:
    """Whose window of a moment comes second is put aside with an alarm, acknowledged; what it tells of other times counts."""
    old, new = Box(), Box()
    new.epoch = "f" * len(old.epoch)
    old.produce("window", window(people=1))
    new.produce("window", window(people=3))
    new.produce("window", window(T0_MS + 5_000, people=1))
    if together:
        applier.apply_many([old.payload(), new.payload()])
    else:
        applier.apply(*old.payload())
        assert applier.apply(*new.payload()) == Ack(epoch=new.epoch, upto=2)
    assert rows(store, "SELECT what FROM alarm") == ["clone"]
    assert rows(store, "SELECT person_ms FROM rollup WHERE level='day'") == [10_000]
    assert rows(store, "SELECT seq FROM quarantine") == [1]
    assert recompute(store, {SITE.id: SITE})["equal"]


def test_what_was_told_of_the_future_keeps_no_real_window_out(store: SqliteStore) -> None:
    """A clock ran ahead, the outbox was renewed and the clock put right: the real window of that time counts."""
    clock = [ARRIVED_MS]
    applier = Applier(store, {SITE.id: SITE}, lambda: clock[0])
    later_ms = T0_MS + 600_000
    old, new = Box(), Box()
    new.epoch = "f" * len(old.epoch)
    old.produce("window", window(later_ms))
    new.produce("window", window(later_ms))
    applier.apply(*old.payload())
    clock[0] = later_ms + 20_000
    _, payload, _ = new.payload()
    applier.apply(new.payload()[0], payload, clock[0])
    assert rows(store, "SELECT what FROM alarm") == ["future"]
    assert rows(store, "SELECT windows FROM rollup WHERE level='day'") == [1]


def test_a_tombstone_is_a_known_gap_and_no_clone(store: SqliteStore, applier: Applier) -> None:
    """A dropped message is recorded with its time; a tombstone for content that is here is no alarm."""
    box = Box()
    box.produce("window", window())
    applier.apply(*box.payload())
    box.items[1] = {"seq": 1, "kind": "dropped", "body": dropped()}
    box.produce("dropped", dropped())
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=2)
    assert rows(store, "SELECT from_seq, to_seq, reason, kind, first_ms FROM known_gap") == [
        (2, 2, "dropped", "window", T0_MS)
    ]
    assert rows(store, "SELECT 1 FROM alarm") == []
    assert rows(store, "SELECT kind FROM message ORDER BY seq") == ["window", "dropped"]


def test_a_hub_that_forgot_moves_on_and_says_so(store: SqliteStore, applier: Applier) -> None:
    """What the box no longer holds is recorded as a gap, but for what is here; then acks move again."""
    box = Box()
    for n in range(9):
        box.produce("window", window(T0_MS + n * 5_000))
    applier.apply(*box.payload([1, 2, 5]))
    box.oldest = 7
    assert applier.apply(*box.payload([7, 8])) == Ack(epoch=box.epoch, upto=8)
    assert rows(store, "SELECT from_seq, to_seq, reason FROM known_gap") == [
        (3, 4, "restored"),
        (6, 6, "restored"),
    ]
    assert rows(store, "SELECT what FROM alarm") == ["gap"]
    assert applier.apply(*box.payload([9])) == Ack(epoch=box.epoch, upto=9)


def test_a_new_epoch_starts_anew(store: SqliteStore, applier: Applier) -> None:
    """A re-imaged box counts from 1 again without being mistaken for its former self."""
    for later, epoch in enumerate(("aaaaaaaa", "bbbbbbbb")):
        box = Box(epoch=epoch)
        box.produce("window", window(T0_MS + later * 5_000))
        assert applier.apply(*box.payload()) == Ack(epoch=epoch, upto=1)
    assert rows(store, "SELECT windows FROM rollup WHERE level='day'") == [2]


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_a_notice_is_settled_in_any_order(store: SqliteStore, applier: Applier, order: list[int]) -> None:
    """A window settles a notice whether it comes before or after it."""
    box = Box()
    box.produce("notice", notice("n-1"))
    line = {"line": "door", "in": 1, "out": 0, "confirmed": ["n-1"], "withdrawn": ["n-2"]}
    box.produce("window", window(lines=[line]))
    for seq in order:
        applier.apply(*box.payload([seq]))
    told = [json.loads(body) for body in rows(store, "SELECT body FROM feed WHERE event='notice'")]
    assert {"id": "n-1", "fate": "confirmed"} in told
    assert {"id": "n-2", "fate": "withdrawn"} in told
    assert rows(store, "SELECT id, what, fate FROM notice ORDER BY id") == [
        ("n-1", "crossing", "confirmed"),
        ("n-2", None, "withdrawn"),
    ]


def test_the_feed_is_silent_about_a_backlog(store: SqliteStore, applier: Applier) -> None:
    """Windows and notices of the last two minutes are told, older ones are not; each once."""
    box = Box()
    box.produce("window", window(T0_MS - 3_600_000))
    box.produce("notice", notice("old", T0_MS - 3_600_000))
    box.produce("window", window(T0_MS))
    box.produce("notice", notice("new", T0_MS + 1_000))
    for _ in range(2):
        applier.apply(*box.payload())
    told = [
        (event, json.loads(body)) for event, body in rows(store, "SELECT event, body FROM feed ORDER BY id")
    ]
    assert [event for event, _ in told] == ["window", "notice"]
    assert told[0][1]["lines"] == {"door": [1, 1]}
    assert told[1][1]["id"] == "new"


def test_the_latest_window_is_the_newest_by_event_time(store: SqliteStore, applier: Applier) -> None:
    """A late arrival does not replace the picture of now."""
    box = Box()
    box.produce("window", window(T0_MS + 5_000))
    box.produce("window", window(T0_MS))
    for seq in (1, 2):
        applier.apply(*box.payload([seq]))
    assert rows(store, "SELECT start_ms, end_ms FROM latest") == [(T0_MS + 5_000, T0_MS + 10_000)]


def test_a_will_counts_only_for_its_own_connection(store: SqliteStore, applier: Applier) -> None:
    """An older will never overrides a newer birth; the will of the connection does, and ends it."""

    def online() -> bool:
        found = store._db.execute("SELECT online FROM device_status").fetchone()
        return bool(found[0])

    applier.apply(*status(connect_no=2))
    applier.apply(*status(connect_no=1, online=False))
    assert online()
    applier.apply(*status(boot="cd" * 8, connect_no=2, online=False))
    assert online()
    applier.apply(*status(connect_no=2, online=False))
    assert not online()
    applier.apply(*status(connect_no=2))
    assert not online(), "a late status of a connection that is over"
    applier.apply(*status(connect_no=3))
    assert online()
    applier.apply(*status(connect_no=1))
    assert rows(store, "SELECT connect_no FROM device_status") == [3]
    applier.apply(*status(boot="cd" * 8, connect_no=1))
    assert rows(store, "SELECT boot, connect_no, online FROM device_status") == [("cd" * 8, 1, 1)]


def test_a_will_that_is_told_again_is_no_word_of_the_box(store: SqliteStore, applier: Applier) -> None:
    """The broker keeps it, and tells it whenever the hub begins: when the box was last heard of stays."""
    topic, birth, _ = status(connect_no=1)
    applier.apply(topic, birth, ARRIVED_MS)
    _, will, _ = status(connect_no=1, online=False)
    for later_ms in (15_000, 3_600_000):
        applier.apply(topic, will, ARRIVED_MS + later_ms)
    assert rows(store, "SELECT last_seen_ms, online FROM device_status") == [(ARRIVED_MS, 0)]


def test_data_shows_that_a_box_lives_without_a_status(store: SqliteStore, applier: Applier) -> None:
    """Last-seen moves with every batch, also before the first status."""
    box = Box()
    box.produce("window", window())
    applier.apply(*box.payload())
    assert rows(store, "SELECT last_seen_ms, online FROM device_status") == [(ARRIVED_MS, None)]


def test_more_holes_than_in_flight_batches_explain_are_held_back(
    store: SqliteStore, applier: Applier
) -> None:
    """Nothing is taken that cannot be remembered: it is neither stored nor acknowledged."""
    body = dropped()
    box = Box()
    box.items = {seq: {"seq": seq, "kind": "dropped", "body": body} for seq in range(2, 8_404, 2)}
    seqs = sorted(box.items)
    for at in range(0, len(seqs), 200):
        applier.apply(*box.payload(seqs[at : at + 200]))
    assert len(rows(store, "SELECT 1 FROM message")) == 4_000
    assert rows(store, "SELECT what FROM alarm") == ["holes"]


@pytest.mark.parametrize("body", [{"b": 1, "a": [1, {"ü": "\u2028"}]}, {}, {"x": 1.5, "y": None}])
def test_the_digest_is_the_contract_s(body: dict[str, Any]) -> None:
    """Encoding once gives the digest the contract defines."""
    assert canonical("window", body)[1] == body_digest("window", body)
