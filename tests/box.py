"""A box as the hub sees it: messages under ascending seqs, sent in batches of any kind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from branchloop.site.site import Site, parse_site
from hub.ingest.apply import Payload

T0_MS = 1_774_234_800_000
"""2026-03-23 03:00 UTC, a Monday: 08:30 in Kolkata, where the hour starts at :30 UTC."""

SITE = """
id = "{id}"
name = {{ en = "Hall", zh = "大厅" }}
timezone = "{zone}"
plan = {{ width_m = 2.0, height_m = 1.0, cell_m = 0.5 }}
[hours]
mon = "09:00-17:00"
"""


def make_site(site_id: str = "hall", zone: str = "Asia/Kolkata") -> Site:
    """A small site: 2 × 4 heat cells, open on Mondays from 9 to 5."""
    return parse_site(site_text(site_id, zone))


def site_text(site_id: str = "hall", zone: str = "Asia/Kolkata") -> str:
    """The site file of `make_site`."""
    return SITE.format(id=site_id, zone=zone)


def window(start_ms: int = T0_MS, people: int = 1, **more: Any) -> dict[str, Any]:
    """Body of a 5 s window in which `people` stood still, everywhere something to add up."""
    slots = more.get("slots", 1)
    ms = slots * 5_000
    return {
        "start_ms": start_ms,
        "method": "test",
        "expected_ms": ms,
        "observed_ms": ms,
        "person_ms": people * ms,
        "staff_ms": people * 10,
        "people_end": people,
        "cameras": [
            {
                "camera": "north",
                "state": "up",
                "observed_ms": ms,
                "frames": 35,
                "analysed": 20,
                "fault": "blurred" if people % 2 else None,
            }
        ],
        "lines": [
            {
                "line": "door",
                "in": people,
                "out": 1,
                "returned": people // 2,
                "staff_in": 1,
                "staff_out": people,
                "entrance": True,
            }
        ],
        "zones": [
            {
                "zone": "queue",
                "person_ms": people * 1_000,
                "entries": people,
                "dwell": {"count": people, "sum_ms": people * 9_000, "bins": {"23": people}},
            }
        ],
        "queues": [
            {
                "queue": "queue",
                "person_ms": people * 700,
                "waiting_end": people,
                "joined": people,
                "served": {"count": people, "sum_ms": people * 60_000, "bins": {"43": people}},
                "abandoned": {"count": 1, "sum_ms": 9_000, "bins": {"23": 1}},
                "lost": people % 3,
            }
        ],
        "sensors": [
            {
                "sensor": "desk",
                "state": "up",
                "observed_ms": ms,
                "readings": 10,
                "valid": 9,
                "nearest_mm": 500 + people,
                "farthest_mm": 900 + people,
                "sum_mm": 7_000,
                "present_ms": people * 100,
                "fault": "stuck" if people % 3 == 1 else None,
            }
        ],
        "pairs": [
            {"first": "north", "second": "south", "wrong": "clocks_apart" if people % 2 else None},
            {"first": "north", "second": "west"},
        ],
        "heat": {"cell_mm": 500, "rows": 2, "cols": 4, "cells": [people % 4, 7], "mps": [people * 1_000, 5]},
        "filled": {"cell_mm": 500, "rows": 2, "cols": 4, "cells": [people % 4, 6], "mps": [people * 300, 2]},
        "flow": {
            "cell_mm": 1_000,
            "rows": 1,
            "cols": 2,
            "cells": [0, 1],
            "dx_mm": [-400 * people, 30],
            "dy_mm": [people, -7],
            "path_mm": [500 * people, 31],
        },
        **more,
    }


def notice(notice_id: str, at_ms: int = T0_MS) -> dict[str, Any]:
    """Body of a crossing's notice."""
    return {"id": notice_id, "what": "crossing", "at_ms": at_ms, "line": "door", "direction": "in"}


def dropped(first_ms: int = T0_MS, last_ms: int = T0_MS + 5_000) -> dict[str, Any]:
    """Body of a tombstone."""
    return {"kind": "window", "count": 1, "first_ms": first_ms, "last_ms": last_ms}


@dataclass
class Box:
    """Keeps everything it ever produced; `oldest` is the lowest seq it still holds."""

    site: str = "hall"
    device: str = "box-1"
    epoch: str = "0123456789abcdef"
    oldest: int = 1
    items: dict[int, dict[str, Any]] = field(default_factory=dict)

    def produce(self, kind: str, body: dict[str, Any], **more: Any) -> int:
        """Put a message into the outbox; returns its seq."""
        seq = len(self.items) + 1
        self.items[seq] = {"seq": seq, "kind": kind, "body": body, **more}
        return seq

    def payload(
        self, seqs: Iterable[int] | None = None, arrived_ms: int = T0_MS + 20_000, **more: Any
    ) -> Payload:
        """A batch of these seqs (all without), ready for `apply_many`."""
        wanted = sorted(self.items if seqs is None else seqs)
        batch = {
            "epoch": self.epoch,
            "boot": "ab" * 8,
            "oldest": self.oldest,
            "sent_ms": arrived_ms,
            "items": [self.items[seq] for seq in wanted],
            **more,
        }
        return (f"branchloop/1/{self.site}/{self.device}/data", json.dumps(batch).encode(), arrived_ms)
