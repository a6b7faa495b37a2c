"""Tickets and offers when the process that writes them dies the hard way, and is asked again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import date
from pathlib import Path

import httpx

from branchloop.processes import free_port
from branchloop.site.site import parse_site
from hub.api.state import now_ms
from hub.config.hub import HubConfig, read_config
from hub.store.book import waitlist
from hub.store.book.entries import Book, Wanted
from hub.store.book.places import day_slots
from hub.store.connection import opened, prepare, reading
from hub.store.customers.keyring import Keyring
from hub.store.tokens import Tokens

SITE = """
id = "north"
name = { en = "North", zh = "北" }
timezone = "UTC"
plan = { width_m = 5, height_m = 5 }
[[service]]
id = "loan"
name = { en = "Loans", zh = "贷款" }
minutes = 60
slot_minutes = 60
walk_in_target_min = 1
remote_tickets = true
remote_per_hour = 1000
counters = 100
"""
SERVER = """
import sys
from pathlib import Path
import uvicorn
from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.state import State
from hub.config.hub import read_config
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.customers.keyring import Keyring
from hub.store.customers.holders import People
from hub.store.tokens import Tokens

config = read_config(Path(sys.argv[1]))
keyring = Keyring.of(config)
book = Book(keyring)
state = State(config, Tokens(config.data_dir), AuditLog(config.data_dir), Dots(), People(book, keyring), book)
uvicorn.run(create_app(state), host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""
WORKER = """
import json, sys
from pathlib import Path
from branchloop.errors import ConflictError
from branchloop.site.site import parse_site
from hub.store.book import remote, waitlist
from hub.store.book.entries import Book
from hub.store.connection import opened
from hub.store.customers.keyring import Keyring

data_dir, site, at_ms = Path(sys.argv[1]), parse_site(sys.argv[2]), int(sys.argv[3])
book = Book(Keyring(data_dir, bytes(32)))
for line in sys.stdin:
    what, key = json.loads(line)
    with opened(data_dir) as db:
        if what == "confirm":
            done = waitlist.confirm(db, book, site, book.get(db, "north", key), at_ms).state
        else:
            try:
                done = remote.take(db, book, site, "loan", "", "zh", "card", None, None, key, at_ms).state
            except ConflictError as error:
                done = "held already" if "holds a ticket already" in error.message else error.message
    print(json.dumps([what, key, done]), flush=True)
"""
TICKETS = 36
NOON_MS = 1_900_000_000_000 // 86_400_000 * 86_400_000 + 12 * 3_600_000


class Server:
    """The API in a process of its own."""

    def __init__(self, config: HubConfig, port: int) -> None:
        self._command = [sys.executable, "-c", SERVER, str(config.path), str(port)]
        self.process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """With -9; and start it again."""
        self.end()
        self.process = subprocess.Popen(self._command)

    def end(self) -> None:
        """With -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def test_walk_ins_asked_again_after_a_kill_are_lost_and_doubled_never(tmp_path: Path) -> None:
    (tmp_path / "north.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "hub.toml").write_text('[hub]\ndata_dir = "data"\nsites = ["north.toml"]\n')
    config = read_config(tmp_path / "hub.toml")
    tokens = Tokens(config.data_dir)
    token = tokens.add("desk", "staff", ["north"], now_ms())
    tokens.close()
    port = free_port()
    told: dict[str, str] = {}
    unanswered: Counter[str] = Counter()
    enough = threading.Semaphore(0)

    def ask(client: int) -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1/branches/north", timeout=30) as door:
            for number in range(TICKETS // 3):
                key = f"{client}-{number}"
                headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
                while key not in told:
                    try:
                        answer = door.post("walk-ins", json={"service": "loan"}, headers=headers)
                    except httpx.TransportError:
                        unanswered[key] += 1
                        time.sleep(0.02)
                        continue
                    assert answer.status_code == 201, answer.text
                    told[key] = answer.json()["id"]
                    enough.release()

    server = Server(config, port)
    clients = [threading.Thread(target=ask, args=(client,)) for client in range(3)]
    try:
        for client in clients:
            client.start()
        for _ in range(3):
            for _ in range(TICKETS // 5):
                assert enough.acquire(timeout=120)
            server.kill()
        for client in clients:
            client.join(120)
    finally:
        server.end()
    assert len(told) == len(set(told.values())) == TICKETS
    assert unanswered, "nobody was asking when it died"
    with reading(config.data_dir) as db:
        stored = db.execute("SELECT id, number, state FROM appointment").fetchall()
        entries = db.execute(
            "SELECT stage, count(*), count(DISTINCT appointment) FROM journey_event GROUP BY stage"
        )
        assert {row[0] for row in stored} == set(told.values())
        assert len({row[1] for row in stored}) == TICKETS, "a number was given twice"
        assert {row[2] for row in stored} == {"arrived"}
        assert sorted(entries) == [("arrived", TICKETS, TICKETS), ("checked_in", TICKETS, TICKETS)]
        assert db.execute("SELECT count(*) FROM ticket").fetchone() == (TICKETS,)


def test_tickets_from_afar_and_confirmed_places_survive_a_kill_once(tmp_path: Path) -> None:
    """A worker is killed again and again in the middle; what it did not answer is asked again."""
    site = parse_site(SITE)
    prepare(tmp_path)
    book = Book(Keyring(tmp_path, bytes(32)))
    day = date(2030, 3, 18)
    with opened(tmp_path) as db:
        full = [
            book.book(db, site, Wanted("loan", slot.start_ms, "Ann"), NOON_MS).id
            for slot in day_slots(db, site, "loan", day, NOON_MS)
        ]
        waiting = [
            waitlist.join(db, book, site, Wanted("loan", 0, "Li"), day, NOON_MS + at).id
            for at in range(len(full) + 2)
        ]
        for each in full:
            book.step(db, book.get(db, "north", each), "cancel", NOON_MS)
        assert waitlist.offer_freed(db, book, [site], NOON_MS) == len(full)
    offered = waiting[: len(full)]
    asked = [("take", f"j-{n:016x}") for n in range(TICKETS)] + [("confirm", each) for each in offered]
    rng = random.Random(5)
    rng.shuffle(asked)
    answers: dict[str, list[str]] = {}
    kills = 0
    while left := [each for each in asked if each[1] not in answers]:
        kills += _work_and_kill(tmp_path, left, answers, rng.randint(4, 12))
    assert kills > 4
    repeated = [each for each in asked if rng.random() < 0.3]
    _work_and_kill(tmp_path, repeated, answers, len(repeated))
    assert {tuple(each) for _, key in asked for each in [answers[key]]} <= {
        ("booked",), ("held already",), ("booked", "held already"), ("booked", "booked"), ("held already", "held already"),
    }  # fmt: skip
    with reading(tmp_path) as db:
        remote = db.execute(
            "SELECT journey, count(*) FROM appointment WHERE kind='remote' GROUP BY journey"
        ).fetchall()
        assert sorted(remote) == [(f"j-{n:016x}", 1) for n in range(TICKETS)]
        states = [book.get(db, "north", each).state for each in waiting]
        assert states == ["booked"] * len(full) + ["waitlisted"] * 2
        told = db.execute(
            "SELECT stage, count(*), count(DISTINCT appointment) FROM journey_event WHERE stage IN ('ticket', 'booked') "
            "GROUP BY stage"
        ).fetchall()
        assert told == [("booked", 2 * len(full), 2 * len(full)), ("ticket", TICKETS, TICKETS)]


def _work_and_kill(
    folder: Path, left: list[tuple[str, str]], answers: dict[str, list[str]], after: int
) -> int:
    with (folder / "asked").open("w+") as lines:
        lines.writelines(json.dumps(each) + "\n" for each in left)
        lines.seek(0)
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), SITE, str(NOON_MS)],
            stdin=lines, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert worker.stdout is not None
    try:
        for _ in range(min(after, len(left))):
            _, key, done = json.loads(worker.stdout.readline())
            answers.setdefault(key, []).append(done)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    return 1
