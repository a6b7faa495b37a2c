"""When the last whole backup of a hub was made: noted in its data directory, told by `branchloop doctor`."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime
from pathlib import Path

from branchloop.clock import HOUR_MS, iso, to_ms
from branchloop.doctor_finding import Finding, good, warn
from hub.config.hub import HubConfig
from hub.store.schema.core import DATABASE

FILE = "last-backup"
"""One line: a time in UTC."""
LATE_H = 48
"""A nightly backup that is missing was not made twice."""


def note(data_dir: Path, made_ms: int) -> None:
    """A backup is whole. Who may not write here has made it all the same, and `doctor` goes by the one before."""
    fresh = data_dir / f"{FILE}.new"
    with contextlib.suppress(OSError):
        fresh.write_text(f"{iso(made_ms)}\n", encoding="utf-8")
        fresh.replace(data_dir / FILE)


def examine_backup(config: HubConfig) -> list[Finding]:
    """What `doctor` says of it; nothing of a hub that has no data yet."""
    if not (config.data_dir / DATABASE).exists():
        return []
    try:
        made_ms = to_ms(datetime.fromisoformat((config.data_dir / FILE).read_text(encoding="utf-8").strip()))
    except FileNotFoundError:
        return [warn("no backup of this hub was made yet: see docs/operate.md")]
    except (OSError, ValueError) as error:
        return [warn(f"when the last backup was made cannot be read: {error}")]
    age_h = (time.time_ns() // 1_000_000 - made_ms) / HOUR_MS
    told = f"the last backup was made {max(0.0, age_h):.0f} h ago, at {iso(made_ms)}"
    return [good(told) if age_h <= LATE_H else warn(f"{told}: one a night is usual, see docs/operate.md")]
