"""A disk that really is full: an outbox alone on a tmpfs of a few megabytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTING = """
import sqlite3, sys
from pathlib import Path
from branchloop.wire.messages import Notice, Window
from edge.send.outbox import Outbox

folder = Path(sys.argv[1])
ballast = folder / "ballast"

def window(n):
    return Window(start_ms=n * 5_000, expected_ms=5_000, observed_ms=0, person_ms=n, method="m" * 80)

def notice(n):
    return Notice(id=f"n-{n}", what="crossing", at_ms=n)

def fill():
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4_096))
        except OSError:
            pass

def check(accepted):
    with sqlite3.connect(folder / "outbox.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        kept = [row[0] for row in db.execute("SELECT seq FROM outbox ORDER BY seq")]
    db.close()
    assert kept == accepted, (len(kept), len(accepted))
"""

ELSEWHERE_FULL = (
    SETTING
    + """
outbox = Outbox(folder / "outbox.db", reserve_bytes=0)
accepted = [outbox.append_now("notice", notice(n)) for n in range(100)]
fill()
for n in range(3_000):
    seq = outbox.append_now("window", window(n))
    if seq is not None:
        accepted.append(seq)
assert outbox.refused == 3_100 - len(accepted) > 1_000, outbox.refused
check(accepted)
taken = outbox.take(outbox.epoch, 0, 100, 10**6)
assert [row.seq for row in taken] == accepted[:100]
deleted = outbox.acknowledge(outbox.epoch, 50)
assert deleted in (0, 50)
accepted = accepted[deleted:]
outbox.close()
try:
    outbox = Outbox(folder / "outbox.db", reserve_bytes=0)
except Exception as error:
    assert type(error).__name__ == "DependencyError", error
    ballast.unlink()
    outbox = Outbox(folder / "outbox.db", reserve_bytes=0)
ballast.unlink(missing_ok=True)
check(accepted)
assert outbox.append_now("notice", notice(1)) == accepted[-1] + 1
outbox.close()
"""
)

FILLED_BY_ITSELF = (
    SETTING
    + """
outbox = Outbox(folder / "outbox.db", reserve_bytes=6_500_000)
accepted = []
while (seq := outbox.append_now("window", window(len(accepted)))) is not None:
    accepted.append(seq)
fill()
assert outbox.append_now("window", window(0)) is None
ballast.unlink()
check(accepted)
assert outbox.acknowledge(outbox.epoch, len(accepted) - 10) == len(accepted) - 10
outbox.flush()
outbox._reserve_bytes = 0
assert outbox.append_now("notice", notice(1)) == len(accepted) + 2
report = outbox.take(outbox.epoch, len(accepted), 10, 10**6)[0].item().body
assert "2 messages" in report["detail"] and "full" in report["detail"], report
outbox.close()
"""
)

NO_FILE_MORE = (
    SETTING
    + """
outbox = Outbox(folder / "outbox.db", reserve_bytes=0)
for n in range(10):
    outbox.append("notice", notice(n))
outbox.flush()
for suffix in ("", "-wal", "-shm"):
    (folder / f"outbox.db{suffix}").rename(folder / f"moved{suffix}")
names = [folder / f"other-{n}" for n in range(100)]
made = []
try:
    for name in names:
        name.touch()
        made.append(name)
except OSError:
    pass
assert len(made) < 100
outbox.append("notice", notice(10))
assert outbox.append_now("notice", notice(11)) is None
outbox.append("notice", notice(12))
assert outbox.flush() is None
assert outbox.refused == 1, outbox.refused
assert outbox._flusher.is_alive()
for name in made:
    name.unlink()
outbox.flush()
bodies = [row.item().body for row in outbox.take(outbox.epoch, 0, 10, 10**6)]
assert bodies[0]["detail"].startswith("1 messages") and "No space left" in bodies[0]["detail"], bodies
assert [body["id"] for body in bodies[1:]] == ["n-10", "n-12"], bodies
outbox.close()
"""
)


def run(script: str, folder: Path, size: str) -> None:
    """Run a script whose folder is a file system of its own, in a mount namespace of its own."""
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    mount = 'mount -t tmpfs -o size="$1" tmpfs "$2" || exit 77; shift; exec "$0" -c "$2" "$1"'
    done = subprocess.run(
        [*namespace, "sh", "-c", mount, sys.executable, size, str(folder), script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr[-3_000:]


def test_a_disk_filled_by_others(tmp_path: Path) -> None:
    """What was accepted stays whole and can be sent, what is refused is counted; with room it goes on."""
    run(ELSEWHERE_FULL, tmp_path, "3m")


def test_a_disk_filled_by_the_outbox_itself(tmp_path: Path) -> None:
    """It stops in time to delete what is acknowledged, and reports what it could not take."""
    run(FILLED_BY_ITSELF, tmp_path, "10m")


def test_a_disk_that_takes_no_file_more(tmp_path: Path) -> None:
    """The file was moved and no other can be made: what comes waits, what is refused is counted, and it goes on."""
    run(NO_FILE_MORE, tmp_path, "3m,nr_inodes=12")
