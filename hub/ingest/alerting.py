"""Looks at conditions, and the alerts they raise and clear, in one transaction a look.

Where conditions stand, alerts, and their lines in the feed are keyed by event time: a look that is repeated
after a crash, or made by a second worker, changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from branchloop.site.site import Site
from hub.loop.alerts import (
    CHECKS,
    OF_BOXES,
    OF_LINES,
    OF_PAIRS,
    OF_SENSORS,
    OF_ZONES,
    RENEWED,
    Watch,
    rule_of,
    step,
    tainted,
)
from hub.store.figures.alerts import Alerts, Key
from hub.store.interface import FeedEvent, Transaction

Look = tuple[Key, bool | None, int, Mapping[str, Any]]
"""Condition, whether it holds (None: not known), the event time (UTC ms) of that, and the evidence."""


def take(transaction: Transaction, site: Site, looks: Iterable[Look], at_ms: int, news_ms: int) -> None:
    """Let looks move their conditions; raise and clear alerts, and tell the feed of what is young."""
    alerts = Alerts(transaction.db)
    watches = alerts.watches(site.id)
    for key, holds, seen_ms, evidence in [*looks, *gone(site, watches, at_ms)]:
        before = watches.get(key, Watch())
        if renewed(key[0], before, holds, evidence):
            alerts.renew(site.id, key, evidence)
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


def renewed(kind: str, watch: Watch, holds: bool | None, evidence: Mapping[str, Any]) -> bool:
    """Whether an alert that is open already is to tell what is found now.

    How far a view has moved says the camera's light alone: while that is not known, what was told stays.
    """
    known = kind != "moved" or "detail" in evidence
    return kind in RENEWED and known and bool(holds) and watch.phase in {"open", "falling"}


def differs(kind: str, told: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether what was found says another thing than what an alert tells; of a moved view its sentence is what counts."""
    return told.get("detail") != found.get("detail") if kind == "moved" else told != found


def gone(site: Site, watches: Mapping[Key, Watch], at_ms: int, *, checks: bool = False) -> list[Look]:
    """Conditions of what is no longer part of the branch have ended; of `checks` also where what was checked is told no longer.

    The ones are looked at by the hub's clock, checks by the end of a finished hour.
    """
    cameras = {each.id for each in site.cameras}
    pairs = {f"{a}/{b}" for a in cameras for b in cameras}
    sensors = {each.id for each in site.sensors}
    telling = {each.id for each in site.sensors if each.present_below_m is not None}
    lines = {each.id for each in site.lines}
    zones = {each.id for each in site.zones}

    def there(kind: str, subject: str) -> bool:
        """A line may have the name of a camera, so that the kind says what it is about."""
        if kind in OF_BOXES:
            return belongs(site, subject)
        if kind == "sensor_disagrees":
            return subject in telling
        if kind in OF_SENSORS:
            return subject in sensors
        if kind in OF_PAIRS:
            return subject in pairs
        if kind in OF_ZONES:
            return subject in zones
        return subject in (lines if kind in OF_LINES else cameras)

    return [
        (key, False, at_ms, {})
        for key in watches
        if (key[0] in CHECKS) == checks and key[1] and not there(*key)
    ]


def belongs(site: Site, device: str) -> bool:
    """Whether a device is the branch's box or a kiosk of it; any may be, where the hub's file names no box."""
    return site.box is None or device == site.box.id or site.has_kiosk(device)
