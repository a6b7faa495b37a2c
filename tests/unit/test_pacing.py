"""Playing a clip in real time, and picking the frames to analyse."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from edge.perceive.pacing import Backlog, Sampler, Schedule


def test_frames_are_due_by_their_time_in_the_clip() -> None:
    """A frame two seconds into a clip is captured two seconds after its start."""
    assert Schedule(7.0, 100.0).due_s(2.0) == pytest.approx(102.0)


def test_a_late_player_skips_what_is_superseded() -> None:
    """Once the next frame is due too, this one would only add delay."""
    schedule = Schedule(10.0, 0.0)
    assert not schedule.skips(0.3, 0.399)
    assert schedule.skips(0.3, 0.41)


@given(fps=st.floats(1, 60), cost=st.floats(0.1, 20))
def test_age_stays_bounded_however_slow_the_decoder(fps: float, cost: float) -> None:
    """A machine that needs `cost` times the real time still shows no frame older than the limit."""
    schedule = Schedule(fps, 0.0, most_late_s=2.0)
    now_s = 0.0
    for index in range(400):
        at_s = index / fps
        schedule.shift(at_s, now_s)
        now_s = max(now_s, schedule.due_s(at_s))
        assert now_s - schedule.due_s(at_s) <= 2.0 + 1e-6
        now_s += cost / fps


def test_a_shift_is_told_and_time_goes_on_from_there() -> None:
    """After ten seconds of hold-up the frame is due now and the next one an interval later."""
    schedule = Schedule(10.0, 0.0)
    assert schedule.shift(0.5, 1.5) == 0.0
    assert schedule.shift(0.5, 10.5) == pytest.approx(10.0)
    assert schedule.due_s(0.6) == pytest.approx(10.6)


@given(source_fps=st.floats(1, 60), rate_hz=st.floats(1, 30), jitter=st.floats(0, 0.4), seed=st.randoms())
def test_the_sampler_keeps_its_rate_through_jitter(
    source_fps: float, rate_hz: float, jitter: float, seed: object
) -> None:
    """Taken frames come at the wanted rate, or at the source's where that is lower."""
    sampler = Sampler(rate_hz)
    count = 200
    times = sorted((i + seed.uniform(-jitter, jitter)) / source_fps for i in range(count))  # type: ignore[attr-defined]
    taken = sum(sampler.takes(t_s) for t_s in times)
    expected = min(1.0, rate_hz / source_fps) * count
    assert taken <= expected + 2
    if jitter < 0.2 and (rate_hz >= source_fps or rate_hz <= source_fps / 2):
        assert taken >= 0.9 * expected - 3


def test_a_sampler_at_the_sources_own_rate_takes_every_frame() -> None:
    """7 fps analysed at 7 fps loses nothing."""
    sampler = Sampler(7.0)
    assert all(sampler.takes(i / 7.0) for i in range(700))


def test_the_sampler_does_not_catch_up_after_a_gap() -> None:
    """Frames after a minute of silence come at the usual rate, not in a burst."""
    sampler = Sampler(5.0)
    assert sampler.takes(0.0)
    assert sum(sampler.takes(60.0 + i / 25) for i in range(25)) <= 6


def test_a_backlog_is_passed_over_until_a_read_has_to_wait() -> None:
    """Old pictures come at once; the first one that was waited for is live, and so is all after it."""
    backlog = Backlog(15.0)
    assert all(backlog.holds(0.001) for _ in range(28))
    assert not backlog.holds(0.055)
    assert not backlog.holds(0.001)


def test_a_backlog_ends_even_if_no_read_ever_waits() -> None:
    """A box too slow for its camera still gets frames."""
    backlog = Backlog(25.0, most_frames=60)
    assert sum(backlog.holds(0.0) for _ in range(200)) == 60
