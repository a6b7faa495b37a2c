"""Enrolment by link: staff make it, the customer's browser consents and sends photos that only a box can open.

The token of a link has 256 random bits and is kept as its digest. It works for one consent: once given, it
shows what became of it and takes it back.
"""

from __future__ import annotations

import secrets
import sqlite3

from fastapi import APIRouter, Request

from branchloop.agreement.consent import PURPOSE, consent_text
from branchloop.clock import iso
from branchloop.errors import InputError
from branchloop.keys.sealing import decode, fingerprint
from branchloop.site.site import Site
from branchloop.text.catalogue import LANGUAGES, Language
from hub.api.access import Enrolling
from hub.api.models import consent as models
from hub.api.pace import Pace
from hub.api.problems import NotFoundError
from hub.api.state import State, now_ms
from hub.loop.consent import DAY_MS, LINK_DAYS, Consent, Holder, check_given, end_of_retention_ms, step
from hub.store.connection import opened, reading
from hub.store.customers.consenting import Consenting, Photo
from hub.store.customers.consents import Consents, Link
from hub.store.customers.holders import GUARDIAN, PHOTO
from hub.store.customers.receiptkey import receipt_key

MISSES_A_MINUTE = 60
MAX_PHOTO_TEXT = 420_000
"""300 KiB as JPEG, sealed, in base64url."""


_guesses = Pace(MISSES_A_MINUTE, "links were tried")
"""Wrong tokens, over all callers: tokens have 256 bits, so nobody needs many, and a right one is never held up."""


def staff_routes() -> APIRouter:
    """What staff do: make a link."""
    router = APIRouter(tags=["consent"])

    @router.post("/api/v1/branches/{site_id}/appointments/{appointment}/enrolment", status_code=201)
    def invite(request: Request, caller: Enrolling, site_id: str, appointment: str) -> models.Invitation:
        """A link by which the customer of an appointment enrols; it is shown this once and holds 7 days."""
        state: State = request.app.state.hub
        site = caller.enter(site_id, f"invite to enrol {appointment}")
        at_ms = now_ms()
        token, consent = secrets.token_urlsafe(32), secrets.token_hex(16)
        with opened(state.data_dir) as db:
            booked = state.people.appointments.booked(db, site.id, appointment)
            if booked is None:
                raise NotFoundError("there is no such appointment.", hint="It may have been cancelled.")
            Consents(db).add_link(
                token,
                Link(
                    consent, booked.customer, site.id, appointment, booked.masked_name, booked.minor, at_ms,
                    at_ms + LINK_DAYS * DAY_MS, None,
                ),
            )  # fmt: skip
        base = state.config.people.public_url or str(request.base_url)
        return models.Invitation(
            url=f"{base.rstrip('/')}/enrol/{token}", consent=consent, expires=iso(at_ms + LINK_DAYS * DAY_MS)
        )

    return router


def link_routes() -> APIRouter:
    """What the holder of a link does; the link itself is the right to it."""
    router = APIRouter(prefix="/api/v1/enrolments", tags=["consent"])

    @router.get("/{token}")
    def enrolment(request: Request, token: str) -> models.Enrolment:
        """What the page shows: text, keys, state, receipts."""
        state: State = request.app.state.hub
        with reading(state.data_dir) as db:
            link = Visit(token, state).link(db, "read consent")
            return _view(state, db, link, now_ms())

    @router.post("/{token}")
    def enrol(request: Request, token: str, body: models.SealedEnrolment) -> models.Enrolment:
        """Consent, and photos sealed to one kiosk; repeated for each kiosk of the branch."""
        state: State = request.app.state.hub
        at_ms = now_ms()
        with opened(state.data_dir) as db:
            link = Visit(token, state).link(db, "give consent")
            consenting = Consenting(db, receipt_key(state.data_dir))
            known = consenting.consents.find(link.consent)
            _check_photos(consenting.consents, link, body, at_ms)
            consent = known or _given(state, consenting, link, body.consent, at_ms)
            if not consent.holds(at_ms):
                raise InputError("this consent has ended.", hint="Ask our staff for a new link.")
            if consent.expires_ms != body.consent.expires_ms:
                raise InputError("the photos are bound to another time.", hint="Load the page again.")
            holder = next(
                (h for h in consenting.consents.holders(consent.id) if h.device == body.device), None
            )
            if holder is not None and holder.state != "failed":
                raise InputError("photos for this kiosk were sent already.", hint="Wait for its answer.")
            photos = [
                Photo(index, state.people.wrapping.wrap(link.customer, sealed.to_json().encode(), PHOTO))
                for index, sealed in enumerate(body.photos)
            ]
            consenting.enrol(consent, body.device, photos, at_ms)
            return _view(state, db, link, at_ms)

    @router.post("/{token}/withdraw")
    def withdraw(request: Request, token: str, body: models.Nothing) -> models.Enrolment:
        """Take the consent back; its template and photos are deleted. Again changes nothing."""
        del body
        state: State = request.app.state.hub
        at_ms = now_ms()
        with opened(state.data_dir) as db:
            link = Visit(token, state).link(db, "withdraw consent")
            consenting = Consenting(db, receipt_key(state.data_dir))
            consent = consenting.consents.find(link.consent)
            if consent is None:
                raise InputError("no consent was given by this link.", hint="There is nothing to withdraw.")
            consenting.withdraw(consent, at_ms)
            return _view(state, db, link, at_ms)

    return router


class Visit:
    """A request by link."""

    def __init__(self, token: str, state: State) -> None:
        self._token = token
        self._state = state

    def link(self, db: sqlite3.Connection, action: str) -> Link:
        """What the token opens, noted in the audit log. Raises NotFoundError, LimitError."""
        at_ms = now_ms()
        link = Consents(db).link(self._token) if len(self._token) <= 100 else None
        over = link is None or (link.used_ms is None and at_ms >= link.expires_ms)
        if link is None or over or link.site not in self._state.config.sites:
            _guesses.step("", at_ms)
            raise NotFoundError(
                "this link is not known, or has expired.", hint="Ask our staff for a new one."
            )
        self._state.audit.append(at_ms, "link", "customer", action, link.site, f"consent {link.consent}")
        return link


def shown_holders(holders: list[Holder]) -> list[models.HolderAnswer]:
    """Holders as told."""
    return [
        models.HolderAnswer(branch=h.site, device=h.device, state=h.state, reason=h.reason) for h in holders
    ]


def _given(
    state: State, consenting: Consenting, link: Link, given: models.GivenConsent, at_ms: int
) -> Consent:
    if not given.agreed:
        raise InputError("there is no consent.", hint="Tick the box, or show your booking code instead.")
    guardian = given.guardian is not None and given.guardian.agreed
    name = given.guardian.name.strip() if given.guardian is not None else ""
    days = state.config.people.consent_days
    check_given(
        version=given.version, language=given.language, sha256=given.sha256, days=days,
        minor=given.minor or link.minor, guardian=guardian, guardian_name=name, now_ms=at_ms,
        expires_ms=given.expires_ms,
    )  # fmt: skip
    consent = Consent(
        link.consent, link.customer, link.site, given.version, given.sha256, PURPOSE, given.language, "online",
        at_ms, given.expires_ms, guardian,
    )  # fmt: skip
    sealed = state.people.wrapping.wrap(link.customer, name.encode(), GUARDIAN) if guardian else None
    consenting.consents.use_link(link.consent, at_ms)
    return consenting.give(consent, sealed, at_ms)


def _check_photos(consents: Consents, link: Link, body: models.SealedEnrolment, at_ms: int) -> None:
    certificate = consents.key(link.site, body.device, at_ms)
    if certificate is None:
        raise InputError(f"kiosk {body.device} has no valid key.", hint="Show your booking code instead.")
    name = fingerprint(decode(certificate.public))
    if any(sealed.to != name for sealed in body.photos):
        raise InputError("the kiosk's key has changed.", hint="Load the page again.")
    if any(len(sealed.ct) > MAX_PHOTO_TEXT for sealed in body.photos):
        raise InputError("a photo is too large.", hint="At most 300 KiB each.")


def _view(state: State, db: sqlite3.Connection, link: Link, at_ms: int) -> models.Enrolment:
    consents = Consents(db)
    consent = consents.find(link.consent)
    holders = consents.holders(link.consent)
    sites = state.config.sites
    site: Site = sites.get(consent.site if consent else link.site, sites[link.site])
    root = state.config.people.root_public
    days = state.config.people.consent_days
    by_device = {holder.device: holder.state for holder in holders if holder.site == site.id}
    kiosks = []
    for kiosk in site.kiosks:
        certificate = consents.key(site.id, kiosk.id, at_ms)
        if certificate is not None and kiosk.recognise != "off":
            kiosks.append(
                models.KioskKey(
                    device=kiosk.id,
                    certificate=certificate,
                    fingerprint=fingerprint(decode(certificate.public)),
                    state=by_device.get(kiosk.id),
                )
            )
    return models.Enrolment(
        step=step(consent, holders, at_ms),
        branch=models.EnrolmentBranch(
            id=site.id, name=site.name, timezone=site.timezone, simulated=site.simulated
        ),
        masked_name=link.masked_name,
        customer=link.customer,
        consent=link.consent,
        minor=link.minor,
        days=days,
        expires_ms=consent.expires_ms if consent else end_of_retention_ms(at_ms, days),
        texts={language: _text(language, days) for language in LANGUAGES},
        root_public=root,
        root_fingerprint=None if root is None else fingerprint(decode(root)),
        kiosks=kiosks,
        holders=shown_holders(holders),
        branches={each.site: sites[each.site].name for each in holders if each.site in sites},
        receipts=[
            models.ReceiptAnswer(event=kept.event, at=iso(kept.at_ms), body=kept.body)
            for kept in consents.receipts(link.consent)
        ],
    )


def _text(language: Language, days: int) -> models.ShownText:
    text = consent_text(language, days)
    return models.ShownText(
        version=text.version,
        sha256=text.sha256,
        title=text.title,
        points=[models.ShownPoint(key=p.key, heading=p.heading, says=p.says) for p in text.points],
        agree=text.agree,
        guardian=text.guardian,
    )
