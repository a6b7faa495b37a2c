"""The feed of the ledger, for whoever keeps a number of it."""

from __future__ import annotations

from pathlib import Path

import httpx
from hubworld import world

from hub.backup.aftermath import STEP
from hub.loop.journey import Happened, new_journey
from hub.store.connection import opened
from hub.store.journeys import record


def test_who_goes_on_until_head_ends_also_at_a_hub_that_was_restored(tmp_path: Path) -> None:
    """It knows lines that the backup had not: it is at the head until the next one, and misses none."""
    with world(tmp_path, book=True) as hub:
        events, core = f"{hub.api}/api/v1/events", hub.token("core", "hall")

        def happen() -> None:
            with opened(hub.config.data_dir) as db:
                record(db, Happened("booked", 1_800_000_000_000, "hall", new_journey()))

        happen()
        page = httpx.get(f"{events}?after=7", headers=core).json()
        assert (page["items"], page["next"]) == ([], page["head"])
        with opened(hub.config.data_dir) as db:
            db.execute("UPDATE sqlite_sequence SET seq=seq+? WHERE name='journey_event'", (STEP,))
        happen()
        page = httpx.get(f"{events}?after={page['next']}", headers=core).json()
        assert [each["id"] for each in page["items"]] == [str(STEP + 2)]
        assert page["next"] == page["head"] == STEP + 2
