"""How fast `apply` is, as a ratio to bare inserts of the same bytes with the same commits.

    python tests/bench/bench_apply.py [--windows 2000]

Three loads: one box live (one window a commit), fifty boxes live (fifty windows a commit) and a
backlog (batches of 150, near the largest payload). A window has 150 heat cells of a 36 × 48 grid, 20 flow cells of 9 × 12, two lines,
five zones and a queue.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from box import T0_MS, Box, make_site

from hub.ingest.apply import Applier, Payload
from hub.store.sqlite import SqliteStore

SITE = make_site()
LOADS = {"one box live": (1, 1), "fifty boxes live": (50, 1), "backlog": (1, 150)}
"""Name -> (boxes, windows a batch); a commit takes one batch of every box."""


def body(rng: random.Random, start_ms: int) -> dict[str, Any]:
    cells = sorted(rng.sample(range(36 * 48), 150))
    return {
        "start_ms": start_ms,
        "method": "bench",
        "expected_ms": 5_000,
        "observed_ms": 5_000,
        "person_ms": 40_000,
        "people_end": 8,
        "cameras": [{"camera": "north", "state": "up", "observed_ms": 5_000, "frames": 35, "analysed": 30}],
        "lines": [{"line": line, "in": 1, "out": 1} for line in ("door", "hall")],
        "zones": [
            {
                "zone": f"zone-{n}",
                "person_ms": 8_000,
                "entries": 1,
                "dwell": {"count": 1, "sum_ms": 9_000, "bins": {"23": 1}},
            }
            for n in range(5)
        ],
        "queues": [
            {
                "queue": "zone-0",
                "person_ms": 8_000,
                "waiting_end": 2,
                "joined": 1,
                "served": {"count": 1, "sum_ms": 90_000, "bins": {"48": 1}},
            }
        ],
        "flow": {
            "cell_mm": 1_000,
            "rows": 9,
            "cols": 12,
            "cells": sorted(rng.sample(range(9 * 12), 20)),
            "dx_mm": [-500] * 20,
            "dy_mm": [300] * 20,
            "path_mm": [600] * 20,
        },
        "heat": {"cell_mm": 250, "rows": 36, "cols": 48, "cells": cells, "mps": [266] * 150},
    }


def commits(boxes: int, per_batch: int, windows: int) -> list[list[Payload]]:
    """One list of payloads per commit."""
    rng = random.Random(1)
    fleet = [Box(device=f"box-{n}") for n in range(boxes)]
    made: list[list[Payload]] = []
    for at in range(max(1, windows // (boxes * per_batch))):
        group = []
        for box in fleet:
            seqs = [
                box.produce("window", body(rng, T0_MS + (at * per_batch + n) * 5_000))
                for n in range(per_batch)
            ]
            group.append(box.payload(seqs, T0_MS + (at + 1) * per_batch * 5_000))
        made.append(group)
    return made


def apply_all(folder: Path, groups: list[list[Payload]]) -> float:
    store = SqliteStore(folder)
    applier = Applier(store, {SITE.id: SITE}, lambda: T0_MS)
    started = time.perf_counter()
    for group in groups:
        assert None not in applier.apply_many(group), "a payload was refused"
    taken_s = time.perf_counter() - started
    store.close()
    return taken_s


def insert_all(folder: Path, groups: list[list[Payload]]) -> float:
    db = sqlite3.connect(folder / "bare.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE message (device TEXT, seq INTEGER, body TEXT, PRIMARY KEY (device, seq))")
    rows = [
        [
            (topic, item["seq"], json.dumps(item["body"]))
            for topic, payload, _ in group
            for item in json.loads(payload)["items"]
        ]
        for group in groups
    ]
    started = time.perf_counter()
    for group in rows:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO message VALUES (?,?,?)", group)
        db.execute("COMMIT")
    taken_s = time.perf_counter() - started
    db.close()
    return taken_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=2_000)
    windows = parser.parse_args().windows
    report = {}
    for name, (boxes, per_batch) in LOADS.items():
        groups = commits(boxes, per_batch, windows)
        count = len(groups) * boxes * per_batch
        with tempfile.TemporaryDirectory() as folder:
            applied_s, bare_s = apply_all(Path(folder), groups), insert_all(Path(folder), groups)
        report[name] = {
            "windows": count,
            "apply_windows_per_s": round(count / applied_s),
            "bare_insert_per_s": round(count / bare_s),
            "ratio": round(bare_s / applied_s, 3),
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
