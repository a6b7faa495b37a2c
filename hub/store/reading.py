"""The read side of the SQLite store: exact integer sums over any stretch of whole minutes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchloop.clock import HOUR_MS, MINUTE_MS, bucket_start_ms, from_ms, local_day_end_ms
from branchloop.errors import DependencyError
from branchloop.site import Site
from hub.store.connection import connect_readonly
from hub.store.grid import Grid, unpack
from hub.store.schema import DATABASE

Run = tuple[str, int, int]
"""(level, first bucket, end): a stretch read at one level."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Totals of a stretch; all zero when nothing was stored for it."""

    windows_ms: int = 0
    expected_ms: int = 0
    observed_ms: int = 0
    open_expected_ms: int = 0
    open_observed_ms: int = 0
    person_ms: int = 0
    last_ms: int | None = None


def runs(site: Site, start_ms: int, end_ms: int) -> list[Run]:
    """Cut `[start_ms, end_ms)` (whole minutes) into the largest local buckets that fit."""
    found: list[Run] = []
    at_ms = start_ms
    while at_ms < end_ms:
        level, next_ms = "minute", at_ms + MINUTE_MS
        if bucket_start_ms(at_ms, "day", site.zone_info) == at_ms:
            day_end_ms = local_day_end_ms(from_ms(at_ms, site.zone_info).date(), site.zone_info)
            if day_end_ms <= end_ms:
                level, next_ms = "day", day_end_ms
        if level == "minute" and bucket_start_ms(at_ms, "hour", site.zone_info) == at_ms:
            hour_end_ms = at_ms + HOUR_MS
            same_hour = bucket_start_ms(hour_end_ms - 1, "hour", site.zone_info) == at_ms
            if same_hour and hour_end_ms <= end_ms:
                level, next_ms = "hour", hour_end_ms
        if found and found[-1][0] == level and found[-1][2] == at_ms:
            found[-1] = (level, found[-1][1], next_ms)
        else:
            found.append((level, at_ms, next_ms))
        at_ms = next_ms
    return found


class Reader:
    """One request's view of the database: everything it reads is of one moment."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @classmethod
    @contextmanager
    def open(cls, data_dir: Path) -> Iterator[Reader]:
        """A snapshot. Raises DependencyError when the database cannot be read."""
        db = connect_readonly(data_dir / DATABASE)
        try:
            db.execute("BEGIN")
            yield cls(db)
        except sqlite3.Error as error:
            raise DependencyError(f"the database cannot be read: {error}.", hint="Try again.") from error
        finally:
            db.close()

    def sums(self, site: Site, start_ms: int, end_ms: int) -> Sums:
        """Totals of a stretch."""
        totals = [0] * 6
        last: int | None = None
        for run in runs(site, start_ms, end_ms):
            row = self._db.execute(
                "SELECT sum(windows_ms), sum(expected_ms), sum(observed_ms), sum(open_expected_ms),"
                " sum(open_observed_ms), sum(person_ms), max(last_ms) FROM rollup"
                " WHERE site=? AND level=? AND start_ms>=? AND start_ms<?",
                (site.id, *run),
            ).fetchone()
            totals = [total + (value or 0) for total, value in zip(totals, row[:6], strict=True)]
            last = max((value for value in (last, row[6]) if value is not None), default=None)
        return Sums(totals[0], totals[1], totals[2], totals[3], totals[4], totals[5], last)

    def observed_minutes(self, site: Site, start_ms: int, end_ms: int, level: str) -> dict[int, int]:
        """Start of bucket -> camera time observed in it."""
        rows = self._db.execute(
            "SELECT start_ms, sum(observed_ms) FROM rollup"
            " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY start_ms",
            (site.id, level, start_ms, end_ms),
        )
        return dict(rows.fetchall())

    def lines(self, site: Site, start_ms: int, end_ms: int) -> dict[str, tuple[int, int]]:
        """Line -> crossings in and out."""
        found: dict[str, tuple[int, int]] = {}
        for run in runs(site, start_ms, end_ms):
            for line, count_in, count_out in self._db.execute(
                "SELECT line, sum(crossings_in), sum(crossings_out) FROM rollup_line"
                " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY line",
                (site.id, *run),
            ):
                before = found.get(line, (0, 0))
                found[line] = (before[0] + count_in, before[1] + count_out)
        return found

    def zones(self, site: Site, start_ms: int, end_ms: int) -> dict[str, tuple[int, int, dict[int, int]]]:
        """Zone -> (person ms, visits begun, dwell histogram of the visits ended)."""
        found: dict[str, tuple[int, int, dict[int, int]]] = {}
        for run in runs(site, start_ms, end_ms):
            where = (site.id, *run)
            for zone, person_ms, entries in self._db.execute(
                "SELECT zone, sum(person_ms), sum(entries) FROM rollup_zone"
                " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY zone",
                where,
            ):
                before = found.get(zone, (0, 0, {}))
                found[zone] = (before[0] + person_ms, before[1] + entries, before[2])
            for zone, index, visits in self._db.execute(
                "SELECT zone, bin, sum(visits) FROM rollup_dwell"
                " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY zone, bin",
                where,
            ):
                bins = found.setdefault(zone, (0, 0, {}))[2]
                bins[index] = bins.get(index, 0) + visits
        return found

    def cameras(self, site: Site, start_ms: int, end_ms: int) -> dict[str, tuple[int, int, int]]:
        """Camera -> (window ms, observed ms, frames analysed)."""
        found: dict[str, tuple[int, int, int]] = {}
        for run in runs(site, start_ms, end_ms):
            for camera, *values in self._db.execute(
                "SELECT camera, sum(windows_ms), sum(observed_ms), sum(analysed) FROM rollup_camera"
                " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY camera",
                (site.id, *run),
            ):
                before = found.get(camera, (0, 0, 0))
                found[camera] = (before[0] + values[0], before[1] + values[1], before[2] + values[2])
        return found

    def heat(self, site: Site, start_ms: int, end_ms: int) -> Grid | None:
        """Milli-person-seconds per plan cell (flat); None when no grid was stored for the stretch.

        Only grids of the plan's present cells are added: another shape is another plan.
        """
        plan = site.plan
        total: Grid | None = None
        for run in runs(site, start_ms, end_ms):
            for (blob,) in self._db.execute(
                "SELECT grid FROM heat WHERE site=? AND level=? AND start_ms>=? AND start_ms<?"
                " AND cell_mm=? AND rows=? AND cols=?",
                (site.id, *run, round(plan.cell_m * 1000), plan.rows, plan.cols),
            ):
                grid = unpack(blob)
                total = grid if total is None else total + grid
        return total

    def methods(self, site: Site, start_ms: int, end_ms: int) -> list[str]:
        """How the figures of a stretch were made."""
        return sorted(
            {
                method
                for run in runs(site, start_ms, end_ms)
                for (method,) in self._db.execute(
                    "SELECT DISTINCT method FROM rollup_method"
                    " WHERE site=? AND level=? AND start_ms>=? AND start_ms<?",
                    (site.id, *run),
                )
            }
        )

    def latest(self, site: str) -> dict[str, Any] | None:
        """The newest window of a site by event time."""
        row = self._db.execute(
            "SELECT body FROM latest WHERE site=? ORDER BY end_ms DESC LIMIT 1", (site,)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def device(self, site: str) -> tuple[bool | None, int, dict[str, Any]] | None:
        """(online, last heard of, last status) of a site's box."""
        row = self._db.execute(
            "SELECT online, last_seen_ms, body FROM device_status WHERE site=? ORDER BY last_seen_ms DESC LIMIT 1",
            (site,),
        ).fetchone()
        if row is None:
            return None
        online = None if row[0] is None else bool(row[0])
        return online, row[1], json.loads(row[2]) if row[2] else {}

    def notices(self, site: str, most: int) -> list[dict[str, Any]]:
        """The last notices, newest first."""
        columns = ("id", "what", "at_ms", "line", "direction", "subject", "state", "detail", "fate")
        rows = self._db.execute(
            f"SELECT {', '.join(columns)} FROM notice WHERE site=? AND what IS NOT NULL"
            " ORDER BY at_ms DESC, id LIMIT ?",
            (site, most),
        )
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def feed(self, after: int, most: int) -> list[tuple[int, str, str, int, str]]:
        """(id, site, event, at_ms, body) of the feed above `after`."""
        rows = self._db.execute(
            "SELECT id, site, event, at_ms, body FROM feed WHERE id > ? ORDER BY id LIMIT ?", (after, most)
        )
        return rows.fetchall()

    def feed_head(self) -> int:
        """The newest id of the feed."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name='feed'").fetchone()
        return row[0] if row else 0

    def ingest(self) -> tuple[bool, int, int | None]:
        """(connected to the broker, last heartbeat, last commit), over all workers."""
        row = self._db.execute(
            "SELECT max(connected), max(at_ms), max(committed_ms) FROM heartbeat"
        ).fetchone()
        return bool(row[0]), row[1] or 0, row[2]
