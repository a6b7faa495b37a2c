"""Links with partners, tags, settlements, as migrations of their own (same file, hub.db).

A partner's reference of a user is only there as an HMAC under the hub's key; a tag's value only encrypted
under the customer's key. Settlements hold sums, and no customer.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

identity_migrations = Migrations("identity")

_IDENTITY = """
ALTER TABLE token ADD COLUMN partner TEXT;

CREATE TABLE partner_link (
  partner TEXT NOT NULL,
  subject TEXT NOT NULL,              -- HMAC of the partner's reference
  customer TEXT NOT NULL,             -- pseudonym
  consent TEXT NOT NULL,              -- random, as on the receipts
  purposes TEXT NOT NULL,             -- JSON list, of tags
  text_version TEXT NOT NULL, text_sha256 TEXT NOT NULL, language TEXT NOT NULL,
  site TEXT NOT NULL, journey TEXT NOT NULL, -- where it was given
  given_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  PRIMARY KEY (partner, subject),
  UNIQUE (customer, partner)
) STRICT, WITHOUT ROWID;
CREATE INDEX partner_link_by_consent ON partner_link (consent);

CREATE TABLE tag (
  id TEXT PRIMARY KEY,
  customer TEXT NOT NULL,
  name TEXT NOT NULL,
  value BLOB,                         -- under the customer's key
  purpose TEXT NOT NULL,
  provenance TEXT NOT NULL,           -- partner | bank | visit_outcome
  partner TEXT NOT NULL,              -- of the link by whose consent it is kept
  consent TEXT NOT NULL,
  given_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  UNIQUE (customer, name, purpose, partner)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_by_consent ON tag (consent);
CREATE INDEX tag_by_end ON tag (expires_ms);

CREATE TABLE settlement (
  partner TEXT NOT NULL, month TEXT NOT NULL,
  closed_ms INTEGER NOT NULL,
  body TEXT NOT NULL,                 -- canonical JSON, sums only
  sha256 TEXT NOT NULL, signature TEXT NOT NULL,
  PRIMARY KEY (partner, month)
) STRICT, WITHOUT ROWID;
CREATE INDEX journey_event_by_partner ON journey_event (partner, stage, at_ms) WHERE partner IS NOT NULL;
"""


@identity_migrations()
def m001_identity(db: Database) -> None:
    """Partner tokens, links, tags and closed months."""
    run(db, _IDENTITY)
