"""What the book teaches of the wait for each service; see `hub.loop.forecast`."""

from __future__ import annotations

import sqlite3

from branchloop.clock import DAY_MS, from_ms
from branchloop.site import Site
from hub.loop.forecast import Lengths, Running, Wait, forecast, learn
from hub.store.book import MEASURED_DAYS, Book

MOST_TAUGHT = 1_000
"""So many of the newest visits are learned from."""


def waits(db: sqlite3.Connection, book: Book, site: Site, now_ms: int) -> dict[str, Wait | None]:
    """The wait, per service, of somebody who comes after all who wait for it now; None when it cannot be told.

    Who is expected by appointment and is not here yet is not counted.
    """
    day = from_ms(now_ms, site.zone_info).date()
    waiting = book.waiting(db, site.id, day)
    found: dict[str, Wait | None] = {}
    for service in site.services:
        lengths = _lengths(db, site.id, service.id, service.minutes * 60.0, now_ms)
        ahead = [lengths for each in waiting if each.service == service.id]
        running = [
            Running(lengths, max(0, now_ms - called_ms) / 1000) if lengths is not None else None
            for (called_ms,) in db.execute(
                "SELECT called_ms FROM appointment WHERE site=? AND day=? AND service=? AND state='called'",
                (site.id, day.isoformat(), service.id),
            )
        ]
        found[service.id] = forecast(ahead, running, service.counters)
    return found


def _lengths(
    db: sqlite3.Connection, site: str, service: str, planned_s: float, now_ms: int
) -> Lengths | None:
    rows = db.execute(
        "SELECT served_ms - called_ms FROM appointment WHERE site=? AND service=? AND served_ms>=? "
        "AND state='served' AND called_ms IS NOT NULL ORDER BY served_ms DESC LIMIT ?",
        (site, service, now_ms - MEASURED_DAYS * DAY_MS, MOST_TAUGHT),
    )
    return learn((length_ms / 1000 for (length_ms,) in rows), planned_s)
