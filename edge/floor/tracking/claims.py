"""What it costs a track to claim a box: how far, how large and in what clothes the box is from what was expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.floor.observation import COLOUR_SCALE, Observation
from edge.floor.tracking.association import IMPOSSIBLE, buffered_iou, mahalanobis
from edge.floor.tracking.manoeuvre import aside
from edge.floor.tracking.motion_model import State
from edge.floor.tracking.track import Track, TrackerSettings

Array = NDArray[np.float64]

HARDEST_M_S2 = 3.0
SURE_M_S = 0.8
"""Nobody brakes and turns back harder, who clearly walks."""
REACH_MS = 800
REACH_S = 1.0
"""Somebody left over is looked for so long, as far as one walks in so long."""
YOUNG_HITS = 3
"""Up to so many sightings say little about where somebody walks: the next may be a stride away."""


def cost(
    tracks: Sequence[Track],
    predicted: Sequence[State],
    boxes_px: Array,
    observation: Observation,
    settings: TrackerSettings,
    *,
    slow: bool,
) -> Array:
    """(tracks, boxes): by the places and boxes (n, 4) that are expected; `IMPOSSIBLE` where nobody walks so fast."""
    if not tracks or not len(observation.scores):
        return np.full((len(tracks), len(observation.scores)), IMPOSSIBLE)
    places = np.array([state.mean[:2] for state in predicted])
    covs = np.array([state.cov[:2, :2] for state in predicted])
    overlap = buffered_iou(boxes_px, observation.boxes_px, settings.buffer)
    sigmas = mahalanobis(places, covs, observation.feet_m, observation.cov_m2)
    waited_s = np.array([(observation.t_ms - track.last_seen_ms) / 1000 for track in tracks])
    seen_at = np.array([track.seen_last.mean[:2] for track in tracks])
    noise = np.sqrt(np.trace(observation.cov_m2, axis1=1, axis2=2))
    walked = np.linalg.norm(observation.feet_m[None] - seen_at[:, None], axis=2)
    possible = walked <= settings.max_speed_m_s * waited_s[:, None] + 0.4 + 2 * noise[None]
    if slow:
        strayed = np.linalg.norm(observation.feet_m[None] - places[:, None], axis=2)
        known = np.array([track.hits > YOUNG_HITS for track in tracks])
        near = strayed <= 0.6 + 0.5 * waited_s[:, None] + noise[None]
        possible &= near | ~known[:, None]
    size_ratio = np.log(
        (observation.boxes_px[:, 3] - observation.boxes_px[:, 1])[None]
        / np.maximum(boxes_px[:, 3] - boxes_px[:, 1], 1.0)[:, None]
    )
    far = 0.6 * (1 - overlap) + 0.4 * np.minimum(sigmas / 4, 1.5) + 0.3 * np.abs(size_ratio)
    return np.where(possible, far, IMPOSSIBLE)


def stopped(track: Track, predicted: State) -> State:
    """Where a slow walker is who stopped when seen last; the prediction itself for all others.

    A walk that is foretold further and further away never finds the weak boxes of who stands behind a post.
    """
    if not track.may_stand:
        return predicted
    seen = track.seen_last
    return State(predicted.t_ms, seen.mean * np.array([1, 1, 0, 0]), predicted.cov)


def unlike(tracks: Sequence[Track], observation: Observation, settings: TrackerSettings) -> Array:
    """(tracks, boxes): what clothes of another colour cost, negative for the same; 0 where unknown."""
    if not tracks:
        return np.zeros((0, len(observation.scores)))
    worn = np.array([track.colour for track in tracks])
    apart = np.linalg.norm((worn[:, None] - observation.colour[None]) * COLOUR_SCALE, axis=2)
    strange = np.nan_to_num(np.minimum(apart, 2.0), nan=0.5) - 0.5
    return np.asarray(settings.colour_weight * strange)


def left_over(
    alive: Sequence[Track],
    rows: list[int],
    observation: Observation,
    columns: list[int],
    settings: TrackerSettings,
    interval_ms: float,
) -> list[tuple[int, int]]:
    """A track and a box that both are left over are one, where braking or setting off explains it.

    Nobody else may be meant: neither another such box nor another such track is within reach.
    """
    reach_ms = max(REACH_MS, 3.2 * interval_ms)
    rows = [i for i in rows if observation.t_ms - alive[i].last_seen_ms <= reach_ms]
    if not rows or not columns:
        return []
    noise = np.sqrt(np.trace(observation.cov_m2, axis1=1, axis2=2))
    reachable = np.zeros((len(rows), len(columns)), dtype=bool)
    for r, i in enumerate(rows):
        last = next(s for s in reversed(alive[i].sightings) if s.seen)
        waited_s = (observation.t_ms - last.state.t_ms) / 1000
        off, behind = aside(observation.feet_m[columns], last, waited_s)
        speed_m_s = float(np.hypot(*last.state.mean[2:]))
        reachable[r] = off <= settings.max_speed_m_s * min(waited_s, REACH_S) + noise[columns]
        if speed_m_s > SURE_M_S:
            turned_s = max(0.0, waited_s - speed_m_s / HARDEST_M_S2)
            reachable[r] &= behind <= 0.5 * HARDEST_M_S2 * turned_s**2 + noise[columns]
    alone = (reachable.sum(axis=0)[None] == 1) & (reachable.sum(axis=1)[:, None] == 1)
    return [(rows[r], columns[c]) for r, c in np.argwhere(reachable & alone).tolist()]
