"""Which of a day's slots are offered first, and which branches nearby are quieter then."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from branchloop.clock import iso
from branchloop.errors import InputError
from branchloop.site.kiosk import Service
from branchloop.site.site import Site
from hub.api.card.access import OnPage
from hub.api.crowding import expected
from hub.api.models import card as models
from hub.loop import embedding
from hub.loop.appointments import Slot, service_of
from hub.store.book.places import day_slots

BEST = 3
MOST_NEARBY = 3
_RANK = {"quiet": 0, "usual": 1, "busy": 2}


@dataclass(frozen=True, slots=True)
class Steered:
    """A day's slots with their crowding, the quietest free ones, and branches that are quieter."""

    items: list[models.CardSlot]
    best: list[str]
    nearby: list[models.Nearby]


def steered(
    db: sqlite3.Connection, page: OnPage, service: Service, day: date, found: Sequence[Slot], at_ms: int
) -> Steered:
    """Slots of a day as a card shows them. Without history there is no level and no best."""
    crowds = page.state.crowds
    levels = crowds.levels(db, page.site, [(each.start_ms, each.end_ms) for each in found], at_ms)
    items = [
        models.CardSlot(
            start=iso(slot.start_ms),
            end=iso(slot.end_ms),
            free=slot.free,
            level=None if crowd is None else crowd.level,
            people=None if crowd is None else expected(crowd.people, exact=False),
        )
        for slot, crowd in zip(found, levels, strict=True)
    ]
    free = [each.start_ms for each in found if each.free]
    best = crowds.quietest(db, page.site, free, at_ms)[:BEST]
    return Steered(
        items, [iso(start_ms) for start_ms in best], _nearby(db, page, service, day, at_ms, full=not free)
    )


def _nearby(
    db: sqlite3.Connection, page: OnPage, service: Service, day: date, at_ms: int, *, full: bool
) -> list[models.Nearby]:
    """Branches with the service and a free place on that day at which they are quieter than this one.

    Where this branch is full or closed, any free place elsewhere is told. A simulated branch is none for
    a real one, and one that the partner does not show is none for its pages.
    """
    config = page.state.config
    told: list[models.Nearby] = []
    for site, far_km in page.state.crowds.near(config.sites, page.site, config.crowding.nearby_km, at_ms):
        if site.simulated != page.site.simulated or not page.partner.shows(site.id):
            continue
        quieter = _quietest(db, page, site, service, day, at_ms, any_level=full)
        if quieter is not None:
            start_ms, level = quieter
            told.append(
                models.Nearby(
                    site=site.id,
                    branch=site.name,
                    distance_km=round(far_km, 1),
                    start=iso(start_ms),
                    level=level,
                    embed=embedding.issue(replace(page.embed, site=site.id), page.state.book.keyring.mac),
                )
            )
        if len(told) == MOST_NEARBY:
            break
    return told


def _quietest(
    db: sqlite3.Connection,
    page: OnPage,
    site: Site,
    service: Service,
    day: date,
    at_ms: int,
    *,
    any_level: bool,
) -> tuple[int, models.Level | None] | None:
    """The quietest free start of another branch at which it is quieter than the page's own, and its level."""
    try:
        service_of(site, service.id)
    except InputError:
        return None
    free = [each for each in day_slots(db, site, service.id, day) if each.free and each.start_ms > at_ms]
    spans = [(each.start_ms, each.end_ms) for each in free]
    there = page.state.crowds.levels(db, site, spans, at_ms)
    here = page.state.crowds.levels(db, page.site, spans, at_ms)
    fitting: dict[int, models.Level | None] = {}
    for span, own, other in zip(spans, here, there, strict=True):
        quieter = own is not None and other is not None and _RANK[other.level] < _RANK[own.level]
        if any_level or quieter:
            fitting[span[0]] = None if other is None else other.level
    if not fitting:
        return None
    ranked = page.state.crowds.quietest(db, site, list(fitting), at_ms)
    start_ms = ranked[0] if ranked else min(fitting)
    return start_ms, fitting[start_ms]
