"""Booking by card: one question's worth of data, once, however often it is sent."""

from __future__ import annotations

import json
import sqlite3
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from branchloop.errors import AccessError, ConflictError, InputError
from hub.api.card.access import OnPage, Page, own_origin
from hub.api.card.identity import linked_customer
from hub.api.card.offer import day_of, errand
from hub.api.card.visit import told
from hub.api.models import card as models
from hub.api.starts import start_of
from hub.api.state import now_ms
from hub.loop import embedding
from hub.loop.contact import clean_mail, clean_phone
from hub.store.book import remote, waitlist
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.passes import find_pass, make_pass
from hub.store.connection import opened
from hub.store.idempotency import keep_key, made_before, request_digest
from hub.store.journeys import of_journey, record

Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key", min_length=16, max_length=100,
        description="random, one per booking; the same request again answers the same",
    ),
]  # fmt: skip


def routes() -> APIRouter:
    """The routes of /api/v1/card that book."""
    router = APIRouter(prefix="/api/v1/card", tags=["card"])

    @router.post("/appointments", status_code=201)
    def book(request: Request, page: Page, body: models.CardBook, key: Key) -> models.CardBooking:
        """Book a place; the pass that is answered opens it from then on."""
        page.write()
        page.service(body.service)
        at_ms = now_ms()
        start_ms, contact = start_of(body.start), contact_of(body.contact)
        with opened(page.state.data_dir) as db:
            made = before(db, page, key, body)
            if made is None:
                followed = followed_by(db, page, body.follows)
                wanted = Wanted(
                    body.service, start_ms, body.name, body.title,
                    linked_customer(db, page, at_ms) if followed is None else followed.customer,
                    channel="card", scene=page.embed.scene, partner=page.partner.id,
                    journey=errand(db, page, body.journey), language=body.language, contact=contact,
                )  # fmt: skip
                made = page.state.book.book(db, page.site, wanted, at_ms)
                keep(db, page, key, body, made, at_ms)
                if followed is not None:
                    _follow_up(db, followed, made, at_ms)
            return booking(db, request, page, made, at_ms)

    @router.post("/waitlist", status_code=201)
    def wait(request: Request, page: Page, body: models.CardWaitlist, key: Key) -> models.CardBooking:
        """Wait for a place on a day that is full; the pass tells when one is held."""
        page.write()
        page.service(body.service)
        at_ms = now_ms()
        day, contact = day_of(page.site, body.day, at_ms), contact_of(body.contact)
        with opened(page.state.data_dir) as db:
            made = before(db, page, key, body)
            if made is None:
                wanted = Wanted(
                    body.service, at_ms, body.name, body.title, linked_customer(db, page, at_ms), channel="card",
                    scene=page.embed.scene,
                    partner=page.partner.id, journey=errand(db, page, body.journey), language=body.language,
                    contact=contact,
                )  # fmt: skip
                made = waitlist.join(db, page.state.book, page.site, wanted, day, at_ms)
                keep(db, page, key, body, made, at_ms)
            return booking(db, request, page, made, at_ms)

    @router.post("/tickets", status_code=201)
    def ticket(request: Request, page: Page, body: models.CardTicket, key: Key) -> models.CardBooking:
        """A place in today's queue, taken from afar."""
        page.write()
        page.service(body.service)
        at_ms = now_ms()
        with opened(page.state.data_dir) as db:
            made = before(db, page, key, body)
            if made is None:
                made = remote.take(
                    db, page.state.book, page.site, body.service, body.name, body.language, "card",
                    page.partner.id, page.embed.scene, errand(db, page, body.journey), at_ms,
                    customer=linked_customer(db, page, at_ms),
                )  # fmt: skip
                keep(db, page, key, body, made, at_ms)
            return booking(db, request, page, made, at_ms)

    return router


def booking(
    db: sqlite3.Connection, request: Request, page: OnPage, made: Appointment, at_ms: int
) -> models.CardBooking:
    """A booking with its pass; the same appointment always with the same."""
    state = page.state
    embed = page.embed
    secret = make_pass(
        db, state.book.keyring, made.id, made.site, page.partner.id, embed.origin, embed.service, at_ms
    )
    kept = find_pass(db, secret)
    if kept is None:
        raise ConflictError("this booking was forgotten.", hint="Book anew.")
    return models.CardBooking(
        secret=secret,
        url=f"{own_origin(request, state)}/pass#{secret}{_to_link(db, page, at_ms)}",
        details=told(db, state, page.site, kept, made, at_ms),
    )


def _to_link(db: sqlite3.Connection, page: OnPage, at_ms: int) -> str:
    """The page's token, where somebody is signed in who can still be linked: their pass's page offers it."""
    if page.embed.subject is None or linked_customer(db, page, at_ms) is not None:
        return ""
    return f"&{embedding.issue(page.embed, page.state.book.keyring.mac)}"


def before(db: sqlite3.Connection, page: OnPage, key: str, body: BaseModel) -> Appointment | None:
    """What the same request booked before. Raises ConflictError when the key was used for another."""
    known = made_before(db, page.caller, key, request_digest(page.state.book.keyring, page.site.id, body))
    return None if known is None else page.state.book.get(db, page.site.id, known)


def keep(
    db: sqlite3.Connection, page: OnPage, key: str, body: BaseModel, made: Appointment, at_ms: int
) -> None:
    """Note what this request booked."""
    digest = request_digest(page.state.book.keyring, page.site.id, body)
    keep_key(db, page.caller, key, digest, made.id, at_ms)


def contact_of(contact: models.Contact | None) -> str | None:
    """As it is kept. Raises InputError unless it is one address or one number."""
    if contact is None or (contact.email is None and contact.phone is None):
        return None
    if contact.email is not None and contact.phone is not None:
        raise InputError("a reminder goes one way.", hint="Give an e-mail address or a phone number.")
    if contact.email is not None:
        return json.dumps({"email": clean_mail(contact.email)})
    return json.dumps({"phone": clean_phone(contact.phone or "")})


def followed_by(db: sqlite3.Connection, page: OnPage, secret: str | None) -> Appointment | None:
    """The visit that this booking follows. Raises AccessError for a pass that is not known here."""
    if secret is None:
        return None
    kept = find_pass(db, secret)
    if kept is None or kept.partner != page.partner.id:
        raise AccessError("the pass that this follows is not known.", hint="Book without it.")
    return page.state.book.get(db, kept.site, kept.appointment)


def _follow_up(db: sqlite3.Connection, followed: Appointment, made: Appointment, at_ms: int) -> None:
    """The visit's follow-up is done: once, in the errand that it belongs to; a visit still to come has none."""
    if followed.over and all(each.happened.stage != "follow_up" for each in of_journey(db, followed.journey)):
        record(db, followed.happened("follow_up", at_ms, service=made.service, journey=made.journey))
