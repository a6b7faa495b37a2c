"""What a customer's browser sees and does with a pass: one visit, from the booking to what comes next."""

from __future__ import annotations

import sqlite3

from fastapi import APIRouter, Response
from segno import make as make_qr

from branchloop.clock import from_ms, iso
from branchloop.codes import qr_text
from branchloop.errors import ConflictError
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from hub.api.card.access import Holder, PassHolder
from hub.api.card.identity import what_next
from hub.api.card.offer import card_service
from hub.api.card.waiting import waiting_told
from hub.api.models import card as models
from hub.api.problems import NotFoundError
from hub.api.starts import start_of
from hub.api.state import State, now_ms
from hub.loop.appointments import service_then
from hub.loop.calendar_file import calendar_file
from hub.store.book import waitlist
from hub.store.book.appointment import Appointment
from hub.store.book.forecasting import wait_for
from hub.store.book.passes import KeptPass
from hub.store.book.queueing import follow_up_of
from hub.store.connection import opened, reading


def routes() -> APIRouter:
    """The routes of /api/v1/card/pass."""
    router = APIRouter(prefix="/api/v1/card/pass", tags=["card"])

    @router.get("")
    def show(holder: Holder) -> models.Pass:
        """The visit as it stands now."""
        with reading(holder.state.data_dir) as db:
            return _told(db, holder, _appointment(db, holder))

    @router.post("/cancel")
    def cancel(holder: Holder) -> models.Pass:
        """Give the place back. Again changes nothing."""
        holder.write()
        with opened(holder.state.data_dir) as db:
            found = _appointment(db, holder)
            holder.owe(db, "cancel")
            ended = holder.state.book.step(db, found, "cancel", now_ms())
            return _told(db, holder, ended)

    @router.post("/confirm")
    def confirm(holder: Holder) -> models.Pass:
        """Take the place that the waitlist holds. Again changes nothing."""
        holder.write()
        with opened(holder.state.data_dir) as db:
            found = _appointment(db, holder)
            holder.owe(db, "confirm")
            taken = waitlist.confirm(db, holder.state.book, holder.site, found, now_ms())
            return _told(db, holder, taken)

    @router.post("/move")
    def move(holder: Holder, body: models.CardMove) -> models.Pass:
        """Another time under the same code. The same time again changes nothing."""
        holder.write()
        start_ms = start_of(body.start)
        with opened(holder.state.data_dir) as db:
            found = _appointment(db, holder)
            if found.kind != "booked":
                raise ConflictError("a ticket of today cannot move.", hint="Cancel it and book a time.")
            holder.owe(db, f"move to {body.start}")
            moved = holder.state.book.move(db, holder.site, found, start_ms, now_ms())
            return _told(db, holder, moved)

    @router.get("/qr.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
    def qr(holder: Holder) -> Response:
        """The code to show at the kiosk, as a picture."""
        with reading(holder.state.data_dir) as db:
            code = holder.state.book.code(db, _appointment(db, holder))
        if code is None:
            raise NotFoundError("this customer was forgotten.", hint="There is no code any more.")
        picture = make_qr(qr_text(holder.site.id, code), error="q", micro=False)
        return Response(picture.svg_inline(scale=8, border=4), media_type="image/svg+xml")

    @router.get("/calendar.ics", response_class=Response, responses={200: {"content": {"text/calendar": {}}}})
    def calendar(holder: Holder, lang: Language = "zh") -> Response:
        """The appointment for the customer's calendar; it names nobody."""
        with reading(holder.state.data_dir) as db:
            found = _appointment(db, holder)
            (moves,) = db.execute(
                "SELECT count(*) FROM journey_event WHERE appointment=? AND stage IN ('moved', 'cancelled')",
                (found.id,),
            ).fetchone()
        if found.state == "waitlisted":
            raise ConflictError("the waitlist has no time yet.", hint="Wait until a place is offered.")
        site, service = holder.site, service_then(holder.site, found.service)
        name = getattr(service.name, lang)
        branch = getattr(site.name, lang)
        where = branch if site.address is None else f"{branch}, {getattr(site.address, lang)}"
        content = calendar_file(
            uid=f"{found.id}@{site.id}.branchloop", start_ms=found.start_ms, end_ms=found.end_ms,
            sequence=int(moves), made_ms=now_ms(), summary=f"{name} · {branch}", where=where,
            bring=[getattr(each, lang) for each in service.documents], cancelled=found.state == "cancelled",
        )  # fmt: skip
        return Response(
            content,
            media_type="text/calendar; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="appointment.ics"'},
        )

    return router


def told(
    db: sqlite3.Connection, state: State, site: Site, kept: KeptPass, appointment: Appointment, at_ms: int
) -> models.Pass:
    """A visit for its own customer."""
    return _told(db, PassHolder(kept, site, state, ""), appointment, at_ms)


def _told(
    db: sqlite3.Connection, holder: PassHolder, appointment: Appointment, at_ms: int | None = None
) -> models.Pass:
    at_ms = now_ms() if at_ms is None else at_ms
    state, site = holder.state, holder.site
    waiting = wait_for(db, state.book, site, appointment, at_ms)
    follow_up = follow_up_of(state.book, appointment)
    until_ms = appointment.offered_until_ms
    timed = appointment.state != "waitlisted" or until_ms is not None
    return models.Pass(
        site=site.id,
        branch=site.name,
        address=site.address,
        timezone=site.timezone,
        simulated=site.simulated,
        service=card_service(service_then(site, appointment.service)),
        kind=appointment.kind,
        state=appointment.state,
        start=iso(appointment.start_ms) if timed else None,
        arrive_from=iso(appointment.window_from_ms) if timed else None,
        arrive_to=iso(appointment.window_to_ms) if timed else None,
        day=from_ms(appointment.start_ms, site.zone_info).date().isoformat() if timed else appointment.day,
        masked_name=appointment.masked_name,
        code=state.book.code(db, appointment),
        number=appointment.number,
        counter=appointment.counter,
        counter_name=next((each.name for each in site.counters if each.id == appointment.counter), None),
        ahead=None if waiting is None else waiting.ahead,
        wait=None
        if waiting is None or waiting.wait is None
        else models.WaitTold(
            low_s=waiting.wait.low_s, expected_s=waiting.wait.expected_s, high_s=waiting.wait.high_s,
            basis=waiting.wait.basis,
        ),
        you_are_next=waiting is not None and waiting.ahead == 0,
        offered_until=None if until_ms is None else iso(until_ms),
        waitlist=waiting_told(db, state, site, appointment),
        may=_may(appointment),
        outcome=appointment.outcome,
        follow_up=None
        if follow_up is None
        else models.FollowUpTold(
            text=follow_up.text, service=follow_up.service if holder.books(follow_up.service) else None
        ),
        next=what_next(db, holder, appointment, at_ms),
        as_of=iso(at_ms),
        embed=holder.embed(db, appointment.customer, appointment.scene),
    )  # fmt: skip


def _may(appointment: Appointment) -> list[models.May]:
    if appointment.state == "waitlisted":
        return ["cancel"] if appointment.offered_until_ms is None else ["confirm", "cancel"]
    if appointment.state != "booked":
        return []
    return ["move", "cancel"] if appointment.kind == "booked" else ["cancel"]


def _appointment(db: sqlite3.Connection, holder: PassHolder) -> Appointment:
    found = holder.state.book.find(db, holder.site.id, holder.kept.appointment)
    if found is None:
        raise NotFoundError("there is no such appointment any more.", hint="Book anew.")
    return found
