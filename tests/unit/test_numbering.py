"""How long a number means one person: kiosk and hub agree on it, on days of any length."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from branchloop.clock import HOUR_MS, from_ms, to_ms
from branchloop.numbering import APART_MS, meant_ms

ZONES = [ZoneInfo(name) for name in ("Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana")]  # fmt: skip
YEAR_MS = to_ms(datetime.fromisoformat("2026-01-01T00:00:00Z"))


@given(st.sampled_from(ZONES), st.integers(0, 365 * 24 * 60), st.integers(1, 30 * 60))
def test_of_two_tickets_either_tells_of_the_other(zone: ZoneInfo, minute: int, apart: int) -> None:
    """In whatever order a hub hears of them; they are of one day or few hours apart."""
    first_ms = YEAR_MS + minute * 60_000 + 1
    second_ms = first_ms + apart * 60_000 - 1
    near = second_ms - first_ms < APART_MS
    same_day = from_ms(first_ms, zone).date() == from_ms(second_ms, zone).date()
    assert (meant_ms(second_ms, zone)[0] <= first_ms) == (second_ms < meant_ms(first_ms, zone)[1])
    assert (meant_ms(second_ms, zone)[0] <= first_ms) == (near or same_day)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)  # fmt: skip
def test_a_day_has_the_hours_that_its_clocks_show(day: str, hours: int) -> None:
    noon_ms = to_ms(datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=ZoneInfo("Europe/Berlin")))
    begin_ms, end_ms = meant_ms(noon_ms, ZoneInfo("Europe/Berlin"))
    assert end_ms - begin_ms == hours * HOUR_MS
