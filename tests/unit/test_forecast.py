"""The wait forecast: what it says, and when it says nothing."""

from __future__ import annotations

import math
import random

import pytest

from hub.loop.forecast import Lengths, Running, forecast, learn

USUAL = Lengths(math.log(300), 0.6, 200)


def test_without_an_open_counter_or_a_known_service_nothing_is_told() -> None:
    assert forecast([USUAL], [], 0) is None
    assert forecast([None], [], 1) is None
    assert forecast([], [None], 1) is None
    assert learn([], None) is None


def test_a_free_counter_is_no_wait() -> None:
    told = forecast([], [Running(USUAL, 60)], 2)
    assert told is not None
    assert (told.low_s, told.expected_s, told.high_s) == (0, 0, 0)


def test_the_median_of_one_ahead_at_a_counter_just_freed_is_the_median_length() -> None:
    told = forecast([USUAL], [], 1)
    assert told is not None
    assert told.expected_s == pytest.approx(300, rel=0.1)
    assert told.low_s == pytest.approx(300 * math.exp(-1.2816 * 0.6), rel=0.15)
    assert told.high_s == pytest.approx(300 * math.exp(1.2816 * 0.6), rel=0.15)
    assert (told.basis, told.samples) == ("measured", 200)


def test_the_same_queue_is_told_the_same_wait() -> None:
    assert forecast([USUAL] * 5, [Running(USUAL, 9)], 1) == forecast([USUAL] * 5, [Running(USUAL, 9)], 1)


def test_more_ahead_is_longer_and_more_counters_shorter() -> None:
    running = [Running(USUAL, 60)]
    few, many, quick = (
        forecast([USUAL] * 2, running, 1),
        forecast([USUAL] * 8, running, 1),
        forecast([USUAL] * 8, running, 3),
    )
    assert few is not None and many is not None and quick is not None  # noqa: PT018
    assert few.expected_s < many.expected_s
    assert quick.expected_s < many.expected_s


@pytest.mark.parametrize("elapsed_s", [0.0, 600.0, 4000.0, 1e6, -5.0])
def test_what_is_left_of_a_service_is_finite_whatever_it_took_already(elapsed_s: float) -> None:
    told = forecast([], [Running(USUAL, elapsed_s)], 1)
    assert told is not None
    assert 0 <= told.low_s <= told.expected_s <= told.high_s < math.inf


def test_few_lengths_are_drawn_towards_the_plan_and_many_are_not() -> None:
    rng = random.Random(4)
    many = learn([rng.lognormvariate(math.log(200), 0.5) for _ in range(2000)], 3600)
    few = learn([200.0, 220.0], 3600)
    planned = learn([], 600)
    assert many is not None and few is not None and planned is not None  # noqa: PT018
    assert many.log_mean == pytest.approx(math.log(200), abs=0.05)
    assert many.log_spread == pytest.approx(0.5, abs=0.05)
    assert math.log(220) < few.log_mean < math.log(3600)
    assert math.exp(planned.log_mean + planned.log_spread**2 / 2) == pytest.approx(600)
    told = forecast([planned], [], 1)
    assert told is not None
    assert (told.basis, told.samples) == ("planned", 0)
