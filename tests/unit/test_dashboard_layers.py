"""Layers of the plan, periods, queues and taints: pure parts, whose pictures are looked into."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from branchloop.kpis import TAINTS
from branchloop.text.catalogue import WORDS
from dashboard import difference, flow, heat, periods, plan, tiles, waiting
from dashboard.client import Hub, Picture, Unreachable
from dashboard.devices import lights, notices, summary
from dashboard.views.heat import figures
from dashboard.views.heat_tables import queue_table, zone_table
from hub.loop.alerts import PROOFS

ZONE = ZoneInfo("Asia/Shanghai")
BRANCH: dict[str, Any] = {
    "plan": {"width_m": 4.0, "height_m": 2.0, "walls": []},
    "zones": [
        {"id": "q", "name": {"en": "Queue", "zh": "排队区"}, "polygon": [[1, 0.5], [2, 0.5], [2, 1.5]]}
    ],
    "lines": [],
    "cameras": [{"id": "hall", "name": {"en": "Hall camera", "zh": "大厅摄像头"}}],
    "sensors": [{"id": "s", "name": None, "x_m": 1.0, "y_m": 1.0, "height_m": 3.0, "cone_deg": 60.0}],
}
MOVED = {"part": "camera", "subject": "hall", "fault": "moved", "seconds": None}


def figure(value: float | None, **more: Any) -> dict[str, Any]:
    return {"value": value, "unit": "people", "coverage": 1.0, "as_of": None, "tainted": [], **more}


def queue(**more: Any) -> dict[str, Any]:
    return {
        "id": "q", "waiting": figure(6), "wait": figure(480.0, unit="s"), "wait_p10_s": 300.0,
        "wait_p90_s": 720.0, "wait_from": "2026-11-27T02:00:00Z", "served": 5, "abandoned": 1, **more,
    }  # fmt: skip


def live(*queues: dict[str, Any]) -> dict[str, Any]:
    return {"queues": list(queues), "stale": False, "server_time": "2026-11-27T02:30:41Z"}


def then(**more: Any) -> waiting.Then:
    start, end = waiting.span_of(live(), ZoneInfo("Asia/Shanghai"))
    return waiting.Then(
        start, end, {"items": [{"id": "q", "length_mean": 4.0, "wait_median_s": 600.0, **more}]}
    )


@pytest.mark.parametrize(
    ("now", "ended", "began"),
    [
        ("2026-03-30T09:30:59+02:00", "2026-03-23T09:30:00+01:00", "2026-03-23T09:00:00+01:00"),
        ("2026-10-26T09:30:00+01:00", "2026-10-19T09:30:00+02:00", "2026-10-19T09:00:00+02:00"),
        ("2026-10-25T02:10:00+01:00", "2026-10-18T02:10:00+02:00", "2026-10-18T01:40:00+02:00"),
        ("2026-04-05T02:30:00+02:00", "2026-03-29T03:00:00+02:00", "2026-03-29T01:30:00+01:00"),
    ],
    ids=["forward", "back", "the hour that comes twice", "the hour that was skipped"],
)
def test_a_week_ago_is_the_same_time_by_the_branchs_clock(now: str, ended: str, began: str) -> None:
    """In the week after a clock change too; what ended at a time that was skipped ended with the skip."""
    told = {**live(), "server_time": datetime.fromisoformat(now).astimezone(UTC).isoformat()}
    zone = ZoneInfo("Europe/Berlin")
    start, end = waiting.span_of(told, zone)
    assert [each.astimezone(zone).isoformat() for each in (start, end)] == [began, ended]


def test_an_estimate_is_striped_and_says_so() -> None:
    """The stripes leave gaps that measured heat does not have, and the legend tells that it is no measurement."""
    cells = np.ones((8, 16))
    drawn = heat.striped(cells, heat.scale_of(cells), 0.25)
    assert 'mask="url(#striped)"' in drawn
    assert "mask" not in heat.layer(cells, heat.scale_of(cells), 0.25)
    assert "not in the total" in heat.estimate_note(812.0, "en")
    ET.fromstring(plan.floor_svg(BRANCH, "en", [drawn]))  # noqa: S314 - our own text


def test_layers_that_are_compared_share_a_scale() -> None:
    """The busiest cell of both is the top; no layer at all is an empty scale."""
    assert heat.scale_of(np.full((2, 2), 3.0), np.full((2, 2), 7.0)).top == 7.0
    assert heat.scale_of().empty


def test_a_sensor_shows_where_its_cone_meets_the_floor() -> None:
    """Radius by height and angle; filled while somebody stands there; not drawn unless asked for."""
    radius = 3.0 * np.tan(np.radians(30)) * plan.PX_PER_M
    there, clear, unknown = (
        plan.floor_svg(BRANCH, "en", sensors={"s": state}) for state in (True, False, None)
    )
    assert f'r="{radius:.1f}"' in there
    assert 'fill-opacity="0.18"' in there
    assert 'fill-opacity="0"' in clear
    assert clear != unknown
    assert "cone" not in plan.floor_svg(BRANCH, "en")


def test_arrows_point_where_people_went() -> None:
    """One arrow along the sum, one ring for to and fro, nothing where hardly anybody walked."""
    across = np.array([[9.0, 0.1, 0.0]])
    down = np.array([[0.0, 0.0, 0.1]])
    path = np.array([[10.0, 8.0, 0.2]])
    drawn = flow.layer(across, down, path, 1.0)
    assert drawn.count("<path") == 2  # the arrow and its outline
    assert drawn.count("<circle") == 2
    start_x, start_y, tip_x, tip_y = map(
        float, re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)M", drawn)[0]
    )
    assert tip_x > start_x
    assert tip_y == start_y
    assert tip_x - start_x == pytest.approx(0.86 * plan.PX_PER_M, abs=0.2)
    assert flow.layer(across * 0, down * 0, path * 0, 1.0) == ""


def test_walks_of_other_cells_are_told() -> None:
    """Days of another grid are not drawn with these, and count as left out; nothing drawn is not "nobody walked"."""
    days = [
        {"cell_m": 1.0, "total_path_m": 30.0, "left_out_path_m": 0.0},
        {"cell_m": 0.5, "total_path_m": 50.0, "left_out_path_m": 4.0},
        {"cell_m": None, "total_path_m": None, "left_out_path_m": 2.0},
    ]
    assert flow.left_out_m(days, 0.5) == 36.0
    assert flow.left_out_m(days[2:], None) == 2.0
    assert "2 m" in flow.nothing(2.0, "en")
    assert flow.nothing(0.0, "en") == WORDS["flow.none"][0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_a_difference_has_one_scale_on_both_sides(values: list[float]) -> None:
    """Swapping the two times swaps blue and red, and changes neither strength nor scale."""
    change = np.array(values).reshape(2, 2)
    scale = difference.scale_of(change)
    assert scale == difference.scale_of(-change)
    one, other = difference.colours(change, scale), difference.colours(-change, scale)
    assert np.array_equal(one[..., 3], other[..., 3])
    strong = one[..., 3] > 0
    assert ((one[..., 2] > one[..., 0]) == (change < 0))[strong].all()
    assert ((other[..., 2] > other[..., 0]) == (change > 0))[strong].all()
    assert one[..., 3][change == 0].max(initial=0) == 0


def test_less_here_draws_no_more_around_it() -> None:
    """Enlarging invents no rise beside a fall."""
    change = np.zeros((8, 8))
    change[4, 4] = -9.0
    data = re.search(r"base64,([^\"]+)", difference.layer(change, difference.scale_of(change), 0.25))
    assert data is not None
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))))
    seen = drawn[..., 3] > 0
    assert seen.any()
    assert (drawn[..., 2] > drawn[..., 0])[seen].all()


def test_the_heat_page_shows_the_hubs_totals() -> None:
    """The sum in the tile is that of the API's totals; what was not measured is absent, not 0."""
    seen = {
        "total": 8207.0,
        "opened_s": 3_600.0,
        "coverage": 0.96,
        "as_of": None,
        "filled_person_seconds": 31.5,
        "left_out_person_seconds": 0.0,
        "tainted": [],
    }
    footfall = {
        "total_visitors": 26,
        "opened_s": 3_600.0,
        "coverage": 0.96,
        "as_of": None,
        "tainted": [{**MOVED, "seconds": 60.0, "figures": ["footfall"]}],
    }
    names = {"hall": "Hall camera"}
    time, visitors, _ = figures([seen], [footfall], "en", ZONE, names)
    assert "8,207.0" in time
    assert "besides 31.5 person·s estimated" in time
    assert "another cell size" not in time
    elsewhere = figures([{**seen, "left_out_person_seconds": 4_000.0}], [footfall], "en", ZONE, names)[0]
    assert "4,000.0 person·s were stored for another cell size or floor plan" in elsewhere
    assert "Hall camera was moved for 60 s" in visitors
    assert "moved" not in time
    assert "16,414.0" in figures([seen, seen], [footfall, footfall], "en", ZONE, names)[0]
    assert "—" in figures([{**seen, "total": None, "coverage": 0.0}], [footfall], "en", ZONE, names)[0]
    closed_alone = figures([{**seen, "total": 30.0, "coverage": 0.0}], [footfall], "en", ZONE, names)[0]
    assert (
        "not measured"
        not in figures(
            [{**seen, "total": None, "left_out_person_seconds": 9.0}], [footfall], "en", ZONE, names
        )[0]
    )
    assert "99.9<" in figures([{**seen, "coverage": 0.9999}], [footfall], "en", ZONE, names)[2]
    apart = figures([seen], [{**footfall, "coverage": 0.5}], "en", ZONE, names)
    assert ["coverage 50.0 %<" in each or "coverage 50.0 % ·" in each for each in apart] == [
        False,
        True,
        False,
    ]
    shut = {"opened_s": 0.0, "coverage": None, "to": "2026-11-27T09:00:00Z"}
    unseen = figures(
        [{**seen, **shut, "total": None}], [{**footfall, **shut, "total_visitors": None}], "en", ZONE, names
    )
    assert all("The branch was closed in this time." in each for each in unseen)
    assert not any("not measured" in each for each in unseen)
    assert ">30.0<" in closed_alone  # seen while the branch was closed, nothing while it was open


def test_a_fault_is_told_once_with_its_time() -> None:
    """Two days of one kind of answer add; another kind about the same days adds figures, not time."""
    fault = {**MOVED, "seconds": 60.0}
    heat_ = [{"tainted": [{**fault, "figures": ["person_seconds"]}]}] * 2
    visits = [{"tainted": [{**fault, "figures": ["zone_visits"]}]}, {"tainted": []}]
    (told,) = periods.tainted(heat_, visits)
    assert (told["seconds"], told["figures"]) == (120.0, ["person_seconds", "zone_visits"])


def test_medians_are_not_added_up() -> None:
    """Over one stretch waits and dwell are told; over several only the counts."""
    zone = {
        "id": "q", "visits": 3, "dwell_median_s": 100.0, "dwell_p90_s": 200.0, "person_seconds": 300.0,
        "share": 0.75, "coverage": 1.0,
    }  # fmt: skip
    waits = {
        "id": "q",
        "joined": 9,
        "served": 6,
        "abandoned": 2,
        "lost": 1,
        "wait_median_s": 300.0,
        "wait_p90_s": 600.0,
    }
    one = [{"items": [zone], "floor_person_seconds": 400.0, "coverage": 1.0, "opened_s": 3_600.0}]
    two = [
        *one,
        {**one[0], "items": [{**zone, "visits": None, "person_seconds": None, "share": None}]},
        {**one[0], "items": [{**zone, "visits": None, "person_seconds": 100.0, "share": 0.25}]},
    ]
    assert "2 min" in zone_table(BRANCH, one, "en")
    assert "min" not in zone_table(BRANCH, two, "en")
    assert ">3<" in zone_table(BRANCH, two, "en")
    assert ">75 %<" in zone_table(BRANCH, one, "en")
    assert ">50 %<" in zone_table(BRANCH, two, "en")  # of all the time, not the mean of the shares
    partly = [{**one[0], "items": [{**zone, "share": None, "coverage": 0.4}]}]  # drawn within the time
    assert "Queue (drawn for 40 % of it)<" in zone_table(BRANCH, partly, "en")
    assert "排队区 (仅覆盖其中 40%)<" in zone_table(BRANCH, partly, "zh")
    assert ">75 %<" not in zone_table(BRANCH, partly, "en")
    told = queue_table(BRANCH, [{"items": [waits]}], "en")
    assert "5 min" in told
    assert "2 (25 %)" in told
    twice = queue_table(BRANCH, [{"items": [waits]}] * 2, "en")
    assert "min" not in twice
    assert ">12<" in twice
    assert "of 2 more waits" in twice
    assert "4 (25 %)" in twice


def test_a_wait_is_told_as_a_range_and_against_last_week() -> None:
    """About 8 min (5–12); fewer minutes are good, more people are bad."""
    length, wait = waiting.tiles_of(BRANCH, live(queue()), then(), {}, "en", ZONE)
    assert "~8<small> min (5–12)" in wait
    assert 'bl-good">▼ 2 min vs last Fri 10:00–10:30' in wait
    assert 'bl-bad">▲ 2 vs the average of last Fri 10:00–10:30' in length  # a moment against half an hour
    chinese = waiting.tiles_of(BRANCH, live(queue()), then(), {}, "zh", ZONE)[1]
    assert "约 8<small> 分钟（5–12）" in chinese
    assert "较上周五 10:00–10:30" in chinese
    same = waiting.tiles_of(BRANCH, live(queue()), then(length_mean=6.0), {}, "en", ZONE)[0]
    assert "as the average of last Fri" in same
    means = [waiting.tiles_of(BRANCH, live(queue()), then(), {}, "zh", ZONE)[at] for at in (0, 1)]
    assert ["较上周五 10:00–10:30 的平均值" in each for each in means] == [True, False]
    unknown = waiting.tiles_of(BRANCH, live(queue()), then(length_mean=None), {}, "en", ZONE)[0]
    assert "last Fri" not in unknown


def test_why_there_is_no_wait() -> None:
    """Nobody served and not measured are two things; a branch without queues has no tile."""
    nobody = queue(wait=figure(None, unit="s"), served=0, wait_p10_s=None, wait_p90_s=None)
    assert "nobody was served" in waiting.tiles_of(BRANCH, live(nobody), None, {}, "en", ZONE)[1]
    blind = queue(wait=figure(None, unit="s"), waiting=figure(None), served=None)
    tiles_ = waiting.tiles_of(BRANCH, live(blind), None, {}, "en", ZONE)
    assert all("not measured" in tile for tile in tiles_)
    assert waiting.tiles_of(BRANCH, live(), None, {}, "en", ZONE) == []


def test_the_longest_of_several_queues_is_named() -> None:
    """Two queues: the tile says which, the table has both."""
    both = live(queue(), queue(id="q2", waiting=figure(9)))
    assert "Waiting · q2" in waiting.tiles_of(BRANCH, both, None, {}, "en", ZONE)[0]
    table = waiting.now_table(BRANCH, both, "en")
    assert "Queue" in table
    assert "q2" in table


def test_a_doubtful_figure_says_why_in_words() -> None:
    """A mark and words, in both languages, and no more of them than fit; nothing where nothing is wrong."""
    names = {"hall": "Hall camera"}
    assert tiles.taint([], names, "en") == ""
    told = tiles.taint([MOVED], names, "en")
    assert "◐" in told
    assert "doubtful: Hall camera was moved" in told
    assert "存疑：Hall camera被移动" in tiles.taint([MOVED], names, "zh")
    assert "+ 1" in tiles.taint([MOVED] * 3, names, "en")
    assert "bl-taint" in tiles.tile("Waiting", figure(3, tainted=[MOVED]), "en", ZONE, names=names)
    line = tiles.taint_list([{**MOVED, "seconds": 600.0, "figures": ["footfall", "wait_p90"]}], names, "en")
    assert "Hall camera was moved for 10 min: visitors; wait, 90th percentile" in line


def test_every_fault_has_words() -> None:
    """Whatever the contract knows can be told."""
    assert {f"fault.{fault}" for fault in TAINTS} <= WORDS.keys()
    assert {f"fault.{check}" for check in PROOFS} <= WORDS.keys()


def test_lights_tell_faults_and_how_many() -> None:
    """A faulty camera has another shape and its fault in words; the summary counts it."""
    camera = {"id": "hall", "state": "up", "fault": "frozen", "detail": None, "coverage": None}
    sensor = {"id": "s", "state": "up", "fault": None, "detail": None, "nearest_mm": None, "present": None}
    told = {"cameras": [camera], "sensors": [sensor], "pairs": [], "device": None, "stale": False}
    assert "1 camera " in summary(told, "en")
    assert "2 cameras" in summary({**told, "cameras": [camera, camera]}, "en")
    assert "1 with a fault" in summary(told, "en")
    assert "fault" not in summary({**told, "cameras": [{**camera, "fault": None}]}, "en")
    shown = "".join(lights(BRANCH, told, "en"))
    assert "Hall camera · shows a frozen picture" in shown
    assert "◑" in shown


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (200, Picture(b"webp", "image/webp", (0.0, 0.0, 4.0, 2.0))),
        (404, None),
        (403, None),
        (503, Unreachable),
    ],
)
def test_a_picture_from_above_may_be_missing(status: int, wanted: Any) -> None:
    """None yet, or not for this viewer: no picture and no failure; a hub in trouble is told as ever."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer token"
        return httpx.Response(
            status,
            content=b"webp",
            headers={"content-type": "image/webp", "x-bounds-m": "0.000,0.000,4.000,2.000"},
        )

    hub = Hub("http://hub", "token", httpx.Client(transport=httpx.MockTransport(answer)))
    if wanted is Unreachable:
        with pytest.raises(Unreachable):
            hub.birdseye("hall")
    else:
        assert hub.birdseye("hall") == wanted
    layer = plan.picture(b"webp", "image/webp", (1.0, 0.5, 4.0, 2.0))
    assert 'x="40.0" y="20.0" width="120.0" height="60.0"' in layer


def test_cameras_that_do_not_fit_are_no_green_lights() -> None:
    """Both say with whom, a line says what and how far, and both are counted; a sound camera beside them stays as it is."""
    sound = {"id": "desk", "state": "up", "fault": None, "detail": None, "coverage": None}
    told = {
        "cameras": [{**sound, "id": "hall"}, {**sound, "id": "door"}, sound],
        "sensors": [],
        "device": None,
        "stale": False,
    }
    assert "◑" not in "".join(lights(BRANCH, {**told, "pairs": []}, "en"))
    pair = {
        "first": "hall",
        "second": "door",
        "fault": "clocks_apart",
        "disagreement_mm": 2_300,
        "clock_ms": 10_000,
    }
    shown = lights(BRANCH, {**told, "pairs": [pair]}, "en")
    assert "◑" in shown[2]
    assert "Hall camera · disagrees with door" in shown[2]
    assert "door · disagrees with Hall camera" in shown[3]
    assert "desk · works" in shown[4]
    assert "Hall camera and door have clocks that differ" in shown[5]
    down = {**told, "cameras": [{**sound, "id": "hall", "state": "down"}], "pairs": [pair]}
    assert "Hall camera · down" in lights(BRANCH, down, "en")[2]
    assert "clocks 10.0\N{NO-BREAK SPACE}s apart" in shown[5]
    assert "2 with a fault" in summary({**told, "pairs": [pair]}, "en")
    taint = {"part": "pair", "subject": "hall/door", "fault": "clocks_apart", "seconds": 60.0}
    assert (
        tiles.fault_words(taint, {"hall": "大厅", "door": "门口"}, "zh") == "大厅与门口时钟不同步，持续 60 秒"
    )


def test_a_check_is_told_without_a_length() -> None:
    """It goes by whole hours and days."""
    check = {"part": "check", "subject": "", "fault": "balance", "seconds": 14_400.0}
    assert tiles.fault_words(check, {}, "en") == "in − out does not fit the people seen"


def test_a_notice_says_why() -> None:
    """Of what is up the reason alone is the news; of what is not it stands behind the state."""
    told = {"id": "n", "what": "camera", "at": "2026-11-23T01:00:00Z", "line": None, "direction": None,
            "subject": "hall", "fate": "open"}  # fmt: skip
    bumped = {
        **told,
        "state": "up",
        "detail": "moved: the view is off by 80 px. Put the camera back, or calibrate it anew.",
    }
    silent = {**told, "state": "stalled", "detail": "no picture for 3 s"}
    plain = {**told, "state": "up", "detail": None}
    english = notices(BRANCH, {"notices": [bumped, silent, plain]}, "en", ZONE)
    assert "camera Hall camera: the view is off by 80 px" in english
    assert "camera Hall camera: stalled: no picture for 3 s" in english
    assert "camera Hall camera: works<" in english
    assert "停滞：3 秒无画面" in notices(BRANCH, {"notices": [silent]}, "zh", ZONE)
    pair = {**told, "state": "up", "detail": "the clock of hall is +0.8 s off that of door"}
    assert "the clock of Hall camera is +0.8 s off that of door" in notices(
        BRANCH, {"notices": [pair]}, "en", ZONE
    )
    assert "大厅摄像头 的时钟与 door 相差 +0.8 秒" in notices(BRANCH, {"notices": [pair]}, "zh", ZONE)
