"""The funnel's reading of the ledger of journeys."""

from __future__ import annotations

import sqlite3

from hub.loop.journey import Happened

_COLUMNS = "stage, at_ms, site, journey, service, channel, scene, partner, customer, appointment"


def since(db: sqlite3.Connection, site: str, from_ms: int) -> list[Happened]:
    """What happened at a branch since `from_ms` (UTC ms) in journeys that began no earlier, in order."""
    return [
        Happened(*row)
        for row in db.execute(
            f"SELECT {_COLUMNS} FROM journey_event WHERE site=? AND at_ms>=? AND journey NOT IN"
            " (SELECT journey FROM journey_event WHERE site=? AND at_ms<?) ORDER BY id",
            (site, from_ms, site, from_ms),
        )
    ]
