"""The tables of alerts and acceptance reports, as migrations of their own (same file, hub.db)."""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

quality_migrations = Migrations("quality")

_QUALITY = """
CREATE TABLE alert (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  kind TEXT NOT NULL,                 -- a fault, a silence or a check: see docs/quality.md
  subject TEXT NOT NULL,              -- camera, sensor, line or device; empty for the branch
  raised_ms INTEGER NOT NULL,         -- event time
  cleared_ms INTEGER,
  evidence TEXT NOT NULL,             -- JSON
  tainted TEXT NOT NULL               -- JSON list of figures
) STRICT;
CREATE UNIQUE INDEX alert_open ON alert (site, kind, subject) WHERE cleared_ms IS NULL;
CREATE UNIQUE INDEX alert_once ON alert (site, kind, subject, raised_ms);
CREATE INDEX alert_by_time ON alert (site, raised_ms);

CREATE TABLE watch (                  -- conditions that are not quiet
  site TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
  phase TEXT NOT NULL,                -- rising | open | falling
  since_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL,
  PRIMARY KEY (site, kind, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE checked (                -- finished hours up to here were looked at
  site TEXT PRIMARY KEY,
  upto_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE acceptance (
  site TEXT NOT NULL,
  digest TEXT NOT NULL,               -- SHA-256 of the signed text
  made_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  taken_ms INTEGER NOT NULL, taken_from TEXT NOT NULL,
  body TEXT NOT NULL,                 -- the report as it was uploaded
  PRIMARY KEY (site, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX acceptance_by_time ON acceptance (site, made_ms);
"""


@quality_migrations()
def m001_quality(db: Database) -> None:
    """Alerts, what is watched, and acceptance reports."""
    run(db, _QUALITY)
