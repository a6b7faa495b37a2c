"""Queues, re-entry, staff, flow, sensor-filled heat and faults over HTTP: the sums sent, and never a silent zero."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hubworld import World, world
from served import served
from test_api import EPOCH, get, send, window

from branchloop.clock import iso
from branchloop.wire.status import Status
from hub.api.app import create_app
from hub.api.state import now_ms
from hub.ingest.apply import Applier

MINUTE = 60_000
HOUR = 60 * MINUTE


@pytest.fixture
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as running:
        yield running


def queue(waiting: int | None = 1, **more: Any) -> dict[str, Any]:
    """One queue's part of a window: somebody served after 60 s, somebody gone after 9 s."""
    return {
        "queue": "queue",
        "person_ms": 10_000,
        "waiting_end": waiting,
        "joined": 2,
        "served": {"count": 1, "sum_ms": 60_500, "bins": {"43": 1}},
        "abandoned": {"count": 1, "sum_ms": 9_000, "bins": {"23": 1}},
        "lost": 1,
        **more,
    }


def recent(back: int = 0) -> int:
    """Start of a window some minutes ago, always on the grid and in one minute."""
    return now_ms() // MINUTE * MINUTE - (back + 1) * MINUTE


def test_a_camera_that_is_out_multiplies_nobody(hub: World) -> None:
    """Three people whom one camera of two sees wholly are three while the other is out; a zone that only that one saw is unknown."""
    start = recent()
    away = {"camera": "south", "state": "down", "observed_ms": 0, "frames": 0, "analysed": 0}
    seen = {"camera": "north", "state": "up", "observed_ms": 60_000, "frames": 1, "analysed": 1}
    zone = {"zone": "queue", "person_ms": 180_000, "entries": 3, "looked_ms": 60_000}
    body = window(start, 3, slots=12, cameras=[seen, away]) | {
        "expected_ms": 120_000, "observed_ms": 60_000, "looked_ms": 60_000, "person_ms": 180_000, "zones": [zone],
        "queues": [queue(3, person_ms=180_000, looked_ms=60_000)],
    }  # fmt: skip
    send(hub, "hall", [("window", body)])
    headers, span = (
        hub.token("manager", "hall"),
        {"from": iso(start), "to": iso(start + MINUTE), "bucket": "minute"},
    )
    assert get(hub, "/hall/occupancy", headers, **span).json()["items"][0]["mean"] == 3
    queues = get(hub, "/hall/queues", headers, **span).json()
    (waits,) = queues["items"]
    assert (waits["length_mean"], waits["coverage"], queues["coverage"]) == (3, 1.0, 0.5)
    (now,) = get(hub, "/hall/live", headers).json()["zones"]
    assert now["occupancy"]["value"] == 3
    later = body | {
        "start_ms": start + MINUTE, "zones": [zone | {"person_ms": 0, "entries": 0, "looked_ms": 0}],
        "queues": [queue(None, person_ms=0, joined=0, served={}, abandoned={}, lost=0, looked_ms=0)],
    }  # fmt: skip
    send(hub, "hall", [("window", later)], first=2)
    span = {"from": iso(start + MINUTE), "to": iso(start + 2 * MINUTE), "bucket": "minute"}
    (waits,) = get(hub, "/hall/queues", headers, **span).json()["items"]
    assert (waits["length_mean"], waits["joined"], waits["served"], waits["coverage"]) == (
        None,
        None,
        None,
        0,
    )
    (stays,) = get(hub, "/hall/zones", headers, **{k: v for k, v in span.items() if k != "bucket"}).json()[
        "items"
    ]
    assert (stays["visits"], stays["person_seconds"], stays["coverage"]) == (None, None, 0)


@pytest.mark.parametrize(("looked_ms", "share"), [(0, 0.0), (12_000, 0.2), (None, 0.6)])
def test_live_tells_of_a_zone_what_its_own_cameras_saw(
    hub: World, looked_ms: int | None, share: float
) -> None:
    """Of two cameras one was out for a while, and only that one sees the zone, the queue and the line: never seen is no zero."""
    start = recent()
    seen = {"camera": "north", "state": "up", "observed_ms": 60_000, "frames": 1, "analysed": 1}
    away = {"camera": "south", "state": "down", "observed_ms": 12_000, "frames": 1, "analysed": 1}
    told: dict[str, Any] = {} if looked_ms is None else {"looked_ms": looked_ms}
    body = window(start, 0, slots=12, cameras=[seen, away]) | {
        "expected_ms": 120_000, "observed_ms": 72_000, "looked_ms": 60_000, "person_ms": 0,
        "zones": [{"zone": "queue", "person_ms": 0, "entries": 0, **told}],
        "lines": [{"line": "door", "in": 0, "out": 0, **told}],
        "queues": [queue(0, person_ms=0, joined=0, served={}, abandoned={}, lost=0, **told)],
    }  # fmt: skip
    send(hub, "hall", [("window", body)])
    live = get(hub, "/hall/live", hub.token("manager", "hall")).json()
    (zone,), (line,), (waits,) = live["zones"], live["lines"], live["queues"]
    assert (zone["occupancy"]["coverage"], waits["waiting"]["coverage"]) == (share, share)
    assert live["occupancy"]["coverage"] == 0.6
    assert zone["visits_today"] == line["in"] == (0 if share else None)
    of_today = live["footfall_today"]["coverage"]
    assert zone["coverage"] == line["coverage"] == of_today
    assert (of_today > 0) == (share > 0)


def test_live_covers_nothing_of_what_the_newest_window_does_not_name(hub: World) -> None:
    """A box that knows no queues tells of nobody who waits; a branch never heard of has no coverage at all."""
    send(hub, "hall", [("window", window(recent(), 1))])
    headers = hub.token("head_office")
    for site, share in (("hall", 0.0), ("annex", None)):
        queues = get(hub, f"/{site}/live", headers).json()["queues"]
        assert [each["waiting"]["coverage"] for each in queues] == [share]


def test_queues_are_the_sums_of_their_windows(hub: World) -> None:
    """Two hours, of which the second was not observed: exact counts, quantiles of their bins, null for the gap."""
    base = now_ms() // HOUR * HOUR - 3 * HOUR - HOUR // 2  # an hour of Kolkata begins at :30
    quiet = {"served": {}, "abandoned": {}, "lost": 0, "joined": 0}
    send(hub, "hall", [
        ("window", window(base, 2, queues=[queue()])),
        ("window", window(base + 5_000, 2, queues=[queue(served={"count": 3, "sum_ms": 400_000, "bins": {"50": 3}})])),
        ("window", window(base + MINUTE, 0, queues=[queue(**quiet)])),
    ])  # fmt: skip
    answer = get(hub, "/hall/queues", hub.token("manager", "hall"),
                 **{"from": iso(base), "to": iso(base + 2 * HOUR)}).json()  # fmt: skip
    (found,) = answer["items"]
    assert found["id"] == "queue"
    assert (found["joined"], found["served"], found["abandoned"], found["lost"]) == (4, 4, 2, 2)
    assert found["abandonment"] == pytest.approx(2 / 6)
    assert found["length_mean"] == pytest.approx(2.0)
    assert found["wait_median_s"] == pytest.approx(1.1**49 * (1 + 0.1 / 3), rel=1e-3)
    first, second = found["buckets"]
    assert (first["joined"], first["served"]) == (4, 4)
    assert first["coverage"] == pytest.approx(15_000 / HOUR)
    for key in (
        "joined",
        "served",
        "abandoned",
        "lost",
        "abandonment",
        "length_mean",
        "wait_median_s",
        "wait_p90_s",
    ):
        assert second[key] is None, key
    by_minute = get(hub, "/hall/queues", hub.token("manager", "hall"), bucket="minute",
                    **{"from": iso(base), "to": iso(base + 3 * MINUTE)}).json()["items"][0]["buckets"]  # fmt: skip
    assert [b["served"] for b in by_minute] == [4, 0, None]
    assert [b["abandonment"] for b in by_minute] == [pytest.approx(1 / 3), None, None]


def test_a_box_that_knows_no_queues_measures_none(hub: World) -> None:
    """Windows without queues: the branch was observed, its queue was not, and nothing reads as zero."""
    start = recent()
    send(hub, "hall", [("window", window(start, 1))])
    headers = hub.token("head_office")
    answer = get(hub, "/hall/queues", headers, **{"from": iso(start), "to": iso(start + MINUTE)}).json()
    assert answer["coverage"] > 0
    (found,) = answer["items"]
    assert (found["joined"], found["served"], found["wait_median_s"], found["coverage"]) == (
        None,
        None,
        None,
        0,
    )
    assert found["waiting_now"]["value"] is None
    (now,) = get(hub, "/hall/live", headers).json()["queues"]
    assert (now["waiting"]["value"], now["wait"]["value"], now["served"]) == (None, None, None)


def test_what_was_drawn_later_has_no_past(hub: World) -> None:
    """The line and the zone got other ids and the heat another cell: that time tells nothing of them, and reads as no zero."""
    start = recent()
    send(hub, "hall", [("window", window(start, 3))])
    headers, asked = hub.token("head_office"), {"from": iso(start), "to": iso(start + MINUTE)}
    site = hub.config.sites["hall"]
    drawn = site.model_copy(
        update={
            "lines": [site.lines[0].model_copy(update={"id": "front"})],
            "zones": [site.zones[0].model_copy(update={"id": "hall"})],
            "plan": site.plan.model_copy(update={"cell_m": 0.25}),
        }
    )
    config = replace(hub.config, sites={**hub.config.sites, "hall": drawn})
    with served(create_app(replace(hub.state, config=config))) as api:
        after = replace(hub, api=api)
        footfall = get(after, "/hall/footfall", headers, **asked, bucket="hour").json()
        assert (footfall["total_visitors"], footfall["coverage"]) == (None, 0.0)
        (zone,) = get(after, "/hall/zones", headers, **asked).json()["items"]
        assert (zone["visits"], zone["person_seconds"], zone["share"]) == (None, None, None)
        heat = get(after, "/hall/heat", headers, **asked).json()
        assert (heat["total"], heat["max"], heat["left_out_person_seconds"] > 0) == (None, None, True)
        live = get(after, "/hall/live", headers).json()
        assert live["footfall_today"]["value"] is None
        assert [zone["visits_today"] for zone in live["zones"]] == [None]
    assert get(hub, "/hall/footfall", headers, **asked, bucket="hour").json()["total_visitors"] > 0


def test_live_tells_who_waits_and_how_long_others_did(hub: World) -> None:
    """The queue's length is the newest window's; the wait is that of the last half hour."""
    send(hub, "hall", [
        ("window", window(recent(45), 1, queues=[queue(served={"count": 9, "sum_ms": 9_000_000, "bins": {"72": 9}})])),
        ("window", window(recent(1), 1, queues=[queue()])),
        ("window", window(recent(), 3, queues=[queue(3)])),
    ])  # fmt: skip
    live = get(hub, "/hall/live", hub.token("staff", "hall")).json()
    (now,) = live["queues"]
    assert now["waiting"]["value"] == 3
    assert now["waiting"]["as_of"] == live["as_of"]
    assert (now["served"], now["abandoned"]) == (2, 2)
    assert 55 < now["wait_p10_s"] <= now["wait"]["value"] <= now["wait_p90_s"] < 67
    assert now["wait"]["unit"] == "s"
    assert 0 < now["wait"]["coverage"] < 1


def test_who_comes_back_is_no_new_visitor_and_staff_are_none(hub: World) -> None:
    """Footfall is `in` without those who had just gone out; staff are told apart, as time only."""
    start = recent()
    lines = [{"line": "door", "in": 5, "out": 2, "returned": 2, "staff_in": 4, "staff_out": 4}]
    send(hub, "hall", [("window", window(start, 1, lines=lines, staff_ms=7_000))])
    headers = hub.token("manager", "hall")
    span = {"from": iso(start), "to": iso(start + MINUTE)}
    footfall = get(hub, "/hall/footfall", headers, **span, bucket="minute").json()
    (item,) = footfall["items"]
    assert (item["in"], item["out"], item["returned"], item["visitors"]) == (5, 2, 2, 3)
    assert (footfall["total_in"], footfall["total_returned"], footfall["total_visitors"]) == (5, 2, 3)
    occupancy = get(hub, "/hall/occupancy", headers, **span, bucket="minute").json()["items"][0]
    assert (occupancy["person_seconds"], occupancy["staff_person_seconds"]) == (5.0, 7.0)
    live = get(hub, "/hall/live", headers).json()
    if live["in_today"]["value"] is not None:  # unless the branch's midnight was a minute ago
        assert (live["in_today"]["value"], live["footfall_today"]["value"]) == (5, 3)


def test_what_sensors_estimate_is_no_measured_heat(hub: World) -> None:
    """The filled layer is asked for apart, its total is said beside, and neither total holds the other."""
    start = recent()
    span = {"from": iso(start), "to": iso(start + MINUTE)}
    headers = hub.token("manager", "hall")
    send(hub, "hall", [("window", window(start, 1))])
    assert get(hub, "/hall/heat", headers, **span).json()["filled_person_seconds"] is None
    none = get(hub, "/hall/heat", headers, **span, layer="filled").json()
    assert (none["total"], none["max"], none["layer"]) == (None, None, "filled")
    filled = {"cell_mm": 500, "rows": 2, "cols": 4, "cells": [1, 7], "mps": [250, 4_000]}
    send(hub, "hall", [("window", window(start + 5_000, 1, filled=filled))], first=2)
    heat = get(hub, "/hall/heat", headers, **span).json()
    assert (heat["total"], heat["filled_person_seconds"], heat["layer"]) == (10.0, 4.25, "presence")
    told = get(hub, "/hall/heat", headers, **span, layer="filled").json()
    assert (told["total"], told["filled_person_seconds"]) == (4.25, 4.25)
    assert told["person_seconds"][1][3] == 4.0
    assert get(hub, "/hall/heat", headers, **span, layer="dwell").status_code == 422


def test_flow_is_the_sum_of_steps(hub: World) -> None:
    """Signed sums by cell; grids of another plan stay out; without any walk there is no grid."""
    start = recent()
    span = {"from": iso(start), "to": iso(start + MINUTE)}
    headers = hub.token("manager", "hall")
    nothing = get(hub, "/hall/flow", headers, **span).json()
    assert (nothing["cell_m"], nothing["dx_m"], nothing["total_path_m"]) == (None, [], None)
    send(hub, "hall", [("window", window(start - MINUTE, 0))])
    before = {"from": iso(start - MINUTE), "to": iso(start)}
    still = get(hub, "/hall/flow", headers, **before).json()
    assert (still["cell_m"], still["dx_m"], still["total_path_m"]) == (None, [], 0.0)
    flow = {
        "cell_mm": 1_000,
        "rows": 1,
        "cols": 2,
        "cells": [0, 1],
        "dx_mm": [-400, 30],
        "dy_mm": [1, -7],
        "path_mm": [500, 31],
    }
    other = {
        "cell_mm": 1_000,
        "rows": 9,
        "cols": 9,
        "cells": [0],
        "dx_mm": [9_000],
        "dy_mm": [0],
        "path_mm": [9_000],
    }
    send(hub, "hall", [
        ("window", window(start, 1, flow=flow)),
        ("window", window(start + 5_000, 1, flow=flow)),
        ("window", window(start + 10_000, 1, flow=other)),
    ], first=2)  # fmt: skip
    told = get(hub, "/hall/flow", headers, **span).json()
    assert (told["cell_m"], told["rows"], told["cols"]) == (1.0, 1, 2)
    assert (told["dx_m"], told["dy_m"], told["path_m"]) == ([[-0.8, 0.06]], [[0.002, -0.014]], [[1.0, 0.062]])
    assert (told["total_path_m"], told["left_out_path_m"]) == (1.062, 9.0)
    later = {"from": span["to"], "to": iso(start + 2 * MINUTE)}
    send(hub, "hall", [("window", window(start + MINUTE, 1, flow=other))], first=5)
    elsewhere = get(hub, "/hall/flow", headers, **later).json()
    assert (elsewhere["cell_m"], elsewhere["total_path_m"], elsewhere["left_out_path_m"]) == (None, None, 9.0)


def test_faults_taint_the_figures_they_spoil(hub: World) -> None:
    """A moved camera spoils places but not the number of people; a fault that is over spoils the day's figures."""
    start = recent()
    seen = {"camera": "north", "state": "up", "observed_ms": 5_000, "frames": 9, "analysed": 9}
    send(hub, "hall", [
        ("window", window(start - MINUTE, 1, cameras=[{**seen, "fault": "covered"}])),
        ("window", window(start, 1, cameras=[{**seen, "fault": "moved"}], queues=[queue()])),
    ])  # fmt: skip
    headers = hub.token("manager", "hall")
    live = get(hub, "/hall/live", headers).json()
    moved = {"part": "camera", "subject": "north", "fault": "moved", "seconds": None}
    assert live["occupancy"]["tainted"] == []
    assert live["zones"][0]["occupancy"]["tainted"] == [moved]
    assert live["queues"][0]["waiting"]["tainted"] == [moved]
    assert live["queues"][0]["wait"]["tainted"] == [
        {**moved, "fault": "covered", "seconds": 5.0}, {**moved, "seconds": 5.0},
    ]  # fmt: skip
    span = {"from": iso(start - MINUTE), "to": iso(start + MINUTE)}
    occupancy = get(hub, "/hall/occupancy", headers, **span).json()["tainted"]
    assert [(taint["fault"], taint["figures"]) for taint in occupancy] == [
        ("covered", ["occupancy", "person_seconds"]), ("moved", ["person_seconds"]),
    ]  # fmt: skip
    assert get(hub, "/hall/heat", headers, **span, layer="filled").json()["tainted"] == []
    (branch,) = get(hub, "", headers).json()["items"]
    assert branch["occupancy"]["tainted"] == []


def test_the_light_tells_a_fault_before_a_window_does(hub: World) -> None:
    """The status says at once what is wrong; a box that is offline says nothing any more."""
    send(hub, "hall", [("window", window(recent(), 1))])
    light = {"id": "north", "state": "up", "since_ms": now_ms(), "fault": "frozen"}
    for online, wanted in ((True, ["frozen"]), (False, [])):
        status = Status.model_validate(
            {"online": online, "boot": EPOCH, "connect_no": 1, "at_ms": now_ms(), "cameras": [light]}
        )
        Applier(hub.store, hub.config.sites, now_ms).apply(
            "branchloop/1/hall/box-1/status", status.to_json().encode(), now_ms()
        )
        live = get(hub, "/hall/live", hub.token("head_office")).json()
        assert [taint["fault"] for taint in live["occupancy"]["tainted"]] == wanted


def test_tables_have_empty_fields_for_gaps(hub: World) -> None:
    """CSV of footfall, occupancy and queues: the same numbers, and nothing where nothing was observed."""
    base = now_ms() // HOUR * HOUR - 3 * HOUR - HOUR // 2
    send(hub, "hall", [("window", window(base, 2, queues=[queue()]))])
    span = {"from": iso(base), "to": iso(base + 2 * HOUR), "format": "csv"}
    headers = hub.token("manager", "hall")
    wanted = {
        "footfall": {"visitors": "2", "in": "2", "out": "1", "returned": "0"},
        "occupancy": {"mean_people": "2.0", "person_seconds": "10.0", "staff_person_seconds": "0.0"},
        "queues": {"queue": "queue", "joined": "2", "served": "1", "abandonment_share": "0.5"},
    }
    for route, figures in wanted.items():
        answer = get(hub, f"/hall/{route}", headers, **span)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"] == f'attachment; filename="hall-{route}.csv"'
        first, second = csv.DictReader(io.StringIO(answer.text))
        assert {key: first[key] for key in figures} == figures
        assert (first["start"], first["open"]) == (iso(base), "1")
        assert first["start_local"].endswith(":00")  # the branch's hour, half an hour off UTC's
        assert {second[key] for key in figures if key != "queue"} == {""}
        assert float(second["coverage_share"]) == 0
    refused = get(hub, "/hall/footfall", headers, **{**span, "format": "xml"})
    assert refused.status_code == 422
    assert httpx.get(f"{hub.api}/api/v1/branches/hall/queues", params=span).status_code == 401
