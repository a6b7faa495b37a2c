"""The read side of the SQLite store: exact integer sums over any stretch of whole minutes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from branchloop.errors import DependencyError
from branchloop.site import Site
from hub.store.connection import connect_readonly
from hub.store.grid import Grid, unpack
from hub.store.schema import DATABASE
from hub.store.stretch import Kept, Run, Span, runs
from hub.store.sums import Level

Crossings = dict[str, tuple[int, int]]
"""Line -> crossings in and out."""
FeedRow = tuple[int, str, str, int, str]
"""(id, site, event, at_ms, body)"""
_SUMS = (
    "sum(windows_ms), sum(expected_ms), sum(observed_ms), sum(open_expected_ms),"
    " sum(open_observed_ms), sum(person_ms), max(last_ms)"
)
_WHERE = "WHERE site=? AND level=? AND start_ms>=? AND start_ms<?"


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


class Reader:
    """One request's view of the database: everything it reads is of one moment."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kept: Kept | None = None
        self._cut: dict[tuple[str, int, int], list[Run]] = {}

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

    def kept(self, site: Site) -> Kept:
        """What retention has left of a site's roll-ups."""
        if self._kept is None:
            marks = dict(self._db.execute("SELECT what, before_ms FROM pruned").fetchall())
            self._kept = Kept(marks.get("minute", 0), marks.get("hour", 0))
        return self._kept.of(site.zone_info)

    def sums(self, site: Site, span: Span) -> Sums:
        """Totals of a stretch."""
        totals = [0] * 6
        last: int | None = None
        for run in self._runs(site, span):
            row = self._db.execute(f"SELECT {_SUMS} FROM rollup {_WHERE}", (site.id, *run)).fetchone()
            totals = [total + (value or 0) for total, value in zip(totals, row[:6], strict=True)]
            last = max((value for value in (last, row[6]) if value is not None), default=None)
        return Sums(totals[0], totals[1], totals[2], totals[3], totals[4], totals[5], last)

    def sums_by_bucket(self, site: Site, span: Span, level: Level) -> dict[int, Sums]:
        """Start of bucket -> its totals, for every bucket that something was stored for."""
        rows = self._db.execute(
            f"SELECT start_ms, {_SUMS} FROM rollup {_WHERE} GROUP BY start_ms", (site.id, level, *span)
        )
        return {start_ms: Sums(*values) for start_ms, *values in rows}

    def observed(self, site: Site, span: Span, level: Level) -> set[int]:
        """Starts of the buckets in which anything was observed."""
        rows = self._db.execute(
            f"SELECT DISTINCT start_ms FROM rollup {_WHERE} AND observed_ms > 0", (site.id, level, *span)
        )
        return {start_ms for (start_ms,) in rows}

    def lines_by_bucket(self, site: Site, span: Span, level: Level) -> dict[int, Crossings]:
        """Start of bucket -> line -> crossings in and out."""
        found: dict[int, Crossings] = {}
        for start_ms, line, count_in, count_out in self._db.execute(
            "SELECT start_ms, line, sum(crossings_in), sum(crossings_out) FROM rollup_line"
            f" {_WHERE} GROUP BY start_ms, line",
            (site.id, level, *span),
        ):
            found.setdefault(start_ms, {})[line] = (count_in, count_out)
        return found

    def lines(self, site: Site, span: Span) -> Crossings:
        """Line -> crossings in and out."""
        found: Crossings = {}
        for run in self._runs(site, span):
            for line, count_in, count_out in self._db.execute(
                f"SELECT line, sum(crossings_in), sum(crossings_out) FROM rollup_line {_WHERE} GROUP BY line",
                (site.id, *run),
            ):
                before = found.get(line, (0, 0))
                found[line] = (before[0] + count_in, before[1] + count_out)
        return found

    def zones(self, site: Site, span: Span) -> dict[str, tuple[int, int, dict[int, int]]]:
        """Zone -> (person ms, visits begun, dwell histogram of the visits ended)."""
        found: dict[str, tuple[int, int, dict[int, int]]] = {}
        for run in self._runs(site, span):
            where = (site.id, *run)
            for zone, person_ms, entries in self._db.execute(
                f"SELECT zone, sum(person_ms), sum(entries) FROM rollup_zone {_WHERE} GROUP BY zone",
                where,
            ):
                before = found.get(zone, (0, 0, {}))
                found[zone] = (before[0] + person_ms, before[1] + entries, before[2])
            for zone, index, visits in self._db.execute(
                f"SELECT zone, bin, sum(visits) FROM rollup_dwell {_WHERE} GROUP BY zone, bin",
                where,
            ):
                bins = found.setdefault(zone, (0, 0, {}))[2]
                bins[index] = bins.get(index, 0) + visits
        return found

    def cameras(self, site: Site, span: Span) -> dict[str, tuple[int, int, int]]:
        """Camera -> (window ms, observed ms, frames analysed)."""
        found: dict[str, tuple[int, int, int]] = {}
        for run in self._runs(site, span):
            for camera, *values in self._db.execute(
                "SELECT camera, sum(windows_ms), sum(observed_ms), sum(analysed) FROM rollup_camera"
                f" {_WHERE} GROUP BY camera",
                (site.id, *run),
            ):
                before = found.get(camera, (0, 0, 0))
                found[camera] = (before[0] + values[0], before[1] + values[1], before[2] + values[2])
        return found

    def heat(self, site: Site, span: Span) -> Grid | None:
        """Milli-person-seconds per plan cell (flat); None when no grid was stored for the stretch.

        Only grids of the plan's present cells are added: another shape is another plan.
        """
        plan = site.plan
        total: Grid | None = None
        for run in self._runs(site, span):
            for (blob,) in self._db.execute(
                f"SELECT grid FROM heat {_WHERE} AND cell_mm=? AND rows=? AND cols=?",
                (site.id, *run, round(plan.cell_m * 1000), plan.rows, plan.cols),
            ):
                grid = unpack(blob)
                total = grid if total is None else total + grid
        return total

    def heat_left_out(self, site: Site, span: Span) -> int:
        """Milli-person-seconds stored for another plan's cells, which `heat` does not add."""
        plan = site.plan
        return sum(
            self._db.execute(
                f"SELECT coalesce(sum(total_mps), 0) FROM heat {_WHERE}"
                " AND (cell_mm, rows, cols) IS NOT (?,?,?)",
                (site.id, *run, round(plan.cell_m * 1000), plan.rows, plan.cols),
            ).fetchone()[0]
            for run in self._runs(site, span)
        )

    def methods(self, site: Site, span: Span) -> list[str]:
        """How the figures of a stretch were made."""
        return sorted(
            {
                method
                for run in self._runs(site, span)
                for (method,) in self._db.execute(
                    f"SELECT DISTINCT method FROM rollup_method {_WHERE}",
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

    def feed(self, after: int, most: int) -> list[FeedRow]:
        """The feed of all sites above `after`, in order."""
        return self._db.execute(
            "SELECT id, site, event, at_ms, body FROM feed WHERE id > ? ORDER BY id LIMIT ?", (after, most)
        ).fetchall()

    def site_feed(self, site: str, after: int, upto: int, most: int) -> list[FeedRow]:
        """One site's feed above `after`, up to and including `upto`, in order."""
        return self._db.execute(
            "SELECT id, site, event, at_ms, body FROM feed"
            " WHERE site=? AND id > ? AND id <= ? ORDER BY id LIMIT ?",
            (site, after, upto, most),
        ).fetchall()

    def feed_head(self) -> int:
        """The newest id of the feed."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name='feed'").fetchone()
        return row[0] if row else 0

    def feed_tail(self) -> int:
        """The oldest id of the feed that is still kept; one above the head when none is."""
        row = self._db.execute("SELECT min(id) FROM feed").fetchone()
        return self.feed_head() + 1 if row[0] is None else row[0]

    def ingest(self) -> tuple[bool, int, int | None]:
        """(connected to the broker, last heartbeat, last commit), over all workers."""
        row = self._db.execute(
            "SELECT max(connected), max(at_ms), max(committed_ms) FROM heartbeat"
        ).fetchone()
        return bool(row[0]), row[1] or 0, row[2]

    def _runs(self, site: Site, span: Span) -> list[Run]:
        key = (site.id, *span)
        if key not in self._cut:
            self._cut[key] = runs(span, site.zone_info, self.kept(site))
        return self._cut[key]
