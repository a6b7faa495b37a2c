"""What watching quality costs beside ingest, as a ratio to applying the same windows.

    python tests/bench/bench_alerts.py [--sites 1000] [--troubled 10]

Live: every branch sends one window, a few of them with a covered camera; then one look. Drift: one finished
hour of a branch with 14 days of history (the simulated branch's) is looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from box import Box, site_text

from branchloop.clock import HOUR_MS, bucket_start_ms
from branchloop.share import share
from branchloop.site.site import parse_site
from hub.ingest.apply import Applier
from hub.ingest.importing import import_items
from hub.ingest.live_alerts import LiveAlerts
from hub.loop.finding import CountError
from hub.store.branches.opening import Hours
from hub.store.connection import connect_readonly
from hub.store.figures.checking import Checker
from hub.store.figures.evidence import Evidence
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore

CAMERA = """
[[camera]]
id = "north"
source = "usb:0"
calibration = { points = [[0, 0, 0, 0], [100, 0, 1, 0], [100, 100, 1, 1], [0, 100, 0, 1]], picture_px = [100, 100] }
"""


def live(folder: Path, count: int, troubled: int) -> None:
    """Apply a window of every branch, then look."""
    sites = {
        f"site-{n}": parse_site(site_text(f"site-{n}").replace("[[line]]", f"{CAMERA}[[line]]", 1))
        for n in range(count)
    }
    store = SqliteStore(folder)
    now_ms = time.time_ns() // 1_000_000
    start_ms = now_ms - now_ms % 5_000 - 5_000
    applier = Applier(store, sites, lambda: now_ms)
    payloads = []
    for n in range(count):
        box = Box(site=f"site-{n}")
        fault = {"fault": "covered", "state": "stalled"} if n < troubled else {}
        camera = {
            "camera": "north",
            "state": "up",
            "observed_ms": 5_000,
            "frames": 35,
            "analysed": 9,
            **fault,
        }
        box.produce("window", {"start_ms": start_ms, "expected_ms": 5_000, "observed_ms": 5_000, "person_ms": 0, "cameras": [camera]})  # fmt: skip
        payloads.append(box.payload(arrived_ms=now_ms))
    with contextlib.closing(connect_readonly(folder / DATABASE)) as db:
        watching = LiveAlerts(store, db, sites)
        watching.tick(now_ms)
        begun_s = time.perf_counter()
        for first in range(0, count, 50):
            applier.apply_many(payloads[first : first + 50])
        applied_s = time.perf_counter() - begun_s
        begun_s = time.perf_counter()
        watching.tick(now_ms)
        looked_s = time.perf_counter() - begun_s
    store.close()
    print(
        f"live: {count} windows applied in {applied_s:.3f} s, looked at in {looked_s:.3f} s, {troubled} with a fault"
    )
    print(f"live: a look costs {looked_s / applied_s:.3f} of applying the windows")


def drift(folder: Path) -> None:
    """One hour of a branch with history."""
    site = parse_site(share("configs/simulated.toml").read_text(encoding="utf-8"))
    store = SqliteStore(folder)
    sites = {site.id: site}
    now_ms = time.time_ns() // 1_000_000
    applier = Applier(store, sites, lambda: now_ms)
    history = share("sample_history") / "river-street.ndjson.xz"
    begun_s = time.perf_counter()
    imported = import_items(
        history, site, "simulator", store=store, applier=applier, now_ms=now_ms, shift_to_today=True
    )
    an_hour_s = (time.perf_counter() - begun_s) / imported.stored * 60
    with contextlib.closing(connect_readonly(folder / DATABASE)) as db:
        checker = Checker(Evidence(db), site, Hours.always(site), CountError())
        end_ms = bucket_start_ms(now_ms, "hour", site.zone_info)
        hours = [hour for hour in checker.hours((end_ms - 72 * HOUR_MS, end_ms)) if checker.open_ms(hour)]
        begun_s = time.perf_counter()
        for hour in hours:
            checker.hour(hour)
        looked_s = (time.perf_counter() - begun_s) / len(hours)
    store.close()
    print(f"drift: {1000 * looked_s:.1f} ms an hour of a branch, over {len(hours)} hours")
    print(
        f"drift: {looked_s / an_hour_s:.3f} of applying that hour's 60 windows of a minute (a box sends 720 of 5 s)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=1_000)
    parser.add_argument("--troubled", type=int, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        live(Path(data) / "live", asked.sites, asked.troubled)
        drift(Path(data) / "drift")
