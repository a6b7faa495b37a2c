"""Days of 23 and 25 hours on Heat and Quality: every hour is there once, under its own name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from branchloop.clock import from_ms
from branchloop.site.opening import Opening
from branchloop.text.catalogue import LANGUAGES, Language, say
from dashboard import coverage_calendar, localtime, periods
from dashboard.views.heat_hours import footfall_chart, gap_list

BERLIN = ZoneInfo("Europe/Berlin")
SHORT, LONG = date(2026, 3, 29), date(2026, 10, 25)


def hours_of(day: date, zone: ZoneInfo = BERLIN) -> Iterator[datetime]:
    """The hours that the day really has, as the hub lists them."""
    at = datetime.combine(day, datetime.min.time(), tzinfo=zone).astimezone(UTC)
    while at.astimezone(zone).date() == day:
        yield at
        at += timedelta(hours=1)


def calendar(day: date, gaps: Sequence[int], opened: range = range(24)) -> dict[str, Any]:
    """A day of the calendar; `gaps` are the places of its hours that nobody observed."""
    hours = []
    for place, start in enumerate(hours_of(day)):
        hour = start.astimezone(BERLIN).hour
        state = "gap" if place in gaps else "observed" if hour in opened else "closed"
        hours.append(
            {"start": start.isoformat(), "hour": hour, "state": state, "coverage": 1.0 if state == "observed" else None}
        )  # fmt: skip
    return {"date": day.isoformat(), "coverage": 1.0, "hours": hours}


def lasted_h(spans: Sequence[periods.Span]) -> list[float]:
    return [(end.timestamp() - start.timestamp()) / 3600 for start, end in spans]


@pytest.mark.parametrize(
    ("day", "first", "last", "hours"),
    [
        (SHORT, 0, 24, [23.0]), (SHORT, 2, 3, []), (SHORT, 1, 3, [1.0]), (SHORT, 2, 4, [1.0]), (SHORT, 1, 2, [1.0]),
        (LONG, 0, 24, [25.0]), (LONG, 2, 3, [2.0]), (LONG, 1, 2, [1.0]), (LONG, 3, 4, [1.0]), (LONG, 1, 3, [3.0]),
    ],
)  # fmt: skip
def test_hours_of_the_clock_are_all_that_the_day_has_of_them(
    day: date, first: int, last: int, hours: list[float]
) -> None:
    """A skipped hour is none, and no empty stretch of time; an hour that comes twice is in it twice."""
    assert lasted_h(periods.spans([day], first, last, BERLIN)) == hours


@pytest.mark.parametrize(
    ("zone", "day", "hours", "expected"),
    [
        ("Europe/London", date(2026, 3, 29), "00:00-01:30,02:00-24:00", ["00:00-01:00", "01:00-23:00"]),
        ("America/New_York", date(2026, 3, 8), "02:00-02:45,03:30-04:00", ["07:30-08:00"]),
        ("Europe/London", date(2026, 10, 25), "01:00-02:00", ["00:00-02:00"]),
    ],
)
def test_opening_hours_begin_and_end_when_the_clock_skips_their_border(
    zone: str, day: date, hours: str, expected: list[str]
) -> None:
    """They never overlap, and what lies within the skipped hour is no time."""
    spans = Opening(timezone=zone, special_hours={day: hours}).open_spans_ms(day)
    assert [f"{from_ms(a):%H:%M}-{from_ms(b):%H:%M}" for a, b in spans] == expected


@pytest.mark.parametrize("day", [SHORT, LONG])
def test_single_hours_make_up_the_day(day: date) -> None:
    """None is left out, none is in two."""
    parts = [span for hour in range(24) for span in periods.spans([day], hour, hour + 1, BERLIN)]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(parts))
    assert sum(lasted_h(parts)) == len(list(hours_of(day)))


def test_hours_that_one_of_the_days_skips_are_not_compared() -> None:
    """And a day that is not over is held against the hours that there were."""
    april = periods.spans([date(2026, 4, 5)], 2, 3, BERLIN)
    assert periods.earlier(april, 7) == []
    now = datetime(2026, 4, 5, 2, 30, tzinfo=BERLIN)
    (span,) = periods.earlier(periods.so_far(periods.spans([date(2026, 4, 5)], 0, 24, BERLIN), now), 7)
    assert lasted_h([span]) == [2.0]
    again = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
    assert lasted_h(periods.so_far(periods.spans([LONG], 0, 24, BERLIN), again)) == [3.5]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_second_of_two_like_times_is_named(language: Language) -> None:
    first, second = "2026-10-25T00:10:00Z", "2026-10-25T01:10:00Z"
    assert localtime.wall(first, BERLIN, language) == "10-25 02:10"
    assert localtime.wall(second, BERLIN, language) == say("clock.second", language, time="10-25 02:10")
    told = gap_list([{"from": first, "to": second}], language, BERLIN)
    assert told.count("02:10") == 2
    assert say("clock.second", language, time="10-25 02:10") in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_time_before_a_branch_was_observed_is_no_gap(language: Language) -> None:
    """It is told in one line, and what was missed since then as gaps; a branch without any history has gaps alone."""
    hours = [f"2026-11-2{day}T0{hour}:00:00Z" for day in (3, 4, 5) for hour in (8, 9)]
    gaps = [{"from": start, "to": end} for start, end in zip(hours[::2], hours[1::2], strict=True)]
    early = say("gaps.early", language, time="11-24 10:30")
    told = gap_list(gaps, language, BERLIN, "2026-11-24T09:30:00.000Z")
    assert early in told
    assert [f"11-2{day}" in told.replace(early, "") for day in (3, 4, 5)] == [False, False, True]
    only = gap_list(gaps[:2], language, BERLIN, "2026-11-24T09:30:00.000Z")
    assert early in only
    assert say("gaps.none", language) in only
    assert gap_list(gaps, language, BERLIN, "2026-11-23T08:00:00.000Z") == gap_list(gaps, language, BERLIN)


@pytest.mark.parametrize(("day", "bars"), [(SHORT, 23), (LONG, 25)])
def test_every_hour_of_the_day_has_a_bar_of_its_own(day: date, bars: int) -> None:
    """An hour of the same name would be drawn over the first one."""
    items = [{"start": start.isoformat(), "visitors": 1} for start in hours_of(day)]
    names = list(footfall_chart(items, "en", BERLIN).data["hour"])
    assert len(set(names)) == bars
    assert names[2] == ("10-25 02:00" if day == LONG else "03-29 03:00")


def test_every_hour_of_the_day_has_a_cell_of_its_own() -> None:
    """The two of one name stand side by side within its column; a skipped one is blank."""
    svg = coverage_calendar.svg([calendar(LONG, [3])], "en")
    cells = re.findall(
        r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="18" rx="2" fill="(?:url|#FBFBF8)', svg
    )
    places = sorted((float(x), float(x) + float(wide)) for x, wide in cells)
    assert len(places) == 25
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(places))
    gap = re.search(r'<rect x="([\d.]+)" [^>]*fill="url\(#gap\)"', svg)
    assert gap is not None
    assert float(gap[1]) == places[3][0]
    assert coverage_calendar.svg([calendar(SHORT, range(23))], "en").count('fill="url(#gap)"') == 23


@pytest.mark.parametrize(
    ("day", "gaps", "told"),
    [
        (LONG, [2], "02–02 (second time)"), (LONG, [3], "02 (second time)–03"), (LONG, [2, 3], "02–03"),
        (LONG, [1, 2], "01–02 (second time)"), (LONG, [2, 3, 4], "02–04"), (LONG, [3, 4, 24], "02 (second time)–04, 23–24"),
        (SHORT, [1], "01–02"), (SHORT, [1, 2], "01–04"), (SHORT, [2, 22], "03–04, 23–24"),
    ],
)  # fmt: skip
def test_gaps_are_told_by_the_hours_that_there_were(day: date, gaps: list[int], told: str) -> None:
    answer = {
        "days": [calendar(day, gaps)],
        "server_time": "2026-12-01T00:00:00Z",
        "timezone": "Europe/Berlin",
    }
    assert f"{day}: {told}<" in coverage_calendar.gap_list(answer, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_change_of_the_clock_is_told_where_its_hours_are_shown(language: Language) -> None:
    days = [calendar(SHORT, []), calendar(date(2026, 6, 1), []), calendar(LONG, [])]
    told = coverage_calendar.clock_changes(days, language)
    assert told.count('<div class="bl-note">') == 2
    assert say("clock.missing", language, date="2026-03-29", hours="02–03") in told
    assert say("clock.twice", language, date="2026-10-25", hours="02–03") in told
    by_day = [calendar(day, [], range(9, 17)) for day in (SHORT, LONG)]
    assert coverage_calendar.clock_changes(by_day, language) == ""


def test_half_hours_and_skipped_midnights() -> None:
    """Where clocks move by half an hour, or skip midnight, the hours make up the day as well."""
    for name, day, hours in (
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5), ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Africa/Cairo", date(2026, 4, 24), 23.0), ("America/Havana", date(2026, 11, 1), 25.0),
    ):  # fmt: skip
        zone = ZoneInfo(name)
        parts = [span for hour in range(24) for span in periods.spans([day], hour, hour + 1, zone)]
        assert sum(lasted_h(parts)) == hours, name
        assert lasted_h(periods.spans([day], 0, 24, zone)) == [hours], name


def test_a_day_that_skips_the_hours_is_none_of_the_period() -> None:
    """Of four Sundays three have an hour from two to three."""
    assert lasted_h(periods.spans(periods.days("weekday", date(2026, 4, 12)), 2, 3, BERLIN)) == [1.0] * 3
