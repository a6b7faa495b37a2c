"""Local buckets cover time once, and a stretch is told from those that retention has left."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from branchloop.clock import BUCKETS, HOUR_MS, MINUTE_MS, bucket_end_ms, bucket_start_ms
from hub.store.figures.stretch import Kept, buckets, is_whole, runs, widened

DAY_MS = 24 * HOUR_MS
ZONES = ["Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "UTC"]
KOLKATA = ZoneInfo("Asia/Kolkata")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


@given(st.integers(1_600_000_000_000, 1_900_000_000_000), st.sampled_from(ZONES), st.sampled_from(BUCKETS))
def test_buckets_are_a_partition(t_ms: int, name: str, bucket: str) -> None:
    """Every moment of a bucket has its start and end, and the next bucket begins where it ends."""
    zone = ZoneInfo(name)
    start, end = bucket_start_ms(t_ms, bucket, zone), bucket_end_ms(t_ms, bucket, zone)
    assert start <= t_ms < end
    for inside in (start, (start + end) // 2, end - 1):
        assert bucket_start_ms(inside, bucket, zone) == start
        assert bucket_end_ms(inside, bucket, zone) == end
    assert bucket_start_ms(end, bucket, zone) == end


def test_where_clocks_move_by_half_an_hour_no_minute_is_in_two_hours() -> None:
    """At 02:00 clocks go back to 01:30: an hour of 60 minutes and one of 30 minutes follow each other."""
    zone = ZoneInfo("Australia/Lord_Howe")
    start = ms("2026-04-05T01:00:00+11:00")
    hours = buckets((start, start + 150 * MINUTE_MS), "hour", zone)
    assert [(end - begin) // MINUTE_MS for begin, end in hours] == [60, 30, 60]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_is_read_as_a_day(day: str, hours: int) -> None:
    """23, 24 or 25 hours: one roll-up of the day, or all of its hours, none twice."""
    zone = ZoneInfo("Europe/Berlin")
    start = bucket_start_ms(ms(f"{day}T12:00:00+01:00"), "day", zone)
    span = (start, bucket_end_ms(start, "day", zone))
    assert runs(span, zone, Kept()) == [("day", *span)]
    assert len(buckets(span, "hour", zone)) == hours


@given(
    st.integers(28_000_000, 29_000_000), st.integers(1, 6_000), st.sampled_from(ZONES),
    st.integers(0, 40), st.integers(0, 40),
)  # fmt: skip
def test_runs_cover_a_stretch_once_and_from_what_is_kept(
    first_min: int, length_min: int, name: str, minute_age_d: int, hour_age_d: int
) -> None:
    """Whatever was pruned: the runs of a widened stretch join, hold it, and read nothing that is gone."""
    zone = ZoneInfo(name)
    span = (first_min * MINUTE_MS, (first_min + length_min) * MINUTE_MS)
    hour_ms = span[1] + DAY_MS - (hour_age_d + minute_age_d) * DAY_MS // 4
    kept = Kept(span[1] + DAY_MS - minute_age_d * DAY_MS // 4, hour_ms).of(zone)
    told = widened(span, zone, kept)
    assert told[0] <= span[0] < span[1] <= told[1]
    found = runs(told, zone, kept)
    assert [found[0][1], found[-1][2]] == list(told)
    assert all(a[2] == b[1] for a, b in pairwise(found))
    assert all(kept.has(level, start) for level, start, _ in found)


def test_marks_of_other_zones_are_taken_by_the_day() -> None:
    """A mark in the middle of a local day counts for the whole of it: half a day is never told."""
    midnight = ms("2026-03-02T00:00:00+05:30")
    assert Kept(midnight, midnight + 1).of(KOLKATA) == Kept(midnight, midnight + DAY_MS)
    assert Kept().of(KOLKATA) == Kept()


def test_borders_of_a_stretch_may_be_parts_of_buckets() -> None:
    """From 09:20 to 11:10: a part, a whole hour and a part."""
    start = ms("2026-03-02T09:20:00+05:30")
    parts = buckets((start, start + 110 * MINUTE_MS), "hour", KOLKATA)
    assert [(b - a) // MINUTE_MS for a, b in parts] == [40, 60, 10]
    assert [is_whole(part, "hour", KOLKATA) for part in parts] == [False, True, False]
