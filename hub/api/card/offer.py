"""What a card opens with, and when its services can be booked."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from branchloop.clock import from_ms
from branchloop.errors import InputError
from branchloop.site.kiosk import Service
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from hub.api.card.access import OnPage, Page
from hub.api.card.identity import opening
from hub.api.card.steering import steered
from hub.api.card.waiting import addressed, joining
from hub.api.models import card as models
from hub.api.state import now_ms
from hub.loop.appointments import AHEAD_DAYS, Slot, service_of
from hub.loop.journey import Happened, new_journey
from hub.store.book.places import day_slots
from hub.store.connection import opened, reading
from hub.store.journeys import of_journey, record

LOOK_DAYS = 14
"""So far on the next day with a free slot is looked for."""


def routes() -> APIRouter:
    """The routes of /api/v1/card that a page's token opens, without a booking."""
    router = APIRouter(prefix="/api/v1/card", tags=["card"])

    @router.get("/offer")
    def offer(
        page: Page,
        scene: Annotated[str | None, Query(max_length=40, description="where the card stands")] = None,
        lang: Annotated[Language | None, Query(description="what the customer reads")] = None,
    ) -> models.Offer:
        """Branch, services and what suits the scene; tells nothing of anybody."""
        site, wanted = page.site, page.embed.service
        stands = scene or page.embed.scene
        services = [each for each in site.services if wanted in {None, each.id}]
        with reading(page.state.data_dir) as db:
            suggestions, linked = opening(db, page, stands, services, now_ms(), lang)
        return models.Offer(
            site=site.id,
            branch=site.name,
            address=site.address,
            timezone=site.timezone,
            simulated=site.simulated,
            note=site.note,
            partner=page.partner.name,
            scene=stands,
            services=[card_service(each) for each in services],
            opens_with=suggestions[0].service if suggestions else wanted,
            suggestions=suggestions,
            linked=linked,
            keep_days=page.state.config.people.keep_days,
            days_ahead=AHEAD_DAYS,
            remind_by=sorted(page.state.config.reminders.ways),
            remind_hint=addressed(page.state.config.reminders),
            waitlist=joining(page.state.config.reminders),
        )

    @router.get("/slots")
    def slots(
        page: Page,
        service: Annotated[str, Query(max_length=40)],
        day: Annotated[str | None, Query(max_length=10, description="YYYY-MM-DD of the branch")] = None,
    ) -> models.CardSlots:
        """What can still be booked on a day, in order of time."""
        page.service(service)
        wanted = service_of(page.site, service)
        at_ms = now_ms()
        asked = day_of(page.site, day, at_ms)
        with reading(page.state.data_dir) as db:
            found = bookable(db, page.site, wanted, asked, at_ms)
            next_day = None
            if not any(each.free for each in found):
                next_day = _next_day(db, page, wanted, asked, at_ms)
            crowding = steered(db, page, wanted, asked, found, at_ms)
        return models.CardSlots(
            service=wanted.id,
            day=asked.isoformat(),
            items=crowding.items,
            best=crowding.best,
            next_day=next_day.isoformat() if next_day is not None else None,
            nearby=crowding.nearby,
        )

    @router.post("/seen", status_code=201)
    def seen(page: Page, body: models.Seen) -> models.Journey:
        """The card was seen, or somebody began with it: the first of an errand is written, the same again is not."""
        page.write()
        journey = body.journey or new_journey()
        at_ms = now_ms()
        with opened(page.state.data_dir) as db:
            known = of_journey(db, journey)
            if any(not _is_of(each.happened, page) for each in known):
                journey, known = new_journey(), []
            if all(each.happened.stage != body.stage for each in known):
                record(
                    db,
                    Happened(
                        body.stage, at_ms, page.site.id, journey, page.service(body.service), "card",
                        page.embed.scene, page.partner.id,
                    ),
                )  # fmt: skip
        return models.Journey(journey=journey)

    return router


def card_service(service: Service) -> models.CardService:
    """A service as a customer reads it."""
    return models.CardService(
        id=service.id,
        name=service.name,
        minutes=service.minutes,
        documents=service.documents,
        online=service.online,
        waitlist=service.waitlist,
        remote_tickets=service.remote_tickets,
    )


def day_of(site: Site, text: str | None, at_ms: int) -> date:
    """A day of the branch; today without one. Raises InputError for what is none, or too far away."""
    today = from_ms(at_ms, site.zone_info).date()
    if text is None:
        return today
    try:
        asked = date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"`day` is {text!r}: {error}.", hint="Write YYYY-MM-DD.") from error
    if not 0 <= (asked - today).days <= AHEAD_DAYS:
        raise InputError(
            f"{asked} cannot be booked.", hint=f"Choose a day from today on, at most {AHEAD_DAYS} days ahead."
        )
    return asked


def bookable(db: sqlite3.Connection, site: Site, service: Service, day: date, at_ms: int) -> list[Slot]:
    """A day's slots that are not over."""
    return [each for each in day_slots(db, site, service.id, day, at_ms) if each.start_ms > at_ms]


def errand(db: sqlite3.Connection, page: OnPage, journey: str | None) -> str:
    """The errand that a booking goes on with: the one named when it is this page's and still open, else a new one."""
    known = of_journey(db, journey) if journey is not None else []
    if journey is None or not known:
        return new_journey()
    ours = all(
        _is_of(each.happened, page) and each.happened.stage in {"impression", "start"} for each in known
    )
    return journey if ours else new_journey()


def _is_of(happened: Happened, page: OnPage) -> bool:
    return happened.partner == page.partner.id


def _next_day(db: sqlite3.Connection, page: OnPage, service: Service, after: date, at_ms: int) -> date | None:
    for days in range(1, LOOK_DAYS + 1):
        day = after + timedelta(days=days)
        if any(each.free for each in bookable(db, page.site, service, day, at_ms)):
            return day
    return None
