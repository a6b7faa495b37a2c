"""A day's visits as the book has them, and what was told of waits beside what came of it."""

from __future__ import annotations

import json
import sqlite3
from datetime import date

from branchloop.clock import DAY_MS
from branchloop.site.site import Site
from hub.loop.service_day import Told, Visit
from hub.store.book.entries import Book
from hub.store.book.midnight import beside

ERROR_DAYS = 28
"""So many days of forecasts are judged."""


def visits(db: sqlite3.Connection, book: Book, site: Site, day: date) -> list[Visit]:
    """Everything of a day that holds or held a place or a ticket, but what was cancelled."""
    return [
        Visit(
            service=each.service,
            kind=each.kind,
            state=each.state,
            outcome=each.outcome,
            waited_s=_between(each.arrived_ms, each.called_ms),
            served_s=_between(each.called_ms, each.served_ms),
            came=each.arrived_ms is not None,
        )
        for each in book.of_day(db, site.id, day)
        if each.state not in {"cancelled", "waitlisted"}
    ]


def over_midnight(db: sqlite3.Connection, site: Site, now_ms: int) -> list[Visit]:
    """Who is here of the days around today: where they are now is today's, what came of them is their own day's."""
    return [
        Visit(each.service, each.kind, each.state, None, None, None, came=False)
        for each in beside(db, site, now_ms)
        if each.state != "booked"
    ]


def told(db: sqlite3.Connection, site: Site, until_ms: int) -> list[Told]:
    """Forecasts of the last `ERROR_DAYS` days, of those who were called without being parked or sent on before."""
    rows = db.execute(
        "SELECT a.service, a.at_ms, a.detail, min(b.at_ms), "
        "  (SELECT stage FROM journey_event f WHERE f.appointment=a.appointment AND f.id>a.id "
        "   AND f.stage IN ('called', 'parked', 'transferred', 'left') ORDER BY f.id LIMIT 1) "
        "FROM journey_event a JOIN journey_event b ON b.appointment=a.appointment AND b.stage='called' "
        "WHERE a.site=? AND a.stage='arrived' AND a.at_ms>=? AND a.at_ms<? GROUP BY a.id",
        (site.id, until_ms - ERROR_DAYS * DAY_MS, until_ms),
    )
    found = []
    for service, arrived_ms, detail, called_ms, first in rows:
        forecast = json.loads(detail)
        if first == "called" and "wait_s" in forecast:
            found.append(
                Told(
                    service, forecast["wait_low_s"], forecast["wait_s"], forecast["wait_high_s"],
                    max(0, called_ms - arrived_ms) / 1000,
                )
            )  # fmt: skip
    return found


def _between(from_ms: int | None, to_ms: int | None) -> float | None:
    return None if from_ms is None or to_ms is None else max(0, to_ms - from_ms) / 1000
