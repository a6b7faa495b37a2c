"""The history's flow: put off and rounded, but lost nowhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from make_history import PUT_OFF_MM, ROUND_MM, Steps

from branchloop.messages import Flow

SIGNED = st.integers(-3_000, 3_000)
STEPS = st.lists(st.tuples(st.integers(0, 3), SIGNED, SIGNED, st.integers(0, 6_000)), max_size=40)


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
            assert all(abs(a - b) <= ROUND_MM for a, b in zip(told[cell], wanted, strict=True))
