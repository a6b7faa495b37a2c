from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from branchloop.errors import DependencyError
from hub.store.audit import GENESIS, AuditLog, Head
from hub.store.schema.core import AUDIT_DATABASE

WRITER = """
import sys
from pathlib import Path
from hub.store.audit import AuditLog
log = AuditLog(Path(sys.argv[1]))
for n in range(int(sys.argv[3])):
    log.append(n, sys.argv[2], "manager", "read live", "hall", f"line {n}")
"""


def filled(folder: Path, lines: int = 5) -> AuditLog:
    log = AuditLog(folder)
    for n in range(lines):
        log.append(n, "ann", "manager", "read live", "hall", f"line {n}")
    return log


def tamper(folder: Path, sql: str) -> None:
    database = sqlite3.connect(folder / AUDIT_DATABASE)
    with database:
        database.execute(sql)
    database.close()


def test_an_untouched_chain_holds(tmp_path: Path) -> None:
    """Every line is counted, the head is that of the last append, and reopening continues the chain."""
    log = filled(tmp_path)
    assert log.verify().lines == 5
    log.close()
    log = AuditLog(tmp_path)
    head = log.append(9, "bob", "auditor", "export", None)
    verdict = log.verify()
    assert (verdict.lines, verdict.broken_seq, verdict.head) == (6, None, head)
    log.close()


def test_an_empty_log_holds(tmp_path: Path) -> None:
    """Before the first line the head is the beginning."""
    log = AuditLog(tmp_path)
    assert log.verify().head == log.head() == Head(0, GENESIS)
    log.close()


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        ("UPDATE audit SET actor='eve' WHERE seq=3", 3),
        ("UPDATE audit SET detail='' WHERE seq=5", 5),
        ("UPDATE audit SET site=NULL WHERE seq=1", 1),
        ("DELETE FROM audit WHERE seq=2", 2),
        ("DELETE FROM audit WHERE seq=1", 1),
        (
            "INSERT INTO audit SELECT 0, at_ms, actor, role, action, site, detail, hash FROM audit WHERE seq=1",
            1,
        ),
        ("UPDATE audit SET hash=(SELECT hash FROM audit WHERE seq=1) WHERE seq=4", 4),
    ],
)
def test_any_change_is_found_where_it_was_made(tmp_path: Path, sql: str, broken: int) -> None:
    """A changed, removed or inserted line breaks the chain at its place."""
    log = filled(tmp_path)
    tamper(tmp_path, sql)
    assert log.verify().broken_seq == broken
    log.close()


def test_an_exported_head_gives_away_a_cut_and_a_rewritten_log(tmp_path: Path) -> None:
    """A log cut off, or written anew with sound hashes, does not contain the head kept elsewhere."""
    log = filled(tmp_path)
    head = log.head()
    assert log.verify(head).broken_seq is None
    log.append(9, "ann", "manager", "read live", "hall")
    assert log.verify(head).broken_seq is None
    tamper(tmp_path, "DELETE FROM audit WHERE seq >= 4")
    assert log.verify().broken_seq is None
    assert log.verify(head).broken_seq == 4
    for n in range(3):
        log.append(n, "eve", "manager", "read live", "hall")
    assert log.verify().broken_seq is None
    assert log.verify(head).broken_seq == 5
    log.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=20), min_size=5, max_size=5))
def test_hostile_text_is_kept_and_verified(tmp_path: Path, texts: list[str]) -> None:
    """Whatever stands in the fields, quotes, lone surrogates and all, the chain holds."""
    log = AuditLog(tmp_path)
    log.append(1, *texts)
    assert log.verify().broken_seq is None
    log.close()


def test_processes_and_threads_keep_one_chain(tmp_path: Path) -> None:
    """Lines written at the same time by three processes and two threads make one unbroken chain."""
    log = AuditLog(tmp_path)
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), f"process-{n}", "20"])
        for n in range(3)
    ]
    threads = [
        threading.Thread(target=lambda: [log.append(0, "thread", "staff", "read", "hall") for _ in range(20)])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [child.wait(60) for child in children] == [0, 0, 0]
    verdict = log.verify()
    assert (verdict.lines, verdict.broken_seq) == (100, None)
    log.close()


def test_a_line_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """When the log is full the caller is told, so that nothing is read unlogged."""
    log = filled(tmp_path)
    pages = log._db.execute("PRAGMA page_count").fetchone()[0]
    log._db.execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        for n in range(500):
            log.append(n, "ann", "manager", "read live", "hall", "x" * 900)

    with pytest.raises(DependencyError, match="audit log"):
        fill()
    log._db.execute("PRAGMA max_page_count=100000")
    log.append(1, "ann", "manager", "read live", "hall")
    assert log.verify().broken_seq is None
    log.close()
