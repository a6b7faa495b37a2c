"""What is watched: zones and counting lines by the cameras that see them, whatever the others do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from branchloop import geometry
from branchloop.site.site import Line, Plan, Zone
from edge.floor.sight import Mask, Sight, cell_centres

LEAST_SHARE = 0.5
"""Of what all cameras together see of a zone: with less in sight its people cannot be counted."""
ASIDE_M = 0.5
"""Who crosses a line is seen so far from it on either side."""

Observing = frozenset[str]
"""Ids of the cameras that observe."""


class Watch:
    """Answers for sets of cameras. What none of them sees is never watched; without any sight all of them see everything."""

    def __init__(
        self, plan: Plan, zones: Sequence[Zone], lines: Sequence[Line], sights: Mapping[str, Sight]
    ) -> None:
        centres = cell_centres(plan)
        self._zones = {zone.id: _seen(_within(zone, centres), sights) for zone in zones}
        self._lines = {line.id: _seen(_beside(line, plan.cell_m), sights) for line in lines}
        self._blind = not sights
        self._told: dict[tuple[str, str, Observing], float] = {}

    def zone(self, zone: str, observing: Observing) -> bool:
        """Whether these cameras see at least half as much of a zone as all do."""
        return bool(observing) and self._share("zone", zone, observing) >= LEAST_SHARE

    def unseen(self) -> list[tuple[str, str]]:
        """(`zone` or `line`, id) of what no camera sees: nothing is ever counted there."""
        if self._blind:
            return []
        parts = (("line", self._lines), ("zone", self._zones))
        return [
            (kind, part)
            for kind, seen in parts
            for part in seen
            if not self._share(kind, part, frozenset(seen[part]))
        ]

    def line(self, line: str, observing: Observing) -> float:
        """How much of a line these cameras see, as a share of what all see: who crosses the rest is in no count."""
        return self._share("line", line, observing)

    def _share(self, kind: str, part: str, observing: Observing) -> float:
        if self._blind:
            return float(bool(observing))
        key = (kind, part, observing)
        if key not in self._told:
            seen = (self._zones if kind == "zone" else self._lines)[part]
            every = _count(seen, frozenset(seen))
            self._told[key] = _count(seen, observing) / every if every else 0.0
        return self._told[key]


def _within(zone: Zone, centres: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.array([geometry.contains(zone.polygon, (x, y)) for x, y in centres])
    return centres[inside] if inside.any() else np.array(zone.polygon, dtype=np.float64)


def _beside(line: Line, cell_m: float) -> NDArray[np.float64]:
    """(2n, 2) m: places on both sides of a line, a cell apart."""
    start, way = np.array(line.from_), np.subtract(line.to, line.from_)
    length_m = float(np.hypot(*way))
    steps = max(1, round(length_m / cell_m))
    middle = start + (np.arange(steps)[:, None] + 0.5) / steps * way
    aside = ASIDE_M / length_m * np.array([-way[1], way[0]])
    return np.concatenate([middle - aside, middle + aside])


def _seen(places_m: NDArray[np.float64], sights: Mapping[str, Sight]) -> dict[str, Mask]:
    return {camera: sight.holds(places_m) for camera, sight in sights.items()}


def _count(seen: Mapping[str, Mask], cameras: Observing) -> int:
    masks = [mask for camera, mask in seen.items() if camera in cameras]
    return int(np.logical_or.reduce(masks).sum()) if masks else 0
