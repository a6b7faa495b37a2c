"""Check-ins in the book: each is kept once, and an appointment's tickets are settled with every one that comes.

Also the lines for the audit log that ingest owes: written in the transaction of what they tell of, so that
none is lost, and moved to the log afterwards, where one may then stand twice after a crash.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date

from branchloop.clock import MINUTE_MS, from_ms
from branchloop.errors import BranchloopError, ConflictError
from branchloop.site.site import Site
from branchloop.wire.arrivals import Attempt, Checkin, Walkin
from hub.loop import appointments as rules
from hub.loop.queue import promised_ms
from hub.loop.tickets import LAST_NUMBER, STAFF_SERIES, Ticket, next_series, number, settle
from hub.store.book.appointment import Appointment
from hub.store.book.changes import touch
from hub.store.book.entries import Book, Times, Wanted
from hub.store.book.forecasting import told_at_arrival
from hub.store.book.midnight import beside
from hub.store.book.numbers import given_twice, taken
from hub.store.journeys import record

TOLD_WITHIN_MS = 30_000
"""A check-in that is heard of later was told nothing of what is known here now."""


@dataclass(frozen=True, slots=True)
class Due:
    """A line for the audit log."""

    id: int
    at_ms: int
    actor: str
    role: str
    action: str
    site: str
    detail: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a check-in: a sentence when it cannot be kept, one when it is kept and still wrong."""

    fault: str | None = None
    alarm: str | None = None


def assign_series(db: sqlite3.Connection, sites: Iterable[Site]) -> None:
    """Every kiosk gets a series of its own and keeps it. Raises ConflictError when there are too many."""
    for site in sites:
        taken = dict(
            db.execute("SELECT device, series FROM ticket_series WHERE site=?", (site.id,)).fetchall()
        )
        for kiosk in site.kiosks:
            if kiosk.id not in taken:
                taken[kiosk.id] = next_series(taken.values())
                db.execute(
                    "INSERT INTO ticket_series (site, device, series) VALUES (?,?,?)",
                    (site.id, kiosk.id, taken[kiosk.id]),
                )


def take_checkin(
    db: sqlite3.Connection, book: Book, site: Site, device: str, checkin: Checkin, now_ms: int
) -> Taken:
    """Keep a check-in and settle its appointment.

    Whoever holds a ticket stands in the branch: one for an appointment that was cancelled meanwhile counts,
    and so does one from a kiosk whose clock is ahead, as of now.
    """
    found = book.find(db, site.id, checkin.appointment)
    if found is None:
        return Taken(fault=f"appointment {checkin.appointment!r} is not known here.")
    if db.execute("SELECT 1 FROM ticket WHERE site=? AND checkin=?", (site.id, checkin.id)).fetchone():
        return Taken()
    at_ms = min(checkin.at_ms, now_ms)
    if found.state == "cancelled":
        found = _revive(db, book, found, at_ms)
    twice = given_twice(db, site, checkin.number, at_ms, found.id)
    _put(
        db, found, Ticket(checkin.id, device, checkin.number, at_ms, checkin.method, checkin.provisional),
        checkin.policy, checkin.decided_ms,
    )  # fmt: skip
    _settle(db, book, found, site, now_ms)
    owe(
        db, at_ms, f"{site.id}/{device}", "kiosk", f"check-in by {checkin.method}", site.id,
        f"appointment {found.id} ticket {checkin.number}{' provisional' if checkin.provisional else ''}",
    )  # fmt: skip
    return Taken(alarm=_wrong_number(db, site.id, device, checkin.number, twice=twice))


def take_walkin(
    db: sqlite3.Connection, book: Book, site: Site, device: str, told: Walkin, now_ms: int
) -> Taken:
    """Keep a ticket that a kiosk gave to somebody without an appointment; the same again changes nothing.

    It counts whatever the hour: whoever holds it was let in while the branch was open.
    """
    if db.execute("SELECT 1 FROM ticket WHERE site=? AND checkin=?", (site.id, told.id)).fetchone():
        return Taken()
    service = next((each for each in site.services if each.id == told.service), None)
    if service is None:
        return Taken(fault=f"service {told.service!r} is not known here.")
    at_ms = min(told.at_ms, now_ms)
    day, start_ms = from_ms(at_ms, site.zone_info).date(), promised_ms(at_ms, service.walk_in_target_min)
    wanted = Wanted(service.id, start_ms, "", channel="kiosk", language=told.language)
    times = Times(start_ms, start_ms + service.minutes * MINUTE_MS, at_ms, start_ms)
    try:
        made = book.enter(db, site, wanted, times, at_ms, kind="walk_in", day=day)
    except BranchloopError as error:
        return Taken(fault=error.message)
    twice = given_twice(db, site, told.number, at_ms, made.id)
    _put(db, made, Ticket(told.id, device, told.number, at_ms, "kiosk", told.provisional), None, None)
    _settle(db, book, made, site, now_ms)
    owe(
        db, at_ms, f"{site.id}/{device}", "kiosk", "ticket without appointment", site.id,
        f"appointment {made.id} ticket {told.number}{' provisional' if told.provisional else ''}",
    )  # fmt: skip
    return Taken(alarm=_wrong_number(db, site.id, device, told.number, twice=twice))


def arrive(
    db: sqlite3.Connection, book: Book, site: Site, appointment: Appointment, now_ms: int
) -> Appointment:
    """Staff check somebody in; who has a ticket keeps it.

    Raises ConflictError for another day's whose arrival window is not now, or one that cannot be checked in.
    """
    today = from_ms(now_ms, site.zone_info).date().isoformat()
    if appointment.day != today and all(appointment.id != each.id for each in beside(db, site, now_ms)):
        raise ConflictError(f"this appointment is on {appointment.day}.", hint="Move it, or take a ticket.")
    if appointment.state in {"arrived", "called"}:
        return appointment
    rules.after(appointment.state, "arrive")
    return give_staff_ticket(db, book, appointment, now_ms, site)


def give_staff_ticket(
    db: sqlite3.Connection, book: Book, appointment: Appointment, now_ms: int, site: Site
) -> Appointment:
    """A number of the staff's own series. Raises ConflictError past the last."""
    made = number(STAFF_SERIES, _next_of_staff(db, site, appointment.day, now_ms))
    _put(db, appointment, Ticket(f"staff/{appointment.id}", "staff", made, now_ms, "staff"), None, None)
    _settle(db, book, appointment, site, now_ms)
    return book.get(db, appointment.site, appointment.id)


def _next_of_staff(db: sqlite3.Connection, site: Site, day: str, now_ms: int) -> int:
    """After the last that staff gave that day, and one that nobody holds: numbers that others gave of this series end nothing."""
    given, held = {0}, taken(db, site, "staff", STAFF_SERIES, date.fromisoformat(day), now_ms)
    for made, device, method in db.execute(
        "SELECT number, device, method FROM ticket WHERE site=? AND day=? AND number LIKE ?",
        (site.id, day, f"{STAFF_SERIES}%"),
    ):
        held.add(int(made[1:]))
        if (device, method) == ("staff", "staff"):
            given.add(int(made[1:]))
    later = (count for count in range(max(given) + 1, LAST_NUMBER + 1) if count not in held)
    rest = (count for count in range(1, LAST_NUMBER + 1) if count not in given)
    return next(later, None) or next(rest, LAST_NUMBER + 1)


def _wrong_number(db: sqlite3.Connection, site: str, device: str, given: str, *, twice: bool) -> str | None:
    """What is wrong with a number that a kiosk gave."""
    row = db.execute("SELECT series FROM ticket_series WHERE site=? AND device=?", (site, device)).fetchone()
    if row is not None and not given.startswith(row[0]):
        return f"gave number {given}, which is not of its series {row[0]}; is its credential stolen?"
    return f"gave number {given} twice today; is it cloned?" if twice else None


def aliases(db: sqlite3.Connection, appointment: Appointment) -> tuple[str, ...]:
    """Other numbers that were given for an appointment."""
    tickets = _tickets(db, appointment)
    return settle(tickets).aliases if tickets else ()


def provisional(db: sqlite3.Connection, appointment: Appointment) -> bool:
    """Whether any of its tickets was given while the hub was out of reach."""
    return any(ticket.provisional for ticket in _tickets(db, appointment))


def note_attempt(db: sqlite3.Connection, site: str, device: str, attempt: Attempt, now_ms: int) -> None:
    """Owe the audit log a line for what did not give a ticket."""
    parts = [attempt.outcome, attempt.method or "", attempt.detail or ""]
    parts += [f"appointment {attempt.appointment}"] if attempt.appointment else []
    parts += [f"consent {attempt.consent}"] if attempt.consent else []
    owe(
        db, min(attempt.at_ms, now_ms), f"{site}/{device}", "kiosk", "check-in attempt", site,
        " ".join(part for part in parts if part),
    )  # fmt: skip


def owe(
    db: sqlite3.Connection, at_ms: int, actor: str, role: str, action: str, site: str, detail: str
) -> None:
    """Keep a line until it is in the audit log."""
    db.execute(
        "INSERT INTO audit_due (at_ms, actor, role, action, site, detail) VALUES (?,?,?,?,?,?)",
        (at_ms, actor, role, action, site, detail),
    )


def due(db: sqlite3.Connection, most: int = 200) -> list[Due]:
    """Lines that are owed, oldest first."""
    rows = db.execute(
        "SELECT id, at_ms, actor, role, action, site, detail FROM audit_due ORDER BY id LIMIT ?", (most,)
    ).fetchall()
    return [Due(*row) for row in rows]


def pay(db: sqlite3.Connection, lines: Iterable[Due], append: Callable[[Due], object]) -> None:
    """Append lines to the audit log, and forget them here once they are in it."""
    for line in lines:
        append(line)
        db.execute("DELETE FROM audit_due WHERE id=?", (line.id,))


def _revive(db: sqlite3.Connection, book: Book, cancelled: Appointment, at_ms: int) -> Appointment:
    """The cancelled appointment of somebody who came, or the one they booked instead."""
    row = db.execute(
        "SELECT id FROM appointment WHERE customer=? AND start_ms=? AND site=? AND state<>'cancelled'",
        (cancelled.customer, cancelled.start_ms, cancelled.site),
    ).fetchone()
    if row is not None:
        return book.get(db, cancelled.site, row[0])
    (place,) = db.execute(
        "SELECT coalesce(max(place), -1) + 1 FROM appointment WHERE site=? AND service=? AND start_ms=?",
        (cancelled.site, cancelled.service, cancelled.start_ms),
    ).fetchone()
    db.execute(
        "UPDATE appointment SET state='booked', place=?, cancelled_ms=NULL WHERE id=?", (place, cancelled.id)
    )
    owe(
        db, at_ms, cancelled.site, "hub", "cancellation undone", cancelled.site,
        f"appointment {cancelled.id} was cancelled; its customer came",
    )  # fmt: skip
    return replace(cancelled, state="booked", place=place, cancelled_ms=None)


def _put(
    db: sqlite3.Connection,
    appointment: Appointment,
    ticket: Ticket,
    policy: str | None,
    decided_ms: int | None,
) -> None:
    db.execute(
        "INSERT INTO ticket (site, day, number, appointment, device, checkin, at_ms, method, policy, provisional, "
        "decided_ms) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            appointment.site, appointment.day, ticket.number, appointment.id, ticket.device, ticket.checkin,
            ticket.at_ms, ticket.method, policy, int(ticket.provisional), decided_ms,
        ),
    )  # fmt: skip


def _tickets(db: sqlite3.Connection, appointment: Appointment) -> list[Ticket]:
    rows = db.execute(
        "SELECT checkin, device, number, at_ms, method, provisional FROM ticket WHERE appointment=?",
        (appointment.id,),
    ).fetchall()
    return [Ticket(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]


def _settle(db: sqlite3.Connection, book: Book, appointment: Appointment, site: Site, now_ms: int) -> None:
    settled = settle(_tickets(db, appointment)).ticket
    if appointment.state == "missed":  # its place may be somebody else's by now
        db.execute(
            "UPDATE appointment SET place=(SELECT max(place) + 1 FROM appointment WHERE site=? AND service=? "
            "AND start_ms=?) WHERE id=?",
            (appointment.site, appointment.service, appointment.start_ms, appointment.id),
        )
    db.execute(
        "UPDATE appointment SET number=?, method=?, arrived_ms=?, "
        "state=CASE WHEN state IN ('booked', 'missed') THEN 'arrived' ELSE state END WHERE id=?",
        (settled.number, settled.method, settled.at_ms, appointment.id),
    )
    if appointment.state in {"booked", "missed"}:
        came = book.get(db, appointment.site, appointment.id)
        told: dict[str, float] = {}
        if now_ms - settled.at_ms <= TOLD_WITHIN_MS:
            told = told_at_arrival(db, book, site, came, now_ms)
        record(
            db,
            appointment.happened("arrived", settled.at_ms, **told),
            appointment.happened("checked_in", settled.at_ms, method=settled.method),
        )
    touch(db, appointment.site)
