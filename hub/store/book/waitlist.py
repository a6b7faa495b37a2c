"""The waitlist: who finds a day full waits for a place in order, and a place that frees is held for the first.

Works inside whatever transaction the connection is in. A place that is offered is the appointment's own: the
same unique index that keeps two from one place keeps it from everybody else.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

from branchloop.clock import DAY_MS, from_ms, iso
from branchloop.errors import ConflictError, InputError
from branchloop.site.site import Site
from hub.loop import appointments as rules
from hub.store.book.appointment import Appointment, appointments
from hub.store.book.changes import touch
from hub.store.book.entries import Book, Times, Wanted
from hub.store.book.places import busy, day_slots, free_place, occupy, place_taken, vacate, waitlisted
from hub.store.journeys import record

Reason = Literal["offer lapsed", "no place came free"]


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a waiting ended without a place; `until_ms` is how long one was held, of an offer that lapsed."""

    reason: Reason
    until_ms: int | None


def join(
    db: sqlite3.Connection, book: Book, site: Site, wanted: Wanted, day: date, now_ms: int
) -> Appointment:
    """Wait for a place on a day; `wanted.start_ms` does not count.

    Raises InputError for what is no name or no such service, for a day on which there is none or that is over;
    ConflictError when the service has no waitlist, the day has a free place, or the customer waits already.
    """
    service = rules.service_of(site, wanted.service)
    if not service.waitlist:
        raise ConflictError(f"{service.id} has no waitlist.", hint="Choose another day.")
    slots = [
        slot
        for slot in day_slots(db, site, service.id, day, now_ms)
        if rules.offerable(slot.start_ms, now_ms) and slot.start_ms <= now_ms + rules.AHEAD_DAYS * DAY_MS
    ]
    if not slots:
        raise InputError(
            f"{day.isoformat()} has no time left for {service.id}, or is more than {rules.AHEAD_DAYS} days ahead.",
            hint="Choose another day.",
        )
    free = next((slot for slot in slots if slot.free), None)
    if free is not None:
        raise ConflictError(f"{iso(free.start_ms)} is free on that day.", hint="Book it.")
    for column, value in (("customer", wanted.customer), ("journey", wanted.journey)):
        if (
            value is not None
            and db.execute(
                f"SELECT 1 FROM appointment WHERE {column}=? AND site=? AND service=? AND day=? AND state='waitlisted'",
                (value, site.id, service.id, day.isoformat()),
            ).fetchone()
        ):
            raise ConflictError("this customer waits for that day already.", hint="A place is offered.")
    book.not_too_many(db, wanted, now_ms)
    spans = site.open_spans_ms(day)
    opens_ms, closes_ms = min(start for start, _ in spans), max(end for _, end in spans)
    made = book.enter(
        db, site, wanted, Times(opens_ms, closes_ms, opens_ms, closes_ms), now_ms, state="waitlisted"
    )
    record(db, made.happened("waitlisted", now_ms, day=made.day))
    return made


def due(db: sqlite3.Connection, sites: Iterable[Site], now_ms: int) -> bool:
    """Whether there is anything to offer, or to end. Only reads."""
    if _lapsed(db, now_ms):
        return True
    return any(
        not busy(db, each, slot.start_ms)
        for site in sites
        for service, day in _wanted(db, site, now_ms)
        for slot in _places(db, site, service, day, now_ms)
        for each in waitlisted(db, site.id, service, day)
    )


def offer_freed(db: sqlite3.Connection, book: Book, sites: Iterable[Site], now_ms: int) -> int:
    """Hold every place that is free for the first who waits for it; how many are offered anew.

    An offer that nobody confirmed in time ends the waiting, and so does the end of the day: the ledger says why.
    """
    for each in _lapsed(db, now_ms):
        _end(db, each, "no place came free" if each.offered_until_ms is None else "offer lapsed", now_ms)
    offered = 0
    for site in sites:
        for service, day in _wanted(db, site, now_ms):
            for each in waitlisted(db, site.id, service, day):
                offered += _offer(db, book, site, each, now_ms)
    return offered


def confirm(
    db: sqlite3.Connection, book: Book, site: Site, appointment: Appointment, now_ms: int
) -> Appointment:
    """Take the place that is offered; again changes nothing. Raises ConflictError when none is held any more."""
    if appointment.state == "booked":
        return appointment
    if appointment.state != "waitlisted":
        raise ConflictError(f"the appointment is {appointment.state}; there is nothing to confirm.")
    if appointment.offered_until_ms is None:
        raise ConflictError("no place is offered yet.", hint="Wait: it is offered in order.")
    if appointment.offered_until_ms <= now_ms:
        raise ConflictError(
            "the place was held until then, and is no longer.", hint="Join the waitlist anew."
        )
    db.execute(
        "UPDATE appointment SET state='booked', offered_until_ms=NULL WHERE id=? AND state='waitlisted'",
        (appointment.id,),
    )
    touch(db, site.id)
    made = book.get(db, site.id, appointment.id)
    record(db, made.happened("booked", now_ms, start_ms=made.start_ms, waitlist=True))
    return made


def ended(db: sqlite3.Connection, appointment: Appointment) -> Ended | None:
    """How the waiting of somebody ended who got no place; None for who gave up or cancelled by themselves."""
    if appointment.state != "cancelled":
        return None
    row = db.execute(
        "SELECT json_extract(detail, '$.reason'), (SELECT json_extract(detail, '$.until_ms') FROM journey_event o "
        "WHERE o.appointment=e.appointment AND o.stage='offered' ORDER BY o.id DESC LIMIT 1) "
        "FROM journey_event e WHERE appointment=? AND stage='cancelled' ORDER BY id DESC LIMIT 1",
        (appointment.id,),
    ).fetchone()
    return Ended(*row) if row is not None and row[0] in get_args(Reason) else None


def _wanted(db: sqlite3.Connection, site: Site, now_ms: int) -> Iterator[tuple[str, str]]:
    """Services and days for which somebody waits without an offer."""
    today = from_ms(now_ms, site.zone_info).date().isoformat()
    known = {service.id for service in site.services}
    rows = db.execute(
        "SELECT DISTINCT service, day FROM appointment INDEXED BY appointment_waitlisted WHERE site=? AND state='waitlisted' "
        "AND offered_until_ms IS NULL AND day>=? ORDER BY day, service",
        (site.id, today),
    ).fetchall()
    return ((service, day) for service, day in rows if service in known)


def _places(db: sqlite3.Connection, site: Site, service: str, day: str, now_ms: int) -> list[rules.Slot]:
    found = day_slots(db, site, service, date.fromisoformat(day), now_ms, for_waitlist=True)
    return [slot for slot in found if slot.free and rules.offerable(slot.start_ms, now_ms)]


def _offer(db: sqlite3.Connection, book: Book, site: Site, waiting: Appointment, now_ms: int) -> bool:
    for slot in _places(db, site, waiting.service, waiting.day, now_ms):
        if busy(db, waiting, slot.start_ms):
            continue
        until_ms = min(now_ms + rules.HOLD_MS, slot.start_ms - rules.NOTICE_MS)
        db.execute("SAVEPOINT offer")
        try:
            held = _hold(db, book, site, waiting, slot, until_ms)
        except rules.SlotGoneError:  # the database knows better: another place, and the tick goes on
            db.execute("ROLLBACK TO offer")
            continue
        finally:
            db.execute("RELEASE offer")
        record(db, held.happened("offered", now_ms, start_ms=held.start_ms, until_ms=until_ms))
        return True
    return False


def _lapsed(db: sqlite3.Connection, now_ms: int) -> list[Appointment]:
    """On the waitlist no longer: what was offered was not confirmed in time, or the day is over."""
    return appointments(db, "state='waitlisted' AND coalesce(offered_until_ms, end_ms)<=?", (now_ms,))


def _end(db: sqlite3.Connection, waiting: Appointment, reason: Reason, now_ms: int) -> None:
    """Off the waitlist; what was held is free."""
    db.execute(
        "UPDATE appointment SET state='cancelled', cancelled_ms=?, offered_until_ms=NULL WHERE id=?",
        (now_ms, waiting.id),
    )
    vacate(db, waiting.id)
    touch(db, waiting.site)
    record(db, waiting.happened("cancelled", now_ms, reason=reason))


def _hold(
    db: sqlite3.Connection, book: Book, site: Site, waiting: Appointment, slot: rules.Slot, until_ms: int
) -> Appointment:
    """Give somebody on the waitlist a place for a while. Raises ConflictError when it is taken."""
    service = rules.service_of(site, waiting.service)
    place, counter = free_place(db, site, service, slot, waiting.id)
    try:
        db.execute(
            "UPDATE appointment SET start_ms=?, end_ms=?, window_from_ms=?, window_to_ms=?, place=?, "
            "offered_until_ms=? WHERE id=? AND state='waitlisted'",
            (
                slot.start_ms, slot.end_ms, *rules.arrival_window_ms(site, slot.start_ms), place, until_ms,
                waiting.id,
            ),
        )  # fmt: skip
        occupy(db, site.id, counter, slot, waiting.id)
    except sqlite3.IntegrityError as error:
        raise place_taken(error) from error
    touch(db, site.id)
    return book.get(db, site.id, waiting.id)
