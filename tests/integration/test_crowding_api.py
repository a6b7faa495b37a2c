"""Crowding over HTTP: what a page is told, what it is not, the stream, and where customers are steered."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import hubworld
import pytest
from hubworld import World, world
from starlette.types import Message
from tables import partner
from test_api import send, window

from branchloop.clock import DAY_MS, HOUR_MS, bucket_start_ms, from_ms, local_day_start_ms
from branchloop.errors import AccessError
from hub.api import crowding
from hub.api.problems import BusyError
from hub.api.state import now_ms
from hub.loop.embedding import Embed, issue, read
from hub.store.connection import connect
from hub.store.figures import sqlite_rollups
from hub.store.figures.crowding import Crowds
from hub.store.figures.sums import RollUp, Totals
from hub.store.schema.core import DATABASE

PAGE = "https://travel.example"
SERVICE = """
[[service]]
id = "loan"
name = {{ en = "Loans", zh = "贷款" }}
minutes = 30
slot_minutes = 30
per_slot = 2
"""
PLACE = "place = {{ lat_deg = 28.6, lon_deg = 77.2 }}"
HUB = (
    partner("travel", PAGE)
    + """
[crowding]
nearby_km = 5.0
most_readers = 3
"""
)


@pytest.fixture(params=[""])
def hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Two branches at one place, both with loans; the parameter is more of the first one's site file."""
    both = hubworld.SITE.replace("[[line]]", f"{PLACE}\n[[line]]", 1) + SERVICE
    monkeypatch.setattr(hubworld, "SITE", both)
    with world(tmp_path_factory.mktemp("hub"), parts=request.param, hub=HUB, book=True) as running:
        yield running


def token(hub: World, site: str = "hall", **more: Any) -> str:
    embed = Embed("travel", PAGE, site, more.pop("expires_ms", now_ms() + DAY_MS), **more)
    return issue(embed, hub.state.book.keyring.mac)


def page(hub: World, site: str = "hall", **more: Any) -> dict[str, str]:
    return {"Authorization": f"Embed {token(hub, site, **more)}", "Origin": PAGE}


def ask(hub: World, **more: Any) -> dict[str, Any]:
    answer = httpx.get(f"{hub.api}/api/v1/card/crowding", headers=page(hub, **more))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def fill(hub: World, site: str, people: dict[int, float], weeks: int = 3) -> None:
    """Whole weeks of hours, the same every day; hours that are not named hold 10."""
    zone = hub.config.sites[site].zone_info
    first = from_ms(now_ms(), zone).date() - timedelta(days=7 * weeks)
    rollups: dict[Any, RollUp] = {}
    for day in range(7 * weeks):
        start_ms = local_day_start_ms(first + timedelta(days=day), zone)
        for hour in range(24):
            mean = people.get(hour, 10.0)
            rollups["hour", start_ms + hour * HOUR_MS] = RollUp(
                totals=Totals(
                    1, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS, round(mean * HOUR_MS), looked_ms=HOUR_MS
                )
            )
    with closing(connect(hub.config.data_dir / DATABASE)) as db:
        sqlite_rollups.add(db, site, "box-1", rollups)


def test_without_history_a_page_is_told_that_nothing_is_known(hub: World) -> None:
    told = ask(hub)
    assert (told["level"], told["people"], told["fewer_than"], told["as_of"], told["basis_weeks"], told["best"]) == (
        None, None, None, None, 0, [],
    )  # fmt: skip
    assert told["today"]
    assert {each["level"] for each in told["today"]} == {None}


def test_hours_levels_and_the_quietest_are_told_in_the_branchs_time(hub: World) -> None:
    fill(hub, "hall", {3: 1.0, 15: 30.0})
    told = ask(hub)
    zone = hub.config.sites["hall"].zone_info
    assert told["basis_weeks"] == 3
    hours = [datetime.fromisoformat(each["start"]).astimezone(zone) for each in told["today"]]
    assert hours[0].timestamp() * 1000 == bucket_start_ms(now_ms(), "hour", zone)
    assert hours[-1].hour == 23
    assert {datetime.fromisoformat(each).astimezone(zone).hour for each in told["best"]} == {3}
    for each, at in zip(told["today"], hours, strict=True):
        if at.hour == 15:
            assert each["level"] == "busy"
        assert each["low"] <= each["people"] <= each["high"]
        assert each["people"] == round(each["people"])


def test_small_counts_are_told_to_the_bank_alone(hub: World) -> None:
    start = now_ms() // 5_000 * 5_000 - 5_000
    send(hub, "hall", [("window", window(start, 2))])
    told = ask(hub)
    assert (told["people"], told["fewer_than"]) == (None, 3)
    assert told["as_of"] is not None
    headers = hub.token("manager", "hall")
    own = httpx.get(f"{hub.api}/api/v1/branches/hall/crowding", headers=headers).json()
    assert (own["people"], own["fewer_than"]) == (2, None)


def test_three_are_counted(hub: World) -> None:
    send(hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 5_000, 3))])
    told = ask(hub)
    assert (told["people"], told["fewer_than"]) == (3, None)


def test_an_old_count_is_not_of_now(hub: World) -> None:
    send(hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 180_000, 9))])
    told = ask(hub)
    assert (told["people"], told["fewer_than"], told["as_of"]) == (None, None, None)


def test_slots_carry_levels_and_the_quietest_free_come_first(hub: World) -> None:
    fill(hub, "hall", {11: 1.0, 12: 2.0, 15: 30.0})
    zone = hub.config.sites["hall"].zone_info
    day = (from_ms(now_ms(), zone).date() + timedelta(days=1)).isoformat()
    told = httpx.get(
        f"{hub.api}/api/v1/card/slots", params={"service": "loan", "day": day}, headers=page(hub)
    ).json()
    by_hour = {datetime.fromisoformat(each["start"]).astimezone(zone).hour: each for each in told["items"]}
    assert by_hour[11]["level"] == "quiet"
    assert by_hour[15]["level"] == "busy"
    assert by_hour[15]["people"] > by_hour[11]["people"]
    best = [datetime.fromisoformat(each).astimezone(zone).hour for each in told["best"]]
    assert best[0] in {11, 12}
    assert len(best) == 3


def test_a_quieter_branch_nearby_is_offered_with_a_token_of_its_own(hub: World) -> None:
    fill(hub, "hall", {hour: 5.0 + 20 * (hour >= 12) for hour in range(24)})
    fill(hub, "annex", {hour: 5.0 + 20 * (hour < 12) for hour in range(24)})
    zone = hub.config.sites["hall"].zone_info
    day = (from_ms(now_ms(), zone).date() + timedelta(days=1)).isoformat()
    expires_ms = now_ms() + DAY_MS
    headers = page(hub, expires_ms=expires_ms, service="loan", scene="travel", subject="u-1")
    ask_for = {"service": "loan", "day": day}
    told = httpx.get(f"{hub.api}/api/v1/card/slots", params=ask_for, headers=headers).json()
    (near,) = told["nearby"]
    assert (near["site"], near["distance_km"], near["level"]) == ("annex", 0.0, "quiet")
    assert datetime.fromisoformat(near["start"]).astimezone(zone).hour >= 12
    there = read(near["embed"], hub.state.book.keyring.mac, now_ms())
    assert there == Embed("travel", PAGE, "annex", expires_ms, "loan", "travel", "u-1")
    over_there = {"Authorization": f"Embed {near['embed']}", "Origin": PAGE}
    answer = httpx.get(f"{hub.api}/api/v1/card/slots", params=ask_for, headers=over_there)
    assert near["start"] in [each["start"] for each in answer.json()["items"] if each["free"]]


def test_a_branch_that_the_partner_does_not_show_is_not_offered_on_its_pages(
    hub: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its name nor its free places nor a token that would be refused."""
    fill(hub, "hall", {hour: 5.0 + 20 * (hour >= 12) for hour in range(24)})
    fill(hub, "annex", {hour: 5.0 + 20 * (hour < 12) for hour in range(24)})
    zone = hub.config.sites["hall"].zone_info
    day = (from_ms(now_ms(), zone).date() + timedelta(days=1)).isoformat()
    url, ask_for = f"{hub.api}/api/v1/card/slots", {"service": "loan", "day": day}
    told = httpx.get(url, params=ask_for, headers=page(hub)).json()
    assert [each["site"] for each in told["nearby"]] == ["annex"]
    only_hall = hub.config.partners["travel"].model_copy(update={"sites": ["hall"]})
    monkeypatch.setitem(hub.config.partners, "travel", only_hall)  # type: ignore[arg-type]
    told = httpx.get(url, params=ask_for, headers=page(hub)).json()
    assert told["items"]
    assert told["nearby"] == []


def test_without_history_no_branch_is_called_quieter(hub: World) -> None:
    told = httpx.get(f"{hub.api}/api/v1/card/slots", params={"service": "loan"}, headers=page(hub)).json()
    assert (told["nearby"], told["best"]) == ([], [])


TOMORROW = (from_ms(now_ms(), ZoneInfo("Asia/Kolkata")).date() + timedelta(days=1)).isoformat()


@pytest.mark.parametrize("hub", [f'closed_on = ["{TOMORROW}"]'], indirect=True)
def test_where_the_branch_is_closed_any_free_place_nearby_is_offered(hub: World) -> None:
    """Without history, too: no level is made up for it."""
    told = httpx.get(
        f"{hub.api}/api/v1/card/slots", params={"service": "loan", "day": TOMORROW}, headers=page(hub)
    ).json()
    assert (told["items"], told["best"]) == ([], [])
    (near,) = told["nearby"]
    assert (near["site"], near["level"]) == ("annex", None)


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


def test_every_reader_is_told_of_the_same_change(hub: World) -> None:
    url = f"{hub.api}/api/v1/card/crowding/stream"
    with (
        httpx.stream("GET", url, headers=page(hub), timeout=20) as one,
        httpx.stream("GET", url, headers=page(hub), timeout=20) as two,
    ):
        assert one.headers["content-type"].startswith("text/event-stream")
        assert one.headers["access-control-allow-origin"] == PAGE
        told = [events(one), events(two)]
        first = [next(each) for each in told]
        assert first[0] == first[1]
        assert first[0]["people"] is None
        send(hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 5_000, 7))])
        second = [next(each) for each in told]
        assert second[0] == second[1]
        assert second[0]["people"] == 7
        assert {key: value for key, value in ask(hub).items() if key != "today"} == {
            key: value for key, value in second[0].items() if key != "today"
        }


def test_who_comes_later_is_told_at_once(hub: World) -> None:
    url = f"{hub.api}/api/v1/card/crowding/stream"
    with httpx.stream("GET", url, headers=page(hub), timeout=20) as one:
        told = [events(one)]
        first = next(told[0])
        with httpx.stream("GET", url, headers=page(hub), timeout=20) as two:
            told.append(events(two))
            assert next(told[1]) == first
            assert hub.app.state.crowd_stream.readers == 2


def test_the_stream_ends_with_the_pages_token(hub: World) -> None:
    for holds_ms in (1_500, 10_000):  # the first may be over before a busy machine answers
        headers = page(hub, expires_ms=now_ms() + holds_ms)
        url = f"{hub.api}/api/v1/card/crowding/stream"
        with httpx.stream("GET", url, headers=headers, timeout=20) as answer:
            told = list(events(answer))
        if told:
            break
    assert len(told) == 1
    refused = httpx.get(f"{hub.api}/api/v1/card/crowding", headers=headers)
    assert refused.status_code == 401


def test_more_readers_than_allowed_are_refused_and_a_place_is_given_back(hub: World) -> None:
    url = f"{hub.api}/api/v1/card/crowding/stream"
    crowds = hub.app.state.crowd_stream
    with (
        httpx.stream("GET", url, headers=page(hub), timeout=20) as one,
        httpx.stream("GET", url, headers=page(hub), timeout=20) as two,
    ):
        told = [events(one), events(two)]
        for each in told:
            next(each)
        with httpx.stream("GET", url, headers=page(hub, "annex"), timeout=20) as three:
            told.append(events(three))
            next(told[-1])
            assert crowds.readers == 3
            refused = httpx.get(url, headers=page(hub))
            assert refused.status_code == 503
            assert "too many" in refused.json()["detail"]
            with pytest.raises(BusyError):
                crowds.admit()
    until_s = time.monotonic() + 20
    while crowds.readers:
        assert time.monotonic() < until_s
        time.sleep(0.02)
    crowds.admit()
    assert crowds._channels == {}


def test_a_token_of_another_page_reads_nothing(hub: World) -> None:
    stolen = {**page(hub), "Origin": "https://evil.example"}
    for path in ("crowding", "crowding/stream"):
        assert httpx.get(f"{hub.api}/api/v1/card/{path}", headers=stolen).status_code == 403
    whole = token(hub)
    other = "A" if whole[-10] != "A" else "B"  # not the last one, of which some bits do not count
    with pytest.raises(AccessError):
        read(f"{whole[:-10]}{other}{whole[-9:]}", hub.state.book.keyring.mac, now_ms())


def test_a_profile_of_many_weeks_is_learned_in_one_read(hub: World) -> None:
    fill(hub, "hall", {11: 1.0}, weeks=12)
    with closing(sqlite3.connect(hub.config.data_dir / DATABASE)) as db:
        known = Crowds().known(db, hub.config.sites["hall"], now_ms())
    assert known is not None
    assert known.profile.weeks == 12


def test_a_reader_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is given back, though its connection still stands."""
    monkeypatch.setattr(crowding, "STALLED_S", 0.05)
    let_go = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": alive\n\n"
        finally:
            let_go.set()

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def run() -> None:
        body = endless()
        scope = {"type": "http", "asgi": {"spec_version": "2.4"}, "method": "GET", "path": "/", "headers": []}
        await asyncio.wait_for(crowding.Events(body)(scope, receive, send), 10)
        await body.aclose()
        assert let_go.is_set()

    asyncio.run(run())
