"""Roll-ups computed anew from the retained messages, and held against the stored ones, day by day.

Only days of which every message is still retained can be judged; the others are counted as skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from branchloop.clock import DAY_MS, bucket_start_ms, local_day_end_ms
from branchloop.clock import from_ms as from_utc_ms
from branchloop.messages import Window
from branchloop.site import Site
from hub.store.interface import Store
from hub.store.rollup import collect, differences
from hub.store.sums import LEVELS, Bucket, Level, RollUp

MOST_DIFFERENCES = 20
END_OF_TIME_MS = 2**53


def recompute(
    store: Store,
    sites: Mapping[str, Site],
    *,
    from_ms: int = 0,
    to_ms: int = END_OF_TIME_MS,
    write: bool = False,
) -> dict[str, Any]:
    """Compare the roll-ups of all local days that touch `[from_ms, to_ms)`; with `write`, mend them.

    Returns {"equal", "days", "windows", "skipped_days", "difference_count", "differences": up to 20
    sentences, "written"}. `equal` tells of the stored state before mending. Raises DependencyError.
    """
    found: list[str] = []
    days = windows = skipped = count = 0
    for site in sites.values():
        for device in store.devices(site.id):
            for day_ms in _days(store, site, device):
                end_ms = local_day_end_ms(from_utc_ms(day_ms, site.zone_info).date(), site.zone_info)
                if end_ms <= from_ms or day_ms >= to_ms:
                    continue
                if day_ms < store.pruned_to_ms("message"):
                    skipped += 1
                    continue
                sentences, seen = _day(store, site, device, day_ms, end_ms, write=write)
                days += 1 if seen or sentences else 0
                windows += seen
                count += len(sentences)
                found += [
                    f"{site.id}/{device} {text}" for text in islice(sentences, MOST_DIFFERENCES - len(found))
                ]
    return {
        "equal": count == 0,
        "days": days,
        "windows": windows,
        "skipped_days": skipped,
        "difference_count": count,
        "differences": found,
        "written": write and count > 0,
    }


def _day(
    store: Store, site: Site, device: str, day_ms: int, end_ms: int, *, write: bool
) -> tuple[list[str], int]:
    levels = tuple(level for level in LEVELS if level == "day" or day_ms >= store.pruned_to_ms(level))
    if not write:
        with store.snapshot():
            stored, wanted, windows = _both(store, site, device, day_ms, end_ms, levels)
        return list(differences(stored, wanted)), windows
    with store.transaction() as transaction:
        stored, wanted, windows = _both(store, site, device, day_ms, end_ms, levels)
        sentences = list(differences(stored, wanted))
        if sentences:
            transaction.replace_rollups(site.id, device, stored.keys() | wanted.keys(), wanted)
    return sentences, windows


def _both(
    store: Store, site: Site, device: str, day_ms: int, end_ms: int, levels: tuple[Level, ...]
) -> tuple[dict[Bucket, RollUp], dict[Bucket, RollUp], int]:
    wanted: dict[Bucket, RollUp] = {}
    windows = 0
    for message in store.messages(site.id, device, day_ms, end_ms):
        if message.kind != "window" or message.treatment != "applied":
            continue
        window = Window.model_validate_json(message.body)
        collect(wanted, window, site.zone_info, open_hours=message.open_hours, levels=levels)
        windows += 1
    stored: dict[Bucket, RollUp] = {}
    for level in levels:
        stored |= store.rollups(site.id, device, level, day_ms, end_ms)
    return stored, wanted, windows


def _days(store: Store, site: Site, device: str) -> list[int]:
    """Starts of the local days that messages or stored roll-ups exist of."""
    starts: set[int] = set()
    for day in store.message_days(site.id, device):
        # Three probes, since a local day of 23 hours may lie within one of UTC.
        for t_ms in (day * DAY_MS, day * DAY_MS + DAY_MS // 2, (day + 1) * DAY_MS - 1):
            starts.add(bucket_start_ms(t_ms, "day", site.zone_info))
    starts |= {start for _, start in store.rollups(site.id, device, "day", 0, END_OF_TIME_MS)}
    return sorted(starts)
