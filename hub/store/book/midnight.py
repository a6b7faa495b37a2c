"""Whom a branch has to do with at a moment: midnight ends no visit, where the doors stay open as where the queue goes on.

A visit belongs to one day, that of its promised time, or on which its customer walked in. Beside the visits of its day
a branch has those of the day before who are still here, and those of the day after who came early or may check in
already.
"""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta

from branchloop.clock import HOUR_MS, from_ms, local_day_end_ms
from branchloop.site.site import Site
from hub.store.book.appointment import Appointment, appointments

OPEN_CALL_MS = 3 * HOUR_MS
"""So long a call goes on over midnight: what was left open the evening before holds up nobody in the morning."""
IN_TIME = "(day<=? OR arrived_ms>=window_from_ms)"
"""Of today or before, or here within their own arrival window: who was checked in days ahead is not in today's queue."""


def around(day: date) -> tuple[str, str]:
    """The day before and the day after."""
    return (day - timedelta(days=1)).isoformat(), (day + timedelta(days=1)).isoformat()


def beside(db: sqlite3.Connection, site: Site, now_ms: int, ahead_ms: int = 0) -> list[Appointment]:
    """Visits of the days around today whose customers are here, or may check in now or `ahead_ms` from now; by start."""
    day = from_ms(now_ms, site.zone_info).date()
    return appointments(
        db,
        f"site=? AND day IN (?,?) AND (state IN ('arrived', 'parked') AND {IN_TIME} "
        "OR state='called' AND called_ms>? OR state='booked' AND window_from_ms<=? AND window_to_ms>=?)",
        (site.id, *around(day), day.isoformat(), now_ms - OPEN_CALL_MS, now_ms + ahead_ms, now_ms),
    )


def doors_ms(site: Site, day: date) -> list[tuple[int, int]]:
    """A day's opening spans in order; the last goes on over midnight where the doors do not shut then."""
    spans = sorted(site.open_spans_ms(day))
    following = sorted(site.open_spans_ms(day + timedelta(days=1)))
    if spans and following and spans[-1][1] == following[0][0]:
        spans[-1] = (spans[-1][0], following[0][1])
    return spans


def stays_open(site: Site, day: date) -> bool:
    """Whether the doors stay open at the end of a day."""
    return any(end > local_day_end_ms(day, site.zone_info) for _, end in doors_ms(site, day))
