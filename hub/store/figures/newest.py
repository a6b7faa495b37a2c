"""The newest window of a branch by the hub's clock, whatever time its box stamps it with."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from branchloop.clock import ALARM_AGE_MS, WINDOW_MS

_NOW = """
SELECT body FROM (
  SELECT body FROM message
    WHERE site=:site AND event_ms>:its_ms - :age_ms AND event_ms<=:its_ms AND device=:device AND kind='window'
      AND treatment='applied' AND arrived_ms >= event_ms + :behind_ms
    ORDER BY event_ms DESC LIMIT 1)
UNION ALL
SELECT CAST(body AS TEXT) FROM quarantine
  WHERE arrived_ms>:its_ms + :behind_ms - :age_ms AND site=:site AND device=:device AND kind='window' AND cause='clock'
"""


def newest_window(db: sqlite3.Connection, site: str, at_ms: int) -> tuple[dict[str, Any], int] | None:
    """The window (its JSON) and when it ended (UTC ms); None where there is none.

    Where the clock of its device is behind, a window of before it was so may be newer by its own time, and one of now may
    be put aside, since that time was told already. How far one is behind that is heard of no more tells nothing.
    """
    row = db.execute(
        "SELECT l.body, l.end_ms, l.device, coalesce(s.behind_ms, 0) FROM latest l LEFT JOIN device_status s"
        " ON s.site = l.site AND s.device = l.device AND s.last_seen_ms > ? WHERE l.site=?"
        " ORDER BY l.end_ms + coalesce(s.behind_ms, 0) DESC LIMIT 1",
        (at_ms - ALARM_AGE_MS, site),
    ).fetchone()
    if row is None:
        return None
    body, end_ms, device, behind_ms = row
    if not behind_ms:
        return json.loads(body), end_ms
    its_ms = at_ms - behind_ms
    asked = {
        "site": site, "device": device, "behind_ms": behind_ms, "its_ms": its_ms, "age_ms": ALARM_AGE_MS,
    }  # fmt: skip
    windows = [json.loads(text) for (text,) in db.execute(_NOW, asked)]
    young = [window for window in windows if window["start_ms"] <= its_ms]
    if not young:
        return None
    newest = max(young, key=lambda window: window["start_ms"])
    return newest, newest["start_ms"] + WINDOW_MS * newest.get("slots", 1) + behind_ms
