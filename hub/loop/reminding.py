"""When somebody is reminded of an appointment: so many hours before, and never at night. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from branchloop.clock import from_ms, to_ms

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Quiet:
    """From `from_h` to `to_h` of the branch's next morning nobody is reminded."""

    from_h: int
    to_h: int

    def holds(self, at_ms: int, zone: ZoneInfo) -> bool:
        """Whether it is quiet."""
        hour = from_ms(at_ms, zone).hour
        return hour >= self.from_h or hour < self.to_h


def due_ms(start_ms: int, hours: float, zone: ZoneInfo, quiet: Quiet) -> int:
    """When the reminder `hours` before a start is due; what would fall into the night comes the evening before."""
    at_ms = start_ms - round(hours * HOUR_MS)
    if not quiet.holds(at_ms, zone):
        return at_ms
    local = from_ms(at_ms, zone)
    day = local.date() if local.hour >= quiet.from_h else local.date() - timedelta(days=1)
    return to_ms(datetime(day.year, day.month, day.day, quiet.from_h - 1, tzinfo=zone))


def due_now(
    start_ms: int, made_ms: int, hours_before: Sequence[float], now_ms: int, zone: ZoneInfo, quiet: Quiet
) -> float | None:
    """Which reminder is due: the latest one whose time has come; None when none, or when it is quiet now.

    One whose time was before the booking (or its last move) is not: who has just booked knows. Of several
    that were held up only the latest goes out; the others are told by it.
    """
    if now_ms >= start_ms or quiet.holds(now_ms, zone):
        return None
    passed = [hours for hours in hours_before if made_ms < due_ms(start_ms, hours, zone, quiet) <= now_ms]
    return min(passed, default=None)
