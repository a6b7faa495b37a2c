"""Days and hours to look at, and answers over several of them: what may be added is, by its weight."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboard import periods

ZONE = ZoneInfo("Asia/Shanghai")


def test_periods_are_made_of_days() -> None:
    """Four weekdays, seven days; whole days that touch are one stretch, whose medians can be told."""
    friday = date(2026, 11, 27)
    assert [d.isoformat() for d in periods.days("weekday", friday)] == [
        "2026-11-06", "2026-11-13", "2026-11-20", "2026-11-27",
    ]  # fmt: skip
    week = periods.days("week", friday)
    assert len(week) == 7
    ((start, end),) = periods.spans(week, 0, 24, ZONE)
    assert (start.isoformat(), end.isoformat()) == ("2026-11-21T00:00:00+08:00", "2026-11-28T00:00:00+08:00")
    parts = periods.spans(week, 9, 12, ZONE)
    assert len(parts) == 7
    assert periods.earlier(parts, 7)[-1][0].isoformat() == "2026-11-20T09:00:00+08:00"


def test_a_day_of_a_clock_change_keeps_its_hours() -> None:
    """Nine o'clock is nine o'clock a week before the clocks changed, too."""
    spans = periods.spans([date(2026, 10, 26)], 9, 10, ZoneInfo("Europe/Berlin"))
    (before,) = periods.earlier(spans, 7)
    assert before[0].isoformat() == "2026-10-19T09:00:00+02:00"
    assert spans[0][0].isoformat() == "2026-10-26T09:00:00+01:00"


def test_a_day_that_is_not_over_is_compared_with_as_much() -> None:
    """At 14:22 today is held against last week's day up to 14:22; hours to come against nothing."""
    now = datetime(2026, 11, 27, 14, 22, 41, tzinfo=ZONE)
    day = periods.spans([date(2026, 11, 27)], 0, 24, ZONE)
    ((start, end),) = periods.earlier(periods.so_far(day, now), 7)
    assert (start.isoformat(), end.isoformat()) == ("2026-11-20T00:00:00+08:00", "2026-11-20T14:22:00+08:00")
    assert periods.so_far(periods.spans([date(2026, 11, 27)], 15, 18, ZONE), now) == []
    past = periods.spans([date(2026, 11, 26)], 9, 12, ZONE)
    assert periods.so_far(past, now) == past


def test_only_what_is_known_is_added() -> None:
    """A gap adds nothing and hides nothing; nothing known is no number."""
    answers = [
        {"total": 5.0, "coverage": 0.5, "opened_s": 60.0, "as_of": "2026-11-20T01:00:00Z", "person_seconds": [[1.0, 4.0]]},
        {"total": None, "coverage": None, "opened_s": 0.0, "as_of": None, "person_seconds": [[0.0, 0.0]]},
        {"total": 2.0, "coverage": 1.0, "opened_s": 60.0, "as_of": "2026-11-27T01:00:00Z", "person_seconds": [[2.0, 0.0]]},
    ]  # fmt: skip
    assert periods.total(answers, "total") == 7.0
    assert periods.total(answers[1:2], "total") is None
    assert periods.coverage(answers) == 0.75
    assert periods.as_of(answers) == "2026-11-27T01:00:00Z"
    assert periods.grid(answers, "person_seconds").tolist() == [[3.0, 4.0]]


def test_coverage_of_several_times_goes_by_their_opening_time() -> None:
    """A quarter of an hour of today weighs less than last week's whole day; a closed day weighs nothing."""
    whole, begun, closed = (
        {"coverage": share, "opened_s": opened_s}
        for share, opened_s in ((0.1, 28_800.0), (1.0, 900.0), (0.5, 0.0))
    )
    assert periods.coverage([whole, begun, closed]) == pytest.approx((2_880 + 900) / 29_700)
    assert periods.coverage([whole, begun], [{"coverage": 1.0}, {"coverage": 0.0}]) == pytest.approx(
        28_800 / 29_700
    )
    assert periods.coverage([closed, closed]) == 0.5


def test_times_of_which_no_hours_are_kept_are_told() -> None:
    """The hub answers about the whole day, and the page notices."""
    asked = periods.spans([date(2025, 8, 1)], 9, 12, ZONE)
    hours = {"from": "2025-08-01T01:00:00.000Z", "to": "2025-08-01T04:00:00.000Z"}
    assert not periods.widened([hours], asked)
    assert periods.widened([{**hours, "to": "2025-08-01T16:00:00.000Z"}], asked)
    assert periods.widened([{**hours, "from": "2025-07-31T16:00:00.000Z"}], asked)
