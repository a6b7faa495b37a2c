"""Slots, appointments and the day's board."""

from __future__ import annotations

import sqlite3
import statistics
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from segno import make as make_qr

from branchloop.clock import from_ms, iso
from branchloop.codes import qr_text
from branchloop.errors import ConflictError, InputError
from branchloop.site.site import Site
from hub.api.access import Booking, OnBoard
from hub.api.models import book as models
from hub.api.problems import NotFoundError
from hub.api.starts import YEARS, start_of
from hub.api.state import State, now_ms
from hub.loop.appointments import Method
from hub.store.book.appointment import Appointment
from hub.store.book.calling import served_by
from hub.store.book.entries import Book, Wanted
from hub.store.book.forecasting import reconciled
from hub.store.book.kiosk_day import queues
from hub.store.book.midnight import beside
from hub.store.book.places import day_slots
from hub.store.book.service_day import waits_s, ways_of
from hub.store.book.tickets import aliases, arrive, provisional
from hub.store.connection import opened, reading
from hub.store.customers.consents import Consents
from hub.store.idempotency import keep_key, made_before, request_digest

Day = Annotated[str | None, Query(description="YYYY-MM-DD of the branch; today without it", max_length=10)]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=100,
        description="one per booking or ticket; the same request again answers the same",
    ),
]  # fmt: skip


def routes() -> APIRouter:
    """The routes under /api/v1/branches/SITE that need a token."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}", tags=["appointments"])

    @router.get("/slots")
    def slots(request: Request, caller: Booking, site_id: str, service: str, day: Day = None) -> models.Slots:
        """When a service can be booked on a day; a time that has begun is free no more."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"slots {service[:40]} {day or ''}")
        wanted = day_of(site, day)
        with reading(state.data_dir) as db:
            at_ms = now_ms()
            found = day_slots(db, site, service, wanted, at_ms)
        return models.Slots(
            service=service,
            day=wanted.isoformat(),
            items=[
                models.SlotAnswer(
                    start=iso(s.start_ms),
                    end=iso(s.end_ms),
                    places=s.places,
                    free=s.free if s.start_ms > at_ms else 0,
                )
                for s in found
            ],
        )

    @router.post("/appointments", status_code=201)
    def book(
        request: Request, caller: Booking, site_id: str, body: models.Book, key: Key = None
    ) -> models.Booking:
        """Book a place. With an Idempotency-Key the same request again answers the same booking."""
        state: State = request.app.state.hub
        site = caller.look(site_id)
        digest = request_digest(state.book.keyring, site.id, body)
        with opened(state.data_dir) as db:
            caller.owe(db, site, f"book {body.service} {body.start[:40]}")
            known = None if key is None else made_before(db, caller.name, key, digest)
            if known is not None:
                made = state.book.get(db, site.id, known)
            else:
                wanted = Wanted(
                    body.service, start_of(body.start), body.name, body.title, body.customer, body.minor
                )
                made = state.book.book(db, site, wanted, now_ms())
                if key is not None:
                    keep_key(db, caller.name, key, digest, made.id, now_ms())
            return _booking(db, state.book, site, made)

    @router.get("/board")
    def board(request: Request, caller: OnBoard, site_id: str, day: Day = None) -> models.Board:
        """The day's board: masked names, arrivals, how they checked in, and the waits.

        Today's also has who came before midnight and is still here, and who may check in early for the day after.
        """
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"board {day or ''}")
        with reading(state.data_dir) as db:
            return day_board(db, state.book, site, day_of(site, day), now_ms())

    @router.get("/appointments/{appointment}/name")
    def name(request: Request, caller: OnBoard, site_id: str, appointment: str) -> models.NameAnswer:
        """The clear name, for who serves the customer."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"name of {appointment[:40]}")
        with reading(state.data_dir) as db:
            found = state.book.name(db, find_appointment(db, state.book, site, appointment))
        if found is None:
            raise NotFoundError("this customer was forgotten.", hint="Nothing names them any more.")
        return models.NameAnswer(name=found)

    @router.get(
        "/appointments/{appointment}/qr.svg",
        response_class=Response,
        responses={200: {"content": {"image/svg+xml": {}}}},
    )
    def qr(request: Request, caller: Booking, site_id: str, appointment: str) -> Response:
        """The QR code to show at the kiosk, as a picture."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"qr of {appointment[:40]}")
        with reading(state.data_dir) as db:
            code = state.book.code(db, find_appointment(db, state.book, site, appointment))
        if code is None:
            raise NotFoundError("this customer was forgotten.", hint="There is no code any more.")
        picture = make_qr(qr_text(site.id, code), error="q", micro=False)
        return Response(picture.svg_inline(scale=8, border=4), media_type="image/svg+xml")

    @router.post("/appointments/{appointment}/cancel")
    def cancel(request: Request, caller: Booking, site_id: str, appointment: str) -> models.AppointmentAnswer:
        """Cancel what was booked; its place is free at once. Again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"cancel {appointment[:40]}")
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, state.book.step(db, found, "cancel", now_ms()), now_ms())

    @router.post("/appointments/{appointment}/move")
    def move(
        request: Request, caller: Booking, site_id: str, appointment: str, body: models.Move
    ) -> models.AppointmentAnswer:
        """Another slot under the same code; the old place is free at once. The same slot again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"move {appointment[:40]} to {body.start[:40]}")
        start_ms = start_of(body.start)
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, state.book.move(db, site, found, start_ms, now_ms()), now_ms())

    @router.post("/appointments/{appointment}/arrive")
    def arrived(
        request: Request, caller: OnBoard, site_id: str, appointment: str
    ) -> models.AppointmentAnswer:
        """Staff check somebody in, with the same place in the queue as by code or face."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"check in {appointment[:40]}")
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, arrive(db, state.book, site, found, now_ms()), now_ms())

    @router.post("/appointments/{appointment}/call")
    def call(
        request: Request, caller: OnBoard, site_id: str, appointment: str, body: models.Call
    ) -> models.AppointmentAnswer:
        """Call somebody who waits. Again changes nothing; to another counter is refused."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"call {appointment[:40]} to {body.counter or ''}")
        counter = None if body.counter is None else body.counter.strip()
        if counter is not None:
            served_by(site, counter, None)  # one that the branch has: whoever is called is told to go there
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, state.book.step(db, found, "call", now_ms(), counter), now_ms())

    @router.post("/appointments/{appointment}/serve")
    def serve(request: Request, caller: OnBoard, site_id: str, appointment: str) -> models.AppointmentAnswer:
        """The visit is over. Again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"served {appointment[:40]}")
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, state.book.step(db, found, "serve", now_ms()), now_ms())

    return router


def shown(db: sqlite3.Connection, appointment: Appointment, at_ms: int) -> models.AppointmentAnswer:
    """An appointment as told to staff."""
    return models.AppointmentAnswer(**_fields(db, appointment, at_ms))


def _booking(db: sqlite3.Connection, book: Book, site: Site, appointment: Appointment) -> models.Booking:
    code = book.code(db, appointment)
    if code is None:
        raise ConflictError("this booking's customer was forgotten.", hint="Book anew with another key.")
    fields = _fields(db, appointment, now_ms())
    return models.Booking(
        **fields,
        customer=appointment.customer,
        code=code,
        qr=qr_text(site.id, code),
    )


def _fields(db: sqlite3.Connection, appointment: Appointment, at_ms: int) -> dict[str, object]:
    way = ways_of(db, [appointment]).get(appointment.id)
    until_ms = at_ms if appointment.state == "arrived" else None
    consents = Consents(db).of_customer(appointment.customer)
    return {
        "id": appointment.id, "service": appointment.service,
        "start": iso(appointment.start_ms), "end": iso(appointment.end_ms),
        "arrive_from": iso(appointment.window_from_ms), "arrive_to": iso(appointment.window_to_ms),
        "masked_name": appointment.masked_name, "title": appointment.title,
        "booking_no": appointment.booking_no, "state": appointment.state,
        "missed": appointment.state == "missed"
        or (appointment.state == "booked" and at_ms > appointment.window_to_ms),
        "arrived": _moment(appointment.arrived_ms), "called": _moment(appointment.called_ms),
        "served": _moment(appointment.served_ms), "number": appointment.number,
        "aliases": list(aliases(db, appointment)), "provisional": provisional(db, appointment),
        "method": appointment.method, "counter": appointment.counter,
        "kind": appointment.kind, "calls": appointment.calls, "outcome": appointment.outcome,
        "waited_s": None if way is None else way[-1].waited_s(until_ms),
        "recognisable": any(c.site == appointment.site and c.holds(at_ms) for c in consents),
    }  # fmt: skip


def day_board(db: sqlite3.Connection, book: Book, site: Site, day: date, at_ms: int) -> models.Board:
    """A day's board as it stands at a moment; today's with whom midnight left here."""
    kept = book.of_day(db, site.id, day)
    if day == from_ms(at_ms, site.zone_info).date():
        kept = sorted((*beside(db, site, at_ms), *kept), key=lambda each: each.start_ms)
    shown_ids = {each.id for each in kept}
    methods: dict[Method, int] = {}
    for each in kept:
        if each.method is not None:
            methods[each.method] = methods.get(each.method, 0) + 1
    waits = [wait_s for way in ways_of(db, kept).values() for wait_s in waits_s(way)]
    names = {service.id: service.name for service in site.services}
    told = reconciled(db, book, site, at_ms)
    return models.Board(
        day=day.isoformat(),
        as_of=iso(at_ms),
        items=[shown(db, each, at_ms) for each in kept],
        next=[
            waiting.appointment
            for waiting in book.waiting(db, site.id, day)
            if waiting.appointment in shown_ids
        ],
        queues=[
            models.ServiceQueue(
                service=queue.service,
                name=names[queue.service],
                waiting=queue.waiting,
                busy=queue.busy,
                counters=queue.counters,
                mean_service_s=queue.mean_service_s,
                basis=queue.basis,
                wait_s=None if line is None else line.wait.expected_s,
                wait_low_s=None if line is None else line.wait.low_s,
                wait_high_s=None if line is None else line.wait.high_s,
                counters_open=None if line is None else line.counters,
                expected=0 if line is None else line.expected,
                floor_extra=0 if line is None else line.floor_extra,
                tickets_gone=0 if line is None else line.gone,
            )
            for queue in queues(db, site, at_ms)
            for line in (told[queue.service],)
        ],
        counters=[
            models.CounterAnswer(id=each.id, name=each.name, services=list(each.services))
            for each in site.counters
        ],
        methods=methods,
        median_wait_s=statistics.median(waits) if waits else None,
    )


def find_appointment(db: sqlite3.Connection, book: Book, site: Site, appointment: str) -> Appointment:
    """An appointment of a branch. Raises NotFoundError."""
    found = book.find(db, site.id, appointment)
    if found is None:
        raise NotFoundError("there is no such appointment.", hint="GET …/board lists them.")
    return found


def day_of(site: Site, text: str | None) -> date:
    """The local day that is asked for; today without one. Raises InputError for what is none, or in no calendar of a branch."""
    if text is None:
        return from_ms(now_ms(), site.zone_info).date()
    try:
        asked = date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"`day` is {text!r}: {error}.", hint="Write YYYY-MM-DD.") from error
    if asked.year not in YEARS:
        raise InputError(
            f"`day` is {text!r}: no branch has such a day.",
            hint=f"Give a year from {YEARS[0]} to {YEARS[-1]}.",
        )
    return asked


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)
