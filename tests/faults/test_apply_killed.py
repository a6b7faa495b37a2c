from __future__ import annotations

import base64
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from box import T0_MS, Box, make_site, notice, site_text, window

from branchloop.errors import DependencyError
from branchloop.wire.batches import Ack
from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore

SITE = make_site()
SITES = {SITE.id: SITE}
PRODUCED = 600
ARRIVED_MS = T0_MS + PRODUCED * 5_000

WORKER = """
import base64, json, sys
from pathlib import Path
from branchloop.site.site import parse_site
from hub.ingest.apply import Applier
from hub.store.sqlite import SqliteStore

site = parse_site(sys.argv[2])
applier = Applier(SqliteStore(Path(sys.argv[1])), {site.id: site}, lambda: 0)
group = []
for line in sys.stdin:
    topic, payload, arrived = json.loads(line)
    group.append((topic, base64.b64decode(payload), arrived))
    if len(group) == 3:
        for ack in applier.apply_many(group):
            print(ack.upto, flush=True)
        group = []
for ack in applier.apply_many(group):
    print(ack.upto, flush=True)
"""


def full_box(count: int) -> Box:
    box = Box()
    for n in range(count):
        if n % 5 == 0:
            box.produce("notice", notice(f"n-{n}", T0_MS + n))
        else:
            box.produce("window", window(T0_MS + n * 5_000, people=n % 7))
    return box


def deliver_and_kill(folder: Path, box: Box, upto: int, kill_after: int) -> int:
    """A worker gets everything above `upto`, and dies the hard way after so many acks; the last ack."""
    seqs = [seq for seq in sorted(box.items) if seq > upto]
    with (folder / "payloads").open("w+") as payloads:
        for at in range(0, len(seqs), 4):
            topic, payload, arrived = box.payload(seqs[at : at + 4], ARRIVED_MS)
            payloads.write(json.dumps([topic, base64.b64encode(payload).decode(), arrived]) + "\n")
        payloads.seek(0)
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), site_text()],
            stdin=payloads,
            stdout=subprocess.PIPE,
            text=True,
        )
    assert worker.stdout is not None
    try:
        for _ in range(kill_after):
            upto = max(upto, int(worker.stdout.readline()))
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    return upto


def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """Killed again and again in the middle of applying, then sent again what was not acknowledged.

    Stored = produced, none twice, no ack beyond what survived, roll-ups equal to a recomputation.
    """
    rng = random.Random(7)
    box = full_box(PRODUCED)
    upto, ahead = 0, 0
    for _ in range(6):
        upto = deliver_and_kill(tmp_path, box, upto, rng.randint(1, 14))
        survivor = SqliteStore(tmp_path)
        survived = survivor.cursors()[0].upto
        assert survived >= upto, "acknowledged, but not there after the crash"
        ahead += survived - upto
        assert recompute(survivor, SITES)["equal"]
        survivor.close()
    assert upto < PRODUCED, "every worker was killed before it was through"
    assert ahead > 0, "some commits were never acknowledged, so that sending again makes duplicates"
    store = SqliteStore(tmp_path)
    applier = Applier(store, SITES, lambda: 0)
    remaining = [seq for seq in sorted(box.items) if seq > upto]
    for at in range(0, len(remaining), 200):
        ack = applier.apply(*box.payload(remaining[at : at + 200], ARRIVED_MS))
    assert ack == Ack(epoch=box.epoch, upto=PRODUCED)
    seqs = [row[0] for row in store._db.execute("SELECT seq FROM message ORDER BY seq")]
    assert seqs == sorted(box.items)
    assert store._db.execute("SELECT count(*) FROM quarantine").fetchone()[0] == 0
    windows = sum(item["kind"] == "window" for item in box.items.values())
    days = store.rollups("hall", "box-1", "day", 0, 2**53).values()
    assert sum(rollup.totals.windows for rollup in days) == windows
    assert recompute(store, SITES)["equal"]
    store.close()


def test_a_hub_restored_from_an_older_copy_says_what_is_gone(tmp_path: Path) -> None:
    """What was acknowledged after the copy is a known gap; the box's acks move on; nothing doubles."""
    live, restored = tmp_path / "live", tmp_path / "restored"
    store = SqliteStore(live)
    box = full_box(60)
    applier = Applier(store, SITES, lambda: 0)
    assert applier.apply(*box.payload(range(1, 21))) == Ack(epoch=box.epoch, upto=20)
    restored.mkdir()
    copy = sqlite3.connect(restored / DATABASE)
    store._db.backup(copy)
    copy.close()
    assert applier.apply(*box.payload(range(21, 41))) == Ack(epoch=box.epoch, upto=40)
    store.close()

    box.oldest = 41  # acknowledged, so the box let it go
    store = SqliteStore(restored)
    applier = Applier(store, SITES, lambda: 0)
    assert applier.apply(*box.payload(range(41, 51))) == Ack(epoch=box.epoch, upto=50)
    assert applier.apply(*box.payload(range(41, 61))) == Ack(epoch=box.epoch, upto=60)
    gaps = store._db.execute("SELECT from_seq, to_seq, reason FROM known_gap").fetchall()
    assert gaps == [(21, 40, "restored")]
    assert store._db.execute("SELECT count(*) FROM message").fetchone()[0] == 40
    assert recompute(store, SITES)["equal"]
    store.close()


def test_a_locked_database_acknowledges_nothing_and_works_later(tmp_path: Path) -> None:
    """While another process holds the lock, apply says so; afterwards the same payload goes through."""
    store = SqliteStore(tmp_path, busy_timeout_ms=50)
    applier = Applier(store, SITES, lambda: 0)
    box = full_box(4)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DependencyError, match="locked") as error:
        applier.apply(*box.payload())
    assert "send again" in error.value.hint
    other.execute("ROLLBACK")
    other.close()
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=4)
    assert recompute(store, SITES)["equal"]
    store.close()


def test_a_full_disk_acknowledges_nothing_and_works_later(tmp_path: Path) -> None:
    """When there is no room nothing of the batch is kept; with room again it goes through."""
    store = SqliteStore(tmp_path)
    applier = Applier(store, SITES, lambda: 0)
    box = full_box(150)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count={pages + 3}")
    with pytest.raises(DependencyError, match="full"):
        applier.apply(*box.payload())
    assert store.cursors() == []
    assert list(store.messages("hall", "box-1", 0, 2**53)) == []
    store._db.execute("PRAGMA max_page_count=1000000")
    assert applier.apply(*box.payload()) == Ack(epoch=box.epoch, upto=150)
    assert recompute(store, SITES)["equal"]
    store.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A damaged or foreign file is an error with a remedy, not a crash, and is left as it is."""
    (tmp_path / DATABASE).write_bytes(b"not a database" * 1_000)
    with pytest.raises(DependencyError, match="cannot be used"):
        SqliteStore(tmp_path)
    assert (tmp_path / DATABASE).read_bytes() == b"not a database" * 1_000


def test_stores_opened_at_the_same_time_agree_on_the_tables(tmp_path: Path) -> None:
    """Several processes that start on an empty directory migrate it once."""
    script = "import sys; from pathlib import Path; from hub.store.sqlite import SqliteStore as S; S(Path(sys.argv[1]))"
    starting = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in starting] == [0, 0, 0]
