"""The tables of pictures without people, as migrations of their own (same file, hub.db).

One picture per camera and one bird's-eye picture per branch: a new one replaces the one before.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

picture_migrations = Migrations("pictures")

_PICTURES = """
CREATE TABLE picture (
  site TEXT NOT NULL, what TEXT NOT NULL, -- background | birdseye
  camera TEXT NOT NULL,               -- empty of a bird's-eye picture
  command TEXT NOT NULL,              -- the one that it answered
  arrived_ms INTEGER NOT NULL,
  image BLOB NOT NULL,
  about TEXT NOT NULL,                -- JSON of the picture, without its bytes
  PRIMARY KEY (site, what, camera)
) STRICT;

CREATE TABLE picture_asked (          -- the newest request of each
  site TEXT NOT NULL, what TEXT NOT NULL, camera TEXT NOT NULL,
  command TEXT NOT NULL,
  actor TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  state TEXT NOT NULL,                -- open | done | failed | expired
  answered_ms INTEGER, code TEXT, detail TEXT,
  PRIMARY KEY (site, what, camera)
) STRICT;
"""


@picture_migrations()
def m001_pictures(db: Database) -> None:
    """Pictures, and who asked for them last."""
    run(db, _PICTURES)
