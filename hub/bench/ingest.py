"""`branchloop bench hub`: what one ingest worker applies, beside plain inserts of the same bytes, simulated.

The windows are those of a large simulated branch (`branchloop.load.recording`): 40 × 25 m, four cameras, six zones, two
queues, four sensors, heat and flow. Payloads are made outside the measured time, then read, validated,
added up and committed by the worker's own code into a real file, 50 a commit as under full load. The broker,
the network and the API have no part in it; `branchloop load` measures those too.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from branchloop import exits
from branchloop.clock import MINUTE_MS, WINDOW_MS
from branchloop.finite import Finite
from branchloop.load.recording import SITE, Recording
from branchloop.share import share
from branchloop.site.site import Site, parse_site
from branchloop.wire import topics
from hub.ingest.apply import Applier, Payload
from hub.ingest.worker import GROUP
from hub.store.connection import connect
from hub.store.figures import sqlite_rollups
from hub.store.figures.sums import Bucket, RollUp
from hub.store.sqlite import SqliteStore, SqliteTransaction

PARTS = ("parse", "rollups", "grids", "commit")
BEGIN_MS = 1_794_204_000_000
"""A whole hour."""
DEVICE = "box-1"


class _Branch:
    """One branch's box: a batch every 5 s with all it has by then."""

    def __init__(self, site: str, recording: Recording, skip: int) -> None:
        self._topic = topics.build(site, DEVICE, "data")
        self._epoch = f"{skip:04x}" * 8
        self._told = recording.play(BEGIN_MS, skip=skip, prefix=site)
        self._next = next(self._told)
        self._seq = 0
        self.windows = 0

    def batch(self, until_ms: int) -> Payload:
        items = []
        while self._next.at_ms <= until_ms:
            self._seq += 1
            self.windows += self._next.kind == "window"
            items.append({"seq": self._seq, "kind": self._next.kind, "body": self._next.body})
            self._next = next(self._told)
        batch = {
            "epoch": self._epoch,
            "boot": self._epoch,
            "oldest": items[0]["seq"],
            "sent_ms": until_ms,
            "items": items,
        }
        return self._topic, json.dumps(batch, separators=(",", ":")).encode(), until_ms


@dataclass(slots=True)
class _Clock:
    """Wall and CPU time spent, and the CPU time of each part: other programs on the machine do not count."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    parts_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is done meanwhile."""
        begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - begun_s
        self.cpu_s += time.process_time() - begun_cpu_s

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is done meanwhile as this part."""
        begun_s = time.process_time()
        yield
        self.parts_s[name] += time.process_time() - begun_s


class _TimedTransaction(SqliteTransaction):
    """Roll-ups and their grids are timed apart."""

    def __init__(self, transaction: SqliteTransaction, clock: _Clock) -> None:
        super().__init__(transaction.db)
        self._clock = clock

    def add_rollups(self, site: str, device: str, rollups: Mapping[Bucket, RollUp]) -> None:
        with self._clock.part("rollups"):
            sqlite_rollups.add_rows(self.db, site, device, rollups)
        with self._clock.part("grids"):
            sqlite_rollups.add_grids(self.db, site, device, rollups)


class _TimedStore(SqliteStore):
    """Parsing ends where the transaction begins; the commit is what is left once it was filled."""

    def __init__(self, folder: Path, clock: _Clock) -> None:
        super().__init__(folder)
        self._clock = clock
        self.called_s = 0.0

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        self._clock.parts_s["parse"] += time.process_time() - self.called_s
        with super().transaction() as transaction:
            yield _TimedTransaction(transaction, self._clock)
            filled_s = time.process_time()
        self._clock.parts_s["commit"] += time.process_time() - filled_s


class _Worker:
    """The ingest worker's way from payloads to acknowledgements, `group` payloads a commit."""

    def __init__(self, folder: Path, sites: Mapping[str, Site], group: int) -> None:
        folder.mkdir()
        self.clock = _Clock()
        self._store = _TimedStore(folder, self.clock)
        self._now_ms = BEGIN_MS
        self._applier = Applier(self._store, sites, lambda: self._now_ms)
        self._group = group

    def take(self, payloads: Sequence[Payload], now_ms: int) -> None:
        self._now_ms = now_ms
        for at in range(0, len(payloads), self._group):
            group = payloads[at : at + self._group]
            with self.clock.running():
                self._store.called_s = time.process_time()
                acks = [ack and ack.to_json() for ack in self._applier.apply_many(group)]
            if None in acks:
                raise RuntimeError("a payload of the recording was refused")

    def close(self) -> None:
        self._store.close()


class _Plain:
    """The yardstick: every message inserted by itself, as it came, and committed; nothing is added up."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.clock = _Clock()
        self._db = connect(folder / "plain.db")
        self._db.execute(
            "CREATE TABLE message (topic TEXT, seq INTEGER, body TEXT, PRIMARY KEY (topic, seq))"
        )

    def take(self, payloads: Sequence[Payload]) -> None:
        rows = [
            (topic, item["seq"], json.dumps(item["body"], separators=(",", ":")))
            for topic, payload, _ in payloads
            for item in json.loads(payload)["items"]
        ]
        with self.clock.running():
            for row in rows:
                self._db.execute("INSERT INTO message VALUES (?,?,?)", row)

    def close(self) -> None:
        self._db.close()


def bench_hub(branches: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Whole simulated minutes of so many branches until `seconds` are spent; figures as `--json` has them.

    `…_per_worker` go by the clock on the wall, disk and other programs included; `…_per_core` and the shares by
    processor time: what a core does that has nothing else to do and a disk that is never waited for.
    """
    recording = Recording.read()
    site = parse_site(share(SITE).read_text(encoding="utf-8"))
    sites = {
        name: site.model_copy(update={"id": name}) for name in (f"load-{n:04d}" for n in range(branches))
    }
    windows = recording.length_ms // WINDOW_MS
    fleet = [_Branch(name, recording, n * 7 % windows) for n, name in enumerate(sites)]
    worker, single = _Worker(folder / "worker", sites, GROUP), _Worker(folder / "single", sites, 1)
    plain = _Plain(folder / "plain")
    sent_bytes = payloads_sent = 0
    now_ms = BEGIN_MS
    while worker.clock.wall_s + single.clock.wall_s + plain.clock.wall_s < seconds:
        for _ in range(MINUTE_MS // WINDOW_MS):  # a minute's first window makes rows, the others add to them
            now_ms += WINDOW_MS
            payloads = [branch.batch(now_ms) for branch in fleet]
            sent_bytes += sum(len(payload) for _, payload, _ in payloads)
            payloads_sent += len(payloads)
            worker.take(payloads, now_ms)
            single.take(payloads, now_ms)
            plain.take(payloads)
    for each in (worker, single, plain):
        each.close()
    count = sum(branch.windows for branch in fleet)
    wall_s, cpu_s, parts_s = worker.clock.wall_s, worker.clock.cpu_s, worker.clock.parts_s
    per_s, plain_per_s, single_per_s = (
        count / clock.wall_s for clock in (worker.clock, plain.clock, single.clock)
    )
    period_s = WINDOW_MS / 1000
    return {
        "simulated": True,
        "windows": count,
        "windows_per_s": round(per_s, 1),
        "branches_per_worker": round(payloads_sent / wall_s * period_s),
        "windows_per_core_s": round(count / cpu_s, 1),
        "branches_per_core": round(payloads_sent / cpu_s * period_s),
        "cpu_ms_per_window": round(cpu_s / count * 1000, 3),
        "cpu_of_wall": round(cpu_s / wall_s, 3),
        **{f"share_{name}": round(parts_s[name] / cpu_s, 3) for name in PARTS},
        "share_rest": round(1 - sum(parts_s.values()) / cpu_s, 3),
        "plain_windows_per_s": round(plain_per_s, 1),
        "ratio_to_plain": round(per_s / plain_per_s, 3),
        "single_windows_per_s": round(single_per_s, 1),
        "ratio_to_single": round(per_s / single_per_s, 3),
        "payload_bytes": round(sent_bytes / payloads_sent),
        "branches": branches,
        "batches_per_commit": min(GROUP, branches),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seconds",
    type=Finite(min=0.1),
    default=30.0,
    show_default=True,
    help="time to spend, baselines included",
)
@click.option(
    "--branches",
    type=click.IntRange(1, 2000),
    default=200,
    show_default=True,
    help="branches in the database",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="where to write: on the disk that the hub will use",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def main(seconds: float, branches: int, folder: Path | None, as_json: bool) -> None:
    """Measure how many windows a second one ingest worker applies, and so how many branches it carries. Simulated windows."""
    with tempfile.TemporaryDirectory(prefix="branchloop-bench-", dir=folder) as scratch:
        figures = bench_hub(branches, seconds, Path(scratch))
    exits.report(figures, as_json=as_json)


if __name__ == "__main__":
    exits.run(main, prog="branchloop bench hub")
