"""The ledger of journeys, as migrations of its own (same file, hub.db)."""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

journey_migrations = Migrations("journeys")

_LEDGER = """
CREATE TABLE journey_event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: consumers keep it as their cursor
  at_ms INTEGER NOT NULL,
  site TEXT NOT NULL, service TEXT,
  journey TEXT NOT NULL,              -- random, one errand
  stage TEXT NOT NULL,                -- see hub.loop.journey
  channel TEXT, scene TEXT, partner TEXT,
  customer TEXT,                      -- pseudonym; overwritten when the customer is forgotten
  appointment TEXT,
  detail TEXT NOT NULL                -- JSON object, names nobody
) STRICT;
CREATE INDEX journey_event_of ON journey_event (journey, id);
CREATE INDEX journey_event_by_appointment ON journey_event (appointment) WHERE appointment IS NOT NULL;
CREATE INDEX journey_event_by_time ON journey_event (site, at_ms);
CREATE INDEX journey_event_by_customer ON journey_event (customer, at_ms) WHERE customer IS NOT NULL;
"""


@journey_migrations()
def m001_ledger(db: Database) -> None:
    """What happened in every journey."""
    run(db, _LEDGER)
