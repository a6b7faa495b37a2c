"""How full the branch is today, for the kiosk's idle page: people now, and the mean of each hour so far."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from branchloop.clock import from_ms
from branchloop.wire.messages import Window

CROWDING = "crowding.json"


class Crowding:
    """Sums the windows of the branch's day; an hour that was not observed is absent."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._day: date | None = None
        self._hours: dict[int, tuple[int, int]] = {}
        self._people: int | None = None
        self._at_ms = 0

    def take(self, windows: Sequence[Window]) -> bool:
        """Add windows; whether there was one."""
        for window in windows:
            local = from_ms(window.start_ms, self._zone)
            if local.date() != self._day:
                self._day, self._hours = local.date(), {}
            person_ms, seen_ms = self._hours.get(local.hour, (0, 0))
            if window.looked_ms is not None:
                self._hours[local.hour] = (person_ms + window.person_ms, seen_ms + window.looked_ms)
            self._people = window.people_end
            self._at_ms = window.start_ms + window.duration_ms
        return bool(windows)

    def text(self) -> str:
        """As JSON: `at_ms`, `people` (null when not measured), `hours` of {hour, people}."""
        hours = [
            {"hour": hour, "people": round(person_ms / seen_ms, 1)}
            for hour, (person_ms, seen_ms) in sorted(self._hours.items())
            if seen_ms
        ]
        return json.dumps({"at_ms": self._at_ms, "people": self._people, "hours": hours})

    def keep(self, file: Path) -> None:
        """Write it where the kiosk reads it."""
        fresh = file.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk: the kiosk then shows no figure
            fresh.write_text(self.text(), encoding="utf-8")
            fresh.replace(file)
