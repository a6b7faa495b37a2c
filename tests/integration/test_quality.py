"""Quality through a real hub: alerts raised and cleared by what boxes send, checks on stored sums, reports in and out."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import hubworld
import pytest
from hubworld import World, world
from test_api import get, window

from branchloop.acceptance.report import DECIMALS, judge, overall
from branchloop.acceptance.signing import sign_report
from branchloop.clock import ALARM_AGE_MS, DAY_MS, HOUR_MS, from_ms, iso, local_day_start_ms
from branchloop.keys.box import new_private
from branchloop.keys.sealing import encode, raw_public
from branchloop.site.content import content_hash
from branchloop.site.site import Site, parse_site
from branchloop.wire.batches import Batch, Item
from branchloop.wire.status import Behind, ClockOff, CoreCrashes, DeviceLight, Refusal, Status, Stuck
from edge.accuracy.counting import poisson_interval
from hub.api.box import said
from hub.api.state import now_ms
from hub.config.hub import site_text
from hub.doctor.clocks import examine_clocks
from hub.ingest.alerting import take
from hub.ingest.apply import Applier
from hub.ingest.differing_texts import DifferingTexts
from hub.ingest.drift_alerts import DriftAlerts
from hub.ingest.live_alerts import LiveAlerts
from hub.ingest.resting import REST_MS
from hub.loop.alerts import Watch
from hub.loop.finding import CountError
from hub.store.branches.opening import OpeningHistory
from hub.store.connection import connect_readonly
from hub.store.figures.alerts import Alerts
from hub.store.figures.newest import newest_window
from hub.store.figures.proof import proof
from hub.store.figures.reading import Reader
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore

KEY, STRANGER = new_private(), new_private()
PARTS = """
hours = { mon = "09:00-17:00", tue = "09:00-17:00", wed = "09:00-17:00", thu = "09:00-17:00", fri = "09:00-17:00", sat = "09:00-17:00", sun = "09:00-17:00" }
[[camera]]
id = "cam"
source = "usb:0"
calibration = { points = [[0, 0, 0, 0], [100, 0, 2, 0], [100, 100, 2, 1], [0, 100, 0, 1], [50, 50, 1, 0.5]], picture_px = [100, 100] }
[[sensor]]
id = "eye"
source = "udp:127.0.0.1:9"
x_m = 1.0
y_m = 0.5
height_m = 3.0
present_below_m = 2.0
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(
        tmp_path, parts=PARTS, hub=f'[acceptance]\npublic = ["{encode(raw_public(KEY.public_key()))}"]\n'
    ) as running:
        yield running


@pytest.fixture
def noon(tmp_path: Path) -> Iterator[World]:
    """Where it is about noon: the branch is open, and was an hour ago, whenever the test runs."""
    with world(tmp_path, parts=PARTS, zone=hubworld.NOON) as running:
        yield running


class Box:
    """A box that sends windows of its own clock through the hub's own apply."""

    def __init__(self, hub: World, site: str = "hall", device: str = "box-1") -> None:
        self._hub = hub
        self._site = site
        self._device = device
        self._seq = 0
        self._applier = Applier(hub.store, hub.config.sites, lambda: self.now_ms)
        self.now_ms = now_ms()
        self.behind_ms = 0

    def send(self, *windows: dict[str, Any], oldest: int | None = None) -> None:
        """One batch, that arrives at `now_ms`; all before are acknowledged."""
        for first in range(0, len(windows), 200):
            items, known = [], self._seq + 1 if oldest is None else oldest
            for body in windows[first : first + 200]:
                self._seq += 1
                items.append(Item(seq=self._seq, kind="window", body=body))
            sent_ms = self.now_ms - self.behind_ms
            batch = Batch(epoch="ab" * 16, boot="ab" * 16, oldest=known, sent_ms=sent_ms, items=items)
            topic = f"branchloop/1/{self._site}/{self._device}/data"
            assert self._applier.apply(topic, batch.to_json().encode(), self.now_ms) is not None

    def hello(self, connect_no: int, *, online: bool = True, device: str | None = None, **said: Any) -> None:
        """Birth or will."""
        status = Status(online=online, boot="cd" * 16, connect_no=connect_no, at_ms=self.now_ms, **said)
        self._applier.apply(
            f"branchloop/1/{self._site}/{device or self._device}/status",
            status.to_json().encode(),
            self.now_ms,
        )


def looked_at(hub: World, live: LiveAlerts, start_ms: int, first_s: int, last_s: int) -> None:
    """Every five seconds, with ingest connected."""
    for later_s in range(first_s, last_s, 5):
        at_ms = start_ms + 1_000 * later_s
        hub.store.heartbeat("ingest-1", at_ms, connected=True, committed_ms=None)
        live.tick(at_ms)


def with_parts(
    body: dict[str, Any], fault: str | None = None, state: str = "up", **sensor: Any
) -> dict[str, Any]:
    """A window that tells of the camera and the sensor too."""
    camera = {"camera": "cam", "state": state, "observed_ms": 0 if fault else body["observed_ms"], "frames": 30, "analysed": 9,
              "calibration_residual_mm": 120, "calibration_age_days": 20}  # fmt: skip
    eye = {
        "sensor": "eye",
        "state": "up",
        "observed_ms": 5_000,
        "readings": 50,
        "valid": 50,
        "present_ms": 0,
        **sensor,
    }
    return {**body, "cameras": [camera | ({"fault": fault} if fault else {})], "sensors": [eye]}


def minutes(start_ms: int, end_ms: int, inside: float, **more: Any) -> list[dict[str, Any]]:
    """A window a minute of an empty-handed branch: nobody crosses, `inside` people are seen."""
    return [
        with_parts(
            {
                **window(at_ms, 0), "slots": 12, "expected_ms": 60_000, "observed_ms": 60_000,
                "person_ms": round(60_000 * inside), "lines": [{"line": "door", "in": 0, "out": 0}], **more,
            },
            observed_ms=60_000,
        )
        for at_ms in range(start_ms, end_ms, 60_000)
    ]  # fmt: skip


def four_hours(
    box: Box, drift: DriftAlerts, start_ms: int, changed: Callable[[dict[str, Any]], object]
) -> None:
    """Hour by hour, and each looked at, with the camera's part of every window changed."""
    for hour in range(4):
        windows = minutes(start_ms + hour * HOUR_MS, start_ms + (hour + 1) * HOUR_MS, 0)
        for body in windows:
            changed(body["cameras"][0])
        box.send(*windows)
        drift.tick(now_ms())


def day_of(site: Site, back: int) -> date:
    return from_ms(now_ms(), site.zone_info).date() - timedelta(days=back)


def opened_day(site: Site, back: int, went_in: int, went_out: int, left: int = 0) -> list[dict[str, Any]]:
    """A whole day from opening to an hour past closing; all crossings in the first minutes of the hours 10 to 15."""
    start_ms, end_ms = site.open_spans_ms(day_of(site, back))[0]
    found = minutes(start_ms, end_ms + HOUR_MS, 0)
    for number, body in enumerate(found):
        hour, minute = divmod(number, 60)
        if minute == 0 and 1 <= hour <= 6:
            body["lines"] = [{"line": "door", "in": went_in // 6, "out": went_out // 6}]
        body["person_ms"] = 60_000 * left
    return found


@contextlib.contextmanager
def looking(hub: World) -> Iterator[tuple[LiveAlerts, DriftAlerts]]:
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        yield LiveAlerts(hub.store, db, hub.config.sites), DriftAlerts(hub.store, db, hub.config.sites)


def alerts(hub: World, site: str = "hall") -> list[tuple[str, str, bool]]:
    answer = get(hub, f"/{site}/alerts", hub.token("manager", site))
    assert answer.status_code == 200, answer.text
    return [(item["kind"], item["subject"], item["cleared"] is None) for item in answer.json()["items"]]


def told(hub: World) -> list[dict[str, Any]]:
    """What the live feed was told of alerts."""
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        rows = db.execute("SELECT body FROM feed WHERE event='alarm' ORDER BY id").fetchall()
    return [body for (text,) in rows if (body := json.loads(text))["what"] == "alert"]


def test_a_covered_camera_raises_an_alert_and_clears_it(hub: World) -> None:
    """Once each, with the figures it taints, in the API and in the feed; not for a fault of a moment."""
    box = Box(hub)
    start_ms = box.now_ms - box.now_ms % 5_000 - 5_000
    with looking(hub) as (live, _):

        def pass_by(first: int, last: int, fault: str | None) -> None:
            for number in range(first, last):
                at_ms = start_ms + 5_000 * number
                box.now_ms = at_ms + 6_000
                box.send(with_parts(window(at_ms, 1), fault, "stalled" if fault else "up"))
                live.tick(box.now_ms)
                live.tick(box.now_ms + 1)

        pass_by(0, 2, None)
        pass_by(2, 5, "covered")
        pass_by(5, 7, None)
        assert alerts(hub) == []
        pass_by(7, 13, "covered")
        assert alerts(hub) == [("covered", "cam", True)]
        pass_by(13, 27, None)
        assert alerts(hub) == [("covered", "cam", False)]
    assert [(each["change"], each["kind"]) for each in told(hub)] == [
        ("raised", "covered"),
        ("cleared", "covered"),
    ]
    assert "footfall" in told(hub)[0]["tainted"]


def test_live_faults_of_a_branch_with_spoiled_records_hold_no_other_up(hub: World) -> None:
    """What cannot be read of `annex` is said with its name, once in ten minutes; `hall` gets its alert."""
    boxes = Box(hub), Box(hub, "annex")
    start_ms = boxes[0].now_ms - boxes[0].now_ms % 5_000 - 5_000
    said: list[str] = []
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        live = LiveAlerts(hub.store, db, hub.config.sites, said.append)
        for number in range(10):
            at_ms = start_ms + 5_000 * number
            for box in boxes:
                box.now_ms = at_ms + 6_000
                box.send(with_parts(window(at_ms, 1), "covered", "stalled"))
            with hub.store.transaction() as transaction:
                transaction.db.execute("UPDATE latest SET body='{' WHERE site='annex'")
            live.tick(at_ms + 6_000)
    assert len(said) == 1
    assert "annex" in said[0]
    assert ("covered", "cam", True) in alerts(hub)


def test_two_cameras_that_do_not_agree_raise_an_alert(tmp_path: Path) -> None:
    """With how far apart they place people; cleared when they agree, or when one is no longer part of the branch."""
    second = PARTS[PARTS.index("[[camera]]") : PARTS.index("[[sensor]]")].replace('"cam"', '"cam-2"')
    with world(tmp_path, parts=PARTS + second) as hub, looking(hub) as (live, _):
        box = Box(hub)
        start_ms = box.now_ms - box.now_ms % 5_000
        pair = {"first": "cam", "second": "cam-2", "disagreement_mm": 1_400, "clock_ms": 40}
        for number in range(30):
            at_ms = start_ms + 5_000 * number
            box.now_ms = at_ms + 6_000
            said = {**pair, "wrong": "cameras_apart"} if number < 6 else pair
            box.send({**with_parts(window(at_ms, 1)), "pairs": [said]})
            live.tick(box.now_ms)
            if number == 5:
                assert alerts(hub) == [("cameras_apart", "cam/cam-2", True)]
        assert alerts(hub) == [("cameras_apart", "cam/cam-2", False)]
        (alert,) = get(hub, "/hall/alerts", hub.token("auditor")).json()["items"]
        assert alert["evidence"] == {"disagreement_mm": 1_400, "clock_ms": 40}
        assert "footfall" in alert["tainted"]


def test_two_cameras_that_change_places_in_the_file_are_one_pair(tmp_path: Path) -> None:
    """The box names them in the file's order: what was raised under the other one is cleared, and raised anew while it holds."""
    second = PARTS[PARTS.index("[[camera]]") : PARTS.index("[[sensor]]")].replace('"cam"', '"cam-2"')
    with world(tmp_path, parts=PARTS + second) as hub, looking(hub) as (live, _):
        box = Box(hub)
        start_ms = box.now_ms - box.now_ms % 5_000
        for number in range(50):
            at_ms = start_ms + 5_000 * number
            box.now_ms = at_ms + 6_000
            first, other = ("cam", "cam-2") if number < 6 else ("cam-2", "cam")
            pair = {"first": first, "second": other, "disagreement_mm": 1_400, "clock_ms": 40}
            said = {**pair, "wrong": "cameras_apart"} if number < 30 else pair
            box.send({**with_parts(window(at_ms, 1)), "pairs": [said]})
            live.tick(box.now_ms)
            if number == 5:
                assert alerts(hub) == [("cameras_apart", "cam/cam-2", True)]
            if number == 29:
                assert set(alerts(hub)) == {
                    ("cameras_apart", "cam/cam-2", False),
                    ("cameras_apart", "cam-2/cam", True),
                }
        assert {still for *_, still in alerts(hub)} == {False}


def test_what_was_told_of_a_removed_part_ends_whatever_else_has_its_name(tmp_path: Path) -> None:
    """A line may be called as a camera or a sensor is: each kind of alert is about one of them."""
    second = PARTS[PARTS.index("[[camera]]") : PARTS.index("[[sensor]]")].replace('"cam"', '"door"')
    sensor = PARTS[PARTS.index("[[sensor]]") :].replace('"eye"', '"door"').replace(":9", ":10")
    ended = {("covered", "door"), ("camera_silent", "door"), ("stuck", "door"), ("cameras_apart", "cam/door")}
    lasting = {("line_history", "door"), ("covered", "cam"), ("sensor_silent", "eye")}
    with world(tmp_path, parts=PARTS + second + sensor) as hub:
        before = hub.config.sites["hall"]
        (tmp_path / "now").mkdir()
        with world(tmp_path / "now", parts=PARTS) as later:
            now = later.config.sites["hall"]
        start_ms = now_ms()
        with hub.store.transaction() as transaction:
            for key in ended | lasting:
                assert Alerts(transaction.db).open("hall", key, start_ms, {}, [])
                Alerts(transaction.db).put_watch("hall", key, Watch("open", start_ms, start_ms))
        for site, left in ((before, ended | lasting), (now, lasting)):
            for later_ms in (60_000, 60_000):
                start_ms += later_ms
                with hub.store.transaction() as transaction:
                    take(transaction, site, [], start_ms, 0)
            assert {(kind, subject) for kind, subject, still in alerts(hub) if still} == left


def test_a_backlog_raises_no_live_alarm(hub: World) -> None:
    """What a camera had an hour ago is history: it is in the fault times, and alarms nobody."""
    box = Box(hub)
    start_ms = box.now_ms - box.now_ms % 60_000 - HOUR_MS
    with looking(hub) as (live, _):
        live.tick(box.now_ms)
        for number in range(11):
            box.send(with_parts(window(start_ms + 5_000 * number, 0), "frozen", "stalled"))
            live.tick(box.now_ms + number)
    assert alerts(hub) == told(hub) == []


def test_a_silent_box_is_told_while_the_hub_hears(hub: World) -> None:
    """Raised after a minute without a word in opening hours, unless the hub itself hears nobody; cleared when it is back."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    box.now_ms = site.open_spans_ms(day_of(site, 0))[0][0] + HOUR_MS
    start_ms = box.now_ms
    with looking(hub) as (live, _):

        def pass_by(first_s: int, last_s: int, *, connected: bool) -> None:
            for later_s in range(first_s, last_s, 5):
                at_ms = start_ms + 1_000 * later_s
                hub.store.heartbeat(
                    "ingest-1", at_ms if connected else start_ms - 60_000, connected=True, committed_ms=None
                )
                live.tick(at_ms)

        box.hello(1)
        box.send(with_parts(window(box.now_ms - 5_000, 0)))
        box.hello(1, online=False)
        pass_by(0, 300, connected=False)
        assert alerts(hub) == []
        pass_by(300, 345, connected=True)
        assert alerts(hub) == []
        pass_by(345, 400, connected=True)
        assert alerts(hub) == [("box_silent", "box-1", True)]
        box.now_ms = start_ms + 400_000
        box.hello(2)
        box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 - 5_000, 0)))
        pass_by(405, 500, connected=True)
        assert alerts(hub) == [("box_silent", "box-1", False)]


def test_lights_are_the_same_on_live_and_on_quality(hub: World) -> None:
    """By the box's status while it is heard of: none of a box that has gone or is silent, however young its last window."""
    box = Box(hub)
    lights = {
        f"{part}s": [{"id": name, "state": "up", "since_ms": box.now_ms}]
        for part, name in (("camera", "cam"), ("sensor", "eye"))
    }

    def shown() -> list[tuple[str, str | None]]:
        pages = [
            get(hub, f"/hall/{page}", hub.token("manager", "hall")).json() for page in ("live", "quality")
        ]
        live, quality = (
            [(e["state"], e["fault"]) for e in page["cameras"] + page["sensors"]] for page in pages
        )
        assert live == quality
        return live

    box.hello(1, **lights)
    box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 - 5_000, 0), "covered"))
    assert shown() == [("up", "covered"), ("up", None)]
    box.hello(1, online=False)
    assert shown() == [("unknown", None), ("unknown", None)]
    box = Box(hub, "annex")
    box.now_ms -= ALARM_AGE_MS
    box.hello(1, cameras=[{"id": "cam", "state": "up", "since_ms": box.now_ms}])
    with Reader.open(hub.config.data_dir) as reader:
        device = reader.device(hub.config.sites["annex"])
    assert said(device, box.now_ms)["cameras"]
    assert said(device, now_ms()) == {}, "online, but not heard of any more"


def test_a_fault_of_hours_ago_is_none_of_now(hub: World) -> None:
    """A box that has come back says that all is well, and its backlog is of this morning."""
    box = Box(hub)
    box.hello(1, cameras=[{"id": "cam", "state": "up", "since_ms": box.now_ms}])
    box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 - 3 * HOUR_MS, 0), "covered"))
    for page in ("live", "quality"):
        (camera,) = get(hub, f"/hall/{page}", hub.token("manager", "hall")).json()["cameras"]
        assert (camera["state"], camera["fault"]) == ("up", None), page


def test_a_box_that_was_away_before_it_counted_is_missed_no_longer(hub: World) -> None:
    """Nobody can tell it from a kiosk then; once it counts it is known for a box that is there."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    start_ms = site.open_spans_ms(day_of(site, 0))[0][0] + HOUR_MS
    with looking(hub) as (live, _):
        pass_by = partial(looked_at, hub, live, start_ms)
        box.now_ms = start_ms
        box.hello(1)
        box.hello(1, online=False)
        pass_by(0, 100)
        assert alerts(hub) == [("kiosk_silent", "box-1", True)]
        box.now_ms = start_ms + 100_000
        box.hello(2)
        box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 - 5_000, 0)))
        pass_by(105, 200)
        assert alerts(hub) == [("kiosk_silent", "box-1", False)]


def test_two_alerts_of_one_day_concern_it_once(hub: World) -> None:
    """Both looked at the day from its beginning: their times are united, not added."""
    site = hub.config.sites["hall"]
    day_ms = local_day_start_ms(day_of(site, 1), site.zone_info)
    with hub.store.transaction() as transaction:
        kept = Alerts(transaction.db)
        for raised_h, cleared_h in ((11, 14), (17, 20)):
            span = [day_ms, day_ms + raised_h * HOUR_MS]
            kept.open("hall", ("balance", ""), span[1], {"span": span}, ["footfall"])
            kept.clear("hall", ("balance", ""), day_ms + cleared_h * HOUR_MS)
    asked = {"from": iso(day_ms), "to": iso(day_ms + DAY_MS), "bucket": "day"}
    told = get(hub, "/hall/footfall", hub.token("manager", "hall"), **asked).json()["tainted"]
    assert [(each["fault"], each["seconds"]) for each in told] == [("balance", 20 * 3600.0)]


@pytest.mark.parametrize("kind", ["box_cloned", "box_clock", "box_ahead"])
def test_who_tells_of_a_wrong_time_is_an_alert(hub: World, kind: str) -> None:
    """Another box under its name, the same one whose clock was set back, or is ahead: from the first such message until ten minutes after the last."""
    box = Box(hub)
    start_ms = box.now_ms
    with looking(hub) as (live, _):
        pass_by = partial(looked_at, hub, live, start_ms)
        box.hello(1)
        body = with_parts(window(box.now_ms - box.now_ms % 5_000 - 5_000, 0))
        box.send(body)
        pass_by(0, 10)
        assert alerts(hub) == []
        if kind == "box_clock":
            box.send(body)
        elif kind == "box_ahead":
            box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 + 300_000, 0)))
        else:
            Box(hub).send(body | {"person_ms": 7})
        pass_by(10, 15)
        assert alerts(hub) == [(kind, "box-1", True)]
        (answer,) = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()["items"]
        assert answer["evidence"]["times"] == 1
        assert {"footfall", "occupancy"} <= set(answer["tainted"])
        for later_s in range(15, 690, 15):
            box.now_ms = start_ms + 1_000 * later_s
            box.send(with_parts(window(box.now_ms - box.now_ms % 5_000, 0)))
            pass_by(later_s, later_s + 15)
        assert alerts(hub) == [(kind, "box-1", False)]


def test_a_clock_that_is_behind_is_told_and_hides_no_fault(noon: World) -> None:
    """Up an hour behind: the alert, the figures of the hours concerned, the feed, and its covered camera; until it is set right."""
    box = Box(noon)
    start_ms = box.now_ms - box.now_ms % 5_000
    box.behind_ms = HOUR_MS
    manager = noon.token("manager", "hall")

    def tainted(from_ms: int) -> list[tuple[str, str]]:
        span = {"from": iso(from_ms - from_ms % 60_000), "to": iso(from_ms - from_ms % 60_000 + 600_000)}
        found = get(noon, "/hall/footfall", manager, bucket="minute", **span).json()["tainted"]
        return [(each["fault"], each["subject"]) for each in found if each["part"] == "check"]

    with looking(noon) as (live, _):

        def pass_by(first: int, last: int, fault: str | None) -> None:
            for number in range(first, last):
                box.now_ms = start_ms + 5_000 * number + 1_000
                at_ms = start_ms - box.behind_ms + 5_000 * (number - 1)
                box.send(with_parts(window(at_ms, 1), fault, "stalled" if fault else "up"))
                looked_at(noon, live, box.now_ms, 0, 5)

        box.hello(1)
        pass_by(0, 1, None)
        assert alerts(noon) == []
        pass_by(1, 2, None)
        assert alerts(noon) == [("box_clock_behind", "box-1", True)]
        pass_by(2, 8, "covered")
        assert set(alerts(noon)) == {("covered", "cam", True), ("box_clock_behind", "box-1", True)}
        items = get(noon, "/hall/alerts", manager).json()["items"]
        (answer,) = (item for item in items if item["kind"] == "box_clock_behind")
        assert answer["evidence"]["behind_ms"] == HOUR_MS
        assert {"footfall", "occupancy"} <= set(answer["tainted"])
        assert {item["raised"] > iso(start_ms) for item in items} == {True}, "by the hub's clock"
        trust = get(noon, "/hall/quality", manager).json()["trust"]
        assert (trust["verdict"], "alert" in trust["reasons"]) == ("no", True)
        assert "box-1" in examine_clocks(noon.config)[0]["text"]
        box.behind_ms = 0
        pass_by(8, 30, None)
        assert set(alerts(noon)) == {("covered", "cam", False), ("box_clock_behind", "box-1", False)}
        assert examine_clocks(noon.config) == []
    concerned = [("box_clock_behind", "box-1")]
    assert [tainted(start_ms - ago_ms) for ago_ms in (3 * HOUR_MS, HOUR_MS)] == [[], concerned]
    assert {(each["change"], each["kind"]) for each in told(noon)} == {
        (change, kind) for change in ("raised", "cleared") for kind in ("covered", "box_clock_behind")
    }


def test_a_clock_that_begins_years_ago_marks_no_history(hub: World) -> None:
    """15 s with an empty clock battery: what it showed then and what lacks since concern themselves, not all between."""
    box = Box(hub)
    start_ms = box.now_ms - box.now_ms % 60_000
    yesterday_ms = start_ms - DAY_MS
    for body in minutes(yesterday_ms, yesterday_ms + 600_000, 1):
        box.now_ms = body["start_ms"] + 61_000
        box.send(body)
    with looking(hub) as (live, _):
        box.now_ms = start_ms
        box.hello(1)
        for number in range(1, 30):
            box.behind_ms = 400 * DAY_MS if number < 4 else 0
            box.now_ms = start_ms + 5_000 * number + 1_000
            box.send(with_parts(window(start_ms - box.behind_ms + 5_000 * (number - 1), 1)))
            looked_at(hub, live, box.now_ms, 0, 5)
    assert alerts(hub) == [("box_clock_behind", "box-1", False)]
    manager = hub.token("manager", "hall")
    marked = []
    for first_ms in (yesterday_ms, start_ms - 400 * DAY_MS):
        span = {"from": iso(first_ms), "to": iso(first_ms + 600_000)}
        answer = get(hub, "/hall/footfall", manager, bucket="minute", **span).json()
        marked.append([each["fault"] for each in answer["tainted"] if each["part"] == "check"])
    assert marked == [[], ["box_clock_behind"]]


def test_how_far_a_box_was_behind_that_is_gone_hides_nothing(hub: World) -> None:
    """It ended with an empty clock battery; next day the one in its place tells of a covered camera."""
    box = Box(hub)
    box.now_ms -= 3 * DAY_MS
    start_ms = box.now_ms - box.now_ms % 60_000
    box.behind_ms = 400 * DAY_MS
    with looking(hub) as (live, _):
        box.hello(1)
        for number in range(1, 4):
            box.now_ms = start_ms + 5_000 * number + 1_000
            box.send(with_parts(window(start_ms - box.behind_ms + 5_000 * (number - 1), 1)))
        assert live._late(box.now_ms) == {"hall"}
        box.hello(1, online=False)
        new = Box(hub, device="box-2")
        new.now_ms = box.now_ms + DAY_MS
        new.hello(1)
        new.send(with_parts(window(new.now_ms - new.now_ms % 5_000 - 5_000, 1), "covered", "stalled"))
        found = newest_window(live._db, "hall", new.now_ms)
        assert found is not None
        assert found[0]["cameras"][0]["fault"] == "covered"
        assert live._late(new.now_ms) == set()
    assert examine_clocks(hub.config) == []


@pytest.mark.parametrize("told_before", [False, True], ids=["a time not told", "a time told before"])
def test_a_machine_that_comes_up_at_an_earlier_time_hides_no_fault(hub: World, *, told_before: bool) -> None:
    """It counted until now by a right clock, and starts an hour back: what it told by the other clock is not of now."""
    box = Box(hub)
    start_ms = box.now_ms - box.now_ms % 60_000
    counted_ms = 2 * HOUR_MS if told_before else 600_000
    for body in minutes(start_ms - counted_ms, start_ms - 60_000, 0):
        box.now_ms = body["start_ms"] + 61_000
        box.send(body)
    with looking(hub) as (live, _):
        box.now_ms = start_ms
        box.hello(1)
        box.behind_ms = HOUR_MS
        for number in range(1, 10):
            box.now_ms = start_ms + 5_000 * number + 1_000
            at_ms = start_ms - HOUR_MS + 5_000 * (number - 1)
            box.send(with_parts(window(at_ms, 1), "covered", "stalled"))
            looked_at(hub, live, box.now_ms, 0, 5)
    kinds = {"covered", "box_clock_behind"} | ({"box_clock"} if told_before else set())
    assert {kind for kind, _, opened in alerts(hub) if opened} == kinds


def test_what_the_broker_kept_for_the_hub_is_a_backlog_and_no_slow_clock(hub: World) -> None:
    """Ten minutes of a covered camera arrive at once: silent, and the clock of their box is right."""
    box = Box(hub)
    start_ms = box.now_ms - box.now_ms % 5_000
    with looking(hub) as (live, _):
        box.hello(1)
        for number in range(60):
            box.now_ms = start_ms + 600_000
            box.behind_ms = 600_000 - 5_000 * number  # it was sent then
            body = with_parts(window(start_ms - 5_000 + 5_000 * number, 1), "covered", "stalled")
            box.send(body, oldest=1)
            looked_at(hub, live, box.now_ms, 0, 5)
        assert alerts(hub) == []
        assert examine_clocks(hub.config) == []


def test_what_a_box_refuses_and_how_it_crashes_is_told(hub: World) -> None:
    """At once, with the reason; over its next connections and silences until it says otherwise."""
    box = Box(hub)
    start_ms = box.now_ms
    with looking(hub) as (live, _):
        pass_by = partial(looked_at, hub, live, start_ms)
        box.hello(1)
        box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 - 5_000, 0)))
        pass_by(0, 10)
        assert alerts(hub) == []
        reason = "the core ended 3 times within 3600 s of work by it, without a word."
        box.hello(
            2,
            refused=Refusal(version=3, code="crashed", reason=reason),
            crashes=CoreCrashes(count=3, error="IndexError: x"),
            stuck=Stuck(reason="the disk is full.", waiting=7),
            behind=Behind(late_s=31, left_out=400),
            clock_off=ClockOff(by_ms=-2_700_000),
        )
        pass_by(10, 15)
        both = {
            (kind, "box-1")
            for kind in ("configuration_refused", "box_crashes", "box_stuck", "box_behind", "kiosk_clock")
        }
        assert set(alerts(hub)) == {(*key, True) for key in both}
        answer = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()["items"]
        evidence = {item["kind"]: item["evidence"] for item in answer}
        assert evidence["configuration_refused"] == {"version": 3, "code": "crashed", "reason": reason}
        assert evidence["box_crashes"] == {"count": 3, "error": "IndexError: x"}
        assert evidence["box_stuck"] == {"reason": "the disk is full.", "waiting": 7}
        assert evidence["box_behind"] == {"late_s": 31, "left_out": 400}
        assert evidence["kiosk_clock"] == {"by_ms": -2_700_000}
        assert "footfall" in next(item["tainted"] for item in answer if item["kind"] == "box_crashes")
        box.hello(2, online=False)
        box.now_ms = start_ms + 40_000
        box.hello(3, refused=Refusal(version=3, code="crashed", reason=reason))
        pass_by(15, 130)
        assert set(alerts(hub)) == {(*key, key[0] == "configuration_refused") for key in both}
        box.hello(4)
        pass_by(130, 200)
        assert set(alerts(hub)) == {(*key, False) for key in both}
    assert len(told(hub)) == 10


def test_the_alert_of_a_view_that_slides_on_tells_how_far_it_is_by_now(hub: World) -> None:
    """Its light says another distance while the alert is open; where the box is away, what was told stays."""
    box = Box(hub)
    start_ms = box.now_ms // 5_000 * 5_000
    with looking(hub) as (live, _):

        def seen(first_s: int, last_s: int, said: str | None, observed_ms: int = 5_000) -> list[Any]:
            if said is not None:
                light = DeviceLight(id="cam", state="up", since_ms=start_ms, detail=said, fault="moved")
                box.hello(first_s + 1, cameras=[light])
            for at_s in range(first_s, last_s, 5):
                box.now_ms = start_ms + 1_000 * at_s
                body = with_parts(window(box.now_ms - 5_000, 0), "moved")
                body["cameras"][0]["observed_ms"] = observed_ms
                box.send(body)
                looked_at(hub, live, start_ms, at_s, at_s + 1)
            items = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()["items"]
            return [item["evidence"] for item in items if item["kind"] == "moved"]

        (first,) = seen(0, 40, "off by 11 px")
        assert first["detail"] == "off by 11 px"
        assert seen(40, 50, None, 4_000) == [first], "only what is said of the view is news"
        (second,) = seen(50, 60, "off by 44 px")
        assert second["detail"] == "off by 44 px"
        box.hello(100, online=False)
        assert seen(60, 70, None) == [second]
    assert [each["change"] for each in told(hub)].count("raised") == 1


def test_the_alert_of_a_refusal_tells_the_newest(hub: World) -> None:
    """A second version is refused for another reason while the alert of the first is open: that is what is to be mended."""
    box = Box(hub)
    with looking(hub) as (live, _):
        pass_by = partial(looked_at, hub, live, box.now_ms)

        def evidence() -> list[Any]:
            items = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()["items"]
            return [(item["evidence"], item["cleared"] is None) for item in items]

        first = {"version": 3, "code": "marks", "reason": "camera 'cam': the marks fix no floor."}
        second = {"version": 4, "code": "picture_changed", "reason": "camera 'cam' has other pictures."}
        box.hello(1, refused=Refusal(**first))
        pass_by(0, 10)
        assert evidence() == [(first, True)]
        box.hello(2, refused=Refusal(**second))
        pass_by(10, 20)
        assert evidence() == [(second, True)]
        box.hello(3)
        pass_by(20, 30)
        box.hello(4, refused=Refusal(**first))
        pass_by(30, 40)
        assert evidence() == [(first, True)], "it was about to clear"
        box.hello(5)
        pass_by(40, 130)
        assert evidence() == [(first, False)]
    assert [each["change"] for each in told(hub)] == ["raised", "cleared"]


def test_two_texts_of_one_version_are_told_until_they_are_one(tmp_path: Path) -> None:
    """The box was measured anew and its number left as it was: the hub goes by what it holds, and says so."""
    parts = '[box]\nid = "box-1"\nbroker = "mqtt://127.0.0.1:1883"\ndata_dir = "d"\ncredential_env = "C"\n'
    with world(tmp_path, parts=PARTS + parts) as hub:
        told_of_two_texts(hub)


def told_of_two_texts(hub: World) -> None:
    box, own = Box(hub), site_text(hub.config, "hall")
    version = hub.config.sites["hall"].version
    same: dict[str, Any] = {
        "config_version": version, "config_hash": "a" * 16, "config_content": content_hash(own)
    }  # fmt: skip
    other: dict[str, Any] = {
        "config_version": version, "config_hash": "b" * 16,
        "config_content": content_hash(own.replace('en = "Hall"', 'en = "Plaza"')),
    }  # fmt: skip
    assert same["config_content"] != other["config_content"]
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        sites = hub.config.sites
        live = LiveAlerts(hub.store, db, sites, texts=DifferingTexts(db, hub.config, sites))
        pass_by = partial(looked_at, hub, live, box.now_ms)
        box.hello(1, **same)
        box.send(with_parts(window(box.now_ms - box.now_ms % 5_000 - 5_000, 0)))
        pass_by(0, 10)
        assert alerts(hub) == []
        box.hello(2, **other)
        pass_by(10, 20)
        assert alerts(hub) == [("configuration_differs", "box-1", True)]
        (answer,) = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()["items"]
        assert answer["evidence"] == {"version": version, "next": version + 1}
        box.hello(2, online=False, **other)
        pass_by(20, 100)
        assert ("configuration_differs", "box-1", True) in alerts(hub), "it is away, and nothing was mended"
        box.hello(3, **same)
        pass_by(100, 200)
        assert ("configuration_differs", "box-1", False) in alerts(hub)


def test_a_box_that_was_replaced_is_not_missed(tmp_path: Path) -> None:
    """What it left open ends, and its silence is no news; the Live page tells of the branch's box, not of a kiosk."""
    parts = (
        PARTS
        + '[box]\nid = "box-2"\nbroker = "mqtt://127.0.0.1:1883"\ndata_dir = "d"\ncredential_env = "C"\n'
        + '[[kiosk]]\nid = "kiosk-1"\nx_m = 1.0\ny_m = 0.5\nsource = "usb:1"\nrecognise = "off"\n'
    )
    with world(tmp_path, parts=parts) as hub, looking(hub) as (live, _):
        site = hub.config.sites["hall"]
        box = Box(hub)
        start_ms = box.now_ms = site.open_spans_ms(day_of(site, 0))[0][0] + HOUR_MS
        with hub.store.transaction() as transaction:
            key = ("box_silent", "box-1")
            assert Alerts(transaction.db).open("hall", key, start_ms - 60_000, {}, [])
            Alerts(transaction.db).put_watch("hall", key, Watch("open", start_ms - 60_000, start_ms - 60_000))
        box.hello(1)
        box.send(with_parts(window(start_ms - 5_000, 0)))
        box.hello(1, online=False)
        box.hello(1, device="box-2")
        box.now_ms += 1_000
        box.hello(1, device="kiosk-1")
        for later_s in range(0, 400, 10):
            at_ms = start_ms + 1_000 * later_s
            hub.store.heartbeat("ingest-1", at_ms, connected=True, committed_ms=None)
            live.tick(at_ms)
        assert alerts(hub) == [("box_silent", "box-1", False)]
        with Reader.open(hub.config.data_dir) as reader:
            told_of = reader.device(site)
        assert told_of is not None
        assert told_of[1] == start_ms


def test_a_day_that_does_not_add_up_is_found_once(hub: World) -> None:
    """30 of 150 visitors never left by the doors and nobody is there at closing: an alert with its evidence, once."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    box.send(*opened_day(site, 3, 150, 150), *opened_day(site, 2, 150, 120), *minutes(local_day_start_ms(day_of(site, 1), site.zone_info), local_day_start_ms(day_of(site, 1), site.zone_info) + HOUR_MS, 0))  # fmt: skip
    with looking(hub) as (_, drift):
        while drift.tick(now_ms()):
            pass
        assert ("overnight", "", True) in alerts(hub)
        before = alerts(hub)
        drift.tick(now_ms())
        assert alerts(hub) == before
    answer = get(hub, "/hall/quality", hub.token("manager", "hall"), days="7").json()
    (alert,) = (each for each in answer["alerts"] if each["kind"] == "overnight")
    assert alert["evidence"]["numbers"]["went_in"] == 150
    assert alert["evidence"]["value"] == 30
    assert alert["evidence"]["tolerance"] < 30
    assert "footfall" in alert["tainted"]
    assert answer["trust"]["verdict"] == "no"
    assert "alert" in answer["trust"]["reasons"]
    found = {each["from"][:10]: each for each in answer["balance"]}
    assert sorted(each["outcome"] for each in found.values()) == ["off", "ok", "unknown"]
    assert told(hub) == []  # two days ago is no news


def test_the_balance_alert_goes_when_the_figures_agree_again(hub: World) -> None:
    """Two hours with ten people inside whom nobody sees raise it, three fine hours clear it."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    day = opened_day(site, 1, 0, 0)
    day[61]["lines"] = [{"line": "door", "in": 60, "out": 20}]  # forty stay in, and are seen from 13:00 on
    for body in day[4 * 60 :]:
        body["person_ms"] = 60_000 * 40
    with looking(hub) as (_, drift):
        seen = []
        for hour in range(9):
            box.send(*day[60 * hour : 60 * hour + 60])
            drift.tick(start_ms + HOUR_MS * (hour + 1))
            seen.append([each for each in alerts(hub) if each[0] == "balance"])
    raised, cleared = [("balance", "", True)], [("balance", "", False)]
    assert end_ms - start_ms == 8 * HOUR_MS
    # Hours end at 10, 11 (first off), 12 (raised), 13, 14 (fine), 15, 16 (cleared), 17, 18.
    assert seen == [[], [], raised, raised, raised, raised, cleared, cleared, cleared]
    assert [(each["change"], each["kind"]) for each in told(hub) if each["kind"] == "balance"] == [
        ("raised", "balance"),
        ("cleared", "balance"),
    ]


def test_a_door_whose_inside_is_on_the_wrong_side_is_named(hub: World) -> None:
    """Forty went in and are seen, and all of it was counted the other way."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    start_ms, _ = site.open_spans_ms(day_of(site, 1))[0]
    day = opened_day(site, 1, 0, 0)
    day[1]["lines"] = [{"line": "door", "in": 20, "out": 60}]
    for body in day:
        body["person_ms"] = 60_000 * 40
    with looking(hub) as (_, drift):
        for hour in range(3):
            box.send(*day[60 * hour : 60 * hour + 60])
            drift.tick(start_ms + HOUR_MS * (hour + 1))
    answer = get(hub, "/hall/alerts", hub.token("manager", "hall")).json()
    (alert,) = (each for each in answer["items"] if each["kind"] == "balance")
    assert (alert["evidence"]["value"], alert["evidence"]["turned"]) == (-40.0, "door")


@pytest.mark.parametrize(
    ("change", "days"), [("no_entrance", 1), ("never_closes", 0), ("open_at_midnight", 5)]
)
def test_what_a_day_did_not_add_up_to_ends_where_no_day_can_any_more(
    hub: World, tmp_path: Path, change: str, days: int
) -> None:
    """The only entrance is none any more, or the branch does not close any more, or at no midnight of a week."""
    site = hub.config.sites["hall"]
    midnight_ms = [local_day_start_ms(day_of(site, back), site.zone_info) for back in range(13)]
    text = (tmp_path / "hall.toml").read_text()
    if change == "no_entrance":
        text = text.replace("entrance = true", "entrance = false")
    else:
        hours = "00:00-24:00" if change == "never_closes" else "00:00-02:00,20:00-24:00"
        text = text.replace("09:00-17:00", hours)
        with hub.store.transaction() as transaction:
            history = OpeningHistory(transaction.db)
            history.note(site, midnight_ms[12])
            history.note(parse_site(text), midnight_ms[10])
    changed = parse_site(text)
    door = {"line": "door", "in": 0, "out": 0, "entrance": bool(changed.entrances)}
    sites = {"hall": site}
    box = Box(hub)
    box.send(*opened_day(site, 11, 150, 120))
    lasting = []
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        drift = DriftAlerts(hub.store, db, sites)
        for back in range(10, 0, -1):
            end_ms = midnight_ms[back - 1]
            box.send(*minutes(end_ms - 600_000, end_ms, 0, lines=[door]))
            while drift.tick(now_ms()):
                pass
            lasting.append(("overnight", "", True) in alerts(hub))
            sites["hall"] = changed
    assert lasting[0]
    assert lasting[1:] == [True] * days + [False] * (9 - days)


def test_checks_of_what_is_not_there_any_more_end(hub: World, tmp_path: Path) -> None:
    """A sensor that tells no presence, a camera that has a line's name: after three hours of the branch's own time, however late they are looked at."""
    site = hub.config.sites["hall"]
    start_ms, _ = site.open_spans_ms(day_of(site, 1))[0]
    with hub.store.transaction() as transaction:
        for key in (("sensor_disagrees", "eye"), ("camera_history", "door"), ("line_history", "door")):
            assert Alerts(transaction.db).open("hall", key, start_ms, {}, [])
            Alerts(transaction.db).put_watch("hall", key, Watch("open", start_ms, start_ms))
    text = (tmp_path / "hall.toml").read_text().replace("present_below_m = 2.0\n", "")
    Box(hub).send(*minutes(start_ms, start_ms + 4 * HOUR_MS, 0))
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        drift = DriftAlerts(hub.store, db, {"hall": parse_site(text)})
        while drift.tick(now_ms()):
            pass
        cleared = {alert.kind: alert.cleared_ms for alert in Alerts(db).since("hall", 0, 9)}
    ended_ms = start_ms + 3 * HOUR_MS
    assert cleared == {"sensor_disagrees": ended_ms, "camera_history": ended_ms, "line_history": None}


def test_the_age_of_a_calibration_that_has_no_date_any_more_alarms_nobody(hub: World) -> None:
    """`measured_on` was taken out by hand: the age is not known, and says so; what is not reported for now stays."""
    site = hub.config.sites["hall"]
    start_ms, _ = site.open_spans_ms(day_of(site, 1))[0]
    keys = [("calibration_age", "cam"), ("calibration_residual", "cam")]
    with hub.store.transaction() as transaction:
        for key in keys:
            assert Alerts(transaction.db).open("hall", key, start_ms, {}, [])
            Alerts(transaction.db).put_watch("hall", key, Watch("open", start_ms, start_ms))
    box = Box(hub)
    with looking(hub) as (_, drift):
        four_hours(
            box,
            drift,
            start_ms,
            lambda camera: (camera.pop("calibration_age_days"), camera.pop("calibration_residual_mm")),
        )
    lasting = {kind: lasts for kind, _, lasts in alerts(hub)}
    assert lasting == {"calibration_age": False, "calibration_residual": True}


def test_how_long_a_sensor_had_somebody_before_it_is_told(hub: World) -> None:
    """As the box measured it: whether that is much or little is for who reads it."""
    box = Box(hub)
    start_ms = box.now_ms - box.now_ms % 5_000 - 5_000
    box.send(with_parts(window(start_ms, 1), present_ms=1_700, nearest_mm=1_290, sum_mm=100_000))
    (eye,) = get(hub, "/hall/live", hub.token("manager", "hall")).json()["sensors"]
    assert (eye["present"], eye["present_s"], eye["observed_s"], eye["nearest_mm"]) == (
        False,
        1.7,
        5.0,
        1_290,
    )


def test_four_marks_agree_with_nothing(tmp_path: Path) -> None:
    """The box tells of no residual at all, since they always fit: no check, and what five marks were alarmed for has ended."""
    with world(tmp_path, parts=PARTS.replace(", [50, 50, 1, 0.5]", "")) as hub:
        site = hub.config.sites["hall"]
        start_ms, _ = site.open_spans_ms(day_of(site, 1))[0]
        key = ("calibration_residual", "cam")
        with hub.store.transaction() as transaction:
            assert Alerts(transaction.db).open("hall", key, start_ms, {}, [])
            Alerts(transaction.db).put_watch("hall", key, Watch("open", start_ms, start_ms))
        box = Box(hub)
        with looking(hub) as (_, drift):
            four_hours(box, drift, start_ms, lambda camera: camera.update(calibration_residual_mm=0))
        assert {kind: lasts for kind, _, lasts in alerts(hub)} == {"calibration_residual": False}
        answer = get(hub, "/hall/quality", hub.token("manager", "hall"), days="2").json()
        found = {each["check"]: each for each in answer["findings"]}
        residual = found["calibration_residual"]
        assert (residual["outcome"], residual["reason"]) == ("unknown", "four_marks")
        assert residual["value"] is None
        assert found["calibration_age"]["outcome"] == "ok"
        assert [camera["calibration_residual_mm"] for camera in answer["cameras"]] == [None]
        assert isinstance(answer["cameras"][0]["calibration_age_days"], int)
        now = get(hub, "/hall/live", hub.token("manager", "hall")).json()
        assert [camera["calibration_residual_mm"] for camera in now["cameras"]] == [None]


def test_two_workers_and_a_crash_raise_an_alert_once(hub: World) -> None:
    """A worker killed between reading and committing, another that looks at the same time: one alert, one line in the feed."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    box.send(*opened_day(site, 2, 150, 120), *minutes(local_day_start_ms(day_of(site, 1), site.zone_info), local_day_start_ms(day_of(site, 1), site.zone_info) + HOUR_MS, 0))  # fmt: skip
    at_ms = local_day_start_ms(day_of(site, 1), site.zone_info) + 60_000
    script = (
        "import contextlib, os, signal, sys\n"
        "from pathlib import Path\n"
        "from hub.config.hub import read_config\n"
        "from hub.ingest.drift_alerts import DriftAlerts\n"
        "from hub.store.connection import connect_readonly\n"
        "from hub.store.schema.core import DATABASE\n"
        "from hub.store.sqlite import SqliteStore\n"
        "config = read_config(Path(sys.argv[1]))\n"
        "store = SqliteStore(config.data_dir)\n"
        "class Dying:\n"
        "    @contextlib.contextmanager\n"
        "    def transaction(self):\n"
        "        with store.transaction() as transaction:\n"
        "            yield transaction\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "drift = DriftAlerts(Dying(), connect_readonly(config.data_dir / DATABASE), config.sites)\n"
        f"drift.tick({at_ms})\n"
    )
    died = subprocess.run(
        [sys.executable, "-c", script, str(hub.config.path)], check=False, env=os.environ.copy(), timeout=60
    )
    assert died.returncode == -signal.SIGKILL
    assert alerts(hub) == []
    threads = []
    with looking(hub) as (_, first):

        def second() -> None:
            """Another worker, over connections of its own."""
            with (
                contextlib.closing(SqliteStore(hub.config.data_dir)) as store,
                contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db,
            ):
                drift = DriftAlerts(store, db, hub.config.sites)
                while drift.tick(at_ms):
                    pass

        threads.append(threading.Thread(target=second))
        threads[0].start()
        while first.tick(at_ms):
            pass
        threads[0].join(30)
    assert [each for each in alerts(hub) if each[0] == "overnight"] == [("overnight", "", True)]
    assert [each["kind"] for each in told(hub)].count("overnight") == 1


def test_one_branch_whose_records_are_spoiled_holds_no_other_up(hub: World) -> None:
    """What cannot be read of `annex` is said with its name, once; `hall` gets its alert all the same."""
    site = hub.config.sites["hall"]
    night_ms = local_day_start_ms(day_of(site, 1), site.zone_info)
    days = [*opened_day(site, 2, 150, 120), *minutes(night_ms, night_ms + HOUR_MS, 0)]
    Box(hub, "annex").send(*days)
    Box(hub).send(*days)
    with hub.store.transaction() as transaction:
        transaction.db.execute("UPDATE latest SET body='{' WHERE site='annex'")
    said: list[str] = []
    with (
        contextlib.closing(SqliteStore(hub.config.data_dir)) as store,
        contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db,
    ):
        drift = DriftAlerts(store, db, hub.config.sites, said.append)
        while drift.tick(night_ms + 60_000):
            pass
        assert len(said) == 1
        assert "annex" in said[0]
        drift.tick(night_ms + 60_000 + REST_MS)
        assert len(said) == 2
    assert ("overnight", "", True) in alerts(hub)


def test_a_branch_without_entrance_is_told_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not day by day that too little of the doors was observed: there is none."""
    monkeypatch.setattr(hubworld, "SITE", hubworld.SITE.replace("entrance = true", "entrance = false"))
    with world(tmp_path, parts=PARTS) as hub:
        site = hub.config.sites["hall"]
        box = Box(hub)
        for back in (3, 2, 1):
            start_ms, end_ms = site.open_spans_ms(day_of(site, back))[0]
            inner = {"line": "door", "in": 1, "out": 1, "entrance": False}
            box.send(*minutes(start_ms, end_ms, 2, lines=[inner]))
        answer = get(hub, "/hall/quality", hub.token("manager", "hall"), days="14").json()
        assert [each["reason"] for each in answer["balance"]] == ["no_entrance"]


def test_coverage_is_told_hour_by_hour(hub: World) -> None:
    """An hour in opening time that nobody observed is a gap, night is closed; the share is exact."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    day = opened_day(site, 1, 60, 60)
    box.send(*(body for number, body in enumerate(day) if number // 60 != 3))
    answer = get(hub, "/hall/quality", hub.token("auditor"), days="2").json()
    (yesterday,) = (each for each in answer["days"] if each["date"] == day_of(site, 1).isoformat())
    states = {each["hour"]: each["state"] for each in yesterday["hours"]}
    assert [hour for hour, state in states.items() if state == "gap"] == [12]
    assert [hour for hour, state in states.items() if state == "observed"] == [9, 10, 11, 13, 14, 15, 16]
    assert all(states[hour] == "closed" for hour in (0, 8, 17, 23))
    assert yesterday["coverage"] == 7 / 8
    earlier = get(hub, "/hall/quality", hub.token("auditor"), days="4").json()["days"][0]
    assert (earlier["coverage"], {each["state"] for each in earlier["hours"]}) == (None, {"closed", "before"})
    (camera,) = answer["cameras"]
    assert (camera["calibration_residual_mm"], camera["calibration_age_days"]) == (120, 20)
    assert camera["state"] == "unknown"  # it was last heard of yesterday
    assert answer["balance"][0]["outcome"] == "unknown"
    assert answer["balance"][0]["reason"] == "coverage"


def test_old_days_are_judged_by_the_cameras_of_their_own(hub: World) -> None:
    """Two cameras then, of which one was dark, are half; a camera that no window of that day names was not due."""
    site = hub.config.sites["hall"]
    old = opened_day(site, 2, 60, 60)
    others = [{**body["cameras"][0], "camera": name} for body in old[:1] for name in ("left", "right")]
    box = Box(hub)
    box.send(*({**body, "expected_ms": 120_000, "cameras": others} for body in old))
    box.send(*opened_day(site, 1, 60, 60))
    answer = get(hub, "/hall/quality", hub.token("auditor"), days="3").json()
    shares = {each["date"]: each["coverage"] for each in answer["days"]}
    assert (shares[day_of(site, 2).isoformat()], shares[day_of(site, 1).isoformat()]) == (0.5, 1.0)
    span = {
        "from": iso(local_day_start_ms(day_of(site, 2), site.zone_info)),
        "to": iso(local_day_start_ms(day_of(site, 1), site.zone_info)),
    }
    history = get(hub, "/hall/occupancy", hub.token("manager", "hall"), **span, bucket="day").json()
    assert history["coverage"] == 0.5
    (camera,) = answer["cameras"]
    opened_ms, observed_ms = (
        sum(max(0, min(end, now_ms()) - start) for start, end in site.open_spans_ms(day_of(site, back)))
        for back in (0, 1)
    )
    assert camera["coverage"] == pytest.approx(observed_ms / (observed_ms + opened_ms), abs=0.01)


def test_hours_that_retention_took_are_no_gaps(hub: World) -> None:
    """Where hours are no longer kept, nothing is judged, and nothing is called unobserved."""
    site = hub.config.sites["hall"]
    Box(hub).send(*opened_day(site, 2, 60, 60))
    today_ms = local_day_start_ms(day_of(site, 0), site.zone_info)
    with hub.store.transaction() as transaction:
        assert transaction.prune("hour", "hall", today_ms) > 0
    days = get(hub, "/hall/quality", hub.token("auditor"), days="4").json()["days"]
    assert {hour["state"] for day in days[:-1] for hour in day["hours"]} == {"closed", "before"}


def test_nothing_observed_is_no_verdict(hub: World) -> None:
    """A branch that never sent anything is neither trusted nor accused."""
    answer = get(hub, "/annex/quality", hub.token("manager", "annex")).json()
    assert answer["trust"]["verdict"] == "unknown"
    assert answer["coverage"] is None
    assert answer["balance"] == answer["findings"] == answer["alerts"] == []


def signed(key: Any = KEY, **other: Any) -> str:
    """A report of `hall`: at most 3 % of the crossings wrong."""
    at_ms = now_ms()
    figure = {
        "key": "counts.wrong_rate", "subject": "door", "unit": "share", "value": 0.01, "low": 0.002, "high": 0.03,
        "sample": 400, "sample_of": "crossings", "at_most": 0.05, "verdict": "pass",
    }  # fmt: skip
    body = {
        "site": "hall", "name": {"en": "Hall", "zh": "大厅"}, "config_version": 1, "config_hash": "0123456789abcdef",
        "software": "branchloop", "evidence": [{"role": "truth", "name": "count.csv", "bytes": 9, "sha256": "a" * 64}],
        "figures": [figure], "verdict": "pass", "measured_by": "Wei Zhang",
        "made_at_ms": at_ms - DAY_MS, "expires_at_ms": at_ms + 30 * DAY_MS,
    }  # fmt: skip
    return sign_report(key, {**body, **other})


def upload(hub: World, text: str | bytes, site: str = "hall", role: str = "manager") -> httpx.Response:
    headers = hub.token(role, *(["hall", "annex"] if role in {"manager", "staff"} else []))
    return httpx.post(
        f"{hub.api}/api/v1/branches/{site}/acceptance", content=text, headers=headers, timeout=10
    )


def test_a_report_is_kept_as_it_was_signed(hub: World) -> None:
    """Uploaded twice it is there once; it comes back byte by byte, narrows the tolerance, and is in the audit log."""
    text = signed(not_counted=["back"])
    first, again = upload(hub, text), upload(hub, text)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["digest"] == again.json()["digest"]
    assert (first.json()["state"], first.json()["same_configuration"]) == ("valid", True)
    headers = hub.token("auditor")
    listed = get(hub, "/hall/acceptance", headers).json()["items"]
    assert [each["digest"] for each in listed] == [first.json()["digest"]]
    assert listed[0]["figures"][0]["high"] == 0.03
    assert listed[0]["not_counted"] == ["back"]
    assert get(hub, f"/hall/acceptance/{listed[0]['digest']}", headers).text == text
    assert get(hub, "/hall/acceptance/" + "0" * 64, headers).status_code == 404
    verdict = hub.state.audit.verify()
    assert verdict.broken_seq is None
    site = hub.config.sites["hall"]
    Box(hub).send(*opened_day(site, 1, 150, 150))
    answer = get(hub, "/hall/quality", headers, days="3").json()
    assert answer["balance"][0]["basis"] == "acceptance"
    assert answer["balance"][0]["numbers"]["error_share"] == 0.03
    assert answer["reports"] == listed
    other = upload(hub, signed(config_version=7, made_at_ms=now_ms() - 1_000)).json()
    assert other["same_configuration"] is False
    answer = get(hub, "/hall/quality", headers, days="3").json()
    # measured on another configuration: it neither proves anything of this nor takes anything back
    assert answer["balance"][0]["basis"] == "acceptance"


def rate(subject: str | None, wrong: int, crossings: int) -> dict[str, Any]:
    """A figure as `acceptance make` writes it, of a hand count with so many errors."""
    value, (low, high) = wrong / crossings, poisson_interval(wrong)
    ends = [round(part, DECIMALS) for part in (value, low / crossings, high / crossings)]
    figure = {
        "key": "counts.wrong_rate", "unit": "share", "value": ends[0], "low": ends[1], "high": ends[2],
        "sample": crossings, "sample_of": "crossings", "at_most": 0.05, "verdict": judge(*ends, None, 0.05),
    }  # fmt: skip
    return figure if subject is None else {**figure, "subject": subject}


@pytest.mark.parametrize(
    ("figures", "share"),
    [
        ([rate("door", 0, 4)], None),
        ([rate("door", 3, 30)], None),
        ([rate("door", 6, 1_000)], 0.0131),
        ([rate("door", 6, 1_000), rate("side", 0, 4), rate(None, 6, 1_004)], 0.013),
        ([rate("door", 6, 1_000), rate("side", 60, 100), rate(None, 66, 1_100)], None),
        ([rate("door", 0, 600), rate("door", 6, 1_000)], 0.0131),
        ([rate("door", 0, 4), rate("door", 6, 1_000)], None),
        ([rate("door", 6, 1_000), rate("side", 0, 200)], None),
        ([rate("side", 6, 1_000)], None),
        ([rate(None, 6, 1_000), rate("door", 100, 500)], None),
        ([{**rate("door", 50, 100), "at_most": 0.9, "verdict": "pass"}], None),
    ],
    ids=[
        "few", "failed", "one", "all lines", "all lines failed", "twice", "once too few", "no sum", "another door", "counted twice", "a limit that half may be wrong by",
    ],
)  # fmt: skip
def test_only_what_is_proven_of_all_entrances_sets_the_tolerance(
    hub: World, figures: list[dict[str, Any]], share: float | None
) -> None:
    """A side door with four crossings, a failed test or one door of two leaves the tolerance as it was designed."""
    verdict = overall(figure["verdict"] for figure in figures)
    assert upload(hub, signed(figures=figures, verdict=verdict)).status_code == 201
    site = hub.config.sites["hall"]
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        error = proof(db, site, now_ms()).error
    assert error == (CountError() if share is None else CountError(share, "acceptance"))
    assert error.tolerance(200) < 8


def test_what_stands_is_what_was_proven_of_the_entrances(hub: World) -> None:
    """Heat, another door, a newer report of an older configuration or a small sample neither prove the counts nor take it back."""
    at_ms = now_ms()
    heat = {"key": "heat.r", "unit": "share", "value": 0.97, "low": 0.96, "high": 0.99, "sample": 90, "sample_of": "places",
            "at_least": 0.95, "verdict": "pass"}  # fmt: skip
    few = {**rate("door", 0, 4), "verdict": "undecided"}
    fails = rate("door", 300, 1_000)
    uploads: list[tuple[str, dict[str, Any]]] = [
        ("expired", {"config_version": 7}),
        ("partial", {"figures": [heat]}),
        ("partial", {"figures": [rate("side", 0, 600)], "not_counted": ["door"]}),
        ("undecided", {"figures": [few], "verdict": "undecided"}),
        ("undecided", {"figures": [{**rate("door", 50, 100), "at_most": 0.9, "verdict": "pass"}]}),
        ("valid", {}),
        ("valid", {"figures": [heat]}),
        ("valid", {"config_version": 7}),
        ("valid", {"figures": [few], "verdict": "undecided"}),
        ("failed", {"figures": [fails], "verdict": "fail"}),
        ("failed", {"figures": [heat]}),
        ("valid", {}),
    ]
    site = hub.config.sites["hall"]
    decides = ""
    for minute, (standing, report) in enumerate(uploads):
        answered = upload(hub, signed(**report, made_at_ms=at_ms - DAY_MS + minute))
        assert answered.status_code == 201, answered.text
        with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
            found = proof(db, site, at_ms)
        assert (minute, found.standing) == (minute, standing)
        assert (found.error.basis == "acceptance") == (standing == "valid")
        if standing == "valid" and not report:
            decides = answered.json()["digest"]
        assert standing != "valid" or found.report == decides
    assert get(hub, "/hall/quality?days=2", hub.token("auditor")).json()["trust"]["report"] == decides


def test_an_expired_report_is_shown_as_expired(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays in the list, proves nothing any more, and cannot be uploaded."""
    assert upload(hub, signed()).status_code == 201
    later = now_ms() + 31 * DAY_MS
    monkeypatch.setattr("hub.api.quality_routes.now_ms", lambda: later)
    (listed,) = get(hub, "/hall/acceptance", hub.token("auditor")).json()["items"]
    assert listed["state"] == "expired"
    monkeypatch.undo()
    at_ms = now_ms()
    refused = upload(hub, signed(made_at_ms=at_ms - 3 * DAY_MS, expires_at_ms=at_ms - DAY_MS))
    assert refused.status_code == 422
    assert "expired" in refused.json()["detail"]


def test_a_bad_report_is_refused(hub: World) -> None:
    """Another key's, another branch's, a changed one, no report, too large: a problem with a hint, and nothing is kept."""
    good = signed()
    bad: list[tuple[str | bytes, int, str]] = [
        (signed(STRANGER), 422, "nobody whom this hub trusts"),
        (signed(simulated=True), 422, "simulated branch"),
        (good.replace('"value": 0.01', '"value": 0.009'), 422, "tampered"),
        ("{}", 422, "not an acceptance report"),
        (b"\xff\xfe", 422, "UTF-8"),
        ("", 422, "not an acceptance report"),
        ("x" * 1_000_001, 413, "too large"),
    ]
    for text, status, words in bad:
        answer = upload(hub, text)
        assert answer.status_code == status, words
        assert words in answer.json()["detail"]
        assert answer.json()["hint"]
        assert answer.headers["content-type"] == "application/problem+json"
    assert "branch 'hall'" in upload(hub, good, "annex").json()["detail"]
    for role, status in (("staff", 403), ("auditor", 403), ("head_office", 201)):
        assert upload(hub, good, role=role).status_code == status, role
    listed = get(hub, "/hall/acceptance", hub.token("head_office")).json()["items"]
    assert len(listed) == 1


def test_alerts_come_in_pages(hub: World) -> None:
    """Every alert once, newest first, whatever the page's size."""
    with hub.store.transaction() as transaction:
        for number in range(7):
            key = ("covered", f"cam-{number}")
            assert Alerts(transaction.db).open(
                "hall", key, now_ms() - 1_000 * (number // 2), {}, ["footfall"]
            )
            assert not Alerts(transaction.db).open("hall", key, now_ms(), {}, ["footfall"])
    headers = hub.token("head_office")
    seen, after = [], None
    while True:
        query = {"limit": "3"} | ({"after": str(after)} if after else {})
        page = get(hub, "/hall/alerts", headers, **query).json()
        seen += page["items"]
        after = page["next"]
        if after is None:
            break
    assert len({each["id"] for each in seen}) == len(seen) == 7
    assert get(hub, "/annex/alerts", headers, after=str(seen[0]["id"])).json()["items"] == []
    assert get(hub, "/hall/alerts", headers, after="9" * 30).status_code == 422
    assert [each["raised"] for each in seen] == sorted((each["raised"] for each in seen), reverse=True)
