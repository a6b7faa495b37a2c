"""Whether a zone is watched: by any of the cameras that see it, whatever the others do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from branchloop import geometry
from branchloop.site import Plan, Zone
from edge.floor.sight import Mask, Sight, cell_centres

LEAST_SHARE = 0.5
"""Of what all cameras together see of a zone: with less in sight its people cannot be counted."""


class ZoneWatch:
    """Answers for sets of cameras; a zone that no calibration reaches goes by any camera, since nothing better is known."""

    def __init__(self, plan: Plan, zones: Sequence[Zone], sights: Mapping[str, Sight]) -> None:
        centres = cell_centres(plan)
        self._seen: dict[str, dict[str, Mask]] = {}
        for zone in zones:
            inside = np.array([geometry.contains(zone.polygon, (x, y)) for x, y in centres])
            places = centres[inside] if inside.any() else np.array(zone.polygon, dtype=np.float64)
            self._seen[zone.id] = {camera: sight.holds(places) for camera, sight in sights.items()}
        self._told: dict[tuple[str, frozenset[str]], bool] = {}

    def watched(self, zone: str, observing: frozenset[str]) -> bool:
        """Whether these cameras see at least half as much of a zone as all do."""
        key = (zone, observing)
        if key not in self._told:
            self._told[key] = self._judge(self._seen[zone], observing)
        return self._told[key]

    @staticmethod
    def _judge(seen: Mapping[str, Mask], observing: frozenset[str]) -> bool:
        every = _count(seen, frozenset(seen))
        return bool(observing) if every == 0 else _count(seen, observing) >= LEAST_SHARE * every


def _count(seen: Mapping[str, Mask], cameras: frozenset[str]) -> int:
    masks = [mask for camera, mask in seen.items() if camera in cameras]
    return int(np.logical_or.reduce(masks).sum()) if masks else 0
