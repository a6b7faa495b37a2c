"""What the checks rest on: exact sums of one site by hour and minute, read from the roll-ups."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from branchloop.clock import DAY_MS
from hub.store.figures.entrances import entered
from hub.store.figures.grid import Grid, unpack
from hub.store.figures.stretch import Span
from hub.store.figures.sums import Level, per_camera_ms

Part = Literal["camera", "sensor"]
_PART = 500
LAST_MS = 300_000
"""So far back from the end of a span somebody is looked for on the plan."""
SILENCE_MS = 30 * DAY_MS
"""About what a box keeps for a hub that is away: see `box.outbox_max_mb`."""
SILENCE_TIMES = 30
"""A silence so many times as long as all that was stored before it makes that a stray."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Totals of one bucket, over all devices."""

    windows_ms: int
    expected_ms: int
    observed_ms: int
    open_observed_ms: int
    person_ms: int
    last_ms: int
    looked_ms: int

    def per_camera_ms(self, camera_ms: int) -> int | None:
        """Part of the observed time by camera, by the number of cameras of that time; None when that is not told."""
        return per_camera_ms(camera_ms, self.windows_ms, self.expected_ms)

    @property
    def people(self) -> float | None:
        """Mean number of people, staff included, over the time in which cameras looked."""
        return self.person_ms / self.looked_ms if self.looked_ms > 0 else None


@dataclass(frozen=True, slots=True)
class PartHour:
    """One line or zone in one hour: its observed time, by as many cameras as there are, and how many were counted there."""

    observed_ms: int
    count: int


@dataclass(frozen=True, slots=True)
class CameraHour:
    """One camera in one hour; `analysed` frames had movement in them."""

    observed_ms: int
    analysed: int


@dataclass(frozen=True, slots=True)
class SensorHour:
    """One sensor in one hour; `told_ms` is the time in which presence could be told."""

    observed_ms: int
    present_ms: int
    told_ms: int


class Evidence:
    """Reads of one moment, over a connection that is in a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def totals(self, site: str, level: Level, span: Span) -> dict[int, Observed]:
        """Start of bucket -> totals, in order, for every bucket that something was stored for."""
        rows = self._db.execute(
            "SELECT start_ms, sum(windows_ms), sum(expected_ms), sum(observed_ms), sum(open_observed_ms),"
            " sum(person_ms + staff_ms), max(last_ms), sum(looked_ms) FROM rollup"
            " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY start_ms ORDER BY start_ms",
            (site, level, *span),
        )
        return {start_ms: Observed(*rest) for start_ms, *rest in rows}

    def passages(
        self, site: str, now: Collection[str], span: Span, level: Level = "hour"
    ) -> dict[int, tuple[int, int]]:
        """Start of bucket -> crossings (in, out) of the entrances, staff included; `now` are the lines that are entrances now."""
        found = entered(self._db, site, now, level, span)
        return {
            start_ms: (
                bucket.sums.crossings_in + bucket.sums.staff_in,
                bucket.sums.crossings_out + bucket.sums.staff_out,
            )
            for start_ms, bucket in found.items()
        }

    def passed(self, site: str, lines: Collection[str], span: Span) -> dict[str, tuple[int, int]]:
        """Line -> crossings (in, out) of some lines in a stretch of whole hours, staff included."""
        rows = self._db.execute(
            "SELECT line, sum(crossings_in + staff_in), sum(crossings_out + staff_out) FROM rollup_line"
            f" WHERE site=? AND level='hour' AND start_ms>=? AND start_ms<? AND line IN ({','.join('?' * len(lines))})"
            " GROUP BY line",
            (site, *span, *lines),
        )
        return {line: (went_in, went_out) for line, went_in, went_out in rows}

    def open_watched(self, site: str, now: Collection[str], span: Span) -> dict[int, int]:
        """Start of hour -> observed opening time (ms) of the entrances, where there were any."""
        found = entered(self._db, site, now, "hour", span)
        return {
            start_ms: bucket.sums.open_observed_ms
            for start_ms, bucket in found.items()
            if bucket.sums.told_ms or not bucket.certain
        }

    def lines_at(self, site: str, hours: Iterable[int]) -> dict[int, dict[str, PartHour]]:
        """Start of hour -> line -> crossings of both directions, staff included."""
        return self._counted_at("line", "crossings_in + crossings_out + staff_in + staff_out", site, hours)

    def zones_at(self, site: str, hours: Iterable[int]) -> dict[int, dict[str, PartHour]]:
        """Start of hour -> zone -> visits."""
        return self._counted_at("zone", "entries", site, hours)

    def cameras_at(self, site: str, hours: Iterable[int]) -> dict[int, dict[str, CameraHour]]:
        """Start of hour -> camera -> what it observed."""
        found: dict[int, dict[str, CameraHour]] = {}
        for start_ms, camera, *sums in self._at(
            "SELECT start_ms, camera, sum(observed_ms), sum(analysed) FROM rollup_camera",
            "camera", site, "hour", hours,
        ):  # fmt: skip
            found.setdefault(start_ms, {})[camera] = CameraHour(*sums)
        return found

    def cameras_missed(self, site: str, level: Level, span: Span) -> dict[str, dict[int, int]]:
        """Camera -> start of bucket -> ms of its windows that it did not observe; a camera that missed nothing is absent."""
        found: dict[str, dict[int, int]] = {}
        for camera, start_ms, missed_ms in self._db.execute(
            "SELECT camera, start_ms, sum(windows_ms - observed_ms) AS missed_ms FROM rollup_camera"
            " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY camera, start_ms HAVING missed_ms > 0"
            " ORDER BY camera, start_ms",
            (site, level, *span),
        ):
            found.setdefault(camera, {})[start_ms] = missed_ms
        return found

    def sensors_at(self, site: str, hours: Iterable[int]) -> dict[int, dict[str, SensorHour]]:
        """Start of hour -> sensor -> what it told."""
        found: dict[int, dict[str, SensorHour]] = {}
        for start_ms, sensor, *sums in self._at(
            "SELECT start_ms, sensor, sum(observed_ms), sum(present_ms), sum(presence_observed_ms)"
            " FROM rollup_sensor",
            "sensor", site, "hour", hours,
        ):  # fmt: skip
            found.setdefault(start_ms, {})[sensor] = SensorHour(*sums)
        return found

    def totals_at(self, site: str, level: Level, starts: Iterable[int]) -> dict[int, Observed]:
        """Totals of single buckets."""
        rows = self._at(
            "SELECT start_ms, sum(windows_ms), sum(expected_ms), sum(observed_ms), sum(open_observed_ms),"
            " sum(person_ms + staff_ms), max(last_ms), sum(looked_ms) FROM rollup",
            "", site, level, starts,
        )  # fmt: skip
        return {start_ms: Observed(*rest) for start_ms, *rest in rows}

    def faults(self, site: str, level: Level, span: Span) -> dict[tuple[str, str], dict[str, int]]:
        """(camera, sensor or pair, its id) -> fault -> ms in the windows that had it."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        for part, subject, fault, fault_ms in self._db.execute(
            "SELECT part, subject, fault, sum(fault_ms) FROM rollup_fault"
            " WHERE site=? AND level=? AND start_ms>=? AND start_ms<? GROUP BY part, subject, fault",
            (site, level, *span),
        ):
            found.setdefault((part, subject), {})[fault] = fault_ms
        return found

    def heat(self, site: str, level: Level, span: Span, shape: tuple[int, int, int]) -> Grid | None:
        """Sum of a site's heat grids of one shape (cell_mm, rows, cols), flat; None when there is none."""
        total: Grid | None = None
        for (blob,) in self._db.execute(
            "SELECT grid FROM heat WHERE site=? AND level=? AND start_ms>=? AND start_ms<?"
            " AND cell_mm=? AND rows=? AND cols=?",
            (site, level, *span, *shape),
        ):
            grid = unpack(blob)
            total = grid if total is None else total + grid
        return total

    def first_ms(self, site: str) -> int | None:
        """Since when a branch's hours can be told: when its history began, or what retention has left.

        A box whose clock once stood years back sends a window of then. So what is followed by a silence of over
        30 days, and of over 30 times as much as it holds, begins no history: its figures stay and are told
        of their own time, and the silence is no gap. About as long as an outbox lasts, because what comes late from one is
        history; by what it holds, because a branch that had worked for weeks and went down has a gap, however long.
        Arrival would not tell them apart: imported history arrives years late, too.
        """
        begun_ms, held_ms, ended_ms = None, 0, 0
        for first_ms, last_ms, windows_ms in self._db.execute(
            "SELECT min(first_ms), max(last_ms), sum(windows_ms) FROM rollup"
            " WHERE site=? AND level='day' GROUP BY start_ms ORDER BY start_ms",
            (site,),
        ):
            if begun_ms is None or first_ms - ended_ms > max(SILENCE_MS, SILENCE_TIMES * held_ms):
                begun_ms, held_ms = first_ms, 0
            held_ms += windows_ms
            ended_ms = last_ms
        if begun_ms is None:
            return None
        row = self._db.execute("SELECT before_ms FROM pruned WHERE what='hour'").fetchone()
        return max(int(begun_ms), 0 if row is None else int(row[0]))

    def newest(self, site: str) -> dict[str, Any] | None:
        """The newest window by event time, of any device."""
        row = self._db.execute(
            "SELECT body FROM latest WHERE site=? ORDER BY end_ms DESC LIMIT 1", (site,)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def newest_ends(self) -> dict[str, int]:
        """Site -> end of its newest window."""
        return dict(self._db.execute("SELECT site, max(end_ms) FROM latest GROUP BY site").fetchall())

    def observed(self, site: str, part: Part, span: Span) -> dict[str, dict[int, int]]:
        """Camera or sensor -> start of hour -> observed ms."""
        found: dict[str, dict[int, int]] = {}
        for subject, start_ms, observed_ms in self._db.execute(
            f"SELECT {part}, start_ms, sum(observed_ms) FROM rollup_{part}"
            f" WHERE site=? AND level='hour' AND start_ms>=? AND start_ms<? GROUP BY {part}, start_ms",
            (site, *span),
        ):
            found.setdefault(subject, {})[start_ms] = observed_ms
        return found

    def tickets(self, site: str, span: Span) -> int:
        """Check-ins of customers in a span; each customer counts once."""
        row = self._db.execute(
            "SELECT count(DISTINCT appointment) FROM ticket WHERE site=? AND at_ms>=? AND at_ms<?",
            (site, *span),
        ).fetchone()
        return int(row[0])

    def _counted_at(
        self, part: Literal["line", "zone"], counts: str, site: str, hours: Iterable[int]
    ) -> dict[int, dict[str, PartHour]]:
        found: dict[int, dict[str, PartHour]] = {}
        for start_ms, subject, *sums in self._at(
            f"SELECT start_ms, {part}, sum(observed_ms), sum({counts}) FROM rollup_{part}",
            part, site, "hour", hours,
        ):  # fmt: skip
            found.setdefault(start_ms, {})[subject] = PartHour(*sums)
        return found

    def _at(
        self, select: str, group: str, site: str, level: Level, starts: Iterable[int]
    ) -> list[tuple[Any, ...]]:
        wanted, rows = sorted(set(starts)), []
        by = f"start_ms, {group}" if group else "start_ms"
        for first in range(0, len(wanted), _PART):
            part = wanted[first : first + _PART]
            marks = ",".join("?" * len(part))
            rows += self._db.execute(
                f"{select} WHERE site=? AND level=? AND start_ms IN ({marks}) GROUP BY {by}",
                (site, level, *part),
            ).fetchall()
        return rows
