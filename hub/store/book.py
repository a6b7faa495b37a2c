"""The appointment book: who may come when, who has come, and what each kiosk may know of it.

Works inside whatever transaction the connection is in. Two customers never get one place: a unique index
over (branch, service, start, place) says so, not a lock of ours.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, Protocol

from branchloop.clock import DAY_MS, from_ms, iso, local_day_end_ms, local_day_start_ms
from branchloop.codes import code_digest, new_code, read_code
from branchloop.commands import Expected, Queue, TicketRange
from branchloop.errors import ConflictError, InputError
from branchloop.kiosk import Service
from branchloop.site import Site
from branchloop.text import Language
from hub.loop import appointments as rules
from hub.loop import capacity
from hub.loop.appointments import Kind, Method, Outcome, State
from hub.loop.journey import Aside, Channel, Happened, Stage, new_journey
from hub.loop.queue import Waiting, order
from hub.store.journeys import forget as forget_journeys
from hub.store.journeys import record, retire_journey
from hub.store.keyring import Keyring
from hub.store.linking import forget_links
from hub.store.passes import forget_passes
from hub.store.people import Booked
from hub.store.requests import forget_requests

NAME = "customer's name"
CODE = "booking code"
CONTACT = "way to remind"
MEASURED_DAYS = 28
MEASURED_LEAST = 10
"""So many visits make a measured mean; below it the planned length counts, and is called planned."""
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
_COLUMNS = (
    "id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, place, customer, masked_name, title, "
    "minor, booking_no, state, booked_ms, arrived_ms, called_ms, served_ms, cancelled_ms, number, method, counter, "
    "kind, channel, journey, scene, partner, calls, outcome, language, remind, left_ms, follow_up, offered_until_ms"
)
TAKEN = "kind='booked' AND state NOT IN ('cancelled', 'missed') AND (state<>'waitlisted' OR offered_until_ms IS NOT NULL)"
"""Which appointments have a place, as the unique indexes say it: somebody on the waitlist has one while it is offered."""
_TOLD: Mapping[str, Stage | Aside] = {"call": "called", "serve": "served", "cancel": "cancelled"}
MOST_OPEN = 3
"""So many appointments a customer may have ahead, those on a waitlist among them."""
_DRAWS = 64
_REMIND = 31
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
class Appointment:
    """One appointment as kept; no name and no code."""

    id: str
    site: str
    service: str
    day: str
    start_ms: int
    end_ms: int
    window_from_ms: int
    window_to_ms: int
    place: int
    customer: str
    masked_name: str
    title: Literal["mr", "ms"] | None
    minor: bool
    booking_no: str
    state: State
    booked_ms: int
    arrived_ms: int | None
    called_ms: int | None
    served_ms: int | None
    cancelled_ms: int | None
    number: str | None
    method: Method | None
    counter: str | None
    kind: Kind
    channel: Channel
    journey: str
    scene: str | None
    partner: str | None
    calls: int
    outcome: Outcome | None
    language: Language
    remind: bool
    left_ms: int | None
    follow_up: str | None
    """JSON with `text` and `service`, see `hub.store.queueing.FollowUp`."""
    offered_until_ms: int | None
    """On the waitlist: so long a place is held, whose time is then the appointment's."""

    def happened(self, stage: Stage | Aside, at_ms: int, **detail: str | float | bool | None) -> Happened:
        """What happened in its journey."""
        return Happened(
            stage, at_ms, self.site, self.journey or f"j-{self.id}", self.service, self.channel, self.scene,
            self.partner, self.customer, self.id, detail,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Times:
    """When an appointment is, and from when to when its customer may check in."""

    start_ms: int
    end_ms: int
    window_from_ms: int
    window_to_ms: int


class Book:
    """Implements `hub.store.people.Appointments` and `hub.ingest.gallery.Book`."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def slots(
        self,
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
            taken_ticks = capacity.arrange(counters, self.visits(db, site.id, day, without)).taken
            found = capacity.slots(site, wanted, day, counters, taken_ticks, at_ms)
            return self._for_others(db, site, service, day, found, now_ms, for_waitlist=for_waitlist)
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
        return self._for_others(db, site, service, day, found, now_ms, for_waitlist=for_waitlist)

    def visits(
        self, db: sqlite3.Connection, site: str, day: date, without: str | None = None
    ) -> list[capacity.Visit]:
        """A day's appointments that need a counter, with the one that is held for each."""
        rows = db.execute(
            "SELECT id, service, start_ms, end_ms, (SELECT counter FROM held WHERE appointment=id LIMIT 1) "
            f"FROM appointment WHERE site=? AND day=? AND {TAKEN} AND id IS NOT ? ORDER BY booked_ms, id",
            (site, day.isoformat(), without),
        ).fetchall()
        return [capacity.Visit(*row) for row in rows]

    def _for_others(
        self,
        db: sqlite3.Connection,
        site: Site,
        service: str,
        day: date,
        found: list[rules.Slot],
        now_ms: int | None,
        *,
        for_waitlist: bool,
    ) -> list[rules.Slot]:
        if for_waitlist or not self.waitlisted(db, site.id, service, day.isoformat()):
            return found
        return [
            replace(slot, free=0) if now_ms is None or rules.offerable(slot.start_ms, now_ms) else slot
            for slot in found
        ]

    def waitlisted(self, db: sqlite3.Connection, site: str, service: str, day: str) -> list[Appointment]:
        """Who waits for a place on a day and is offered none, in order."""
        found = self._all(
            db,
            "site=? AND service=? AND day=? AND state='waitlisted' AND offered_until_ms IS NULL",
            (site, service, day),
        )
        return sorted(found, key=lambda each: (each.booked_ms, each.id))

    def lapsed(self, db: sqlite3.Connection, now_ms: int) -> list[Appointment]:
        """On the waitlist no longer: what was offered was not confirmed in time, or the day is over."""
        return self._all(db, "state='waitlisted' AND coalesce(offered_until_ms, end_ms)<=?", (now_ms,))

    def end_waiting(self, db: sqlite3.Connection, waiting: Appointment, reason: str, now_ms: int) -> None:
        """Off the waitlist; what was held is free."""
        db.execute(
            "UPDATE appointment SET state='cancelled', cancelled_ms=?, offered_until_ms=NULL WHERE id=?",
            (now_ms, waiting.id),
        )
        _vacate(db, waiting.id)
        self.touch(db, waiting.site)
        record(db, waiting.happened("cancelled", now_ms, reason=reason))

    def hold(
        self, db: sqlite3.Connection, site: Site, waiting: Appointment, slot: rules.Slot, until_ms: int
    ) -> Appointment:
        """Give somebody on the waitlist a place for a while. Raises ConflictError when it is taken."""
        service = rules.service_of(site, waiting.service)
        place, counter = self._free_place(db, site, service, slot, waiting.id)
        try:
            db.execute(
                "UPDATE appointment SET start_ms=?, end_ms=?, window_from_ms=?, window_to_ms=?, place=?, "
                "offered_until_ms=? WHERE id=? AND state='waitlisted'",
                (
                    slot.start_ms, slot.end_ms, *rules.arrival_window_ms(site, slot.start_ms), place, until_ms,
                    waiting.id,
                ),
            )  # fmt: skip
            _occupy(db, site.id, counter, slot, waiting.id)
        except sqlite3.IntegrityError as error:
            raise _taken() from error
        self.touch(db, site.id)
        return self.get(db, site.id, waiting.id)

    def book(self, db: sqlite3.Connection, site: Site, wanted: Wanted, now_ms: int) -> Appointment:
        """Take a place. Raises InputError for what is no slot or over, ConflictError when it is taken."""
        service = rules.service_of(site, wanted.service)
        slot = self._slot(db, site, service.id, wanted.start_ms, now_ms)
        if wanted.customer is not None:
            self.not_too_many(db, wanted.customer, now_ms)
        times = Times(slot.start_ms, slot.end_ms, *rules.arrival_window_ms(site, slot.start_ms))
        place, counter = self._free_place(db, site, service, slot, None)
        made = self.enter(db, site, wanted, times, now_ms, place=place)
        _occupy(db, site.id, counter, slot, made.id)
        record(db, made.happened("booked", now_ms, start_ms=made.start_ms))
        return made

    def not_too_many(self, db: sqlite3.Connection, customer: str, now_ms: int) -> None:
        """Raises ConflictError when a customer has as many appointments ahead as anybody may."""
        (open_ahead,) = db.execute(
            "SELECT count(*) FROM appointment WHERE customer=? AND state IN ('booked', 'waitlisted') "
            "AND window_to_ms>?",
            (customer, now_ms),
        ).fetchone()
        if open_ahead >= MOST_OPEN:
            raise rules.TooManyOpenError(
                f"this customer has {open_ahead} appointments ahead.",
                hint="Cancel or move one of them first.",
            )

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
    ) -> Appointment:
        """Write a new appointment, whatever its kind; a name may only be missing in a queue.

        Raises InputError for what is no name, ConflictError when the place is taken.
        """
        name = "" if kind != "booked" and not wanted.name else rules.clean_name(wanted.name)
        customer = wanted.customer or self.keyring.new_customer()
        day = from_ms(times.start_ms, site.zone_info).date().isoformat()
        code, identity = new_code(), secrets.token_hex(8)
        contact = {} if wanted.contact is None else {CONTACT: wanted.contact.encode()}
        wrapped = self.keyring.wrap_all(customer, {NAME: name.encode(), CODE: code.encode(), **contact})
        try:
            db.execute(
                "INSERT INTO appointment (id, site, service, day, start_ms, end_ms, window_from_ms, window_to_ms, "
                "place, customer, masked_name, title, minor, name, code, code_mac, booking_no, state, booked_ms, "
                "kind, channel, scene, partner, journey, language, contact, remind) "
                "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    identity, site.id, wanted.service, day, times.start_ms, times.end_ms, times.window_from_ms,
                    times.window_to_ms, place, customer, rules.masked(name) if name else NOBODY, wanted.title,
                    int(wanted.minor), wrapped[NAME], wrapped[CODE], self.keyring.mac(read_code(code)),
                    self.booking_no(db, site.id, day), state, now_ms, kind,
                    wanted.channel, wanted.scene, wanted.partner, wanted.journey or new_journey(), wanted.language,
                    wrapped.get(CONTACT),
                    int(wanted.contact is not None),
                ),
            )  # fmt: skip
        except sqlite3.IntegrityError as error:
            raise _taken() from error
        self.touch(db, site.id)
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
        slot = self._slot(db, site, service.id, start_ms, now_ms, appointment.id)
        window_from_ms, window_to_ms = rules.arrival_window_ms(site, slot.start_ms)
        day = from_ms(start_ms, site.zone_info).date().isoformat()
        place, counter = self._free_place(db, site, service, slot, appointment.id)
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
            _vacate(db, appointment.id)
            _occupy(db, site.id, counter, slot, appointment.id)
        except sqlite3.IntegrityError as error:
            raise _taken() from error
        self.touch(db, site.id)
        moved = self.get(db, site.id, appointment.id)
        record(db, moved.happened("moved", now_ms, from_ms=appointment.start_ms, start_ms=moved.start_ms))
        return moved

    def missed(self, db: sqlite3.Connection, now_ms: int) -> list[Appointment]:
        """Booked ones whose arrival window is over."""
        return self._all(db, "state='booked' AND window_to_ms<?", (now_ms,))

    def release_missed(self, db: sqlite3.Connection, now_ms: int) -> int:
        """Give back the places of those who did not come in their arrival window; how many."""
        missed = self.missed(db, now_ms)
        for each in missed:
            db.execute("UPDATE appointment SET state='missed' WHERE id=?", (each.id,))
            _vacate(db, each.id)
            record(db, each.happened("missed", each.window_to_ms))
        for site in {each.site for each in missed}:
            self.touch(db, site)
        return len(missed)

    def from_afar(self, db: sqlite3.Connection, site: str, day: str) -> list[Appointment]:
        """Tickets taken from afar up to a day whose holders are not here yet."""
        return self._all(db, "site=? AND day<=? AND kind='remote' AND state='booked'", (site, day))

    def here(self, db: sqlite3.Connection, site: str, day: str) -> list[Appointment]:
        """Who came up to a day and waits, in the queue or beside it."""
        return self._all(db, "site=? AND day<=? AND state IN ('arrived', 'parked')", (site, day))

    def find(self, db: sqlite3.Connection, site: str, appointment: str) -> Appointment | None:
        """An appointment of a branch."""
        rows = self._all(db, "site=? AND id=?", (site, appointment))
        return rows[0] if rows else None

    def get(self, db: sqlite3.Connection, site: str, appointment: str) -> Appointment:
        """An appointment that must be there. Raises InputError."""
        found = self.find(db, site, appointment)
        if found is None:
            raise InputError("there is no such appointment.", hint="GET …/board lists them.")
        return found

    def of_day(self, db: sqlite3.Connection, site: str, day: date) -> list[Appointment]:
        """A day's appointments by start."""
        return self._all(db, "site=? AND day=?", (site, day.isoformat()))

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
        rows = self._all(db, "site=? AND code_mac=?", (site, self.keyring.mac(read_code(code))))
        return rows[0] if rows else None

    def step(
        self,
        db: sqlite3.Connection,
        appointment: Appointment,
        step: Literal["call", "serve", "cancel"],
        now_ms: int,
        counter: str | None = None,
    ) -> Appointment:
        """Call, serve or cancel; again changes nothing. Raises ConflictError when it does not follow."""
        if rules.done_already(appointment.state, step):
            return appointment
        state = rules.after(appointment.state, step)
        column = {"call": "called_ms", "serve": "served_ms", "cancel": "cancelled_ms"}[step]
        db.execute(
            f"UPDATE appointment SET state=?, {column}=?, counter=coalesce(?, counter), offered_until_ms=NULL "
            "WHERE id=?",
            (state, now_ms, counter, appointment.id),
        )
        if step == "cancel":
            _vacate(db, appointment.id)
        self.touch(db, appointment.site)
        record(db, appointment.happened(_TOLD[step], now_ms))
        return self.get(db, appointment.site, appointment.id)

    def waiting(self, db: sqlite3.Connection, site: str, day: date) -> list[Waiting]:
        """Who has arrived and was not called, in the order of being called."""
        return order(
            Waiting(each.id, each.service, each.start_ms, each.arrived_ms or each.start_ms)
            for each in self._all(db, "site=? AND day=? AND state='arrived'", (site, day.isoformat()))
        )

    def booked(self, db: sqlite3.Connection, site: str, appointment: str) -> Booked | None:
        """Whose appointment it is; None when there is none, or it was cancelled."""
        found = self.find(db, site, appointment)
        if found is None or found.state == "cancelled":
            return None
        return Booked(found.customer, found.masked_name, found.minor)

    def forget(self, db: sqlite3.Connection, customer: str, now_ms: int) -> bool:
        """Cancel what is to come; names, codes and the pseudonym are overwritten. Whether anything was known."""
        rows = db.execute("SELECT id, site FROM appointment WHERE customer=?", (customer,)).fetchall()
        forget_journeys(db, customer, f"x-{secrets.token_hex(8)}")
        for appointment, site in rows:
            self._anonymise(db, appointment, now_ms)
            self.touch(db, site)
        asked = forget_requests(db, customer, now_ms)
        return forget_links(db, self.keyring, customer, now_ms) or asked or bool(rows)

    def retire(self, db: sqlite3.Connection, before_ms: int, now_ms: int) -> list[str]:
        """Overwrite what names customers of appointments that ended before; who they were, for their keys.

        A customer with a later appointment, a consent or a link keeps the key.
        """
        rows = db.execute(
            "SELECT id, customer FROM appointment WHERE end_ms<? AND masked_name<>'*'", (before_ms,)
        ).fetchall()
        for appointment, _ in rows:
            self._anonymise(db, appointment, now_ms)
        db.execute("DELETE FROM held WHERE tick_ms<?", (now_ms - DAY_MS,))
        return self.keyless(db, (customer for _, customer in rows))

    def keyless(self, db: sqlite3.Connection, customers: Iterable[str]) -> list[str]:
        """Those of whom nothing is kept that their key would open."""
        return [
            customer
            for customer in dict.fromkeys(customers)
            if not db.execute("SELECT 1 FROM appointment WHERE customer=? LIMIT 1", (customer,)).fetchone()
            and not db.execute(
                "SELECT 1 FROM consent WHERE customer=? AND state='given' LIMIT 1", (customer,)
            ).fetchone()
            and not db.execute("SELECT 1 FROM partner_link WHERE customer=? LIMIT 1", (customer,)).fetchone()
            and not db.execute("SELECT 1 FROM request WHERE customer=? LIMIT 1", (customer,)).fetchone()
        ]

    def expected(
        self, db: sqlite3.Connection, site: Site, now_ms: int, salt: str, consents: Mapping[str, str]
    ) -> list[Expected]:
        """Appointments of the site's day; `consents` is customer -> consent of whom a kiosk can recognise."""
        day = from_ms(now_ms, site.zone_info).date()
        found: list[Expected] = []
        for each in self.of_day(db, site.id, day):
            code = self.code(db, each)
            told = TO_KIOSKS.get(each.state)
            if code is None or told is None:
                continue
            found.append(
                Expected(
                    id=each.id, booking_no=each.booking_no, code_digest=code_digest(salt, code),
                    start_ms=each.start_ms, window_from_ms=each.window_from_ms, window_to_ms=each.window_to_ms,
                    service=each.service, masked_name=each.masked_name, title=each.title, state=told,
                    number=each.number, consent=consents.get(each.customer),
                )
            )  # fmt: skip
        return found

    def queues(self, db: sqlite3.Connection, site: Site, now_ms: int) -> list[Queue]:
        """What is known of the wait for each service."""
        day = from_ms(now_ms, site.zone_info).date().isoformat()
        states = {
            (service, state): count
            for service, state, count in db.execute(
                "SELECT service, state, count(*) FROM appointment WHERE site=? AND day=? GROUP BY service, state",
                (site.id, day),
            )
        }
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
                    waiting=states.get((service.id, "arrived"), 0),
                    busy=min(counters, states.get((service.id, "called"), 0)),
                    counters=counters,
                    mean_service_s=round(mean_ms / 1000, 1) if measured else service.minutes * 60.0,
                    basis="measured" if measured else "planned",
                    as_of_ms=now_ms,
                )
            )
        return found

    def ticket_range(self, db: sqlite3.Connection, site: Site, device: str, now_ms: int) -> TicketRange:
        """Numbers that this kiosk alone gives today: from the one after the last that is known of here.

        Raises InputError when the kiosk has no series; see `hub.store.tickets.assign_series`.
        """
        row = db.execute(
            "SELECT series FROM ticket_series WHERE site=? AND device=?", (site.id, device)
        ).fetchone()
        if row is None:
            raise InputError(f"{site.id}/{device} has no series of tickets.", hint="Restart ingest.")
        day = from_ms(now_ms, site.zone_info).date().isoformat()
        (last,) = db.execute(
            "SELECT max(number) FROM ticket WHERE site=? AND day=? AND number LIKE ?",
            (site.id, day, f"{row[0]}%"),
        ).fetchone()
        first = min(999, int(last[1:]) + 1) if last else 1
        return TicketRange(day=day, series=row[0], first=first, last=999)

    def version(self, db: sqlite3.Connection, site: str) -> int:
        """Rises with every change of the site's book and queues."""
        row = db.execute("SELECT version FROM book_change WHERE site=?", (site,)).fetchone()
        return int(row[0]) if row else 0

    def touch(self, db: sqlite3.Connection, site: str) -> None:
        """Something changed that kiosks and boards must hear of."""
        db.execute(
            "INSERT INTO book_change (site, version) VALUES (?, 1) ON CONFLICT DO UPDATE SET version=version+1",
            (site,),
        )

    def _anonymise(self, db: sqlite3.Connection, appointment: str, now_ms: int) -> None:
        db.execute("PRAGMA secure_delete=ON")
        nobody = f"x-{secrets.token_hex(8)}"
        retire_journey(db, appointment, nobody)
        db.execute(
            "UPDATE appointment SET customer=?, masked_name='*', title=NULL, name=x'', code=x'', code_mac='', "
            "contact=NULL, remind=0, offered_until_ms=NULL, "
            "cancelled_ms=CASE WHEN state IN ('booked', 'waitlisted') THEN ? ELSE cancelled_ms END, "
            "state=CASE WHEN state IN ('booked', 'waitlisted') THEN 'cancelled' ELSE state END WHERE id=?",
            (nobody, now_ms, appointment),
        )
        db.execute("DELETE FROM idempotency WHERE appointment=?", (appointment,))
        db.execute("DELETE FROM reminder WHERE appointment=?", (appointment,))
        db.execute(
            "DELETE FROM held WHERE appointment=? AND (SELECT state FROM appointment WHERE id=?)='cancelled'",
            (appointment, appointment),
        )
        forget_passes(db, appointment)

    def _slot(
        self,
        db: sqlite3.Connection,
        site: Site,
        service: str,
        start_ms: int,
        now_ms: int,
        without: str | None = None,
    ) -> rules.Slot:
        _, window_to_ms = rules.arrival_window_ms(site, start_ms)
        if window_to_ms <= now_ms or start_ms > now_ms + rules.AHEAD_DAYS * DAY_MS:
            raise InputError(
                f"this time is over, or more than {rules.AHEAD_DAYS} days ahead.",
                hint="Choose another slot.",
            )
        day = from_ms(start_ms, site.zone_info).date()
        slots = self.slots(db, site, service, day, now_ms, without=without, at_ms=start_ms)
        slot = next((slot for slot in slots if slot.start_ms == start_ms), None)
        if slot is None:
            raise InputError(f"{iso(start_ms)} is no slot of {service}.", hint="GET …/slots lists them.")
        if not slot.free:
            raise rules.SlotGoneError("this slot is full.", hint="Choose another one, or join the waitlist.")
        return slot

    def _free_place(
        self, db: sqlite3.Connection, site: Site, service: Service, slot: rules.Slot, without: str | None
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
            counters, visits = capacity.staffed(site, day), self.visits(db, site.id, day)
            self._keep(db, site.id, visits, capacity.arrange(counters, visits))
            arranged = capacity.arrange(counters, self.visits(db, site.id, day, without))
            free = capacity.free_for(counters, arranged.taken, service.id, slot.start_ms, slot.end_ms)
            counter, places = (free[0], len(taken) + 1) if free else (None, 0)
        place = next((place for place in range(places) if place not in taken), None)
        if place is None:
            raise rules.SlotGoneError("this slot is full.", hint="Choose another one.")
        return place, counter

    def _keep(
        self,
        db: sqlite3.Connection,
        site: str,
        visits: Iterable[capacity.Visit],
        arranged: capacity.Arranged,
    ) -> None:
        """Write down which counter is held now for those whose own cannot take them any more."""
        homeless = {*arranged.assigned, *arranged.stranded}
        for visit in visits:
            if visit.appointment in homeless and visit.counter is not None:
                _vacate(db, visit.appointment)
        for visit in visits:
            if visit.appointment in arranged.assigned:
                counter = arranged.assigned[visit.appointment]
                _occupy(db, site, counter, visit, visit.appointment)

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

    def _all(self, db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Appointment]:
        rows = db.execute(
            f"SELECT {_COLUMNS} FROM appointment WHERE {where} ORDER BY start_ms, booked_ms, id", values
        ).fetchall()
        return [_appointment(row) for row in rows]


class _Lasting(Protocol):
    @property
    def start_ms(self) -> int: ...
    @property
    def end_ms(self) -> int: ...


def _occupy(db: sqlite3.Connection, site: str, counter: str | None, time: _Lasting, appointment: str) -> None:
    """Hold a counter for an appointment. Raises SlotGoneError when it is held for another one."""
    if counter is None:
        return
    wanted = [(site, counter, tick_ms, appointment) for tick_ms in capacity.ticks(time.start_ms, time.end_ms)]
    try:
        db.executemany("INSERT INTO held (site, counter, tick_ms, appointment) VALUES (?,?,?,?)", wanted)
    except sqlite3.IntegrityError as error:
        raise _taken() from error


def _vacate(db: sqlite3.Connection, appointment: str) -> None:
    db.execute("DELETE FROM held WHERE appointment=?", (appointment,))


def _taken() -> ConflictError:
    return rules.SlotGoneError(
        "the place was taken, or this customer has an appointment at that time.", hint="Choose another slot."
    )


def _appointment(row: tuple[object, ...]) -> Appointment:
    fields = list(row)
    fields[12] = bool(fields[12])
    fields[_REMIND] = bool(fields[_REMIND])
    return Appointment(*fields)  # type: ignore[arg-type]
