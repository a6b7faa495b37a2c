"""A branch that has closed: who waits goes on being called; who is on the way and who was forgotten is told.

Works inside whatever transaction the connection is in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date

from branchloop.clock import HOUR_MS, from_ms, local_day_end_ms
from branchloop.site.site import Site
from hub.store.book.appointment import Appointment
from hub.store.book.changes import touch
from hub.store.book.entries import Book
from hub.store.journeys import record

SWEPT_AFTER_MS = 3 * HOUR_MS
"""So long after closing time nobody waits any more, whatever the queue says."""


def closed_ms(site: Site, day: date) -> int:
    """When a branch's day ends: its last closing time, the end of the day where it is closed or open all day."""
    return max((end for _, end in site.open_spans_ms(day)), default=local_day_end_ms(day, site.zone_info))


def due(db: sqlite3.Connection, book: Book, sites: Iterable[Site], now_ms: int) -> bool:
    """Whether a closed branch has anybody to tell. Only reads."""
    return any(_too_late(db, book, site, now_ms) or _forgotten(db, book, site, now_ms) for site in sites)


def sweep(db: sqlite3.Connection, book: Book, sites: Iterable[Site], now_ms: int) -> int:
    """Tickets from afar whose branch has closed are missed; who waits long after closing has left. How many."""
    swept = 0
    for site in sites:
        late, forgotten = _too_late(db, book, site, now_ms), _forgotten(db, book, site, now_ms)
        for each in late:
            db.execute("UPDATE appointment SET state='missed' WHERE id=?", (each.id,))
            record(db, each.happened("missed", now_ms, reason="closed"))
        for each in forgotten:
            db.execute("UPDATE appointment SET state='left', left_ms=? WHERE id=?", (now_ms, each.id))
            record(db, each.happened("left", now_ms, reason="closed"))
        if late or forgotten:
            touch(db, site.id)
        swept += len(late) + len(forgotten)
    return swept


def _too_late(db: sqlite3.Connection, book: Book, site: Site, now_ms: int) -> list[Appointment]:
    if site.is_open(now_ms):
        return []
    today = from_ms(now_ms, site.zone_info).date()
    return [
        each
        for each in book.from_afar(db, site.id, today.isoformat())
        if closed_ms(site, date.fromisoformat(each.day)) <= now_ms or not site.open_spans_ms(today)
    ]


def _forgotten(db: sqlite3.Connection, book: Book, site: Site, now_ms: int) -> list[Appointment]:
    today = from_ms(now_ms, site.zone_info).date().isoformat()
    return [
        each
        for each in book.here(db, site.id, today)
        if closed_ms(site, date.fromisoformat(each.day)) + SWEPT_AFTER_MS <= now_ms
        and (each.arrived_ms or 0) + SWEPT_AFTER_MS <= now_ms
    ]
