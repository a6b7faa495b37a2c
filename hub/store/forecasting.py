"""What the book teaches of the wait for each service; see `hub.loop.forecast`."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from branchloop.clock import DAY_MS, from_ms
from branchloop.site import Site
from hub.loop.capacity import open_now
from hub.loop.forecast import Lengths, Running, Wait, forecast, learn
from hub.store.book import MEASURED_DAYS, Appointment, Book

NOBODY_ELSE: Mapping[str, int] = {}
MOST_TAUGHT = 1_000
"""So many of the newest visits are learned from."""


def waits(
    db: sqlite3.Connection, book: Book, site: Site, now_ms: int, coming: Mapping[str, int] = NOBODY_ELSE
) -> dict[str, Wait | None]:
    """The wait, per service, of somebody who comes after all who wait for it now; None when it cannot be told.

    Who is expected by appointment and is not here yet is not counted; `coming` are so many more ahead.
    """
    day = from_ms(now_ms, site.zone_info).date()
    waiting = book.waiting(db, site.id, day)
    found: dict[str, Wait | None] = {}
    for service in site.services:
        lengths = _lengths(db, site.id, service.id, service.minutes * 60.0, now_ms)
        ahead = [lengths for each in waiting if each.service == service.id]
        ahead += [lengths] * coming.get(service.id, 0)
        running = _running(db, site, service.id, day.isoformat(), lengths, now_ms)
        found[service.id] = forecast(ahead, running, open_now(site, service, now_ms))
    return found


@dataclass(frozen=True, slots=True)
class Own:
    """Where somebody who waits stands: how many come before, and the wait from now; None when it cannot be told."""

    ahead: int
    wait: Wait | None


def wait_for(
    db: sqlite3.Connection, book: Book, site: Site, appointment: Appointment, now_ms: int
) -> Own | None:
    """Of one who has arrived and was not called; None for everybody else."""
    if appointment.state != "arrived":
        return None
    service = next((each for each in site.services if each.id == appointment.service), None)
    day = from_ms(now_ms, site.zone_info).date()
    same = [each for each in book.waiting(db, site.id, day) if each.service == appointment.service]
    before = next((at for at, each in enumerate(same) if each.appointment == appointment.id), None)
    if before is None:
        return None
    if service is None:
        return Own(before, None)
    lengths = _lengths(db, site.id, service.id, service.minutes * 60.0, now_ms)
    running = _running(db, site, service.id, day.isoformat(), lengths, now_ms)
    return Own(before, forecast([lengths] * before, running, open_now(site, service, now_ms)))


def told_at_arrival(
    db: sqlite3.Connection, book: Book, site: Site, appointment: Appointment, now_ms: int
) -> dict[str, float]:
    """What the ledger keeps of somebody's wait as it is expected on arrival; nothing when it cannot be told."""
    own = wait_for(db, book, site, appointment, now_ms)
    if own is None or own.wait is None:
        return {}
    wait = own.wait
    return {
        "ahead": own.ahead,
        "wait_low_s": round(wait.low_s, 1),
        "wait_s": round(wait.expected_s, 1),
        "wait_high_s": round(wait.high_s, 1),
    }


def _running(
    db: sqlite3.Connection, site: Site, service: str, day: str, lengths: Lengths | None, now_ms: int
) -> list[Running | None]:
    return [
        Running(lengths, max(0, now_ms - called_ms) / 1000) if lengths is not None else None
        for (called_ms,) in db.execute(
            "SELECT called_ms FROM appointment WHERE site=? AND day=? AND service=? AND state='called'",
            (site.id, day, service),
        )
    ]


def _lengths(
    db: sqlite3.Connection, site: str, service: str, planned_s: float, now_ms: int
) -> Lengths | None:
    rows = db.execute(
        "SELECT served_ms - called_ms FROM appointment WHERE site=? AND service=? AND served_ms>=? "
        "AND state='served' AND called_ms IS NOT NULL ORDER BY served_ms DESC LIMIT ?",
        (site, service, now_ms - MEASURED_DAYS * DAY_MS, MOST_TAUGHT),
    )
    return learn((length_ms / 1000 for (length_ms,) in rows), planned_s)
