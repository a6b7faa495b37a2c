"""What it takes to believe in a track, for how long it is, and where its box is expected; by how often frames come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration
from edge.floor.tracking import motion_model
from edge.floor.tracking.manoeuvre import Sighting
from edge.floor.tracking.motion_model import State
from edge.floor.tracking.track import Track, TrackerSettings

Array = NDArray[np.float64]

SLOW_MS = 180
"""Frames farther apart than this show few of a walker's steps: each has to tell more."""
CLOSELY_MS = 250
"""Of frames farther apart than this so few show a walker that in hindsight each is looked at."""
CLOSELY_LOST_S = 5.0
"""Then somebody known is found again for so long: at two frames a second ten may miss who walks behind another."""
SURELY = 1.06
"""They are once they are farther apart by this factor, and no longer once they are nearer by it; one late frame changes nothing."""
USUALLY = 0.05
SLOW_START_M_S = 1.6
"""Then the unknown speed of a new track is what people walk at most, not what they mostly walk."""
LEAST_OWN = 2
"""So many boxes that overlapped nobody else's it takes to believe in somebody."""
SLOW_FRAMES, FRAMES = 5.2, 3.2
"""So many frames a track that is not confirmed yet outlives."""


class Belief:
    """The rules of one camera's tracks."""

    def __init__(self, calibration: FloorCalibration, settings: TrackerSettings) -> None:
        self.settings = settings
        self.interval_ms = 0.0
        self.closely = False
        """Whether frames are so far apart that each is looked at in hindsight."""
        self._usual_ms = 0.0
        self._calibration = calibration

    def pace(self, step_ms: int) -> None:
        """One more frame came after so long."""
        step_ms = min(step_ms, 1_000)
        self.interval_ms += 0.2 * (step_ms - self.interval_ms) if self.interval_ms else step_ms
        usual_ms = self._usual_ms or step_ms
        self._usual_ms = usual_ms + USUALLY * (min(step_ms, 2 * usual_ms) - usual_ms)
        self.closely = self._usual_ms > CLOSELY_MS * (1 / SURELY if self.closely else SURELY)

    @property
    def slow(self) -> bool:
        """Whether frames come so seldom that each has to tell more."""
        return self.interval_ms > SLOW_MS

    def start(self, t_ms: int, feet_m: Array, cov_m2: Array) -> State:
        """The state of somebody seen once."""
        speed_m_s = SLOW_START_M_S if self.slow else motion_model.START_SPEED_M_S
        return motion_model.start(t_ms, feet_m, cov_m2, speed_m_s)

    def convinces(self, track: Track) -> bool:
        """Seen often, and walking, or clearly a person and as tall as one: furniture is weak, low or still."""
        settings = self.settings
        own = track.hits - track.spares
        if track.hits < settings.confirm_hits - self.slow or (track.spares and own < LEAST_OWN):
            return False
        walked_m = float(np.hypot(*(track.state.mean[:2] - track.born_m)))
        if walked_m >= settings.moved_m:
            return True
        low, high = settings.height_m
        tall = track.heights < 3 or low <= track.height_m <= high
        return tall and track.score_sum / track.hits >= settings.sure_score

    def overdue(self, track: Track, t_ms: int) -> bool:
        """Whether a track was not seen for too long."""
        frames = SLOW_FRAMES if self.slow else FRAMES
        tentative_s = max(self.settings.tentative_lost_s, frames * self.interval_ms / 1000)
        lost_s = max(self.settings.lost_s, CLOSELY_LOST_S) if self.closely else self.settings.lost_s
        patience_s = lost_s if track.confirmed else tentative_s
        return t_ms - track.last_seen_ms > patience_s * 1000

    def miss(self, track: Track, predicted: State, box_px: Array) -> None:
        """A frame did not show somebody who was expected there."""
        beside = bool(box_px[0] < 0 or box_px[2] > self._calibration.picture_px[0])
        track.sightings.append(Sighting(predicted, box_px, 0.0, seen=False, beside=beside))

    def boxes(self, tracks: list[Track], predicted: list[State]) -> Array:
        """(n, 4) px: where the boxes of tracks are expected."""
        if not tracks:
            return np.zeros((0, 4))
        feet = self._calibration.to_picture(np.array([state.mean[:2] for state in predicted]))
        boxes = np.empty((len(tracks), 4))
        for i, track in enumerate(tracks):
            width, height = track.size_px
            x, y = feet[i] if np.isfinite(feet[i]).all() else track.sightings[-1].box_px[[0, 3]]
            boxes[i] = (x - width / 2, y - height, x + width / 2, y)
        return boxes
