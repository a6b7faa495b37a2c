"""Deleting what is past its retention, and remembering up to when it is gone: the SQLite form."""

from __future__ import annotations

import sqlite3

from hub.store.figures.rekeying import ASIDE
from hub.store.figures.sqlite_rollups import ROLLUP_TABLES
from hub.store.interface import Prunable

_AGE = {
    "message": ("message", "event_ms"),
    "quarantine": ("quarantine", "arrived_ms"),
    "notice": ("notice", "at_ms"),
    "alarm": ("alarm", "last_ms"),
    "gap": ("known_gap", "at_ms"),
    "feed": ("feed", "at_ms"),
}


def prune(db: sqlite3.Connection, what: Prunable, site: str, before_ms: int) -> int:
    """Delete a site's rows from before `before_ms`; how many there were."""
    if what in ("minute", "hour"):
        levels = [what, ASIDE["hour"]] if what == "hour" else [what]
        deleted = sum(
            db.execute(
                f"DELETE FROM {table} WHERE site=? AND level=? AND start_ms<?", (site, level, before_ms)
            ).rowcount
            for table in ROLLUP_TABLES
            for level in levels
        )
    else:
        table, age = _AGE[what]
        deleted = db.execute(f"DELETE FROM {table} WHERE site=? AND {age}<?", (site, before_ms)).rowcount
    db.execute(
        "INSERT INTO pruned (what, before_ms) VALUES (?,?) ON CONFLICT DO UPDATE SET "
        "before_ms = max(before_ms, excluded.before_ms)",
        (what, before_ms),
    )
    return deleted
