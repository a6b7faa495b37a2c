"""A day's visits as the book and the ledger have them, and what was told of waits beside what came of it."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date

from branchloop.clock import DAY_MS
from branchloop.site.site import Site
from hub.loop.legs import Leg, Step, legs
from hub.loop.service_day import Told, Visit
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book
from hub.store.book.midnight import beside

ERROR_DAYS = 28
"""So many days of forecasts are judged."""


def visits(db: sqlite3.Connection, book: Book, site: Site, day: date) -> list[Visit]:
    """Everything of a day that holds or held a place or a ticket, but what was cancelled."""
    kept = [each for each in book.of_day(db, site.id, day) if each.state not in {"cancelled", "waitlisted"}]
    ways = ways_of(db, kept)
    return [visit for each in kept for visit in _visits(each, ways.get(each.id, []))]


def ways_of(db: sqlite3.Connection, kept: Iterable[Appointment]) -> dict[str, list[Leg]]:
    """The services that each visit was at, by appointment; of those who came."""
    came = [each for each in kept if each.arrived_ms is not None]
    steps: defaultdict[str, list[Step]] = defaultdict(list)
    for appointment, *step in db.execute(
        "SELECT appointment, stage, service, at_ms FROM journey_event "
        "WHERE appointment IN (SELECT value FROM json_each(?)) "
        "AND stage IN ('called', 'parked', 'transferred') ORDER BY id",
        (json.dumps([each.id for each in came]),),
    ):
        steps[appointment].append(Step(*step))
    return {
        each.id: legs(each.service, each.arrived_ms, each.served_ms, steps[each.id])
        for each in came
        if each.arrived_ms is not None
    }


def waits_s(way: Iterable[Leg]) -> list[float]:
    """How long somebody waited for each call of a service; not where they were parked before it."""
    found = (None if leg.aside else leg.waited_s() for leg in way)
    return [each for each in found if each is not None]


def _visits(each: Appointment, way: Sequence[Leg]) -> list[Visit]:
    """One at each service of an appointment's visit."""
    if not way:
        return [Visit(each.service, each.kind, each.state, each.outcome, None, None, came=False)]
    return [
        Visit(
            leg.service,
            each.kind,
            "sent_on" if leg.sent_on else each.state,
            None if leg.sent_on else each.outcome,
            waited_s=None if leg.aside else leg.waited_s(),
            served_s=leg.served_ms / 1000
            if leg.called_ms is not None and (leg.sent_on or each.served_ms is not None)
            else None,
            came=True,
            sent_here=number > 0,
        )
        for number, leg in enumerate(way)
    ]


def over_midnight(db: sqlite3.Connection, site: Site, now_ms: int) -> list[Visit]:
    """Who is here of the days around today: where they are now is today's, what came of them is their own day's."""
    return [
        Visit(each.service, each.kind, each.state, None, None, None, came=False)
        for each in beside(db, site, now_ms)
        if each.state != "booked"
    ]


def told(db: sqlite3.Connection, site: Site, until_ms: int) -> list[Told]:
    """Forecasts of the last `ERROR_DAYS` days, of those who were called without being parked or sent on before."""
    rows = db.execute(
        "SELECT a.service, a.at_ms, a.detail, min(b.at_ms), "
        "  (SELECT stage FROM journey_event f WHERE f.appointment=a.appointment AND f.id>a.id "
        "   AND f.stage IN ('called', 'parked', 'transferred', 'left') ORDER BY f.id LIMIT 1) "
        "FROM journey_event a JOIN journey_event b ON b.appointment=a.appointment AND b.stage='called' "
        "WHERE a.site=? AND a.stage='arrived' AND a.at_ms>=? AND a.at_ms<? GROUP BY a.id",
        (site.id, until_ms - ERROR_DAYS * DAY_MS, until_ms),
    )
    found = []
    for service, arrived_ms, detail, called_ms, first in rows:
        forecast = json.loads(detail)
        if first == "called" and "wait_s" in forecast:
            found.append(
                Told(
                    service, forecast["wait_low_s"], forecast["wait_s"], forecast["wait_high_s"],
                    max(0, called_ms - arrived_ms) / 1000,
                )
            )  # fmt: skip
    return found
