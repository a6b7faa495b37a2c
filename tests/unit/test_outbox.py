"""The outbox: seqs, groups, bounds, several processes, damage, copies, full disks."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from branchloop.clock import iso
from branchloop.errors import DependencyError
from branchloop.wire.messages import Heat, Notice, Window
from edge.send.outbox import HELD, Outbox
from edge.send.rows import ENVELOPE_BYTES, Stored

T0_MS = 1_774_234_800_000
ALL = 100_000_000


def window(n: int = 0, pad: int = 0) -> Window:
    """The n-th 5 s window, about 130 bytes and `pad` more."""
    return Window(
        start_ms=T0_MS + n * 5_000, expected_ms=5_000, observed_ms=n % 5_000, person_ms=0, method="m" * pad
    )


def notice(n: int = 0) -> Notice:
    return Notice(id=f"n-{n}", what="crossing", at_ms=T0_MS + n, line="door", direction="in")


def everything(outbox: Outbox) -> list[Stored]:
    """All messages of the epoch whose turn it is; marks them as sent."""
    turn = outbox.turn()
    taken: list[Stored] = []
    while more := outbox.take(turn.epoch, taken[-1].seq if taken else turn.oldest - 1, 200, ALL):
        taken += more
    return taken


def kinds(path: Path) -> list[tuple[int, str]]:
    """What lies in the file, seen from outside."""
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT seq, kind FROM outbox ORDER BY seq").fetchall()
    db.close()
    return found


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db")
    yield box
    box.close()


def test_seqs_start_at_one_and_have_no_holes(outbox: Outbox) -> None:
    """`append_now` returns the seq after the commit; several threads leave no hole and share no seq."""
    seqs: list[int | None] = []

    def produce() -> None:
        seqs.extend(outbox.append_now("notice", notice(n)) for n in range(50))

    threads = [threading.Thread(target=produce) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seq for seq in seqs if seq) == list(range(1, 201))
    assert (outbox.produced, outbox.oldest, outbox.depth) == (200, 1, 200)


def test_numbering_goes_on_after_a_drained_restart(tmp_path: Path) -> None:
    """A file whose messages are all acknowledged and deleted goes on counting after it is opened again."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    epoch = box.epoch
    for n in range(3):
        box.append_now("notice", notice(n))
    assert box.acknowledge(epoch, 3) == 3
    box.close()
    box = Outbox(path)
    assert (box.epoch, box.depth, box.produced, box.oldest) == (epoch, 0, 3, 4)
    assert box.append_now("notice", notice()) == 4
    box.close()


def test_a_new_file_is_a_new_epoch(tmp_path: Path) -> None:
    """Deleting the file starts a new epoch at seq 1, even under an outbox that is open."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    first = box.epoch
    box.append_now("notice", notice())
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    assert box.append_now("notice", notice()) == 1
    assert box.epoch != first
    box.close()


def test_groups_commit_by_number_and_by_time(outbox: Outbox) -> None:
    """Twenty appended messages are committed at once, fewer within a moment, in order."""
    for n in range(20):
        outbox.append("notice", notice(n))
    assert outbox.produced == 20
    outbox.append("notice", notice(20))
    waited = threading.Event()
    for _ in range(100):
        if outbox.produced == 21:
            break
        waited.wait(0.02)
    assert [row.item().body["id"] for row in everything(outbox)] == [f"n-{n}" for n in range(21)]


def test_append_now_takes_along_what_is_pending(outbox: Outbox) -> None:
    """A message that somebody waits for does not overtake those before it."""
    outbox.append("notice", notice(1))
    assert outbox.append_now("notice", notice(2)) == 2


def test_the_file_is_the_owners_alone(outbox: Outbox) -> None:
    """No other user may read what waits to be sent."""
    assert stat.S_IMODE(outbox.path.stat().st_mode) == 0o600


def test_commits_are_durable(outbox: Outbox) -> None:
    """The file is in WAL mode and every commit is synced."""
    settings = outbox._file.read(
        lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    )
    assert settings == ["wal", 2]


def test_batches_are_limited_in_number_and_bytes(outbox: Outbox) -> None:
    """`take` keeps to both limits, but always makes progress."""
    for n in range(10):
        outbox.append_now("window", window(n))
    epoch = outbox.epoch
    assert [row.seq for row in outbox.take(epoch, 0, 4, ALL)] == [1, 2, 3, 4]
    size = len(window(9).to_json()) + ENVELOPE_BYTES
    assert len(outbox.take(epoch, 4, 100, 3 * size + 10)) == 3
    assert len(outbox.take(epoch, 4, 100, 1)) == 1
    assert outbox.take(epoch, 10, 100, ALL) == []


def test_a_full_outbox_drops_the_oldest_unsent_windows_first(tmp_path: Path) -> None:
    """Windows become tombstones under their own seqs, oldest first; notices stay; what was sent stays."""
    path = tmp_path / "outbox.db"
    box = Outbox(path, max_bytes=60_000)
    box.append_now("window", window(0))
    box.append_now("notice", notice(1))
    box.append_now("window", window(2))
    assert len(box.take(box.epoch, 0, 1, ALL)) == 1  # seq 1 was sent
    for n in range(3, 400):
        box.append_now("window", window(n))
        assert box.held_bytes <= 60_000
    found = kinds(path)
    assert [seq for seq, _ in found] == list(range(1, 401))
    assert found[:3] == [(1, "window"), (2, "notice"), (3, "dropped")]
    tombs = [seq for seq, kind in found if kind == "dropped"]
    assert tombs == list(range(3, 3 + len(tombs)))
    assert 3 < len(tombs) < 397
    assert found[-1][1] == "window"
    stored = everything(box)
    assert stored[2].item().kind == "dropped"
    assert stored[2].item().body == {
        "kind": "window", "count": 1, "first_ms": T0_MS + 10_000, "last_ms": T0_MS + 15_000,
    }  # fmt: skip
    assert box.refused == 0
    box.close()


def test_notices_are_dropped_when_no_window_is_left(tmp_path: Path) -> None:
    """Then the oldest notices go; at last new messages are refused and counted, never the tombstones."""
    box = Outbox(tmp_path / "outbox.db", max_bytes=40_000)
    for n in range(100):
        box.append_now("window" if n % 2 else "notice", window(n) if n % 2 else notice(n))
    produced = [box.append_now("notice", notice(n)) for n in range(900)]
    refused = produced.count(None)
    assert refused == box.refused > 0
    found = kinds(box.path)
    assert [seq for seq, _ in found] == list(range(1, box.produced + 1))
    assert all(kind == "dropped" for _, kind in found[:100])
    assert box.held_bytes <= 40_000
    box.close()


def test_a_bounded_outbox_stays_small_on_disk(tmp_path: Path) -> None:
    """The file with its log stays near the bound, though ten times as much is produced."""
    path = tmp_path / "outbox.db"
    box = Outbox(path, max_bytes=4_000_000)
    for n in range(20_000):
        box.append("window", window(n, pad=80).model_copy(update={"method": "x" * 1_900}))
    box.flush()
    assert box.produced == 20_000
    assert path.stat().st_size <= 4_000_000
    assert Path(f"{path}-wal").stat().st_size < 10_000_000
    box.close()


def test_acknowledged_rows_free_their_room(outbox: Outbox) -> None:
    """What is acknowledged makes room, whoever added it."""
    other = Outbox(outbox.path)
    empty = outbox.held_bytes
    for n in range(600):
        (outbox if n % 2 else other).append("window", window(n))
    outbox.flush()
    other.flush()
    full = outbox.held_bytes
    assert full == other.held_bytes > empty + 600 * 100
    assert outbox.acknowledge(outbox.epoch, 300) == 300
    assert outbox.held_bytes < full * 2 / 3
    assert outbox.acknowledge(outbox.epoch, 600) == 300
    assert outbox.held_bytes == empty
    other.close()


def test_a_message_too_large_for_any_batch_leaves_a_tombstone(outbox: Outbox) -> None:
    """It could never be delivered and would hold up all that follow."""
    cells = list(range(100_000))
    heat = Heat(cell_mm=250, rows=400, cols=400, cells=cells, mps=cells)
    assert outbox.append_now("window", window().model_copy(update={"heat": heat})) == 1
    assert everything(outbox)[0].item().body["kind"] == "window"


def test_a_spoilt_body_costs_only_itself(outbox: Outbox) -> None:
    """A row whose text the disk has spoilt goes as a tombstone; the others go as they are."""
    for n in range(3):
        outbox.append_now("notice", notice(n))
    with sqlite3.connect(outbox.path) as db:
        db.execute("UPDATE outbox SET body = CAST(x'7b22ff' AS TEXT) WHERE seq = 2")
    db.close()
    assert [row.item().kind for row in everything(outbox)] == ["notice", "dropped", "notice"]


def test_a_full_disk_is_counted_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Rows stay intact, waiting callers are told at once, the rest waits; a notice tells the loss later."""
    box = Outbox(tmp_path / "outbox.db")
    for n in range(50):
        box.append_now("notice", notice(n))
    pages = box._file.read(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    box._file.read(lambda db: db.execute(f"PRAGMA max_page_count = {pages}"))
    box.append("window", window(1))
    kept = [box.append_now("window", window(n, pad=80)) for n in range(2, 200)]
    lost = kept.count(None)
    assert lost == box.refused > 0
    assert "full" in caplog.text
    assert [seq for seq, _ in kinds(box.path)] == list(range(1, box.produced + 1))
    box._file.read(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    before = box.produced
    assert box.append_now("notice", notice(900)) is not None
    report = next(row.item().body for row in everything(box) if row.seq > before and row.kind == "notice")
    assert report["what"] == "disk"
    assert f"{lost} messages" in report["detail"]
    assert "full" in report["detail"]
    windows = [row.item().body["start_ms"] for row in everything(box) if row.kind == "window"]
    assert T0_MS + 5_000 in windows  # nobody waited for it, so it was kept
    box.close()


def test_what_waits_in_memory_is_bounded(tmp_path: Path) -> None:
    """While nothing can be committed, only so many messages wait; the oldest of more are counted."""
    box = Outbox(tmp_path / "outbox.db", reserve_bytes=2**62)
    for n in range(HELD + 30):
        box.append("window", window(n))
    assert box.flush() is None
    assert (box.refused, box.produced) == (30, 0)
    assert box.stuck is not None
    assert (box.stuck.reason, box.stuck.waiting) == ("the disk is full.", HELD)
    box._reserve_bytes = 0
    box.flush()
    assert box.stuck is None
    assert box.produced == HELD + 1  # with the notice
    box.close()


def test_what_is_lost_at_the_end_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """How many messages of what time: those that waited, and those that were refused and not reported yet."""
    box = Outbox(tmp_path / "outbox.db", reserve_bytes=2**62)
    for n in range(7):
        box.append("window", window(n))
    assert box.append_now("window", window(9)) is None
    box.close()
    span = f"{iso(T0_MS)} to {iso(T0_MS + 50_000)}"
    assert caplog.messages[-1] == f"8 messages of {span} are lost: the disk is full."
    caplog.clear()
    again = Outbox(tmp_path / "outbox.db", reserve_bytes=0)
    again.append("window", window(10))
    again.close()
    assert caplog.messages == []


def test_acknowledgements_free_a_full_disk(tmp_path: Path) -> None:
    """Appending leaves the last bytes of the disk to deleting, so a full disk heals by draining."""
    box = Outbox(tmp_path / "outbox.db", reserve_bytes=2**62)
    assert box.append_now("notice", notice()) is None
    box._reserve_bytes = 0
    assert box.append_now("notice", notice()) is not None
    box._reserve_bytes = 2**62
    assert [row.seq for row in everything(box)] == [1, 2]
    assert box.acknowledge(box.epoch, 2) == 2
    box.close()


@pytest.mark.parametrize("spoil", ["header", "middle", "all"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture) -> None:
    """A new epoch begins, the damaged file is kept with its log, and a notice says so."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    epoch = box.epoch
    for n in range(500):
        box.append("window", window(n))
    box.close()
    with path.open("r+b") as file:
        if spoil == "header":
            file.write(b"not a database at all")
        elif spoil == "middle":
            file.seek(8_192)
            file.write(b"\xff" * 40_000)
        else:
            file.truncate(10_000)
    box = Outbox(path)
    assert box.epoch != epoch
    assert box.append_now("notice", notice()) == 2
    assert "damaged" in str(everything(box)[0].item().body["detail"])
    assert len(list(tmp_path.glob("outbox.db.damaged-????????"))) == 1
    box.close()


def test_damage_while_running_is_no_crash(tmp_path: Path) -> None:
    """Two outboxes on one file that breaks under them both go on in one new file and one new epoch."""
    path = tmp_path / "outbox.db"
    one, two = Outbox(path), Outbox(path)
    epoch = one.epoch
    for n in range(2_000):
        one.append("window", window(n))
    one.flush()
    one._file.read(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    with path.open("r+b") as file:
        file.seek(0)
        file.write(b"\xff" * path.stat().st_size)
    for box in (one, two):  # what SQLite holds in memory would hide the damage for as long as it pleases
        box._file.read(lambda db: db.execute("PRAGMA shrink_memory").fetchall())
    for n in range(5):
        assert one.append_now("notice", notice(n)) is not None
        assert two.append_now("notice", notice(n)) is not None
    assert one.epoch == two.epoch != epoch
    assert one.produced == 11  # one of them tells of the damage
    assert len(list(tmp_path.glob("outbox.db.damaged-????????"))) == 1
    one.close()
    two.close()


def test_a_restored_copy_starts_a_new_epoch_and_drains_the_old_one(tmp_path: Path) -> None:
    """What a backup holds goes out under its old epoch, which the hub can tell; new seqs start at 1."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    former = box.epoch
    for n in range(5):
        box.append_now("notice", notice(n))
    box.acknowledge(former, 2)
    box.close()
    shutil.copy2(path, tmp_path / "backup.db")
    path.unlink()
    shutil.copy2(tmp_path / "backup.db", path)
    box = Outbox(path)
    assert box.epoch != former
    assert box.append_now("notice", notice(9)) == 2  # the first says that the file was restored
    turn = box.turn()
    assert (turn.epoch, turn.oldest) == (former, 3)
    assert [row.seq for row in everything(box)] == [3, 4, 5]
    assert box.depth == 5
    assert box.acknowledge(former, 5) == 3
    assert (box.turn().epoch, box.turn().oldest) == (box.epoch, 1)
    assert box.depth == 2
    box.close()
    box = Outbox(path)
    assert (box.turn().epoch, box.produced) == (box.epoch, 2)
    box.close()


def test_a_moved_file_keeps_its_epoch(tmp_path: Path) -> None:
    """Renaming the data directory changes nothing."""
    (tmp_path / "a").mkdir()
    box = Outbox(tmp_path / "a" / "outbox.db")
    epoch = box.epoch
    box.append_now("notice", notice())
    box.close()
    (tmp_path / "a").rename(tmp_path / "b")
    box = Outbox(tmp_path / "b" / "outbox.db")
    assert (box.epoch, box.produced) == (epoch, 1)
    box.close()


def test_the_image_of_a_disk_is_disowned(tmp_path: Path) -> None:
    """When the hub has more than was ever produced here, what was added since is numbered anew."""
    path = tmp_path / "outbox.db"
    box = Outbox(path)
    for n in range(4):
        box.append_now("notice", notice(n))
    box.close()
    box = Outbox(path)
    former = box.epoch
    box.append_now("notice", notice(100))
    assert not box.disown(former, 5)
    assert box.disown(former, 900)
    assert box.epoch != former
    assert [(row.seq, row.item().body["id"]) for row in everything(box)] == [(1, "n-100")]
    assert box.append_now("notice", notice(101)) == 3
    assert not box.disown(former, 900)
    box.close()


def test_appends_of_another_process_are_noticed(outbox: Outbox) -> None:
    """The link learns that another process, such as the kiosk's, has committed something."""
    assert not outbox.others_appended()
    outbox.append_now("notice", notice())
    assert not outbox.others_appended()
    code = (
        "import sys; from pathlib import Path; from branchloop.wire.messages import Notice;"
        "from edge.send.outbox import Outbox; box = Outbox(Path(sys.argv[1]));"
        f"print(box.append_now('notice', Notice(id='k-1', what='crossing', at_ms={T0_MS}))); box.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(outbox.path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2\n"
    assert outbox.others_appended()
    assert not outbox.others_appended()


def test_an_outbox_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    """A missing folder is one clear sentence."""
    with pytest.raises(DependencyError, match="cannot be opened"):
        Outbox(tmp_path / "missing" / "outbox.db")
