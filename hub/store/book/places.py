"""The places of a slot and the counters they are at: what is free, for whom, and holding it.

Two customers never get one place: a unique index over (branch, service, start, place) says so, not a lock of ours.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Protocol

from branchloop.clock import DAY_MS, from_ms, iso, local_day_end_ms, local_day_start_ms
from branchloop.errors import ConflictError, InputError
from branchloop.site.kiosk import Service
from branchloop.site.site import Site
from hub.loop import appointments as rules, capacity
from hub.store.book.appointment import TAKEN, Appointment, appointments


def day_slots(
    db: sqlite3.Connection,
    site: Site,
    service: str,
    day: date,
    now_ms: int | None = None,
    *,
    for_waitlist: bool = False,
    without: str | None = None,
    at_ms: int | None = None,
) -> list[rules.Slot]:
    """A day's slots. Raises InputError for a service that the branch has not.

    What is free while somebody waits for it is theirs, so it is free for the waitlist alone; with `now_ms`,
    only as far as it can still be offered to them. `without` is an appointment whose own place counts as free;
    with `at_ms`, only the slot that starts then.
    """
    wanted = rules.service_of(site, service)
    if site.counters:
        counters = capacity.staffed(site, day)
        taken_ticks = capacity.arrange(counters, visits(db, site.id, day, without)).taken
        found = capacity.slots(site, wanted, day, counters, taken_ticks, at_ms)
        return _for_others(db, site, service, day, found, now_ms, for_waitlist=for_waitlist)
    taken = db.execute(
        "SELECT start_ms, count(*) FROM appointment WHERE site=? AND service=? AND start_ms>=? AND start_ms<? "
        f"AND {TAKEN} GROUP BY start_ms",  # by start, not by day: the index of places has it
        (
            site.id,
            service,
            local_day_start_ms(day, site.zone_info),
            local_day_end_ms(day, site.zone_info),
        ),
    ).fetchall()
    found = rules.slots(site, wanted, day, dict(taken))
    return _for_others(db, site, service, day, found, now_ms, for_waitlist=for_waitlist)


def visits(db: sqlite3.Connection, site: str, day: date, without: str | None = None) -> list[capacity.Visit]:
    """A day's appointments that need a counter, with the one that is held for each."""
    rows = db.execute(
        "SELECT id, service, start_ms, end_ms, (SELECT counter FROM held WHERE appointment=id LIMIT 1) "
        f"FROM appointment WHERE site=? AND day=? AND {TAKEN} AND id IS NOT ? ORDER BY booked_ms, id",
        (site, day.isoformat(), without),
    ).fetchall()
    return [capacity.Visit(*row) for row in rows]


def waitlisted(db: sqlite3.Connection, site: str, service: str, day: str) -> list[Appointment]:
    """Who waits for a place on a day and is offered none, in order."""
    found = appointments(
        db,
        "site=? AND service=? AND day=? AND state='waitlisted' AND offered_until_ms IS NULL",
        (site, service, day),
    )
    return sorted(found, key=lambda each: (each.booked_ms, each.id))


def busy(db: sqlite3.Connection, waiting: Appointment, start_ms: int) -> bool:
    """Whether who waits has another appointment at that time, and so cannot be offered it."""
    row = db.execute(
        "SELECT 1 FROM appointment WHERE customer=? AND start_ms=? AND id<>? AND state NOT IN ('cancelled', 'missed') "
        "AND (state<>'waitlisted' OR offered_until_ms IS NOT NULL)",
        (waiting.customer, start_ms, waiting.id),
    ).fetchone()
    return row is not None


def free_slot(
    db: sqlite3.Connection,
    site: Site,
    service: str,
    start_ms: int,
    now_ms: int,
    without: str | None = None,
) -> rules.Slot:
    """The slot that starts then, if it is to be had. Raises InputError for what is no slot or has begun, SlotGoneError when it is full.

    A time that has begun is promised to nobody: it would pass everybody who waits.
    """
    if start_ms <= now_ms:
        raise InputError(
            f"{iso(start_ms)} has begun, or is over.",
            hint="Choose a later time; who is here now takes a ticket of the queue.",
        )
    if start_ms > now_ms + rules.AHEAD_DAYS * DAY_MS:
        raise InputError(
            f"this time is more than {rules.AHEAD_DAYS} days ahead.", hint="Choose an earlier one."
        )
    day = from_ms(start_ms, site.zone_info).date()
    slots = day_slots(db, site, service, day, now_ms, without=without, at_ms=start_ms)
    slot = next((slot for slot in slots if slot.start_ms == start_ms), None)
    if slot is None:
        raise InputError(f"{iso(start_ms)} is no slot of {service}.", hint="GET …/slots lists them.")
    if not slot.free:
        raise rules.SlotGoneError("this slot is full.", hint="Choose another one, or join the waitlist.")
    return slot


def free_place(
    db: sqlite3.Connection, site: Site, service: Service, slot: rules.Slot, without: str | None
) -> tuple[int, str | None]:
    """A place of a slot and, where the branch has counters, the counter it is at. Raises SlotGoneError."""
    taken = {place for (place,) in db.execute(
        f"SELECT place FROM appointment WHERE site=? AND service=? AND start_ms=? AND {TAKEN}",
        (site.id, service.id, slot.start_ms),
    )}  # fmt: skip
    counter = None
    places = service.per_slot
    if site.counters:
        day = from_ms(slot.start_ms, site.zone_info).date()
        counters, kept = capacity.staffed(site, day), visits(db, site.id, day)
        _keep(db, site.id, kept, capacity.arrange(counters, kept))
        arranged = capacity.arrange(counters, visits(db, site.id, day, without))
        free = capacity.free_for(counters, arranged.taken, service.id, slot.start_ms, slot.end_ms)
        counter, places = (free[0], len(taken) + 1) if free else (None, 0)
    place = next((place for place in range(places) if place not in taken), None)
    if place is None:
        raise rules.SlotGoneError("this slot is full.", hint="Choose another one.")
    return place, counter


def occupy(db: sqlite3.Connection, site: str, counter: str | None, time: _Lasting, appointment: str) -> None:
    """Hold a counter for an appointment. Raises SlotGoneError when it is held for another one."""
    if counter is None:
        return
    wanted = [(site, counter, tick_ms, appointment) for tick_ms in capacity.ticks(time.start_ms, time.end_ms)]
    try:
        db.executemany("INSERT INTO held (site, counter, tick_ms, appointment) VALUES (?,?,?,?)", wanted)
    except sqlite3.IntegrityError as error:
        raise place_taken(error) from error


def vacate(db: sqlite3.Connection, appointment: str) -> None:
    """The counter that is held for an appointment is free."""
    db.execute("DELETE FROM held WHERE appointment=?", (appointment,))


def place_taken(error: sqlite3.IntegrityError) -> ConflictError:
    """What a unique index says of a second appointment: of the customer's own, or of the place."""
    if "appointment.customer" in str(error):
        return rules.OwnTimeError(
            "this customer has an appointment at that time.", hint="Choose another slot."
        )
    return rules.SlotGoneError("the place was taken.", hint="Choose another slot.")


def _for_others(
    db: sqlite3.Connection,
    site: Site,
    service: str,
    day: date,
    found: list[rules.Slot],
    now_ms: int | None,
    *,
    for_waitlist: bool,
) -> list[rules.Slot]:
    waiters = [] if for_waitlist else waitlisted(db, site.id, service, day.isoformat())
    return [
        replace(slot, free=0)
        if slot.free
        and (now_ms is None or rules.offerable(slot.start_ms, now_ms))
        and not all(busy(db, each, slot.start_ms) for each in waiters)
        else slot
        for slot in found
    ]


def _keep(
    db: sqlite3.Connection,
    site: str,
    kept: Iterable[capacity.Visit],
    arranged: capacity.Arranged,
) -> None:
    """Write down which counter is held now for those whose own cannot take them any more."""
    homeless = {*arranged.assigned, *arranged.stranded}
    for visit in kept:
        if visit.appointment in homeless and visit.counter is not None:
            vacate(db, visit.appointment)
    for visit in kept:
        if visit.appointment in arranged.assigned:
            counter = arranged.assigned[visit.appointment]
            occupy(db, site, counter, visit, visit.appointment)


class _Lasting(Protocol):
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...
