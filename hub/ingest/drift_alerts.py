"""Alerts on drift: findings on finished hours and days, a bounded number of branches a look."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice

from branchloop.clock import DAY_MS, HOUR_MS, bucket_end_ms, from_ms, local_day_end_ms
from branchloop.site.site import Site
from hub.ingest.alerting import Look, gone, take
from hub.ingest.resting import Resting
from hub.loop.finding import Finding
from hub.store.branches.drawn import drawn_since
from hub.store.branches.opening import Hours, OpeningHistory
from hub.store.connection import as_errors
from hub.store.figures.alerts import Alerts
from hub.store.figures.checking import Checker, Learnt
from hub.store.figures.evidence import Evidence
from hub.store.figures.proof import proof
from hub.store.interface import Store

LOOK_BACK_MS = 2 * DAY_MS
"""Of a branch never looked at, so much of the past."""
SITES_A_LOOK = 50
HOURS_A_LOOK = 24
_ENDED = frozenset({"no_entrance", "no_kiosk", "never_closes", "no_date", "four_marks"})
"""Reasons for which a branch is not checked any more: what was found before has ended. For others it is not known for now."""
WEEK_DAYS = 7
NEWS_MS = HOUR_MS
"""A finished hour older than this is no news for the feed: a backlog is silent."""


class DriftAlerts:
    """Findings on finished hours and days, each looked at once, a bounded number of branches a look."""

    def __init__(
        self,
        store: Store,
        db: sqlite3.Connection,
        sites: Mapping[str, Site],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`say` is told of branches that cannot be looked at."""
        self._resting = Resting(say, "drift of ")
        self._store = store
        self._db = db
        self._sites = sites
        self._learnt: dict[str, Learnt] = {}

    def tick(self, at_ms: int) -> int:
        """Look at hours that have finished; returns how many branches were. Raises DependencyError.

        What is wrong with one branch's records is said with its name and holds no other up.
        """
        with as_errors():
            ends, checked = Evidence(self._db).newest_ends(), Alerts(self._db).all_checked()
        looked = 0
        for site_id in sorted(ends, key=lambda each: checked.get(each, 0)):
            site = self._sites.get(site_id)
            if site is None:
                continue
            before = checked.get(site_id)
            if before is not None and bucket_end_ms(before, "hour", site.zone_info) > ends[site_id]:
                continue
            if self._resting.rests(site_id, at_ms):
                continue
            with self._resting.border(site_id, at_ms):
                looked += self._look(site, before, ends[site_id], at_ms)
            if looked >= SITES_A_LOOK:
                break
        return looked

    def _look(self, site: Site, before: int | None, end_ms: int, at_ms: int) -> bool:
        start_ms = end_ms - LOOK_BACK_MS if before is None else before
        with as_errors():
            self._db.execute("BEGIN")
            try:
                hours, looks = self._findings(site, (start_ms, end_ms), at_ms)
            finally:
                self._db.execute("ROLLBACK")
        if not hours:
            return False
        with self._store.transaction() as transaction:
            alerts = Alerts(transaction.db)
            if alerts.checked(site.id) != before:
                return False  # another worker was faster
            take(transaction, site, looks, at_ms, NEWS_MS)
            alerts.put_checked(site.id, hours[-1])
        return True

    def _findings(self, site: Site, span: tuple[int, int], at_ms: int) -> tuple[list[int], list[Look]]:
        evidence = Evidence(self._db)
        opening = OpeningHistory(self._db).of(site, at_ms)
        error, drawn = proof(self._db, site, at_ms).error, drawn_since(self._db, site)
        checker = Checker(evidence, site, opening, error, self._learnt, drawn)
        watches = Alerts(self._db).watches(site.id)
        looks: list[Look] = []
        ends: list[int] = []
        for hour in islice(checker.hours(span), HOURS_A_LOOK):
            ends.append(hour[1])
            looks += [_look_at(finding, hour[1], opening) for finding in checker.hour(hour)]
            looks += gone(site, watches, hour[1], checks=True)
            day = from_ms(hour[0], site.zone_info).date()
            if hour[1] == local_day_end_ms(day, site.zone_info):
                closed = checker.day(day)
                looks += [] if closed is None else [_look_at(closed, hour[1], opening)]
        if ends:
            newest = evidence.newest(site.id)
            looks += [
                _look_at(finding, ends[-1], opening) for finding in checker.calibration(ends[-1], newest)
            ]
        return ends, looks


def _look_at(finding: Finding, at_ms: int, opening: Hours) -> Look:
    holds = {"ok": False, "off": True, "unknown": None}[finding.outcome]
    if finding.reason in _ENDED or (finding.reason == "open_at_midnight" and _every_night(opening, at_ms)):
        holds = False
    evidence = {key: value for key, value in asdict(finding).items() if key not in {"check", "subject"}}
    return (finding.check, finding.subject), holds, at_ms, evidence


def _every_night(opening: Hours, midnight_ms: int) -> bool:
    """Whether the branch was open over the midnights of a whole week, so that none of its days is ever zero at its end."""
    return all(opening.is_open(midnight_ms - back * DAY_MS) for back in range(WEEK_DAYS))
