"""A kiosk whose clock is wrong: what it deletes, what it keeps, and what the hub is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from bookworld import BookWorld, book_world, site_of

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS
from branchloop.keys.box import new_private
from branchloop.keys.sealing import gallery_context, raw_public, seal
from branchloop.wire.arrivals import Attempt
from edge.checkin import desk as desks
from edge.checkin.desk import Clocks, Desk
from edge.checkin.vault import Vault
from edge.perceive.faces.engine import FaceEngine
from edge.send.outbox import Outbox
from hub.ingest.gallery import build
from hub.store.book.tickets import assign_series
from hub.store.connection import opened

KIOSK = """
[[kiosk]]
id = "kiosk-1"
x_m = 1.0
y_m = 1.0
source = "usb:0"
"""
SOON, LATER = "c" * 32, "d" * 32
UNIT = np.eye(1, 128, dtype=np.float32)[0]


class Blind:
    """A kiosk's eye without models: nobody stands before it."""

    def __init__(self, *_: object) -> None:
        self.engine: FaceEngine | None = None
        self.attempt = None

    def rest(self) -> None: ...

    def close(self) -> None: ...


@dataclass
class KioskAtWork:
    """A kiosk's desk with a clock that can be set; the hub's is always right. `SOON` ends in two days, `LATER` in 90."""

    world: BookWorld
    folder: Path
    at_ms: int
    off_ms: int = 0
    up_ms: int = 0
    hub: bool = True
    key: object = field(default_factory=new_private)

    def __post_init__(self) -> None:
        self.start()
        self.vault.keep(SOON, UNIT, self.at_ms + 2 * DAY_MS)
        self.vault.keep(LATER, UNIT, self.at_ms + 90 * DAY_MS)

    def start(self) -> None:
        self.vault = Vault(self.folder, bytes(32))
        self.outbox = Outbox(self.folder / "outbox.db")
        clocks = Clocks(lambda: self.up_ms / 1000, lambda: self.at_ms + self.off_ms)
        self.desk = Desk(
            self.world.site, self.world.site.kiosks[0], vault=self.vault, outbox=self.outbox,
            key=self.key, clocks=clocks, crowding=self.folder / "crowding.json",
        )  # fmt: skip

    def stop(self, off_ms: int = 0) -> None:
        """As by its switch, for so long."""
        self.desk.close()
        self.outbox.close()
        self.at_ms += off_ms

    def goes(self, ms: int, every_ms: int = 40_000) -> None:
        """Time passes; the hub says what day it is whenever it is heard."""
        until_ms = self.at_ms + ms
        while self.at_ms < until_ms:
            step_ms = min(every_ms, until_ms - self.at_ms)
            self.at_ms, self.up_ms = self.at_ms + step_ms, self.up_ms + step_ms
            if self.hub:
                self.desk.hear("gallery", self.gallery())
            self.desk.step(None)

    def gallery(self) -> bytes:
        with opened(self.world.data_dir) as db:
            made = build(db, self.world.book, self.world.site, "kiosk-1", self.at_ms)
        made = made.model_copy(update={"consents": [SOON, LATER]})
        public = raw_public(self.key.public_key())  # type: ignore[attr-defined]
        return seal(public, made.to_json().encode(), gallery_context("north", "kiosk-1")).to_json().encode()

    def told(self) -> list[Attempt]:
        self.outbox.flush()
        entries = self.outbox.take(self.outbox.epoch, 0, 1_000, 10**6)
        return [Attempt.model_validate_json(each.body) for each in entries if each.kind == "attempt"]


@pytest.fixture
def kiosk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KioskAtWork]:
    monkeypatch.setattr(desks, "Eye", Blind)
    world = book_world(tmp_path, site_of("", KIOSK))
    with opened(world.data_dir) as db:
        assign_series(db, [world.site])
    made = KioskAtWork(world, tmp_path / "kiosk", world.at("09:00"))
    yield made
    made.stop()
    world.store.close()


@pytest.mark.parametrize("hub", [True, False])
@pytest.mark.parametrize("leap_ms", [100 * DAY_MS, -100 * DAY_MS, 3 * DAY_MS])
def test_a_clock_that_leaps_for_a_minute_deletes_nothing(kiosk: KioskAtWork, leap_ms: int, hub: bool) -> None:
    """Neither the templates nor the day; and what is past its time goes afterwards as ever."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.hub = hub
    kiosk.off_ms = leap_ms
    kiosk.goes(75_000)
    kiosk.off_ms = 0
    kiosk.hub = False
    kiosk.goes(2 * MINUTE_MS)
    assert kiosk.vault.consents() == [SOON, LATER]
    assert kiosk.desk.day.gallery is not None, "the day goes on, without the hub too"
    kiosk.goes(2 * DAY_MS, 3 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]
    assert kiosk.vault.kept_day() is None
    assert [(each.outcome, each.consent) for each in kiosk.told() if each.consent] == [("expired", SOON)]


def test_a_start_with_a_clock_that_is_ahead_deletes_nothing(kiosk: KioskAtWork) -> None:
    """The hub has said nothing yet, or says something else."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.stop()
    kiosk.off_ms, kiosk.hub = 100 * DAY_MS, False
    kiosk.start()
    kiosk.goes(3 * HOUR_MS, HOUR_MS)
    kiosk.hub = True
    kiosk.goes(DAY_MS + 3 * HOUR_MS, 3 * HOUR_MS)
    assert kiosk.vault.consents() == [SOON, LATER]
    assert [each.outcome for each in kiosk.told()] == ["clock_off"]
    kiosk.off_ms = 0
    kiosk.goes(DAY_MS, 6 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]


def test_without_the_hub_a_right_clock_is_believed_although_the_kiosk_is_off_at_night(
    kiosk: KioskAtWork,
) -> None:
    kiosk.goes(2 * MINUTE_MS)
    kiosk.hub = False
    for _ in range(5):
        kiosk.stop(14 * HOUR_MS)
        kiosk.start()
        kiosk.goes(10 * HOUR_MS, 2 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]


def test_without_the_hub_a_template_ends_although_the_clock_is_behind(kiosk: KioskAtWork) -> None:
    """A battery that is empty: since the hub's last word at least the time that the kiosk ran has passed."""
    kiosk.goes(2 * MINUTE_MS)
    kiosk.stop()
    kiosk.off_ms, kiosk.hub = -kiosk.at_ms + DAY_MS, False
    kiosk.start()
    kiosk.goes(2 * DAY_MS, 6 * HOUR_MS)
    assert kiosk.vault.consents() == [LATER]


def test_a_hub_whose_clock_leaps_deletes_nothing_by_its_word(kiosk: KioskAtWork) -> None:
    kiosk.goes(2 * MINUTE_MS)
    kiosk.at_ms, kiosk.off_ms = kiosk.at_ms + 100 * DAY_MS, -100 * DAY_MS
    kiosk.goes(2 * MINUTE_MS)
    kiosk.at_ms, kiosk.off_ms = kiosk.at_ms - 100 * DAY_MS, 0
    kiosk.goes(DAY_MS, 6 * HOUR_MS)
    assert kiosk.vault.consents() == [SOON, LATER]
