"""Queue and service as shown: the API's own numbers, and words where nothing is told."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from branchloop.text.catalogue import Language, say
from dashboard import service


def row(name: str | None, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "service": name, "name": None if name is None else {"en": name, "zh": f"业务{name}"},
        "came": 1234, "waiting": 3, "serving": 1, "parked": 0, "served": 1200, "left": 30, "sent_on": 77, "left_share": 30 / 1230,
        "missed": 5, "no_show": 0.05, "wait_median_s": 480.0, "wait_p90_s": 900.0, "service_median_s": 300.0,
        "service_p90_s": 660.0, "outcomes": {"done": 1100, "partly": 100}, "expected_wait_s": 480.0,
        "expected_low_s": 300.0, "expected_high_s": 720.0,
        "error": {"waits": 40, "mae_s": 150.0, "covered": 0.79, "no_wait": 12, "no_wait_wrong": 1}, "absent": None,
    }  # fmt: skip
    return {**told, **more}


def answer(**more: Any) -> dict[str, Any]:
    told = {
        "services": [row("Loans")], "total": row(None),
        "floor": [{"id": "q", "name": None, "waiting_now": 4, "joined": 1300, "abandonment": 0.1,
                   "wait_median_s": 500.0, "coverage": 0.97}],
        "beside": {"tickets": 1234, "joined": 1300, "difference": 66, "coverage": 0.97, "absent": None},
    }  # fmt: skip
    return {**told, **more}


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_tiles_and_tables_hold_the_numbers(spoken: Language) -> None:
    tiles = "".join(service.figures(answer(), spoken))
    for text in ("1,234", "1,200", "5 %", "2 %"):
        assert text in tiles
    table = service.services(answer(), spoken)
    minutes = say("unit.min", spoken)
    assert f"8 {minutes} (5 {minutes} – 12 {minutes})" in table
    assert "<td>77</td>" in table
    assert "<td>1,100</td>" in service.outcomes(answer(), spoken)
    assert "79 %" in service.errors(answer(), spoken)
    assert say("service.forecast.no_wait.of", spoken, wrong=1, count=12) in service.errors(answer(), spoken)
    assert "+66" in "".join(service.beside(answer(), spoken))


def test_what_is_withheld_is_no_zero() -> None:
    closed = row("Loans", came=None, waiting=None, served=None, outcomes=None, wait_median_s=None)
    assert "withheld" in service.services(answer(services=[closed]), "en")
    assert "withheld" in service.outcomes(answer(services=[closed]), "en")


def test_a_floor_that_was_not_observed_has_no_difference() -> None:
    unknown = {"tickets": 12, "joined": None, "difference": None, "coverage": None, "absent": None}
    shown = "".join(service.beside(answer(beside=unknown), "en"))
    assert shown.count("—") == 2
    assert "not measured" in shown


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_joins_of_queues_of_the_same_counters_are_not_added(spoken: Language) -> None:
    shared = {"tickets": 12, "joined": None, "difference": None, "coverage": 1.0, "absent": "shared_counters"}
    shown = "".join(service.beside(answer(beside=shared), spoken))
    assert shown.count("—") == 2
    assert say("service.floor.shared", spoken) in shown
    assert say("not_measured", spoken) not in shown


def test_a_forecast_nobody_waited_for_says_so() -> None:
    none = row("Loans", error={"waits": 0, "mae_s": None, "covered": None, "no_wait": 0, "no_wait_wrong": 0})
    assert "no wait has ended yet" in service.errors(answer(services=[none]), "en")


@pytest.mark.parametrize("spoken", ["zh", "en"])
def test_the_hours_ahead_have_numbers_ranges_and_words(spoken: Language) -> None:
    told = {
        "today": [
            {"start": "2026-11-27T02:00:00Z", "level": "usual", "people": 5.0, "low": 2.0, "high": 9.0},
            {"start": "2026-11-27T03:00:00Z", "level": "busy", "people": 20.0, "low": 12.0, "high": 27.0},
            {"start": "2026-11-27T04:00:00Z", "level": None, "people": None, "low": None, "high": None},
        ]
    }
    html = service.crowd(told, ZoneInfo("Asia/Shanghai"), spoken)
    assert html.count("<tr>") == 3  # the hour that nothing is known of is not drawn as 0
    for text in (
        "10:00",
        "<td>5</td>",
        "12 – 27",
        "width:100.0%",
        "width:25.0%",
        say("service.crowd.busy", spoken),
        say("service.crowd.usual", spoken),
    ):
        assert text in html
    assert service.crowd({"today": told["today"][2:]}, ZoneInfo("UTC"), spoken) == ""


def test_some_people_are_not_none() -> None:
    """A busy hour of a small branch does not say that nobody comes."""
    hour = {"start": "2026-11-27T02:00:00Z", "level": "busy", "people": 0.2, "low": 0.0, "high": 0.44}
    html = service.crowd({"today": [hour]}, ZoneInfo("UTC"), "en")
    assert "<td>0.2</td><td>0 – 0.4</td>" in html
    assert service.people(0.04) == "< 0.1"
    assert [service.people(value) for value in (0.0, 9.96, 12.4)] == ["0", "10", "12"]
