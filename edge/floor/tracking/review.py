"""A camera's tracks before their frames become final: their fixes as trails, and tracks again out of what hindsight says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edge.floor.observation import COLOUR_SCALE
from edge.floor.tracking.borders import Borders
from edge.floor.tracking.habits import Habits
from edge.floor.tracking.hindsight import CLEAR_GAIN, GAIN, LEAST_GAIN, reconsider
from edge.floor.tracking.manoeuvre import Sighting
from edge.floor.tracking.track import Track
from edge.floor.tracking.trail import Fixes, Trail

MOST = 0.5
PAST_MS = 3_000
"""So much of what is final tells where somebody came from."""


def review(
    tracks: Sequence[Track],
    spare: Sequence[Sighting],
    frames_ms: Sequence[int],
    settled_ms: int,
    borders: Borders,
    *,
    closely: bool,
    seldom: bool,
    habits: Habits,
    scale: float,
) -> list[tuple[Track | None, list[Sighting]]]:
    """Tracks whose fixes after `settled_ms` changed, each with its new ones; None for somebody new.

    `spare` are fixes of nobody, dealt out as well where frames come seldom and no clothes tell. `frames_ms` are the
    frames from the past on, in time order. Those that come `seldom` leave more to tell in hindsight than clothes did as
    they came. Where no clothes tell, `scale` times the assumed ones are the fixes' standard deviations.
    """
    fixes = [
        (number, sighting)
        for number, track in enumerate(tracks)
        for sighting in (*track.past, *(s for s in track.sightings if s.seen and s.state.t_ms > settled_ms))
    ]
    if not fixes:
        return []
    dressed = sum(_dressed(sighting) for _, sighting in fixes) > MOST * len(fixes)
    dealt = closely and not dressed
    loose = spare if dealt else ()
    fixes += [(number, sighting) for number, sighting in enumerate(loose, len(tracks))]
    fixes.sort(key=lambda fix: fix[1].state.t_ms)
    sightings = [sighting for _, sighting in fixes]
    walks: list[list[int]] = [[] for _ in range(len(tracks) + len(loose))]
    for number, (owner, _) in enumerate(fixes):
        walks[owner].append(number)
    finals = [len(track.past) for track in tracks] + [0] * len(loose)
    trails = [Trail(tuple(walk), final) for walk, final in zip(walks, finals, strict=True)]
    table = _fixes(sightings, frames_ms, borders)
    if dealt:
        table = replace(table, cov_m2=table.cov_m2 * scale**2)
    gain = LEAST_GAIN if dealt else CLEAR_GAIN if dressed and not seldom else GAIN
    reconsider(trails, table, closely=closely, dealt=dealt, gain=gain, habits=habits)
    owners = [*tracks, *[None] * (len(trails) - len(tracks))]
    return [
        (owner, [sightings[number] for number in trail.walk[trail.final :]])
        for owner, trail in zip(owners, trails, strict=True)
        if trail.changed
    ]


def reviewable(track: Track, settled_ms: int) -> bool:
    """Whether all that was seen of a track lately was measured: held frames have no fix to deal out."""
    return all(s.feet_m is not None for s in track.sightings if s.seen and s.state.t_ms > settled_ms)


def _dressed(sighting: Sighting) -> bool:
    """Whether the clothes were seen."""
    return sighting.colour is not None and bool(np.isfinite(sighting.colour).all())


def _fixes(sightings: Sequence[Sighting], frames_ms: Sequence[int], borders: Borders) -> Fixes:
    feet = np.array([s.fix[0] for s in sightings])
    nothing = np.full(6, np.nan)
    return Fixes(
        np.array([s.state.t_ms for s in sightings], dtype=np.int64),
        feet,
        np.array([s.fix[1] for s in sightings]),
        np.array([nothing if s.colour is None else s.colour for s in sightings]) * COLOUR_SCALE,
        np.array([s.box_px for s in sightings]),
        borders.inside_m(feet),
        frames_ms,
        borders,
    )
