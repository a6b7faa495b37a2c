"""The funnel's reading of the ledger of journeys."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from typing import Any

from hub.loop.journey import Happened

_COLUMNS = "stage, at_ms, site, journey, service, channel, scene, partner, customer, appointment, "
_COLUMNS += "CASE WHEN stage='follow_up' THEN detail END"  # the only detail that the funnel asks for


def since(db: sqlite3.Connection, site: str, from_ms: int) -> list[Happened]:
    """What happened at a branch since `from_ms` (UTC ms) in journeys that began no earlier, in order."""
    return [
        _happened(row)
        for row in db.execute(
            f"SELECT {_COLUMNS} FROM journey_event WHERE site=? AND at_ms>=? AND journey NOT IN"
            " (SELECT journey FROM journey_event WHERE site=? AND at_ms<?) ORDER BY id",
            (site, from_ms, site, from_ms),
        )
    ]


def _happened(row: tuple[Any, ...]) -> Happened:
    happened = Happened(*row[:-1])
    return happened if row[-1] is None else replace(happened, detail=json.loads(row[-1]))
