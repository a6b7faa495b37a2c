"""What the cards need kept, as migrations of its own (same file, hub.db)."""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

card_migrations = Migrations("cards")

_PASSES = """
CREATE TABLE pass (
  id TEXT PRIMARY KEY,                -- random; its secret is derived from it, and is not here
  sha256 TEXT NOT NULL UNIQUE,        -- of the secret
  appointment TEXT NOT NULL, site TEXT NOT NULL,
  partner TEXT, origin TEXT,          -- of the page that it was made on
  made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pass_of ON pass (appointment);
"""


@card_migrations()
def m001_passes(db: Database) -> None:
    """By which a customer's browser opens one appointment."""
    run(db, _PASSES)


@card_migrations()
def m002_service(db: Database) -> None:
    """The one service that the page's token is for, if it is: what comes next is booked within it. Earlier passes know none."""
    run(db, "ALTER TABLE pass ADD COLUMN service TEXT;")
