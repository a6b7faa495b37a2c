"""The API when things are not as usual: pruned details, faults, hostile questions, readers that come and go."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from hubworld import World, world
from hypothesis import HealthCheck, given, settings, strategies as st
from jsonschema import Draft202012Validator
from test_api import get, send, window
from test_api_access import NEEDED, OF_THE_BOOK

from branchloop.clock import bucket_start_ms, iso
from hub.api import stream as streaming
from hub.api.access import PERMISSIONS
from hub.api.app import create_app
from hub.api.state import now_ms
from hub.store.figures.retention import prune

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
FLAWED = [b"x" * 200, b"", b"2026-01-01", b"\xff", b"2026-01-01T00:00:00+99:99", b"0001-01-01T00:00:00Z"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as running:
        yield running


@pytest.fixture(scope="module")
def asking(hub: World) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hub.api, headers=hub.token("head_office"), timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(None).openapi()


def until(ask: Callable[[], bool], what: str, most_s: float = 10) -> None:
    end_s = time.monotonic() + most_s
    while not ask():
        assert time.monotonic() < end_s, what
        time.sleep(0.02)


def followers(hub: World) -> int:
    return sum(map(len, hub.stream._followers.values()))


def parsed(texts: list[str]) -> list[tuple[int, str]]:
    """(id, notice) of every notice in what a stream sent."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for text in texts
        for block in text.split("\n\n")
    ]
    return [(int(b["id"]), json.loads(b["data"])["id"]) for b in blocks if b.get("event") == "notice"]


class Reader:
    """A plain reader of the stream."""

    def __init__(self, hub: World, site: str, headers: dict[str, str]) -> None:
        address = urlsplit(hub.api)
        self._http = HTTPConnection(str(address.hostname), address.port, timeout=10)
        self._http.request("GET", f"/api/v1/branches/{site}/stream", headers=headers)
        self.answer = self._http.getresponse()
        self.events: list[str] = []

    def read(self, wanted: int) -> Reader:
        """Read until there are `wanted` events, or the hub ends the stream."""
        while len(self.events) < wanted and not self.answer.isclosed():
            line = self.answer.readline().decode()
            if line.startswith("event: "):
                self.events.append(line[7:].strip())
        return self

    def close(self) -> None:
        self.answer.close()
        self._http.close()


def notices(first: int, count: int) -> list[tuple[str, dict[str, Any]]]:
    at_ms = now_ms()
    return [
        ("notice", {"id": f"n-{first + i}", "what": "crossing", "at_ms": at_ms, "line": "door",
                    "direction": "in"})
        for i in range(count)
    ]  # fmt: skip


def test_figures_outlive_their_details(tmp_path: Path) -> None:
    """When minutes are gone, hours tell the same sums; no gap appears, and nothing is told as zero."""
    with world(tmp_path) as hub:
        headers, zone = hub.token("head_office"), hub.config.sites["hall"].zone_info
        start = bucket_start_ms(now_ms() - 60 * DAY, "day", zone)
        whole = {"slots": 12, "expected_ms": MINUTE, "observed_ms": MINUTE, "person_ms": MINUTE}
        items = [("window", {**window(start + i * MINUTE, 1), **whole}) for i in range(24 * 60)]
        for i in range(0, len(items), 200):
            send(hub, "hall", items[i : i + 200], i + 1)
        day = {"from": iso(start), "to": iso(start + DAY)}
        part = {"from": iso(start + 10 * MINUTE), "to": iso(start + 80 * MINUTE)}
        before = get(hub, "/hall/heat", headers, **day).json()
        assert get(hub, "/hall/heat", headers, **part).json()["total"] == 70 * 5.0
        prune(hub.store, hub.config.retention, hub.config.sites, now_ms())
        after = get(hub, "/hall/heat", headers, **day).json()
        assert after == before
        assert (after["coverage"], after["gaps"]) == (1.0, [])
        told = get(hub, "/hall/heat", headers, **part).json()
        assert (told["from"], told["to"]) == (iso(start), iso(start + 2 * HOUR))
        assert (told["total"], told["gaps"]) == (120 * 5.0, [])
        by_hour = get(hub, "/hall/footfall", headers, **part, bucket="hour").json()
        assert [item["in"] for item in by_hour["items"]] == [60, 60]
        by_minute = get(hub, "/hall/footfall", headers, **part, bucket="minute")
        assert by_minute.status_code == 422
        assert "no longer kept" in by_minute.json()["detail"]
        assert "bucket=hour" in by_minute.json()["hint"]


def test_a_long_stretch_in_a_zone_of_half_hours_has_its_own_gaps_only(tmp_path: Path) -> None:
    """Ten days of which all but one hour were observed: that hour is the gap."""
    with world(tmp_path) as hub:
        zone = hub.config.sites["hall"].zone_info
        start = bucket_start_ms(now_ms() - 12 * DAY, "day", zone)
        items = [
            ("window", window(start + hour * HOUR, 0)) for hour in range(240) if hour != 100
        ]  # one window an hour is enough to have been observed
        for i in range(0, len(items), 200):
            send(hub, "hall", items[i : i + 200], i + 1)
        heat = get(
            hub, "/hall/heat", hub.token("head_office"), **{"from": iso(start), "to": iso(start + 10 * DAY)}
        )
        assert heat.json()["gaps"] == [{"from": iso(start + 100 * HOUR), "to": iso(start + 101 * HOUR)}]


def test_another_plans_heat_is_told_apart(tmp_path: Path) -> None:
    """Heat of cells that the plan no longer has is not drawn, and not kept silent."""
    with world(tmp_path) as hub:
        start = now_ms() // HOUR * HOUR - 2 * HOUR
        other = {"cell_mm": 250, "rows": 4, "cols": 8, "cells": [3], "mps": [7_000]}
        send(hub, "hall", [("window", window(start, 1)), ("window", window(start + 5_000, 1, heat=other))])
        heat = get(
            hub, "/hall/heat", hub.token("head_office"), **{"from": iso(start), "to": iso(start + HOUR)}
        ).json()
        assert (heat["total"], heat["left_out_person_seconds"]) == (5.0, 7.0)


def test_a_slow_reader_is_let_go_without_a_hole_and_resumes(tmp_path: Path) -> None:
    """Of more notices than its queue holds it gets the first ones and an end; resuming brings the rest, once."""
    with world(tmp_path) as hub:
        many = 2 * streaming.QUEUED

        async def run() -> list[str]:
            stream = streaming.Stream(hub.state)
            stream.begin()
            poller = asyncio.create_task(stream.run())
            slow = stream.follow("annex", None, lambda: True)
            await anext(slow)
            for i in range(0, many, 200):
                await asyncio.to_thread(send, hub, "annex", notices(i + 1, 200), i + 1)
            await asyncio.to_thread(until, lambda: stream._head == hub.feed_head(), "the feed is read")
            got = parsed([text async for text in slow])
            assert 0 < len(got) < many
            assert not stream._followers["annex"]
            rest, more = stream.follow("annex", got[-1][0], lambda: True), list[tuple[int, str]]()
            async for text in rest:
                more += parsed([text])
                if len(got) + len(more) >= many:
                    break
            await rest.aclose()
            poller.cancel()
            return [name for _, name in got + more]

        assert asyncio.run(run()) == [f"n-{i}" for i in range(1, many + 1)]


def test_who_resumes_while_events_come_hears_each_once(tmp_path: Path) -> None:
    """What comes between opening the stream and reading the feed is neither lost nor told twice."""
    with world(tmp_path) as hub:
        send(hub, "annex", notices(1, 200))

        async def run() -> list[str]:
            stream = streaming.Stream(hub.state)
            stream.begin()
            poller = asyncio.create_task(stream.run())
            reader, heard = stream.follow("annex", 0, lambda: True), list[tuple[int, str]]()
            await anext(reader)
            await asyncio.to_thread(send, hub, "annex", notices(201, 200), 201)
            await asyncio.to_thread(until, lambda: stream._head == hub.feed_head(), "the feed is read")
            async for text in reader:
                heard += parsed([text])
                if len(heard) >= 400:
                    break
            await reader.aclose()
            poller.cancel()
            return [name for _, name in heard]

        assert asyncio.run(run()) == [f"n-{i}" for i in range(1, 401)]


def test_a_reader_that_leaves_is_forgotten(hub: World) -> None:
    """Its queue goes with it."""
    reader = Reader(hub, "annex", hub.token("staff", "annex"))
    until(lambda: followers(hub) == 1, "the reader follows")
    reader.close()
    until(lambda: followers(hub) == 0, "the reader is forgotten")


def test_resuming_tells_what_is_gone(hub: World) -> None:
    """After pruning, and with an id from another life of the database, the reader is told to read anew."""
    headers = hub.token("staff", "annex")
    send(hub, "annex", notices(1, 3))
    last = hub.feed_head()
    until(lambda: hub.stream._head == last, "the feed is read")
    with hub.store.transaction() as transaction:
        transaction.prune("feed", "annex", now_ms() + DAY)
    send(hub, "annex", notices(4, 1), first=4)
    until(lambda: hub.stream._head == last + 1, "the feed is read")
    for number, wanted in (("0", ["gap", "notice"]), (str(last + 500), ["gap"]), (str(last), ["notice"])):
        reader = Reader(hub, "annex", {**headers, "Last-Event-ID": number}).read(len(wanted))
        assert reader.events == wanted
        reader.close()
    for rubbish in ("\u00b2", "-1", "9" * 30, "1; DROP TABLE feed"):
        reader = Reader(hub, "annex", {**headers, "Last-Event-ID": rubbish})
        assert reader.answer.status == 200
        reader.close()


def test_a_revoked_token_hears_nothing_more(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream ends soon after its token was revoked."""
    monkeypatch.setattr(streaming, "RECHECK_S", 0.2)
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.1)
    before = {token.name for token in hub.state.tokens.all()}
    reader = Reader(hub, "annex", hub.token("staff", "annex"))
    until(lambda: followers(hub) >= 1, "the reader follows")
    (name,) = {token.name for token in hub.state.tokens.all()} - before
    hub.state.tokens.revoke(name, now_ms())
    reader.read(1)
    assert reader.answer.isclosed()
    reader.close()


def test_too_many_readers_are_told_so(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a reason, before anything is streamed."""
    monkeypatch.setattr(streaming, "MOST_READERS", 0)
    answer = get(hub, "/annex/stream", hub.token("staff", "annex"))
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:branchloop:problem:busy")


def test_faults_tell_nothing_of_the_inside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A database that is gone is 503, a fault of ours 500; neither names a file, a table or a line of code."""
    with world(tmp_path) as hub:
        headers = hub.token("head_office")
        app = create_app(hub.state)

        @app.get("/fault")
        def fault() -> None:
            raise ZeroDivisionError(str(tmp_path))

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
                return await client.get("/fault")

        with caplog.at_level(logging.CRITICAL):
            broken = anyio.run(ask)
            for name in ("hub.db", "hub.db-wal", "hub.db-shm"):
                (tmp_path / "data" / name).rename(tmp_path / name)
            gone = get(hub, "/hall/live", headers)
            health = httpx.get(f"{hub.api}/health").json()
        assert (broken.status_code, gone.status_code) == (500, 503)
        for answer in (broken, gone):
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert str(tmp_path) not in answer.text
            assert not re.search("sqlite|Traceback|Division|\\.py|\\.db", answer.text)
        assert health["checks"]["database"] is False
        assert health["status"] == "degraded"


def test_every_answer_has_the_headers(hub: World) -> None:
    """Answers, problems and refusals alike; no other origin is let in."""
    for path in ("/health", "/nowhere", "/api/v1/branches", "/openapi.json"):
        answer = httpx.get(hub.api + path, headers={"Origin": "https://elsewhere.example"})
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert httpx.get(f"{hub.api}/docs").status_code == 404
    assert httpx.get(f"{hub.api}/api/v1/branches/").status_code == 404


def test_bodies_say_how_large_they_are(hub: World) -> None:
    """A body of unknown length is refused before it is read."""
    answer = httpx.post(f"{hub.api}/health", content=iter([b"x" * 1_000]))
    assert answer.status_code == 411


def test_who_sees_every_branch_is_told_that_there_is_none(hub: World) -> None:
    """404 for head office, 403 for a manager: only who may know learns it."""
    for role, sites, status in (("head_office", (), 404), ("auditor", (), 404), ("manager", ("hall",), 403)):
        answer = get(hub, "/nowhere", hub.token(role, *sites))
        assert answer.status_code == status
        assert answer.json()["hint"]


def test_the_list_comes_in_pages(hub: World) -> None:
    """`next` leads through all branches once; only those of the page are noted as read."""
    headers, before = hub.token("head_office"), hub.state.audit.head().seq
    first = get(hub, "", headers, limit="1").json()
    assert hub.state.audit.head().seq == before + 1
    second = get(hub, "", headers, limit="1", after=first["next"]).json()
    assert [item["id"] for page in (first, second) for item in page["items"]] == ["annex", "hall"]
    assert second["next"] is None


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_question_breaks_the_api(
    asking: httpx.Client, document: dict[str, Any], data: st.DataObject
) -> None:
    """Every answer fits the API's own description, whatever is asked; none is a fault.

    This hub keeps no book and no consents, and head office asks: what others may ask, and what a book answers, is
    asked in tests/contract/test_schemathesis.py.
    """
    ways = sorted(document["paths"].items())
    apart = ({"consent"}, {"appointments"})
    allowed = {"/health"} | {
        p for p, needed in NEEDED.items() if needed in PERMISSIONS["head_office"]
    } - OF_THE_BOOK
    asked = [p for p, way in ways if p in allowed and "get" in way and set(way["get"]["tags"]) not in apart]
    path = data.draw(st.sampled_from([p for p in asked if not p.endswith("stream")]))
    moments = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
    texts = st.one_of(
        moments, st.text(max_size=30), st.sampled_from(FLAWED).map(lambda b: b.decode("latin-1"))
    )
    names = ["from", "to", "bucket", "cell_m", "limit", "after", "format", "layer"]
    values = st.one_of(
        texts,
        st.sampled_from(["hour", "day", "minute", "0.5", "1", "-1", "nan", "inf", "1e400", "csv", "filled"]),
    )
    query = data.draw(st.dictionaries(st.sampled_from(names), values))
    if data.draw(st.booleans()):
        start = now_ms() - data.draw(st.integers(0, 40 * DAY))
        query |= {"from": iso(start), "to": iso(start + data.draw(st.integers(1, 9 * DAY)))}
    site = data.draw(st.sampled_from(["hall", "annex", "nowhere", "%00", "..%2f"]))
    answer = asking.get(path.replace("{site_id}", site), params=query)
    described = document["paths"][path]["get"]["responses"]
    if answer.status_code == 404 and str(answer.status_code) not in described:
        return
    content = described[str(answer.status_code)]["content"]
    media = answer.headers["content-type"].split(";")[0]
    schema = {**content[media]["schema"], "components": document["components"]}
    Draft202012Validator(schema).validate(answer.text if media == "text/csv" else answer.json())
    assert answer.status_code in {200, 404, 422}


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"origin": "\xe9"}', b'{"origin":', b"[" * 20_000])
def test_a_body_that_is_no_json_is_told_so_in_the_same_way_as_any_other_wrong_one(
    hub: World, body: bytes
) -> None:
    headers = {**hub.token("head_office"), "Content-Type": "application/json"}
    told = httpx.post(f"{hub.api}/api/v1/branches/hall/configuration/check", headers=headers, content=body)
    assert (told.status_code, told.headers["content-type"]) == (422, "application/problem+json"), told.text
    assert told.json()["type"] == "urn:branchloop:problem:input"
    assert told.json()["hint"]
