"""What makes figures doubtful reaches them, from the floor of a box to the pages: cameras that do not fit, checks that are off."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from hall import Eye, corner_eyes, run, walkers
from hubworld import NOON, World, world
from streamlit.testing.v1 import AppTest
from test_api import get, window
from test_quality import Box, day_of

import dashboard
from branchloop.clock import HOUR_MS, WINDOW_MS, iso
from branchloop.text.catalogue import LANGUAGES, Language, say
from edge.perceive.ultrasonic_fault import DETAILS
from hub.api.state import now_ms
from hub.ingest.drift_alerts import DriftAlerts
from hub.ingest.live_alerts import LiveAlerts
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE

NORTH, SOUTH = corner_eyes(2)
LOPSIDED = replace(NORTH, at_m=(0.2, 2.5, 3.0), to_m=(5.0, 3.5))
DAYS = ", ".join(f'{day} = "08:00-23:00"' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
CAMERA = """
[[camera]]
id = "{id}"
name = {{ en = "{en}", zh = "{zh}" }}
source = "usb:0"
calibration = {{ points = [[0, 0, 0, 0], [100, 0, 2, 0], [100, 100, 2, 1], [0, 100, 0, 1]], picture_px = [100, 100] }}
"""
PARTS = (
    f"hours = {{ {DAYS} }}\n"
    + CAMERA.format(id="north", en="North", zh="北侧")
    + CAMERA.format(id="south", en="South", zh="南侧")
    + """
[[sensor]]
id = "eye"
source = "udp:127.0.0.1:9"
x_m = 1.0
y_m = 0.5
height_m = 3.0
present_below_m = 2.0
"""
)
MOVED = (
    "moved: the view is off by 80 px, turned by 5°, about 0.6 m on the floor. "
    "Put the camera back, or calibrate it anew."
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, zone=NOON, book=True) as running:
        yield running


@contextlib.contextmanager
def looking(hub: World) -> Iterator[tuple[LiveAlerts, DriftAlerts]]:
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        yield LiveAlerts(hub.store, db, hub.config.sites), DriftAlerts(hub.store, db, hub.config.sites)


def pass_by(hub: World, box: Box, bodies: list[dict[str, Any]]) -> None:
    """Windows that end right now come one by one, and the hub looks after each."""
    box.now_ms = now_ms()
    end_ms = box.now_ms - box.now_ms % WINDOW_MS
    with looking(hub) as (live, _):
        for back, body in enumerate(reversed(bodies), 1):
            body["start_ms"] = end_ms - back * WINDOW_MS
        for body in bodies:
            box.send(body)
            live.tick(body["start_ms"] + WINDOW_MS)


@pytest.mark.parametrize(
    ("eyes", "seconds", "faults"),
    [
        ([replace(LOPSIDED, calibrated_as=SOUTH), replace(SOUTH, calibrated_as=LOPSIDED)], 60.0, {"cameras_apart"}),
        ([NORTH, replace(SOUTH, turned_deg=5.0)], 60.0, {"cameras_apart", "cameras_disagree"}),
        ([NORTH, replace(SOUTH, clock_s=10.0)], 80.0, {"clocks_apart"}),
    ],
    ids=["swapped", "bumped by 5 degrees", "clocks 10 s apart"],
)  # fmt: skip
def test_cameras_that_do_not_fit_mark_what_they_spoil(
    hub: World, eyes: list[Eye], seconds: float, faults: set[str]
) -> None:
    """The windows of a box with such cameras: now, today, on the heat, among the lights and in the alerts."""
    done = run(eyes, walkers(24, seconds))
    windows = [window for settled in done.settled for window in settled.windows]
    assert windows[-1].pairs[0].wrong in faults
    cut = {"heat", "filled", "flow", "lines", "zones"}  # of another plan than the hub's
    bodies = [json.loads(window.to_json()) for window in windows]
    pass_by(hub, Box(hub), [{key: body[key] for key in body.keys() - cut} for body in bodies])
    live = get(hub, "/hall/live", hub.token("staff", "hall")).json()
    (pair,) = live["pairs"]
    assert (pair["first"], pair["second"]) == ("north", "south")
    assert pair["fault"] in faults
    told = {"part": "pair", "subject": "north/south", "fault": pair["fault"]}
    assert live["zones"][0]["occupancy"]["tainted"] == [{**told, "seconds": None}]
    if pair["fault"] != "cameras_disagree":  # these still see how many there are
        assert live["occupancy"]["tainted"] == [{**told, "seconds": None}]
    today = [each for each in live["footfall_today"]["tainted"] if each["fault"] == pair["fault"]]
    lasted = sum(window.pairs[0].wrong == pair["fault"] for window in windows) * WINDOW_MS / 1000
    assert today == [{**told, "seconds": lasted}]
    (alert,) = [alert for alert in live["alerts"] if alert["kind"] == pair["fault"]]
    assert alert["subject"] == "north/south"
    assert alert["evidence"]["disagreement_mm"] > 1_000 or abs(alert["evidence"]["clock_ms"]) > 9_000
    span = {"from": iso(now_ms() - HOUR_MS), "to": iso(now_ms() + 60_000)}
    for path, figure in (("heat", "person_seconds"), ("footfall", "footfall"), ("queues", "wait_median")):
        answer = get(hub, f"/hall/{path}", hub.token("manager", "hall"), **span).json()
        spoiled = {each["fault"]: each["figures"] for each in answer["tainted"]}
        assert figure in spoiled[pair["fault"]]


def test_a_box_that_knows_of_no_pairs_is_understood(hub: World) -> None:
    """Its windows name none: nothing is marked, and nothing fails."""
    pass_by(hub, Box(hub), [window(0, 1)])
    live = get(hub, "/hall/live", hub.token("staff", "hall")).json()
    assert (live["pairs"], live["alerts"], live["occupancy"]["tainted"]) == ([], [], [])


def in_trouble(hub: World) -> Box:
    """A box with a bumped camera, a stuck sensor, and two cameras that see different people."""
    box = Box(hub)
    light = {"since_ms": box.now_ms, "state": "up"}
    box.hello(
        1,
        cameras=[{**light, "id": "north", "fault": "moved", "detail": MOVED}, {**light, "id": "south"}],
        sensors=[{**light, "id": "eye", "fault": "stuck", "detail": DETAILS["stuck"]}],
    )
    seen = {"state": "up", "observed_ms": 5_000, "frames": 30, "analysed": 9}
    pair = {"first": "north", "second": "south", "disagreement_mm": 1_400, "wrong": "cameras_apart"}
    body = window(
        0,
        1,
        cameras=[{**seen, "camera": "north", "fault": "moved"}, {**seen, "camera": "south"}],
        sensors=[
            {
                "sensor": "eye",
                "state": "up",
                "observed_ms": 5_000,
                "readings": 50,
                "valid": 50,
                "fault": "stuck",
            }
        ],
        pairs=[pair],
    )
    pass_by(hub, box, [dict(body) for _ in range(6)])
    return box


def test_an_alert_holds_what_the_box_said(hub: World) -> None:
    """How far the camera is off, and why the sensor is not believed: with the alert and with the light."""
    in_trouble(hub)
    items = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()["items"]
    said = {(item["kind"], item["subject"]): item["evidence"].get("detail") for item in items}
    assert said[("moved", "north")] == MOVED
    assert said[("stuck", "eye")] == DETAILS["stuck"]
    live = get(hub, "/hall/live", hub.token("staff", "hall")).json()
    assert [camera["detail"] for camera in live["cameras"]] == [MOVED, None]
    assert [sensor["detail"] for sensor in live["sensors"]] == [DETAILS["stuck"]]
    assert {(alert["kind"], alert["subject"]) for alert in live["alerts"]} == said.keys()


def test_what_a_light_says_of_something_else_is_no_evidence(hub: World) -> None:
    """A camera whose light tells of another fault than its windows do: the sentence belongs to that one."""
    box = Box(hub)
    light = {"since_ms": box.now_ms, "state": "up", "id": "north", "fault": "moved", "detail": MOVED}
    box.hello(1, cameras=[light])
    camera = {
        "camera": "north",
        "state": "stalled",
        "observed_ms": 0,
        "frames": 9,
        "analysed": 9,
        "fault": "covered",
    }
    pass_by(hub, box, [{**window(0, 1), "cameras": [camera]} for _ in range(6)])
    (alert,) = get(hub, "/hall/live", hub.token("staff", "hall")).json()["alerts"]
    assert alert["kind"] == "covered"
    assert "detail" not in alert["evidence"]


def test_live_tells_of_a_fault_that_its_light_does_not_name_without_words_of_another(hub: World) -> None:
    """A crowd is told by the windows; the light's last words were of something that is over."""
    box = Box(hub)
    over = "the picture is well again"
    box.hello(1, cameras=[{"since_ms": box.now_ms, "state": "up", "id": "north", "detail": over}])
    camera = {
        "camera": "north", "state": "up", "observed_ms": 5_000, "frames": 9, "analysed": 9, "fault": "crowded",
    }  # fmt: skip
    seen = []
    for bodies in ([], [{**window(0, 1), "cameras": [camera]}]):
        pass_by(hub, box, bodies)
        (told, _) = get(hub, "/hall/live", hub.token("staff", "hall")).json()["cameras"]
        seen.append((told["fault"], told["detail"]))
    assert seen == [(None, over), ("crowded", None)]


def test_a_check_that_is_off_marks_the_figures_of_its_time(hub: World) -> None:
    """Two hours of in − out against the people seen: today is doubtful from its beginning, now too; yesterday is not."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    day_ms = site.open_spans_ms(day_of(site, 0))[0][0]
    bodies = []
    for minute in range(4 * 60):
        body = {
            **window(day_ms + 60_000 * minute, 0),
            "slots": 12,
            "expected_ms": 120_000,
            "observed_ms": 120_000,
        }
        bodies.append({**body, "lines": [{"line": "door", "in": 3, "out": 0}]})
    box.now_ms = day_ms + 4 * HOUR_MS + 10_000
    box.send(*bodies)
    with looking(hub) as (_, drift):
        while drift.tick(box.now_ms):
            pass
    live = get(hub, "/hall/live", hub.token("staff", "hall")).json()
    assert ("balance", "") in {(alert["kind"], alert["subject"]) for alert in live["alerts"]}
    doubt = {"part": "check", "subject": "", "fault": "balance"}
    assert {**doubt, "seconds": None} in live["occupancy"]["tainted"]
    (today,) = [each for each in live["footfall_today"]["tainted"] if each["fault"] == "balance"]
    assert today["seconds"] >= 4 * 3600
    headers = hub.token("manager", "hall")
    for first_ms, marked in ((day_ms, True), (day_ms - 24 * HOUR_MS, False)):
        span = {"from": iso(first_ms), "to": iso(first_ms + HOUR_MS)}
        answer = get(hub, "/hall/footfall", headers, **span).json()
        assert any(each["fault"] == "balance" for each in answer["tainted"]) == marked


def live_page(
    hub: World, folder: Path, monkeypatch: pytest.MonkeyPatch, role: str, spoken: Language
) -> AppTest:
    """The page Live of `hall` as the app shows it to a role."""
    (folder / "token").write_text(hub.token(role, "hall")["Authorization"].split()[1])
    (folder / "token").chmod(0o600)
    config = folder / "dashboard.toml"
    config.write_text(f'[dashboard]\napi = "{hub.api}"\ntoken_file = "token"\n')
    monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
    st.cache_resource.clear()
    page = AppTest.from_file(str(Path(dashboard.__file__).parent / "app.py"), default_timeout=60)
    page.query_params["lang"] = spoken
    page.query_params["branch"] = "hall"
    page.run()
    st.cache_resource.clear()
    assert not page.exception
    return page


def test_staff_see_alerts_and_no_way_to_a_page_that_is_not_theirs(
    hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub says what a token may do: Quality refuses them."""
    in_trouble(hub)
    page = live_page(hub, tmp_path, monkeypatch, "staff", "en")
    assert say("alerts.open", "en") in " ".join(block.proto.body for block in page.get("html"))
    assert not page.main.get("page_link")


@pytest.mark.parametrize("spoken", LANGUAGES)
def test_the_live_page_tells_what_is_doubtful(
    hub: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoken: Language
) -> None:
    """Open alerts with their evidence and the way to Quality; no light of a camera in doubt stays green."""
    in_trouble(hub)
    page = live_page(hub, tmp_path, monkeypatch, "manager", spoken)
    html = " ".join(block.proto.body for block in page.get("html"))
    north, south = ("North", "South") if spoken == "en" else ("北侧", "南侧")
    for words in (
        say("alerts.open", spoken),
        "turned by 5°" if spoken == "en" else "视野偏移 80 像素，旋转 5°，地面上约 0.6 米",
        "the same range for a minute" if spoken == "en" else "读数持续一分钟不变",
        f"{south} · {say('light.pair', spoken, other=north)}",
        say("devices.tainted", spoken, value=3),
        say("fault.cameras_apart", spoken),
    ):
        assert words in html, words
    (link,) = page.main.get("page_link")
    assert link.proto.label == say("alerts.quality", spoken)
