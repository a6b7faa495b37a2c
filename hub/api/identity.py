"""What a customer does with a pass about links and tags: agree, see, take back."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from branchloop.agreement.link import link_text
from branchloop.clock import iso
from branchloop.errors import AccessError, InputError
from branchloop.text.catalogue import Language
from hub.api.card.access import Holder, PassHolder
from hub.api.card.identity import tag_shown
from hub.api.models import identity as models
from hub.api.models.consent import ShownPoint
from hub.api.problems import NotFoundError
from hub.api.state import now_ms
from hub.config.partners import Partner
from hub.loop import embedding
from hub.store.book import requests
from hub.store.connection import opened, reading
from hub.store.customers import linking, tagging
from hub.store.customers.receiptkey import receipt_key


def routes() -> APIRouter:
    """The routes of /api/v1/card that a pass opens, on links and tags."""
    router = APIRouter(prefix="/api/v1/card", tags=["card"])

    @router.get("/link-text")
    def text(holder: Holder, language: Annotated[Language, Query()] = "zh") -> models.LinkTextShown:
        """What is to be agreed to before linking with the pass's partner."""
        partner = _partner(holder)
        shown = link_text(language, partner.name, partner.link_days)
        return models.LinkTextShown(
            partner=partner.name, version=shown.version, language=shown.language, sha256=shown.sha256,
            title=shown.title, agree=shown.agree, purposes=dict(shown.purposes),
            points=[ShownPoint(key=each.key, heading=each.heading, says=each.says) for each in shown.points],
        )  # fmt: skip

    @router.post("/link", status_code=201)
    def link(holder: Holder, body: models.LinkAsked) -> models.LinkShown:
        """Link who is signed in on the page with the pass's customer, by consent. Again changes nothing."""
        holder.write()
        state, at_ms, partner = holder.state, now_ms(), _partner(holder)
        keyring = state.book.keyring
        page = embedding.read(body.embed, keyring.mac, at_ms)
        if page.partner != partner.id or page.origin not in partner.origins:
            raise AccessError(
                "the page's token is another partner's.", hint="Open the pass from the page you booked on."
            )
        if page.subject is None:
            raise InputError("nobody is signed in on this page.", hint="Sign in there first.")
        with opened(state.data_dir) as db:
            errand = _errand(db, holder)
            holder.owe(db, f"link {partner.id}", errand.what)
            agreed = linking.Agreed(body.version, body.language, body.sha256, frozenset(body.purposes))
            made, receipt = linking.link(
                db, keyring, receipt_key(state.data_dir), partner,
                linking.subject_digest(keyring.mac, partner.id, page.subject), errand.customer, agreed, errand.visit, at_ms,
            )  # fmt: skip
        return _shown(holder, made, receipt)

    @router.post("/unlink")
    def unlink(holder: Holder, body: models.UnlinkAsked) -> models.Unlinked:
        """Take a link back, with the tags that came by it. Again changes nothing."""
        holder.write()
        state, at_ms = holder.state, now_ms()
        with opened(state.data_dir) as db:
            errand = _errand(db, holder)
            holder.owe(db, f"unlink {body.partner}", errand.what)
            receipt = None
            for each in linking.of_customer(db, errand.customer, at_ms):
                if each.partner == body.partner:
                    receipt = linking.unlink(db, state.book.keyring, receipt_key(state.data_dir), each, at_ms)
        return models.Unlinked(receipt=receipt)

    @router.get("/links")
    def links(holder: Holder) -> models.Links:
        """The links of the pass's customer."""
        with reading(holder.state.data_dir) as db:
            found = linking.of_customer(db, _errand(db, holder).customer, now_ms())
        return models.Links(items=[_shown(holder, each, None) for each in found])

    @router.get("/tags")
    def tags(holder: Holder) -> models.TagList:
        """Every tag that is kept of the pass's customer."""
        state = holder.state
        with reading(state.data_dir) as db:
            found = tagging.of_customer(db, state.book.keyring, _errand(db, holder).customer, now_ms())
        return models.TagList(items=[tag_shown(state.config.scenes, each) for each in found])

    @router.delete("/tags/{tag}")
    def remove(holder: Holder, tag: str) -> models.TagList:
        """Remove one tag; what is left is answered."""
        holder.write()
        state = holder.state
        with opened(state.data_dir) as db:
            errand = _errand(db, holder)
            if not tagging.remove(db, errand.customer, tag):
                raise NotFoundError("there is no such tag.", hint="GET /card/tags lists them.")
            holder.owe(db, "remove a tag", errand.what)
            found = tagging.of_customer(db, state.book.keyring, errand.customer, now_ms())
        return models.TagList(items=[tag_shown(state.config.scenes, each) for each in found])

    return router


def _partner(holder: PassHolder) -> Partner:
    found = holder.state.config.partners.get(holder.kept.partner or "")
    if found is None:
        raise NotFoundError("this pass was made on no partner's page.", hint="There is nothing to link.")
    return found


@dataclass(frozen=True, slots=True)
class _Errand:
    what: Literal["appointment", "request"]
    customer: str
    visit: linking.Visit


def _errand(db: sqlite3.Connection, holder: PassHolder) -> _Errand:
    """What the pass opens: a visit, or what is done online without one. Raises NotFoundError."""
    site, opened_by_it = holder.site.id, holder.kept.appointment
    booked = holder.state.book.find(db, site, opened_by_it)
    asked = requests.find(db, site, opened_by_it) if booked is None else None
    if booked is not None:
        journey = booked.journey or f"j-{booked.id}"
        visit = linking.Visit(site, journey, booked.service, booked.channel, booked.scene, booked.id)
        return _Errand("appointment", booked.customer, visit)
    if asked is not None:
        visit = linking.Visit(site, asked.journey, asked.service, asked.channel, asked.scene)
        return _Errand("request", asked.customer, visit)
    raise NotFoundError("what this pass opened is there no more.", hint="Book or ask anew.")


def _shown(holder: PassHolder, found: linking.Link, receipt: str | None) -> models.LinkShown:
    partner = holder.state.config.partners.get(found.partner)
    return models.LinkShown(
        partner=found.partner,
        name=None if partner is None else partner.name,
        purposes=sorted(found.purposes),
        given=iso(found.given_ms),
        until=iso(found.expires_ms),
        receipt=receipt,
    )
