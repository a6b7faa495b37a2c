"""What staff do with the queue: walk-ins, calling again, parking, sending on, the outcome of a visit."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request

from hub.api import service
from hub.api.access import Figures, OnBoard
from hub.api.booking import Day, Key, day_of, find_appointment, shown
from hub.api.models import book as models, service as models_service
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.store.book import calling, queueing
from hub.store.connection import opened
from hub.store.idempotency import keep_key, made_before, request_digest


def routes() -> APIRouter:
    """The routes under /api/v1/branches/SITE that need a token of the board."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}", tags=["queue"])

    @router.post("/walk-ins", status_code=201)
    def walk_in(
        request: Request, caller: OnBoard, site_id: str, body: models.WalkIn, key: Key = None
    ) -> models.AppointmentAnswer:
        """A ticket for somebody without an appointment; with an Idempotency-Key, once however often it is sent."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"walk-in for {body.service}")
        digest = request_digest(state.book.keyring, site.id, body)
        with opened(state.data_dir) as db:
            known = None if key is None else made_before(db, caller.name, key, digest)
            if known is not None:
                return shown(db, state.book.get(db, site.id, known), now_ms())
            made = queueing.walk_in(db, state.book, site, body.service, body.name, body.language, now_ms())
            if key is not None:
                keep_key(db, caller.name, key, digest, made.id, now_ms())
            return shown(db, made, now_ms())

    @router.get("/service")
    def service_day(
        request: Request, caller: Figures, site_id: str, day: Day = None
    ) -> models_service.ServiceDay:
        """A day of service; counts of 1 to 4 only for who sees persons there."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"service {day or ''}")
        return service.day(state, site, day_of(site, day), now_ms(), small=not caller.sees_persons)

    @router.post("/call-next")
    def call_next(
        request: Request, caller: OnBoard, site_id: str, body: models.CallNext
    ) -> models.CalledNext:
        """Call whoever is first in line for a counter; while it serves somebody, that one is answered again."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"call next to {body.counter}")
        with opened(state.data_dir) as db:
            found = calling.call_next(db, state.book, site, body.counter.strip(), body.services, now_ms())
            return models.CalledNext(
                called=None if found.appointment is None else shown(db, found.appointment, now_ms()),
                again=found.again,
                waiting=found.waiting,
            )

    @router.post("/check-in")
    def check_in(
        request: Request, caller: OnBoard, site_id: str, body: models.Show
    ) -> models.AppointmentAnswer:
        """Staff check in whoever shows a code, of today. Again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "check in by code")
        with opened(state.data_dir) as db:
            found = calling.arrive_by_code(db, state.book, site, body.code, now_ms())
            if found is None:
                raise NotFoundError("this code opens nothing here.", hint="Check it, or take a ticket.")
            return shown(db, found, now_ms())

    @router.post("/appointments/{appointment}/recall")
    def recall(request: Request, caller: OnBoard, site_id: str, appointment: str) -> models.AppointmentAnswer:
        """Call somebody once more."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"call again {appointment[:40]}")
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, queueing.call_again(db, state.book, found, now_ms()), now_ms())

    @router.post("/appointments/{appointment}/park")
    def park(request: Request, caller: OnBoard, site_id: str, appointment: str) -> models.AppointmentAnswer:
        """Let somebody wait beside the queue, such as for a paper. Again changes nothing."""
        return _step(request, caller, site_id, appointment, "park")

    @router.post("/appointments/{appointment}/resume")
    def resume(request: Request, caller: OnBoard, site_id: str, appointment: str) -> models.AppointmentAnswer:
        """Back into the queue, with the place that was kept. Again changes nothing."""
        return _step(request, caller, site_id, appointment, "resume")

    @router.post("/appointments/{appointment}/leave")
    def leave(request: Request, caller: OnBoard, site_id: str, appointment: str) -> models.AppointmentAnswer:
        """Somebody went away, or did not come when called. Again changes nothing."""
        return _step(request, caller, site_id, appointment, "leave")

    @router.post("/appointments/{appointment}/transfer")
    def transfer(
        request: Request, caller: OnBoard, site_id: str, appointment: str, body: models.Transfer
    ) -> models.AppointmentAnswer:
        """Send somebody on to another service, with the place they have in line."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"transfer {appointment[:40]} to {body.service}")
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            return shown(db, queueing.transfer(db, state.book, site, found, body.service, now_ms()), now_ms())

    @router.post("/appointments/{appointment}/finish")
    def finish(
        request: Request, caller: OnBoard, site_id: str, appointment: str, body: models.Finish
    ) -> models.AppointmentAnswer:
        """The visit is over, and what it came to. The same again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"finish {appointment[:40]} {body.outcome}")
        next_step = None
        if body.follow_up is not None:
            next_step = queueing.FollowUp(body.follow_up.text, body.follow_up.service)
        with opened(state.data_dir) as db:
            found = find_appointment(db, state.book, site, appointment)
            done = queueing.finish(db, state.book, site, found, body.outcome, next_step, now_ms())
            return shown(db, done, now_ms())

    return router


def _step(
    request: Request,
    caller: OnBoard,
    site_id: str,
    appointment: str,
    step: Literal["park", "resume", "leave"],
) -> models.AppointmentAnswer:
    state: State = request.app.state.hub
    site = caller.enter(site_id, f"{step} {appointment[:40]}")
    with opened(state.data_dir) as db:
        found = find_appointment(db, state.book, site, appointment)
        return shown(db, queueing.step(db, state.book, found, step, now_ms()), now_ms())
