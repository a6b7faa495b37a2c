"""Who checked in and asks the kiosk again is told what the hub knows of them, not the wait of who comes behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bookworld import HOURS, KIOSK, BookWorld, book_world, site_of
from test_kiosk_midnight import KioskAtWork

from branchloop.clock import MINUTE_MS
from branchloop.wire.commands import Gallery
from edge.checkin.view import View
from edge.kiosk.day import FORECAST_FRESH_MS, Standing
from edge.kiosk.session import Ticket
from hub.store.book import calling
from hub.store.book.entries import Wanted
from hub.store.book.forecasting import Own, wait_for
from hub.store.book.tickets import assign_series
from hub.store.connection import opened

COUNTER = """
[[counter]]
id = "c-1"
name = { en = "Window 1", zh = "1 号窗口" }
services = ["cash"]
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[BookWorld]:
    made = book_world(tmp_path, site_of(HOURS, KIOSK + COUNTER))
    with opened(made.data_dir) as db:
        assign_series(db, [made.site])
    yield made
    made.store.close()


@pytest.fixture
def kiosk(world: BookWorld, tmp_path: Path) -> Iterator[KioskAtWork]:
    made = KioskAtWork(world, tmp_path / "kiosk")
    yield made
    made.close()


def book(world: BookWorld, clock: str) -> str:
    """The code of an appointment."""
    with opened(world.data_dir) as db:
        wanted = Wanted("cash", world.at(clock), "Ann Lee")
        return world.book.code(db, world.book.book(db, world.site, wanted, world.at("09:00"))) or ""


def shown(kiosk: KioskAtWork) -> Ticket:
    assert kiosk.session.ticket is not None
    return kiosk.session.ticket


def by_the_pass(world: BookWorld, code: str, now_ms: int) -> Own | None:
    """What the customer's own pass tells."""
    with opened(world.data_dir) as db:
        mine = world.book.by_code(db, "north", code)
        assert mine is not None
        return wait_for(db, world.book, world.site, mine, now_ms)


def test_who_asks_again_is_told_their_own_wait(world: BookWorld, kiosk: KioskAtWork) -> None:
    """First in line: next, at once; behind another: as the pass says."""
    codes = [book(world, clock) for clock in ("10:00", "10:15")]
    now_ms = world.at("09:58")
    kiosk.hear(now_ms)
    for count, code in enumerate(codes):
        kiosk.check_in(code, now_ms + 1_000 * count)
        assert not shown(kiosk).again
    assert kiosk.tell(now_ms + 2_000) == []
    now_ms += 3 * MINUTE_MS
    kiosk.hear(now_ms)
    for count, code in enumerate(codes):
        kiosk.check_in(code, now_ms + 1_000)
        own, told = by_the_pass(world, code, now_ms), shown(kiosk)
        assert own is not None
        assert own.wait is not None
        assert (told.low_s, told.wait_s, told.high_s) == pytest.approx(
            (own.wait.low_s, own.wait.expected_s, own.wait.high_s), abs=0.05
        )
        assert (told.again, told.called, told.ahead) == (True, False, count) == (True, False, own.ahead)
        assert (told.high_s == 0.0) == (count == 0)


def test_who_was_called_is_told_where_to_go(world: BookWorld, kiosk: KioskAtWork, tmp_path: Path) -> None:
    """By the name of a configured counter, and by what staff typed of any other."""
    code, now_ms = book(world, "10:00"), world.at("09:58")
    kiosk.hear(now_ms)
    kiosk.check_in(code, now_ms)
    assert kiosk.tell(now_ms) == []
    with opened(world.data_dir) as db:
        calling.call_next(db, world.book, world.site, "c-1", None, now_ms + 1_000)
    kiosk.hear(now_ms + 2_000)
    kiosk.check_in(code, now_ms + 14 * MINUTE_MS)
    told = shown(kiosk)
    assert (told.again, told.called, told.counter) == (True, True, "c-1")
    assert (told.ahead, told.wait_s, told.low_s, told.high_s) == (None, None, None, None)
    view = View(world.site, kiosk.day, kiosk.session, tmp_path / "none")
    page = view.show(now_ms, now_ms, clock_off=False, connected=True, camera=True)["ticket"]
    assert (page["called"], page["counter"]) == (True, {"en": "Window 1", "zh": "1 号窗口"})
    with opened(world.data_dir) as db:
        db.execute("UPDATE appointment SET counter='7'")
    kiosk.hear(now_ms + 15 * MINUTE_MS)
    kiosk.check_in(code, now_ms + 15 * MINUTE_MS)
    page = view.show(now_ms, now_ms, clock_off=False, connected=True, camera=True)["ticket"]
    assert page["counter"] == {"en": "7", "zh": "7"}


def test_what_the_hub_has_not_said_lately_is_not_told(world: BookWorld, kiosk: KioskAtWork) -> None:
    """Before its word has come, once it is old, and after a ticket that may be called before."""
    code, now_ms = book(world, "10:00"), world.at("09:58")
    kiosk.hear(now_ms)

    def asked(at_ms: int) -> tuple[bool, int | None, float | None]:
        kiosk.check_in(code, at_ms)
        return shown(kiosk).again, shown(kiosk).ahead, shown(kiosk).wait_s

    kiosk.check_in(code, now_ms + 1)
    assert asked(now_ms + 2) == (True, None, None)
    assert kiosk.tell(now_ms + 3) == []
    kiosk.hear(now_ms + 4)
    assert asked(now_ms + 5)[:2] == (True, 0)
    assert asked(now_ms + 5 + FORECAST_FRESH_MS) == (True, None, None)
    kiosk.walk_in(now_ms + 6)
    assert asked(now_ms + 7) == (True, None, None)


def test_a_hub_and_a_kiosk_of_before_go_on(world: BookWorld, kiosk: KioskAtWork) -> None:
    """What was added to the gallery is optional: a kiosk is told without it, and whoever was called that they are."""
    code, now_ms = book(world, "10:00"), world.at("09:58")
    kiosk.hear(now_ms)
    kiosk.check_in(code, now_ms)
    kiosk.tell(now_ms)
    kiosk.hear(now_ms + 1)
    gallery = kiosk.day.gallery
    assert gallery is not None
    (mine,) = gallery.appointments
    assert mine.ahead == 0
    bare = {"ahead", "counter", "wait_low_s", "wait_s", "wait_high_s"}
    for state, want in (("arrived", Standing()), ("called", Standing(called=True))):
        old = {**mine.model_dump(exclude=bare, exclude_none=True), "state": state}
        told = {**gallery.model_dump(exclude_none=True), "appointments": [old], "made_ms": now_ms + 2}
        kiosk.day.gallery = Gallery.model_validate(told)
        (expected,) = kiosk.day.gallery.appointments
        assert kiosk.day.standing(expected, now_ms + 3) == want
