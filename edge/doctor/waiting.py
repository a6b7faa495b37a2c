"""Whether what a running box counted gets away: of one that the broker refuses, or that no hub answers, the outbox alone tells."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from branchloop.clock import iso
from branchloop.doctor_finding import Finding, warn
from branchloop.text.catalogue import lasting
from edge.send.outboxfile import CURRENT

PATIENCE_MS = 120_000
"""A hub that is there acknowledges within seconds."""
_WAITING = f"SELECT count(*), min(last_ms) FROM {CURRENT}"  # noqa: S608 - a constant


def examine_waiting(outbox: Path, now_ms: int | None = None) -> list[Finding]:
    """Nothing where all goes away; `now_ms` is UTC, the box's own clock."""
    now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    try:
        with closing(sqlite3.connect(f"{outbox.absolute().as_uri()}?mode=ro", uri=True)) as db:
            count, oldest_ms = db.execute(_WAITING).fetchone()
    except sqlite3.Error as error:
        return [warn(f"what waits in {outbox} cannot be read: {error}")]
    if not count or now_ms - oldest_ms < PATIENCE_MS:
        return []
    since = f"{iso(oldest_ms)} ({lasting(now_ms - oldest_ms, 'en')} ago)"
    return [
        warn(
            f"{count} readings wait in {outbox.name}, the oldest since {since}: nothing is lost, but the hub does not get them; the box's log says why"
        )
    ]
