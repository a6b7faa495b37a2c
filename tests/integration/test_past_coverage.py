"""The past keeps its own measure: hours, cameras, lines and zones of then, and no history out of one wrong clock."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hubworld import World, world
from served import served
from test_api import get, window
from test_quality import PARTS, Box, day_of, minutes, opened_day

from branchloop.clock import DAY_MS, HOUR_MS, iso, local_day_end_ms, local_day_start_ms
from branchloop.site.site import Camera, Line, Site
from hub.api.app import create_app
from hub.api.state import now_ms
from hub.ingest.watching import watch_quality
from hub.store.branches.configurations import Configurations
from hub.store.branches.opening import Hours, OpeningHistory, OpeningNotes
from hub.store.connection import connect_readonly
from hub.store.figures.evidence import Evidence
from hub.store.schema.core import DATABASE

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEAR_2020_MS = 1_577_836_800_000


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS) as running:
        yield running


@contextlib.contextmanager
def configured(hub: World, **changes: Any) -> Iterator[World]:
    """The same store behind a hub whose `hall` is configured otherwise."""
    sites = {**hub.config.sites, "hall": hub.config.sites["hall"].model_copy(update=changes)}
    config = replace(hub.config, sites=sites)
    with served(create_app(replace(hub.state, config=config))) as api:
        yield replace(hub, api=api, config=config)


def daily(text: str) -> dict[str, str]:
    return dict.fromkeys(WEEK, text)


def day_ms(site: Site, back: int) -> tuple[int, int]:
    day = day_of(site, back)
    return local_day_start_ms(day, site.zone_info), local_day_end_ms(day, site.zone_info)


def asked(span: tuple[int, int]) -> dict[str, str]:
    return {"from": iso(span[0]), "to": iso(span[1])}


def told(hub: World, what: str, span: tuple[int, int], **more: str) -> dict[str, Any]:
    answer = get(hub, f"/hall/{what}", hub.token("manager", "hall"), **asked(span), **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_one_window_of_a_wrong_clock_opens_no_years_of_gap(hub: World) -> None:
    """The branch is as young as before; what was in that window is told of its own time."""
    headers, box = hub.token("auditor"), Box(hub)
    box.send(*opened_day(hub.config.sites["hall"], 1, 60, 60))
    before = get(hub, "/hall/quality", headers, days="14").json()
    box.send(window(YEAR_2020_MS, 2))
    after = get(hub, "/hall/quality", headers, days="14").json()
    assert after["days"] == before["days"]
    assert after["coverage"] == pytest.approx(before["coverage"], abs=1e-3)  # the day went on between the two
    assert after["trust"]["verdict"] == before["trust"]["verdict"]
    assert after["trust"]["reasons"] == before["trust"]["reasons"]
    then = told(hub, "occupancy", (YEAR_2020_MS, YEAR_2020_MS + 60_000), bucket="day")
    assert then["items"][0]["person_seconds"] == 10.0


@pytest.mark.parametrize(
    ("held_days", "silent_days", "begins"), [(1, 29, 0), (2, 59, 0), (1, 32, 33), (2, 90, 92), (30, 365, 0)]
)
def test_a_history_begins_before_a_silence_that_it_is_long_for(
    hub: World, held_days: int, silent_days: int, begins: int
) -> None:
    """A month without a word is a gap after weeks of work, and none after a stray."""
    start_ms = now_ms() // DAY_MS * DAY_MS - 500 * DAY_MS
    row = "INSERT INTO rollup (site, level, start_ms, device, windows, windows_ms, expected_ms, observed_ms,"
    row += " open_expected_ms, open_observed_ms, person_ms, first_ms, last_ms) VALUES ('hall','day',?,'box-1',1,?,1,1,1,1,0,?,?)"
    stored = [*range(held_days), held_days + silent_days]
    with hub.store.transaction() as transaction:
        for number in stored:
            at_ms = start_ms + number * DAY_MS
            transaction.db.execute(row, (at_ms, DAY_MS, at_ms, at_ms + DAY_MS))
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        assert Evidence(db).first_ms("hall") == start_ms + begins * DAY_MS


def test_a_camera_added_today_changes_no_check_of_the_past(hub: World) -> None:
    """Yesterday had one camera, and its checks are of that one."""
    site, headers = hub.config.sites["hall"], hub.token("auditor")
    Box(hub).send(*opened_day(site, 2, 60, 60), *opened_day(site, 1, 60, 60))
    more: list[Camera] = [site.cameras[0].model_copy(update={"id": name}) for name in ("cam", "two", "three")]
    before = get(hub, "/hall/quality", headers, days="4").json()
    with configured(hub, cameras=more) as after:
        found = get(after, "/hall/quality", headers, days="4").json()
    assert [each["outcome"] for each in found["balance"]] == ["ok", "ok"]
    assert found["balance"] == before["balance"]
    kept = {(each["check"], each["subject"]): each for each in found["findings"]}
    for finding in before["findings"]:
        assert kept[finding["check"], finding["subject"]] == finding


def test_a_line_and_a_zone_that_came_later_cover_their_own_part(hub: World) -> None:
    """Renamed at noon of yesterday: half of the opening time, told of the day as of the hours."""
    site = hub.config.sites["hall"]
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    noon_ms = start_ms + 4 * HOUR_MS
    stay = {"person_ms": 30_000, "entries": 1, "dwell": {"count": 0, "sum_ms": 0, "bins": {}}}
    box = Box(hub)
    box.send(
        *minutes(start_ms - 7 * HOUR_MS, noon_ms, 1, zones=[{"zone": "queue", **stay}]),
        *minutes(
            noon_ms, end_ms, 1, lines=[{"line": "front", "in": 1, "out": 1}], zones=[{"zone": "sofa", **stay}]
        ),
    )
    renamed = {
        "lines": [site.lines[0].model_copy(update={"id": "front"})],
        "zones": [site.zones[0].model_copy(update={"id": "sofa"})],
    }
    with configured(hub, **renamed) as after:
        span = day_ms(site, 1)
        footfall = told(after, "footfall", span, bucket="day")
        assert (footfall["coverage"], footfall["items"][0]["coverage"]) == (0.5, 0.5)
        hours = told(after, "footfall", (start_ms, end_ms), bucket="hour")["items"]
        assert [each["coverage"] for each in hours] == 4 * [0.0] + 4 * [1.0]
        zones = told(after, "zones", span)
        (sofa,) = zones["items"]
        assert (zones["coverage"], sofa["coverage"], sofa["visits"], sofa["share"]) == (1.0, 0.5, 240, None)
        (sofa,) = told(after, "zones", (noon_ms, end_ms))["items"]
        assert (sofa["coverage"], sofa["share"]) == (1.0, 0.5)
    (door,) = told(hub, "footfall", day_ms(site, 1), bucket="day")["items"]
    assert door["coverage"] == 0.5
    second: list[Line] = [site.lines[0], site.lines[0].model_copy(update={"id": "back"})]
    box.send(*minutes(*site.open_spans_ms(day_of(site, 2))[0], 0))
    with configured(hub, lines=second) as after:
        assert told(after, "footfall", day_ms(site, 2), bucket="day")["coverage"] == 1.0


def test_a_camera_that_was_out_is_named_with_its_time(hub: World) -> None:
    """Of opening time alone: all night long and for three hours of the day, while the other one looked."""
    site = hub.config.sites["hall"]
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    back_ms, box = start_ms + 3 * HOUR_MS, Box(hub)
    for span, seen_ms in (((start_ms - HOUR_MS, back_ms), 0), ((back_ms, end_ms), 60_000)):
        windows = minutes(*span, 0, expected_ms=120_000, observed_ms=60_000 + seen_ms)
        for body in windows:
            one = {**body["cameras"][0], "observed_ms": 60_000}
            body["cameras"] = [one, {**one, "camera": "two", "observed_ms": seen_ms}]
        box.send(*windows)
    out = {"camera": "two", "seconds": 10_800.0, "from": iso(start_ms), "to": iso(back_ms)}
    day = told(hub, "heat", day_ms(site, 1))
    assert (day["gaps"], day["coverage"], day["cameras_out"]) == ([], 0.8125, [out])
    assert told(hub, "heat", (back_ms, end_ms))["cameras_out"] == []
    (hour,) = told(hub, "heat", (start_ms + HOUR_MS, start_ms + 2 * HOUR_MS))["cameras_out"]
    assert hour["seconds"] == 3_600.0
    month = told(hub, "heat", (start_ms - 30 * DAY_MS, end_ms))  # by hours
    assert month["cameras_out"] == [out]


def test_a_door_is_observed_by_the_cameras_that_see_it(hub: World) -> None:
    """Two cameras, one of them out for three of eight hours: the door that it watched has no count of then, the other is whole."""
    site = hub.config.sites["hall"]
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    out = (start_ms + 4 * HOUR_MS, end_ms - HOUR_MS)
    seen = {"in": 1, "out": 1, "looked_ms": 60_000}
    both = {"observed_ms": 120_000, "lines": [{"line": "door", **seen}, {"line": "back", **seen}]}
    unseen = {"line": "back", "in": 0, "out": 0, "looked_ms": 0}
    one = {"observed_ms": 60_000, "lines": [{"line": "door", **seen}, unseen]}
    box = Box(hub)
    for span, told_then in (((start_ms, out[0]), both), (out, one), ((out[1], end_ms), both)):
        box.send(*minutes(*span, 0, expected_ms=120_000, **told_then))
    door = site.lines[0]
    back = door.model_copy(update={"id": "back"})
    for lines, day, then, count in (
        ([door], 1.0, 1.0, 180),
        ([back], 0.625, 0.0, None),
        ([door, back], 0.8125, 0.5, 180),
    ):
        with configured(hub, lines=lines) as asking:
            whole = told(asking, "footfall", day_ms(site, 1), bucket="day")
            assert (whole["coverage"], whole["items"][0]["coverage"]) == (day, day)
            while_out = told(asking, "footfall", out, bucket="hour")
            assert (while_out["coverage"], while_out["total_in"]) == (then, count)
            quality = get(asking, "/hall/quality", hub.token("auditor"), days="4").json()
            assert quality["trust"]["entrances"] == pytest.approx(
                quality["trust"]["coverage"] * day / 0.8125, rel=0.01
            )
            (balance,) = quality["balance"]
            assert balance["outcome"] == ("ok" if day == 1.0 else "unknown")


@pytest.mark.parametrize(("door_h", "back_h", "day"), [(8, 0, 0.875), (2, 2, 0.25)])
def test_a_day_with_a_new_door_and_an_outage_is_covered_as_its_hours_are(
    hub: World, door_h: int, back_h: int, day: float
) -> None:
    """A second door from the seventh hour on; each is in sight for so many hours before closing."""
    site = hub.config.sites["hall"]
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    box = Box(hub)
    for hour in range(8):
        at_ms = start_ms + hour * HOUR_MS
        lines = [
            {"line": name, "in": 1, "out": 1, "looked_ms": 60_000 if hour >= 8 - seen_h else 0}
            for name, since, seen_h in (("door", 0, door_h), ("back", 6, back_h))
            if hour >= since
        ]
        box.send(*minutes(at_ms, at_ms + HOUR_MS, 0, lines=lines))
    assert start_ms + 8 * HOUR_MS == end_ms
    back = site.lines[0].model_copy(update={"id": "back"})
    with configured(hub, lines=[site.lines[0], back]) as asking:
        whole = told(asking, "footfall", day_ms(site, 1), bucket="day")
        hours = told(asking, "footfall", (start_ms, end_ms), bucket="hour")
    assert (whole["coverage"], whole["items"][0]["coverage"], hours["coverage"]) == (day, day, day)
    assert sum(each["coverage"] for each in hours["items"]) / 8 == day


def test_a_line_of_today_has_no_history_to_be_off_from(hub: World) -> None:
    """Weeks without that line are no weeks of nobody crossing it."""
    site = hub.config.sites["hall"]
    box = Box(hub)
    front = {"lines": [{"line": "front", "in": 30, "out": 30}]}
    for back in range(2, 15):
        start_ms = site.open_spans_ms(day_of(site, back))[0][0]
        box.send(*minutes(start_ms, start_ms + HOUR_MS, 0))
    start_ms = site.open_spans_ms(day_of(site, 1))[0][0]
    box.send(*minutes(start_ms, start_ms + HOUR_MS + 60_000, 0, **front))
    with configured(hub, lines=[site.lines[0].model_copy(update={"id": "front"})]) as after:
        findings = get(after, "/hall/quality", hub.token("auditor")).json()["findings"]
    (line,) = (each for each in findings if each["check"] == "line_history")
    assert (line["outcome"], line["reason"]) == ("unknown", "too_few")


def test_new_opening_hours_are_not_those_of_the_past(hub: World) -> None:
    """Yesterday was wholly observed by its own hours, whatever the hours of today are."""
    site = hub.config.sites["hall"]
    span, headers = day_ms(site, 1), hub.token("auditor")
    Box(hub).send(*minutes(*span, 0))
    OpeningNotes(hub.store, hub.config.sites).tick(now_ms() - HOUR_MS)
    before = get(hub, "/hall/quality", headers, days="2").json()
    with configured(hub, hours=daily("07:00-19:00")) as after:
        for _ in range(2):
            heat = told(after, "heat", span)
            assert (heat["coverage"], heat["gaps"]) == (1.0, [])
            found = get(after, "/hall/quality", headers, days="2").json()
            assert found["days"][0] == before["days"][0]
            assert found["balance"] == before["balance"]
            OpeningNotes(hub.store, after.config.sites).tick(now_ms())
    with configured(hub, hours=daily("closed")) as after:
        assert told(after, "heat", span)["coverage"] == 1.0


def test_the_hub_keeps_the_hours_while_it_watches(hub: World) -> None:
    """What watches the branches notes the hours of each, without any message of a box."""
    stop = threading.Event()
    watching = threading.Thread(target=watch_quality, args=(hub.config, stop, threading.Event()))
    watching.start()
    try:
        with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
            until_s = time.monotonic() + 30
            while not (noted := db.execute("SELECT site, since_ms FROM opening_hours").fetchall()):
                assert time.monotonic() < until_s
                assert watching.is_alive()
                stop.wait(0.05)
        assert sorted(noted) == [("annex", 0), ("hall", 0)]
    finally:
        stop.set()
        watching.join()


def test_what_waited_in_a_box_is_judged_by_the_hours_of_its_time(hub: World) -> None:
    """Hours changed while the box was cut off: what it counted before was counted in the earlier ones."""
    site = hub.config.sites["hall"]
    span = day_ms(site, 1)
    OpeningNotes(hub.store, hub.config.sites).tick(span[0])
    with configured(hub, hours=daily("07:00-19:00")) as after:
        OpeningNotes(hub.store, after.config.sites).tick(span[1])
        Box(after).send(*minutes(span[0], span[0] + 12 * HOUR_MS, 0))
        assert told(after, "heat", span)["coverage"] == 3 / 8


def test_a_day_on_which_hours_changed_has_some_of_both(hub: World) -> None:
    """To the moment of the change, without a seam where the branch was open before and after."""
    site = hub.config.sites["hall"]
    start_ms, end_ms = day_ms(site, 1)
    later = site.model_copy(update={"hours": daily("07:00-19:00")})
    hours = Hours(((0, site), (start_ms + 12 * HOUR_MS, later)))
    assert hours.spans((start_ms, end_ms)) == [(start_ms + 9 * HOUR_MS, start_ms + 19 * HOUR_MS)]
    assert hours.open_ms((start_ms, end_ms)) == 10 * HOUR_MS
    assert not hours.is_open(start_ms + 8 * HOUR_MS)
    assert hours.is_open(start_ms + 18 * HOUR_MS)


def test_hours_of_versions_published_before_they_were_kept_are_taken_over(hub: World) -> None:
    """Each from when it was published; what the box refused never was in force."""
    site = hub.config.sites["hall"]
    now = now_ms()
    text = (hub.config.path.parent / "hall.toml").read_text(encoding="utf-8")
    with hub.store.transaction() as transaction:
        kept = Configurations(transaction.db)
        for number, opened in enumerate(("09:00-17:00", "08:00-18:00", "07:00-19:00")):
            saved = kept.save(
                "hall", text.replace("09:00-17:00", opened), above=1, base=number + 1, author="a", note="",
                ring=0, now_ms=now - (9 - number) * DAY_MS,
            )  # fmt: skip
            kept.publish(saved, now - (9 - number) * DAY_MS)
    runs = site.model_copy(update={"version": 3, "hours": daily("08:00-18:00")})
    OpeningNotes(hub.store, {"hall": runs}).tick(now)
    with contextlib.closing(connect_readonly(hub.config.data_dir / DATABASE)) as db:
        hours = OpeningHistory(db).of(runs, now)
    assert [(since_ms, each.hours["mon"]) for since_ms, each in hours.versions] == [
        (0, "09:00-17:00"),
        (now - 8 * DAY_MS, "08:00-18:00"),
    ]


@pytest.mark.parametrize(
    "then",
    [
        {"side": None},
        {"side": {"entrance": False}},
        {"side": {"id": "side-door"}},
        {"inner": {"entrance": True}},
        {"door": None, "side": None},
    ],
)
def test_who_came_in_came_in_by_the_doors_of_then(hub: World, then: dict[str, dict[str, Any] | None]) -> None:
    """A door that is walled up, renamed or none any more, and a line that becomes one, change no day before."""
    site, auditor = hub.config.sites["hall"], hub.token("auditor")
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    door = site.lines[0]
    lines = {
        "door": door,
        "side": door.model_copy(update={"id": "side"}),
        "inner": door.model_copy(update={"id": "inner", "entrance": False}),
    }
    through = [
        {"line": "door", "in": 2, "out": 0, "entrance": True},
        {"line": "side", "in": 1, "out": 3, "entrance": True},
        {"line": "inner", "in": 3, "out": 3, "entrance": False},
    ]
    Box(hub).send(
        *minutes(start_ms, end_ms, 0, lines=through), *minutes(end_ms, day_ms(site, 1)[1], 0, lines=[])
    )
    with configured(hub, lines=list(lines.values())) as before:
        wanted = told(before, "footfall", day_ms(site, 1), bucket="day")
        balance = get(before, "/hall/quality", auditor, days="4").json()["balance"]
    assert (wanted["total_in"], wanted["total_out"], wanted["coverage"]) == (3 * 480, 3 * 480, 1.0)
    assert [each["outcome"] for each in balance] == ["ok"]
    now = [
        line.model_copy(update=change)
        for name, line in lines.items()
        if (change := then.get(name, {})) is not None
    ]
    with configured(hub, lines=now) as after:
        for bucket in ("hour", "day"):
            found = told(after, "footfall", day_ms(site, 1), bucket=bucket)
            assert [found[key] for key in ("total_in", "total_out", "total_visitors", "coverage")] == [
                wanted[key] for key in ("total_in", "total_out", "total_visitors", "coverage")
            ]
        kept = get(after, "/hall/quality", auditor, days="4").json()["balance"]
        assert kept == balance


def test_what_no_window_says_goes_by_the_doors_of_now(hub: World) -> None:
    """Boxes from before name no entrances; from the hour on in which one does, its windows are what counts."""
    site = hub.config.sites["hall"]
    start_ms, end_ms = site.open_spans_ms(day_of(site, 1))[0]
    half_ms = start_ms + 4 * HOUR_MS
    old = [{"line": "door", "in": 1, "out": 0}, {"line": "side", "in": 1, "out": 0}]
    new = [{**each, "entrance": True} for each in old]
    Box(hub).send(*minutes(start_ms, half_ms, 0, lines=old), *minutes(half_ms, end_ms, 0, lines=new))
    with configured(hub, lines=[site.lines[0]]) as after:
        hours = told(after, "footfall", (start_ms, end_ms), bucket="hour")["items"]
        assert [each["in"] for each in hours] == 4 * [60] + 4 * [120]
        day = told(after, "footfall", day_ms(site, 1), bucket="day")
        assert (day["total_in"], day["coverage"]) == (4 * 60 + 4 * 120, 1.0)
