"""The tables of branches' configurations, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from hub.store.schema import run

configuration_migrations = Migrations("configuration")

_CONFIGURATION = """
CREATE TABLE configuration (          -- every version that was ever saved; never changed, never deleted
  site TEXT NOT NULL, version INTEGER NOT NULL,
  text TEXT NOT NULL,                 -- TOML without [box] and [[kiosk]]
  hash TEXT NOT NULL,
  author TEXT NOT NULL, note TEXT NOT NULL, at_ms INTEGER NOT NULL,
  ring INTEGER NOT NULL,              -- of the site when it was saved
  published_ms INTEGER,               -- NULL: saved only
  PRIMARY KEY (site, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX configuration_published ON configuration (site, version) WHERE published_ms IS NOT NULL;

CREATE TABLE configuration_report (   -- what the branch's box last said it runs
  site TEXT PRIMARY KEY,
  device TEXT NOT NULL, version INTEGER NOT NULL, hash TEXT NOT NULL, at_ms INTEGER NOT NULL,
  refused TEXT                        -- JSON of branchloop.messages.Refusal
) STRICT, WITHOUT ROWID;
"""


@configuration_migrations()
def m001_configuration(db: Database) -> None:
    """Saved configurations, and what boxes report."""
    run(db, _CONFIGURATION)
