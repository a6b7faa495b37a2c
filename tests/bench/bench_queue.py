"""Waits, abandonments and dwell of a simulated branch against its simulator's truth, by `edge simulate`.

    python tests/bench/bench_queue.py [--days 3] [--sigma 0.15] [--drop 0.1]

Floor tracks with noise and drop-out go in, events come out; the same tracks without either stand beside.
Simulated: what is measured is the counting, not a camera.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import simulate_branch  # noqa: E402

from branchloop.site.site import parse_site  # noqa: E402
from edge.simulate import simulate  # noqa: E402

FIRST_DAY = date(2026, 11, 9)
ZONES = ("queue", "tellers", "atm", "desk", "seats")


def events_of(day: simulate_branch.Day, sigma_m: float, drop: float, seed: int = 1) -> list[dict[str, Any]]:
    """Events of `edge simulate` for the day's tracks with normal noise and random drop-out."""
    rng = np.random.default_rng(seed)
    kept = rng.random(day.t_s.size) >= drop
    x, y = (values + rng.normal(0, 1, values.size) * sigma_m for values in (day.x_m, day.y_m))
    site = parse_site((ROOT / "configs" / "simulated.toml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        tracks = Path(folder) / "tracks.csv"
        with tracks.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["t_s", "id", "x_m", "y_m"])
            writer.writerows(
                (f"{t:.3f}", i, f"{a:.3f}", f"{b:.3f}")
                for t, i, a, b in zip(day.t_s[kept], day.id[kept], x[kept], y[kept], strict=True)
            )
        simulate(site, tracks, Path(folder) / "out")
        lines = (Path(folder) / "out" / "events.ndjson").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def figures(truth: list[dict[str, Any]], events: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Counts and relative errors of mean and median, waits and dwell, all days together."""
    found = [event for day in events for event in day]
    waits = [event for event in found if event["event"] == "wait"]
    result: dict[str, Any] = {"lost": sum(wait["outcome"] == "lost" for wait in waits)}
    for outcome in ("served", "abandoned"):
        ours = [wait["wait_s"] for wait in waits if wait["outcome"] == outcome]
        true = [w["wait_s"] for day in truth for w in day["waits"] if w["outcome"] == outcome]
        result[outcome] = _compared(ours, true)
    for zone in ZONES:
        ours = [event["dwell_s"] for event in found if event["event"] == "visit" and event["zone"] == zone]
        true = [v["end_s"] - v["start_s"] for day in truth for v in day["visits"] if v["zone"] == zone]
        result[f"dwell in {zone}"] = _compared(ours, true)
    return result


def _compared(ours: list[float], true: list[float]) -> dict[str, Any]:
    row: dict[str, Any] = {"counted": len(ours), "true": len(true)}
    if ours and true:
        for name, value in (("mean", np.mean), ("median", np.median)):
            a, b = float(value(ours)), float(value(true))
            row |= {
                f"{name}_s": round(a, 1),
                f"true_{name}_s": round(b, 1),
                f"{name}_error": round(a / b - 1, 4),
            }
    return row


def main() -> None:
    """Print one JSON object per condition."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--hours", default="10:00-15:00")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sigma", type=float, default=0.15)
    parser.add_argument("--drop", type=float, default=0.1)
    given = parser.parse_args()
    days = [
        simulate_branch.simulate_day(FIRST_DAY + timedelta(days=i), given.seed, hours=given.hours)
        for i in range(given.days)
    ]
    truth = [day.truth() for day in days]
    for sigma_m, drop in ((0.0, 0.0), (given.sigma, given.drop)):
        row = figures(truth, [events_of(day, sigma_m, drop) for day in days])
        print(json.dumps({"simulated": True, "sigma_m": sigma_m, "drop": drop, **row}, indent=1))


if __name__ == "__main__":
    main()
