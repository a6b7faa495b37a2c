"""Watches the quality of all branches, and their opening hours, beside ingest, over connections of its own."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing

from branchloop.errors import BranchloopError
from hub.config.hub import HubConfig
from hub.ingest.differing_texts import DifferingTexts
from hub.ingest.drift_alerts import DriftAlerts
from hub.ingest.live_alerts import LiveAlerts
from hub.ingest.mqtt import now_ms, say
from hub.store.branches.opening import OpeningNotes
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore

LIVE_S = 2.0
FINISHED_S = 10.0


def watch_quality(
    config: HubConfig,
    stop: threading.Event,
    whole: threading.Event,
    now: Callable[[], int] = now_ms,
) -> None:
    """Look for what has to be told until `stop` is set; after a fault, such as a store that is away, from the start.

    Finished hours are judged once they are `whole`: what was put aside of them has been taken up.
    """
    finished_s = float("-inf")
    said = ""
    while not stop.wait(LIVE_S):
        try:
            with (
                closing(SqliteStore(config.data_dir)) as store,
                closing(connect_readonly(config.data_dir / DATABASE)) as db,
            ):
                live, drift = (
                    LiveAlerts(store, db, config.sites, say, DifferingTexts(db, config, config.sites)),
                    DriftAlerts(store, db, config.sites, say),
                )
                notes = OpeningNotes(store, config.sites, say)
                notes.tick(now())
                while not stop.wait(LIVE_S):
                    live.tick(now())
                    if time.monotonic() - finished_s >= FINISHED_S:
                        notes.tick(now())
                        if whole.is_set():
                            drift.tick(now())
                        finished_s = time.monotonic()
                    said = ""
        except (BranchloopError, sqlite3.Error, OSError) as error:
            if str(error) != said:
                say(f"quality is not watched: {error}")
            said = str(error)
