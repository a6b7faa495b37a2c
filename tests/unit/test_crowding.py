"""Crowding: what history teaches, what today corrects, and when nothing is told."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS, to_ms
from branchloop.site.site import Place
from hub.bench.crowding import measure, steer
from hub.loop.crowding import Hour, Live, Profile, blend, extra_people, learn, live, look, pressure
from hub.loop.nearby import distance_km

ZONE = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 3, 2)
NOW = to_ms(datetime(2026, 4, 13, 8, tzinfo=ZONE))
"""A Monday, six weeks after the first one."""


def history(people: dict[tuple[int, int], float], weeks: int = 6, zone: ZoneInfo = ZONE) -> list[Hour]:
    """The same week again and again, newest last."""
    return [
        Hour(to_ms(datetime(day.year, day.month, day.day, hour, tzinfo=zone)), count, 1.0)
        for week in range(6 - weeks, 6)
        for (weekday, hour), count in people.items()
        for day in [MONDAY + timedelta(days=7 * week + weekday)]
    ]


WEEK = {(day, hour): 4.0 + 3 * hour % 11 + day for day in range(5) for hour in range(9, 17)}


def taught(weeks: int = 6) -> Profile:
    profile = learn(history(WEEK, weeks), NOW, ZONE, 40.0)
    assert profile is not None
    return profile


def at(weekday: int, hour: int, minute: int = 0) -> int:
    day = date(2026, 4, 13) + timedelta(days=weekday)
    return to_ms(datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE))


def test_thin_history_tells_nothing() -> None:
    assert learn([], NOW, ZONE, 40.0) is None
    assert learn(history(WEEK, 1), NOW, ZONE, 40.0) is None
    assert learn(history(WEEK, 2), NOW, ZONE, 0.0) is None
    profile = learn(history(WEEK, 2), NOW, ZONE, 40.0)
    assert profile is not None
    assert profile.weeks == 2


def test_a_steady_branch_is_told_as_it_is() -> None:
    profile = taught()
    for (weekday, hour), people in WEEK.items():
        told = profile.expect(at(weekday, hour), at(weekday, hour) + HOUR_MS, ZONE)
        assert told.people == pytest.approx(people, rel=0.12)
        assert told.low <= told.people <= told.high


def test_levels_are_terciles_of_the_branchs_own_hours() -> None:
    profile = taught()
    told = [profile.level(people) for people in WEEK.values()]
    for level in ("quiet", "usual", "busy"):
        assert told.count(level) == pytest.approx(len(WEEK) / 3, abs=len(WEEK) * 0.15)
    assert profile.level(min(WEEK.values()) - 1) == "quiet"
    assert profile.level(max(WEEK.values())) == "busy"


def test_a_branch_that_is_always_the_same_is_usual() -> None:
    profile = learn(history(dict.fromkeys(WEEK, 7.0)), NOW, ZONE, 40.0)
    assert profile is not None
    assert {profile.expect(at(0, hour), at(0, hour) + HOUR_MS, ZONE).level for hour in range(9, 17)} == {
        "usual"
    }


def test_an_hour_seen_once_leans_on_the_hour_of_the_day() -> None:
    hours = [
        each for each in history(WEEK) if datetime.fromtimestamp(each.start_ms / 1000, ZONE).weekday() != 4
    ]
    friday = to_ms(datetime(2026, 4, 10, 10, tzinfo=ZONE))
    profile = learn([*hours, Hour(friday, 100.0, 1.0)], NOW, ZONE, 40.0)
    assert profile is not None
    mean = sum(WEEK[day, 10] for day in range(4)) / 4
    assert mean < profile.cells[4, 10] < 80.0


def test_newer_weeks_count_more() -> None:
    quiet, busy = history(dict.fromkeys(WEEK, 4.0), 6)[:200], history(dict.fromkeys(WEEK, 12.0), 6)[200:]
    profile = learn([*quiet, *busy], NOW, ZONE, 40.0)
    assert profile is not None
    told = profile.expect(at(0, 10), at(0, 11), ZONE)
    assert told.people > sum(each.people for each in [*quiet, *busy]) / len([*quiet, *busy])


def test_what_is_measured_now_moves_the_next_hours_and_fades() -> None:
    profile = taught()
    now_ms = at(0, 10, 30)
    busy = live([(now_ms, 2 * profile.usual(now_ms, ZONE), 1.0)], profile, ZONE)
    assert busy is not None
    ratios = []
    for ahead in (0, 1, 3, 5):
        start_ms = now_ms + ahead * HOUR_MS
        told = profile.expect(start_ms, start_ms + HOUR_MS, ZONE, busy)
        usual = profile.expect(start_ms, start_ms + HOUR_MS, ZONE)
        ratios.append((told.people + 1) / (usual.people + 1))
    assert ratios[0] > 1.15
    assert ratios == sorted(ratios, reverse=True)
    assert all(ratio >= 1 for ratio in ratios)
    tomorrow = profile.expect(at(1, 10), at(1, 11), ZONE, busy)
    assert tomorrow == profile.expect(at(1, 10), at(1, 11), ZONE)


def test_nothing_measured_corrects_nothing() -> None:
    assert live([], taught(), ZONE) is None


def test_the_interval_is_narrower_just_ahead_than_far_ahead() -> None:
    profile = taught()
    now_ms = at(0, 10)
    same = Live(profile.centre, now_ms)
    near = profile.expect(now_ms, now_ms + HOUR_MS, ZONE, same)
    far = profile.expect(now_ms + 5 * HOUR_MS, now_ms + 6 * HOUR_MS, ZONE, same)
    assert math.log((near.high + 1) / (near.low + 1)) < math.log((far.high + 1) / (far.low + 1))


def test_the_book_fills_hours_that_nobody_measured() -> None:
    measured = {hour * HOUR_MS: (10.0, 1.0) for hour in range(20)}
    queued = {hour * HOUR_MS: 5.0 for hour in range(25)}
    found = {each.start_ms: each for each in blend(measured, queued)}
    assert found[22 * HOUR_MS] == Hour(22 * HOUR_MS, 10.0, 0.5)
    assert found[0] == Hour(0, 10.0, 1.0)


def test_the_book_alone_counts_nobody() -> None:
    """How many people a customer of the book stands for is not known: what is not measured is absent."""
    assert blend({}, {hour * HOUR_MS: 5.0 for hour in range(100)}) == []


def test_bookings_beyond_the_usual_add_people_and_missing_ones_fade_with_distance() -> None:
    assert extra_people(5.0, 2.0, 100.0) == pytest.approx(2.7)
    assert extra_people(0.0, 2.0, 0.0) == pytest.approx(-1.8)
    assert extra_people(0.0, 2.0, 48.0) == pytest.approx(0.0, abs=0.05)
    assert pressure(5.0, 3.0, 1.0) > pressure(5.0, 1.0, 1.0)
    assert look(0, HOUR_MS // 2) == (0, HOUR_MS // 2)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_days_of_23_and_25_hours_keep_the_branchs_clock(day: date) -> None:
    """Ten o'clock is ten o'clock, whatever UTC says."""
    people = {(6, hour): float(hour) for hour in range(24)}
    start = day - timedelta(days=42)
    hours = [
        Hour(to_ms(datetime(each.year, each.month, each.day, hour, tzinfo=BERLIN)), count, 1.0)
        for week in range(6)
        for each in [start + timedelta(days=7 * week)]
        for (_, hour), count in people.items()
    ]
    midnight = to_ms(datetime(day.year, day.month, day.day, tzinfo=BERLIN))
    profile = learn(hours, midnight, BERLIN, 24.0)
    assert profile is not None
    ten = to_ms(datetime(day.year, day.month, day.day, 10, tzinfo=BERLIN))
    assert ten - midnight in {9 * HOUR_MS, 11 * HOUR_MS}
    assert profile.expect(ten, ten + HOUR_MS, BERLIN).people == pytest.approx(10, rel=0.1)


HOURS = st.lists(
    st.builds(
        Hour,
        st.integers(0, 11 * 7 * 24).map(lambda back: NOW - (back + 1) * HOUR_MS),
        st.floats(0, 5_000),
        st.floats(0, 1),
    ),
    max_size=200,
)


@settings(max_examples=200, deadline=None)
@given(
    hours=HOURS,
    start=st.integers(0, 14 * DAY_MS),
    length=st.integers(1, 3 * HOUR_MS),
    ratio=st.floats(-20, 20),
    extra=st.floats(-50, 50),
    zone=st.sampled_from([ZONE, BERLIN, ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_whatever_happened_a_forecast_is_finite_ordered_and_not_negative(
    hours: list[Hour], start: int, length: int, ratio: float, extra: float, zone: ZoneInfo
) -> None:
    profile = learn(hours, NOW, zone, 2.0)
    if profile is None:
        return
    told = profile.expect(NOW + start, NOW + start + length, zone, Live(ratio, NOW), extra)
    assert 0 <= told.low <= told.people <= told.high < math.inf
    assert all(a >= b >= 0 for a, b in zip(profile.memory, profile.memory[1:], strict=False))
    assert profile.quiet_below < profile.busy_from
    assert all(profile.held(a / 4) >= profile.held(a / 4 + 0.25) for a in range(80))


def test_the_great_circle() -> None:
    """Paris to Berlin is 878 km; across the date line is near; a place is not far from itself."""
    paris, berlin = Place(lat_deg=48.8566, lon_deg=2.3522), Place(lat_deg=52.52, lon_deg=13.405)
    assert distance_km(paris, berlin) == pytest.approx(877.5, abs=2)
    assert distance_km(Place(lat_deg=0, lon_deg=179.9), Place(lat_deg=0, lon_deg=-179.9)) == pytest.approx(
        22.2, abs=0.1
    )
    assert distance_km(paris, paris) == 0
    assert distance_km(Place(lat_deg=0, lon_deg=0), Place(lat_deg=0, lon_deg=180)) == pytest.approx(
        20015, abs=1
    )


def test_the_forecast_beats_the_plain_mean_on_days_it_has_not_seen() -> None:
    """Simulated; a smaller run of `branchloop bench loop`."""
    found = measure(2, 2, 7_000_000)
    assert found["15 min"].ratio < 0.85
    assert found["60 min"].ratio < 0.9
    assert found["180 min"].ratio < 1.0
    assert found["next day"].ratio < 1.05
    for errors in found.values():
        assert 0.7 < errors.covered / len(errors.forecast) < 0.9


def test_steering_shortens_waits_and_lowers_the_peak() -> None:
    """Simulated: the same customers, the same counters."""
    found = steer(36, 0.7, 7_000_000)
    assert found["best"].wait_min < found["random"].wait_min < found["earliest"].wait_min
    assert found["best"].peak < found["random"].peak
    assert found["best"].served == pytest.approx(found["random"].served, rel=0.01)


def test_the_same_day_of_demand_is_drawn_again() -> None:
    assert steer(6, 0.7, 3) == steer(6, 0.7, 3)


def test_a_live_moment_of_another_day_is_not_used() -> None:
    profile = taught()
    assert profile.expect(at(1, 9), at(1, 10), ZONE, Live(2.0, at(1, 9) - 15 * HOUR_MS)) == profile.expect(
        at(1, 9), at(1, 10), ZONE
    )
    assert profile.expect(at(1, 9), at(1, 9) + 15 * MINUTE_MS, ZONE).high > 0
