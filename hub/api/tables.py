"""Answers as CSV: one row a bucket, units in the heads, what was not measured an empty field. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from hub.api.models.figures import Bucket, Footfall, Occupancy, Queues

MEDIA_TYPE = "text/csv; charset=utf-8"
_FOOTFALL = {"visitors": "visitors", "in": "in_", "out": "out", "returned": "returned"}
_OCCUPANCY = {
    "mean_people": "mean", "person_seconds": "person_seconds", "staff_person_seconds": "staff_person_seconds",
}  # fmt: skip
_QUEUE = {
    "length_mean": "length_mean", "joined": "joined", "served": "served", "abandoned": "abandoned",
    "lost": "lost", "abandonment_share": "abandonment", "wait_median_s": "wait_median_s",
    "wait_p90_s": "wait_p90_s",
}  # fmt: skip


def footfall(answer: Footfall) -> str:
    """Crossings of the entrances."""
    return _table(answer.timezone, _FOOTFALL, (({}, item) for item in answer.items))


def occupancy(answer: Occupancy) -> str:
    """People on the floor."""
    return _table(answer.timezone, _OCCUPANCY, (({}, item) for item in answer.items))


def queues(answer: Queues) -> str:
    """Queues, one after the other."""
    rows = (({"queue": queue.id}, item) for queue in answer.items for item in queue.buckets)
    return _table(answer.timezone, _QUEUE, rows, ("queue",))


def _table(
    timezone: str,
    columns: Mapping[str, str],
    rows: Iterable[tuple[Mapping[str, str], Bucket]],
    first: tuple[str, ...] = (),
) -> str:
    zone = ZoneInfo(timezone)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*first, "start", "end", "start_local", "open", "coverage_share", *columns])
    for named, item in rows:
        local = datetime.fromisoformat(item.start).astimezone(zone).strftime("%Y-%m-%d %H:%M")
        values = [getattr(item, attribute) for attribute in columns.values()]
        writer.writerow(
            [*named.values(), item.start, item.end, local, int(item.open), item.coverage, *values]
        )
    return out.getvalue()
