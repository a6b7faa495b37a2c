"""Reminders as kept: one per appointment, start and lead time, marked before it is sent and after.

So is the notice that the waitlist holds a place, which has no lead.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from hub.loop.delivery import still_s

LEASE_MS = 900_000
"""Longer than any sink takes for one: after it, whoever was sending is no more."""
OFFER = 0.0
"""Stands where a reminder's hours do: no lead is as short."""
_DUE = (
    "SELECT a.id, a.start_ms, max(a.booked_ms, coalesce((SELECT max(at_ms) FROM journey_event e "
    "WHERE e.appointment=a.id AND (e.stage='moved' OR json_extract(e.detail, '$.waitlist'))), 0)) FROM appointment a "
    "WHERE a.remind=1 AND a.state='booked' AND a.start_ms>? AND a.start_ms<=?"
)


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An appointment whose customer wants to be reminded; `made_ms` is when it got this time."""

    appointment: str
    start_ms: int
    made_ms: int


def knows_the_time(db: sqlite3.Connection) -> bool:
    """Whether ingest believes the machine's clock; where it does not, nobody knows what is due."""
    return not db.execute("SELECT 1 FROM heartbeat WHERE abs(believed_ms - at_ms) > 60000").fetchall()


def upcoming(db: sqlite3.Connection, now_ms: int, until_ms: int) -> list[Upcoming]:
    """Booked ones that start between."""
    return [Upcoming(*row) for row in db.execute(_DUE, (now_ms, until_ms))]


def offered(db: sqlite3.Connection, now_ms: int) -> list[Upcoming]:
    """Places that are held for who waits and wants to be told."""
    found = db.execute(
        "SELECT id, start_ms, booked_ms FROM appointment WHERE remind=1 AND state='waitlisted' AND offered_until_ms>?",
        (now_ms,),
    )
    return [Upcoming(*row) for row in found]


def claim(db: sqlite3.Connection, of: Upcoming, hours: float, now_ms: int) -> bool:
    """Mark that it is being sent; False when it was sent, was given up, waits for its next attempt or is being sent.

    One that was being sent when its process ended is sent again once no process can still be at it: better told
    twice than never.
    """
    row = db.execute(
        "SELECT state, next_ms, at_ms FROM reminder WHERE appointment=? AND start_ms=? AND hours=?",
        (of.appointment, of.start_ms, hours),
    ).fetchone()
    if row is not None:
        state, next_ms, at_ms = row
        if state in {"sent", "logged", "given_up"} or (state == "waiting" and still_s(next_ms, now_ms) > 0):
            return False
        if (
            state == "sending" and 0 <= now_ms - at_ms < LEASE_MS
        ):  # a clock that was set back holds up nothing
            return False
    db.execute(
        "INSERT INTO reminder (appointment, start_ms, hours, state, attempts, next_ms, at_ms) "
        "VALUES (?,?,?,'sending',1,0,?) ON CONFLICT DO UPDATE SET state='sending', "
        "attempts=attempts+1, at_ms=excluded.at_ms",
        (of.appointment, of.start_ms, hours, now_ms),
    )
    return True


def attempts(db: sqlite3.Connection, of: Upcoming, hours: float) -> int:
    """How often it was tried."""
    row = db.execute(
        "SELECT attempts FROM reminder WHERE appointment=? AND start_ms=? AND hours=?",
        (of.appointment, of.start_ms, hours),
    ).fetchone()
    return 0 if row is None else int(row[0])


def settle(
    db: sqlite3.Connection,
    of: Upcoming,
    hours: float,
    state: str,
    now_ms: int,
    next_ms: int,
    error: str | None,
) -> None:
    """What became of it."""
    db.execute(
        "UPDATE reminder SET state=?, next_ms=?, at_ms=?, error=? WHERE appointment=? AND start_ms=? AND hours=?",
        (state, next_ms, now_ms, error, of.appointment, of.start_ms, hours),
    )
