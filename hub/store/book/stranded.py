"""Appointments that stay booked although their branch cannot keep them as it is configured now.

A counter that goes, hours that are cut, a holiday: nothing is cancelled by that; staff are told whom to move.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date
from typing import Literal

from branchloop.clock import from_ms
from branchloop.site.site import Site
from hub.loop import capacity
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book
from hub.store.book.places import visits

Reason = Literal["service", "closed", "counter", "places"]
"""Not offered any more; outside of the opening hours; no counter is free for it; more are booked than places."""


@dataclass(frozen=True, slots=True)
class Stranded:
    """An appointment to come, and why it cannot be as it was booked."""

    appointment: Appointment
    reason: Reason


def stranded(db: sqlite3.Connection, book: Book, site: Site, now_ms: int) -> list[Stranded]:
    """Those of a branch, by start."""
    today = from_ms(now_ms, site.zone_info).date().isoformat()
    days = [
        day
        for (day,) in db.execute(
            "SELECT DISTINCT day FROM appointment WHERE site=? AND day>=? ORDER BY day", (site.id, today)
        )
    ]
    return [each for day in days for each in _of_day(db, book, site, date.fromisoformat(day), now_ms)]


def _of_day(db: sqlite3.Connection, book: Book, site: Site, day: date, now_ms: int) -> list[Stranded]:
    services = {service.id: service for service in site.services}
    spans = site.open_spans_ms(day)
    homeless: frozenset[str] = frozenset()
    if site.counters:
        arranged = capacity.arrange(capacity.staffed(site, day), visits(db, site.id, day))
        homeless = frozenset(arranged.stranded)
    found: list[Stranded] = []
    for each in book.of_day(db, site.id, day):
        placed = each.state == "booked" or each.offered_until_ms is not None
        if each.kind != "booked" or not placed or each.start_ms <= now_ms:
            continue
        service = services.get(each.service)
        if service is None:
            found.append(Stranded(each, "service"))
        elif not any(start <= each.start_ms and each.end_ms <= end for start, end in spans):
            found.append(Stranded(each, "closed"))
        elif each.id in homeless:
            found.append(Stranded(each, "counter"))
        elif not site.counters and each.place >= service.per_slot:
            found.append(Stranded(each, "places"))
    return found
