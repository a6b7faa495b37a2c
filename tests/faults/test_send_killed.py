"""Nothing lost, nothing twice: boxes, brokers and hubs killed, files restored, real programs throughout."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brokers import KINDS, Broker, box_link, until
from test_ingest_mqtt import Worker, hub

from branchloop.wire.messages import Notice, Window
from edge.send.link import Link
from edge.send.outbox import Outbox

NOW_MS = time.time_ns() // 1_000_000 // 5_000 * 5_000 - 600_000

BOX = """
import json, sys, time
from pathlib import Path
from branchloop.wire.messages import Notice, Window
from edge.send.boxlink import BoxLink
from edge.send.link import Link
from edge.send.outbox import Outbox

path, host, port, user, password, first, count, now_ms = sys.argv[1:]
now_ms = int(now_ms)
outbox = Outbox(Path(path))
link = Link(outbox, BoxLink("north", "box-1", host, int(port), user, password), dict)
link.start()
for n in range(int(first), int(first) + int(count)):
    if n % 3:
        body = Notice(id=f"n-{n}", what="crossing", at_ms=now_ms, line="door", direction="in")
        seq = outbox.append_now("notice", body)
        print(json.dumps([seq, n]), flush=True)
        link.urgent()
    else:
        outbox.append("window", Window(start_ms=now_ms - n * 5_000, expected_ms=5_000, observed_ms=n % 5_000, person_ms=n))
    time.sleep(0.002)
if link.stop(40.0):
    print("drained", flush=True)
outbox.close()
"""


@pytest.fixture(params=KINDS)
def parts(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Broker, Worker]]:
    with hub(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[tuple[Broker, Worker]]:
    with hub("nats", tmp_path) as made:
        yield made


def notice(n: int) -> Notice:
    return Notice(id=f"n-{n}", what="crossing", at_ms=NOW_MS + n, line="door", direction="in")


def start_link(broker: Broker, outbox: Outbox) -> Link:
    link = Link(outbox, box_link(broker.config, f"mqtt://127.0.0.1:{broker.port}"), dict)
    link.start()
    return link


def send_all(broker: Broker, outbox: Outbox) -> None:
    """Connect, let everything drain, part."""
    assert start_link(broker, outbox).stop(40.0), f"{outbox.depth} not acknowledged"


def stored(worker: Worker) -> list[tuple[str, int, str]]:
    return [tuple(row) for row in worker.ask("SELECT epoch, seq, body FROM message ORDER BY epoch, seq")]


def ids(worker: Worker) -> list[str]:
    """Ids of stored crossings, in no order."""
    bodies = [json.loads(body) for _, _, body in stored(worker)]
    return [body["id"] for body in bodies if body.get("what") == "crossing"]


def start_box(broker: Broker, path: Path, first: int, count: int) -> subprocess.Popen[str]:
    link = box_link(broker.config, f"mqtt://127.0.0.1:{broker.port}")
    args = [path, link.host, link.port, link.user, link.password, first, count, NOW_MS]
    return subprocess.Popen(
        [sys.executable, "-c", BOX, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(300)
def test_everything_is_killed_in_turn(parts: tuple[Broker, Worker], tmp_path: Path) -> None:
    """Box, broker and ingest killed -9 while the box produces: every seq given is stored, once, as produced."""
    broker, worker = parts
    path = tmp_path / "outbox.db"
    rng = random.Random(7)
    told: list[tuple[int, int]] = []
    first = 0
    victims: list[str] = ["box", "ingest", "box", "broker", "box"]
    for victim in victims:
        box = start_box(broker, path, first, 100_000)
        assert box.stdout is not None
        lines = [box.stdout.readline() for _ in range(rng.randrange(40, 120))]
        if victim == "broker":
            broker.kill()
            lines += [box.stdout.readline() for _ in range(300)]
            broker.start()
            lines += [box.stdout.readline() for _ in range(300)]
        elif victim == "ingest":
            worker.kill()
            lines += [box.stdout.readline() for _ in range(300)]
            worker.start()
            lines += [box.stdout.readline() for _ in range(300)]
        box.kill()
        rest, _ = box.communicate()
        lines += rest.splitlines(keepends=True)
        told += [tuple(json.loads(line)) for line in lines if line.endswith("]\n")]
        first += 100_000
    until(worker.connected, "ingest is connected", wait_s=40)
    last = start_box(broker, path, first, 30)
    out, err = last.communicate(timeout=90)
    assert out.endswith("drained\n"), err
    told += [tuple(json.loads(line)) for line in out.splitlines()[:-1]]
    outbox = Outbox(path)
    produced, epoch = outbox.produced, outbox.epoch
    assert outbox.depth == 0
    outbox.close()
    rows = stored(worker)
    assert [(e, seq) for e, seq, _ in rows] == [(epoch, seq) for seq in range(1, produced + 1)]
    by_seq = {seq: json.loads(body) for _, seq, body in rows}
    assert len(told) > 500
    for seq, n in told:
        assert by_seq[seq]["id"] == f"n-{n}"
    crossings = ids(worker)
    assert len(set(crossings)) == len(crossings)
    assert worker.ask("SELECT what FROM alarm WHERE what <> 'envelope'") == []
    person_ms = sum(body["person_ms"] for body in by_seq.values() if "person_ms" in body)
    assert worker.ask("SELECT coalesce(sum(person_ms), 0) FROM rollup WHERE level = 'day'") == [(person_ms,)]


def test_a_drained_box_that_restarts_goes_on_counting(nats: tuple[Broker, Worker], tmp_path: Path) -> None:
    """The hub takes what comes after the restart for new, not for duplicates."""
    broker, worker = nats
    for start in (0, 10, 20):
        outbox = Outbox(tmp_path / "outbox.db")
        for n in range(start, start + 10):
            outbox.append_now("notice", notice(n))
        send_all(broker, outbox)
        outbox.close()
    assert [seq for _, seq, _ in stored(worker)] == list(range(1, 31))
    assert sorted(ids(worker)) == sorted(f"n-{n}" for n in range(30))


def test_a_new_outbox_file_is_a_new_source(nats: tuple[Broker, Worker], tmp_path: Path) -> None:
    """A re-imaged box starts at seq 1 under a new epoch; both epochs' messages are stored."""
    broker, worker = nats
    for start in (0, 10):
        for old in tmp_path.glob("outbox.db*"):
            old.unlink()
        outbox = Outbox(tmp_path / "outbox.db")
        for n in range(start, start + 10):
            outbox.append_now("notice", notice(n))
        send_all(broker, outbox)
        outbox.close()
    assert sorted(ids(worker)) == sorted(f"n-{n}" for n in range(20))
    assert worker.ask("SELECT count(DISTINCT epoch) FROM message") == [(2,)]
    assert worker.ask("SELECT what FROM alarm") == []


def test_a_hub_restored_from_an_older_copy_moves_on(nats: tuple[Broker, Worker], tmp_path: Path) -> None:
    """What was acknowledged after the copy was made is a known gap; everything later is stored."""
    broker, worker = nats
    database = worker.config.parent / "data" / "hub.db"
    outbox = Outbox(tmp_path / "outbox.db")
    for n in range(100):
        outbox.append_now("notice", notice(n))
    send_all(broker, outbox)
    copy = tmp_path / "copy.db"
    with sqlite3.connect(database) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    source.close()
    target.close()
    for n in range(100, 150):
        outbox.append_now("notice", notice(n))
    send_all(broker, outbox)
    worker.kill()
    for n in range(150, 155):
        outbox.append_now("notice", notice(n))
    link = start_link(broker, outbox)
    until(lambda: link.counters.published, "sent to a hub that is away")
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    shutil.copy(copy, database)
    worker.start()
    assert link.stop(40.0), f"{outbox.depth} not acknowledged"
    outbox.close()
    assert [seq for _, seq, _ in stored(worker)] == [*range(1, 101), *range(151, 156)]
    assert worker.ask("SELECT from_seq, to_seq, reason FROM known_gap") == [(101, 150, "restored")]
    assert worker.ask("SELECT upto, sparse FROM cursor") == [(155, "[]")]


def restore_by_copy(path: Path, backup: Path) -> None:
    """As from a backup: a new file of the same name."""
    for old in path.parent.glob("outbox.db*"):
        old.unlink()
    shutil.copy2(backup, path)


def restore_in_place(path: Path, backup: Path) -> None:
    """As an image of the whole disk: the same inode, born at the same time."""
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with path.open("r+b") as file:
        file.truncate()
        file.write(backup.read_bytes())


@pytest.mark.parametrize(("restore", "clone"), [(restore_by_copy, False), (restore_in_place, True)])
def test_a_box_restored_from_a_backup_loses_and_doubles_nothing(
    nats: tuple[Broker, Worker], tmp_path: Path, restore: Callable[[Path, Path], None], clone: bool
) -> None:
    """Its seqs were given out before. A copy is known as such at once; an image by what the hub has.

    The image's new messages meet others under the same seqs: the hub raises its alarm, the box sends them
    again under a new epoch.
    """
    broker, worker = nats
    path, backup = tmp_path / "outbox.db", tmp_path / "backup.db"
    outbox = Outbox(path)
    for n in range(50):
        outbox.append_now("notice", notice(n))
    send_all(broker, outbox)
    for n in range(50, 70):
        outbox.append_now("notice", notice(n))
    outbox.close()
    shutil.copy2(path, backup)
    outbox = Outbox(path)
    for n in range(70, 100):
        outbox.append_now("notice", notice(n))
    send_all(broker, outbox)
    outbox.close()
    restore(path, backup)
    outbox = Outbox(path)
    for n in range(100, 105):
        outbox.append_now("notice", notice(n))
    send_all(broker, outbox)
    outbox.append_now("notice", notice(105))
    send_all(broker, outbox)
    assert outbox.depth == 0
    outbox.close()
    assert sorted(ids(worker)) == sorted(f"n-{n}" for n in range(106))
    assert worker.ask("SELECT what FROM alarm") == ([("clone",)] if clone else [])
    assert worker.ask("SELECT count(*) FROM known_gap") == [(0,)]
    assert any("new epoch" in body for _, _, body in stored(worker))


def test_a_long_outage_of_a_small_outbox_leaves_no_hole(nats: tuple[Broker, Worker], tmp_path: Path) -> None:
    """Every seq reaches the hub: windows that had to go as gaps with their time, notices as they were."""
    broker, worker = nats
    outbox = Outbox(tmp_path / "outbox.db", max_bytes=150_000)
    for n in range(2_000):
        if n % 40:
            outbox.append(
                "window", Window(start_ms=NOW_MS - n * 5_000, expected_ms=5_000, observed_ms=0, person_ms=1)
            )
        else:
            outbox.append("notice", notice(n))
    outbox.flush()
    send_all(broker, outbox)
    outbox.close()
    assert worker.ask("SELECT count(*), min(seq), max(seq) FROM message") == [(2_000, 1, 2_000)]
    gaps = worker.ask("SELECT count(*), min(from_seq) FROM known_gap WHERE reason = 'dropped'")[0]
    assert gaps[0] > 500
    assert gaps[1] < 60
    assert len(ids(worker)) == 50
    windows = worker.ask("SELECT count(*) FROM message WHERE kind = 'window'")[0][0]
    assert windows + gaps[0] + 50 == 2_000
    assert worker.ask("SELECT sum(person_ms) FROM rollup WHERE level = 'day'") == [(windows,)]


def test_a_killed_box_is_seen_offline_and_then_online_again(
    parts: tuple[Broker, Worker], tmp_path: Path
) -> None:
    """Kill -9 shows as offline by the last will; the next process's birth stands, whatever comes late."""
    broker, worker = parts
    state = "SELECT online, boot, connect_no FROM device_status"
    box = start_box(broker, tmp_path / "outbox.db", 0, 100_000)
    until(lambda: worker.ask(state) and worker.ask(state)[0][0] == 1, "online")
    first = worker.ask(state)[0]
    box.kill()
    box.communicate()
    until(lambda: worker.ask(state)[0][0] == 0, "offline by last will")
    box = start_box(broker, tmp_path / "outbox.db", 100_000, 100_000)
    until(lambda: worker.ask(state)[0][0] == 1, "online again")
    assert worker.ask(state)[0][1] != first[1]
    box.kill()
    box.communicate()
