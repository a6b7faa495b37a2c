"""Time of capture: monotonic between steps, and no step of the wall clock unseen."""

from __future__ import annotations

from hypothesis import given, strategies as st

from edge.perceive.anchor import STEP_MS, Anchor, Clock

NOON_MS = 1_800_000_000_000


def test_utc_follows_the_monotonic_clock() -> None:
    """Between steps the wall clock is not asked."""
    anchor = Anchor(100.0, NOON_MS)
    assert anchor.utc_ms(100.0) == NOON_MS
    assert anchor.utc_ms(101.5) == NOON_MS + 1_500


@given(drift_ms=st.floats(-STEP_MS, STEP_MS))
def test_small_divergence_is_left_alone(drift_ms: float) -> None:
    """What is not a step moves no time."""
    anchor = Anchor(0.0, NOON_MS)
    assert anchor.check(60.0, NOON_MS + 60_000 + drift_ms * 0.999) is None
    assert anchor.utc_ms(60.0) == NOON_MS + 60_000


@given(by_ms=st.integers(STEP_MS + 1, 10**9), back=st.booleans(), after_s=st.integers(0, 10**5))
def test_a_step_is_reported_once_and_followed(by_ms: int, back: bool, after_s: int) -> None:
    """A step forward or back is told with its size; times afterwards follow the new clock."""
    step_ms = -by_ms if back else by_ms
    anchor = Anchor(0.0, NOON_MS)
    wall_ms = NOON_MS + after_s * 1000 + step_ms
    step = anchor.check(after_s, wall_ms)
    assert step is not None
    assert (step.at_ms, step.by_ms) == (wall_ms, step_ms)
    assert anchor.utc_ms(after_s) == wall_ms
    assert anchor.check(after_s + 1, wall_ms + 1000) is None


def test_small_steps_add_up_to_one() -> None:
    """Two steps, each too small, are noticed together: the error never exceeds the limit."""
    anchor = Anchor(0.0, NOON_MS)
    assert anchor.check(1.0, NOON_MS + 1_000 + 300) is None
    step = anchor.check(2.0, NOON_MS + 2_000 + 600)
    assert step is not None
    assert step.by_ms == 600


def test_the_machines_clock() -> None:
    """The adapter reads both clocks of this machine and sees no step where there is none."""
    clock = Clock()
    assert clock.check() is None
    assert clock.utc_ms(clock.now_s()) > NOON_MS - 10**12


def test_being_put_to_sleep_between_the_two_clocks_is_no_step() -> None:
    """The reading is repeated when the process was away between its two halves."""
    moments = iter([0.0, 0.0, 1.0, 9.0, 9.0, 9.0])
    clock = Clock(monotonic_s=lambda: next(moments), wall_s=iter([1000.0, 1001.0, 1009.0]).__next__)
    assert clock.check() is None
