"""An appointment as a calendar file (RFC 5545): where and when, what to bring, and nobody's name. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

REMIND = timedelta(hours=1)


def calendar_file(
    *,
    uid: str,
    start_ms: int,
    end_ms: int,
    sequence: int,
    made_ms: int,
    summary: str,
    where: str,
    bring: Sequence[str],
    cancelled: bool = False,
) -> bytes:
    """The file; `sequence` rises with each move, so that calendars replace what they have under `uid`."""
    from icalendar import Alarm, Calendar, Event  # slow to load, and seldom wanted

    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", _utc(made_ms))
    event.add("dtstart", _utc(start_ms))
    event.add("dtend", _utc(end_ms))
    event.add("sequence", sequence)
    event.add("summary", summary)
    event.add("location", where)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("transp", "OPAQUE")
    if bring:
        event.add("description", "\n".join(bring))
    if not cancelled:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", summary)
        alarm.add("trigger", -REMIND)
        event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", "-//branchloop//appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(event)
    content: bytes = calendar.to_ical()
    return content


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC)
