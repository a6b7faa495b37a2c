"""One track of a camera: what was seen of somebody so far, and what it takes to believe in a person."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edge.floor.person import Began
from edge.floor.tracking.boxes import smooth_boxes
from edge.floor.tracking.glimpses import View
from edge.floor.tracking.manoeuvre import Sighting
from edge.floor.tracking.motion_model import State

Array = NDArray[np.float64]

COLOUR_KEPT = 0.85
SLOW_M_S = 0.7
"""Who is slower than this when last seen may have stopped there."""


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """What it takes to believe in a person; scores 0..1, times in s, distances in m."""

    birth_score: float = 0.6
    high_score: float = 0.5
    low_score: float = 0.3
    faint_score: float = 0.2
    established_hits: int = 20
    confirm_hits: int = 4
    sure_score: float = 0.65
    moved_m: float = 0.8
    height_m: tuple[float, float] = (1.1, 2.4)
    tentative_lost_s: float = 0.5
    lost_s: float = 3.0
    coast_s: float = 0.3
    max_speed_m_s: float = 2.8
    colour_weight: float = 0.3
    hidden_unlike: float = 0.15
    buffer: float = 0.3


@dataclass(slots=True)
class Track:
    """One track: tentative until `confirmed`, lost while its last sightings are unseen, over once `ended`."""

    id: int
    sightings: list[Sighting]
    hits: int = 1
    spares: int = 0
    """How many of its fixes were by boxes that overlapped somebody else's."""
    confirmed: bool = False
    ended: bool = False
    size_px: Array = field(default_factory=lambda: np.zeros(2))
    last_seen_ms: int = 0
    score_sum: float = 0.0
    born_m: Array = field(default_factory=lambda: np.zeros(2))
    began: Began | None = None
    """The first sighting, until the first settled frame with this track told it."""
    height_m: float = 0.0
    heights: int = 0
    colour: Array = field(default_factory=lambda: np.full(6, np.nan))
    view: View = field(default_factory=lambda: View(0))
    scene: int = 0
    """Which scene of the camera it belongs to: nobody is seen in two."""
    past: list[Sighting] = field(default_factory=list)
    """The last fixes that are final, and whether it was anybody then."""
    told: bool = False

    @classmethod
    def begin(cls, number: int, sighting: Sighting, scene: int) -> Track:
        """A track that starts with a fix."""
        (feet, cov), found, t_ms = sighting.fix, sighting.box_px, sighting.state.t_ms
        track = cls(number, [sighting], size_px=found[2:] - found[:2], scene=scene)
        track.score_sum, track.born_m, track.last_seen_ms = sighting.score, feet, t_ms
        track.spares = int(sighting.spare)
        track.view = View(t_ms)
        track.view.see(t_ms, beside=sighting.beside)
        x, y = (float(v) for v in feet)
        track.began = Began(t_ms, (x, y), float(np.sqrt(np.trace(cov))))
        track.measure(sighting.height_m)
        return track

    def remember(self, since_ms: int, settled_ms: int, least: int) -> None:
        """Keep the fixes that became final, as far as they tell where somebody comes from; `least` of them however old."""
        past = [*self.past, *self.fixes(settled_ms)[1]]
        self.past = [s for s in past[:-least] if s.state.t_ms >= since_ms] + past[-least:]

    def fixes(self, settled_ms: int) -> tuple[list[Sighting], list[Sighting]]:
        """The fixes that are remembered, and those that become final with `settled_ms`."""
        known_ms = self.past[-1].state.t_ms if self.past else -1
        seen = [s for s in self.sightings if s.seen and s.feet_m is not None]
        return self.past, [s for s in seen if known_ms < s.state.t_ms <= settled_ms]

    def resumed(self, settled_ms: int) -> Track:
        """The track as it was when `settled_ms` became final, as far as its past tells."""
        kept = [s for s in self.sightings if s.state.t_ms <= settled_ms]
        open_ = [s for s in self.sightings if s.seen and s.state.t_ms > settled_ms]
        track = replace(self, sightings=kept, hits=self.hits - len(open_), confirmed=self.told, ended=False)
        track.spares = self.spares - sum(s.spare for s in open_)
        track.score_sum = self.score_sum - sum(s.score for s in open_)
        track.last_seen_ms = max(s.state.t_ms for s in kept if s.seen)
        track.size_px = self.past[-1].box_px[2:] - self.past[-1].box_px[:2]
        track.view = self.view.before(settled_ms)
        worn = [s.colour for s in self.past if s.colour is not None and np.isfinite(s.colour).all()]
        track.colour = np.mean(worn, axis=0) if worn else np.full(6, np.nan)
        return track

    @property
    def state(self) -> State:
        """After the last frame, seen or not."""
        return self.sightings[-1].state

    def take(self, sighting: Sighting) -> None:
        """What one more sighting tells but where somebody is."""
        found = sighting.box_px
        self.hits += 1
        self.spares += sighting.spare
        self.last_seen_ms = sighting.state.t_ms
        self.size_px = 0.7 * self.size_px + 0.3 * (found[2:] - found[:2])
        self.view.see(sighting.state.t_ms, beside=sighting.beside)
        self.score_sum += sighting.score
        self.measure(sighting.height_m)

    def measure(self, height_m: float) -> None:
        """Fold in the height of one more box; a box that is cut off tells none."""
        if not np.isnan(height_m):
            self.heights += 1
            self.height_m += max(0.2, 1 / self.heights) * (height_m - self.height_m)

    @property
    def seen_last(self) -> State:
        """When it was seen last."""
        return next(s.state for s in reversed(self.sightings) if s.seen)

    @property
    def may_stand(self) -> bool:
        """Whether somebody unseen may have stopped where seen last."""
        slow = float(np.hypot(*self.seen_last.mean[2:])) < SLOW_M_S
        return self.confirmed and not self.sightings[-1].seen and slow

    def wear(self, colour: Array) -> None:
        """Fold in the clothes (6,) of one more clear box; NaN tells nothing."""
        if np.isfinite(colour).all():
            known = np.isfinite(self.colour)
            self.colour = np.where(known, COLOUR_KEPT * self.colour + (1 - COLOUR_KEPT) * colour, colour)

    def boxes(self) -> Array:
        """(n, 4): smoothed from the first sighting to the last, then as predicted."""
        boxes = np.array([s.box_px for s in self.sightings])
        seen = [i for i, s in enumerate(self.sightings) if s.seen]
        t_s = np.array([s.state.t_ms for s in self.sightings]) / 1000
        scores = np.array([self.sightings[i].score for i in seen])
        held = slice(seen[0], seen[-1] + 1)
        boxes[held] = smooth_boxes(t_s[seen], boxes[seen], scores, t_s[held])
        return boxes
