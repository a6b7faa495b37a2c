"""Times of a branch's clock, and their names on the days when it is set forward or back. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from branchloop.text.catalogue import Language, say


def wall(text: str, zone: ZoneInfo, language: Language) -> str:
    """Day and time by the branch's clock; where the clock shows it twice, the second one says so."""
    at = datetime.fromisoformat(text).astimezone(zone)
    return named(at.strftime("%m-%d %H:%M"), language, second=bool(at.fold))


def day(text: str, zone: ZoneInfo) -> str:
    """The day of a moment by the branch's calendar."""
    return datetime.fromisoformat(text).astimezone(zone).strftime("%m-%d")


def named(time: str, language: Language, *, second: bool) -> str:
    """A time as people say it, or as the second of its name."""
    return say("clock.second", language, time=time) if second else time
