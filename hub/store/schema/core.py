"""The tables of the hub, as migrations: additive steps, each applied once, in order.

Roll-ups are keyed (site, level, start_ms, device, …) in that order, so that one site's stretch of
time is one range scan. Two files: `hub.db` for data, `audit.db` for the audit chain, so that a line
for every read neither waits for ingest nor looks like new data to those who watch for it.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations

DATABASE = "hub.db"
AUDIT_DATABASE = "audit.db"

hub_migrations = Migrations("hub")
audit_migrations = Migrations("audit")

_MESSAGES = """
CREATE TABLE cursor (
  site TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL,
  upto INTEGER NOT NULL,
  sparse TEXT NOT NULL,              -- JSON [[from, to], ...] above upto, inclusive
  PRIMARY KEY (site, device, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL,
  kind TEXT NOT NULL,                -- window | notice | dropped
  event_ms INTEGER NOT NULL, arrived_ms INTEGER NOT NULL,
  treatment TEXT NOT NULL,           -- applied | future
  open_hours INTEGER NOT NULL,       -- 0 | 1, as decided when applied
  digest TEXT NOT NULL,
  body TEXT NOT NULL,                -- JSON
  UNIQUE (site, device, epoch, seq)
) STRICT;
CREATE INDEX message_by_event ON message (site, event_ms, device);

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL, device TEXT NOT NULL,
  epoch TEXT, seq INTEGER, kind TEXT, -- NULL: the envelope did not parse
  reason TEXT NOT NULL,
  arrived_ms INTEGER NOT NULL,
  digest TEXT NOT NULL,
  size INTEGER NOT NULL,              -- bytes as received
  body BLOB NOT NULL                  -- of an envelope only the beginning
) STRICT;
CREATE UNIQUE INDEX quarantine_item ON quarantine (site, device, epoch, seq) WHERE seq IS NOT NULL;
CREATE UNIQUE INDEX quarantine_envelope ON quarantine (site, device, digest) WHERE seq IS NULL;
CREATE INDEX quarantine_by_arrival ON quarantine (arrived_ms);

CREATE TABLE known_gap (
  site TEXT NOT NULL, device TEXT NOT NULL, epoch TEXT NOT NULL,
  from_seq INTEGER NOT NULL, to_seq INTEGER NOT NULL,
  reason TEXT NOT NULL,               -- dropped | restored
  at_ms INTEGER NOT NULL,
  kind TEXT, count INTEGER, first_ms INTEGER, last_ms INTEGER,
  PRIMARY KEY (site, device, epoch, from_seq, to_seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
  site TEXT NOT NULL, device TEXT NOT NULL, what TEXT NOT NULL, key TEXT NOT NULL,
  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, count INTEGER NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (site, device, what, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE notice (
  site TEXT NOT NULL, device TEXT NOT NULL, id TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  what TEXT,                          -- NULL: settled before it came; readers skip it
  line TEXT, direction TEXT, subject TEXT, state TEXT, detail TEXT,
  fate TEXT NOT NULL,                 -- open | confirmed | withdrawn
  PRIMARY KEY (site, device, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notice_by_time ON notice (site, at_ms);

CREATE TABLE latest (
  site TEXT NOT NULL, device TEXT NOT NULL,
  start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, arrived_ms INTEGER NOT NULL,
  body TEXT NOT NULL,                 -- JSON of the window
  PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_status (
  site TEXT NOT NULL, device TEXT NOT NULL,
  last_seen_ms INTEGER NOT NULL,      -- anything at all came, by the hub's clock
  online INTEGER, boot TEXT, connect_no INTEGER, at_ms INTEGER, arrived_ms INTEGER,
  body TEXT,                          -- JSON of the status; NULL until one came
  PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE feed (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  site TEXT NOT NULL, device TEXT NOT NULL,
  event TEXT NOT NULL,                -- notice | window | status | alarm
  at_ms INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX feed_by_site ON feed (site, id);

CREATE TABLE heartbeat (
  worker TEXT PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  connected INTEGER NOT NULL,         -- to the broker, 0 | 1
  committed_ms INTEGER                -- last commit of data, by the hub's clock
) STRICT, WITHOUT ROWID;

CREATE TABLE imported (
  site TEXT NOT NULL, device TEXT NOT NULL,
  epoch TEXT NOT NULL, file_digest TEXT NOT NULL, shifted_to TEXT, at_ms INTEGER NOT NULL,
  PRIMARY KEY (site, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE pruned (
  what TEXT PRIMARY KEY,              -- message | minute | hour | quarantine | notice | alarm | gap | feed
  before_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_ROLLUPS = """
CREATE TABLE rollup (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  windows INTEGER NOT NULL, windows_ms INTEGER NOT NULL,
  expected_ms INTEGER NOT NULL, observed_ms INTEGER NOT NULL,
  open_expected_ms INTEGER NOT NULL, open_observed_ms INTEGER NOT NULL,
  person_ms INTEGER NOT NULL,
  first_ms INTEGER NOT NULL,          -- start of the earliest window
  last_ms INTEGER NOT NULL,           -- end of the latest window
  PRIMARY KEY (site, level, start_ms, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_method (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  method TEXT NOT NULL,
  windows_ms INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, method)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_line (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  line TEXT NOT NULL,
  crossings_in INTEGER NOT NULL, crossings_out INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_zone (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  zone TEXT NOT NULL,
  person_ms INTEGER NOT NULL, entries INTEGER NOT NULL,
  dwell_count INTEGER NOT NULL, dwell_sum_ms INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, zone)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_dwell (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  zone TEXT NOT NULL, bin INTEGER NOT NULL, -- index into the contract's DURATION_EDGES_S
  visits INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, zone, bin)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_camera (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  camera TEXT NOT NULL,
  windows_ms INTEGER NOT NULL, up_ms INTEGER NOT NULL, observed_ms INTEGER NOT NULL,
  frames INTEGER NOT NULL, analysed INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, camera)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_sensor (
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  sensor TEXT NOT NULL,
  windows_ms INTEGER NOT NULL, up_ms INTEGER NOT NULL, observed_ms INTEGER NOT NULL,
  readings INTEGER NOT NULL, valid INTEGER NOT NULL, sum_mm INTEGER NOT NULL,
  nearest_mm INTEGER, farthest_mm INTEGER, -- NULL: no valid range
  present_ms INTEGER NOT NULL, presence_observed_ms INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, sensor)
) STRICT, WITHOUT ROWID;

CREATE TABLE heat (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL,
  cell_mm INTEGER NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
  total_mps INTEGER NOT NULL,
  grid BLOB NOT NULL,                 -- rows * cols, milli-person-seconds, as hub/store/figures/grid.py writes it
  UNIQUE (site, level, start_ms, device, cell_mm, rows, cols)
) STRICT;
"""

_TOKENS = """
CREATE TABLE token (
  sha256 TEXT PRIMARY KEY,            -- of the bearer token; the token itself is never stored
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  sites TEXT NOT NULL,                -- JSON list of site ids
  created_ms INTEGER NOT NULL,
  revoked_ms INTEGER
) STRICT, WITHOUT ROWID;
"""

_AUDIT = """
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,            -- 1, 2, 3, … without holes
  at_ms INTEGER NOT NULL,
  actor TEXT NOT NULL, role TEXT NOT NULL, action TEXT NOT NULL, site TEXT, detail TEXT NOT NULL,
  hash TEXT NOT NULL                  -- SHA-256 over the previous hash and this line
) STRICT;
"""


def run(db: Database, script: str) -> None:
    """Execute statements one by one: `executescript` would commit the migration's transaction."""
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


@hub_migrations()
def m001_messages(db: Database) -> None:
    """Messages, cursors and what hangs on them."""
    run(db, _MESSAGES)


@hub_migrations()
def m002_rollups(db: Database) -> None:
    """Roll-ups by minute, local hour and local day."""
    run(db, _ROLLUPS)


@hub_migrations()
def m003_tokens(db: Database) -> None:
    """Bearer tokens by digest."""
    run(db, _TOKENS)


@hub_migrations()
def m004_believed(db: Database) -> None:
    """What time it was, where the hub's own clock may have been wrong."""
    db.execute("ALTER TABLE heartbeat ADD COLUMN believed_ms INTEGER")


@hub_migrations()
def m005_cause(db: Database) -> None:
    """Why a message was put aside, so that what this hub understands by now can be taken up."""
    db.execute("ALTER TABLE quarantine ADD COLUMN cause TEXT")
    db.execute("ALTER TABLE quarantine ADD COLUMN v INTEGER")
    for cause, reason in (
        ("unknown site", "site % is not known here."),
        ("unknown kind", "kind % is not known here."),
    ):
        db.execute("UPDATE quarantine SET cause=? WHERE seq IS NOT NULL AND reason LIKE ?", (cause, reason))


@hub_migrations()
def m006_behind(db: Database) -> None:
    """How far a device's clock is behind the hub's (0: not by more than a minute, NULL: not known)."""
    db.execute("ALTER TABLE device_status ADD COLUMN behind_ms INTEGER")


@audit_migrations()
def m001_audit(db: Database) -> None:
    """The audit chain."""
    run(db, _AUDIT)
