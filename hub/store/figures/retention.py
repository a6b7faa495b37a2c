"""What is kept how long: details go first, aggregates outlive them, days and cursors stay for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from branchloop.clock import HOUR_MS, bucket_start_ms
from branchloop.site.site import Site
from hub.store.commands import Commands
from hub.store.figures.alerts import Alerts
from hub.store.interface import Prunable, Store

FEED_H = 1
"""Whoever lost the stream for longer reads the figures anew."""


class Retention(Protocol):
    """How long each kind of data is kept."""

    @property
    def messages_h(self) -> float: ...
    @property
    def minutes_days(self) -> float: ...
    @property
    def hours_days(self) -> float: ...
    @property
    def quarantine_days(self) -> float: ...


def prune(store: Store, retention: Retention, sites: Mapping[str, Site], now_ms: int) -> dict[str, int]:
    """Delete what is past its time; returns how many rows of each kind went. Raises DependencyError.

    Messages, notices and roll-ups age by event time; quarantine, gaps and alarms by arrival; alerts by when
    they cleared, requests for pictures by when they ended. Roll-ups go by whole local days of the site, also
    of sites no longer configured. One short transaction per site and kind, so that ingest waits for none of
    them for long.
    """
    keep_h: dict[Prunable, float] = {
        "message": retention.messages_h,
        "minute": retention.minutes_days * 24,
        "hour": retention.hours_days * 24,
        "notice": retention.minutes_days * 24,
        "quarantine": retention.quarantine_days * 24,
        "alarm": retention.quarantine_days * 24,
        "gap": retention.hours_days * 24,
        "feed": FEED_H,
    }
    stored = store.sites()
    with store.transaction() as transaction:
        transaction.mend_marks(now_ms)
    deleted: dict[str, int] = {}
    for what, hours in keep_h.items():
        deleted[what] = 0
        oldest_ms = max(0, now_ms - int(hours * HOUR_MS))
        for site_id in stored:
            site, before_ms = sites.get(site_id), oldest_ms
            if what in ("minute", "hour") and site is not None:
                before_ms = max(0, bucket_start_ms(oldest_ms, "day", site.zone_info))
            with store.transaction() as transaction:
                deleted[what] += transaction.prune(what, site_id, before_ms)
    before_ms = max(0, now_ms - int(retention.hours_days * 24 * HOUR_MS))
    with store.transaction() as transaction:
        deleted["alert"] = Alerts(transaction.db).forget(before_ms)
        deleted["command"] = Commands(transaction.db).forget(before_ms)
    return deleted
