"""Time as branchloop means it: UTC milliseconds inside, branch-local time at the edges.

Windows are `[k*5 s, (k+1)*5 s)` in UTC. Local hours and days follow the site's zone, so a day
has 23 to 25 hours and an hour may start at :30 UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WINDOW_MS = 5_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
FUTURE_LIMIT_MS = 60_000
"""Events further ahead of the hub's clock than this stay out of the roll-ups."""
ALARM_AGE_MS = 120_000
"""Alarms fire only for events younger than this, so that a backlog is silent."""

Bucket = str
BUCKETS: tuple[Bucket, ...] = ("minute", "hour", "day")


def window_start_ms(t_ms: int) -> int:
    """Start of the window that holds `t_ms` (UTC ms)."""
    return t_ms - t_ms % WINDOW_MS


def from_ms(t_ms: int, zone: ZoneInfo | None = None) -> datetime:
    """Aware datetime of `t_ms`, in `zone` (UTC without one)."""
    return datetime.fromtimestamp(t_ms / 1000, tz=zone or UTC)


def to_ms(moment: datetime) -> int:
    """UTC ms of an aware datetime. Raises ValueError for a naive one: its zone would be a guess."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is ambiguous; add Z or an offset such as +08:00")
    return round(moment.timestamp() * 1000)


def iso(t_ms: int) -> str:
    """RFC 3339 text in UTC, millisecond precision."""
    return from_ms(t_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def bucket_start_ms(t_ms: int, bucket: Bucket, zone: ZoneInfo) -> int:
    """Start (UTC ms) of the local minute, hour or day that holds `t_ms`."""
    if bucket == "minute":
        return t_ms - t_ms % MINUTE_MS
    local = from_ms(t_ms, zone)
    if bucket == "day":
        return local_day_start_ms(local.date(), zone)
    if bucket == "hour":
        into_ms = local.minute * MINUTE_MS + local.second * 1000 + local.microsecond // 1000
        start_ms = t_ms - into_ms
        # Where clocks move by half an hour, the hour is cut in two: neither part may reach into the other.
        while start_ms < t_ms and from_ms(start_ms, zone).utcoffset() != local.utcoffset():
            start_ms = min(start_ms + MINUTE_MS, t_ms)
        return start_ms
    raise ValueError(f"unknown bucket {bucket!r}; choose one of {', '.join(BUCKETS)}")


def bucket_end_ms(t_ms: int, bucket: Bucket, zone: ZoneInfo) -> int:
    """End (UTC ms) of the local minute, hour or day that holds `t_ms`: the start of the next one."""
    start_ms = bucket_start_ms(t_ms, bucket, zone)
    if bucket == "minute":
        return start_ms + MINUTE_MS
    if bucket == "day":
        return local_day_end_ms(from_ms(start_ms, zone).date(), zone)
    next_ms = bucket_start_ms(start_ms + HOUR_MS - 1, "hour", zone)
    return start_ms + HOUR_MS if next_ms == start_ms else next_ms


def local_day_start_ms(day: date, zone: ZoneInfo) -> int:
    """UTC ms at which the local calendar day begins."""
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=zone))


def local_day_end_ms(day: date, zone: ZoneInfo) -> int:
    """UTC ms at which the local calendar day ends (23, 24 or 25 hours after its start)."""
    return local_day_start_ms(day + timedelta(days=1), zone)


def reached(moment: datetime) -> datetime:
    """When the clock first shows this time; for one that it skips, the moment of the skip."""
    zone = moment.tzinfo
    first = moment.replace(fold=0)
    shown = first.astimezone(UTC).astimezone(zone)
    if shown == first:
        return shown
    while True:
        before = (shown.astimezone(UTC) - timedelta(minutes=1)).astimezone(zone)
        if before.utcoffset() != shown.utcoffset():
            return shown
        shown = before
