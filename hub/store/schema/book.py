"""The tables of the appointment book, as migrations of their own (same file, hub.db).

A name and a code are only ever there encrypted under the customer's key, which lies outside the database.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

book_migrations = Migrations("book")

_BOOK = """
CREATE TABLE appointment (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL, service TEXT NOT NULL,
  day TEXT NOT NULL,                  -- the branch's
  start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
  window_from_ms INTEGER NOT NULL, window_to_ms INTEGER NOT NULL,
  place INTEGER NOT NULL,             -- of the slot, from 0
  customer TEXT NOT NULL,             -- pseudonym
  masked_name TEXT NOT NULL, title TEXT, minor INTEGER NOT NULL,
  name BLOB NOT NULL, code BLOB NOT NULL, -- under the customer's key
  code_mac TEXT NOT NULL,             -- HMAC under the hub's key, by which staff find a code
  booking_no TEXT NOT NULL,
  state TEXT NOT NULL,                -- booked | arrived | called | served | cancelled
  booked_ms INTEGER NOT NULL,
  arrived_ms INTEGER, called_ms INTEGER, served_ms INTEGER, cancelled_ms INTEGER,
  number TEXT, method TEXT, counter TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX appointment_place ON appointment (site, service, start_ms, place) WHERE state <> 'cancelled';
CREATE UNIQUE INDEX appointment_of ON appointment (customer, start_ms) WHERE state <> 'cancelled';
CREATE UNIQUE INDEX appointment_no ON appointment (site, day, booking_no);
CREATE INDEX appointment_day ON appointment (site, day);
CREATE INDEX appointment_service ON appointment (site, service, served_ms);

CREATE TABLE ticket (
  site TEXT NOT NULL, day TEXT NOT NULL, number TEXT NOT NULL,
  appointment TEXT NOT NULL, device TEXT NOT NULL, checkin TEXT NOT NULL,
  at_ms INTEGER NOT NULL, method TEXT NOT NULL, policy TEXT,
  provisional INTEGER NOT NULL, decided_ms INTEGER,
  PRIMARY KEY (site, checkin)
) STRICT, WITHOUT ROWID;
CREATE INDEX ticket_number ON ticket (site, day, number);
CREATE INDEX ticket_of ON ticket (appointment);

CREATE TABLE ticket_series (
  site TEXT NOT NULL, device TEXT NOT NULL, series TEXT NOT NULL,
  PRIMARY KEY (site, device), UNIQUE (site, series)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
  caller TEXT NOT NULL, key TEXT NOT NULL,
  request TEXT NOT NULL,              -- digest of what was asked
  appointment TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE book_change (
  site TEXT PRIMARY KEY,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_due (              -- lines for the audit log, until they are in it
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL,
  site TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
"""


@book_migrations()
def m001_book(db: Database) -> None:
    """Appointments, tickets, idempotency keys, lines on their way to the audit log."""
    run(db, _BOOK)


_LOOP = """
ALTER TABLE appointment ADD COLUMN kind TEXT NOT NULL DEFAULT 'booked';
ALTER TABLE appointment ADD COLUMN channel TEXT NOT NULL DEFAULT 'staff';
ALTER TABLE appointment ADD COLUMN journey TEXT NOT NULL DEFAULT '';
ALTER TABLE appointment ADD COLUMN scene TEXT;
ALTER TABLE appointment ADD COLUMN partner TEXT;
ALTER TABLE appointment ADD COLUMN language TEXT NOT NULL DEFAULT 'zh';
ALTER TABLE appointment ADD COLUMN contact BLOB;
ALTER TABLE appointment ADD COLUMN remind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE appointment ADD COLUMN due_ms INTEGER;
ALTER TABLE appointment ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE appointment ADD COLUMN parked_ms INTEGER;
ALTER TABLE appointment ADD COLUMN left_ms INTEGER;
ALTER TABLE appointment ADD COLUMN outcome TEXT;
ALTER TABLE appointment ADD COLUMN follow_up TEXT;
DROP INDEX appointment_place;
CREATE UNIQUE INDEX appointment_place ON appointment (site, service, start_ms, place)
  WHERE kind = 'booked' AND state NOT IN ('cancelled', 'missed', 'waitlisted');
DROP INDEX appointment_of;
CREATE UNIQUE INDEX appointment_of ON appointment (customer, start_ms)
  WHERE state NOT IN ('cancelled', 'missed', 'waitlisted');
CREATE INDEX appointment_by_customer ON appointment (customer);
CREATE INDEX appointment_due ON appointment (window_to_ms) WHERE state = 'booked';
"""
"""`kind` is booked, walk_in or remote; `due_ms` the place in the queue; `contact` JSON under the customer's key."""


@book_migrations()
def m002_loop(db: Database) -> None:
    """Walk-ins and remote tickets, channels and scenes, outcomes; a missed appointment gives its place back."""
    run(db, _LOOP)


@book_migrations()
def m003_contact_mac(db: Database) -> None:
    """By which the open appointments of one way to remind are counted: a keyed digest, '' without one and once forgotten."""
    run(
        db,
        """
ALTER TABLE appointment ADD COLUMN contact_mac TEXT NOT NULL DEFAULT '';
CREATE INDEX appointment_by_contact ON appointment (contact_mac) WHERE contact_mac <> '';
""",
    )


@book_migrations()
def m004_follow_up(db: Database) -> None:
    """What staff wrote of a customer who is forgotten goes with the name."""
    run(
        db,
        """
PRAGMA secure_delete=ON;
UPDATE appointment SET follow_up=NULL WHERE masked_name='*' AND follow_up IS NOT NULL;
""",
    )
