"""A track as it would have been, had its fixes been known to be its own from the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge.floor.tracking import motion_model
from edge.floor.tracking.belief import Belief
from edge.floor.tracking.manoeuvre import Sighting, follow, strays
from edge.floor.tracking.track import Track


def retrace(track: Track, fixes: Sequence[Sighting], frames_ms: Sequence[int], belief: Belief) -> None:
    """Lead `track` on through the frames after its last sighting, of which `fixes` are those that show it."""
    at = {fix.state.t_ms: fix for fix in fixes}
    last_ms = max(at, default=0)
    for t_ms in [t_ms for t_ms in frames_ms if t_ms > track.state.t_ms]:
        predicted = motion_model.predict(track.state, t_ms)
        fix = at.get(t_ms)
        if fix is not None:
            _see(track, replace(fix, state=predicted), belief)
        elif t_ms < last_ms or not belief.overdue(track, t_ms):
            belief.miss(track, predicted, belief.boxes([track], [predicted])[0])


def begin(number: int, first: Sighting, scene: int, belief: Belief) -> Track:
    """A track that starts with this fix."""
    state = belief.start(first.state.t_ms, *first.fix)
    track = Track.begin(number, replace(first, state=state), scene)
    if first.colour is not None:
        track.colour = first.colour.copy()
    track.confirmed = belief.convinces(track)
    return track


def _see(track: Track, sighting: Sighting, belief: Belief) -> None:
    sighting.fold_in(sighting.state)
    track.sightings.append(sighting)
    if strays(track.sightings):
        follow(track.sightings)
    if sighting.score >= belief.settings.high_score and sighting.colour is not None:
        track.wear(sighting.colour)
    track.take(sighting)
    track.confirmed = track.confirmed or belief.convinces(track)
