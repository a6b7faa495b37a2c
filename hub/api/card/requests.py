"""Services done online, as the customer's page asks for them and its browser follows them."""

from __future__ import annotations

import json
import sqlite3

from fastapi import APIRouter, Request, Response

from branchloop.clock import iso
from branchloop.errors import ConflictError, InputError
from branchloop.site.parts import Text
from hub.api.card.access import Holder, OnPage, Page, PassHolder, own_origin
from hub.api.card.booking import Key, followed_by
from hub.api.card.identity import linked_customer
from hub.api.card.offer import card_service, errand
from hub.api.issuing import issuer_here
from hub.api.models import requests as models
from hub.api.problems import NotFoundError
from hub.api.state import now_ms
from hub.loop.appointments import service_of, service_then
from hub.loop.contact import clean_phone
from hub.loop.requests import ISSUED, OPEN
from hub.store.book import requests as store
from hub.store.book.passes import find_pass, make_pass
from hub.store.connection import opened, reading
from hub.store.idempotency import keep_key, made_before, request_digest


def routes() -> APIRouter:
    """The routes of /api/v1/card for what needs no visit."""
    router = APIRouter(prefix="/api/v1/card", tags=["card"])

    @router.post("/requests", status_code=201)
    def ask(request: Request, page: Page, body: models.CardRequest, key: Key) -> models.CardRequested:
        """Ask for a service online; the secret that is answered opens the request from then on."""
        page.write()
        page.service(body.service)
        kind = service_of(page.site, body.service).online
        if (kind == "certificate") != (body.certificate is not None):
            raise InputError(
                "`certificate` belongs to a service whose `online` is certificate, and only there.",
                hint="GET /card/offer tells each service's `online`.",
            )
        phone = clean_phone(body.phone)
        if kind == "certificate":
            issuer_here(page.state.config).check_name(body.name)
        at_ms = now_ms()
        with opened(page.state.data_dir) as db:
            made = _before(db, page, key, body)
            if made is None:
                followed = followed_by(db, page, body.follows)
                wish = None if body.certificate is None else body.certificate.model_dump(mode="json")
                told = {
                    "name": " ".join(body.name.split()), "phone": phone, "identity": body.identity.model_dump(),
                    "certificate": wish,
                }  # fmt: skip
                asked = store.Asked(
                    body.service, body.name, phone, json.dumps(told, ensure_ascii=False), body.language, "card",
                    linked_customer(db, page, at_ms) if followed is None else followed.customer, page.embed.scene, page.partner.id,
                    errand(db, page, body.journey),
                )  # fmt: skip
                made = store.ask(db, page.state.book.keyring, page.site, asked, at_ms)
                digest = request_digest(page.state.book.keyring, page.site.id, body)
                keep_key(db, page.caller, key, digest, made.id, at_ms)
            secret = make_pass(
                db, page.state.book.keyring, made.id, made.site, page.partner.id, page.embed.origin,
                page.embed.service, at_ms,
            )  # fmt: skip
            kept = find_pass(db, secret)
            if kept is None:
                raise ConflictError("this request was forgotten.", hint="Ask anew.")
            holder = PassHolder(kept, page.site, page.state, page.address)
            return models.CardRequested(secret=secret, details=_told(db, request, holder, made, at_ms))

    @router.get("/request")
    def show(request: Request, holder: Holder) -> models.RequestState:
        """The request as it stands now."""
        with reading(holder.state.data_dir) as db:
            return _told(db, request, holder, _request(db, holder), now_ms())

    @router.post("/request/withdraw")
    def withdraw(request: Request, holder: Holder) -> models.RequestState:
        """The customer wants it no more; a document that was made is void. Again changes nothing."""
        holder.write()
        at_ms = now_ms()
        with opened(holder.state.data_dir) as db:
            found = _request(db, holder)
            if found.kind == "account" and found.state in ISSUED:
                raise ConflictError("the account is open.", hint="Ask the bank to close it.")
            ended = store.step(db, found, "withdraw", at_ms)
            answer = _told(db, request, holder, ended, at_ms)
        _audit(holder, "withdraw", ended)
        return answer

    @router.get(
        "/request/document.pdf",
        response_class=Response,
        responses={200: {"content": {"application/pdf": {}}}},
    )
    def fetch(holder: Holder) -> Response:
        """The signed document, as often as wanted until `expires`; the first time it is collected."""
        at_ms = now_ms()
        with opened(holder.state.data_dir) as db:
            found = _request(db, holder)
            pdf = store.document(db, holder.state.book.keyring, found) if found.fetchable(at_ms) else None
            if pdf is None:
                raise NotFoundError(
                    f"there is no document: the request is {found.now(at_ms)}.",
                    hint="Ask anew." if found.now(at_ms) not in OPEN else "The bank has not decided yet.",
                )
            store.step(db, found, "collect", at_ms)
        _audit(holder, "fetch document", found)
        return Response(
            pdf,
            media_type="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="certificate-{found.code}.pdf"'},
        )

    return router


def verify_url(origin: str, code: str) -> str:
    """Where anybody asks whether a document is genuine."""
    return f"{origin}/verify/{code}"


def _told(
    db: sqlite3.Connection, request: Request, holder: PassHolder, found: store.Request, at_ms: int
) -> models.RequestState:
    site, keyring = holder.site, holder.state.book.keyring
    state = found.now(at_ms)
    account = None
    if found.kind == "account" and state in ISSUED:
        facts = store.parsed(store.facts(db, keyring, found))
        account = None if facts is None else models.OpenedAccount.model_validate(facts["account"])
    fetchable = found.fetchable(at_ms)
    code = found.code if state in ISSUED else None
    may: list[models.May] = []
    if fetchable:
        may.append("fetch")
    if state in OPEN or fetchable:
        may.append("withdraw")
    return models.RequestState(
        id=found.id, site=site.id, branch=site.name, timezone=site.timezone, simulated=site.simulated,
        service=card_service(service_then(site, found.service)), kind=found.kind, state=state,
        masked_name=found.masked_name, made=iso(found.made_ms), reason=reason_of(found), account=account,
        document=fetchable,
        expires=None if found.expires_ms is None else iso(found.expires_ms),
        code=code,
        verify_url=None if code is None else verify_url(own_origin(request, holder.state), code),
        may=may, as_of=iso(at_ms), embed=holder.embed(db, found.customer, found.scene),
    )  # fmt: skip


def reason_of(found: store.Request) -> Text | None:
    """Why it was declined, in the bank's words."""
    return None if found.reason is None else Text.model_validate_json(found.reason)


def _request(db: sqlite3.Connection, holder: PassHolder) -> store.Request:
    found = store.find(db, holder.site.id, holder.kept.appointment)
    if found is None:
        raise NotFoundError("this pass is for a visit, not for a request.", hint="GET /card/pass opens it.")
    return found


def _before(db: sqlite3.Connection, page: OnPage, key: str, body: models.CardRequest) -> store.Request | None:
    known = made_before(db, page.caller, key, request_digest(page.state.book.keyring, page.site.id, body))
    return None if known is None else store.get(db, page.site.id, known)


def _audit(holder: PassHolder, what: str, found: store.Request) -> None:
    holder.state.audit.append(
        now_ms(),
        f"card:{holder.kept.partner or 'hub'}",
        "customer",
        what,
        holder.site.id,
        f"request {found.id}",
    )
