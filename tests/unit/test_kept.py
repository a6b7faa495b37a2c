"""Connections kept by threads: the same one again, never a broken one, never one of a file that was replaced."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from branchloop.errors import ConflictError, DependencyError
from hub.store.connection import opened, prepare, reading
from hub.store.schema.core import DATABASE


@pytest.fixture
def data(tmp_path: Path) -> Path:
    prepare(tmp_path)
    return tmp_path


def test_a_thread_gets_its_own_again(data: Path) -> None:
    with opened(data) as first:
        pass
    with opened(data) as again:
        assert again is first
        with reading(data) as beside:
            assert beside is not again
    other: list[sqlite3.Connection] = []

    def work() -> None:
        with opened(data) as db:
            other.append(db)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert other[0] is not first


def test_a_refusal_undoes_all_and_keeps_the_connection(data: Path) -> None:
    def refuse() -> None:
        with opened(data) as db:
            seen.append(db)
            db.execute("INSERT INTO book_change (site, version) VALUES ('a', 1)")
            raise ConflictError("no.")

    seen: list[sqlite3.Connection] = []
    with pytest.raises(ConflictError):
        refuse()
    first = seen[0]
    with opened(data) as again:
        assert again is first
        assert again.execute("SELECT count(*) FROM book_change").fetchone() == (0,)


def test_two_at_once_in_one_thread_do_not_meet(data: Path) -> None:
    """A reader sees one moment, also while the same thread writes."""
    with reading(data) as before:
        assert before.execute("SELECT count(*) FROM book_change").fetchone() == (0,)
        with opened(data) as db:
            db.execute("INSERT INTO book_change (site, version) VALUES ('a', 1)")
        assert before.execute("SELECT count(*) FROM book_change").fetchone() == (0,)
        with reading(data) as after:
            assert after.execute("SELECT count(*) FROM book_change").fetchone() == (1,)


def test_one_that_met_a_fault_is_not_kept(data: Path) -> None:
    with pytest.raises(DependencyError), opened(data) as first:
        first.execute("SELECT * FROM nowhere")
    with pytest.raises(sqlite3.ProgrammingError):
        first.execute("SELECT 1")


def test_a_file_that_was_replaced_is_opened_anew(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with opened(data) as db:
        db.execute("INSERT INTO book_change (site, version) VALUES ('old', 1)")
    fresh = tmp_path_factory.mktemp("restored")
    prepare(fresh)
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (data / name).unlink(missing_ok=True)
    (fresh / DATABASE).replace(data / DATABASE)
    with reading(data) as db:
        assert db.execute("SELECT count(*) FROM book_change").fetchone() == (0,)
    (data / DATABASE).unlink()
    with pytest.raises(DependencyError), reading(data):
        pass
