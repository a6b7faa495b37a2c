"""The API over a real database filled by the real apply: exact sums, honest gaps, a live stream."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hubworld import World, world

from branchloop.clock import iso
from branchloop.wire.batches import Batch, Item
from hub.api.state import now_ms
from hub.ingest.apply import Applier

EPOCH = "ab" * 16
MINUTE = 60_000


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as running:
        yield running


def window(start_ms: int, people: int, **more: Any) -> dict[str, Any]:
    cells = [1, 5] if people else []
    return {
        "start_ms": start_ms,
        "expected_ms": 5_000,
        "observed_ms": 5_000,
        "person_ms": 5_000 * people,
        "people_end": people,
        "method": "test",
        "lines": [{"line": "door", "in": people, "out": 1}],
        "zones": [{"zone": "queue", "person_ms": 2_500 * people, "entries": people,
                   "dwell": {"count": 1, "sum_ms": 9_000, "bins": {"23": 1}}}],
        "heat": {"cell_mm": 500, "rows": 2, "cols": 4, "cells": cells, "mps": [2_000 * people, 3_000 * people][: len(cells)]},
        **more,
    }  # fmt: skip


def send(hub: World, site: str, items: list[tuple[str, dict[str, Any]]], first: int = 1) -> None:
    """Apply items as a box's batches, from another connection than the API's."""
    batch = Batch(
        epoch=EPOCH, boot=EPOCH, oldest=first, sent_ms=now_ms(),
        items=[Item(seq=first + i, kind=kind, body=body) for i, (kind, body) in enumerate(items)],
    )  # fmt: skip
    applier = Applier(hub.store, hub.config.sites, now_ms)
    ack = applier.apply(f"branchloop/1/{site}/box-1/data", batch.to_json().encode(), now_ms())
    assert ack is not None
    assert ack.upto == first + len(items) - 1


def get(hub: World, path: str, headers: dict[str, str], **query: str) -> httpx.Response:
    return httpx.get(f"{hub.api}/api/v1/branches{path}", params=query, headers=headers, timeout=10)


@pytest.fixture(scope="module")
def base(hub: World) -> int:
    """The start (UTC ms) of an hour of which two minutes were sent."""
    start_ms = now_ms() // 3_600_000 * 3_600_000 - 7_200_000
    send(hub, "hall", [("window", window(start_ms + 5_000 * i, i % 3)) for i in range(24)])
    return start_ms


def test_figures_are_the_sums_of_their_windows(hub: World, base: int) -> None:
    """Heat, crossings, visits and means equal what was sent, to the milli-person-second."""
    headers = hub.token("manager", "hall")
    span = {"from": iso(base), "to": iso(base + 3_600_000)}
    heat = get(hub, "/hall/heat", headers, **span).json()
    assert heat["total"] == sum(5.0 * (i % 3) for i in range(24))
    assert sum(map(sum, heat["person_seconds"])) == pytest.approx(heat["total"])
    assert heat["person_seconds"][0][1] == sum(2.0 * (i % 3) for i in range(24))
    coarse = get(hub, "/hall/heat", headers, **span, cell_m="1").json()
    assert (coarse["rows"], coarse["cols"]) == (1, 2)
    assert coarse["total"] == heat["total"]
    footfall = get(hub, "/hall/footfall", headers, **span, bucket="minute").json()
    assert footfall["total_in"] == sum(i % 3 for i in range(24))
    assert [item["in"] for item in footfall["items"]][:2] == [12, 12]
    assert footfall["items"][2]["in"] is None
    occupancy = get(hub, "/hall/occupancy", headers, **span, bucket="hour").json()
    assert sum(item["person_seconds"] or 0 for item in occupancy["items"]) == heat["total"]
    measured = [item["mean"] for item in occupancy["items"] if item["mean"] is not None]
    assert measured == [pytest.approx(1.0)]
    answer = get(hub, "/hall/zones", headers, **span).json()
    zones = answer["items"][0]
    assert answer["floor_person_seconds"] == heat["total"]
    assert zones["share"] == pytest.approx(0.5)
    assert zones["visits"] == 24
    assert zones["dwell_median_s"] == pytest.approx(9, rel=0.1)


def test_a_gap_is_a_gap(hub: World, base: int) -> None:
    """Two minutes of an hour were observed: coverage says 1/30, and the rest is listed as gaps."""
    headers = hub.token("head_office")
    heat = get(hub, "/hall/heat", headers, **{"from": iso(base), "to": iso(base + 3_600_000)}).json()
    assert heat["coverage"] == pytest.approx(120 / 3600)
    assert heat["gaps"] == [{"from": iso(base + 2 * MINUTE), "to": iso(base + 3_600_000)}]
    assert heat["begun"] == iso(base)
    empty = get(hub, "/annex/heat", headers, **{"from": iso(base), "to": iso(base + 3_600_000)}).json()
    assert (empty["total"], empty["max"], empty["coverage"], empty["as_of"]) == (None, None, 0.0, None)
    assert empty["begun"] is None
    zones = get(hub, "/annex/zones", headers, **{"from": iso(base), "to": iso(base + 3_600_000)}).json()
    assert (zones["floor_person_seconds"], zones["items"][0]["share"]) == (None, None)
    nothing = get(hub, "/annex/live", headers).json()
    assert nothing["occupancy"]["value"] is None
    assert nothing["footfall_today"]["value"] is None
    assert nothing["stale"] is True


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"from": "yesterday", "to": "2026-01-02T00:00:00Z"}, "`from` is 'yesterday'"),
        ({"from": "2026-01-01T00:00:00", "to": "2026-01-02T00:00:00Z"}, "ambiguous"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "not after"),
        ({"from": "2020-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "more than 400 days"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "cell_m": "0.7"}, "whole multiple"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "cell_m": "x"}, "cell_m"),
        ({"to": "2026-01-02T00:00:00Z"}, "from"),
        ({"from": "9999-01-01T00:00:00Z", "to": "9999-01-02T00:00:00Z"}, "out of range"),
    ],
)
def test_a_bad_question_gets_a_problem(hub: World, query: dict[str, str], words: str) -> None:
    """422, one sentence, and how to mend it."""
    answer = get(hub, "/hall/heat", hub.token("head_office"), **query)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert answer.json()["hint"]


def test_a_plus_that_an_address_made_a_blank_is_told(hub: World) -> None:
    """`curl ...?from=2026-01-01T00:00:00+08:00` reaches the hub with a blank for the +."""
    url = f"{hub.api}/api/v1/branches/hall/heat?to=2026-01-02T00:00:00Z&from=2026-01-01T00:00:00"
    headers = hub.token("head_office")
    answer = httpx.get(f"{url}+08:00", headers=headers)
    assert (answer.status_code, "its + is %2B" in answer.json()["hint"]) == (422, True)
    assert httpx.get(f"{url}%2B08:00", headers=headers).status_code == 200


def test_the_stream_tells_at_once_and_resumes(hub: World) -> None:
    """A notice committed by another process arrives within two seconds; a reader that lost it resumes."""
    headers = hub.token("staff", "annex")
    heard: list[tuple[str, dict[str, Any], str]] = []
    ready, got = threading.Event(), threading.Event()

    def follow(extra: dict[str, str], wanted: int) -> None:
        with httpx.stream(
            "GET", f"{hub.api}/api/v1/branches/annex/stream", headers={**headers, **extra}, timeout=20
        ) as stream:
            number = event = ""
            for line in stream.iter_lines():
                ready.set()
                if line.startswith("id: "):
                    number = line[4:]
                elif line.startswith("event: "):
                    event = line[7:]
                elif line.startswith("data: "):
                    heard.append((event, json.loads(line[6:]), number))
                    if len(heard) >= wanted:
                        got.set()
                        return

    reader = threading.Thread(target=follow, args=({}, 1), daemon=True)
    reader.start()
    assert ready.wait(10)
    at_ms = now_ms()
    send(hub, "annex", [("notice", {"id": "n-1", "what": "crossing", "at_ms": at_ms, "seen_ms": at_ms,
                                    "line": "door", "direction": "in"})])  # fmt: skip
    assert got.wait(5)
    event, body, number = heard[0]
    assert (event, body["id"], body["seen_ms"]) == ("notice", "n-1", at_ms)
    send(hub, "annex", [("notice", {"id": "n-2", "what": "crossing", "at_ms": at_ms, "line": "door",
                                    "direction": "out"})], first=2)  # fmt: skip
    heard.clear()
    got.clear()
    follow({"Last-Event-ID": number}, 1)
    assert heard[0][1]["id"] == "n-2"


def test_reads_are_audited(hub: World) -> None:
    """Every read of a branch leaves a line, refused ones change nothing, and the chain holds."""
    before = hub.state.audit.head().seq
    headers = hub.token("manager", "hall")
    assert get(hub, "/hall/live", headers).status_code == 200
    assert get(hub, "/annex/live", headers).status_code == 403
    assert hub.state.audit.head().seq == before + 1
    assert hub.state.audit.verify().broken_seq is None


def test_health_needs_no_token_and_tells_no_branch(hub: World) -> None:
    """Without ingest the hub says that it is degraded."""
    answer = httpx.get(f"{hub.api}/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert "hall" not in answer.text
    assert datetime.now(UTC).year >= 2026


def test_unknown_paths_and_methods_are_problems(hub: World) -> None:
    """404, 405 and oversized bodies too."""
    assert httpx.get(f"{hub.api}/nowhere").json()["status"] == 404
    assert httpx.post(f"{hub.api}/health").json()["status"] == 405
    huge = httpx.post(f"{hub.api}/health", content=b"x" * (2 << 20))
    assert huge.status_code == 413
