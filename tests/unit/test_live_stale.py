"""Live of a box that is not heard of: what was true is not told of now."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

import pytest
from test_dashboard_layers import BRANCH, figure, live, queue, then

from dashboard import tiles, waiting
from dashboard.devices import lights, summary
from dashboard.views import live as live_page

ZONE = ZoneInfo("Asia/Shanghai")


def test_a_box_that_is_not_heard_of_has_no_green_counts_and_no_readings() -> None:
    """What its sensor said last is not of now, and lights of which nothing is known are not counted as well."""
    camera = {"id": "hall", "state": "unknown", "fault": None, "detail": None, "coverage": 1.0}
    sensor = {
        "id": "s",
        "state": "unknown",
        "fault": None,
        "detail": None,
        "nearest_mm": 900,
        "present": False,
    }
    told = {"cameras": [camera, camera], "sensors": [sensor], "pairs": [], "device": {"online": False}}
    assert "0.90 m" in "".join(lights(BRANCH, {**told, "stale": False}, "en"))
    shown = "".join(lights(BRANCH, {**told, "stale": True}, "en"))
    assert "bl-good" not in shown
    assert "●" not in shown
    assert "2 cameras: not heard of" in shown
    assert "1 个传感器未上报" in summary(told, "zh")
    for old in ("0.90 m", "clear", "coverage"):
        assert old not in shown
    mixed = summary({**told, "cameras": [camera, {**camera, "state": "up"}]}, "en")
    assert '<span class="bl-good" aria-hidden="true">●</span> 1 camera ' in mixed
    assert "1 camera: not heard of" in mixed


@pytest.mark.parametrize(
    ("present_s", "english", "chinese"),
    [
        (0.0, "1.29 m to the nearest · clear", "最近 1.29 米 · 无人"),
        (0.02, "1.29 m to the nearest · somebody for 0.1 of 5 s", "最近 1.29 米 · 5 秒中有 0.1 秒有人"),
        (1.7, "1.29 m to the nearest · somebody for 1.7 of 5 s", "最近 1.29 米 · 5 秒中有 1.7 秒有人"),
        (3.0, "1.29 m to the nearest · somebody for 3 of 5 s", "最近 1.29 米 · 5 秒中有 3 秒有人"),
        (5.0, "1.29 m to the nearest · somebody is here", "最近 1.29 米 · 有人"),
    ],
)
def test_a_sensor_before_which_somebody_stood_for_a_while_says_for_how_long(
    present_s: float, english: str, chinese: str
) -> None:
    """Neither clear, beside a distance at which somebody was, nor somebody here."""
    sensor = {"id": "s", "state": "up", "fault": None, "detail": None, "nearest_mm": 1_290,
              "present": present_s >= 2.5, "present_s": present_s, "observed_s": 5.0}  # fmt: skip
    told = {"cameras": [], "sensors": [sensor], "pairs": [], "device": None, "stale": False}
    assert english in lights(BRANCH, told, "en")[-1]
    assert chinese in lights(BRANCH, told, "zh")[-1]


def test_what_was_true_is_not_told_of_now() -> None:
    """Nobody is "now" in a zone or a queue that was not heard of, and nothing has changed against last week."""
    fresh = live(queue())
    old = {**fresh, "stale": True}
    zones = [
        {"id": "q", "occupancy": figure(2.5), "visits_today": 7, "dwell_median_s": 60.0, "dwell_p90_s": 80.0}
    ]
    assert ">2.5<" in live_page.zone_table(BRANCH, {**fresh, "zones": zones}, "en")
    shown = live_page.zone_table(BRANCH, {**old, "zones": zones}, "en")
    assert ">2.5<" not in shown
    assert ">7<" in shown  # of the day it stays true
    unseen = {**fresh, "zones": [{**zones[0], "visits_today": None}]}
    assert ">0<" not in live_page.zone_table(BRANCH, unseen, "en")
    assert ">6<" in waiting.now_table(BRANCH, fresh, "en")
    assert ">6<" not in waiting.now_table(BRANCH, old, "en")
    assert "▲" in "".join(waiting.tiles_of(BRANCH, fresh, then(), {}, "en", ZONE))
    assert not re.search("▲|▼|bl-change", "".join(waiting.tiles_of(BRANCH, old, then(), {}, "en", ZONE)))


def test_what_is_of_another_day_says_so_and_after_a_day_there_is_no_figure() -> None:
    """By the branch's clock: ten seconds after its midnight, 17:20:45 is of the day before."""
    old = figure(41, as_of="2026-11-26T09:20:45Z")  # 17:20:45 there

    def tile(now: str, **more: bool) -> str:
        return tiles.tile("In branch now", old, "en", ZONE, **{"stale": True, **more}, now=now)

    assert "as of 17:20:45" in tile("2026-11-26T15:59:50Z")
    midnight = tile("2026-11-26T16:00:10Z")
    assert "as of 11-26 17:20:45" in midnight
    assert ">41<" in midnight
    days = tile("2026-11-29T09:20:46Z")
    assert ">—<" in days
    assert "41" not in days
    assert "not measured" not in days
    assert "as of 11-26 17:20:45" in days
    assert "as of 2026-11-26 17:20:45" in tile("2027-01-02T09:20:46Z")
    assert ">41<" in tile("2026-11-29T09:20:46Z", stale=False)
    told = {**live(queue(waiting=old)), "stale": True, "server_time": "2026-11-29T09:20:46Z"}
    assert "11-26 17:20:45" in waiting.tiles_of(BRANCH, told, None, {}, "en", ZONE)[0]
    through = {f"{way}_today": figure(None) for way in ("in", "out", "footfall")}
    shown = live_page.figures(BRANCH, {**told, "occupancy": old, **through}, None, {}, "en", ZONE)
    assert "11-26 17:20:45" in shown[0]
