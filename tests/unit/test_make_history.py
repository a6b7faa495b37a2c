"""The history's flow: put off and rounded, but lost nowhere."""

from __future__ import annotations

from hypothesis import given, strategies as st
from make_history import PUT_OFF_MM, ROUND_MM, Steps

from branchloop.wire.messages import Flow

MISSING_MM = 2 * ROUND_MM
"""Half a round was told too much of the path, then so little came that it is not told: a round and a half of way, and half a round."""


@st.composite
def steps(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Cell, step to the right and downwards, and its length (mm), which is no shorter than either."""
    path = draw(st.integers(0, 6_000))
    way = st.integers(-path, path)
    return draw(st.integers(0, 3)), draw(way), draw(way), path


STEPS = st.lists(steps(), max_size=40)


@given(STEPS)
def test_a_days_steps_are_all_told(steps: list[tuple[int, int, int, int]]) -> None:
    """Per cell and day nothing is missing but what rounding leaves; before the end only long ways are told."""
    kept, told = Steps(), [[0, 0, 0] for _ in range(4)]
    for at, (cell, dx, dy, path) in enumerate(steps):
        kept.add([Flow(cell_mm=1_000, rows=2, cols=2, cells=[cell], dx_mm=[dx], dy_mm=[dy], path_mm=[path])])
        last = at == len(steps) - 1
        flow = kept.taken(0 if last else PUT_OFF_MM)
        if flow is None:
            continue
        if not last:
            assert min(flow.path_mm) >= PUT_OFF_MM
        for cell_, *values in zip(flow.cells, flow.dx_mm, flow.dy_mm, flow.path_mm, strict=True):
            told[cell_] = [a + b for a, b in zip(told[cell_], values, strict=True)]
    for cell in range(4):
        path = sum(s[3] for s in steps if s[0] == cell)
        wanted = [sum(s[i] for s in steps if s[0] == cell) for i in (1, 2, 3)]
        if path > ROUND_MM:
            assert all(abs(a - b) <= MISSING_MM for a, b in zip(told[cell], wanted, strict=True))
