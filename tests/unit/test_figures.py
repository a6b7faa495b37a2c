"""Figures from sums: what was not measured is None, a gap is a gap, and nothing is counted twice."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hubworld import SITE

from branchloop.clock import HOUR_MS, MINUTE_MS, bucket_end_ms, bucket_start_ms
from branchloop.errors import InputError
from branchloop.site.site import Plan, Site, parse_site
from hub.api import figures
from hub.store.branches.opening import Hours
from hub.store.figures.stretch import Kept, buckets
from hub.store.figures.sums import Level

DAY_MS = 24 * HOUR_MS
LATER_MS = 4_000_000_000_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def site(zone: str = "Asia/Kolkata", hours: str = "") -> Site:
    text = SITE.format(id="hall", zone=zone)
    days = "\n".join(f'{day} = "{hours}"' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    return parse_site(text + (f"\n[hours]\n{days}\n" if hours else ""))


@pytest.mark.parametrize("level", ["minute", "hour", "day"])
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"])
def test_where_everything_was_observed_there_is_no_gap(zone: str, level: Level) -> None:
    """In zones of half and quarter hours too, and over changes of the clocks."""
    branch = site(zone)
    start = bucket_start_ms(ms("2026-04-01T12:00:00+00:00"), "day", branch.zone_info)
    span = (start, bucket_end_ms(start + 6 * DAY_MS, "day", branch.zone_info))
    observed = {part[0] for part in buckets(span, level, branch.zone_info)}
    opening = Hours.always(branch).spans(span)
    assert figures.gaps(branch, opening, LATER_MS, observed, level) == []
    missing = sorted(observed)[3]
    end = bucket_end_ms(missing, level, branch.zone_info)
    assert figures.gaps(branch, opening, LATER_MS, observed - {missing}, level) == [(missing, end)]


def test_gaps_are_opening_time_up_to_now() -> None:
    """Nothing observed: the gap of each day is its opening time, and the future is none."""
    branch = site(hours="09:00-12:00,13:00-17:00")
    start = ms("2026-03-02T00:00:00+05:30")
    opening = Hours.always(branch).spans((start, start + 2 * DAY_MS))
    found = figures.gaps(branch, opening, start + 10 * HOUR_MS + 90_500, set(), "minute")
    assert found == [(start + 9 * HOUR_MS, start + 10 * HOUR_MS + MINUTE_MS)]
    found = figures.gaps(branch, opening, LATER_MS, set(), "hour")
    assert [((a - start) // HOUR_MS, (b - start) // HOUR_MS) for a, b in found] == [
        (9, 12), (13, 17), (33, 36), (37, 41),
    ]  # fmt: skip


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_is_open_as_long_as_it_lasts(day: str, hours: int) -> None:
    """A branch that never closes is open for 23 or 25 hours when the clocks change."""
    branch = site("Europe/Berlin")
    start = bucket_start_ms(ms(f"{day}T12:00:00+01:00"), "day", branch.zone_info)
    span = (start, bucket_end_ms(start, "day", branch.zone_info))
    assert figures.overlap_ms(Hours.always(branch).spans(span), span) == hours * HOUR_MS


def test_overlap_with_opening_time() -> None:
    """Of a part before, within, over and after the spans."""
    spans = [(10, 20), (30, 40)]
    parts = [(0, 10), (12, 15), (10, 20), (15, 35), (0, 99), (40, 50), (20, 30), (35, 35)]
    assert [figures.overlap_ms(spans, part) for part in parts] == [0, 3, 10, 10, 20, 0, 0, 0]
    assert figures.overlap_ms([], (0, 10)) == 0


@pytest.mark.parametrize(
    ("opened", "windows", "observed", "expected", "open_observed", "wanted"),
    [
        (60_000, 60_000, 30_000, 60_000, 30_000, 0.5),
        (60_000, 60_000, 60_000, 120_000, 60_000, 0.5),
        (60_000, 30_000, 60_000, 60_000, 60_000, 0.5),
        (60_000, 0, 0, 0, 0, 0.0),
        (60_000, 70_000, 70_000, 70_000, 70_000, 1.0),
        (60_000, 0, 60_000, 0, 60_000, None),
        (0, 60_000, 15_000, 60_000, 0, 0.25),
        (0, 60_000, 0, 60_000, 0, None),
        (0, 0, 0, 0, 0, None),
    ],
)
def test_coverage(
    opened: int, windows: int, observed: int, expected: int, open_observed: int, wanted: float | None
) -> None:
    """Of the opening time so far by every camera there was; of what was stored when closed; unknown without either."""
    assert figures.coverage(opened, windows, observed, expected, open_observed) == wanted


def test_means_are_over_the_observed_time() -> None:
    """Two people in the quarter that was seen are two people; nothing seen is no number."""
    assert figures.mean_people(30_000, 15_000) == 2.0
    assert figures.mean_people(0, 60_000) == 0.0
    assert figures.mean_people(0, 0) is None
    assert figures.total([None, None]) is None
    assert figures.total([None, 0, 3]) == 3


def test_stretches_are_snapped_outwards() -> None:
    """To whole minutes; endless ones are refused."""
    assert figures.snap(61_000, 119_999, 1) == (60_000, 120_000)
    assert figures.snap(60_000, 120_000, 1) == (60_000, 120_000)
    assert figures.snap(0, 25 * HOUR_MS, 1) == (0, 25 * HOUR_MS)
    with pytest.raises(InputError):
        figures.snap(0, 27 * HOUR_MS, 1)


def test_what_is_gone_is_told_by_what_is_left() -> None:
    """Ten past nine becomes nine where the minutes are gone; asking for those minutes is refused."""
    branch = site()
    start = ms("2026-03-02T00:00:00+05:30")
    span = (start + 9 * HOUR_MS + 10 * MINUTE_MS, start + 10 * HOUR_MS + 20 * MINUTE_MS)
    kept = Kept(start + DAY_MS, start)
    assert figures.tellable(branch, span, kept) == (start + 9 * HOUR_MS, start + 11 * HOUR_MS)
    assert figures.gap_level(span, kept) == "hour"
    assert figures.tellable(branch, span, Kept(start + DAY_MS, start + DAY_MS)) == (start, start + DAY_MS)
    assert figures.tellable(branch, span, Kept(), "minute") == span
    with pytest.raises(InputError, match="by minute are no longer kept before 2026-03-02T18:30"):
        figures.tellable(branch, span, kept, "minute")


def test_coarser_cells_hold_the_same_people() -> None:
    """Cells are added up; at the border they hold what remains; other sizes are refused."""
    cells = np.arange(15, dtype=np.int64).reshape(3, 5)
    coarse = figures.coarse(cells, 2)
    assert coarse.tolist() == [[0 + 1 + 5 + 6, 2 + 3 + 7 + 8, 4 + 9], [10 + 11, 12 + 13, 14]]
    plan = Plan(width_m=5, height_m=3, cell_m=0.1)
    assert figures.factor(plan, None) == 1
    assert figures.factor(plan, 0.3) == 3
    assert figures.factor(plan, 100) == 50
    for odd in (0.25, 0.05, 0.1001):
        with pytest.raises(InputError, match="whole multiple"):
            figures.factor(plan, odd)
