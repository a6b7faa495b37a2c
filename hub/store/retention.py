"""What is kept how long: details go first, aggregates outlive them, days and cursors stay for ever."""

from __future__ import annotations

from branchloop.clock import HOUR_MS
from hub.store.interface import Prunable, Store

DAY_H = 24
FEED_H = 1
"""Whoever lost the stream for longer reads the figures anew."""


def prune(
    store: Store,
    *,
    messages_h: float,
    minutes_days: float,
    hours_days: float,
    quarantine_days: float,
    now_ms: int,
) -> dict[str, int]:
    """Delete what is past its time; returns how many rows of each kind went.

    Messages, notices and roll-ups age by event time, quarantine, gaps and alarms by arrival. One
    short transaction per site and kind, so that ingest waits for none of them for long.
    """
    keep_h: dict[Prunable, float] = {
        "message": messages_h,
        "minute": minutes_days * DAY_H,
        "hour": hours_days * DAY_H,
        "notice": minutes_days * DAY_H,
        "quarantine": quarantine_days * DAY_H,
        "alarm": quarantine_days * DAY_H,
        "gap": hours_days * DAY_H,
        "feed": FEED_H,
    }
    deleted: dict[str, int] = {}
    for what, hours in keep_h.items():
        before_ms = max(0, now_ms - int(hours * HOUR_MS))
        deleted[what] = 0
        for site in store.sites():
            with store.transaction() as transaction:
                deleted[what] += transaction.prune(what, site, before_ms)
    return deleted
