"""The tables of branches' configurations, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

configuration_migrations = Migrations("configuration")

_CONFIGURATION = """
CREATE TABLE configuration (          -- versions saved, never changed; the newest stay, see Configurations
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
  refused TEXT                        -- JSON of branchloop.wire.status.Refusal
) STRICT, WITHOUT ROWID;
"""


@configuration_migrations()
def m001_configuration(db: Database) -> None:
    """Saved configurations, and what boxes report."""
    run(db, _CONFIGURATION)


_CHANGE = """
CREATE TABLE configuration_change (   -- where a branch's wanted or running configuration, or its connection, last changed
  site TEXT PRIMARY KEY,
  change INTEGER NOT NULL             -- rises over all branches, so that a reader asks for what is above the last it saw
) STRICT, WITHOUT ROWID;
CREATE INDEX configuration_change_order ON configuration_change (change);
"""

_NOTED = (
    "INSERT INTO configuration_change (site, change)"
    " VALUES (NEW.site, (SELECT coalesce(max(change), 0) + 1 FROM configuration_change))"
    " ON CONFLICT (site) DO UPDATE SET change = excluded.change"
)
_WHEN = {
    "configuration_saved": "INSERT ON configuration",
    "configuration_published": "UPDATE OF published_ms ON configuration",
    "configuration_told": "INSERT ON configuration_report",
    "configuration_told_anew": "UPDATE OF version, hash ON configuration_report"
    " WHEN (OLD.version, OLD.hash) IS NOT (NEW.version, NEW.hash)",
    "configuration_box": "INSERT ON device_status",
    "configuration_box_anew": "UPDATE OF online, boot, connect_no ON device_status"
    " WHEN (OLD.online, OLD.boot, OLD.connect_no) IS NOT (NEW.online, NEW.boot, NEW.connect_no)",
}
"""By triggers: a writer that forgot to note its change would leave a box without its configuration."""


@configuration_migrations()
def m002_changes(db: Database) -> None:
    """Which branches changed since a reader looked last."""
    run(db, _CHANGE)
    for name, when in _WHEN.items():
        event, _, condition = when.partition(" WHEN ")
        guarded = f" WHEN {condition}" if condition else ""
        db.execute(f"CREATE TRIGGER {name} AFTER {event}{guarded} BEGIN {_NOTED}; END")


_OPENING = """
CREATE TABLE opening_hours (          -- which opening hours a branch had from when on; never changed, kept for ever as days are
  site TEXT NOT NULL, since_ms INTEGER NOT NULL,
  hours TEXT NOT NULL,                -- JSON of branchloop.site.opening.Opening
  PRIMARY KEY (site, since_ms)
) STRICT, WITHOUT ROWID;
"""


@configuration_migrations()
def m003_opening_hours(db: Database) -> None:
    """Opening hours over time, by which the past is judged."""
    run(db, _OPENING)


@configuration_migrations()
def m004_content(db: Database) -> None:
    """What the text that a box runs says, however it is written; empty: it did not tell."""
    db.execute("ALTER TABLE configuration_report ADD COLUMN content TEXT NOT NULL DEFAULT ''")
