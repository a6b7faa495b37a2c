"""In − out by day, of branches that are open round the clock on some days or on all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hubworld import world
from test_api import get
from test_quality import PARTS, Box, day_of, minutes, opened_day

from branchloop.clock import HOUR_MS, iso, local_day_start_ms


def test_a_day_without_a_closing_hides_no_other(tmp_path: Path) -> None:
    """Open round the clock yesterday, as of today: the days before that did close are told all the same."""
    name = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    with world(tmp_path, parts=PARTS) as made:
        yesterday, today = (name[day_of(made.config.sites["hall"], back).weekday()] for back in (1, 0))
    parts = PARTS
    for day in (yesterday, today):
        parts = parts.replace(f'{day} = "09:00-17:00"', f'{day} = "00:00-24:00"')
    (tmp_path / "other").mkdir()
    with world(tmp_path / "other", parts=parts) as made:
        site = made.config.sites["hall"]
        Box(made).send(
            *opened_day(site, 3, 30, 30), *opened_day(site, 2, 30, 30), *opened_day(site, 1, 0, 0)[:60]
        )
        balance = get(made, "/hall/quality", made.token("auditor"), days="7").json()["balance"]
    found = {each["from"]: (each["outcome"], each["reason"]) for each in balance}
    days = {back: iso(local_day_start_ms(day_of(site, back), site.zone_info)) for back in (3, 2, 1)}
    assert found[days[1]] == ("unknown", "never_closes")
    assert found[days[2]] == ("ok", None)


def test_a_branch_that_never_closes_says_so_once(tmp_path: Path) -> None:
    """One line for all days, not none."""
    with world(tmp_path, parts=PARTS.replace("09:00-17:00", "00:00-24:00")) as made:
        site = made.config.sites["hall"]
        start_ms = local_day_start_ms(day_of(site, 3), site.zone_info)
        Box(made).send(*minutes(start_ms - HOUR_MS, start_ms + 50 * HOUR_MS, 0))
        balance = get(made, "/hall/quality", made.token("auditor"), days="7").json()["balance"]
    assert [each["reason"] for each in balance] == ["never_closes"]


@pytest.mark.parametrize(
    ("hours", "found"),
    [
        ("00:00-02:00,20:00-24:00", [("unknown", "open_at_midnight")]),
        ("08:00-24:00", [("ok", None), ("ok", None)]),
    ],
)
def test_a_branch_open_at_midnight_is_told_from_one_that_closes_then(
    tmp_path: Path, hours: str, found: list[tuple[str, str | None]]
) -> None:
    """Neither is open round the clock: one is open over midnight, the other comes to zero at it."""
    with world(tmp_path, parts=PARTS.replace("09:00-17:00", hours)) as made:
        site = made.config.sites["hall"]
        start_ms = local_day_start_ms(day_of(site, 2), site.zone_info)
        door = {"lines": [{"line": "door", "in": 1, "out": 1}]}
        Box(made).send(*minutes(start_ms - HOUR_MS, start_ms + 48 * HOUR_MS, 0, **door))
        balance = get(made, "/hall/quality", made.token("auditor"), days="7").json()["balance"]
    assert [(each["outcome"], each["reason"]) for each in balance] == found
