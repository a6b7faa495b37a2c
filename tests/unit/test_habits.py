"""What a camera learns of its walkers: from what it saw, not from who stands, and never faster than anybody."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from edge.floor.tracking.habits import HASTE_M_S, MOST_FRAMES, SHARE, Habits


def test_nothing_known_is_what_is_believed_of_all_cameras() -> None:
    habits = Habits()
    assert (habits.share, habits.pace_m_s) == (SHARE, HASTE_M_S)


def test_share_and_pace_become_those_seen() -> None:
    """Three of five frames show who is there, at 1.2 m/s when walking; half of the time they stand."""
    habits = Habits()
    for frame in range(2_000):
        habits.learn(seen=frame % 5 < 3, speed_m_s=1.2 if frame % 2 else 0.1)
    assert habits.share == pytest.approx(0.6, abs=0.02)
    assert habits.pace_m_s == pytest.approx(1.2, abs=0.01)
    assert habits.frames == MOST_FRAMES


def test_what_is_old_fades() -> None:
    habits = Habits()
    for speed_m_s in [0.6] * 2_000 + [1.6] * 2_000:
        habits.learn(seen=True, speed_m_s=speed_m_s)
    assert habits.pace_m_s == pytest.approx(1.6, abs=0.02)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 20)), max_size=50))
def test_a_share_is_a_share_and_nobody_is_too_fast(frames: list[tuple[bool, float]]) -> None:
    habits = Habits()
    for seen, speed_m_s in frames:
        habits.learn(seen=seen, speed_m_s=speed_m_s)
    assert 0 < habits.share <= 1
    assert 0 < habits.pace_m_s <= HASTE_M_S
