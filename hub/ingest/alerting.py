"""Alerts: live ones from events younger than two minutes, drift from finished hours and days.

Runs beside ingest over connections of its own. All of one look at a branch (where its conditions stand,
alerts raised and cleared, their lines in the feed) is one transaction, keyed by event time: a look that is
repeated after a crash, or made by a second worker, changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any, get_args

from branchloop.clock import ALARM_AGE_MS, DAY_MS, HOUR_MS, from_ms, local_day_end_ms
from branchloop.errors import DependencyError
from branchloop.messages import CameraFault, PairFault, SensorFault
from branchloop.site import Site
from hub.config import HubConfig
from hub.ingest.mqtt import now_ms, say
from hub.loop.alerts import CHECKS, Watch, rule_of, step, tainted
from hub.loop.finding import Finding
from hub.store.acceptance import AcceptanceReports
from hub.store.alerts import Alerts, Key
from hub.store.checking import Checker, Learnt, count_error
from hub.store.connection import connect_readonly
from hub.store.consents import as_errors
from hub.store.evidence import Evidence
from hub.store.interface import FeedEvent, Store, Transaction
from hub.store.schema import DATABASE
from hub.store.sqlite import SqliteStore

LIVE_S = 2.0
FINISHED_S = 10.0
SILENT_MS = 120_000
LOOK_BACK_MS = 2 * DAY_MS
"""Of a branch never looked at, so much of the past."""
HEARD_MS = 10_000
SITES_A_TRANSACTION = 200
SITES_A_LOOK = 50
HOURS_A_LOOK = 24
NEWS_MS = HOUR_MS
"""A finished hour older than this is no news for the feed: a backlog is silent."""
FEED_ROWS = 20_000
Look = tuple[Key, bool | None, int, Mapping[str, Any]]
"""Condition, whether it holds, since when that is known, and the evidence."""


class LiveAlerts:
    """Faults and silence of cameras, sensors and boxes, as the newest windows tell them."""

    def __init__(self, store: Store, db: sqlite3.Connection, sites: Mapping[str, Site]) -> None:
        """`db` reads what `store` writes."""
        self._store = store
        self._db = db
        self._sites = sites
        self._head: int | None = None

    def tick(self, at_ms: int) -> None:
        """Look at branches that have news of trouble, or had. Raises DependencyError."""
        with as_errors():
            watched = Alerts(self._db).watched_sites(CHECKS)
            concerned = self._fresh(watched) | watched
            hears = self._hears(at_ms)
            if hears:
                concerned |= self._silent(at_ms)
            moved = [
                (site, looks)
                for site_id in sorted(concerned)
                if (site := self._sites.get(site_id)) and (looks := self._moving(site, at_ms, hears=hears))
            ]
        for first in range(0, len(moved), SITES_A_TRANSACTION):
            with self._store.transaction() as transaction:
                for site, looks in moved[first : first + SITES_A_TRANSACTION]:
                    take(transaction, site, looks, at_ms, ALARM_AGE_MS)

    def _moving(self, site: Site, at_ms: int, *, hears: bool) -> list[Look]:
        """Looks that change where a condition stands."""
        watches = Alerts(self._db).watches(site.id)
        looks = self._devices(site, at_ms) + (self._boxes(site, at_ms) if hears else [])
        return [
            look
            for look in [*looks, *_gone(site, watches, at_ms)]
            if (watch := watches.get(look[0], Watch()))
            != step(watch, rule_of(look[0][0]), holds=look[1], at_ms=look[2])[0]
        ]

    def _fresh(self, watched: set[str]) -> set[str]:
        """Sites whose new windows tell of trouble; after a start, all that told anything lately."""
        if self._head is None:
            rows = self._db.execute("SELECT id, site, NULL FROM feed WHERE event='window'").fetchall()
        else:
            rows = self._db.execute(
                "SELECT id, site, body FROM feed WHERE id > ? ORDER BY id LIMIT ?", (self._head, FEED_ROWS)
            ).fetchall()
        first, self._head = self._head, max((row[0] for row in rows), default=self._head or 0)
        return {site for _, site, body in rows if site in watched or first is None or '"troubled":' in body}

    def _devices(self, site: Site, at_ms: int) -> list[Look]:
        newest = Evidence(self._db).newest(site.id)
        if newest is None:
            return []
        end_ms = newest["start_ms"] + 5_000 * newest.get("slots", 1)
        if at_ms - end_ms >= ALARM_AGE_MS:
            return []
        found: list[Look] = []
        for part, faults in (("camera", get_args(CameraFault)), ("sensor", get_args(SensorFault))):
            known = {each.id for each in (site.cameras if part == "camera" else site.sensors)}
            for told in newest.get(f"{part}s", []):
                if told[part] in known:
                    found += _of_device(part, told, faults, end_ms)
        for pair in newest.get("pairs", []):
            found += _of_pair(pair, end_ms)
        return found

    def _boxes(self, site: Site, at_ms: int) -> list[Look]:
        rows = self._db.execute(
            "SELECT s.device, s.last_seen_ms, s.online, l.device IS NOT NULL FROM device_status s"
            " LEFT JOIN latest l ON l.site = s.site AND l.device = s.device"
            " WHERE s.site=? AND s.body IS NOT NULL",
            (site.id,),
        ).fetchall()
        found: list[Look] = []
        for device, seen_ms, online, counts in rows:
            silent = not online or (bool(counts) and seen_ms < at_ms - SILENT_MS)
            holds = None if silent and not site.is_open(at_ms) else silent
            kind = "box_silent" if counts else "kiosk_silent"
            found.append(((kind, device), holds, at_ms, {"last_seen_ms": seen_ms, "online": bool(online)}))
        return found

    def _silent(self, at_ms: int) -> set[str]:
        rows = self._db.execute(
            "SELECT DISTINCT site FROM device_status"
            " WHERE body IS NOT NULL AND (online = 0 OR last_seen_ms < ?)",
            (at_ms - SILENT_MS,),
        )
        return {site for (site,) in rows}

    def _hears(self, at_ms: int) -> bool:
        """Whether ingest is connected: else the silence is the hub's own."""
        row = self._db.execute("SELECT max(at_ms) FROM heartbeat WHERE connected = 1").fetchone()
        return row[0] is not None and at_ms - row[0] < HEARD_MS


class DriftAlerts:
    """Findings on finished hours and days, each looked at once, a bounded number of branches a look."""

    def __init__(self, store: Store, db: sqlite3.Connection, sites: Mapping[str, Site]) -> None:
        self._store = store
        self._db = db
        self._sites = sites
        self._learnt: dict[str, Learnt] = {}

    def tick(self, at_ms: int) -> int:
        """Look at hours that have finished; returns how many branches were. Raises DependencyError."""
        with as_errors():
            ends, checked = Evidence(self._db).newest_ends(), Alerts(self._db).all_checked()
        looked = 0
        for site_id in sorted(ends, key=lambda each: checked.get(each, 0)):
            site = self._sites.get(site_id)
            if site is None:
                continue
            from_ms_ = checked.get(site_id, ends[site_id] - LOOK_BACK_MS)
            if ends[site_id] - from_ms_ >= HOUR_MS // 2 and self._look(
                site, checked.get(site_id), ends[site_id], at_ms
            ):
                looked += 1
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
        reports = AcceptanceReports(self._db).newest(site.id, 1)
        error = count_error(reports[0].report if reports else None, at_ms)
        checker = Checker(evidence, site, error, self._learnt)
        looks: list[Look] = []
        ends: list[int] = []
        for hour in list(checker.hours(_whole(checker, span)))[:HOURS_A_LOOK]:
            ends.append(hour[1])
            looks += [_look_at(finding, hour[1]) for finding in checker.hour(hour)]
            day = from_ms(hour[0], site.zone_info).date()
            if hour[1] == local_day_end_ms(day, site.zone_info):
                closed = checker.day(day)
                looks += [] if closed is None else [_look_at(closed, hour[1])]
        if ends:
            newest = evidence.newest(site.id)
            looks += [_look_at(finding, ends[-1]) for finding in checker.calibration(ends[-1], newest)]
        return ends, looks


def take(transaction: Transaction, site: Site, looks: Iterable[Look], at_ms: int, news_ms: int) -> None:
    """Let looks move their conditions; raise and clear alerts, and tell the feed of what is young."""
    alerts = Alerts(transaction.db)
    watches = alerts.watches(site.id)
    for key, holds, seen_ms, evidence in [*looks, *_gone(site, watches, at_ms)]:
        before = watches.get(key, Watch())
        after, change = step(before, rule_of(key[0]), holds=holds, at_ms=seen_ms)
        if after == before:
            continue
        watches[key] = after
        alerts.put_watch(site.id, key, after)
        told = (change == "raised" and alerts.open(site.id, key, seen_ms, evidence, tainted(key[0]))) or (
            change == "cleared" and alerts.clear(site.id, key, seen_ms)
        )
        if told and at_ms - seen_ms < news_ms:
            body = {
                "what": "alert",
                "change": change,
                "kind": key[0],
                "subject": key[1],
                "tainted": tainted(key[0]),
                "evidence": evidence,
            }
            text = json.dumps(body, separators=(",", ":"))
            transaction.feed([FeedEvent(site.id, "hub", "alarm", seen_ms, text)])


def watch_quality(config: HubConfig, stop: threading.Event, now: Callable[[], int] = now_ms) -> None:
    """Look for what has to be told until `stop` is set; a store that is away is waited for."""
    finished_s = float("-inf")
    said = ""
    while not stop.wait(LIVE_S):
        try:
            with (
                closing(SqliteStore(config.data_dir)) as store,
                closing(connect_readonly(config.data_dir / DATABASE)) as db,
            ):
                live, drift = LiveAlerts(store, db, config.sites), DriftAlerts(store, db, config.sites)
                while not stop.wait(LIVE_S):
                    live.tick(now())
                    if time.monotonic() - finished_s >= FINISHED_S:
                        drift.tick(now())
                        finished_s = time.monotonic()
                    said = ""
        except DependencyError as error:
            if str(error) != said:
                say(f"quality is not watched: {error}")
            said = str(error)


def _of_device(part: str, told: Mapping[str, Any], faults: Iterable[str], end_ms: int) -> list[Look]:
    subject, state, fault = told[part], told["state"], told.get("fault")
    evidence = {"state": state, "observed_ms": told["observed_ms"]}
    silent: bool | None = None
    if state == "up" or fault is not None:
        silent = False
    elif state in {"stalled", "down"}:
        silent = True
    found: list[Look] = [((f"{part}_silent", subject), silent, end_ms, evidence)]
    for each in faults:
        holds = fault == each if silent is False else None
        found.append(((each, subject), holds, end_ms, evidence))
    return found


def _of_pair(pair: Mapping[str, Any], end_ms: int) -> list[Look]:
    """Pairs of cameras; the box has its own patience with them, and says what is wrong."""
    evidence = {key: pair.get(key) for key in ("disagreement_mm", "clock_ms")}
    subject = f"{pair['first']}/{pair['second']}"
    return [((fault, subject), pair.get("wrong") == fault, end_ms, evidence) for fault in get_args(PairFault)]


def _gone(site: Site, watches: Mapping[Key, Watch], at_ms: int) -> list[Look]:
    """Conditions of what is no longer part of the branch have ended."""
    parts = {each.id for each in site.cameras}
    cameras = set(parts)
    parts |= {each.id for each in site.sensors} | {each.id for each in site.lines}
    parts |= {f"{a}/{b}" for a in cameras for b in cameras}
    return [
        (key, False, at_ms, {})
        for key in watches
        if key[1] and key[1] not in parts and not key[0].endswith(("box_silent", "kiosk_silent"))
    ]


def _look_at(finding: Finding, at_ms: int) -> Look:
    holds = {"ok": False, "off": True, "unknown": None}[finding.outcome]
    evidence = {key: value for key, value in asdict(finding).items() if key not in {"check", "subject"}}
    return (finding.check, finding.subject), holds, at_ms, evidence


def _whole(checker: Checker, span: tuple[int, int]) -> tuple[int, int]:
    """The stretch from the first whole hour in it."""
    first = next(checker.hours(span), None)
    return span if first is None else (first[0], span[1])
