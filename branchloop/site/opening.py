"""When a branch is open, and when who comes is staff: weekdays, holidays and single days, in the site's time zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cached_property
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from branchloop.clock import from_ms, local_day_start_ms, reached, to_ms
from branchloop.config import Part
from branchloop.site.hours import spans_min
from branchloop.site.kiosk import Counter

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Opening(Part):
    """The hours of a site file."""

    timezone: str
    hours: dict[str, str] = Field(default_factory=dict)
    closed_on: list[date] = Field(default_factory=list, max_length=400, description="holidays")
    special_hours: dict[date, str] = Field(
        default_factory=dict, max_length=400, description="by date: other hours than its weekday's"
    )
    staff_hours: dict[str, str] = Field(
        default_factory=dict, description="by weekday: who crosses an entrance then is staff"
    )

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is not a time zone; write one such as Asia/Shanghai") from error
        return name

    @field_validator("hours", "staff_hours")
    @classmethod
    def _hours(cls, hours: dict[str, str]) -> dict[str, str]:
        check_weekdays(hours)
        return hours

    @field_validator("special_hours")
    @classmethod
    def _special(cls, hours: dict[date, str]) -> dict[date, str]:
        for text in hours.values():
            spans_min(text)
        return hours

    @cached_property
    def zone_info(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.timezone)

    def open_spans_ms(self, day: date) -> list[tuple[int, int]]:
        """Opening spans `[from, to)` of a local day in UTC ms; the whole day when no hours are given."""
        if day in self.closed_on:
            return []
        special = self.special_hours.get(day)
        if special is not None:
            return self._spans_ms(day, special)
        return self._spans_ms(
            day, self.hours.get(WEEKDAYS[day.weekday()], "closed" if self.hours else "00:00-24:00")
        )

    def counter_spans_ms(self, counter: Counter, day: date) -> list[tuple[int, int]]:
        """When a counter is staffed on a local day: within the branch's opening spans, in UTC ms."""
        spans = self.open_spans_ms(day)
        if not counter.hours:
            return spans
        own = self._spans_ms(day, counter.hours.get(WEEKDAYS[day.weekday()], "closed"))
        both = [(max(a, c), min(b, d)) for a, b in spans for c, d in own]
        return [(start, end) for start, end in both if start < end]

    def is_open(self, t_ms: int) -> bool:
        """Whether the branch is open at `t_ms`."""
        day = from_ms(t_ms, self.zone_info).date()
        return any(start <= t_ms < end for start, end in self.open_spans_ms(day))

    def is_staff_time(self, t_ms: int) -> bool:
        """Whether whoever crosses an entrance at `t_ms` is taken for staff: never while the branch is open by hours that are given."""
        day = from_ms(t_ms, self.zone_info).date()
        spans = self._spans_ms(day, self.staff_hours.get(WEEKDAYS[day.weekday()], "closed"))
        if not any(start <= t_ms < end for start, end in spans):
            return False
        given = bool(self.hours) or day in self.special_hours
        return not (given and self.is_open(t_ms))

    def _spans_ms(self, day: date, text: str) -> list[tuple[int, int]]:
        """Hours on a local day in UTC ms; what lies wholly in an hour that the clock skips is none."""
        spans = [(self._at(day, start), self._at(day, end)) for start, end in spans_min(text)]
        return [(start, end) for start, end in spans if start < end]

    def _at(self, day: date, minutes: int) -> int:
        if minutes == 24 * 60:
            return local_day_start_ms(date.fromordinal(day.toordinal() + 1), self.zone_info)
        return to_ms(reached(datetime.combine(day, time(minutes // 60, minutes % 60), tzinfo=self.zone_info)))


def check_weekdays(hours: Mapping[str, str]) -> None:
    """Raises ValueError for what is no weekday, or no hours."""
    for day, text in hours.items():
        if day not in WEEKDAYS:
            raise ValueError(f"{day!r} is not a weekday; use {', '.join(WEEKDAYS)}")
        spans_min(text)
