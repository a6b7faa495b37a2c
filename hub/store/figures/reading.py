"""The read side of the SQLite store: exact integer sums over any stretch of whole minutes."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from branchloop.clock import bucket_end_ms
from branchloop.errors import DependencyError
from branchloop.site.site import Site
from hub.store.branches.opening import Hours, OpeningHistory
from hub.store.connection import connect_readonly
from hub.store.figures import entrances
from hub.store.figures.alerts import Alerts, StoredAlert
from hub.store.figures.evidence import Evidence
from hub.store.figures.grid import Grid, unpack
from hub.store.figures.sqlite_rollups import GRID_TABLES
from hub.store.figures.stretch import Kept, Run, Span, runs
from hub.store.figures.sums import LINE_SUMS, Level, LineSums, QueueSums, ZoneSums, after_each_other
from hub.store.schema.core import DATABASE

Crossings = dict[str, LineSums]
"""Line -> its crossings."""
Faults = dict[tuple[str, str], Counter[str]]
"""("camera", "sensor", "pair" or "check", its id) -> fault -> how long (ms)."""
FeedRow = tuple[int, str, str, int, str]
"""(id, site, event, at_ms, body)"""
_SUMS = (
    "sum(windows_ms), sum(expected_ms), sum(observed_ms), sum(open_expected_ms),"
    " sum(open_observed_ms), sum(person_ms), sum(staff_ms), sum(filled_ms), sum(looked_ms), max(last_ms)"
)
_LINE = ", ".join(["line", *(f"sum({name})" for name in LINE_SUMS)])
_QUEUE = (
    "queue, sum(windows_ms), sum(person_ms), sum(joined), sum(lost), sum(served_count), sum(served_sum_ms),"
    " sum(abandoned_count), sum(abandoned_sum_ms), sum(observed_ms), sum(open_observed_ms)"
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
    staff_ms: int = 0
    filled_ms: int = 0
    looked_ms: int = 0
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

    def evidence(self) -> Evidence:
        """What the checks rest on, of the same moment."""
        return Evidence(self._db)

    def hours(self, site: Site, now_ms: int) -> Hours:
        """A site's opening hours over time."""
        return OpeningHistory(self._db).of(site, now_ms)

    def sums(self, site: Site, span: Span) -> Sums:
        """Totals of a stretch."""
        totals = [0] * 9
        last: int | None = None
        for run in self._runs(site, span):
            *values, run_last = self._db.execute(
                f"SELECT {_SUMS} FROM rollup {_WHERE}", (site.id, *run)
            ).fetchone()
            totals = [total + (value or 0) for total, value in zip(totals, values, strict=True)]
            last = max((value for value in (last, run_last) if value is not None), default=None)
        return replace(Sums(*totals), last_ms=last)

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

    def lines(self, site: Site, span: Span) -> Crossings:
        """Line -> its crossings."""
        found: Crossings = {}
        for run in self._runs(site, span):
            for line, *values in self._db.execute(
                f"SELECT {_LINE} FROM rollup_line {_WHERE} GROUP BY line", (site.id, *run)
            ):
                found[line] = after_each_other([found.get(line, LineSums()), LineSums(*values)])
        return found

    def entered_by_bucket(self, site: Site, span: Span, level: Level) -> dict[int, LineSums]:
        """Start of bucket -> crossings of its entrances, where any are known.

        Of a day that goes by the entrances of now its hours tell: a door that was drawn at noon and one that was out until
        then were not the same time.
        """
        now = [line.id for line in site.entrances]
        found: dict[int, LineSums] = {}
        for start_ms, bucket in entrances.entered(self._db, site.id, now, level, span).items():
            found[start_ms] = bucket.sums
            if level == "day" and not bucket.certain and self.kept(site).has("hour", start_ms):
                day = start_ms, bucket_end_ms(start_ms, "day", site.zone_info)
                hours = entrances.entered(self._db, site.id, now, "hour", day)
                found[start_ms] = after_each_other([hour.sums for hour in hours.values()])
        return found

    def entered(self, site: Site, span: Span) -> LineSums:
        """Crossings of the entrances in a stretch."""
        return after_each_other(
            [
                sums
                for level, *run in self._runs(site, span)
                for sums in self.entered_by_bucket(site, (run[0], run[1]), level).values()
            ]
        )

    def queues_by_bucket(self, site: Site, span: Span, level: Level) -> dict[int, dict[str, QueueSums]]:
        """Start of bucket -> queue -> its sums, waits included."""
        found: dict[int, dict[str, QueueSums]] = {}
        where = (site.id, level, *span)
        for start_ms, queue, *values in self._db.execute(
            f"SELECT start_ms, {_QUEUE} FROM rollup_queue {_WHERE} GROUP BY start_ms, queue", where
        ):
            found.setdefault(start_ms, {})[queue] = QueueSums(*values)
        for start_ms, queue, fate, index, waits in self._db.execute(
            f"SELECT start_ms, queue, fate, bin, sum(waits) FROM rollup_wait {_WHERE}"
            " GROUP BY start_ms, queue, fate, bin",
            where,
        ):
            getattr(found[start_ms][queue], fate)[index] = waits
        return found

    def queues(self, site: Site, span: Span) -> dict[str, QueueSums]:
        """Queue -> its sums, waits included."""
        found: dict[str, QueueSums] = {}
        for level, start_ms, end_ms in self._runs(site, span):
            for queues in self.queues_by_bucket(site, (start_ms, end_ms), level).values():
                for queue, sums in queues.items():
                    found.setdefault(queue, QueueSums()).add(sums)
        return found

    def faults(self, site: Site, span: Span) -> Faults:
        """How long each camera, sensor and pair of cameras had which fault; what never had any is absent."""
        found: Faults = {}
        for run in self._runs(site, span):
            for part, subject, fault, fault_ms in self._db.execute(
                "SELECT part, subject, fault, sum(fault_ms) FROM rollup_fault"
                f" {_WHERE} GROUP BY part, subject, fault",
                (site.id, *run),
            ):
                found.setdefault((part, subject), Counter())[fault] += fault_ms
        return found

    def doubts(self, site: Site, span: Span, now_ms: int) -> Faults:
        """Faults, and as of the part "check" what proved not to add up, with how much of the stretch each concerns."""
        found = self.faults(site, span)
        for (kind, subject), concerned_ms in Alerts(self._db).proofs(site.id, span, now_ms).items():
            found.setdefault(("check", subject), Counter())[kind] = concerned_ms
        return found

    def open_alerts(self, site: str) -> list[StoredAlert]:
        """Open alerts of a site, newest first."""
        return Alerts(self._db).open_alerts(site)

    def zones(self, site: Site, span: Span) -> dict[str, ZoneSums]:
        """Zone -> its person time, visits begun, and the dwell histogram of the visits ended."""
        found: dict[str, ZoneSums] = {}
        for run in self._runs(site, span):
            where = (site.id, *run)
            for zone, person_ms, entries, *observed in self._db.execute(
                "SELECT zone, sum(person_ms), sum(entries), sum(observed_ms), sum(open_observed_ms) FROM rollup_zone"
                f" {_WHERE} GROUP BY zone",
                where,
            ):
                sums = found.setdefault(zone, ZoneSums())
                sums.person_ms += person_ms
                sums.entries += entries
                sums.observed_ms += observed[0]
                sums.open_observed_ms += observed[1]
            for zone, index, visits in self._db.execute(
                f"SELECT zone, bin, sum(visits) FROM rollup_dwell {_WHERE} GROUP BY zone, bin",
                where,
            ):
                found.setdefault(zone, ZoneSums()).bins[index] += visits
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

    def heat(self, site: Site, span: Span, kind: Literal["heat", "filled"] = "heat") -> Grid | None:
        """Milli-person-seconds per plan cell (flat); None when no grid was stored for the stretch.

        Only grids of the plan's present cells are added: another shape is another plan. `filled` is what
        was estimated from sensors, and is in no cell of `heat`.
        """
        plan = site.plan
        total: Grid | None = None
        for run in self._runs(site, span):
            for (blob,) in self._db.execute(
                f"SELECT grid FROM {GRID_TABLES[kind][0]} {_WHERE} AND cell_mm=? AND rows=? AND cols=?",
                (site.id, *run, round(plan.cell_m * 1000), plan.rows, plan.cols),
            ):
                grid = unpack(blob)
                total = grid if total is None else total + grid
        return total

    def flow(self, site: Site, span: Span) -> tuple[int, Grid] | None:
        """(cell in mm, sums of steps by layer dx, dy, path in mm, row and column), of the present plan's extent.

        None when no walk was stored. Of grids of several cells, the one with the longest way: they cannot
        be added.
        """
        totals: dict[tuple[int, int, int], Grid] = {}
        for run in self._runs(site, span):
            for cell_mm, rows, cols, blob in self._db.execute(
                f"SELECT cell_mm, rows, cols, grid FROM flow {_WHERE}", (site.id, *run)
            ):
                if (rows, cols) != (
                    _cells(site.plan.height_m, cell_mm),
                    _cells(site.plan.width_m, cell_mm),
                ):
                    continue
                grid = unpack(blob).reshape(3, rows, cols)
                shape = (cell_mm, rows, cols)
                totals[shape] = totals[shape] + grid if shape in totals else grid
        if not totals:
            return None
        shape = max(totals, key=lambda each: int(totals[each][2].sum()))
        return shape[0], totals[shape]

    def flow_left_out(self, site: Site, span: Span, cell_mm: int | None) -> int:
        """Millimetres of way stored for other cells than these of the present plan, which `flow` does not add."""
        size_m = (site.plan.height_m, site.plan.width_m)
        shape = (
            (None, None, None)
            if cell_mm is None
            else (cell_mm, *(_cells(side_m, cell_mm) for side_m in size_m))
        )
        return sum(
            self._db.execute(
                f"SELECT coalesce(sum(total_path_mm), 0) FROM flow {_WHERE}"
                " AND (cell_mm, rows, cols) IS NOT (?,?,?)",
                (site.id, *run, *shape),
            ).fetchone()[0]
            for run in self._runs(site, span)
        )

    def heat_left_out(self, site: Site, span: Span, kind: Literal["heat", "filled"] = "heat") -> int:
        """Milli-person-seconds stored for another plan's cells, which `heat` does not add."""
        plan = site.plan
        return sum(
            self._db.execute(
                f"SELECT coalesce(sum(total_mps), 0) FROM {GRID_TABLES[kind][0]} {_WHERE}"
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

    def device(self, site: Site) -> tuple[bool | None, int, dict[str, Any]] | None:
        """(online, last heard of, last status) of a site's box, never of a kiosk.

        Where the hub's file names no box, of whatever else was heard of last.
        """
        kiosks = {kiosk.id for kiosk in site.kiosks}
        for device, online, seen_ms, body in self._db.execute(
            "SELECT device, online, last_seen_ms, body FROM device_status WHERE site=? ORDER BY last_seen_ms DESC",
            (site.id,),
        ):
            if device not in kiosks and (site.box is None or device == site.box.id):
                return None if online is None else bool(online), seen_ms, json.loads(body) if body else {}
        return None

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


def _cells(length_m: float, cell_mm: int) -> int:
    return math.ceil(length_m * 1000 / cell_mm - 1e-9)
