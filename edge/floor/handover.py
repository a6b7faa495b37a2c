"""Who of the people that one floor knows is who on another that watches the same people.

The floor that comes has ids of its own. Both saw everybody, so both saw them last at the same time and, but for a
calibration that was changed, at the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from branchloop import geometry
from edge.floor.tracking.association import IMPOSSIBLE, assign

SAME_M = 1.0
SAME_MS = 1_000
"""Farther apart, or longer, two are not one."""


class Renamed(Mapping[int, int]):
    """Ids of the floor that leaves -> of the floor that comes, of those whom both know."""

    def __init__(
        self,
        leaving: Mapping[int, tuple[int, geometry.Point]],
        coming: Mapping[int, tuple[int, geometry.Point]],
    ) -> None:
        """Where and when (ms) each was seen last."""
        old, new = list(leaving), list(coming)
        cost = np.array([[_apart(leaving[a], coming[b]) for b in new] for a in old]).reshape(
            len(old), len(new)
        )
        self._ids = {old[a]: new[b] for a, b in assign(cost, 1.0)}

    def __getitem__(self, person: int) -> int:
        return self._ids[person]

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def anyhow(self, person: int) -> int:
        """The id here, or one that is nobody's: what lasts of somebody whom the coming floor does not know ends under it."""
        return self._ids.get(person, min(person, ~person))


def _apart(one: tuple[int, geometry.Point], other: tuple[int, geometry.Point]) -> float:
    waited_ms, apart_m = abs(one[0] - other[0]), geometry.distance(one[1], other[1])
    return apart_m / SAME_M if waited_ms <= SAME_MS else IMPOSSIBLE
