"""Waits between attempts grow, stay bounded and differ between cameras."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, strategies as st

from edge.perceive.backoff import Backoff


@given(seed=st.integers(0, 2**32), failures=st.integers(1, 200))
def test_waits_stay_within_the_doubling_bound(seed: int, failures: int) -> None:
    """Attempt n waits between half and all of first·2ⁿ, and never longer than the most."""
    backoff = Backoff(0.5, 10.0, random.Random(seed))
    for attempt in range(failures):
        bound_s = min(0.5 * 2**attempt, 10.0)
        assert bound_s / 2 <= backoff.next_s() <= bound_s


def test_success_begins_again() -> None:
    """After a source has held, the next failure is retried soon."""
    backoff = Backoff(0.5, 10.0)
    for _ in range(8):
        backoff.next_s()
    backoff.succeeded()
    assert backoff.next_s() <= 0.5


def test_cameras_do_not_call_in_step() -> None:
    """Twenty cameras that fail together do not come back together."""
    waits = [Backoff(rng=random.Random(seed)).next_s() for seed in range(20)]
    assert len({round(wait, 3) for wait in waits}) > 15


def test_a_backoff_that_cannot_grow_is_refused() -> None:
    """The most must not lie below the first."""
    with pytest.raises(ValueError, match="does not grow"):
        Backoff(5.0, 1.0)
