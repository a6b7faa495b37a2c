"""Alerts on what is the case now: faults and silence, from events younger than two minutes.

A box whose clock is behind stamps what happens now as of a time that is over: its events are taken at their time by the hub's clock.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from branchloop.clock import ALARM_AGE_MS, MINUTE_MS
from branchloop.site.site import Site
from branchloop.wire.messages import CameraFault, PairFault, SensorFault
from hub.ingest.alerting import Look, belongs, differs, gone, renewed, take
from hub.ingest.differing_texts import DifferingTexts
from hub.ingest.resting import Resting
from hub.loop.alerts import (
    CHECKS,
    CLOCK_AHEAD,
    CLOCK_BACK,
    CLOCK_BEHIND,
    CLONED,
    RENEWED,
    TWO_TEXTS,
    Watch,
    rule_of,
    step,
)
from hub.store.connection import as_errors
from hub.store.figures.alerts import Alerts
from hub.store.figures.newest import newest_window
from hub.store.interface import Store

SILENT_MS = 120_000
HEARD_MS = 10_000
SITES_A_TRANSACTION = 200
FEED_ROWS = 20_000
LASTS_MS = 600_000
"""Who tells of a wrong time is known by what comes, and may have nothing to send for a while."""
_OF_MESSAGES = (
    ("clone", CLONED),
    ("clock", CLOCK_BACK),
    ("future", CLOCK_AHEAD),
    ("past", CLOCK_BEHIND),
)
"""Alarm of a message -> kind of alert."""
_TOLD = (
    ("configuration_refused", "refused"),
    ("box_crashes", "crashes"),
    ("box_stuck", "stuck"),
    ("box_behind", "behind"),
    ("kiosk_clock", "clock_off"),
)
"""Kind of alert -> where a box's status tells it."""
_TROUBLE = (
    '"troubled":',
    *(f'"what":"{what}"' for what, _ in _OF_MESSAGES),
    *(f'"{key}":{{' for _, key in _TOLD),
)


class LiveAlerts:
    """Faults and silence of cameras, sensors and boxes, as the newest windows tell them."""

    def __init__(
        self,
        store: Store,
        db: sqlite3.Connection,
        sites: Mapping[str, Site],
        say: Callable[[str], None] = lambda _: None,
        texts: DifferingTexts | None = None,
    ) -> None:
        """`db` reads what `store` writes; `say` is told of branches that cannot be looked at; without `texts` nothing is said of them."""
        self._resting = Resting(say, "")
        self._store = store
        self._db = db
        self._sites = sites
        self._texts = texts
        self._head: int | None = None

    def tick(self, at_ms: int) -> None:
        """Look at branches that have news of trouble, or had. Raises DependencyError.

        What is wrong with one branch's records is said with its name and holds no other up.
        """
        with as_errors():
            watched = Alerts(self._db).watched_sites(CHECKS)
            concerned = self._fresh(watched) | self._late(at_ms) | watched
            if self._texts is not None:
                concerned |= self._texts.tick()
            hears = self._hears(at_ms)
            if hears:
                concerned |= self._silent(at_ms)
            moved = [
                (site, looks)
                for site_id in sorted(concerned)
                if (site := self._sites.get(site_id)) and (looks := self._looks(site, at_ms, hears=hears))
            ]
        for first in range(0, len(moved), SITES_A_TRANSACTION):
            with self._store.transaction() as transaction:
                for site, looks in moved[first : first + SITES_A_TRANSACTION]:
                    take(transaction, site, looks, at_ms, ALARM_AGE_MS)

    def _looks(self, site: Site, at_ms: int, *, hears: bool) -> list[Look]:
        found: list[Look] = []
        if not self._resting.rests(site.id, at_ms):
            with self._resting.border(site.id, at_ms):
                found = self._moving(site, at_ms, hears=hears)
        return found

    def _moving(self, site: Site, at_ms: int, *, hears: bool) -> list[Look]:
        """Looks that change where a condition stands, or what its alert tells."""
        alerts = Alerts(self._db)
        watches = alerts.watches(site.id)
        told = {}
        if any(kind in RENEWED for kind, _ in watches):
            told = {(alert.kind, alert.subject): alert.evidence for alert in alerts.open_alerts(site.id)}
        looks = self._devices(site, at_ms) + (self._boxes(site, at_ms) if hears else [])
        return [
            look
            for look in [*looks, *gone(site, watches, at_ms)]
            if (watch := watches.get(look[0], Watch()))
            != step(watch, rule_of(look[0][0]), holds=look[1], at_ms=look[2])[0]
            or (
                renewed(look[0][0], watch, look[1], look[3])
                and differs(look[0][0], told.get(look[0], look[3]), look[3])
            )
        ]

    def _fresh(self, watched: set[str]) -> set[str]:
        """Sites whose new windows or boxes tell of trouble, or had any; after a start, as far back as one look goes."""
        if self._head is None:
            (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM feed").fetchone()
            self._head = max(0, newest - FEED_ROWS)
        rows = self._db.execute(
            "SELECT id, site, body FROM feed WHERE id > ? ORDER BY id LIMIT ?", (self._head, FEED_ROWS)
        ).fetchall()
        if rows:
            self._head = rows[-1][0]
        return {site for _, site, body in rows if site in watched or any(word in body for word in _TROUBLE)}

    def _devices(self, site: Site, at_ms: int) -> list[Look]:
        newest_now = newest_window(self._db, site.id, at_ms)
        if newest_now is None:
            return []
        newest, end_ms = newest_now
        if at_ms - end_ms >= ALARM_AGE_MS:
            return []
        found: list[Look] = []
        lights = self._lights(site)
        for part, faults in (("camera", get_args(CameraFault)), ("sensor", get_args(SensorFault))):
            known = {each.id for each in (site.cameras if part == "camera" else site.sensors)}
            for told in newest.get(f"{part}s", []):
                if told[part] in known:
                    found += _of_device(part, told, faults, end_ms, lights.get((part, told[part]), {}))
        for pair in newest.get("pairs", []):
            found += _of_pair(pair, end_ms)
        return found

    def _lights(self, site: Site) -> dict[tuple[str, str], Mapping[str, Any]]:
        """("camera" or "sensor", its id) -> its light, as the box that is online says."""
        rows = self._db.execute(
            "SELECT device, body FROM device_status WHERE site=? AND online=1 AND body IS NOT NULL",
            (site.id,),
        ).fetchall()
        return {
            (part, light["id"]): light
            for device, body in rows
            if belongs(site, device)
            for part in ("camera", "sensor")
            for light in json.loads(body).get(f"{part}s", [])
        }

    def _boxes(self, site: Site, at_ms: int) -> list[Look]:
        rows = self._db.execute(
            "SELECT s.device, s.last_seen_ms, s.online, l.device IS NOT NULL, s.body, s.behind_ms FROM device_status s"
            " LEFT JOIN latest l ON l.site = s.site AND l.device = s.device WHERE s.site=?",
            (site.id,),
        ).fetchall()
        found: list[Look] = []
        alarms = {kind: self._alarms(site.id, what) for what, kind in _OF_MESSAGES}
        for device, seen_ms, online, counted, body, behind_ms in rows:
            if not belongs(site, device):
                continue  # it was replaced
            counts = bool(counted) or (site.box is not None and device == site.box.id)
            for kind, alarmed in alarms.items():
                last_ms, times = alarmed.get(device, (0, 0))
                heard: bool | None = at_ms - last_ms < LASTS_MS
                if kind in {CLOCK_AHEAD, CLOCK_BEHIND} and not counts:
                    heard = False  # what a kiosk tells counts nevertheless, and it tells its own clock
                evidence: dict[str, Any] = {"last_ms": last_ms, "times": times}
                if kind == CLOCK_BEHIND and heard:
                    heard = None if behind_ms is None else behind_ms > 0
                    if behind_ms:
                        evidence |= {"behind_ms": behind_ms, "span": [at_ms - behind_ms - MINUTE_MS, at_ms]}
                found.append(((kind, device), heard, at_ms, evidence))
            if body is None:
                continue  # it sends, and has not said that it is there
            silent = not online or (bool(counted) and seen_ms < at_ms - SILENT_MS)
            holds = None if silent and not site.is_open(at_ms) else silent
            kind, other = ("box_silent", "kiosk_silent") if counts else ("kiosk_silent", "box_silent")
            found.append(((kind, device), holds, at_ms, {"last_seen_ms": seen_ms, "online": bool(online)}))
            found.append(((other, device), False, at_ms, {}))  # it was taken for one before it counted
            if online:
                told = json.loads(body)
                for kind, key in _TOLD:
                    found.append(((kind, device), key in told, at_ms, told.get(key, {})))
                if counts and self._texts is not None:
                    two = self._texts.holds(site.id)
                    found.append(((TWO_TEXTS, device), two, at_ms, self._texts.versions(site.id)))
        return found

    def _alarms(self, site: str, what: str) -> dict[str, tuple[int, int]]:
        """Device -> when an alarm of it was last raised, and how often."""
        rows = self._db.execute(
            "SELECT device, max(last_ms), sum(count) FROM alarm WHERE site=? AND what=? GROUP BY device",
            (site, what),
        )
        return {device: (last_ms, times) for device, last_ms, times in rows}

    def _silent(self, at_ms: int) -> set[str]:
        rows = self._db.execute(
            "SELECT DISTINCT site FROM device_status"
            " WHERE body IS NOT NULL AND (online = 0 OR last_seen_ms < ?)",
            (at_ms - SILENT_MS,),
        )
        return {site for (site,) in rows}

    def _late(self, at_ms: int) -> set[str]:
        """An alarm that goes on is in the feed only once."""
        rows = self._db.execute(
            "SELECT DISTINCT site FROM device_status WHERE behind_ms > 0 AND last_seen_ms > ?",
            (at_ms - LASTS_MS,),
        )
        return {site for (site,) in rows}

    def _hears(self, at_ms: int) -> bool:
        """Whether ingest is connected: else the silence is the hub's own."""
        row = self._db.execute("SELECT max(at_ms) FROM heartbeat WHERE connected = 1").fetchone()
        return row[0] is not None and at_ms - row[0] < HEARD_MS


def _of_device(
    part: str, told: Mapping[str, Any], faults: Iterable[str], end_ms: int, light: Mapping[str, Any]
) -> list[Look]:
    """A camera or sensor by its window; what its light says is evidence where it is of the very same."""
    subject, state, fault = told[part], told["state"], told.get("fault")
    evidence = {"state": state, "observed_ms": told["observed_ms"]}
    same = light.get("fault") == fault and (fault is not None or light.get("state") == state)
    if same and light.get("detail"):
        evidence["detail"] = light["detail"]
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
    first, second = pair["first"], pair["second"]
    found: list[Look] = []
    for fault in get_args(PairFault):
        found.append(((fault, f"{first}/{second}"), pair.get("wrong") == fault, end_ms, evidence))
        found.append(((fault, f"{second}/{first}"), False, end_ms, {}))  # they changed places in the file
    return found
