"""Crowding told to many: readers of one branch's stream on one real API process over loopback.

    python tests/bench/bench_readers.py [READERS] [UPDATES]

A window is committed by another process than the API's; every reader must receive the same answer. Prints the delay
from commit to receipt and the API's memory for 1 reader and for READERS, and their ratio. The readers live in this
process and share the machine with the API: their own work is in the delay.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psutil
import uvicorn

from branchloop.clock import DAY_MS, HOUR_MS, from_ms, local_day_start_ms
from branchloop.processes import free_port
from branchloop.wire.batches import Batch, Item
from hub.api.app import create_app
from hub.api.dots import Dots
from hub.api.main import allow_readers
from hub.api.state import State, now_ms
from hub.config.hub import HubConfig, read_config
from hub.ingest.apply import Applier
from hub.loop.embedding import Embed, issue
from hub.store.audit import AuditLog
from hub.store.book.entries import Book
from hub.store.connection import connect
from hub.store.customers.holders import People
from hub.store.customers.keyring import Keyring
from hub.store.figures import sqlite_rollups
from hub.store.figures.sums import RollUp, Totals
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore
from hub.store.tokens import Tokens

READERS, UPDATES = 1_000, 20
PAGE = "https://travel.example"
EPOCH = "cd" * 16
CONNECT_AT_ONCE = 50
PAUSE_S = 1.3
AN_ADDRESS = 400
"""The API lets one address ask so often; the readers come from several of 127.0.0.0/8."""
SITE = """
id = "north"
name = { en = "North", zh = "北" }
timezone = "Asia/Shanghai"
plan = { width_m = 10.0, height_m = 8.0 }
"""
HUB = f"""
[hub]
data_dir = "data"
sites = ["north.toml"]
[[partner]]
id = "travel"
name = {{ en = "Travel page", zh = "旅行网站" }}
origins = ["{PAGE}"]
[crowding]
most_readers = 20000
"""


def serve(path: Path, port: int) -> None:
    """The API process."""
    allow_readers()
    config = read_config(path)
    keyring = Keyring.of(config)
    book = Book(keyring)
    state = State(
        config, Tokens(config.data_dir), AuditLog(config.data_dir), Dots(), People(book, keyring), book
    )
    uvicorn.run(create_app(state), host="127.0.0.1", port=port, log_level="error", backlog=4096)


@dataclass(slots=True)
class Readers:
    """What came to whom: people told -> when, and every distinct answer."""

    received: dict[int, list[float]] = field(default_factory=dict)
    answers: dict[int, set[bytes]] = field(default_factory=dict)
    connected: int = 0
    lost: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, port: int, token: str, number: int, gate: asyncio.Semaphore) -> None:
        """One reader, to its end."""
        async with gate:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(f"127.0.0.{2 + number // AN_ADDRESS}", 0)
            )
            writer.write(
                f"GET /api/v1/card/crowding/stream HTTP/1.1\r\nHost: hub\r\nOrigin: {PAGE}\r\n"
                f"Authorization: Embed {token}\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
        try:
            first = True
            while True:
                line = await reader.readuntil(b"\n")
                if not line.startswith(b"data: "):
                    continue
                at_s = time.monotonic()
                people = json.loads(line[6:])["people"] or 0
                self.received.setdefault(people, []).append(at_s)
                self.answers.setdefault(people, set()).add(line)
                if first:
                    first, self.connected = False, self.connected + 1
                self.arrived.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost += 1
        finally:
            writer.close()

    async def until(self, people: int, count: int, timeout_s: float) -> None:
        """Wait until so many have received an update. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while len(self.received.get(people, ())) < count:
                self.arrived.clear()
                await self.arrived.wait()


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one number of readers."""

    readers: int
    delays_s: list[float]
    all_same: bool
    lost: int
    rss_mb: float


def commit(config: HubConfig, store: SqliteStore, seq: int, people: int) -> float:
    """Store a window as a box's; when it was committed."""
    body = {
        "start_ms": now_ms() // 5_000 * 5_000 - 5_000, "expected_ms": 5_000, "observed_ms": 5_000,
        "person_ms": 5_000 * people, "people_end": people, "method": "bench",
    }  # fmt: skip
    batch = Batch(
        epoch=EPOCH, boot=EPOCH, oldest=1, sent_ms=now_ms(), items=[Item(seq=seq, kind="window", body=body)]
    )
    ack = Applier(store, config.sites, now_ms).apply(
        "branchloop/1/north/box-1/data", batch.to_json().encode(), now_ms()
    )
    if ack is None or ack.upto != seq:
        raise RuntimeError("the window was not stored")
    return time.monotonic()


async def measure(
    config: HubConfig, store: SqliteStore, port: int, pid: int, readers: int, updates: int, first: int
) -> Figures:
    """Open the readers, commit updates, and gather who received what when."""
    token = issue(Embed("travel", PAGE, "north", now_ms() + DAY_MS), Keyring.of(config).mac)
    told, gate = Readers(), asyncio.Semaphore(CONNECT_AT_ONCE)
    tasks = [asyncio.create_task(told.read(port, token, number, gate)) for number in range(readers)]
    async with asyncio.timeout(120):
        while told.connected < readers:
            for task in tasks:
                if task.done():
                    task.result()
            told.arrived.clear()
            await told.arrived.wait()
    delays: list[float] = []
    same = True
    await asyncio.sleep(PAUSE_S)
    for update in range(updates):
        people = 10 + first + update
        told.received.pop(people, None)
        committed_s = await asyncio.to_thread(commit, config, store, first + update, people)
        await told.until(people, readers, 60)
        delays += [at_s - committed_s for at_s in told.received[people]]
        same &= len(told.answers[people]) == 1
        # A box sends a window each 5 s; here they come faster, yet never two in the API's least pause.
        await asyncio.sleep(PAUSE_S)
    rss = psutil.Process(pid).memory_info().rss / 1e6
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Figures(readers, delays, same, told.lost, rss)


def fill(config: HubConfig) -> None:
    """Twelve weeks of hours, so that there is something to forecast."""
    zone = config.sites["north"].zone_info
    today = from_ms(now_ms(), zone).date()
    rollups: dict[tuple[str, int], RollUp] = {}
    for back in range(1, 84):
        start_ms = local_day_start_ms(today - timedelta(days=back), zone)
        for hour in range(24):
            rollups["hour", start_ms + hour * HOUR_MS] = RollUp(
                totals=Totals(
                    1, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, (3 + hour) * HOUR_MS, looked_ms=HOUR_MS
                )
            )
    db = connect(config.data_dir / DATABASE)
    sqlite_rollups.add(db, "north", "box-1", rollups)  # type: ignore[arg-type]
    db.close()


async def wait_for(port: int) -> None:
    """Until the API answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


def main() -> None:
    """One reader, then many, each on a fresh API process."""
    readers = int(sys.argv[1]) if len(sys.argv) > 1 else READERS
    updates = int(sys.argv[2]) if len(sys.argv) > 2 else UPDATES
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    allow_readers()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "hub.toml")
        Path(folder, "north.toml").write_text(SITE, encoding="utf-8")
        path.write_text(HUB, encoding="utf-8")
        config = read_config(path)
        Keyring.of(config)
        store = SqliteStore(config.data_dir)
        fill(config)
        found: list[Figures] = []
        for number, count in enumerate((1, readers)):
            port = free_port()
            process = spawn.Process(target=serve, args=(path, port))
            process.start()
            try:
                asyncio.run(wait_for(port))
                pid = process.pid or 0
                first = 1 + number * updates
                found.append(asyncio.run(measure(config, store, port, pid, count, updates, first)))
            finally:
                process.kill()
                process.join()
        store.close()
    report(found, updates, hard)


def report(found: list[Figures], updates: int, hard: int) -> None:
    """A row each, and the ratios."""
    print(f"{updates} updates; at most {hard} open files; {psutil.cpu_count()} processors, busy otherwise")
    print("readers  received of due  same for all  lost  p50 ms  p95 ms  most ms  API's RSS MB")
    rows = []
    for each in found:
        cuts = statistics.quantiles(each.delays_s, n=100, method="inclusive")
        rows.append((cuts[49] * 1000, cuts[94] * 1000))
        print(
            f"{each.readers:7d}  {len(each.delays_s):7d}/{each.readers * updates:<7d}  {each.all_same!s:>12}  "
            f"{each.lost:4d}  {rows[-1][0]:6.0f}  {rows[-1][1]:6.0f}  {max(each.delays_s) * 1000:7.0f}  {each.rss_mb:12.1f}"
        )
    one, many = found
    print(
        f"many / one: p50 {rows[1][0] / rows[0][0]:.2f}, p95 {rows[1][1] / rows[0][1]:.2f}, "
        f"memory a reader {(many.rss_mb - one.rss_mb) * 1000 / max(1, many.readers - 1):.0f} kB"
    )
    if not all(each.all_same and not each.lost for each in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
