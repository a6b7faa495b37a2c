"""Racing for places: two API processes on one database, one of them killed with -9 and started again in the middle.

    python tests/bench/bench_book.py [ATTEMPTS]

Every attempt has an Idempotency-Key and is repeated until it is answered, as a careful client does. Prints how
many were booked and refused, and what the database then holds: nothing twice, nothing lost.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import uvicorn

from branchloop.clock import from_ms, iso
from branchloop.processes import free_port
from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.state import State, now_ms
from hub.config import HubConfig, read_config
from hub.store.audit import AuditLog
from hub.store.book import Book
from hub.store.connection import reading
from hub.store.keyring import Keyring
from hub.store.people import People
from hub.store.tokens import Tokens

THREADS = 4
DAYS = 2
SITE = """
id = "north"
name = { en = "North", zh = "北" }
timezone = "Asia/Shanghai"
[plan]
width_m = 10
height_m = 8
[[service]]
id = "loan"
name = { en = "Loans", zh = "贷款" }
minutes = 15
slot_minutes = 15
per_slot = 3
"""


def serve(path: Path, port: int) -> None:
    """One API process."""
    config = read_config(path)
    keyring = Keyring.of(config)
    book = Book(keyring)
    state = State(
        config, Tokens(config.data_dir), AuditLog(config.data_dir), Dots(), People(book, keyring), book
    )
    uvicorn.run(create_app(state), host="127.0.0.1", port=port, log_level="error")


@dataclass(slots=True)
class Race:
    """What the clients were told, and how often they had to ask again."""

    token: str
    starts: list[str]
    told: Counter[int] = field(default_factory=Counter)
    booked: list[str] = field(default_factory=list)
    asked_again: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, port: int, attempts: int, seed: int) -> None:
        """One client's attempts, over one connection."""
        draw = random.Random(seed)
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for number in range(attempts):
            start = draw.choice(self.starts)
            status, answer = self._ask(link, start, f"k-{seed}-{number}")
            with self.lock:
                self.told[status] += 1
                if status == 201:
                    self.booked.append(answer["id"])

    def _ask(self, link: http.client.HTTPConnection, start: str, key: str) -> tuple[int, dict[str, str]]:
        body = json.dumps({"service": "loan", "start": start, "name": "Ann Miller"})
        headers = {
            "Authorization": f"Bearer {self.token}", "Idempotency-Key": key, "Content-Type": "application/json"
        }  # fmt: skip
        while True:
            try:
                link.request("POST", "/api/v1/branches/north/appointments", body, headers)
                answer = link.getresponse()
                told = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError):
                link.close()
                time.sleep(0.05)
            else:
                if answer.status < 500:
                    return answer.status, told
            with self.lock:
                self.asked_again += 1


def main() -> None:
    """Race, and look at what is stored."""
    attempts = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hub.toml")
        Path(folder, "north.toml").write_text(SITE, encoding="utf-8")
        path.write_text('[hub]\ndata_dir = "data"\nsites = ["north.toml"]\n')
        config = read_config(path)
        tokens = Tokens(config.data_dir)
        race = Race(tokens.add("race", "staff", ["north"], now_ms()), starts(config))
        tokens.close()
        ports = [free_port(), free_port()]
        processes = [spawn.Process(target=serve, args=(path, port)) for port in ports]
        for process in processes:
            process.start()
        begun_s = time.monotonic()
        each = attempts // (2 * THREADS)
        clients = [
            threading.Thread(target=race.run, args=(ports[i % 2], each, i)) for i in range(2 * THREADS)
        ]
        for client in clients:
            client.start()
        while sum(race.told.values()) < attempts // 3:
            time.sleep(0.05)
        processes[1].kill()
        processes[1].join()
        processes[1] = spawn.Process(target=serve, args=(path, ports[1]))
        processes[1].start()
        for client in clients:
            client.join()
        took_s = time.monotonic() - begun_s
        report(config, race, took_s)
        for process in processes:
            process.terminate()
            process.join()


def starts(config: HubConfig) -> list[str]:
    """Slots of a few days to come."""
    site = config.sites["north"]
    book = Book(Keyring.of(config))
    found: list[str] = []
    with reading(config.data_dir) as db:
        for ahead in range(2, 2 + DAYS):
            day = from_ms(now_ms()).date() + timedelta(days=ahead)
            found += [str(slot.start_ms) for slot in book.slots(db, site, "loan", day)]
    return [iso(int(start)) for start in found]


def report(config: HubConfig, race: Race, took_s: float) -> None:
    """What was told against what is stored."""
    with reading(config.data_dir) as db:
        stored = {row[0] for row in db.execute("SELECT id FROM appointment")}
        fullest = max(count for (count,) in db.execute("SELECT count(*) FROM appointment GROUP BY start_ms"))
        (told,) = db.execute("SELECT count(*) FROM journey_event WHERE stage='booked'").fetchone()
    booked = set(race.booked)
    print(f"attempts {sum(race.told.values())}, {dict(race.told)}, asked again {race.asked_again}")
    print(f"in {took_s:.0f} s over two processes, one killed with -9 in the middle")
    print(f"stored {len(stored)}, told once each {len(race.booked) == len(booked)}, in the ledger {told}")
    print(f"lost {len(booked - stored)}, stored untold {len(stored - booked)}, fullest slot {fullest} of 3")
    if booked != stored or fullest > 3 or told != len(stored):
        sys.exit(1)


if __name__ == "__main__":
    main()
