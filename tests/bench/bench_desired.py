"""One look for what is desired of boxes and what they run, in a hub of many branches: the branches that changed, or all.

    python tests/bench/bench_desired.py [BRANCHES] [LOOKS]

Every branch has a published configuration that its box runs. Before each look one box connects anew, as in a hub
at work something always has. Prints the median time of a look by asking for all branches, as it was, and for those
that changed, for both readers, and the ratio.
"""

from __future__ import annotations

import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hub.ingest.desired import LOOK_MS, DesiredOut
from hub.store.branches import inforce
from hub.store.branches.configurations import Configurations
from hub.store.connection import connect, prepare
from hub.store.schema.core import DATABASE

TEXT = """id = "{id}"
name = {{ en = "Hall", zh = "大厅" }}
timezone = "Asia/Shanghai"
version = 2
plan = {{ width_m = 2.0, height_m = 1.0, cell_m = 0.5 }}
"""
BOX = '[box]\nid = "box"\nbroker = "mqtt://127.0.0.1:1883"\ndata_dir = "box"\ncredential_env = "BOX"\n'


def fill(db: sqlite3.Connection, branches: int) -> None:
    """Branches that run what is published."""
    db.execute("BEGIN")
    for number in range(branches):
        site = f"b{number}"
        values = (site, 2, TEXT.format(id=site), "0" * 16, "bench", "", 1, 0, 1)
        db.execute("INSERT INTO configuration VALUES (?,?,?,?,?,?,?,?,?)", values)
        db.execute(
            "INSERT INTO configuration_report (site, device, version, hash, at_ms) VALUES (?,?,?,?,?)",
            (site, "box", 2, "0" * 16, 1),
        )
        db.execute(
            "INSERT INTO device_status (site, device, last_seen_ms, online, boot, connect_no, at_ms, arrived_ms)"
            " VALUES (?,?,1,1,?,1,1,1)",
            (site, "box", "0" * 32),
        )
    db.execute("COMMIT")


def all_desired(db: sqlite3.Connection, sent: dict[str, tuple[int, str]]) -> None:
    """As every look was: all branches, and the connection of each."""
    for site, version in Configurations(db).all_wanted():
        row = db.execute(
            "SELECT boot, connect_no FROM device_status WHERE site=? AND device=? AND online=1", (site, "box")
        ).fetchone()
        sent[site] = (version, "" if row is None else f"{row[0]} {row[1]}")


def main(branches: int, looks: int) -> dict[str, float]:
    """Figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        prepare(data)
        db, reader = connect(data / DATABASE), connect(data / DATABASE)
        fill(db, branches)
        from branchloop.site.site import parse_site

        file = parse_site(TEXT.format(id="b0") + BOX)
        files = dict.fromkeys((f"b{number}" for number in range(branches)), file)
        inforce.LOOK_S = 0.0
        sites = inforce.SitesInForce(files, data)
        out = DesiredOut(reader, files, lambda *_args, **_more: True)
        now_ms = 1
        for _ in range(branches // 100 + 2):
            now_ms += LOOK_MS
            out.tick(now_ms)
        sites["b0"]
        sent: dict[str, tuple[int, str]] = {}

        def desired_now() -> None:
            nonlocal now_ms
            now_ms += LOOK_MS
            out.tick(now_ms)

        ways: dict[str, Callable[[], object]] = {
            "desired_all_ms": lambda: all_desired(reader, sent),
            "desired_changed_ms": desired_now,
            "in_force_all_ms": lambda: dict(Configurations(reader).in_force()),
            "in_force_changed_ms": lambda: sites["b0"],
        }
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for look in range(looks):
            for name, way in ways.items():
                db.execute(
                    "UPDATE device_status SET connect_no=connect_no+1 WHERE site=?", (f"b{look % branches}",)
                )
                begun_s = time.perf_counter()
                way()
                spent[name].append((time.perf_counter() - begun_s) * 1000)
        sites.close()
        reader.close()
        db.close()
    told: dict[str, float] = {name: round(statistics.median(each), 3) for name, each in spent.items()}
    told["desired_ratio"] = round(told["desired_all_ms"] / told["desired_changed_ms"], 1)
    told["in_force_ratio"] = round(told["in_force_all_ms"] / told["in_force_changed_ms"], 1)
    return {"branches": branches, "looks": looks, **told}


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    sys.stdout.write(json.dumps(main(*(numbers + [16_000, 20][len(numbers) :]))) + "\n")
