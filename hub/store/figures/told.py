"""Which times a device has told of, and whether a window tells of one of them again: twice would count the same people twice.

Of one slot an outbox may tell in parts, where its box was stopped or its clock set within it: such parts share the slot
if they fit into it. Everything else that tells of a told time tells of it again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from branchloop.clock import HOUR_MS, MINUTE_MS, WINDOW_MS, bucket_end_ms, bucket_start_ms
from branchloop.site.site import Site
from branchloop.wire.messages import Window
from hub.store.figures.stretch import Kept, Span
from hub.store.figures.sums import Bucket, Level, RollUp

Twice = Literal["outbox", "clock"]
"""Another outbox of the device told of it, or the same one: its box's clock was set back."""


@dataclass(frozen=True, slots=True)
class Told:
    """A window that counts; `text` is its JSON."""

    epoch: str
    start_ms: int
    slots: int
    text: str

    def starts(self) -> Iterator[int]:
        """Of its slots."""
        return iter(range(self.start_ms, self.start_ms + self.slots * WINDOW_MS, WINDOW_MS))


BySlot = Mapping[int, Sequence[Told]]
"""Start of a slot (UTC ms) -> the windows that tell of it."""


def told_twice(window: Window, epoch: str, told: BySlot) -> Twice | None:
    """Whether a window of an outbox tells of a time once more, and who told of it before; None if it does not."""
    before: list[Told] = []
    for slot_ms in range(window.start_ms, window.start_ms + window.duration_ms, WINDOW_MS):
        before += told.get(slot_ms, ())
    if not before:
        return None
    if any(each.epoch != epoch for each in before):
        return "outbox"
    parts = [Window.model_validate_json(each.text) for each in before]
    return None if _share_a_slot([*parts, window]) else "clock"


def _share_a_slot(parts: Sequence[Window]) -> bool:
    """At most one of them was ended by time, and no camera looked for longer than the slot is."""
    if any(part.slots > 1 for part in parts) or sum(part.closed_by == "time" for part in parts) > 1:
        return False
    by_camera: dict[str, int] = {}
    for part in parts:
        for camera in part.cameras:
            by_camera[camera.camera] = by_camera.get(camera.camera, 0) + camera.observed_ms
    looked_ms = sum(part.looked_ms or 0 for part in parts)
    observed_ms = sum(part.observed_ms for part in parts)
    return (
        max(looked_ms, *by_camera.values(), 0) <= WINDOW_MS
        and observed_ms <= max(part.expected_ms for part in parts)
    )  # fmt: skip


class Telling:
    """What is stored of the times that devices have told of, inside whatever transaction the connection is in."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._kept: Kept | None = None
        self._messages_ms = 0
        self._rolled: dict[tuple[str, str, Level, int], tuple[int, bool]] = {}

    def near(self, site: str, device: str, windows: Iterable[Window]) -> list[Told]:
        """The windows that count, of the stretches of time that these lie in."""
        found: list[Told] = []
        for from_ms, to_ms in _stretches(windows):
            newest = "SELECT 1 FROM latest WHERE site=? AND device=? AND end_ms>?"
            if self._db.execute(newest, (site, device, from_ms)).fetchone() is None:
                continue  # a later time than all that was told: so it is nearly always
            rows = self._db.execute(
                "SELECT epoch, event_ms, coalesce(json_extract(body, '$.slots'), 1), body FROM message "
                "WHERE site=? AND event_ms>? AND event_ms<? AND device=? AND kind='window' "
                "AND treatment='applied'",  # what was told of the future counts nowhere, so it keeps nobody out
                (site, from_ms - MINUTE_MS, to_ms, device),
            )
            found += [Told(*row) for row in rows]
        return found

    def is_full(self, site: Site, device: str, window: Window, fresh: Mapping[Bucket, RollUp]) -> bool:
        """Whether no more of a window's time is left to be told, by the finest roll-up that is kept of it.

        Asked of times some of whose messages are no longer kept. `fresh` is what this transaction adds.
        """
        kept = self._marks()
        if window.start_ms >= self._messages_ms:
            return False
        level = kept.finest(window.start_ms)
        start_ms = bucket_start_ms(window.start_ms, level, site.zone_info)
        end_ms = bucket_end_ms(start_ms, level, site.zone_info)
        told_ms, is_known = self._told_of(site.id, device, (level, start_ms), end_ms)
        if is_known:
            return False
        if (rollup := fresh.get((level, start_ms))) is not None:
            told_ms += rollup.totals.windows_ms
        return told_ms + window.duration_ms > end_ms - start_ms

    def _told_of(self, site: str, device: str, bucket: Bucket, end_ms: int) -> tuple[int, bool]:
        """How much of a bucket is told (ms), and whether by messages that are all still kept."""
        key = (site, device, *bucket)
        if key not in self._rolled:
            row = self._db.execute(
                "SELECT windows_ms FROM rollup WHERE site=? AND level=? AND start_ms=? AND device=?",
                (site, *bucket, device),
            ).fetchone()
            (slots,) = self._db.execute(
                "SELECT coalesce(sum(coalesce(json_extract(body, '$.slots'), 1)), 0) FROM message "
                "WHERE site=? AND event_ms>=? AND event_ms<? AND device=? AND kind='window' "
                "AND treatment='applied'",
                (site, bucket[1], end_ms, device),
            ).fetchone()
            told_ms = row[0] if row else 0
            self._rolled[key] = (told_ms, told_ms <= slots * WINDOW_MS)
        return self._rolled[key]

    def _marks(self) -> Kept:
        if self._kept is None:
            marks = dict(self._db.execute("SELECT what, before_ms FROM pruned").fetchall())
            self._messages_ms = marks.get("message", 0)
            self._kept = Kept(marks.get("minute", 0), marks.get("hour", 0))
        return self._kept


def _stretches(windows: Iterable[Window]) -> list[Span]:
    """Where windows lie; an hour without any parts two stretches, so that a leap of the clock reads no years."""
    found: list[Span] = []
    for window in sorted(windows, key=lambda each: each.start_ms):
        end_ms = window.start_ms + window.duration_ms
        if found and window.start_ms - found[-1][1] < HOUR_MS:
            found[-1] = (found[-1][0], max(end_ms, found[-1][1]))
        else:
            found.append((window.start_ms, end_ms))
    return found
