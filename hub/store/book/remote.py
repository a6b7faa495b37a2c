"""A place in today's queue, taken from afar; see `hub.loop.queue` for the rule that it shares with all others.

Works inside whatever transaction the connection is in.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date

from branchloop.clock import HOUR_MS, MINUTE_MS, from_ms
from branchloop.errors import ConflictError
from branchloop.site.site import Site
from branchloop.text.catalogue import Language
from hub.loop import appointments as rules
from hub.loop.journey import Channel
from hub.loop.queue import remote_promised_ms
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book, Times, Wanted
from hub.store.book.forecasting import waits
from hub.store.book.midnight import around, doors_ms
from hub.store.journeys import record


def take(
    db: sqlite3.Connection,
    book: Book,
    site: Site,
    service: str,
    name: str,
    language: Language,
    channel: Channel,
    partner: str | None,
    scene: str | None,
    journey: str | None,
    now_ms: int,
    *,
    customer: str | None = None,
) -> Appointment:
    """Take a place; `name` may be empty. It is booked until its holder checks in, and missed when that is not in time.

    Raises InputError for an unknown service or what is no name; ConflictError when the branch is closed or the
    turn would come after closing, when the service takes no tickets from afar or no more in this hour, or when
    the customer (or the journey) holds one already.
    """
    wanted = rules.service_of(site, service)
    if not wanted.remote_tickets:
        raise ConflictError(
            f"{wanted.id} has no queue that can be joined from afar.", hint="Book a time, or come."
        )
    if not site.is_open(now_ms):
        raise rules.ClosedError("the branch is closed now.", hint="Book a time instead.")
    day = from_ms(now_ms, site.zone_info).date()
    _only_one(db, customer, journey, day)
    (recent,) = db.execute(
        "SELECT count(*) FROM appointment WHERE site=? AND service=? AND day BETWEEN ? AND ? "
        "AND kind='remote' AND booked_ms>? AND state<>'cancelled'",
        (site.id, wanted.id, *around(day), now_ms - HOUR_MS),
    ).fetchone()
    if recent >= wanted.remote_per_hour:
        raise ConflictError(
            "as many as may have queued from afar within this hour.", hint="Try again later, or come."
        )
    (before_ms,) = db.execute(
        "SELECT coalesce(max(start_ms), 0) FROM appointment WHERE site=? AND service=? AND day>=? AND kind='remote'",
        (site.id, wanted.id, day.isoformat()),
    ).fetchone()
    wait = waits(db, book, site, now_ms, coming(db, site.id, day))[wanted.id]
    promised_ms = remote_promised_ms(
        now_ms, wanted.walk_in_target_min, None if wait is None else wait.expected_s, before_ms
    )
    spans = doors_ms(site, day)
    opens_ms = next((start for start, end in spans if promised_ms < end), None)
    if opens_ms is None:
        raise rules.ClosedError("the turn would come after closing time.", hint="Book a time on another day.")
    promised_ms = max(promised_ms, opens_ms)  # no turn comes while the doors are shut
    closing_ms = spans[-1][1]
    _, until_ms = rules.arrival_window_ms(site, promised_ms)
    made = book.enter(
        db,
        site,
        Wanted(
            wanted.id, promised_ms, name, customer=customer, channel=channel, scene=scene, partner=partner,
            journey=journey, language=language,
        ),
        Times(promised_ms, promised_ms + wanted.minutes * MINUTE_MS, now_ms, min(until_ms, closing_ms)),
        now_ms,
        kind="remote",
    )  # fmt: skip
    record(db, made.happened("ticket", now_ms, kind="remote", start_ms=made.start_ms))
    return made


def coming(db: sqlite3.Connection, site: str, day: date) -> Mapping[str, int]:
    """How many hold a place from afar and are not here yet, per service."""
    return dict(
        db.execute(
            "SELECT service, count(*) FROM appointment WHERE site=? AND day BETWEEN ? AND ? AND kind='remote' "
            "AND state='booked' GROUP BY service",
            (site, *around(day)),
        ).fetchall()
    )


def _only_one(db: sqlite3.Connection, customer: str | None, journey: str | None, day: date) -> None:
    for column, value in (("customer", customer), ("journey", journey)):
        if (
            value is not None
            and db.execute(
                f"SELECT 1 FROM appointment WHERE {column}=? AND day BETWEEN ? AND ? AND kind='remote' "
                "AND (state IN ('booked', 'arrived', 'parked') OR state='called' AND day>=?)",
                (value, *around(day), day.isoformat()),
            ).fetchone()
        ):
            raise ConflictError(
                "this customer holds a ticket already.", hint="Use it, or cancel it and take another."
            )
