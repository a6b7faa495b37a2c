"""Who is called next at a counter, and who shows a code to staff: decided in one transaction.

The choice and the call are one step under the database's write lock, so counters that ask at the same time
call different people; a counter that asks again is told whom it is serving.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from branchloop.clock import from_ms
from branchloop.codes import QR_PREFIX, read_qr
from branchloop.errors import ConflictError, InputError
from branchloop.site.site import Site
from hub.loop import appointments as rules
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Book
from hub.store.book.midnight import OPEN_CALL_MS, around
from hub.store.book.tickets import arrive


@dataclass(frozen=True, slots=True)
class Called:
    """Whom a counter serves now, None when nobody waits for it; `again` when it was so already."""

    appointment: Appointment | None
    again: bool
    waiting: int
    """How many still wait for what this counter serves."""


def call_next(
    db: sqlite3.Connection, book: Book, site: Site, counter: str, services: Sequence[str] | None, now_ms: int
) -> Called:
    """Call the first in line of what a counter serves, of `services` when given.

    Raises InputError for a counter or service that the branch has not, or that do not go together.
    """
    wanted = served_by(site, counter, services)
    day = from_ms(now_ms, site.zone_info).date()
    line = [each for each in book.waiting(db, site.id, day) if each.service in wanted]
    row = db.execute(
        "SELECT id FROM appointment WHERE site=? AND (day=? OR day IN (?,?) AND called_ms>?) AND state='called' "
        "AND counter=? ORDER BY called_ms",
        (site.id, day.isoformat(), *around(day), now_ms - OPEN_CALL_MS, counter),
    ).fetchone()
    if row is not None:
        return Called(book.get(db, site.id, row[0]), again=True, waiting=len(line))
    if not line:
        return Called(None, again=False, waiting=0)
    first = book.get(db, site.id, line[0].appointment)
    return Called(book.step(db, first, "call", now_ms, counter), again=False, waiting=len(line) - 1)


def served_by(site: Site, counter: str, services: Sequence[str] | None) -> frozenset[str]:
    """What a counter serves, of `services` when given; where no counters are configured, everything."""
    asked = None if services is None else frozenset(rules.service_of(site, each).id for each in services)
    if not site.counters:
        return frozenset(each.id for each in site.services) if asked is None else asked
    desk = next((each for each in site.counters if each.id == counter), None)
    if desk is None:
        names = ", ".join(each.id for each in site.counters)
        raise InputError(f"{site.id} has no counter {counter[:40]!r}.", hint=f"It has: {names}.")
    can = frozenset(desk.services)
    if asked is not None and asked - can:
        raise InputError(
            f"counter {desk.id} does not serve {', '.join(sorted(asked - can))}.",
            hint=f"It serves: {', '.join(desk.services)}.",
        )
    return can if asked is None else asked


def arrive_by_code(
    db: sqlite3.Connection, book: Book, site: Site, text: str, now_ms: int
) -> Appointment | None:
    """Staff check in whoever shows a code, typed or as its QR text; None when it opens nothing here.

    Raises InputError for what is no code, ConflictError for another day's whose arrival window is not now, or one that
    cannot be checked in.
    """
    code = text.strip()
    if code.startswith(QR_PREFIX):
        scanned = read_qr(code)
        if scanned.site != site.id:
            raise ConflictError(f"this code is for branch {scanned.site}.", hint="Send the customer there.")
        code = scanned.code
    found = book.by_code(db, site.id, code)
    if found is None:
        return None
    return arrive(db, book, site, found, now_ms)
