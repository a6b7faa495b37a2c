"""The funnel as it is shown: the API's own numbers, and nothing where nothing is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from branchloop.text.catalogue import Language, say
from dashboard import funnel
from hub.loop.journey import STAGES, Channel


def answer(**counts: int | None) -> dict[str, Any]:
    stages = [
        {
            "stage": stage,
            "journeys": counts.get(stage, 0),
            "conversion": None,
            "median_s": None,
            "absent": None,
        }
        for stage in STAGES
    ]
    group = {
        "group": "card", "stages": stages, "cancelled": 1, "no_show": 0.25, "cost_per_served": None
    }  # fmt: skip
    return {"total": group, "groups": [group], "currency": "CNY", "by": "channel"}


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_every_stage_has_its_number_and_a_bar_from_zero(spoken: Language) -> None:
    html = funnel.table(answer(booked=40, served=10)["total"], spoken)
    assert html.count("<tr>") == len(STAGES) + 1
    assert "<td>40</td>" in html
    assert "width:100.0%" in html
    assert "width:25.0%" in html


def test_what_is_not_told_is_no_zero_and_has_no_bar() -> None:
    html = funnel.table(answer(booked=None)["total"], "en")
    assert "withheld" in html
    assert html.count("bl-bar") == len(STAGES) - 1


def test_a_period_that_was_widened_to_whole_weeks_is_told_as_it_is() -> None:
    """Of seven days that head office asks for it is told two weeks, the second not over; who gets what they asked reads nothing."""
    zone = ZoneInfo("Asia/Shanghai")
    start, until = (
        datetime.fromisoformat("2026-11-20T04:00:00Z"),
        datetime.fromisoformat("2026-11-27T04:00:00Z"),
    )

    def weeks(first: str, end: str, spoken: Language = "en") -> str:
        return funnel.weeks({"from": first, "to": end}, start, until, zone, spoken)

    assert weeks("2026-11-20T04:00:00.000Z", "2026-11-27T04:00:00.000Z") == ""
    told = weeks("2026-11-15T16:00:00.000Z", "2026-11-29T16:00:00.000Z")
    assert "Whole weeks" in told
    assert "2026-11-16 to 2026-11-29, the last of which is not over yet" in told
    assert "2026-11-16 至 2026-11-29，最后一周尚未结束" in weeks(
        "2026-11-15T16:00:00.000Z", "2026-11-29T16:00:00.000Z", "zh"
    )
    assert "over yet" not in weeks("2026-11-15T16:00:00.000Z", "2026-11-22T16:00:00.000Z")


def test_what_nobody_records_is_not_measured() -> None:
    told = answer(impression=None)["total"]
    told["stages"][0]["absent"] = "not_recorded"
    assert "not measured" in funnel.table(told, "en")


def test_tiles_say_why_there_is_no_cost() -> None:
    tiles = "".join(funnel.figures(answer(served=3), "en"))
    assert "25 %" in tiles
    assert "no costs are entered" in tiles


def test_a_group_that_is_not_known_says_so() -> None:
    told = answer(booked=7)
    told["groups"][0]["group"] = "unknown"
    assert "not known" in funnel.groups_table(told, "en", {})
    assert "<td>7</td>" in funnel.groups_table(told, "en", {})


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_groups_have_the_names_that_people_use(spoken: Language) -> None:
    """Every channel in words, services by the branch's names; a scene by its own."""
    told = answer(booked=7)
    for channel in get_args(Channel):
        told["groups"][0]["group"] = channel
        assert f">{say(f'journeys.channel.{channel}', spoken)}<" in funnel.groups_table(told, spoken, {})
    told["groups"][0]["group"], told["by"] = "account", "service"
    assert ">Open an account<" in funnel.groups_table(told, spoken, {"account": "Open an account"})
    assert ">account<" in funnel.groups_table(told, spoken, {})
    told["groups"][0]["group"], told["by"] = "card", "scene"
    assert ">card<" in funnel.groups_table(told, spoken, {"card": "a service of this id"})
