"""Roll-ups computed anew from the retained messages, and held against the stored ones, day by day.

Only days of which every message is still retained can be judged; the others are counted as skipped. A day
without any window is judged, but its stored roll-ups stay: there is nothing to compute them anew from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from branchloop.clock import DAY_MS, bucket_start_ms, from_ms as from_utc_ms, local_day_end_ms
from branchloop.site.site import Site
from branchloop.wire.messages import Window
from hub.store.figures.rollup import collect, differences
from hub.store.figures.sums import LEVELS, Bucket, Level, RollUp
from hub.store.interface import Store

MOST_DIFFERENCES = 20
END_OF_TIME_MS = 2**53


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A sentence for every figure that differed, and whether the day was mended."""

    sentences: list[str]
    windows: int
    written: bool = False


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
    written = False
    for site in sites.values():
        for device in store.devices(site.id):
            for day_ms in _days(store, site, device):
                end_ms = local_day_end_ms(from_utc_ms(day_ms, site.zone_info).date(), site.zone_info)
                if end_ms <= from_ms or day_ms >= to_ms:
                    continue
                verdict = _day(store, site, device, day_ms, end_ms, write=write)
                if verdict is None:
                    skipped += 1
                    continue
                days += 1 if verdict.windows or verdict.sentences else 0
                windows += verdict.windows
                count += len(verdict.sentences)
                written |= verdict.written
                left = MOST_DIFFERENCES - len(found)
                found += [f"{site.id}/{device} {text}" for text in verdict.sentences[:left]]
    return {
        "equal": count == 0,
        "days": days,
        "windows": windows,
        "skipped_days": skipped,
        "difference_count": count,
        "differences": found,
        "written": written,
    }


def _day(store: Store, site: Site, device: str, day_ms: int, end_ms: int, *, write: bool) -> _Verdict | None:
    """What is wrong with a day, told and mended; None when messages of it may be gone.

    Everybody who writes waits while a day is mended. So days are compared without the lock. Under it the marks
    of retention are read anew, and only windows are taken up that came since.
    """
    gathered = _Gathered(store, site, device, day_ms, end_ms)
    stored: dict[Bucket, RollUp] = {}
    with store.snapshot():
        levels = _judged(store, day_ms)
        if levels is None:
            return None
        gathered.take(levels)
        for level in levels:
            stored |= store.rollups(site.id, device, level, day_ms, end_ms)
    wrong: dict[Bucket, list[str]] = {}
    for bucket in sorted(stored.keys() | gathered.wanted.keys()):
        sentences = list(differences(_only(stored, bucket), _only(gathered.wanted, bucket)))
        if sentences:
            wrong[bucket] = sentences
    told = [sentence for sentences in wrong.values() for sentence in sentences]
    if not (write and wrong and gathered.seen):
        return _Verdict(told, len(gathered.seen))
    with store.transaction() as transaction:
        levels = _judged(store, day_ms)
        if levels is None or not gathered.take(levels):
            return None
        buckets = [bucket for bucket in wrong if bucket[0] in levels]
        anew = {bucket: gathered.wanted[bucket] for bucket in buckets if bucket in gathered.wanted}
        transaction.replace_rollups(site.id, device, buckets, anew)
    return _Verdict(told, len(gathered.seen), written=True)


def _judged(store: Store, day_ms: int) -> tuple[Level, ...] | None:
    """Levels of which nothing of a day was pruned; None when its messages may have been."""
    if day_ms < store.pruned_to_ms("message"):
        return None
    return tuple(level for level in LEVELS if level == "day" or day_ms >= store.pruned_to_ms(level))


class _Gathered:
    """The roll-ups of a device's day as its retained windows say."""

    def __init__(self, store: Store, site: Site, device: str, day_ms: int, end_ms: int) -> None:
        self.wanted: dict[Bucket, RollUp] = {}
        self.seen: set[tuple[str, int, str]] = set()
        self._store, self._site, self._device = store, site, device
        self._from_ms, self._to_ms = day_ms, end_ms

    def take(self, levels: tuple[Level, ...]) -> bool:
        """Add the windows not yet seen; whether all that were seen are still there."""
        gone = set(self.seen)
        for message in self._store.messages(self._site.id, self._device, self._from_ms, self._to_ms):
            if message.kind != "window" or message.treatment != "applied":
                continue
            identity = (message.epoch, message.seq, message.digest)
            gone.discard(identity)
            if identity not in self.seen:
                self.seen.add(identity)
                window = Window.model_validate_json(message.body)
                zone = self._site.zone_info
                collect(self.wanted, window, zone, open_hours=message.open_hours, levels=levels)
        return not gone


def _only(rollups: Mapping[Bucket, RollUp], bucket: Bucket) -> dict[Bucket, RollUp]:
    return {bucket: rollups[bucket]} if bucket in rollups else {}


def _days(store: Store, site: Site, device: str) -> list[int]:
    """Starts of the local days that messages or stored roll-ups exist of."""
    starts: set[int] = set()
    for day in store.message_days(site.id, device):
        # Three probes, since a local day of 23 hours may lie within one of UTC.
        for t_ms in (day * DAY_MS, day * DAY_MS + DAY_MS // 2, (day + 1) * DAY_MS - 1):
            starts.add(bucket_start_ms(t_ms, "day", site.zone_info))
    starts |= {start for _, start in store.rollups(site.id, device, "day", 0, END_OF_TIME_MS)}
    return sorted(starts)
