"""What roll-ups gained after the first release, as migrations of their own (same file, hub.db).

Additive: earlier rows read as zero in the new columns and have no row in the new tables. Messages that
were stored while a hub did not know these figures are taken up by `branchloop hub recompute`.
"""

from __future__ import annotations

from hub.store.migrating import Database, Migrations
from hub.store.schema.core import run

analytics_migrations = Migrations("analytics")

_KEY = "site TEXT NOT NULL, level TEXT NOT NULL, start_ms INTEGER NOT NULL, device TEXT NOT NULL"
_ANALYTICS = f"""
-- Person time of staff, who are in no other figure; person time that was estimated from sensors.
ALTER TABLE rollup ADD COLUMN staff_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollup ADD COLUMN filled_ms INTEGER NOT NULL DEFAULT 0;

-- Of crossings_in: who had just gone out. Staff are in neither of the crossings.
ALTER TABLE rollup_line ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollup_line ADD COLUMN staff_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE rollup_line ADD COLUMN staff_out INTEGER NOT NULL DEFAULT 0;

CREATE TABLE rollup_queue (
  {_KEY},
  queue TEXT NOT NULL,
  windows_ms INTEGER NOT NULL,        -- length of the windows that told of the queue
  person_ms INTEGER NOT NULL, joined INTEGER NOT NULL, lost INTEGER NOT NULL,
  served_count INTEGER NOT NULL, served_sum_ms INTEGER NOT NULL,
  abandoned_count INTEGER NOT NULL, abandoned_sum_ms INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, queue)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_wait (
  {_KEY},
  queue TEXT NOT NULL,
  fate TEXT NOT NULL,                 -- served | abandoned
  bin INTEGER NOT NULL,               -- index into the contract's DURATION_EDGES_S
  waits INTEGER NOT NULL,
  PRIMARY KEY (site, level, start_ms, device, queue, fate, bin)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollup_fault (
  {_KEY},
  part TEXT NOT NULL,                 -- camera | sensor | pair (subject FIRST/SECOND)
  subject TEXT NOT NULL, fault TEXT NOT NULL,
  fault_ms INTEGER NOT NULL,          -- length of the windows that had it
  PRIMARY KEY (site, level, start_ms, device, part, subject, fault)
) STRICT, WITHOUT ROWID;

CREATE TABLE heat_filled (
  id INTEGER PRIMARY KEY,
  {_KEY},
  cell_mm INTEGER NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
  total_mps INTEGER NOT NULL,
  grid BLOB NOT NULL,                 -- as of heat
  UNIQUE (site, level, start_ms, device, cell_mm, rows, cols)
) STRICT;

CREATE TABLE flow (
  id INTEGER PRIMARY KEY,
  {_KEY},
  cell_mm INTEGER NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
  total_path_mm INTEGER NOT NULL,
  grid BLOB NOT NULL,                 -- 3 * rows * cols: dx, dy, path in mm, as hub/store/figures/grid.py writes it
  UNIQUE (site, level, start_ms, device, cell_mm, rows, cols)
) STRICT;
"""


@analytics_migrations()
def m001_analytics(db: Database) -> None:
    """Queues, staff, re-entry, faults, heat filled from sensors, flow."""
    run(db, _ANALYTICS)


_PARTS = ("rollup_line", "rollup_zone", "rollup_queue")


@analytics_migrations()
def m002_observed_parts(db: Database) -> None:
    """How long lines, zones and queues were observed; in earlier rows as long as their bucket: no finer trace was kept."""
    for table in _PARTS:
        for column in ("observed_ms", "open_observed_ms"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
        db.execute(
            f"UPDATE {table} AS part SET observed_ms=whole.observed_ms, open_observed_ms=whole.open_observed_ms"
            " FROM rollup AS whole WHERE whole.site=part.site AND whole.level=part.level"
            " AND whole.start_ms=part.start_ms AND whole.device=part.device"
        )


@analytics_migrations()
def m003_looked(db: Database) -> None:
    """How long any camera observed; in earlier rows as if all had looked at the same time: no finer trace was kept."""
    db.execute("ALTER TABLE rollup ADD COLUMN looked_ms INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE rollup SET looked_ms=observed_ms*windows_ms/expected_ms WHERE expected_ms>0")


@analytics_migrations()
def m004_told(db: Database) -> None:
    """How long windows told of a line, beside how long it was in sight; in earlier rows the same: no finer trace was kept."""
    for column in ("told_ms", "open_told_ms"):
        db.execute(f"ALTER TABLE rollup_line ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    db.execute("UPDATE rollup_line SET told_ms=observed_ms, open_told_ms=open_observed_ms")


@analytics_migrations()
def m005_entrances(db: Database) -> None:
    """The lines together that were entrances when they were counted; of earlier buckets nothing says which were."""
    db.execute(
        f"CREATE TABLE rollup_entrance ({_KEY},"
        " crossings_in INTEGER NOT NULL, crossings_out INTEGER NOT NULL, returned INTEGER NOT NULL,"
        " staff_in INTEGER NOT NULL, staff_out INTEGER NOT NULL,"
        " observed_ms INTEGER NOT NULL, open_observed_ms INTEGER NOT NULL,"
        " told_ms INTEGER NOT NULL, open_told_ms INTEGER NOT NULL,"
        " windows_ms INTEGER NOT NULL,"
        " PRIMARY KEY (site, level, start_ms, device)) STRICT, WITHOUT ROWID"
    )
