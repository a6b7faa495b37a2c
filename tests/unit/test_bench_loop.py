"""A smaller run of `branchloop bench loop` reaches what the forecast must reach. Simulated."""

from __future__ import annotations

import pytest

from hub.bench.loop import measure
from hub.loop.queue_simulation import day, seen_by


@pytest.mark.parametrize("counters", [1, 3])
def test_the_forecast_is_near_the_oracle_and_better_than_the_naive(counters: int) -> None:
    figures = measure(counters, 4, 7_000_000)
    assert figures.waits > 50
    assert figures.forecast_s <= 1.05 * figures.oracle_s
    assert figures.forecast_s < figures.naive_s


def test_no_counter_serves_two_at_once_and_nobody_passes() -> None:
    visits = day(2, 5)
    called = [each.called_s for each in visits]
    assert called == sorted(called)
    for index in range(len(visits)):
        ahead, running = seen_by(visits, index)
        assert len(running) <= 2
        assert not ahead or len(running) == 2
