"""The hub's clock: believed while it goes on from where it stood, and after a leap only when a box says the same."""

from __future__ import annotations

import pytest

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS
from hub.ingest.walltime import AWAY_ALONE_MS, AWAY_MS, STANDS_S, WallTime

T0_MS = 1_800_000_000_000


class Machine:
    """Both clocks of a machine; `wall` may be set by hand."""

    def __init__(self, last_ms: int | None = None, wall_ms: int = T0_MS, *, boxes: bool = True) -> None:
        self.up_s, self.off_ms = 1_000.0, wall_ms - 1_000_000
        self.clock = WallTime(last_ms, witnessed=boxes, wall_ms=self.wall, monotonic_s=lambda: self.up_s)

    def wall(self) -> int:
        return self.off_ms + round(self.up_s * 1000)

    def goes(self, seconds: float) -> None:
        """Time passes; ingest looks at the clock every now and then."""
        until_s = self.up_s + seconds
        while self.up_s < until_s:
            self.up_s = min(until_s, self.up_s + 600.0)
            self.clock.believed_ms()

    def is_believed(self) -> bool:
        return self.clock.sure_ms() == self.clock.latest_ms() == self.clock.believed_ms() == self.wall()


@pytest.mark.parametrize("last_ms", [None, T0_MS, T0_MS - AWAY_MS, T0_MS + MINUTE_MS])
def test_a_clock_that_goes_on_from_where_it_stood_is_believed(last_ms: int | None) -> None:
    machine = Machine(last_ms)
    assert machine.is_believed()
    machine.goes(5 * 86_400)
    machine.off_ms += 40_000  # slewed, or set by less than a minute
    assert machine.is_believed()


@pytest.mark.parametrize(("boxes", "away_ms"), [(True, AWAY_MS), (False, AWAY_ALONE_MS)])
def test_a_hub_that_was_off_for_long_asks_the_boxes_it_has(
    boxes: bool, away_ms: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Machine(T0_MS - away_ms, boxes=boxes).is_believed()
    assert capsys.readouterr().err == ""
    machine = Machine(T0_MS - away_ms - 1_000, boxes=boxes)
    assert not machine.is_believed()
    assert "since the hub last ran" in capsys.readouterr().err
    machine.clock.heard(T0_MS)
    assert machine.is_believed()


@pytest.mark.parametrize("leap_ms", [2 * MINUTE_MS, HOUR_MS, DAY_MS, 400 * DAY_MS])
def test_nothing_goes_by_a_leap_ahead(leap_ms: int) -> None:
    """In a running hub, or over a start: what has certainly come goes on as before, and the leap is taken back."""
    machine = Machine(T0_MS)
    machine.goes(30)
    right_ms = machine.wall()
    machine.off_ms += leap_ms
    assert (machine.clock.sure_ms(), machine.clock.believed_ms()) == (right_ms, right_ms)
    machine.goes(12 * 3_600)
    assert machine.clock.sure_ms() == right_ms + 12 * HOUR_MS
    again = Machine(machine.clock.believed_ms(), machine.wall())
    assert again.is_believed() == (leap_ms <= AWAY_MS)
    machine.off_ms -= leap_ms
    assert machine.is_believed()


def test_a_leap_is_believed_when_a_box_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that slept; what lies further ahead needs a day as well; a box that is wrong itself says nothing."""
    machine = Machine(T0_MS)
    machine.off_ms += 3 * HOUR_MS
    machine.clock.heard(machine.wall() - 3 * HOUR_MS)
    assert not machine.is_believed()
    machine.clock.heard(machine.wall() - 2_000)
    assert machine.is_believed()
    machine.off_ms += 100 * DAY_MS
    machine.clock.heard(machine.wall())
    assert not machine.is_believed()
    machine.goes(STANDS_S + 700)
    assert machine.is_believed()
    told = capsys.readouterr().err
    assert (told.count("clock leapt by"), told.count("is believed")) == (2, 2)


def test_a_leap_that_boxes_contradict_is_never_believed() -> None:
    machine = Machine(T0_MS)
    machine.off_ms += DAY_MS
    machine.clock.heard(machine.wall() - DAY_MS)
    machine.goes(5 * STANDS_S)
    assert not machine.is_believed()
    silent = Machine(T0_MS)
    silent.off_ms += DAY_MS
    silent.clock.believed_ms()
    silent.goes(STANDS_S + 700)
    assert silent.is_believed()


@pytest.mark.parametrize("last_ms", [None, T0_MS + 400 * DAY_MS])
def test_a_clock_that_fell_behind_bounds_nothing(last_ms: int | None) -> None:
    """No box is ahead of it, and what has come is what even it says; mended, and said by a box, it is believed at once."""
    machine = Machine(last_ms)
    if last_ms is None:
        machine.off_ms -= HOUR_MS
    assert machine.clock.latest_ms() > machine.wall() + 1_000 * DAY_MS
    assert machine.clock.sure_ms() == machine.wall()
    assert machine.clock.believed_ms() > machine.wall()
    machine.clock.heard(machine.wall() + 500)
    assert machine.is_believed()
