"""Which boxes' clocks are behind, as ingest judged them last."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from branchloop.clock import DAY_MS
from branchloop.doctor_finding import Finding, warn
from branchloop.errors import DependencyError
from branchloop.site.site import Site
from branchloop.text.catalogue import lasting
from hub.config.hub import HubConfig
from hub.ingest.alerting import belongs
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE


def examine_clocks(config: HubConfig) -> list[Finding]:
    """One finding for each device that was behind when it was heard of today; none where there is no database yet."""
    try:
        with closing(connect_readonly(config.data_dir / DATABASE)) as db:
            rows = db.execute(
                "SELECT site, device, behind_ms FROM device_status WHERE behind_ms > 0 AND last_seen_ms > ?"
                " ORDER BY site, device",
                (time.time_ns() // 1_000_000 - DAY_MS,),
            ).fetchall()
    except (DependencyError, sqlite3.Error):
        return []
    return [
        _behind(config.sites[site], device, behind_ms)
        for site, device, behind_ms in rows
        if site in config.sites and belongs(config.sites[site], device)
    ]


def _behind(site: Site, device: str, behind_ms: int) -> Finding:
    counts = "" if site.has_kiosk(device) else ", so what it counts lies under earlier hours"
    return warn(
        f"{site.id}: the clock of {device} is {lasting(behind_ms, 'en')} behind this hub's{counts}; let it set its clock by "
        "the network (NTP), at its start too, and replace an empty clock battery (if all branches are behind, look at this "
        "machine's clock)"
    )
