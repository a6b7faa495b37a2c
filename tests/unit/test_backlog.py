"""A core that is late leaves frames out, says so, and takes all of them again once it keeps up."""

from __future__ import annotations

import pytest

from edge.backlog import MOST_LATE_MS, PATIENCE_S, Backlog
from edge.perceive.anchor import Clock

CAMERAS = ("hall", "desk")


class Core:
    """Frames of two cameras, ten a second, each taken in `late_s` after it came."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.backlog = Backlog(Clock(lambda: self.now_s, lambda: self.now_s))

    def takes(self, late_s: float, frames: int) -> list[int]:
        """Number of frames taken in of each camera in a stretch of so many each."""
        taken = dict.fromkeys(CAMERAS, 0)
        for _ in range(frames):
            t_ms = round(1000 * (self.now_s - late_s))
            for camera in CAMERAS:
                taken[camera] += not self.backlog.leaves_out(camera, t_ms)
            self.now_s += 0.1
        return list(taken.values())


def test_a_core_that_keeps_up_takes_every_frame() -> None:
    core = Core()
    assert core.takes(9.0, 600) == [600, 600]
    assert core.backlog.behind is None


def test_a_stall_alone_costs_no_frame() -> None:
    """Half a minute late, and caught up with before it lasts."""
    core = Core()
    for late_s in range(30, 0, -2):
        assert core.takes(late_s, 10) == [10, 10]
    assert core.backlog.behind is None
    assert not core.backlog.is_news(core.now_s)


def test_a_core_that_stays_late_goes_on_with_fewer_and_says_so_until_it_has_caught_up() -> None:
    core = Core()
    core.takes(12.0, round(10 * PATIENCE_S) + 1)
    assert core.backlog.behind is not None
    assert core.backlog.is_news(core.now_s)
    assert not core.backlog.is_news(core.now_s)
    assert core.takes(12.0, 100) == [25, 25]
    assert core.backlog.behind.late_s == 12
    assert 149 <= core.backlog.behind.left_out <= 152
    assert not core.backlog.is_news(core.now_s)
    assert core.takes(5.0, 250) == [64, 64]
    assert core.backlog.is_news(core.now_s)  # with the figures of now
    assert core.takes(1.9, 100) == [100, 100]
    assert core.backlog.behind is None
    assert core.backlog.is_news(core.now_s)


@pytest.mark.parametrize(("fps", "left"), [(2.0, 2.0), (2.4, 2.4), (2.6, 2.5), (3, 2.5), (7, 2.5), (15, 2.5)])
def test_what_is_left_of_any_rate_is_enough_to_count(fps: float, left: float) -> None:
    core = Core()
    core.takes(12.0, round(10 * PATIENCE_S) + 1)
    begun_s = core.now_s
    taken = 0
    for number in range(round(40 * fps)):
        core.now_s = begun_s + number / fps
        taken += not core.backlog.leaves_out("hall", round(1000 * (core.now_s - 12)))
    assert taken / 40 == pytest.approx(left, abs=0.06)


def test_where_nothing_waits_any_more_nothing_is_late() -> None:
    """Its cameras are off: no frame comes that could tell."""
    core = Core()
    core.takes(12.0, round(10 * PATIENCE_S) + 1)
    assert core.backlog.is_news(core.now_s)
    core.backlog.caught_up()
    assert core.backlog.behind is None
    assert core.backlog.is_news(core.now_s)


def test_what_is_too_late_is_done_without() -> None:
    core = Core()
    core.takes(12.0, round(10 * PATIENCE_S) + 1)
    assert core.takes(MOST_LATE_MS / 1000 + 1, 50) == [0, 0]
    assert core.takes(MOST_LATE_MS / 1000 - 1, 40) == [10, 10]


def test_what_is_stamped_by_another_clock_is_not_late() -> None:
    core = Core()
    assert core.takes(7_200.0, 600) == [600, 600]
    assert core.backlog.behind is None


def test_a_camera_whose_time_was_set_back_is_taken_in_again() -> None:
    core = Core()
    core.takes(12.0, round(10 * PATIENCE_S) + 1)
    assert core.takes(40.0, 8) == [2, 2]
