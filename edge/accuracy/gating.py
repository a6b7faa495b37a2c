"""What a motion gate costs in recall: person-frames that nobody looked at and that no held box covers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.accuracy.mot import iou

Boxes = NDArray[np.float64]
"""(n, 4): x, y, width, height in px."""

HOLDS_IOU = 0.5


@dataclass(frozen=True, slots=True)
class GateAccuracy:
    """`covered` of `person_frames` were seen: the gate was open, or a box held from when it was still fits."""

    person_frames: int
    covered: int
    frames: int
    opened: int
    occupied: int
    open_when_empty: int

    @property
    def recall(self) -> float | None:
        """Share of person-frames covered; None without any."""
        return self.covered / self.person_frames if self.person_frames else None


def gate_accuracy(frames: Iterable[tuple[bool, Boxes]]) -> GateAccuracy:
    """Judge a gate by (open, true boxes) of every frame it was shown, in order.

    Behind a closed gate the people last seen are taken to stay; a true box that overlaps none of theirs by half was
    missed. The detector's own errors are left out: it is taken to see everybody whenever it looks.
    """
    held: Boxes = np.zeros((0, 4))
    people = covered = count = opened = occupied = idle = 0
    for is_open, true in frames:
        count += 1
        opened += is_open
        occupied += bool(len(true))
        idle += is_open and not len(true)
        people += len(true)
        if is_open:
            held = true
            covered += len(true)
        elif len(true) and len(held):
            covered += int((iou(true, held).max(axis=1) >= HOLDS_IOU).sum())
    return GateAccuracy(people, covered, count, opened, occupied, idle)
