"""What roll-ups and the book tell of crowding; see `hub.loop.crowding`. Profiles are kept for minutes."""

from __future__ import annotations

import json
import sqlite3
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS, bucket_end_ms, bucket_start_ms, from_ms
from branchloop.site.site import Place, Site
from hub.loop.crowding import (
    Cell,
    Crowd,
    Level,
    Live,
    Profile,
    blend,
    extra_people,
    learn,
    live,
    look,
    pressure,
)
from hub.loop.nearby import nearby
from hub.store.book.appointment import TAKEN

HISTORY_WEEKS = 12
KEEP_MS = 10 * MINUTE_MS
MOST_KEPT = 2_000
"""Profiles of so many branches are kept; one is about 10 kB and is learned anew in tens of milliseconds."""
LIVE_MS = HOUR_MS
_LIVE_HALF_LIFE_MS = 20 * MINUTE_MS
_LIVE_LEAST = 5
"""So many measured minutes make a correction."""
FRESH_MS = 2 * MINUTE_MS
"""A count older than this is not of now."""
MOST_NEAR = 8
BEST = 3
BEST_DAYS = 7
_LEAST_OPEN_MS = 15 * MINUTE_MS
"""An hour of the branch that is open for less is no hour of it."""
_LEAST_SHARE = 0.1
_LONGEST_STAY_MS = 4 * HOUR_MS
_BOOKED_HALF_LIFE_MS = 3 * 7 * DAY_MS
_HOURS = (
    "start_ms, sum(windows_ms), sum(expected_ms), sum(observed_ms), sum(open_expected_ms), "
    "sum(open_observed_ms), sum(person_ms), sum(looked_ms)"
)
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a branch's crowding: its profile, and people booked at one time by cell in the mean."""

    profile: Profile
    booked: Mapping[Cell, float]

    def usually_booked(self, site: Site, span: Span) -> float:
        """Appointments at one time, in the mean of a stretch."""
        total = 0.0
        at_ms, end_ms = span
        while at_ms < end_ms:
            next_ms = min(bucket_end_ms(at_ms, "hour", site.zone_info), end_ms)
            at = from_ms(at_ms, site.zone_info)
            total += (next_ms - at_ms) * self.booked.get((at.weekday(), at.hour), 0.0)
            at_ms = next_ms
        return total / (span[1] - span[0])


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the branch; `crowd` None where history is too thin."""

    start_ms: int
    crowd: Crowd | None


@dataclass(frozen=True, slots=True)
class Now:
    """How busy a branch is; `people` and `as_of_ms` are None when it is not measured now."""

    open: bool
    level: Level | None
    people: int | None
    as_of_ms: int | None
    hours: Sequence[Hour]
    best: Sequence[int]
    weeks: int


class Load:
    """How many of some visits run at once."""

    def __init__(self, visits: Iterable[Span]) -> None:
        both = list(visits)
        self._starts = _Ramp(start for start, _ in both)
        self._ends = _Ramp(end for _, end in both)

    def total_ms(self, start_ms: int, end_ms: int) -> int:
        """Time of all of them together within `[start, end)`."""
        begun = self._starts.upto(end_ms) - self._starts.upto(start_ms)
        return begun - self._ends.upto(end_ms) + self._ends.upto(start_ms)


class _Ramp:
    """Time that has gone by since each of some moments, together."""

    def __init__(self, moments: Iterable[int]) -> None:
        self._at = sorted(moments)
        self._sums = [0, *accumulate(self._at)]

    def upto(self, t_ms: int) -> int:
        before = bisect_left(self._at, t_ms)
        return before * t_ms - self._sums[before]


class Crowds:
    """Answers for any branch, within the caller's transaction; safe to share between threads."""

    def __init__(self, most: int = MOST_KEPT, keep_ms: int = KEEP_MS) -> None:
        self._most = most
        self._keep_ms = keep_ms
        self._kept: OrderedDict[str, tuple[int, Site, Known | None]] = OrderedDict()
        self._near: OrderedDict[str, tuple[int, Place | None, list[tuple[str, float]]]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, db: sqlite3.Connection, site: Site, now_ms: int) -> Known | None:
        """What history tells; None when it is too thin. Up to `keep_ms` old."""
        with self._lock:
            kept = self._kept.get(site.id)
            if kept is not None and kept[1] is site and 0 <= now_ms - kept[0] < self._keep_ms:
                self._kept.move_to_end(site.id)
                return kept[2]
        found = _known(db, site, now_ms)
        with self._lock:
            self._kept[site.id] = (now_ms, site, found)
            self._kept.move_to_end(site.id)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found

    def near(
        self, sites: Mapping[str, Site], home: Site, most_km: float, now_ms: int
    ) -> list[tuple[Site, float]]:
        """The nearest other branches within `most_km`, and how far they are. Up to `keep_ms` old."""
        with self._lock:
            kept = self._near.get(home.id)
        if kept is None or kept[1] != home.place or not 0 <= now_ms - kept[0] < self._keep_ms:
            found = [(site.id, far_km) for site, far_km in nearby(sites, home, most_km)[:MOST_NEAR]]
            kept = (now_ms, home.place, found)
            with self._lock:
                self._near[home.id] = kept
                while len(self._near) > self._most:
                    self._near.popitem(last=False)
        return [(sites[site], far_km) for site, far_km in kept[2] if site in sites]

    def levels(
        self, db: sqlite3.Connection, site: Site, spans: Sequence[Span], now_ms: int
    ) -> list[Crowd | None]:
        """What is expected over each `[start, end)`; None where the branch is closed, and when history is too thin."""
        known = self.known(db, site, now_ms)
        if known is None or not spans:
            return [None] * len(spans)
        differs = live(_measured(db, site, now_ms), known.profile, site.zone_info)
        load = Load(_booked(db, site, min(start for start, _ in spans), max(end for _, end in spans)))
        opening = _open_spans(site, min(start for start, _ in spans), max(end for _, end in spans))
        return [
            _expected(known, site, span, load, differs, now_ms)
            if any(start <= span[0] < end for start, end in opening)
            else None
            for span in spans
        ]

    def quietest(self, db: sqlite3.Connection, site: Site, starts: Sequence[int], now_ms: int) -> list[int]:
        """Starts, the quietest first; empty when history is too thin. See `hub.loop.crowding.pressure`."""
        known = self.known(db, site, now_ms)
        if known is None or not starts:
            return []
        opening = _open_spans(site, min(starts), max(starts) + DAY_MS)
        differs = live(_measured(db, site, now_ms), known.profile, site.zone_info)
        load = Load(_booked(db, site, min(starts), max(starts) + DAY_MS))
        ranked: list[tuple[float, int]] = []
        for start_ms in starts:
            closes_ms = next((end for start, end in opening if start <= start_ms < end), start_ms)
            stretch = look(start_ms, closes_ms)
            people = known.profile.expect(*stretch, site.zone_info, differs).people
            booked = load.total_ms(*stretch) / (stretch[1] - stretch[0])
            ranked.append((pressure(people, booked, known.usually_booked(site, stretch)), start_ms))
        return [start_ms for _, start_ms in sorted(ranked)]

    def now(self, db: sqlite3.Connection, site: Site, now_ms: int) -> Now:
        """The present, the hours to closing (of the next open day when closed), and the quietest of a week."""
        hours = _ahead(site, now_ms)
        crowds = self.levels(db, site, hours, now_ms)
        told = [Hour(span[0], crowd) for span, crowd in zip(hours, crowds, strict=True)]
        people, as_of_ms = _present(db, site, now_ms)
        known = self.known(db, site, now_ms)
        is_open = site.is_open(now_ms)
        level: Level | None = None
        if is_open and known is not None:
            recent = live(_measured(db, site, now_ms), known.profile, site.zone_info)
            level = known.profile.expect(now_ms, now_ms + 5 * MINUTE_MS, site.zone_info, recent).level
        quiet = sorted(
            (each.crowd.people, each.start_ms)
            for each in told
            if each.crowd is not None and each.start_ms > now_ms
        )
        first_day = from_ms(told[0].start_ms, site.zone_info).date() if told else None
        return Now(
            open=is_open,
            level=level,
            people=people,
            as_of_ms=as_of_ms,
            hours=[each for each in told if from_ms(each.start_ms, site.zone_info).date() == first_day],
            best=[start_ms for _, start_ms in quiet[:BEST]],
            weeks=known.profile.weeks if known is not None else 0,
        )


def _known(db: sqlite3.Connection, site: Site, now_ms: int) -> Known | None:
    zone = site.zone_info
    until_ms = bucket_start_ms(now_ms, "hour", zone)
    from_ms_ = bucket_start_ms(now_ms - HISTORY_WEEKS * 7 * DAY_MS, "day", zone)
    opening = _opening(site, from_ms_, until_ms)
    measured: dict[int, tuple[float, float]] = {}
    for start_ms, windows, expected, observed, open_expected, open_observed, person, looked in db.execute(
        f"SELECT {_HOURS} FROM rollup WHERE site=? AND level='hour' AND start_ms>=? AND start_ms<? GROUP BY start_ms",
        (site.id, from_ms_, until_ms),
    ):
        open_ms = opening.get(start_ms, 0)
        if open_ms < _LEAST_OPEN_MS or min(expected, observed, open_expected, open_observed, looked) <= 0:
            continue
        told_ms = windows * open_expected / expected
        share = min(1.0, open_observed / open_expected) * min(1.0, told_ms / open_ms)
        if share >= _LEAST_SHARE:
            open_looked = looked * open_observed / observed
            measured[start_ms] = (person / open_looked, share)
    hours = blend(measured, _queued(db, site, opening, from_ms_, until_ms))
    week_h = sum(opening.values()) / HOUR_MS / HISTORY_WEEKS
    profile = learn(hours, now_ms, zone, week_h)
    if profile is None:
        return None
    return Known(profile, _usually_booked(db, site, opening, from_ms_, until_ms, now_ms))


def _opening(site: Site, from_ms_: int, until_ms: int) -> dict[int, int]:
    """Start of hour -> how long of it the branch was open (ms); hours that are closed are absent."""
    found: dict[int, int] = {}
    for start_ms, end_ms in _open_spans(site, from_ms_, until_ms):
        at_ms = start_ms
        while at_ms < end_ms:
            next_ms = min(bucket_end_ms(at_ms, "hour", site.zone_info), end_ms)
            hour_ms = bucket_start_ms(at_ms, "hour", site.zone_info)
            found[hour_ms] = found.get(hour_ms, 0) + next_ms - at_ms
            at_ms = next_ms
    return found


def _open_spans(site: Site, from_ms_: int, until_ms: int) -> list[Span]:
    zone = site.zone_info
    day, last = from_ms(from_ms_, zone).date(), from_ms(until_ms, zone).date()
    found: list[Span] = []
    while day <= last:
        found += [
            (max(start, from_ms_), min(end, until_ms))
            for start, end in site.open_spans_ms(day)
            if start < until_ms and end > from_ms_
        ]
        day += timedelta(days=1)
    return found


def _queued(
    db: sqlite3.Connection, site: Site, opening: Mapping[int, int], from_ms_: int, until_ms: int
) -> dict[int, float]:
    """Start of hour -> customers who were in the queue or at a counter, in the mean; of days with any."""
    zone = site.zone_info
    days: set[str] = set()
    stays: dict[int, int] = {}
    for day, arrived_ms, gone_ms in db.execute(
        "SELECT day, arrived_ms, coalesce(served_ms, left_ms) FROM appointment WHERE site=? AND day>=? AND day<=? "
        "AND arrived_ms IS NOT NULL",
        (site.id, from_ms(from_ms_, zone).date().isoformat(), from_ms(until_ms, zone).date().isoformat()),
    ):
        days.add(day)
        if gone_ms is None or gone_ms - arrived_ms > _LONGEST_STAY_MS:
            continue
        at_ms = arrived_ms
        while at_ms < gone_ms:
            next_ms = min(bucket_end_ms(at_ms, "hour", zone), gone_ms)
            hour_ms = bucket_start_ms(at_ms, "hour", zone)
            stays[hour_ms] = stays.get(hour_ms, 0) + next_ms - at_ms
            at_ms = next_ms
    return {
        hour_ms: stays.get(hour_ms, 0) / open_ms
        for hour_ms, open_ms in opening.items()
        if open_ms >= _LEAST_OPEN_MS and days and from_ms(hour_ms, zone).date().isoformat() in days
    }


def _usually_booked(
    db: sqlite3.Connection, site: Site, opening: Mapping[int, int], from_ms_: int, until_ms: int, now_ms: int
) -> dict[Cell, float]:
    load = Load(_booked(db, site, from_ms_, until_ms))
    sums: dict[Cell, list[float]] = {}
    for hour_ms, open_ms in opening.items():
        weight = 0.5 ** ((now_ms - hour_ms) / _BOOKED_HALF_LIFE_MS)
        at = from_ms(hour_ms, site.zone_info)
        cell = sums.setdefault((at.weekday(), at.hour), [0.0, 0.0])
        cell[0] += weight * load.total_ms(hour_ms, bucket_end_ms(hour_ms, "hour", site.zone_info)) / open_ms
        cell[1] += weight
    return {cell: total / weight for cell, (total, weight) in sums.items()}


def _booked(db: sqlite3.Connection, site: Site, from_ms_: int, until_ms: int) -> list[Span]:
    """Start and end of every appointment that was kept or is booked."""
    zone = site.zone_info
    first, last = from_ms(from_ms_, zone).date(), from_ms(until_ms, zone).date()
    return db.execute(
        f"SELECT start_ms, end_ms FROM appointment WHERE site=? AND day>=? AND day<=? AND {TAKEN}",
        (site.id, first.isoformat(), last.isoformat()),
    ).fetchall()


def _expected(known: Known, site: Site, span: Span, load: Load, differs: Live | None, now_ms: int) -> Crowd:
    start_ms, end_ms = span
    booked = load.total_ms(start_ms, end_ms) / (end_ms - start_ms)
    extra = extra_people(booked, known.usually_booked(site, span), (start_ms - now_ms) / HOUR_MS)
    return known.profile.expect(start_ms, end_ms, site.zone_info, differs, extra)


def _measured(db: sqlite3.Connection, site: Site, now_ms: int) -> list[tuple[int, float, float]]:
    """(middle, mean people, weight) of the last hour's minutes, while open; the newer ones weigh more."""
    spans = _open_spans(site, now_ms - LIVE_MS, now_ms)
    found: list[tuple[int, float, float]] = []
    for start_ms, windows, expected, observed, _, _, person, looked in db.execute(
        f"SELECT {_HOURS} FROM rollup WHERE site=? AND level='minute' AND start_ms>=? AND start_ms<? GROUP BY start_ms",
        (site.id, now_ms - LIVE_MS, now_ms),
    ):
        middle_ms = start_ms + MINUTE_MS // 2
        if min(windows, expected, observed, looked) > 0 and any(
            start <= middle_ms < end for start, end in spans
        ):
            newer = 0.5 ** ((now_ms - middle_ms) / _LIVE_HALF_LIFE_MS)
            found.append((middle_ms, person / looked, newer * observed / expected))
    return found if len(found) >= _LIVE_LEAST else []


def _present(db: sqlite3.Connection, site: Site, now_ms: int) -> tuple[int | None, int | None]:
    """(people, when) of the newest window, while it is fresh and something was observed in it."""
    row = db.execute(
        "SELECT end_ms, body FROM latest WHERE site=? ORDER BY end_ms DESC LIMIT 1", (site.id,)
    ).fetchone()
    if row is None or abs(now_ms - row[0]) > FRESH_MS:
        return None, None
    body = json.loads(row[1])
    people = body.get("people_end")
    if people is None or not body.get("observed_ms"):
        return None, None
    return int(people), int(row[0])


def _ahead(site: Site, now_ms: int) -> list[Span]:
    """The branch's hours from the present one on, for a week; each cut to when it is open."""
    from_ms_ = bucket_start_ms(now_ms, "hour", site.zone_info)
    found: list[Span] = []
    for start_ms, end_ms in _open_spans(site, from_ms_, now_ms + BEST_DAYS * DAY_MS):
        at_ms = start_ms
        while at_ms < end_ms:
            next_ms = min(bucket_end_ms(at_ms, "hour", site.zone_info), end_ms)
            if next_ms > now_ms and next_ms - at_ms >= _LEAST_OPEN_MS:
                found.append((at_ms, next_ms))
            at_ms = next_ms
    return found
