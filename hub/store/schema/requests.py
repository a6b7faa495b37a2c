"""The table of services done online, as migrations of its own (same file, hub.db).

What a customer told, the bank's facts and the document are only ever there encrypted under the customer's key.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

request_migrations = Migrations("requests")

_REQUESTS = """
CREATE TABLE request (
  id TEXT PRIMARY KEY,
  site TEXT NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL,
  customer TEXT NOT NULL,             -- pseudonym
  masked_name TEXT NOT NULL, phone_mac TEXT NOT NULL,
  journey TEXT NOT NULL, channel TEXT NOT NULL, scene TEXT, partner TEXT, language TEXT NOT NULL,
  state TEXT NOT NULL,
  told BLOB NOT NULL,                 -- JSON, under the customer's key
  facts BLOB, document BLOB,          -- under the customer's key
  reason TEXT, code TEXT,
  made_ms INTEGER NOT NULL, ended_ms INTEGER, expires_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX request_site ON request (site, state, made_ms);
CREATE INDEX request_of ON request (customer);
CREATE INDEX request_phone ON request (phone_mac) WHERE phone_mac <> '';
CREATE UNIQUE INDEX request_code ON request (code) WHERE code IS NOT NULL;
"""


@request_migrations()
def m001_requests(db: Database) -> None:
    """Requests for what needs no visit."""
    run(db, _REQUESTS)
