"""Which roll-ups make up a stretch of time: the largest local buckets that fit, of those still kept. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from branchloop.clock import bucket_end_ms, bucket_start_ms
from hub.store.figures.sums import Level

Span = tuple[int, int]
"""`[start, end)` in UTC ms."""
Run = tuple[Level, int, int]
"""(level, first bucket, end): a stretch read at one level."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What retention has left: buckets that start earlier may be gone. Days are kept for ever."""

    minute_ms: int = 0
    hour_ms: int = 0

    def has(self, level: Level, start_ms: int) -> bool:
        """Whether every bucket of a level from `start_ms` on is kept."""
        return level == "day" or start_ms >= (self.minute_ms if level == "minute" else self.hour_ms)

    def finest(self, t_ms: int) -> Level:
        """The shortest buckets that tell of `t_ms`."""
        return "minute" if self.has("minute", t_ms) else "hour" if self.has("hour", t_ms) else "day"

    def of(self, zone: ZoneInfo) -> Kept:
        """The same by whole local days: sites of several zones are pruned at different moments."""
        return Kept(*(_next_day_ms(mark_ms, zone) for mark_ms in (self.minute_ms, self.hour_ms)))


def widened(span: Span, zone: ZoneInfo, kept: Kept) -> Span:
    """The stretch widened to borders that can still be told: to hours, or days, where the rest is gone."""
    start_ms, last_ms = span[0], span[1] - 1
    return (
        bucket_start_ms(start_ms, kept.finest(start_ms), zone),
        bucket_end_ms(last_ms, kept.finest(last_ms), zone),
    )


def runs(span: Span, zone: ZoneInfo, kept: Kept) -> list[Run]:
    """Cut a stretch of whole minutes into the largest buckets that fit."""
    found: list[Run] = []
    at_ms = span[0]
    while at_ms < span[1]:
        level, next_ms = _largest(at_ms, span[1], zone, kept)
        if found and found[-1][0] == level:
            found[-1] = (level, found[-1][1], next_ms)
        else:
            found.append((level, at_ms, next_ms))
        at_ms = next_ms
    return found


def buckets(span: Span, level: Level, zone: ZoneInfo) -> list[Span]:
    """The stretch cut at the local borders of its buckets; the first and last may be partial."""
    parts: list[Span] = []
    at_ms = span[0]
    while at_ms < span[1]:
        end_ms = min(bucket_end_ms(at_ms, level, zone), span[1])
        parts.append((at_ms, end_ms))
        at_ms = end_ms
    return parts


def is_whole(part: Span, level: Level, zone: ZoneInfo) -> bool:
    """Whether a part is a whole bucket."""
    return part == (bucket_start_ms(part[0], level, zone), bucket_end_ms(part[0], level, zone))


def _largest(at_ms: int, end_ms: int, zone: ZoneInfo, kept: Kept) -> tuple[Level, int]:
    levels: tuple[Level, ...] = ("day", "hour")
    for level in levels:
        if bucket_start_ms(at_ms, level, zone) == at_ms and kept.has(level, at_ms):
            next_ms = bucket_end_ms(at_ms, level, zone)
            if next_ms <= end_ms:
                return level, next_ms
    return "minute", bucket_end_ms(at_ms, "minute", zone)


def _next_day_ms(mark_ms: int, zone: ZoneInfo) -> int:
    if mark_ms <= 0:
        return 0
    day_ms = bucket_start_ms(mark_ms, "day", zone)
    return mark_ms if day_ms == mark_ms else bucket_end_ms(mark_ms, "day", zone)
