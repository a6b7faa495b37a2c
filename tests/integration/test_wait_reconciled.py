"""The wait that the board tells: appointments to come, counters that are open, people the floor counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hubworld import NOON, World, world
from tables import service

from branchloop.clock import MINUTE_MS, iso
from branchloop.wire.batches import Batch, Item
from hub.api.state import now_ms
from hub.ingest.apply import Applier
from hub.store.book import queueing
from hub.store.connection import opened

EPOCH = "0123456789abcdef0123456789abcdef"
PARTS = service("loan", minutes=5, per_slot=50, walk_in_target_min=60)
COUNTER = """
[[counter]]
id = "{id}"
name = {{ en = "{id}", zh = "{id}" }}
services = ["loan"]
{hours}
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        yield made


def queue(hub: World) -> dict[str, Any]:
    headers = hub.token("staff", "hall")
    board = httpx.get(f"{hub.api}/api/v1/branches/hall/board", headers=headers)
    assert board.status_code == 200, board.text
    (found,) = board.json()["queues"]
    told: dict[str, Any] = found
    return told


def walk_in(hub: World, count: int = 1) -> list[str]:
    with opened(hub.config.data_dir) as db:
        site, at_ms = hub.config.sites["hall"], now_ms()
        return [queueing.walk_in(db, hub.state.book, site, "loan", "", "zh", at_ms).id for _ in range(count)]


def floor(hub: World, queueing_: int, people: int, *, until_ms: int, observed_ms: int = 5_000) -> None:
    """Three minutes of windows, each with so many people."""
    first = until_ms - until_ms % 5_000 - 180_000
    bodies = [
        {
            "start_ms": first + 5_000 * at, "expected_ms": 5_000, "observed_ms": observed_ms,
            "person_ms": people * 5_000, "people_end": people, "method": "test",
            "queues": [{"queue": "queue", "person_ms": queueing_ * 5_000, "waiting_end": queueing_, "joined": 0}],
        }
        for at in range(36)
    ]  # fmt: skip
    items = [Item(seq=at + 1, kind="window", body=body) for at, body in enumerate(bodies)]
    batch = Batch(epoch=EPOCH, boot=EPOCH, oldest=1, sent_ms=now_ms(), items=items)
    applier = Applier(hub.store, hub.config.sites, now_ms)
    assert applier.apply("branchloop/1/hall/box-1/data", batch.to_json().encode(), now_ms()) is not None


def test_who_is_expected_takes_part_and_is_told(hub: World) -> None:
    """Ten appointments of this quarter of an hour that may still come make the wait longer."""
    walk_in(hub)
    before = queue(hub)
    assert before["expected"] == 0
    slots = httpx.get(
        f"{hub.api}/api/v1/branches/hall/slots",
        params={"service": "loan"},
        headers=hub.token("staff", "hall"),
    ).json()["items"]
    soon = next(each["start"] for each in slots if each["start"] > iso(now_ms()))
    for _ in range(10):
        answer = httpx.post(
            f"{hub.api}/api/v1/branches/hall/appointments",
            headers=hub.token("staff", "hall"),
            json={"service": "loan", "start": soon, "name": "Ann Miller"},
        )
        assert answer.status_code == 201, answer.text
    after = queue(hub)
    assert after["expected"] == 10
    assert after["wait_s"] > before["wait_s"] * 2


def test_people_in_the_queue_without_tickets_are_further_ahead(hub: World) -> None:
    walk_in(hub)
    alone = queue(hub)
    floor(hub, 5, 6, until_ms=now_ms())
    told = queue(hub)
    assert (alone["floor_extra"], told["floor_extra"], told["tickets_gone"]) == (0, 4, 0)
    assert told["wait_s"] > 3 * alone["wait_s"]


@pytest.mark.parametrize(("late_ms", "observed_ms"), [(10 * MINUTE_MS, 5_000), (0, 2_000)])
def test_a_floor_that_is_stale_or_half_seen_says_nothing(hub: World, late_ms: int, observed_ms: int) -> None:
    walk_in(hub)
    floor(hub, 9, 9, until_ms=now_ms() - late_ms, observed_ms=observed_ms)
    assert queue(hub)["floor_extra"] == 0


def test_an_empty_floor_widens_and_does_not_shorten(hub: World) -> None:
    walk_in(hub, 6)
    before = queue(hub)
    floor(hub, 0, 0, until_ms=now_ms())
    after = queue(hub)
    assert after["tickets_gone"] == 6
    assert (after["wait_s"], after["wait_high_s"]) == (before["wait_s"], before["wait_high_s"])
    assert after["wait_low_s"] < before["wait_low_s"]


def test_counters_that_are_not_staffed_now_do_not_count(tmp_path: Path) -> None:
    """Of three configured, one has no hours today at all."""
    days = ", ".join(f'{day} = "closed"' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    tables = "".join(
        COUNTER.format(id=name, hours=f"hours = {{ {days} }}" if name == "c-3" else "")
        for name in ("c-1", "c-2", "c-3")
    )
    with world(tmp_path, parts=PARTS + tables, book=True, zone=NOON) as hub:
        assert queue(hub)["counters_open"] == 2
