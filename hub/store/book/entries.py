"""The appointment book: entering, moving and stepping appointments, and finding them again.

Works inside whatever transaction the connection is in.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from branchloop.clock import from_ms
from branchloop.codes import new_code, read_code
from branchloop.errors import ConflictError, InputError
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from hub.loop import appointments as rules
from hub.loop.appointments import Kind, State
from hub.loop.journey import Aside, Channel, Stage, new_journey
from hub.loop.queue import Waiting, order
from hub.store.book.appointment import Appointment, appointments
from hub.store.book.changes import touch
from hub.store.book.midnight import IN_TIME, around
from hub.store.book.places import free_place, free_slot, occupy, place_taken, vacate
from hub.store.customers.forgetting import forget_customer
from hub.store.customers.holders import Booked
from hub.store.customers.keyring import Keyring
from hub.store.journeys import record

NAME = "customer's name"
CODE = "booking code"
CONTACT = "way to remind"
_TOLD: Mapping[str, Stage | Aside] = {"call": "called", "serve": "served", "cancel": "cancelled"}
MOST_OPEN = 3
"""So many appointments a customer, or a way to remind, may have ahead, those on a waitlist among them."""
_DRAWS = 64
NOBODY = "—"
"""The masked name of somebody in the queue who gave none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for; without `customer` they get a pseudonym of their own."""

    service: str
    start_ms: int
    name: str
    title: Literal["mr", "ms"] | None = None
    customer: str | None = None
    minor: bool = False
    channel: Channel = "staff"
    scene: str | None = None
    partner: str | None = None
    journey: str | None = None
    language: Language = "zh"
    contact: str | None = None
    """JSON with `email` or `phone`; kept under the customer's key, and a reminder is then wanted."""


@dataclass(frozen=True, slots=True)
class Times:
    """When an appointment is, and from when to when its customer may check in."""

    start_ms: int
    end_ms: int
    window_from_ms: int
    window_to_ms: int


class Book:
    """Implements `hub.store.customers.holders.Appointments`."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def book(self, db: sqlite3.Connection, site: Site, wanted: Wanted, now_ms: int) -> Appointment:
        """Take a place. Raises InputError for what is no slot or over, ConflictError when it is taken."""
        service = rules.service_of(site, wanted.service)
        slot = free_slot(db, site, service.id, wanted.start_ms, now_ms)
        self.not_too_many(db, wanted, now_ms)
        times = Times(slot.start_ms, slot.end_ms, *rules.arrival_window_ms(site, slot.start_ms))
        place, counter = free_place(db, site, service, slot, None)
        made = self.enter(db, site, wanted, times, now_ms, place=place)
        occupy(db, site.id, counter, slot, made.id)
        record(db, made.happened("booked", now_ms, start_ms=made.start_ms))
        return made

    def not_too_many(self, db: sqlite3.Connection, wanted: Wanted, now_ms: int) -> None:
        """Raises ConflictError when a customer, or a way to remind, has as many appointments ahead as anybody may."""
        for known, value in (
            ("customer=?", wanted.customer),
            ("contact_mac=? AND contact_mac<>''", self._contact_mac(wanted)),
        ):
            (open_ahead,) = db.execute(
                f"SELECT count(*) FROM appointment WHERE {known} AND state IN ('booked', 'waitlisted') "
                "AND window_to_ms>?",
                (value, now_ms),
            ).fetchone()
            if open_ahead >= MOST_OPEN:
                raise rules.TooManyOpenError(
                    f"this customer has {open_ahead} appointments ahead.",
                    hint="Cancel or move one of them first, or ask in the branch.",
                )

    def contact(self, db: sqlite3.Connection, appointment: Appointment) -> dict[str, str] | None:
        """`email` or `phone` by which its customer wants to be told; None without one, and once forgotten."""
        row = db.execute("SELECT contact FROM appointment WHERE id=?", (appointment.id,)).fetchone()
        if row is None or row[0] is None:
            return None
        plain = self.keyring.unwrap(appointment.customer, row[0], CONTACT)
        return None if plain is None else dict(json.loads(plain))

    def _contact_mac(self, wanted: Wanted) -> str:
        """The same of an address or number however it is written; '' where none was given."""
        if wanted.contact is None:
            return ""
        way, where = next(iter(json.loads(wanted.contact).items()))
        return self.keyring.mac(f"contact\n{way}\n{''.join(where.split()).casefold()}")

    def enter(
        self,
        db: sqlite3.Connection,
        site: Site,
        wanted: Wanted,
        times: Times,
        now_ms: int,
        *,
        kind: Kind = "booked",
        state: State = "booked",
        place: int = 0,
        day: date | None = None,
    ) -> Appointment:
        """Write a new appointment, whatever its kind; a name may only be missing in a queue. `day` is its start's without one.

        Raises InputError for what is no name, ConflictError when the place is taken.
        """
        name = "" if kind != "booked" and not wanted.name else rules.clean_name(wanted.name)
        customer = wanted.customer or self.keyring.new_customer()
        of = (day or from_ms(times.start_ms, site.zone_info).date()).isoformat()
        code, identity = new_code(), secrets.token_hex(8)
        contact = {} if wanted.contact is None else {CONTACT: wanted.contact.encode()}
        wrapped = self.keyring.wrap_all(customer, {NAME: name.encode(), CODE: code.encode(), **contact})
        try:
            db.execute(
                "INSERT INTO appointment (id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, "
                "place, customer, masked_name, title, minor, name, code, code_mac, booking_no, state, booked_ms, "
                "kind, channel, scene, partner, journey, language, contact, contact_mac, remind) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    identity, site.id, wanted.service, of, times.start_ms, times.end_ms, times.window_from_ms,
                    times.window_to_ms, place, customer, rules.masked(name) if name else NOBODY, wanted.title,
                    int(wanted.minor), wrapped[NAME], wrapped[CODE], self.keyring.mac(read_code(code)),
                    self.booking_no(db, site.id, of), state, now_ms, kind,
                    wanted.channel, wanted.scene, wanted.partner, wanted.journey or new_journey(), wanted.language,
                    wrapped.get(CONTACT), self._contact_mac(wanted),
                    int(wanted.contact is not None),
                ),
            )  # fmt: skip
        except sqlite3.IntegrityError as error:
            raise place_taken(error) from error
        touch(db, site.id)
        return self.get(db, site.id, identity)

    def move(
        self, db: sqlite3.Connection, site: Site, appointment: Appointment, start_ms: int, now_ms: int
    ) -> Appointment:
        """Another slot for the same appointment, under the same code; the old place is free at once.

        Raises ConflictError when it is no longer booked or the slot is full, InputError for what is no slot:
        then nothing has changed.
        """
        if appointment.state != "booked":
            raise ConflictError(
                f"the appointment is {appointment.state}; it cannot move now.", hint="Book another one."
            )
        if appointment.kind != "booked":
            raise ConflictError("a place in the queue cannot move.", hint="Cancel it and book a time.")
        if appointment.start_ms == start_ms:
            return appointment
        service = rules.service_of(site, appointment.service)
        slot = free_slot(db, site, service.id, start_ms, now_ms, appointment.id)
        window_from_ms, window_to_ms = rules.arrival_window_ms(site, slot.start_ms)
        day = from_ms(start_ms, site.zone_info).date().isoformat()
        place, counter = free_place(db, site, service, slot, appointment.id)
        number = appointment.booking_no
        if day != appointment.day:
            number = self.booking_no(db, site.id, day)
        try:
            db.execute(
                "UPDATE appointment SET day=?, start_ms=?, end_ms=?, window_from_ms=?, window_to_ms=?, place=?, "
                "booking_no=? WHERE id=? AND state='booked'",
                (
                    day, slot.start_ms, slot.end_ms, window_from_ms, window_to_ms, place, number, appointment.id,
                ),
            )  # fmt: skip
            vacate(db, appointment.id)
            occupy(db, site.id, counter, slot, appointment.id)
        except sqlite3.IntegrityError as error:
            raise place_taken(error) from error
        touch(db, site.id)
        moved = self.get(db, site.id, appointment.id)
        record(db, moved.happened("moved", now_ms, from_ms=appointment.start_ms, start_ms=moved.start_ms))
        return moved

    def missed(self, db: sqlite3.Connection, now_ms: int) -> list[Appointment]:
        """Booked ones whose arrival window is over."""
        return appointments(db, "state='booked' AND window_to_ms<?", (now_ms,))

    def release_missed(self, db: sqlite3.Connection, now_ms: int) -> int:
        """Give back the places of those who did not come in their arrival window; how many."""
        missed = self.missed(db, now_ms)
        for each in missed:
            db.execute("UPDATE appointment SET state='missed' WHERE id=?", (each.id,))
            vacate(db, each.id)
            record(db, each.happened("missed", each.window_to_ms))
        for site in {each.site for each in missed}:
            touch(db, site)
        return len(missed)

    def from_afar(self, db: sqlite3.Connection, site: str, day: str) -> list[Appointment]:
        """Tickets taken from afar up to a day whose holders are not here yet."""
        return appointments(db, "site=? AND day<=? AND kind='remote' AND state='booked'", (site, day))

    def here(self, db: sqlite3.Connection, site: str, day: str) -> list[Appointment]:
        """Who came up to a day and waits, in the queue or beside it."""
        return appointments(db, "site=? AND day<=? AND state IN ('arrived', 'parked')", (site, day))

    def find(self, db: sqlite3.Connection, site: str, appointment: str) -> Appointment | None:
        """An appointment of a branch."""
        rows = appointments(db, "site=? AND id=?", (site, appointment))
        return rows[0] if rows else None

    def get(self, db: sqlite3.Connection, site: str, appointment: str) -> Appointment:
        """An appointment that must be there. Raises InputError."""
        found = self.find(db, site, appointment)
        if found is None:
            raise InputError("there is no such appointment.", hint="GET …/board lists them.")
        return found

    def of_day(self, db: sqlite3.Connection, site: str, day: date) -> list[Appointment]:
        """A day's appointments by start."""
        return appointments(db, "site=? AND day=?", (site, day.isoformat()))

    def code(self, db: sqlite3.Connection, appointment: Appointment) -> str | None:
        """The code, for its customer; None once the customer was forgotten."""
        (wrapped,) = db.execute("SELECT code FROM appointment WHERE id=?", (appointment.id,)).fetchone()
        plain = self.keyring.unwrap(appointment.customer, wrapped, CODE)
        return None if plain is None else plain.decode()

    def name(self, db: sqlite3.Connection, appointment: Appointment) -> str | None:
        """The clear name, for staff who serve the customer; None once the customer was forgotten."""
        (wrapped,) = db.execute("SELECT name FROM appointment WHERE id=?", (appointment.id,)).fetchone()
        plain = self.keyring.unwrap(appointment.customer, wrapped, NAME)
        return None if plain is None else plain.decode()

    def by_code(self, db: sqlite3.Connection, site: str, code: str) -> Appointment | None:
        """The appointment that a code opens. Raises InputError for what is no code."""
        rows = appointments(db, "site=? AND code_mac=?", (site, self.keyring.mac(read_code(code))))
        return rows[0] if rows else None

    def step(
        self,
        db: sqlite3.Connection,
        appointment: Appointment,
        step: Literal["call", "serve", "cancel"],
        now_ms: int,
        counter: str | None = None,
    ) -> Appointment:
        """Call, serve or cancel; again changes nothing. Raises ConflictError when it does not follow, or a counter has them."""
        if rules.done_already(appointment.state, step):
            if step == "call" and counter is not None and counter != appointment.counter:
                at = appointment.counter or "another counter"
                raise ConflictError(
                    f"the appointment was called to {at} already.", hint="Call somebody else who waits."
                )
            return appointment
        state = rules.after(appointment.state, step)
        column = {"call": "called_ms", "serve": "served_ms", "cancel": "cancelled_ms"}[step]
        db.execute(
            f"UPDATE appointment SET state=?, {column}=?, counter=coalesce(?, counter), offered_until_ms=NULL "
            "WHERE id=?",
            (state, now_ms, counter, appointment.id),
        )
        if step == "cancel":
            vacate(db, appointment.id)
        touch(db, appointment.site)
        record(db, appointment.happened(_TOLD[step], now_ms))
        return self.get(db, appointment.site, appointment.id)

    def waiting(self, db: sqlite3.Connection, site: str, day: date) -> list[Waiting]:
        """Who has arrived and was not called, in the order of being called; those of the days around count: midnight ends no waiting."""
        return order(
            Waiting(each.id, each.service, each.start_ms, each.arrived_ms or each.start_ms)
            for each in appointments(
                db,
                f"site=? AND day BETWEEN ? AND ? AND state='arrived' AND {IN_TIME}",
                (site, *around(day), day.isoformat()),
            )
        )

    def booked(self, db: sqlite3.Connection, site: str, appointment: str) -> Booked | None:
        """Whose appointment it is; None when there is none, or it was cancelled."""
        found = self.find(db, site, appointment)
        if found is None or found.state == "cancelled":
            return None
        return Booked(found.customer, found.masked_name, found.minor)

    def forget(self, db: sqlite3.Connection, customer: str, now_ms: int) -> bool:
        """As `hub.store.customers.forgetting.forget_customer`."""
        return forget_customer(db, self.keyring, customer, now_ms)

    def booking_no(self, db: sqlite3.Connection, site: str, day: str) -> str:
        """A number of the day that is free, drawn at random. Raises ConflictError when none is left."""
        for _ in range(_DRAWS):
            drawn = f"{secrets.randbelow(10_000):04d}"
            if not db.execute(
                "SELECT 1 FROM appointment WHERE site=? AND day=? AND booking_no=?", (site, day, drawn)
            ).fetchone():
                return drawn
        taken = {no for (no,) in db.execute(
            "SELECT booking_no FROM appointment WHERE site=? AND day=?", (site, day)
        )}  # fmt: skip
        free = [no for no in (f"{value:04d}" for value in range(10_000)) if no not in taken]
        if not free:
            raise ConflictError("this day has no booking number left.", hint="Choose another day.")
        return secrets.choice(free)
