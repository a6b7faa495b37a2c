"""The funnel over HTTP: what the ledger says, for who may see it."""

from __future__ import annotations

from pathlib import Path

import httpx
from hubworld import world

from hub.loop.journey import Happened
from hub.store.connection import opened
from hub.store.journeys import record

START_MS = 1_767_225_600_000
QUERY = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "by": "service"}


def test_manager_sees_small_counts_and_head_office_does_not(tmp_path: Path) -> None:
    with world(tmp_path, hub="[value.costs]\nserved = 2.0\n") as hub:
        with opened(hub.config.data_dir) as db:
            for n in range(11):
                service = "loan" if n < 3 else "cash"
                for stage in ("booked", "reminded", "arrived", "served"):
                    record(db, Happened(stage, START_MS + n, "hall", f"j{n}", service))  # type: ignore[arg-type]
        url = f"{hub.api}/api/v1/branches/hall/funnel"
        manager, head = hub.token("manager", "hall"), hub.token("head_office")
        seen = httpx.get(url, params=QUERY, headers=manager).json()
        served = {group["group"]: group["stages"][6]["journeys"] for group in seen["groups"]}
        assert served == {"cash": 8, "loan": 3}
        assert seen["total"]["cost_per_served"] == 2
        told = httpx.get(url, params=QUERY, headers=head).json()
        assert [group["stages"][6]["journeys"] for group in told["groups"]] == [None, None]
        assert [group["cost"] for group in told["groups"]] == [None, None]
        assert told["total"]["stages"][6]["journeys"] == 11
        table = httpx.get(url, params={**QUERY, "format": "csv"}, headers=manager)
        assert "loan,served,3,0," in table.text
        over = httpx.get(f"{hub.api}/api/v1/funnel", params={**QUERY, "by": "branch"}, headers=head).json()
        assert [group["group"] for group in over["groups"]] == ["hall"]
        assert over["total"]["stages"][6]["journeys"] == 11
