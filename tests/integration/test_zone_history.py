"""A zone where nobody comes any more: what stands before part of a picture leaves the camera up and its figures whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubworld import World, world
from test_api import get
from test_quality import PARTS, Box, alerts, day_of, looking, minutes

from branchloop.clock import HOUR_MS
from branchloop.site.site import Site
from hub.api.state import now_ms
from hub.ingest.alerting import gone
from hub.loop.alerts import Watch
from hub.loop.finding import CountError
from hub.store.branches.configurations import Configurations
from hub.store.branches.drawn import drawn_since
from hub.store.branches.opening import OpeningHistory
from hub.store.connection import opened
from hub.store.figures.checking import Checker
from hub.store.figures.evidence import Evidence

VISITS = 30
HOURS = 2
SHAPE = "polygon = [[1.0, 0.1], [1.9, 0.1], [1.9, 0.9], [1.0, 0.9]]"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS) as running:
        yield running


def visited(start_ms: int, visits: int) -> list[dict[str, Any]]:
    """Two hours of a day of the same footfall, in each of which so many come to the queue's zone."""
    windows = minutes(start_ms, start_ms + HOURS * HOUR_MS, 1)
    for number, body in enumerate(windows):
        began = number % 60 == 0
        body["zones"] = [{"zone": "queue", "person_ms": 1_000 * visits, "entries": visits if began else 0}]
        body["lines"] = [{"line": "door", "in": 40 if began else 0, "out": 40 if began else 0}]
    return windows


def opening_ms(site: Site, back: int) -> int:
    return site.open_spans_ms(day_of(site, back))[0][0]


def weeks(hub: World, visits: int = VISITS) -> Box:
    box = Box(hub)
    site = hub.config.sites["hall"]
    for back in range(15, 1, -1):
        box.send(*visited(opening_ms(site, back), visits + back % 3))
    return box


def test_a_zone_where_nobody_comes_any_more_is_told(hub: World) -> None:
    """While the door counts as ever: two hours in a row raise it, once. It asks for a look."""
    site = hub.config.sites["hall"]
    box = weeks(hub)
    with looking(hub) as (_, drift):
        drift.tick(now_ms())
        assert [kind for kind, *_ in alerts(hub) if kind.endswith("_history")] == []
        box.send(*visited(opening_ms(site, 1), 0))
        for _ in range(3):
            drift.tick(now_ms())
    assert [each for each in alerts(hub) if each[0].endswith("_history")] == [("zone_history", "queue", True)]
    answer = get(hub, "/hall/quality", hub.token("auditor")).json()
    (finding,) = (each for each in answer["findings"] if each["check"] == "zone_history")
    assert (finding["subject"], finding["outcome"], finding["value"]) == ("queue", "off", 0)
    assert finding["expected"] == pytest.approx(VISITS + 1, abs=1)
    (alert,) = (each for each in answer["alerts"] if each["kind"] == "zone_history")
    assert "zone_visits" in alert["tainted"]
    watches, without = {("zone_history", "queue"): Watch("open", 1, 1)}, site.model_copy(update={"zones": []})
    assert gone(site, watches, 2, checks=True) == []
    assert gone(without, watches, 2, checks=True) == [(("zone_history", "queue"), False, 2, {})]


def test_few_visits_are_no_finding(hub: World) -> None:
    """An hour without any is within chance where ten are usual."""
    site = hub.config.sites["hall"]
    box = weeks(hub, visits=10)
    with looking(hub) as (_, drift):
        box.send(*visited(opening_ms(site, 1), 0))
        for _ in range(3):
            drift.tick(now_ms())
    assert [each for each in alerts(hub) if each[0] == "zone_history"] == []


def test_a_zone_that_was_drawn_anew_has_no_history_to_be_off_from(hub: World) -> None:
    """What was counted by another drawing is not its own; what else a version changes leaves the history."""
    site = hub.config.sites["hall"]
    box = weeks(hub)
    box.send(*visited(opening_ms(site, 1), 0))
    text = (hub.config.path.parent / "hall.toml").read_text(encoding="utf-8")
    other = text.replace(SHAPE, SHAPE.replace("1.9", "1.5"))
    assert other != text
    published_ms = opening_ms(site, 1) - HOUR_MS
    versions = (text, text.replace('"Hall"', '"The hall"'), other)
    with hub.store.transaction() as transaction:
        kept = Configurations(transaction.db)
        for number, each in enumerate(versions):
            at_ms = published_ms + number * 60_000
            saved = kept.save("hall", each, above=1, base=number + 1, author="a", note="", ring=0, now_ms=at_ms)  # fmt: skip
            kept.publish(saved, at_ms)
    hour = (opening_ms(site, 1), opening_ms(site, 1) + HOUR_MS)
    with opened(hub.config.data_dir) as db:
        renamed, redrawn = (drawn_since(db, site.model_copy(update={"version": newest})) for newest in (3, 4))
        hours = OpeningHistory(db).of(site, now_ms())
        found = {
            drawn: next(
                each
                for each in Checker(Evidence(db), site, hours, CountError(), drawn=since).hour(hour)
                if each.check == "zone_history"
            )
            for drawn, since in (("as before", renamed), ("anew", redrawn))
        }
    assert (renamed, redrawn) == ({}, {("zone", "queue"): published_ms + 120_000})
    assert found["as before"].outcome == "off"
    assert (found["anew"].outcome, found["anew"].reason) == ("unknown", "too_few")
