"""The tables of consent and of commands to boxes, as migrations of their own (same file, hub.db).

No face, no template and no clear name is ever in them: `command.photo` is a picture sealed to a branch's
box and wrapped once more under the customer's key, and goes with the box's reply.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

consent_migrations = Migrations("consent")

_CONSENT = """
CREATE TABLE enrolment_link (
  sha256 TEXT PRIMARY KEY,            -- of the link's token; the token itself is never stored
  consent TEXT NOT NULL,              -- the id that a consent given by this link will have
  customer TEXT NOT NULL, site TEXT NOT NULL, appointment TEXT NOT NULL,
  masked_name TEXT NOT NULL,
  minor INTEGER NOT NULL,             -- known to be under 14, 0 | 1
  created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  used_ms INTEGER                     -- a consent was given by it; from then on it shows and withdraws that
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_link_of ON enrolment_link (customer);

CREATE TABLE consent (
  id TEXT PRIMARY KEY,
  customer TEXT NOT NULL, site TEXT NOT NULL,
  text_version TEXT NOT NULL, text_sha256 TEXT NOT NULL,
  purpose TEXT NOT NULL, language TEXT NOT NULL, channel TEXT NOT NULL, -- online | kiosk
  given_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  guardian INTEGER NOT NULL,          -- 0 | 1
  guardian_name BLOB,                 -- under the customer's key
  state TEXT NOT NULL,                -- given | pending | withdrawn | expired
  withdrawn_ms INTEGER,
  moving_to TEXT                      -- the site it is being handed over to
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_of ON consent (customer);
CREATE INDEX consent_at ON consent (site, state);

CREATE TABLE consent_holder (
  consent TEXT NOT NULL, site TEXT NOT NULL, device TEXT NOT NULL,
  state TEXT NOT NULL,                -- waiting | enrolled | failed | leaving | erasing | erased
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (consent, site, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE consent_receipt (
  id INTEGER PRIMARY KEY,
  consent TEXT NOT NULL,
  event TEXT NOT NULL, at_ms INTEGER NOT NULL,
  body TEXT NOT NULL                  -- signed JSON
) STRICT;
CREATE INDEX consent_receipt_of ON consent_receipt (consent);

CREATE TABLE kiosk_key (
  site TEXT NOT NULL, device TEXT NOT NULL, fingerprint TEXT NOT NULL,
  certificate TEXT NOT NULL,          -- JSON
  not_after_ms INTEGER NOT NULL,
  first_ms INTEGER NOT NULL,
  revoked_ms INTEGER,                 -- when another key took its place
  PRIMARY KEY (site, device, fingerprint)
) STRICT, WITHOUT ROWID;

CREATE TABLE command (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL, device TEXT NOT NULL,
  what TEXT NOT NULL,                 -- enrol | erase | reseal | adopt
  consent TEXT NOT NULL, customer TEXT NOT NULL,
  at_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,
  body TEXT NOT NULL,                 -- JSON, of `enrol` without its photo
  photo BLOB,                         -- of `enrol`, until it is settled
  state TEXT NOT NULL,                -- open | done | failed | expired | cancelled
  sends INTEGER NOT NULL, next_ms INTEGER NOT NULL,
  code TEXT, replied_ms INTEGER       -- of the reply
) STRICT, WITHOUT ROWID;
CREATE INDEX command_due ON command (state, next_ms);
CREATE INDEX command_of ON command (consent);

CREATE TABLE site_change (
  site TEXT PRIMARY KEY,
  version INTEGER NOT NULL            -- rises with whatever a kiosk of the site must hear of
) STRICT, WITHOUT ROWID;
"""


@consent_migrations()
def m001_consent(db: Database) -> None:
    """Consents, links, receipts, box keys and commands."""
    run(db, _CONSENT)


_ERASED = """
CREATE TABLE erased (
  digest TEXT NOT NULL, at_ms INTEGER NOT NULL, -- a line of the journal
  PRIMARY KEY (digest, at_ms)
) STRICT, WITHOUT ROWID;
"""


@consent_migrations()
def m002_erased(db: Database) -> None:
    """Which erasures of the journal are carried out, in this very database."""
    run(db, _ERASED)
