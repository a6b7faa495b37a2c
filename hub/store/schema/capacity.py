"""The tables of capacity, as migrations of their own (same file, hub.db): the waitlist, and who holds a counter when."""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

capacity_migrations = Migrations("capacity")

_WAITLIST = """
ALTER TABLE appointment ADD COLUMN offered_until_ms INTEGER;
DROP INDEX appointment_place;
CREATE UNIQUE INDEX appointment_place ON appointment (site, service, start_ms, place)
  WHERE kind = 'booked' AND state NOT IN ('cancelled', 'missed') AND (state <> 'waitlisted' OR offered_until_ms IS NOT NULL);
DROP INDEX appointment_of;
CREATE UNIQUE INDEX appointment_of ON appointment (customer, start_ms)
  WHERE state NOT IN ('cancelled', 'missed') AND (state <> 'waitlisted' OR offered_until_ms IS NOT NULL);
CREATE INDEX appointment_waitlisted ON appointment (site, service, day, booked_ms) WHERE state = 'waitlisted';
CREATE INDEX appointment_remote ON appointment (site, service, day, start_ms) WHERE kind = 'remote';
CREATE INDEX appointment_coming ON appointment (site, day) WHERE kind = 'remote' AND state = 'booked';
CREATE INDEX appointment_here ON appointment (site, day) WHERE state IN ('arrived', 'parked');
"""
"""Somebody on the waitlist holds a place while it is offered, and then nobody else can."""

_HELD = """
CREATE TABLE held (                   -- a counter's time that an appointment occupies
  site TEXT NOT NULL, counter TEXT NOT NULL,
  tick_ms INTEGER NOT NULL,           -- start of a tick, see hub.loop.capacity
  appointment TEXT NOT NULL,
  PRIMARY KEY (site, counter, tick_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX held_by ON held (appointment);
"""

_LIGHTER = """
DROP INDEX appointment_day;
DROP INDEX appointment_service;
CREATE INDEX appointment_served ON appointment (site, service, served_ms) WHERE served_ms IS NOT NULL;
CREATE INDEX appointment_remote_day ON appointment (day) WHERE kind = 'remote';
"""
"""Fewer pages a booking: the day is found by `appointment_no`, and who is not served yet is in no such index."""


@capacity_migrations()
def m001_waitlist(db: Database) -> None:
    """A place that is offered to the waitlist is held by the database."""
    run(db, _WAITLIST)


@capacity_migrations()
def m002_held(db: Database) -> None:
    """Two appointments never have one counter at one time."""
    run(db, _HELD)


@capacity_migrations()
def m003_lighter(db: Database) -> None:
    """A booking writes into fewer indexes."""
    run(db, _LIGHTER)
