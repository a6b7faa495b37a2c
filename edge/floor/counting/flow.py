"""Flow: which way people walk, as sums of their steps per coarse cell of the plan.

A step is told once a person has come `STEP_M` away from where the last one ended, so that trembling
on the spot walks nowhere; it belongs to the cell of its middle.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

from branchloop import geometry
from branchloop.site.site import Plan
from branchloop.wire.messages import Flow

CELL_M = 1.0
STEP_M = 0.4
MAX_STEP_M = 5.0
"""Nobody walks so far between two frames: the path begins anew."""
UNSEEN_MS = 3_500

Step = tuple[geometry.Point, geometry.Point]


class FlowGrid:
    """Sums of the steps of one window."""

    def __init__(self, plan: Plan) -> None:
        self._rows, self._cols = (max(1, math.ceil(m / CELL_M - 1e-9)) for m in (plan.height_m, plan.width_m))
        self._sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])

    def add(self, step: Step) -> None:
        """Somebody walked from one place on the plan to another."""
        (x0, y0), (x1, y1) = step
        column = min(int((x0 + x1) / 2 / CELL_M), self._cols - 1)
        row = min(int((y0 + y1) / 2 / CELL_M), self._rows - 1)
        sums = self._sums[row * self._cols + column]
        sums[0] += round((x1 - x0) * 1000)
        sums[1] += round((y1 - y0) * 1000)
        sums[2] += round(math.hypot(x1 - x0, y1 - y0) * 1000)

    def message(self) -> Flow | None:
        """The grid for the wire; None when nobody walked."""
        if not self._sums:
            return None
        cells = sorted(self._sums)
        dx, dy, path = ([self._sums[cell][i] for cell in cells] for i in range(3))
        return Flow(
            cell_mm=round(CELL_M * 1000), rows=self._rows, cols=self._cols, cells=cells,
            dx_mm=dx, dy_mm=dy, path_mm=path,
        )  # fmt: skip


class Strides:
    """Cuts each person's path into steps."""

    def __init__(self) -> None:
        self._from: dict[int, geometry.Point] = {}
        self._seen_ms: dict[int, int] = {}

    def step(self, t_ms: int, person: int, place_m: geometry.Point) -> Step | None:
        """The person's next place; a step once it is long enough to be one."""
        unseen = t_ms - self._seen_ms.get(person, t_ms) > UNSEEN_MS
        self._seen_ms[person] = t_ms
        begun = self._from.get(person)
        if begun is None or unseen:
            self._from[person] = place_m
            return None
        length_m = geometry.distance(begun, place_m)
        if length_m < STEP_M:
            return None
        self._from[person] = place_m
        return (begun, place_m) if length_m <= MAX_STEP_M else None

    def take_over(self, leaving: Strides, ids: Mapping[int, int]) -> None:
        """Go on with the steps that others' paths have begun; `ids` says who the leaving ones' people are here."""
        for person, here in ids.items():
            if person in leaving._from:
                self._from[here] = leaving._from[person]
                self._seen_ms[here] = leaving._seen_ms[person]

    def forget(self, now_ms: int) -> None:
        """Drop people unseen for a while."""
        for person in [p for p, seen_ms in self._seen_ms.items() if now_ms - seen_ms > UNSEEN_MS]:
            del self._seen_ms[person], self._from[person]
