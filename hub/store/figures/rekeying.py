"""Hours and days of a branch whose time zone was changed: made anew from what is kept finer, by the new zone's clock.

Minutes have no zone, hours and days have. A stored bucket that is none of the zone's now is of an older one: it is taken
down, and every bucket of now that its time touches is made anew from hours that fit, or from minutes. What neither
tells any more is set aside under a level of its own, where no figure reads it: its time is absent then, not wrong. It
comes back with its zone.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, cast
from zoneinfo import ZoneInfo

from branchloop.clock import bucket_end_ms, bucket_start_ms
from hub.store.figures import sqlite_rollups
from hub.store.figures.stretch import Kept, Span
from hub.store.figures.sums import Bucket, Level, RollUp

ASIDE: dict[Level, Level] = {
    "hour": cast("Level", "hour of another zone"),
    "day": cast("Level", "day of another zone"),
}
"""Level -> that of its buckets that are set aside. Retention prunes hours there as well."""
_LEAST = frozenset({"first_ms", "nearest_mm"})
_MOST = frozenset({"last_ms", "farthest_mm"})
_FINER: dict[Level, Level] = {"hour": "minute", "day": "hour"}


@dataclass(slots=True)
class Rekeyed:
    """How many buckets were made anew, set aside, and brought back."""

    made: int = 0
    aside: int = 0
    back: int = 0

    def __bool__(self) -> bool:
        return bool(self.made or self.aside or self.back)


def rekey(db: sqlite3.Connection, site: str, zone: ZoneInfo) -> Rekeyed:
    """Put the hours and days of a branch on its zone's clock, inside the connection's transaction; again, it changes nothing."""
    marks = dict(db.execute("SELECT what, before_ms FROM pruned").fetchall())
    kept = Kept(marks.get("minute", 0), marks.get("hour", 0))
    done = Rekeyed()
    devices = db.execute(
        "SELECT DISTINCT device FROM rollup WHERE site=? ORDER BY device", (site,)
    ).fetchall()
    for (device,) in devices:
        work = _Device(db, site, device, zone, kept, done)
        for level in ASIDE:
            work.bring_back(level)
        lost: list[Span] = []
        for level in ASIDE:  # hours first: days are made of them
            lost = work.put_right(level, lost)
    return done


def merge(into: Any, other: Any) -> None:
    """Add a roll-up, or sums that are part of one, to another of the same kind."""
    for each in fields(into):
        mine, more = getattr(into, each.name), getattr(other, each.name)
        if isinstance(mine, Counter):
            mine.update(more)
        elif isinstance(mine, dict):
            _merge_parts(mine, more)
        elif isinstance(mine, int | None):
            setattr(into, each.name, _merged(each.name, mine, more))
        else:
            merge(mine, more)


def _merge_parts(mine: dict[Any, Any], more: dict[Any, Any]) -> None:
    for key, part in more.items():
        if key not in mine:
            mine[key] = type(part)() if not isinstance(part, list) else []
        if isinstance(part, Counter):
            mine[key].update(part)
        elif isinstance(part, list):
            mine[key] += part
        else:
            merge(mine[key], part)


def _merged(name: str, mine: int | None, more: int | None) -> int | None:
    known = [each for each in (mine, more) if each is not None]
    if name in _LEAST or name in _MOST:
        return (min if name in _LEAST else max)(known) if known else None
    return sum(known)


@dataclass(slots=True)
class _Device:
    """The buckets of one device."""

    db: sqlite3.Connection
    site: str
    device: str
    zone: ZoneInfo
    kept: Kept
    done: Rekeyed

    def bring_back(self, level: Level) -> None:
        """What was set aside and fits the zone now."""
        for start_ms, held in self._stored(ASIDE[level]):
            if self._fits(level, start_ms, held):
                self._move(ASIDE[level], level, start_ms)
                self.done.back += 1

    def put_right(self, level: Level, lost: list[Span]) -> list[Span]:
        """Make anew what does not fit the zone. `lost` is time that finer buckets do not tell; returns that of these."""
        wrong = [
            (start_ms, held)
            for start_ms, held in self._stored(level)
            if not self._fits(level, start_ms, held)
        ]
        touched = {bucket for _, held in wrong for bucket in self._buckets(level, held)}
        anew = {span for span in touched if self._is_told(level, span, lost)}
        for start_ms, held in wrong:
            if all(bucket in anew for bucket in self._buckets(level, held)):
                sqlite_rollups.delete(self.db, self.site, self.device, [(level, start_ms)])
            else:
                self._move(level, ASIDE[level], start_ms)
                self.done.aside += 1
        for span in sorted(anew):
            self._make(level, span)
            self.done.made += 1
        return sorted(touched - anew) + [held for _, held in self._stored(ASIDE[level])]

    def _stored(self, level: Level) -> list[tuple[int, Span]]:
        """Start of a bucket, and the time that its windows lie in."""
        rows = self.db.execute(
            "SELECT start_ms, first_ms, last_ms FROM rollup WHERE site=? AND level=? AND device=? ORDER BY start_ms",
            (self.site, level, self.device),
        )
        return [(start_ms, (first_ms, last_ms)) for start_ms, first_ms, last_ms in rows]

    def _fits(self, level: Level, start_ms: int, held: Span) -> bool:
        return (
            bucket_start_ms(start_ms, level, self.zone) == start_ms <= held[0]
            and held[1] <= bucket_end_ms(start_ms, level, self.zone)
        )  # fmt: skip

    def _buckets(self, level: Level, held: Span) -> Iterator[Span]:
        at_ms = bucket_start_ms(held[0], level, self.zone)
        while at_ms < held[1]:
            end_ms = bucket_end_ms(at_ms, level, self.zone)
            yield at_ms, end_ms
            at_ms = end_ms

    def _is_told(self, level: Level, span: Span, lost: Iterable[Span]) -> bool:
        return self.kept.has(_FINER[level], span[0]) and not any(
            start < span[1] and span[0] < end for start, end in lost
        )

    def _make(self, level: Level, span: Span) -> None:
        sqlite_rollups.delete(self.db, self.site, self.device, [(level, span[0])])
        finer = sqlite_rollups.read(self.db, self.site, self.device, _FINER[level], *span)
        if not finer:
            return
        whole = RollUp()
        for part in finer.values():
            merge(whole, part)
        self._add((level, span[0]), whole)

    def _move(self, source: Level, to: Level, start_ms: int) -> None:
        found = sqlite_rollups.read(self.db, self.site, self.device, source, start_ms, start_ms + 1)
        sqlite_rollups.delete(self.db, self.site, self.device, [(source, start_ms)])
        self._add((to, start_ms), found[source, start_ms])

    def _add(self, bucket: Bucket, rollup: RollUp) -> None:
        sqlite_rollups.add(self.db, self.site, self.device, {bucket: rollup})
