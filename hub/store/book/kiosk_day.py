"""What each kiosk may know of its branch's day: who is expected, how long the queues are, which numbers are its own."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from branchloop.clock import DAY_MS, HOUR_MS, from_ms
from branchloop.codes import code_digest
from branchloop.errors import InputError
from branchloop.site.site import Site
from branchloop.wire.commands import Expected, Queue, TicketRange
from hub.loop import capacity
from hub.loop.appointments import State
from hub.loop.tickets import LAST_NUMBER, first_free
from hub.store.book.entries import Book
from hub.store.book.midnight import beside, stays_open
from hub.store.book.numbers import taken

MEASURED_DAYS = 28
MEASURED_LEAST = 10
"""So many visits make a measured mean; below it the planned length counts, and is called planned."""
AHEAD_MS = 3 * HOUR_MS
MAX_COUNTER = 40
TO_KIOSKS: Mapping[State, Literal["booked", "arrived", "called", "served", "cancelled"]] = {
    "booked": "booked",
    "missed": "booked",
    "arrived": "arrived",
    "parked": "arrived",
    "called": "called",
    "served": "served",
    "left": "served",
    "cancelled": "cancelled",
}
"""What a kiosk is told of a state; of a waitlisted one, nothing."""


def expected(
    db: sqlite3.Connection, book: Book, site: Site, now_ms: int, salt: str, consents: Mapping[str, str]
) -> list[Expected]:
    """Appointments of the site's day, then those around midnight; `consents` is customer -> consent of whom a kiosk can recognise.

    Where the doors stay open at midnight these are known hours before: the hub may be out of reach then.
    """
    day = from_ms(now_ms, site.zone_info).date()
    ahead_ms = AHEAD_MS if stays_open(site, day) else 0
    found: list[Expected] = []
    for each in (*book.of_day(db, site.id, day), *beside(db, site, now_ms, ahead_ms)):
        code = book.code(db, each)
        told = TO_KIOSKS.get(each.state)
        if code is None or told is None:
            continue
        found.append(
            Expected(
                id=each.id, booking_no=each.booking_no, code_digest=code_digest(salt, code),
                start_ms=each.start_ms, window_from_ms=each.window_from_ms, window_to_ms=each.window_to_ms,
                service=each.service, masked_name=each.masked_name, title=each.title, state=told,
                number=each.number, consent=consents.get(each.customer),
                counter=each.counter[:MAX_COUNTER] if told == "called" and each.counter else None,
            )
        )  # fmt: skip
    return found


def queues(db: sqlite3.Connection, site: Site, now_ms: int) -> list[Queue]:
    """What is known of the wait for each service."""
    day = from_ms(now_ms, site.zone_info).date().isoformat()
    states: Counter[tuple[str, str]] = Counter(
        {
            (service, state): count
            for service, state, count in db.execute(
                "SELECT service, state, count(*) FROM appointment WHERE site=? AND day=? GROUP BY service, state",
                (site.id, day),
            )
        }
    )
    states.update((each.service, each.state) for each in beside(db, site, now_ms))
    found: list[Queue] = []
    for service in site.services:
        counters = capacity.open_now(site, service, now_ms)
        count, mean_ms = db.execute(
            "SELECT count(*), avg(served_ms - called_ms) FROM appointment "
            "WHERE site=? AND service=? AND state='served' AND served_ms>=? AND called_ms IS NOT NULL",
            (site.id, service.id, now_ms - MEASURED_DAYS * DAY_MS),
        ).fetchone()
        measured = count >= MEASURED_LEAST
        found.append(
            Queue(
                service=service.id,
                waiting=states[service.id, "arrived"],
                busy=min(counters, states[service.id, "called"]),
                counters=counters,
                mean_service_s=round(mean_ms / 1000, 1) if measured else service.minutes * 60.0,
                basis="measured" if measured else "planned",
                as_of_ms=now_ms,
            )
        )
    return found


def ticket_range(db: sqlite3.Connection, site: Site, device: str, now_ms: int) -> TicketRange:
    """Numbers that this kiosk alone gives today: past those that are somebody's as far as is known here.

    Raises InputError when the kiosk has no series; see `hub.store.book.tickets.assign_series`.
    """
    row = db.execute(
        "SELECT series FROM ticket_series WHERE site=? AND device=?", (site.id, device)
    ).fetchone()
    if row is None:
        raise InputError(f"{site.id}/{device} has no series of tickets.", hint="Restart ingest.")
    day = from_ms(now_ms, site.zone_info).date()
    first = first_free(taken(db, site, device, row[0], day, now_ms))
    return TicketRange(day=day.isoformat(), series=row[0], first=first, last=LAST_NUMBER)
