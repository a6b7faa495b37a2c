"""Waits go by the time between borders, not by the frames that showed it: at any frame rate, in any phase."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, strategies as st
from walkers import lab

from branchloop.site.site import Zone
from edge.floor.counting.queueing import QueueMeter, Wait

LEAST_S = 2.0
QUEUE = Zone.model_validate(
    {
        "id": "queue", "kind": "queue", "min_stay_s": LEAST_S, "served_in": ["counter"],
        "polygon": [[4, 0], [6, 0], [6, 8], [4, 8]],
    }
)  # fmt: skip
COUNTER = Zone.model_validate(
    {
        "id": "counter", "kind": "counter", "min_stay_s": LEAST_S,
        "polygon": [[7, 0], [9, 0], [9, 8], [7, 8]],
    }
)  # fmt: skip
PERIODS_MS = st.sampled_from([100, 143, 200, 333, 500])
STAYS_S = st.floats(1.0, 4.0)


def watched(x_m: Callable[[float], float], phase: float, period_ms: int) -> tuple[int, list[Wait]]:
    """How many joined, and the waits that ended, of somebody who is at `x_m(t_s)`; unseen after 20 s."""
    site = lab(())
    meter = QueueMeter(QUEUE, site.model_copy(update={"zones": [QUEUE, COUNTER]}))
    told = [
        meter.step(t_ms, t_ms + period_ms, 1, (x_m(t_ms / 1000), 4.0))
        for t_ms in range(round(phase * period_ms), 20_000, period_ms)
    ]
    told += [meter.sweep(60_000)]
    return sum(each.joined for each in told), [wait for each in told for wait in each.ended]


@given(STAYS_S, st.floats(0.0, 1.0), PERIODS_MS)
def test_who_walks_through_a_queue_joins_it_by_the_time_spent_in_it(
    stay_s: float, phase: float, period_ms: int
) -> None:
    """Through the queue and past it: a stay that was too short is no wait."""
    assume(abs(stay_s - LEAST_S) > 0.01)
    joined, ended = watched(lambda t_s: min(6.5, 3 + 2 * max(0.0, t_s - 2) / stay_s), phase, period_ms)
    assert joined == len(ended) == (stay_s > LEAST_S)


@given(STAYS_S, st.floats(0.0, 1.0), PERIODS_MS)
def test_who_stays_at_a_counter_is_served_from_its_border_on(
    stay_s: float, phase: float, period_ms: int
) -> None:
    """Five seconds in the queue, one on the way, and through the counter: served if that took long enough."""
    assume(abs(stay_s - LEAST_S) > 0.01)

    def x_m(t_s: float) -> float:
        t_s -= 2
        if t_s < 5:
            return 4 + 2 * t_s / 5
        return 6 + (t_s - 5) if t_s < 6 else min(9.5, 7 + 2 * (t_s - 6) / stay_s)

    joined, (wait,) = watched(x_m, phase, period_ms)
    assert joined == 1
    assert (wait.outcome == "served") == (stay_s > LEAST_S)
    if wait.outcome == "served":
        assert wait.wait_ms == pytest.approx(6_000, abs=120)
