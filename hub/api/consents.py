"""What staff do with consents: see those of a branch, take one back, move one to another branch."""

from __future__ import annotations

import sqlite3

from fastapi import APIRouter, Request

from branchloop.clock import iso
from branchloop.errors import InputError
from hub.api.access import Caller, Enrolling
from hub.api.enrolment import shown_holders
from hub.api.models import consent as models
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.loop.consent import Consent, step
from hub.store.connection import opened, reading
from hub.store.customers.consenting import Consenting
from hub.store.customers.consents import Consents
from hub.store.customers.receiptkey import receipt_key


def routes() -> APIRouter:
    """The routes under /api/v1 that need a token."""
    router = APIRouter(prefix="/api/v1", tags=["consent"])

    @router.get("/branches/{site_id}/consents")
    def consents(request: Request, caller: Enrolling, site_id: str) -> models.ConsentList:
        """Consents of a branch, oldest first: no name, no face."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "consents")
        with reading(state.data_dir) as db:
            return models.ConsentList(items=[_shown(db, c) for c in Consents(db).at_site(site.id)])

    @router.post("/consents/{consent}/withdraw")
    def withdraw(request: Request, caller: Enrolling, consent: str) -> models.ConsentAnswer:
        """Take a consent back for the customer; `pending` until every box has confirmed."""
        state: State = request.app.state.hub
        with opened(state.data_dir) as db:
            found = _seen(db, caller, consent, "withdraw")
            ended = Consenting(db, receipt_key(state.data_dir)).withdraw(found, now_ms())
            return _shown(db, ended)

    @router.post("/consents/{consent}/move")
    def move(
        request: Request, caller: Enrolling, consent: str, body: models.MoveConsent
    ) -> models.ConsentAnswer:
        """Have the old branch's box seal the template to the new branch's, and delete it."""
        state: State = request.app.state.hub
        at_ms = now_ms()
        with opened(state.data_dir) as db:
            found = _seen(db, caller, consent, f"move to {body.site}")
            site = state.config.sites.get(body.site)
            if site is None:
                raise InputError(
                    f"there is no branch {body.site!r}.", hint="GET /api/v1/branches lists them."
                )
            consenting = Consenting(db, receipt_key(state.data_dir))
            keys = [
                (kiosk.id, key)
                for kiosk in site.kiosks
                if (key := consenting.consents.key(site.id, kiosk.id, at_ms)) is not None
            ]
            return _shown(db, consenting.move(found, site.id, keys, at_ms))

    return router


def _seen(db: sqlite3.Connection, caller: Caller, consent: str, what: str) -> Consent:
    """A consent of a branch that the caller sees; any other one looks like none."""
    found = Consents(db).find(consent)
    if found is None or not caller.sees(found.site):
        raise NotFoundError("there is no such consent.", hint="GET …/branches/SITE/consents lists them.")
    caller.enter(found.site, f"{what} consent {consent}")
    return found


def _shown(db: sqlite3.Connection, consent: Consent) -> models.ConsentAnswer:
    holders = Consents(db).holders(consent.id)
    return models.ConsentAnswer(
        id=consent.id,
        customer=consent.customer,
        branch=consent.site,
        channel=consent.channel,
        text_version=consent.text_version,
        state=consent.state,
        step=step(consent, holders, now_ms()),
        given=iso(consent.given_ms),
        until=iso(consent.expires_ms),
        guardian=consent.guardian,
        withdrawn=None if consent.withdrawn_ms is None else iso(consent.withdrawn_ms),
        moving_to=consent.moving_to,
        holders=shown_holders(holders),
    )
