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
from hub.config.hub import HubConfig, read_config
from hub.loop.capacity import ticks
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.book.places import day_slots
from hub.store.connection import reading
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.tokens import Tokens

THREADS = 4
DAYS = 2
NORTH = """
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
SOUTH = """
id = "south"
name = { en = "South", zh = "南" }
timezone = "Asia/Kolkata"
plan = { width_m = 10, height_m = 8 }
[[service]]
id = "loan"
name = { en = "Loans", zh = "贷款" }
minutes = 40
slot_minutes = 20
[[service]]
id = "cash"
name = { en = "Cash", zh = "现金" }
minutes = 15
slot_minutes = 15
[[counter]]
id = "both"
name = { en = "Both", zh = "两者" }
services = ["loan", "cash"]
[[counter]]
id = "desk"
name = { en = "Desk", zh = "柜" }
services = ["loan"]
[[counter]]
id = "till"
name = { en = "Till", zh = "窗" }
services = ["cash"]
hours = { mon = "09:00-18:00", tue = "09:00-18:00", wed = "09:00-18:00", thu = "09:00-18:00", fri = "09:00-18:00" }
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
    places: list[tuple[str, str, str]]
    """Branch, service and start."""
    told: Counter[int] = field(default_factory=Counter)
    booked: list[str] = field(default_factory=list)
    asked_again: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, port: int, attempts: int, seed: int) -> None:
        """One client's attempts, over one connection."""
        draw = random.Random(seed)
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for number in range(attempts):
            status, answer = self._ask(link, draw.choice(self.places), f"k-{seed}-{number}")
            with self.lock:
                self.told[status] += 1
                if status == 201:
                    self.booked.append(answer["id"])

    def _ask(
        self, link: http.client.HTTPConnection, place: tuple[str, str, str], key: str
    ) -> tuple[int, dict[str, str]]:
        site, service, start = place
        body = json.dumps({"service": service, "start": start, "name": "Ann Miller"})
        headers = {
            "Authorization": f"Bearer {self.token}", "Idempotency-Key": key, "Content-Type": "application/json"
        }  # fmt: skip
        while True:
            try:
                link.request("POST", f"/api/v1/branches/{site}/appointments", body, headers)
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
        for name, text in (("north", NORTH), ("south", SOUTH)):
            Path(folder, f"{name}.toml").write_text(text, encoding="utf-8")
        path.write_text('[hub]\ndata_dir = "data"\nsites = ["north.toml", "south.toml"]\n')
        config = read_config(path)
        tokens = Tokens(config.data_dir)
        race = Race(tokens.add("race", "staff", ["north", "south"], now_ms()), places(config))
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


def places(config: HubConfig) -> list[tuple[str, str, str]]:
    """Slots of a few days to come, at both branches."""
    found: list[tuple[str, str, str]] = []
    with reading(config.data_dir) as db:
        for site in config.sites.values():
            for ahead in range(2, 2 + DAYS):
                day = from_ms(now_ms()).date() + timedelta(days=ahead)
                for service in site.services:
                    found += [
                        (site.id, service.id, iso(slot.start_ms))
                        for slot in day_slots(db, site, service.id, day)
                    ]
    return found


def report(config: HubConfig, race: Race, took_s: float) -> None:
    """What was told against what is stored."""
    with reading(config.data_dir) as db:
        kept = db.execute("SELECT id, site, service, start_ms, end_ms FROM appointment").fetchall()
        held = {
            (appointment, counter): set(map(int, starts.split(",")))
            for appointment, counter, starts in db.execute(
                "SELECT appointment, counter, group_concat(tick_ms) FROM held GROUP BY appointment, counter"
            )
        }
        (told,) = db.execute("SELECT count(*) FROM journey_event WHERE stage='booked'").fetchone()
    stored, booked = {row[0] for row in kept}, set(race.booked)
    fullest = max(Counter(start for _, site, _, start, _ in kept if site == "north").values())
    times = Counter((counter, tick) for (_, counter), mine in held.items() for tick in mine)
    wrong = sum(
        [each for (appointment, _), each in held.items() if appointment == identity]
        != [set(ticks(start, end))]
        for identity, site, _, start, end in kept
        if site == "south"
    )
    twice = sum(count > 1 for count in times.values())
    print(f"attempts {sum(race.told.values())}, {dict(race.told)}, asked again {race.asked_again}")
    print(f"in {took_s:.0f} s over two processes, one killed with -9 in the middle")
    print(f"stored {len(stored)}, told once each {len(race.booked) == len(booked)}, in the ledger {told}")
    print(f"lost {len(booked - stored)}, stored untold {len(stored - booked)}, fullest slot {fullest} of 3")
    south = Counter(service for _, site, service, _, _ in kept if site == "south")
    print(
        f"with counters: {dict(south)} booked, {len(times)} ticks held, {twice} twice, {wrong} appointments without theirs"
    )
    if (
        booked != stored
        or len(race.booked) != len(booked)
        or fullest > 3
        or told != len(stored)
        or twice
        or wrong
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
