"""Intervals: blocks of time, the same every time, and about as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from edge.accuracy.bootstrap import block_of_stays_s, block_s, intervals, middle, weights

Array = np.ndarray


@settings(max_examples=40, deadline=None)
@given(units=st.integers(1, 300), block=st.integers(1, 80))
def test_a_draw_weighs_whole_blocks(units: int, block: int) -> None:
    """Weights are whole, cover what was observed, and no moment is favoured."""
    drawn = weights(units, block, 400, np.random.default_rng(1))
    length = min(block, units)
    assert drawn.shape == (400, units)
    assert (drawn == np.round(drawn)).all()
    assert (drawn >= 0).all()
    assert (drawn.sum(axis=1) == -(-units // length) * length).all()
    assert drawn.mean(axis=0) == pytest.approx(drawn.mean(), abs=0.45 * max(1, drawn.mean()) ** 0.5)


def series(rng: np.random.Generator, units: int) -> Array:
    """Errors that come in runs of about ten moments, mean 0."""
    values = np.zeros(units)
    for i in range(1, units):
        values[i] = 0.9 * values[i - 1] + rng.normal()
    return values


def test_blocks_are_needed_where_moments_hang_together() -> None:
    """Of 95 % intervals with blocks most hold the truth; with single moments, most do not."""
    rng = np.random.default_rng(5)
    held = {1: 0, 60: 0}
    for _ in range(60):
        values = series(rng, 600)
        for block in held:
            found = intervals(lambda w, v=values: {"mean": w @ v / w.sum(axis=1)}, 600, block, 200)["mean"]  # type: ignore[misc]
            assert found is not None
            held[block] += found[0] <= 0 <= found[1]
    assert held[60] >= 0.8 * 60
    assert held[1] <= 0.6 * 60


def test_whoever_is_missed_for_a_whole_stay_is_in_the_interval() -> None:
    """An hour with eight people at a time who stay two minutes, one in ten of whom is missed: most intervals hold it."""
    rng, windows, stay, held, tried = np.random.default_rng(7), 720, 24, 0, 60
    for _ in range(tried):
        true, measured, stays = np.zeros(windows), np.zeros(windows), list[int]()
        for start in rng.integers(-10 * stay, windows, rng.poisson(8 / stay * (windows + 10 * stay))):
            begin, end = max(0, start), min(windows, start + 1 + int(rng.exponential(stay)))
            if end > begin:
                stays.append(end - begin)
                true[begin:end] += 5
                measured[begin:end] += 5 * (rng.random() >= 0.1)
        block = round(block_of_stays_s(windows * 5, np.array(stays) * 5.0) / 5)

        def mass(w: Array, both: tuple[Array, Array] = (measured, true)) -> dict[str, Array]:
            return {"mass": (w @ both[0]) / (w @ both[1])}

        found = intervals(mass, windows, block, 200)["mass"]
        held += found is None or found[0] <= 0.9 <= found[1]
    assert held >= 0.85 * tried


def test_too_short_to_say_is_said() -> None:
    """Fewer than five blocks give no interval, and neither does nothing at all."""
    figure = lambda w: {"mean": w.mean(axis=1)}  # noqa: E731
    assert intervals(figure, 49, 10) == {"mean": None}
    assert intervals(figure, 50, 10)["mean"] is not None
    assert intervals(figure, 0, 10) == {}
    assert middle(np.array([np.nan] * 10 + [1.0] * 90)) is None


def test_the_same_files_give_the_same_interval() -> None:
    """No chance from run to run."""
    values = np.random.default_rng(2).normal(size=200)
    one, two = (intervals(lambda w: {"sum": w @ values}, 200, 10) for _ in range(2))
    assert one == two


def test_the_default_block_follows_the_length() -> None:
    """A minute of film: 5 s; half an hour: a minute; never more."""
    assert [block_s(s) for s in (57, 600, 1_800, 36_000)] == [5, 20, 60, 60]
