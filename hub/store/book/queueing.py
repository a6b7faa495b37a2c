"""The queue beside the book: who walks in, and what staff do with a ticket until the visit has an outcome.

Works inside whatever transaction the connection is in: a step and its line in the ledger of journeys are
written together or not at all.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Literal

from branchloop.clock import MINUTE_MS, from_ms
from branchloop.codes import new_code, read_code
from branchloop.errors import ConflictError
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from hub.loop import appointments as rules
from hub.loop.appointments import Outcome
from hub.loop.journey import new_journey
from hub.loop.queue import promised_ms
from hub.store.book.appointment import Appointment
from hub.store.book.changes import touch
from hub.store.book.entries import CODE, NAME, NOBODY, Book
from hub.store.book.tickets import give_staff_ticket
from hub.store.journeys import record

FOLLOW_UP = "what comes next"


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What comes next for the customer, in the words of the staff; `service` when it is one of ours."""

    text: str
    service: str | None = None


def walk_in(
    db: sqlite3.Connection, book: Book, site: Site, service: str, name: str, language: Language, now_ms: int
) -> Appointment:
    """A ticket for somebody without an appointment; `name` may be empty.

    Raises InputError for an unknown service or what is no name, ConflictError when the branch is closed or
    its numbers are used up.
    """
    wanted = rules.service_of(site, service)
    if not site.is_open(now_ms):
        raise rules.ClosedError("the branch is closed now.", hint="Offer an appointment.")
    customer, identity = book.keyring.new_customer(), secrets.token_hex(8)
    clear = rules.clean_name(name) if name else ""
    code, day = new_code(), from_ms(now_ms, site.zone_info).date().isoformat()
    start_ms = promised_ms(now_ms, wanted.walk_in_target_min)
    db.execute(
        "INSERT INTO appointment (id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, place, "
        "customer, masked_name, minor, name, code, code_mac, booking_no, state, booked_ms, kind, channel, journey, "
        "language) VALUES (?,?,?,?,?,?,?,?,0,?,?,0,?,?,?,?,'booked',?,'walk_in','walk_in',?,?)",
        (
            identity, site.id, wanted.id, day, start_ms, start_ms + wanted.minutes * MINUTE_MS, now_ms, start_ms,
            customer, rules.masked(clear) if clear else NOBODY,
            book.keyring.wrap(customer, clear.encode(), NAME), book.keyring.wrap(customer, code.encode(), CODE),
            book.keyring.mac(read_code(code)), book.booking_no(db, site.id, day), now_ms, new_journey(), language,
        ),
    )  # fmt: skip
    return give_staff_ticket(db, book, book.get(db, site.id, identity), now_ms, site)


def call_again(db: sqlite3.Connection, book: Book, appointment: Appointment, now_ms: int) -> Appointment:
    """Call somebody once more who was called. Raises ConflictError when nobody called them."""
    if appointment.state != "called":
        raise ConflictError(
            f"the appointment is {appointment.state}; it cannot be called again.", hint="Call it."
        )
    db.execute("UPDATE appointment SET calls=calls+1 WHERE id=?", (appointment.id,))
    return _told(db, book, appointment, "recalled", now_ms)


def step(
    db: sqlite3.Connection,
    book: Book,
    appointment: Appointment,
    what: Literal["park", "resume", "leave"],
    now_ms: int,
) -> Appointment:
    """Park, take up again or let go; who comes back keeps the place. Again changes nothing.

    Raises ConflictError when the step does not follow.
    """
    if rules.done_already(appointment.state, what):
        return appointment
    state = rules.after(appointment.state, what)
    if what == "resume":
        db.execute(
            "UPDATE appointment SET state=?, called_ms=NULL, counter=NULL WHERE id=?", (state, appointment.id)
        )
        touch(db, appointment.site)
        return book.get(db, appointment.site, appointment.id)
    column = {"park": "parked_ms", "leave": "left_ms"}[what]
    db.execute(f"UPDATE appointment SET state=?, {column}=? WHERE id=?", (state, now_ms, appointment.id))
    return _told(db, book, appointment, "parked" if what == "park" else "left", now_ms)


def transfer(
    db: sqlite3.Connection, book: Book, site: Site, appointment: Appointment, service: str, now_ms: int
) -> Appointment:
    """Send somebody on to another service with the place they have in line.

    Raises InputError for an unknown service, ConflictError for somebody who is not here.
    """
    wanted = rules.service_of(site, service)
    if appointment.state not in {"arrived", "called", "parked"}:
        raise ConflictError(
            f"the appointment is {appointment.state}; it cannot be sent on now.", hint="Check it in first."
        )
    if wanted.id == appointment.service:
        return appointment
    (place,) = db.execute(
        "SELECT coalesce(max(place), -1) + 1 FROM appointment WHERE site=? AND service=? AND start_ms=?",
        (site.id, wanted.id, appointment.start_ms),
    ).fetchone()
    db.execute(
        "UPDATE appointment SET service=?, place=?, state='arrived', called_ms=NULL, counter=NULL WHERE id=?",
        (wanted.id, place, appointment.id),
    )
    record(db, appointment.happened("transferred", now_ms, to=wanted.id))
    touch(db, site.id)
    return book.get(db, site.id, appointment.id)


def finish(
    db: sqlite3.Connection,
    book: Book,
    site: Site,
    appointment: Appointment,
    outcome: Outcome,
    follow_up: FollowUp | None,
    now_ms: int,
) -> Appointment:
    """The visit is over, and what it came to; who is not served has left. The same again changes nothing.

    Raises ConflictError when nobody called them, or another outcome or what comes next was told; InputError for an unknown service.
    """
    if follow_up is not None and follow_up.service is not None:
        rules.service_of(site, follow_up.service)
    if appointment.outcome is not None:
        if appointment.outcome != outcome:
            raise ConflictError(
                f"the visit already came to {appointment.outcome}.", hint="An outcome is told once."
            )
        known = follow_up in (None, follow_up_of(book, appointment))
        if not known and appointment.masked_name != "*":  # of who was forgotten, nobody knows any more
            raise ConflictError(
                "the visit's outcome was told already, and what comes next was not this.",
                hint="What comes next is told once, with the outcome: tell the customer.",
            )
        return appointment
    over = _over(db, book, appointment, outcome, now_ms)
    kept = None
    if follow_up is not None and over.masked_name != "*":  # of who was forgotten meanwhile, nothing is kept
        told = json.dumps({"text": follow_up.text, "service": follow_up.service}, ensure_ascii=False)
        kept = book.keyring.wrap(over.customer, told.encode(), FOLLOW_UP).hex()
    db.execute("UPDATE appointment SET outcome=?, follow_up=? WHERE id=?", (outcome, kept, over.id))
    record(db, over.happened("outcome", now_ms, outcome=outcome, follow_up=kept is not None))
    touch(db, site.id)
    return book.get(db, site.id, over.id)


def follow_up_of(book: Book, appointment: Appointment) -> FollowUp | None:
    """What comes next, for its customer; None without anything, and once the customer was forgotten."""
    kept = appointment.follow_up
    if kept is None:
        return None
    if kept.startswith("{"):  # as an earlier version kept it, in clear
        return FollowUp(**json.loads(kept))
    told = book.keyring.unwrap(appointment.customer, bytes.fromhex(kept), FOLLOW_UP)
    return None if told is None else FollowUp(**json.loads(told))


def _over(
    db: sqlite3.Connection, book: Book, appointment: Appointment, outcome: Outcome, now_ms: int
) -> Appointment:
    if outcome != "not_served":
        return appointment if appointment.state == "served" else book.step(db, appointment, "serve", now_ms)
    if appointment.state != "called":
        raise ConflictError(
            f"the appointment is {appointment.state}; it cannot end as not served now.",
            hint="Only one that is called can.",
        )
    return step(db, book, appointment, "leave", now_ms)


def _told(
    db: sqlite3.Connection,
    book: Book,
    appointment: Appointment,
    stage: Literal["recalled", "parked", "left"],
    now_ms: int,
) -> Appointment:
    record(db, appointment.happened(stage, now_ms))
    touch(db, appointment.site)
    return book.get(db, appointment.site, appointment.id)
