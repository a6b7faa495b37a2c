"""Who is before a card: a partner's signed-in user whom a link's consent makes known here, or nobody."""

from __future__ import annotations

import sqlite3

from branchloop.clock import from_ms, iso
from branchloop.errors import InputError
from branchloop.site.kiosk import Service
from branchloop.text.catalogue import Language
from hub.api.card.access import OnPage, PassHolder
from hub.api.models import card as models
from hub.api.models.identity import TagShown
from hub.config.scenes import SceneTable
from hub.loop.next_service import next_services
from hub.loop.scenes import Suggestion, open_with
from hub.store.book.appointment import Appointment
from hub.store.book.passes import holder_of
from hub.store.customers.linking import customer_of, knows, subject_digest
from hub.store.customers.tagging import Tag, names_for


def linked_customer(db: sqlite3.Connection, page: OnPage, at_ms: int) -> str | None:
    """The pseudonym of who is signed in on the page, or holds the pass that its token came with, by consent."""
    if page.embed.visit is not None:
        holder = holder_of(db, page.embed.visit, page.partner.id)
        return holder if holder is not None and knows(db, page.partner.id, holder, at_ms) else None
    if page.embed.subject is None:
        return None
    try:
        digest = subject_digest(page.state.book.keyring.mac, page.partner.id, page.embed.subject)
    except InputError:
        return None
    return customer_of(db, page.partner.id, digest, at_ms)


def opening(
    db: sqlite3.Connection,
    page: OnPage,
    scene: str | None,
    services: list[Service],
    at_ms: int,
    language: Language | None = None,
) -> tuple[list[models.Suggestion], bool | None]:
    """What suits the scene, and whether who is signed in is known; nothing without a table of scenes."""
    customer = linked_customer(db, page, at_ms)
    linked = None if page.embed.subject is None and customer is None else customer is not None
    if page.state.config.scene_file.path is None:
        return [], linked
    tags = frozenset() if customer is None else names_for(db, customer, "suggest", at_ms)
    at_local = from_ms(at_ms, page.site.zone_info)
    return told(open_with(scene, page.state.config.scenes, services, at_local, tags, language)), linked


def what_next(
    db: sqlite3.Connection, holder: PassHolder, appointment: Appointment, at_ms: int
) -> list[models.Suggestion]:
    """What may follow a visit that is over."""
    if not appointment.over:
        return []
    tags = names_for(db, appointment.customer, "suggest", at_ms)
    found = next_services(
        holder.state.config.scenes, holder.site.services, appointment.service, appointment.outcome, tags
    )
    return told([each for each in found if holder.books(each.service)])


def told(found: list[Suggestion]) -> list[models.Suggestion]:
    """As the card reads it."""
    return [
        models.Suggestion(service=each.service, reason=each.reason, online=each.online, rule=each.rule)
        for each in found
    ]


def tag_shown(table: SceneTable, tag: Tag) -> TagShown:
    """A tag as told."""
    word = table.tag(tag.name)
    return TagShown(
        id=tag.id,
        name=None if word is None else word.name,
        tag=tag.name,
        value=tag.value,
        purpose=tag.purpose,
        provenance=tag.provenance,
        partner=tag.partner,
        given=iso(tag.given_ms),
        until=iso(tag.expires_ms),
    )
