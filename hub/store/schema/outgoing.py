"""What went out, and what could not, as migrations of its own (same file, hub.db)."""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

outgoing_migrations = Migrations("outgoing")

_OUT = """
CREATE TABLE webhook_target (
  id TEXT PRIMARY KEY,
  url TEXT NOT NULL,
  cursor INTEGER NOT NULL,            -- up to this line of the ledger everything was taken or given up
  attempts INTEGER NOT NULL DEFAULT 0, failing_since_ms INTEGER, next_ms INTEGER NOT NULL DEFAULT 0,
  disabled INTEGER NOT NULL DEFAULT 0,
  error TEXT, delivered_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE webhook_dead (
  target TEXT NOT NULL, entry INTEGER NOT NULL, at_ms INTEGER NOT NULL, error TEXT NOT NULL,
  PRIMARY KEY (target, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE reminder (
  appointment TEXT NOT NULL, start_ms INTEGER NOT NULL, hours REAL NOT NULL,
  state TEXT NOT NULL,                -- sending | waiting | sent | logged | given_up
  attempts INTEGER NOT NULL, next_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, error TEXT,
  PRIMARY KEY (appointment, start_ms, hours)
) STRICT, WITHOUT ROWID;
CREATE INDEX appointment_remind ON appointment (start_ms) WHERE remind = 1 AND state = 'booked';
"""


@outgoing_migrations()
def m001_outgoing(db: Database) -> None:
    """Cursors of webhooks, dead letters, reminders."""
    run(db, _OUT)
