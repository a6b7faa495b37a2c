"""How long a booking takes, beside a bare insert into the same file, while ingest writes there as well.

    python tests/bench/bench_booking_p99.py [--bookings 600] [--boxes 50] [--json]

Another process applies what so many boxes send (a window each every 5 s) with the real Applier. Taken in turn:
a bare INSERT with synchronous=FULL, a booking through the store, one through the store at a branch with counters,
and one over HTTP to an API process of its own. Asked: p99 of a booking at most three times that of the insert.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import secrets
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench_apply import body
from bench_book import serve
from box import Box, make_site

from branchloop.clock import from_ms, iso
from branchloop.processes import free_port
from hub.api.state import now_ms
from hub.config.hub import HubConfig, read_config
from hub.ingest.apply import Applier
from hub.store.book.entries import Book, Wanted
from hub.store.book.places import day_slots
from hub.store.connection import connect, opened, reading
from hub.store.customers.keyring import Keyring
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore
from hub.store.tokens import Tokens

ASKED = 3.0
DAYS = 20
PAUSE_S = 0.02
"""Between two bookings: fifty a second would be a large bank on its busiest day."""
SITE = """
id = "{id}"
name = {{ en = "North", zh = "北" }}
timezone = "Asia/Shanghai"
plan = {{ width_m = 10, height_m = 8 }}
hours = {{ mon = "09:00-17:00", tue = "09:00-17:00", wed = "09:00-17:00", thu = "09:00-17:00", fri = "09:00-17:00" }}
[[service]]
id = "loan"
name = {{ en = "Loans", zh = "贷款" }}
minutes = 30
slot_minutes = 15
per_slot = 6
{counters}
"""
COUNTER = '[[counter]]\nid = "c{n}"\nname = {{ en = "{n}", zh = "{n}" }}\nservices = ["loan"]\n'


def ingest(data_dir: Path, boxes: int, running: Event, stop: Event) -> None:
    """Apply a window of every box each 5 s, spread evenly, as ingest does."""
    site = make_site()
    store = SqliteStore(data_dir)
    applier = Applier(store, {site.id: site}, now_ms)
    fleet = [Box(device=f"box-{n}") for n in range(boxes)]
    rng = random.Random(1)
    turn = 0
    begun_s = time.monotonic()
    while not stop.is_set():
        box = fleet[turn % boxes]
        at_ms = now_ms() // 5_000 * 5_000 - 5_000
        box.produce("window", body(rng, at_ms))
        applier.apply(*box.payload([max(box.items)], now_ms()))
        running.set()
        turn += 1
        stop.wait(max(0.0, begun_s + turn * 5.0 / boxes - time.monotonic()))
    store.close()


def places(config: HubConfig, site: str) -> Iterator[int]:
    """Starts that are free, at random days, so that each is taken once and none is full."""
    found: list[int] = []
    with reading(config.data_dir) as db:
        for ahead in range(1, DAYS * 2):
            day = (from_ms(now_ms()) + timedelta(days=ahead)).date()
            for slot in day_slots(db, config.sites[site], "loan", day):
                found += [slot.start_ms] * (slot.free // 2)
    random.Random(3).shuffle(found)
    return iter(found)


def main() -> None:
    """Measure, and say what the ratios are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bookings", type=int, default=600)
    parser.add_argument("--boxes", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        path = Path(folder, "hub.toml")
        counters = "".join(COUNTER.format(n=n) for n in range(6))
        Path(folder, "north.toml").write_text(SITE.format(id="north", counters=""), encoding="utf-8")
        Path(folder, "south.toml").write_text(SITE.format(id="south", counters=counters), encoding="utf-8")
        path.write_text('[hub]\ndata_dir = "data"\nsites = ["north.toml", "south.toml"]\n')
        config = read_config(path)
        running, stop = spawn.Event(), spawn.Event()
        port = free_port()
        tokens = Tokens(config.data_dir)
        token = tokens.add("bench", "staff", ["north", "south"], now_ms())
        api = spawn.Process(target=serve, args=(path, port))
        feed = spawn.Process(target=ingest, args=(config.data_dir, wanted.boxes, running, stop))
        api.start()
        feed.start()
        running.wait(60)
        took_ms = measure(config, port, token, wanted.bookings)
        stop.set()
        feed.join()
        api.terminate()
        api.join()
        tokens.close()
    tell(took_ms, as_json=wanted.json)


def measure(config: HubConfig, port: int, token: str, count: int) -> dict[str, list[float]]:
    """Milliseconds of each way, taken in turn."""
    book = Book(Keyring.of(config))
    bare = connect(config.data_dir / DATABASE)
    bare.execute("CREATE TABLE bench_bare (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    starts = places(config, "north")
    with_counters = places(config, "south")
    _until_up(link)

    def insert() -> None:
        bare.execute("INSERT INTO bench_bare (body) VALUES (?)", (secrets.token_bytes(500),))

    def store(site: str, at: Iterator[int]) -> None:
        start_ms = next(at)
        with opened(config.data_dir) as db:
            book.book(db, config.sites[site], Wanted("loan", start_ms, "Ann Miller"), now_ms())

    def over_http() -> None:
        asked = json.dumps({"service": "loan", "start": iso(next(starts)), "name": "Ann Miller"})
        headers = {
            "Authorization": f"Bearer {token}", "Idempotency-Key": secrets.token_hex(8), "Content-Type": "application/json"
        }  # fmt: skip
        link.request("POST", "/api/v1/branches/north/appointments", asked, headers)
        answer = link.getresponse()
        told = answer.read()
        if answer.status != 201:
            raise SystemExit(told.decode())

    ways: dict[str, Callable[[], None]] = {
        "bare insert": insert,
        "store": lambda: store("north", starts),
        "store, counters": lambda: store("south", with_counters),
        "http": over_http,
    }
    took_ms: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(-20, count):  # the first twenty warm up
        for name, way in ways.items():
            begun_s = time.perf_counter()
            way()
            if turn >= 0:
                took_ms[name].append(1000 * (time.perf_counter() - begun_s))
            time.sleep(PAUSE_S)
    bare.close()
    link.close()
    return took_ms


def _until_up(link: http.client.HTTPConnection) -> None:
    for _ in range(200):
        try:
            link.request("GET", "/healthz")
            link.getresponse().read()
        except (OSError, http.client.HTTPException):
            link.close()
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the API does not start")


def tell(took_ms: dict[str, list[float]], *, as_json: bool) -> None:
    """Median, p95 and p99 of each way, and its ratio to the bare insert."""
    rows = {name: [_at(each, share) for share in (0.5, 0.95, 0.99)] for name, each in took_ms.items()}
    base = rows["bare insert"]
    print(
        f"sqlite {sqlite3.sqlite_version}, {len(took_ms['http'])} of each; ms: median, p95, p99; ratios to the insert"
    )
    for name, row in rows.items():
        ratios = [one / other for one, other in zip(row, base, strict=True)]
        print(
            f"{name:16s} "
            + " ".join(f"{each:8.2f}" for each in row)
            + "   "
            + " ".join(f"{r:5.2f}" for r in ratios)
        )
    worst = max(rows[name][2] / base[2] for name in rows)
    print(f"p99 of a booking is at most {worst:.2f} times that of a bare insert; asked {ASKED:.0f}")
    if as_json:
        print(
            json.dumps(
                {
                    name: dict(zip(("p50_ms", "p95_ms", "p99_ms"), row, strict=True))
                    for name, row in rows.items()
                }
            )
        )


def _at(took: list[float], share: float) -> float:
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


if __name__ == "__main__":
    main()
