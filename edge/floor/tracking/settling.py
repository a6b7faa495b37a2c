"""The path of a track in frames that become final: smoothed, gaps filled, the unseen end cut off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.floor.tracking import motion_model
from edge.floor.tracking.manoeuvre import Sighting, refilter
from edge.floor.tracking.motion_model import State
from edge.floor.tracking.track import Track

Array = NDArray[np.float64]

SETTLED_M_S2, SELDOM_SETTLED_M_S2 = 2.0, 4.0
"""With the frames after it known too, a path needs to follow braking more than it needs to foretell; most where somebody
stops between one frame and the next."""


@dataclass(frozen=True, slots=True)
class Step:
    """One frame of a path: what was seen or expected, the smoothed state, and the smoothed box (4,) px."""

    sighting: Sighting
    state: State
    box_px: Array

    @property
    def speed_m_s(self) -> float:
        """How fast somebody went there."""
        return float(np.hypot(*self.state.mean[2:]))


def path(track: Track, due: Sequence[int], *, closely: bool, scale: float, coast_s: float) -> list[Step]:
    """The steps of a track in the frames `due`; a path of `closely` watched frames follows harder braking.

    By `scale` the standard deviations of its fixes are multiplied. Who is not over yet is carried on for `coast_s`
    after the last sighting.
    """
    sightings = track.sightings
    smoothed = motion_model.smooth(
        refilter(sightings, SELDOM_SETTLED_M_S2 if closely else SETTLED_M_S2, scale)
    )
    last_ms = max(s.state.t_ms for s in sightings if s.seen) + (0 if track.ended else coast_s * 1000)
    wanted = set(due)
    return [
        Step(sighting, state, box)
        for sighting, state, box in zip(sightings, smoothed, track.boxes(), strict=True)
        if sighting.state.t_ms in wanted and sighting.state.t_ms <= last_ms
    ]
