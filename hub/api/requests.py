"""Services done online, as the bank's core and staff answer them; and whether a document is genuine."""

from __future__ import annotations

import json
import sqlite3
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from branchloop.clock import from_ms, iso
from branchloop.errors import ConflictError, InputError
from branchloop.site.site import Site
from hub.api.access import Fulfilling, Requesting
from hub.api.card.access import own_origin
from hub.api.card.requests import reason_of, verify_url
from hub.api.issuing import issuer_here
from hub.api.models import requests as models
from hub.api.pace import Pace
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.loop.requests import ISSUED, done_already
from hub.store.book import requests as store
from hub.store.connection import opened, reading

MOST = 200
_questions = Pace(120, "questions about documents from this address")
_unknown = Pace(20, "unknown codes from this address")


def routes() -> APIRouter:
    """The routes under /api/v1/branches/SITE/requests."""
    router = APIRouter(prefix="/api/v1/branches/{site_id}/requests", tags=["requests"])

    @router.get("")
    def listed(
        request: Request,
        caller: Requesting,
        site_id: str,
        every: Annotated[bool, Query(alias="all", description="also those that have ended")] = False,
    ) -> models.Requests:
        """What is to be done, the oldest first; nobody is named. At most 200: the oldest that are open, or with `all` the newest."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, "requests")
        state.book  # noqa: B018  # without a book there are none, and that is said
        with reading(state.data_dir) as db:
            found = store.of_site(db, site.id, only_open=not every, most=MOST)
        return models.Requests(items=[_shown(each) for each in found])

    @router.get("/{request_id}")
    def details(request: Request, caller: Requesting, site_id: str, request_id: str) -> models.RequestDetails:
        """The clear data, for the bank's core to find the customer; noted in the audit log."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"request {request_id[:40]}")
        keyring = state.book.keyring
        with reading(state.data_dir) as db:
            found = _find(db, site, request_id)
            told = store.parsed(store.told(db, keyring, found))
        if told is None:
            raise NotFoundError("this customer was forgotten.", hint="Nothing names them any more.")
        return models.RequestDetails.model_validate(
            {
                "id": found.id,
                "customer": found.customer,
                "kind": found.kind,
                "state": found.now(now_ms()),
                **told,
            }
        )

    @router.post("/{request_id}/check")
    def check(request: Request, caller: Requesting, site_id: str, request_id: str) -> models.RequestAnswer:
        """Somebody is at it. Again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"check request {request_id[:40]}")
        with opened(state.data_dir) as db:
            return _shown(store.step(db, _find(db, site, request_id, state), "check", now_ms()))

    @router.post("/{request_id}/decline")
    def decline(
        request: Request, caller: Requesting, site_id: str, request_id: str, body: models.Decline
    ) -> models.RequestAnswer:
        """It cannot be done online. Again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"decline request {request_id[:40]}")
        reason = json.dumps(body.reason.model_dump(), ensure_ascii=False)
        with opened(state.data_dir) as db:
            return _shown(store.step(db, _find(db, site, request_id, state), "decline", now_ms(), reason))

    @router.post("/{request_id}/withdraw")
    def withdraw(request: Request, caller: Fulfilling, site_id: str, request_id: str) -> models.RequestAnswer:
        """The bank takes it back; a document that was made is void from now on. Again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"withdraw request {request_id[:40]}")
        with opened(state.data_dir) as db:
            return _shown(store.step(db, _find(db, site, request_id, state), "withdraw", now_ms()))

    @router.post("/{request_id}/fulfil")
    def fulfil(
        request: Request, caller: Fulfilling, site_id: str, request_id: str, body: models.Fulfil
    ) -> models.RequestAnswer:
        """The bank's core says what is so; of a certificate the document is made and signed. The same again changes nothing."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"fulfil request {request_id[:40]}")
        keyring, at_ms = state.book.keyring, now_ms()
        with reading(state.data_dir) as db:
            found = _find(db, site, request_id)
            told = store.parsed(store.told(db, keyring, found))
        if told is None:
            raise ConflictError("this customer was forgotten.", hint="There is nobody to do it for.")
        _right(site, found, body, told, at_ms)
        pdf, code, keep_days = None, None, 0
        if body.certificate is not None and not done_already(found.state, "fulfil"):
            code = store.new_code()
            pdf, keep_days = _document(request, state, site, told, body.certificate, code, at_ms)
        said = json.dumps(body.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        with opened(state.data_dir) as db:
            again = _find(db, site, request_id)
            return _shown(store.fulfil(db, keyring, again, said, pdf, code, keep_days, at_ms))

    return router


def verify_routes() -> APIRouter:
    """The one question that anybody may ask."""
    router = APIRouter(prefix="/api/v1/verify", tags=["documents"])

    @router.get("/{code}")
    def verify(request: Request, code: str) -> models.Verdict:
        """Whether a document with this code was issued, and still stands; its signature says whether it was changed."""
        return verdict(request, code)

    return router


def verdict(request: Request, code: str) -> models.Verdict:
    """What anybody may know of a document. Raises NotFoundError, LimitError."""
    state: State = request.app.state.hub
    address, at_ms = (request.client.host if request.client is not None else "?"), now_ms()
    _questions.step(address, at_ms)
    state.book  # noqa: B018
    with reading(state.data_dir) as db:
        found = store.by_code(db, code[:40])
    site = None if found is None else state.config.sites.get(found.site)
    settings = state.config.documents
    if found is None or site is None or settings is None or found.now(at_ms) not in {*ISSUED, "withdrawn"}:
        _unknown.step(address, at_ms)
        raise NotFoundError("no document has this code.", hint="Compare it with the one on the page.")
    return models.Verdict(
        state="valid" if found.state in ISSUED else "withdrawn", issuer=settings.issuer, branch=site.name,
        kind=found.kind, masked_name=found.masked_name,
        issued=from_ms(found.ended_ms or found.made_ms, site.zone_info).date().isoformat(),
        simulated=site.simulated or settings.specimen,
    )  # fmt: skip


def _document(
    request: Request,
    state: State,
    site: Site,
    told: dict[str, Any],
    facts: models.CertificateFacts,
    code: str,
    at_ms: int,
) -> tuple[bytes, int]:
    issuer = issuer_here(state.config)
    from hub.documents.certificate import Certificate

    certificate = Certificate(
        issuer=issuer.settings.issuer, branch=site.name, name=told["name"],
        account_last_four=facts.account_last_four, currency=facts.currency, amount=facts.amount, as_of=facts.as_of,
        frozen_until=facts.frozen_until, purpose=told["certificate"]["purpose"],
        issued=from_ms(at_ms, site.zone_info).date(), code=code,
        verify_url=verify_url(own_origin(request, state), code),
        simulated=site.simulated or issuer.settings.specimen,
    )  # fmt: skip
    return issuer.issue(certificate), issuer.settings.keep_days


def _right(site: Site, found: store.Request, body: models.Fulfil, told: dict[str, Any], at_ms: int) -> None:
    """Raise InputError unless the facts are those of the request's kind, and can be so."""
    other = body.account if found.kind == "certificate" else body.certificate
    facts = body.certificate if found.kind == "certificate" else body.account
    if facts is None or other is not None:
        raise InputError(
            f"this request is fulfilled by `{found.kind}`, and by nothing else.", hint="Send that one."
        )
    if body.certificate is None or done_already(
        found.state, "fulfil"
    ):  # then it is compared with what was said
        return
    said, today = body.certificate, from_ms(at_ms, site.zone_info).date()
    wanted = told["certificate"]["currency"]
    if said.currency != wanted:
        raise InputError(
            f"the customer asked for {wanted}, not {said.currency}.", hint="Decline it, and say why."
        )
    if said.as_of > today:
        raise InputError(f"`as_of` {said.as_of} is yet to come.", hint="A balance is of today or before.")
    if said.frozen_until is not None and said.frozen_until < max(said.as_of, today):
        raise InputError(
            f"`frozen_until` {said.frozen_until} is over.", hint="Leave it out, or give a later day."
        )


def _find(db: sqlite3.Connection, site: Site, request_id: str, state: State | None = None) -> store.Request:
    if state is not None:
        state.book  # noqa: B018
    found = store.find(db, site.id, request_id)
    if found is None:
        raise NotFoundError("there is no such request.", hint="GET …/requests lists them.")
    return found


def _shown(found: store.Request) -> models.RequestAnswer:
    return models.RequestAnswer(
        id=found.id, service=found.service, kind=found.kind, state=found.now(now_ms()),
        masked_name=found.masked_name, made=iso(found.made_ms), language=found.language, channel=found.channel,
        scene=found.scene, partner=found.partner, reason=reason_of(found), code=found.code,
    )  # fmt: skip
