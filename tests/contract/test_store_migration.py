"""A database of an earlier release goes on as it is, and learns the figures that came later."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from box import T0_MS, Box, make_site, window
from sqlite_utils import Database

from branchloop.errors import DependencyError
from branchloop.processes import lock_directory
from hub.ingest.apply import Applier
from hub.ingest.recompute import recompute
from hub.store.connection import MIGRATIONS, connect, prepare
from hub.store.figures.sums import LineSums
from hub.store.schema.core import AUDIT_DATABASE, DATABASE, hub_migrations
from hub.store.sqlite import SqliteStore

SITE = make_site()
SITES = {SITE.id: SITE}


def earlier(folder: Path) -> None:
    """A database of the first release, with one window in it, as that release wrote it."""
    db = connect(folder / DATABASE)
    hub_migrations.apply(Database(db))
    pair = {"first": "north", "second": "south", "wrong": "cameras_apart"}
    body = window(people=2, pairs=[pair])
    db.execute(
        "INSERT INTO message VALUES (1, 'hall', 'box-1', '0123456789abcdef', 1, 'window', ?, ?, 'applied', 0, 'd', ?)",
        (T0_MS, T0_MS, json.dumps(body)),
    )
    db.execute("INSERT INTO cursor VALUES ('hall', 'box-1', '0123456789abcdef', 1, '[]')")
    bucket = ("hall", "day", 1_774_204_200_000, "box-1")
    sums = (1, 5_000, 5_000, 5_000, 0, 0, 10_000, T0_MS, T0_MS + 5_000)
    db.execute("INSERT INTO rollup VALUES (?,?,?,?, ?,?,?,?,?,?,?,?,?)", (*bucket, *sums))
    db.execute("INSERT INTO rollup_line VALUES (?,?,?,?, 'door', 2, 1)", bucket)
    db.close()


def test_an_earlier_database_is_taken_over(tmp_path: Path) -> None:
    """What it held stays, what it could not hold reads as zero, and what comes next adds to it."""
    earlier(tmp_path)
    store = SqliteStore(tmp_path)
    (day,) = store.rollups("hall", "box-1", "day", 0, 2**53).values()
    assert (day.totals.person_ms, day.totals.staff_ms, day.totals.filled_ms) == (10_000, 0, 0)
    assert day.totals.looked_ms == 5_000
    assert day.lines == {"door": LineSums(2, 1, observed_ms=5_000, told_ms=5_000)}
    assert (day.queues, day.filled, day.flow, day.pairs) == ({}, {}, {}, {})
    box = Box()
    box.produce("window", window(people=2))
    box.produce("window", window(T0_MS + 5_000, people=3))
    Applier(store, SITES, lambda: T0_MS).apply(*box.payload([2]))
    (day,) = store.rollups("hall", "box-1", "day", 0, 2**53).values()
    assert day.lines == {
        "door": LineSums(5, 2, returned=1, staff_in=1, staff_out=3, observed_ms=10_000, told_ms=10_000)
    }
    assert day.queues["queue"].joined == 3
    store.close()
    SqliteStore(tmp_path).close()  # a second opening migrates nothing


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """What nobody here knows would be read and written wrongly; the audit log is looked at as well."""
    for name, of in ((DATABASE, "hub"), (AUDIT_DATABASE, "audit")):
        folder = tmp_path / of
        prepare(folder)
        with contextlib.closing(connect(folder / name)) as db:
            db.execute(
                "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'm999_later', '')",
                (of,),
            )
        with pytest.raises(DependencyError, match=rf"{name} was made by a newer version .*{of}:m999_later"):
            prepare(folder)


def test_nothing_is_migrated_under_a_hub_that_runs(tmp_path: Path) -> None:
    """An earlier release's hub would go on without the new figures; its own process and a folder that nobody has go on."""
    earlier(tmp_path)
    hub = "import sys, time; from pathlib import Path; from branchloop.processes import lock_directory\n"
    hub += "with lock_directory(Path(sys.argv[1])): print('runs', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", hub, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "runs\n"
        with pytest.raises(
            DependencyError, match=rf"an earlier version's hub runs on .* \(process {running.pid}\)"
        ):
            prepare(tmp_path)
        running.kill()
    with lock_directory(tmp_path):
        prepare(tmp_path)
    with contextlib.closing(connect(tmp_path / DATABASE)) as db:
        assert not any(migrations.pending(Database(db)) for migrations in MIGRATIONS)


def test_a_database_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off while it is made, it is not there; what was left over harms none that is made after."""

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MIGRATIONS[-1], "apply", cut_off)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path)
    assert not (tmp_path / DATABASE).exists()
    assert (tmp_path / f"{DATABASE}.new").exists()
    (tmp_path / f"{DATABASE}.new").write_bytes(b"half a page")
    (tmp_path / f"{DATABASE}-wal").write_bytes(b"of one that is gone")
    prepare(tmp_path)
    with contextlib.closing(connect(tmp_path / DATABASE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
        assert db.execute("PRAGMA synchronous").fetchall() == [(2,)]
        assert not any(migrations.pending(Database(db)) for migrations in MIGRATIONS)
    assert not (tmp_path / f"{DATABASE}.new").exists()


def test_figures_that_an_earlier_hub_could_not_count_are_recomputed(tmp_path: Path) -> None:
    """They are in the messages it stored: a recomputation names what is missing, and adds it on demand."""
    earlier(tmp_path)
    store = SqliteStore(tmp_path)
    told = recompute(store, SITES)["differences"]
    assert any("queues stored {}" in sentence for sentence in told)
    assert recompute(store, SITES, write=True)["written"]
    (day,) = store.rollups("hall", "box-1", "day", 0, 2**53).values()
    assert day.queues["queue"].served == {43: 2}
    assert day.totals.staff_ms == 20
    assert day.pairs == {"north/south": {"cameras_apart": 5_000}}
    assert recompute(store, SITES)["equal"]
    store.close()
