"""Live of a box that is not heard of: what was true is not told of now."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from test_dashboard_layers import BRANCH, figure, live, queue, then

from dashboard import waiting
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
