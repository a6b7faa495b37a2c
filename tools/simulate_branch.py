"""Simulate the visitors of a bank branch: their walks on the floor, and the truth about them.

The branch measures 12 × 9 m: a door with a porch at the bottom, a ticket machine, a standing line,
four teller counters along the top, two cash machines in the corner at the right, an adviser's desk,
waiting seats at the left. Coordinates are metres on the site's plan: x to the right, **y down**, the
origin at the top-left corner. Times `t_s` are **seconds since local midnight** of the day.

First the day is decided by events (arrivals, tickets, calls, services, lost patience); then every
visitor's path is drawn at 10 Hz, people who would touch step aside, and the paths are sampled. The
sampling rate changes nothing in what happens. Same seed and date, same day. Staff are not simulated.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import (
    date as Date,  # noqa: N812  `date` is the argument's name everywhere
    timedelta,
)
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from simulated_events import PURPOSES, Branch, Visitor, arrivals, hours_of
from simulated_floor import DOOR, HEIGHT_M, SITE, TIMEZONE
from simulated_truth import visits, waits
from simulated_walks import RATE_HZ, Floats, Track, draw_path, off_walls, smooth, step_aside

from branchloop.errors import BranchloopError, UsageError
from branchloop.site.hours import spans_min

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Crossing:
    """One crossing of the door line."""

    t_s: float
    id: int
    direction: str


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day. Arrays have one row per person and instant, sorted by time, then id."""

    date: Date
    seed: int
    hz: float
    open_s: tuple[float, float]
    t_s: Floats
    id: Ids
    x_m: Floats
    y_m: Floats
    purpose: NDArray[np.str_]
    visitors: tuple[Visitor, ...]
    crossings: tuple[Crossing, ...]

    def summary(self) -> dict[str, Any]:
        """Totals of the day: visitors by purpose, waits of those served (s), abandonments."""
        served = [v for v in self.visitors if v.service_end_s is not None]
        waits = {p: [v.wait_s or 0.0 for v in served if v.purpose == p] for p in PURPOSES}
        gone = [v for v in self.visitors if v.abandoned_s is not None]
        return {
            "visitors": len(self.visitors),
            "by_purpose": {p: sum(v.purpose == p for v in self.visitors) for p in PURPOSES},
            "served": len(served),
            "abandoned": len(gone),
            "mean_wait_s": {p: round(float(np.mean(w)), 1) if w else None for p, w in waits.items()},
            "p90_wait_s": {p: round(float(np.quantile(w, 0.9)), 1) if w else None for p, w in waits.items()},
            "mean_visit_s": round(float(np.mean([v.left_s - v.arrived_s for v in self.visitors])), 1)
            if self.visitors
            else None,
            "person_s": round(self.t_s.size / self.hz, 1),
        }

    def truth(self) -> dict[str, Any]:
        """Everything that happened, ready for JSON."""

        def r(value: float | None) -> float | None:
            return None if value is None else round(value, 2)

        seen = visits(self.t_s, self.id, self.x_m, self.y_m)
        return {
            "site": SITE, "simulated": True, "date": self.date.isoformat(), "timezone": TIMEZONE, "seed": self.seed,
            "t_zero": "local midnight", "open_s": list(self.open_s), "purposes": {"t": "teller", "a": "atm", "d": "desk"},
            "summary": self.summary(),
            "arrivals": [{"id": v.id, "t_s": r(v.arrived_s), "purpose": v.purpose} for v in self.visitors],
            "services": [
                {"id": v.id, "station": v.station, "counter": v.counter, "joined_s": r(v.joined_s), "called_s": r(v.called_s),
                 "start_s": r(v.service_start_s), "end_s": r(v.service_end_s), "waited_on": v.waited_on}
                for v in self.visitors if v.service_end_s is not None
            ],
            "abandonments": [
                {"id": v.id, "station": v.station, "joined_s": r(v.joined_s), "t_s": r(v.abandoned_s),
                 "waited_s": r(v.wait_s), "waited_on": v.waited_on}
                for v in self.visitors if v.abandoned_s is not None
            ],
            "visits": seen,
            "waits": waits(self.visitors, seen),
            "crossings": [{"t_s": r(c.t_s), "id": c.id, "line": "door", "direction": c.direction} for c in self.crossings],
        }  # fmt: skip


def simulate_day(date: Date, seed: int, hz: float = 5.0, hours: str | None = None) -> Day:
    """Simulate one day; `hours` such as `09:00-17:00` replaces the branch's own. `hz` at most 50."""
    if not 0 < hz <= 50:
        raise UsageError(f"a rate of {hz:g} Hz cannot be sampled.", hint="Choose one from 0.1 to 50.")
    try:
        spans = spans_min(hours or hours_of(date))
    except ValueError as error:
        raise UsageError(f"hours: {error}.") from error
    if len(spans) != 1:
        raise UsageError(f"hours {hours!r} are not one opening span.", hint="Write for example 09:00-17:00.")
    open_s = (spans[0][0] * 60.0, spans[0][1] * 60.0)
    rng = np.random.default_rng([seed, date.toordinal()])
    visitors = arrivals(rng, date, open_s)
    Branch(rng, date, open_s).run(visitors)
    tracks = [draw_path(v.knots, np.random.default_rng([seed, date.toordinal(), v.id])) for v in visitors]
    for _ in range(4):
        step_aside(tracks)
        tracks = [(k0, off_walls(smooth(off_walls(xy), 1.5))) for k0, xy in tracks]
    crossings = sorted(
        (c for v, (k0, xy) in zip(visitors, tracks, strict=True) for c in _crossings(v.id, k0, xy)),
        key=lambda c: (c.t_s, c.id),
    )
    t_s, ids, x_m, y_m = _sampled(visitors, tracks, hz)
    purpose = np.array(["", *(v.purpose for v in visitors)], dtype="<U1")[ids]
    return Day(date, seed, hz, open_s, t_s, ids, x_m, y_m, purpose, tuple(visitors), tuple(crossings))


def _crossings(visitor: int, k0: int, xy: Floats) -> Iterator[Crossing]:
    depth = DOOR[0][1] - xy[:, 1]  # positive inside
    for k in np.flatnonzero((depth[:-1] > 0) != (depth[1:] > 0)):
        share = depth[k] / (depth[k] - depth[k + 1])
        yield Crossing(float((k0 + k + share) / RATE_HZ), visitor, "in" if depth[k + 1] > 0 else "out")


def _sampled(visitors: list[Visitor], tracks: list[Track], hz: float) -> tuple[Floats, Ids, Floats, Floats]:
    """Instants, ids, x and y of everybody on the plan, sorted by instant, then id."""
    none = (np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0), np.zeros(0))
    parts: list[tuple[NDArray[np.int64], Ids, Floats, Floats]] = [none]
    for v, (k0, xy) in zip(visitors, tracks, strict=True):
        at = (k0 + np.arange(len(xy))) / RATE_HZ
        n = np.arange(math.ceil(at[0] * hz - 1e-9), math.floor(at[-1] * hz + 1e-9) + 1)
        x, y = np.interp(n / hz, at, xy[:, 0]).round(3), np.interp(n / hz, at, xy[:, 1]).round(3)
        seen = y <= HEIGHT_M
        parts.append((n[seen], np.full(int(seen.sum()), v.id, np.int32), x[seen], y[seen]))
    n, ids, x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((ids, n))
    return (n[order] / hz).round(4), ids[order], x[order], y[order]


def write_day(day: Day, out: Path) -> tuple[Path, Path]:
    """Write `tracks-DATE.csv` (t_s,id,x_m,y_m,purpose) and `truth-DATE.json`; return both paths."""
    out.mkdir(parents=True, exist_ok=True)
    tracks, truth = out / f"tracks-{day.date}.csv", out / f"truth-{day.date}.json"
    columns = (day.t_s.tolist(), day.id.tolist(), day.x_m.tolist(), day.y_m.tolist(), day.purpose.tolist())
    with tracks.open("w", encoding="utf-8", newline="") as file:
        file.write("t_s,id,x_m,y_m,purpose\n")
        file.writelines(f"{t},{i},{x},{y},{p}\n" for t, i, x, y, p in zip(*columns, strict=True))
    truth.write_text(json.dumps(day.truth(), indent=1) + "\n", encoding="utf-8")
    return tracks, truth


def main(argv: list[str] | None = None) -> int:
    """Command line: one CSV and one JSON per day, and the day's totals on standard output."""
    parser = argparse.ArgumentParser(description="Simulate days of a bank branch as floor tracks with truth.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--date", type=Date.fromisoformat, required=True, help="first day, YYYY-MM-DD")
    parser.add_argument(
        "--hours", help="opening span such as 09:00-17:00; default: the branch's own for the weekday"
    )
    parser.add_argument("--hz", type=float, default=5.0, help="samples a second (default 5)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for tracks-DATE.csv and truth-DATE.json"
    )
    given = parser.parse_args(argv)
    try:
        if given.days < 1 or given.seed < 0:
            raise UsageError("--days must be 1 or more, and --seed 0 or more.")
        for offset in range(given.days):
            day = simulate_day(given.date + timedelta(days=offset), given.seed, given.hz, given.hours)
            write_day(day, given.out)
            print(json.dumps({"date": str(day.date), **day.summary()}))
    except OSError as error:
        print(f"{given.out} cannot be written: {error.strerror}. Choose another --out.", file=sys.stderr)
        return UsageError.exit_code
    except BranchloopError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
