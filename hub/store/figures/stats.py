"""What is in the hub's database, by device: for operators, and for sums that must agree."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from branchloop.errors import DependencyError
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE


def stats(data_dir: Path) -> dict[str, Any]:
    """Messages stored and acknowledged per device, quarantine, known gaps and alarms."""
    db = connect_readonly(data_dir / DATABASE)
    try:
        devices = {
            f"{site}/{device}": {"epochs": epochs, "acknowledged": acknowledged}
            for site, device, epochs, acknowledged in db.execute(
                "SELECT site, device, count(*), sum(upto) FROM cursor GROUP BY site, device"
            )
        }
        for site, device, kept in db.execute(
            "SELECT site, device, count(*) FROM message GROUP BY site, device"
        ):
            devices[f"{site}/{device}"]["messages"] = kept
        return {
            "devices": devices,
            "quarantined": db.execute("SELECT count(*) FROM quarantine").fetchone()[0],
            "known_gaps": db.execute("SELECT count(*) FROM known_gap").fetchone()[0],
            "alarms": db.execute("SELECT count(*) FROM alarm").fetchone()[0],
        }
    except sqlite3.Error as error:
        raise DependencyError(f"{data_dir / DATABASE} cannot be read: {error}.") from error
    finally:
        db.close()
