"""Tickets that kiosks give without appointment, as the hub keeps them: once, in any order, with whatever delay."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hubworld import World, world
from tables import service

from branchloop.clock import HOUR_MS
from branchloop.wire.arrivals import Walkin
from branchloop.wire.batches import BODIES
from hub.api.state import now_ms
from hub.store import journeys
from hub.store.book.entries import Times, Wanted
from hub.store.book.kiosk_day import ticket_range
from hub.store.book.tickets import Taken, give_staff_ticket, take_walkin
from hub.store.connection import opened

PARTS = service("desk", minutes=10)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, book=True) as made:
        yield made


def told(at_ms: int, **more: Any) -> Walkin:
    fields = {
        "id": "kiosk-1-a",
        "at_ms": at_ms,
        "service": "desk",
        "language": "en",
        "number": "A001",
        "provisional": False,
    }
    return Walkin.model_validate({**fields, **more})


def take(hub: World, body: Walkin, device: str = "kiosk-1") -> Taken:
    with opened(hub.config.data_dir) as db:
        return take_walkin(db, hub.state.book, hub.config.sites["hall"], device, body, now_ms())


def rows(hub: World, sql: str) -> list[tuple[Any, ...]]:
    with opened(hub.config.data_dir) as db:
        return db.execute(sql).fetchall()


def test_it_is_kept_once_however_often_it_is_told(hub: World) -> None:
    """On the board as a walk-in with the kiosk's number, in the ledger like the staff's."""
    body = told(now_ms() - 1_000)
    assert [take(hub, body) for _ in range(3)] == [Taken()] * 3
    assert rows(
        hub, "SELECT kind, channel, state, number, method, language, masked_name FROM appointment"
    ) == [("walk_in", "kiosk", "arrived", "A001", "kiosk", "en", "—")]
    with opened(hub.config.data_dir) as db:
        entries = [each.happened for each in journeys.after(db, 0, 100)]
    assert [(each.stage, each.channel) for each in entries] == [("arrived", "kiosk"), ("checked_in", "kiosk")]
    assert "wait_s" in entries[0].detail
    assert rows(hub, "SELECT count(*) FROM audit_due") == [(1,)]


def test_one_that_comes_hours_later_counts_from_when_it_was_given(hub: World) -> None:
    """The place in line is that of the arrival; of a wait that was not told then, nothing is kept."""
    late = now_ms() - 2 * HOUR_MS
    take(hub, told(now_ms(), id="kiosk-2-b", number="B001"), "kiosk-2")
    take(hub, told(late, provisional=True))
    assert rows(hub, "SELECT number, provisional FROM ticket ORDER BY number") == [("A001", 1), ("B001", 0)]
    assert rows(hub, "SELECT arrived_ms FROM appointment WHERE number='A001'") == [(late,)]
    order = rows(hub, "SELECT number FROM appointment ORDER BY max(start_ms, arrived_ms)")
    assert order == [("A001",), ("B001",)]
    details = dict(rows(hub, "SELECT at_ms, detail FROM journey_event WHERE stage='arrived'"))
    assert "wait_s" not in details[late]


def test_a_clock_that_is_ahead_counts_as_of_now(hub: World) -> None:
    take(hub, told(now_ms() + HOUR_MS))
    ((arrived_ms,),) = rows(hub, "SELECT arrived_ms FROM appointment")
    assert arrived_ms <= now_ms()


def test_a_number_given_twice_is_kept_and_alarms(hub: World) -> None:
    take(hub, told(now_ms()))
    again = take(hub, told(now_ms(), id="kiosk-9-c"), "kiosk-9")
    assert again.alarm is not None
    assert "A001 twice" in again.alarm
    assert rows(hub, "SELECT count(*) FROM appointment") == [(2,)]


def test_numbers_of_another_series_alarm_and_end_nobody_s_own(hub: World) -> None:
    """One message of a kiosk with the last number of the staff's or another kiosk's series cost them the day."""
    site = hub.config.sites["hall"]
    with opened(hub.config.data_dir) as db:
        db.executemany(
            "INSERT INTO ticket_series (site, device, series) VALUES ('hall', ?, ?)",
            [("kiosk-1", "A"), ("kiosk-2", "B")],
        )
    assert take(hub, told(now_ms())) == Taken()
    for number in ("S999", "S002", "B999"):
        taken = take(hub, told(now_ms(), id=f"w-{number.lower()}", number=number))
        assert taken.alarm is not None
        assert f"{number}, which is not of its series A" in taken.alarm
    assert rows(hub, "SELECT count(*) FROM appointment WHERE state='arrived'") == [(4,)]

    def staff_give() -> str | None:
        with opened(hub.config.data_dir) as db:
            wanted = Wanted("desk", now_ms(), "")
            times = Times(now_ms(), now_ms() + HOUR_MS, now_ms(), now_ms())
            made = hub.state.book.enter(db, site, wanted, times, now_ms(), kind="walk_in")
            return give_staff_ticket(db, hub.state.book, made, now_ms(), site).number

    assert [staff_give() for _ in range(3)] == ["S001", "S003", "S004"]
    with opened(hub.config.data_dir) as db:
        assert ticket_range(db, site, "kiosk-2", now_ms()).first == 1
        db.execute("UPDATE ticket SET number='S998' WHERE number='S004'")
    assert [staff_give() for _ in range(2)] == ["S002", "S004"]  # rather a number twice than none


def test_a_service_that_is_gone_is_put_aside_with_its_reason(hub: World) -> None:
    assert take(hub, told(now_ms(), service="gold")).fault == "service 'gold' is not known here."
    assert rows(hub, "SELECT count(*) FROM appointment") == [(0,)]
    assert BODIES["walkin"] is Walkin
