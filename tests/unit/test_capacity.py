"""Places that come from counters: what is offered can be booked, and no counter has two visits at once."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given, settings, strategies as st

from branchloop.clock import HOUR_MS, MINUTE_MS, from_ms
from branchloop.errors import ConfigError
from branchloop.site.site import Site, parse_site
from hub.loop.capacity import TICK_MS, Staffed, Visit, arrange, free_for, open_now, slots, staffed, ticks

SERVICES = ("cash", "loan", "fund")
SITE = """
id = "north"
name = {{ en = "North", zh = "北" }}
timezone = "{zone}"
plan = {{ width_m = 5, height_m = 5 }}
{more}
[[service]]
id = "loan"
name = {{ en = "Loans", zh = "贷款" }}
minutes = {minutes}
slot_minutes = {step}
[[service]]
id = "cash"
name = {{ en = "Cash", zh = "现金" }}
minutes = 10
[[counter]]
id = "c1"
name = {{ en = "One", zh = "一" }}
services = ["cash", "loan"]
{hours}
[[counter]]
id = "c2"
name = {{ en = "Two", zh = "二" }}
services = ["loan"]
"""


def site_of(
    more: str = "", hours: str = "", zone: str = "Asia/Shanghai", minutes: int = 30, step: int = 30
) -> Site:
    return parse_site(SITE.format(more=more, hours=hours, zone=zone, minutes=minutes, step=step))


counters = st.lists(
    st.builds(
        Staffed,
        counter=st.integers(0, 999).map("c{}".format),
        services=st.frozensets(st.sampled_from(SERVICES), min_size=1),
        spans_ms=st.just(((0, 4 * HOUR_MS),)) | st.just(((0, HOUR_MS), (2 * HOUR_MS, 4 * HOUR_MS))),
    ),
    max_size=6,
    unique_by=lambda each: each.counter,
)
wishes = st.lists(st.tuples(st.sampled_from(SERVICES), st.integers(0, 47), st.integers(1, 90)), max_size=30)
"""A service, a start in ticks, and a length in minutes."""


@given(counters, wishes)
def test_what_is_offered_can_be_booked_one_after_another(
    open_counters: list[Staffed], booked: list[tuple[str, int, int]]
) -> None:
    """Whatever was booked before; and a matching of visits to counters that knows everything finds no more."""
    visits: list[Visit] = []
    for number, (service, start, minutes) in enumerate(booked):
        start_ms, end_ms = start * TICK_MS, start * TICK_MS + minutes * MINUTE_MS
        taken = arrange(open_counters, visits).taken
        offered = len(free_for(open_counters, taken, service, start_ms, end_ms))
        assert offered == _most(open_counters, visits, service, start_ms, end_ms)
        trial = list(visits)
        for more in range(offered):
            found = free_for(open_counters, arrange(open_counters, trial).taken, service, start_ms, end_ms)
            assert len(found) == offered - more
            trial.append(Visit(f"t{more}", service, start_ms, end_ms, found[0]))
        assert free_for(open_counters, arrange(open_counters, trial).taken, service, start_ms, end_ms) == []
        assert arrange(open_counters, trial).stranded == ()
        if offered:
            visits.append(Visit(f"v{number}", service, start_ms, end_ms, trial[len(visits)].counter))
    held = [(visit.counter, tick) for visit in visits for tick in ticks(visit.start_ms, visit.end_ms)]
    assert len(held) == len(set(held))


def _most(open_counters: list[Staffed], visits: list[Visit], service: str, start_ms: int, end_ms: int) -> int:
    """The largest matching of further visits to counters, by augmenting paths."""
    edges = [
        each.counter
        for each in open_counters
        if each.can(service, start_ms, end_ms)
        and not any(
            visit.counter == each.counter
            and set(ticks(visit.start_ms, visit.end_ms)) & set(ticks(start_ms, end_ms))
            for visit in visits
        )
    ]
    owner: dict[str, int] = {}

    def place(visit: int, seen: set[str]) -> bool:
        for counter in edges:
            if counter not in seen:
                seen.add(counter)
                if counter not in owner or place(owner[counter], seen):
                    owner[counter] = visit
                    return True
        return False

    return sum(place(visit, set()) for visit in range(len(open_counters) + 1))


@given(counters, st.permutations(SERVICES))
def test_whoever_can_do_more_stays_free(open_counters: list[Staffed], services: list[str]) -> None:
    found = free_for(open_counters, {}, services[0], 0, HOUR_MS)
    skills = {each.counter: len(each.services) for each in open_counters}
    assert [skills[each] for each in found] == sorted(skills[each] for each in found)


@given(counters, counters, wishes)
def test_nothing_is_lost_when_the_counters_change(
    before: list[Staffed], after: list[Staffed], wanted: list[tuple[str, int, int]]
) -> None:
    """Every visit is on exactly one counter that can take it, or stranded; and none twice in a tick."""
    visits: list[Visit] = []
    for number, (service, start, minutes) in enumerate(wanted):
        start_ms, end_ms = start * TICK_MS, start * TICK_MS + minutes * MINUTE_MS
        found = free_for(before, arrange(before, visits).taken, service, start_ms, end_ms)
        visits.append(Visit(f"v{number}", service, start_ms, end_ms, found[0] if found else None))
    arranged = arrange(after, visits)
    able = {each.counter: each for each in after}
    seen: set[tuple[str, int]] = set()
    for visit in visits:
        if visit.appointment in arranged.stranded:
            assert visit.appointment not in arranged.assigned
            continue
        counter = arranged.assigned.get(visit.appointment, visit.counter)
        assert counter is not None
        assert able[counter].can(visit.service, visit.start_ms, visit.end_ms)
        mine = {(counter, tick) for tick in ticks(visit.start_ms, visit.end_ms)}
        assert not mine & seen
        seen |= mine
    assert seen == {(counter, tick) for counter, taken in arranged.taken.items() for tick in taken}


@settings(max_examples=150)
@given(
    st.sampled_from(["Asia/Shanghai", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.dates(date(2030, 1, 1), date(2031, 12, 31)),
    st.sampled_from(["", 'hours = { mon = "00:00-24:00", sun = "01:00-05:00,06:00-24:00" }']),
    st.sampled_from(["", 'hours = { sun = "02:15-10:00", mon = "23:00-24:00" }']),
    st.sampled_from([10, 25, 60, 115]),
)  # fmt: skip
def test_no_slot_ends_after_closing_or_outside_a_counters_hours(
    zone: str, day: date, more: str, hours: str, minutes: int
) -> None:
    """Also on days of 23 and 25 hours and in zones of half hours."""
    site = site_of(more, hours, zone, minutes, 25)
    spans = site.open_spans_ms(day)
    on = staffed(site, day)
    for counter in on:
        for start_ms, end_ms in counter.spans_ms:
            assert any(opens <= start_ms < end_ms <= closes for opens, closes in spans)
    found = slots(site, site.services[0], day, on, {})
    assert [slot.start_ms for slot in found] == sorted({slot.start_ms for slot in found})
    for slot in found:
        assert slot.end_ms - slot.start_ms == minutes * MINUTE_MS
        assert any(opens <= slot.start_ms and slot.end_ms <= closes for opens, closes in spans)
        assert from_ms(slot.start_ms, site.zone_info).date() == day
        assert 1 <= slot.free == slot.places <= 2


def test_a_day_of_23_and_one_of_25_hours() -> None:
    site = site_of(zone="Europe/Berlin", minutes=60, step=60)
    lengths = [
        len(slots(site, site.services[0], day, staffed(site, day), {}))
        for day in (date(2030, 3, 31), date(2030, 3, 30), date(2030, 10, 27))
    ]
    assert lengths == [23, 24, 25]


def test_holidays_and_special_hours_are_the_counters_too() -> None:
    more = (
        'closed_on = [2030-03-05]\nspecial_hours = { "2030-03-06" = "10:00-11:00" }\nhours = { tue = "09:00-17:00", '
        'wed = "09:00-17:00" }'
    )
    site = site_of(more, 'hours = { tue = "09:00-12:00", wed = "09:00-10:30" }')
    tuesday = date(2030, 3, 5)
    assert slots(site, site.services[0], tuesday, staffed(site, tuesday), {}) == []
    wednesday = tuesday + timedelta(days=1)
    found = slots(site, site.services[0], wednesday, staffed(site, wednesday), {})
    assert [slot.places for slot in found] == [2, 1]
    week = slots(
        site, site.services[0], tuesday + timedelta(days=7), staffed(site, tuesday + timedelta(days=7)), {}
    )
    assert [slot.places for slot in week] == [2] * 6 + [1] * 10


def test_a_counter_that_serves_nothing_of_the_site_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'gold'.*no service of this site"):
        parse_site(
            SITE.format(more="", hours="", zone="UTC", minutes=30, step=30).replace('["loan"]', '["gold"]')
        )
    with pytest.raises(ConfigError, match="not a weekday"):
        site_of(hours='hours = { someday = "09:00-10:00" }')
    with pytest.raises(ConfigError, match="not opening hours"):
        site_of(hours='hours = { mon = "soon" }')


def test_counters_that_are_staffed_now_count_for_the_wait() -> None:
    site = site_of(hours='hours = { mon = "09:00-12:00" }', zone="UTC")
    monday_ms = 1_900_000_000_000 // (24 * HOUR_MS) * 24 * HOUR_MS
    while from_ms(monday_ms).weekday() != 0:
        monday_ms += 24 * HOUR_MS
    loan, cash = site.services
    seen = [
        (open_now(site, loan, monday_ms + hour * HOUR_MS), open_now(site, cash, monday_ms + hour * HOUR_MS))
        for hour in (8, 10)
    ]
    assert seen == [(1, 0), (2, 1)]


def test_ticks_cover_what_they_touch() -> None:
    for start, length in itertools.product(range(0, 12 * MINUTE_MS, MINUTE_MS), (1, 5, 7, 10)):
        found = ticks(start, start + length * MINUTE_MS)
        assert found[0] <= start < found[0] + TICK_MS
        assert found[-1] < start + length * MINUTE_MS <= found[-1] + TICK_MS
