"""Heat: person time per floor cell, weighted by true time.

One person for one millisecond is one milli-person-second, so integers hold it exactly.
"""

from __future__ import annotations

from collections import Counter

from branchloop import geometry
from branchloop.site.site import Plan
from branchloop.wire.messages import Heat


class HeatGrid:
    """A sparse grid over the plan; places off the plan are not counted."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._cells: Counter[int] = Counter()

    def add(self, place_m: geometry.Point, duration_ms: int) -> None:
        """Somebody stood at `place_m` (on the plan) for `duration_ms`."""
        column = min(int(place_m[0] / self._plan.cell_m), self._plan.cols - 1)
        row = min(int(place_m[1] / self._plan.cell_m), self._plan.rows - 1)
        self._cells[row * self._plan.cols + column] += duration_ms

    @property
    def total_mps(self) -> int:
        """Milli-person-seconds in all cells."""
        return self._cells.total()

    def message(self) -> Heat | None:
        """The grid for the wire; None when nobody was there."""
        if not self._cells:
            return None
        cells = sorted(self._cells)
        return Heat(
            cell_mm=round(self._plan.cell_m * 1000),
            rows=self._plan.rows,
            cols=self._plan.cols,
            cells=cells,
            mps=[self._cells[cell] for cell in cells],
        )
