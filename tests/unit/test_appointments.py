"""An appointment's rules: steps, slots, masked names."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, strategies as st

from branchloop.clock import MINUTE_MS, from_ms
from branchloop.errors import ConflictError, InputError
from branchloop.site.site import Site, parse_site
from branchloop.waiting import expected_wait_s
from hub.loop.appointments import after, arrival_window_ms, done_already, masked, service_of, slots

SITE = """
id = "north"
name = { en = "North", zh = "北" }
timezone = "Asia/Shanghai"
[hours]
mon = "09:00-12:00,13:00-17:00"
[plan]
width_m = 10
height_m = 8
[[service]]
id = "loan"
name = { en = "Loans", zh = "贷款" }
minutes = 30
slot_minutes = 15
per_slot = 2
"""


@pytest.fixture
def site() -> Site:
    return parse_site(SITE)


def test_slots_fit_into_the_opening_hours(site: Site) -> None:
    monday = date(2026, 11, 23)
    found = slots(site, service_of(site, "loan"), monday, {})
    local = [from_ms(slot.start_ms, site.zone_info).strftime("%H:%M") for slot in found]
    assert local[0] == "09:00"
    assert "11:30" in local
    assert "11:45" not in local  # would end after noon
    assert "13:00" in local
    assert local[-1] == "16:30"
    assert slots(site, service_of(site, "loan"), date(2026, 11, 24), {}) == []


def test_taken_places_are_not_free(site: Site) -> None:
    monday = date(2026, 11, 23)
    first = slots(site, service_of(site, "loan"), monday, {})[0]
    again = slots(site, service_of(site, "loan"), monday, {first.start_ms: 2})[0]
    assert (first.free, again.free) == (2, 0)


def test_an_unknown_service_is_named(site: Site) -> None:
    with pytest.raises(InputError, match=r"no service 'gold'"):
        service_of(site, "gold")


def test_the_arrival_window_is_the_sites(site: Site) -> None:
    assert arrival_window_ms(site, 100 * MINUTE_MS) == (70 * MINUTE_MS, 115 * MINUTE_MS)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("王小明", "王*"), ("  Anna  Schmidt ", "A***"), ("eileen", "E***"), ("欧阳娜娜", "欧*")],
)
def test_names_are_masked(name: str, shown: str) -> None:
    assert masked(name) == shown


@pytest.mark.parametrize("name", ["", "  ", "1234", "a\x00b", "x" * 61, "<b>"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        masked(name)


def test_steps_follow_each_other() -> None:
    assert after("booked", "arrive") == "arrived"
    assert after("arrived", "call") == "called"
    assert after("called", "serve") == "served"
    with pytest.raises(ConflictError, match="is served; it cannot cancel"):
        after("served", "cancel")
    assert done_already("called", "call")
    assert not done_already("arrived", "call")


@given(st.integers(0, 50), st.integers(1, 9), st.integers(0, 9), st.floats(1, 3600))
def test_a_wait_grows_with_the_queue_and_falls_with_counters(
    ahead: int, counters: int, busy: int, mean_s: float
) -> None:
    busy = min(busy, counters)
    wait = expected_wait_s(ahead, counters, busy, mean_s)
    assert wait is not None
    assert wait >= 0
    more = expected_wait_s(ahead + 1, counters, busy, mean_s)
    fewer = expected_wait_s(ahead, counters + 1, busy, mean_s)
    assert more is not None
    assert fewer is not None
    assert fewer <= wait <= more
    if ahead < counters - busy:
        assert wait == 0


def test_a_wait_that_cannot_be_told_is_absent() -> None:
    assert expected_wait_s(3, 0, 0, 600) is None
    assert expected_wait_s(3, 2, 0, None) is None
    assert expected_wait_s(0, 1, 1, 600) == 600
    assert expected_wait_s(2, 2, 2, 600) == 900
