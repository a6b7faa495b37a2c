"""Tracks of several cameras become people of the site, each once.

Cameras report settled frames; the site's timeline runs over all of them, and a camera's people
stand until its next frame, at most `HOLD_MS`. Two tracks of different cameras are one person when,
wherever both were seen in the settled stretch, they stood closer than their uncertainty allows.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.floor.association import IMPOSSIBLE, assign
from edge.floor.tracks import Person

HOLD_MS = 1_000
"""How long a frame speaks for the time after it when the next one is late."""
SAME_PERSON_M = 0.6
"""Distance two sightings of one person may differ beyond their own uncertainty."""
MIN_SHARED_FRAMES = 4

Key = tuple[str, int]
"""A camera's track: (camera id, track id)."""


@dataclass(frozen=True, slots=True)
class SitePerson:
    """One person of the site over one stretch of time; `seen` are the camera boxes behind it."""

    id: int
    place_m: tuple[float, float]
    seen: tuple[tuple[str, Person], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The people of the site during `[start_ms, end_ms)`, and the cameras that observed it."""

    start_ms: int
    end_ms: int
    people: tuple[SitePerson, ...]
    observing: frozenset[str]
    frame_of: frozenset[str]
    """Cameras whose frame starts this stretch."""


class Fusion:
    """Joins the settled frames of all cameras; deterministic whatever order they came in."""

    def __init__(self, cameras: Sequence[str]) -> None:
        self._cameras = list(cameras)
        self._pending: dict[str, list[tuple[int, list[Person]]]] = {camera: [] for camera in cameras}
        self._now: dict[str, tuple[int, list[Person]]] = {}
        self._person_of: dict[Key, int] = {}
        self._last_ms: dict[Key, int] = {}
        self._outlook: dict[str, dict[int, dict[int, Person]]] = {}
        self._next_id = 1
        self._upto_ms: int | None = None

    def add(
        self,
        camera: str,
        frames: Sequence[tuple[int, list[Person]]],
        outlook: Mapping[int, Mapping[int, Person]],
    ) -> None:
        """Settled frames of one camera, in time order, and what is believed of the frames after them.

        The outlook only helps to tell who is who: one frame alone says little about that.
        """
        self._pending[camera].extend(frames)
        self._outlook[camera] = {track: dict(path) for track, path in outlook.items()}

    def person_of(self, camera: str, track: int) -> int | None:
        """The site's id of a camera's track, once settled."""
        return self._person_of.get((camera, track))

    def advance(self, upto_ms: int) -> list[Stretch]:
        """The site's timeline up to `upto_ms`, where every camera has settled or is out."""
        due = {
            camera: [frame for frame in frames if frame[0] < upto_ms]
            for camera, frames in self._pending.items()
        }
        for camera, frames in due.items():
            del self._pending[camera][: len(frames)]
        self._identify(due)
        stretches = self._stretches(due, upto_ms)
        self._forget(upto_ms)
        return stretches

    def _identify(self, due: Mapping[str, list[tuple[int, list[Person]]]]) -> None:
        tracks: dict[Key, dict[int, Person]] = defaultdict(dict)
        for camera in self._cameras:
            for t_ms, people in due[camera]:
                for person in people:
                    tracks[camera, person.id][t_ms] = person
                    self._last_ms[camera, person.id] = t_ms
        if len(self._cameras) > 1:
            paths: dict[Key, dict[int, Person]] = {
                (camera, track): {**path, **tracks.get((camera, track), {})}
                for camera in self._cameras
                for track, path in self._outlook.get(camera, {}).items()
            }
            for key, path in tracks.items():
                paths.setdefault(key, path)
            for first, second in itertools.combinations(self._cameras, 2):
                self._join(
                    {key: path for key, path in paths.items() if key[0] == first},
                    {key: path for key, path in paths.items() if key[0] == second},
                )
        order = sorted(tracks, key=lambda key: (min(tracks[key]), self._cameras.index(key[0]), key[1]))
        for key in order:
            if key not in self._person_of:
                self._person_of[key] = self._next_id
                self._next_id += 1

    def _join(self, first: dict[Key, dict[int, Person]], second: dict[Key, dict[int, Person]]) -> None:
        rows, columns = sorted(first), sorted(second)
        cost = np.full((len(rows), len(columns)), IMPOSSIBLE)
        for (i, a), (j, b) in itertools.product(enumerate(rows), enumerate(columns)):
            cost[i, j] = _apart(first[a], second[b])
        for i, j in assign(cost, 1.0):
            self._same(rows[i], columns[j])

    def _same(self, a: Key, b: Key) -> None:
        known = [self._person_of[key] for key in (a, b) if key in self._person_of]
        person = min(known) if known else self._next_id
        if not known:
            self._next_id += 1
        for key, value in list(self._person_of.items()):
            if value in known:
                self._person_of[key] = person
        self._person_of[a] = self._person_of[b] = person

    def _stretches(self, due: Mapping[str, list[tuple[int, list[Person]]]], upto_ms: int) -> list[Stretch]:
        frames = sorted(
            (
                (max(t_ms, self._upto_ms or t_ms), self._cameras.index(camera), camera, people)
                for camera in self._cameras
                for t_ms, people in due[camera]
            ),
            key=lambda frame: frame[:2],
        )
        starts = sorted({frame[0] for frame in frames} | self._expiries(frames, upto_ms))
        stretches: list[Stretch] = []
        queue = iter(frames)
        upcoming = next(queue, None)
        for start_ms, end_ms in itertools.pairwise([*starts, upto_ms]):
            fresh: set[str] = set()
            while upcoming is not None and upcoming[0] <= start_ms:
                self._now[upcoming[2]] = (upcoming[0], upcoming[3])
                fresh.add(upcoming[2])
                upcoming = next(queue, None)
            if end_ms > start_ms:
                stretches.append(self._stretch(start_ms, end_ms, frozenset(fresh)))
        return stretches

    def _expiries(self, frames: Sequence[tuple[int, int, str, list[Person]]], upto_ms: int) -> set[int]:
        """Moments at which a camera's last frame stops speaking, plus where the timeline resumes."""
        times: dict[str, list[int]] = {camera: [] for camera in self._cameras}
        for camera, (t_ms, _) in self._now.items():
            times[camera].append(t_ms)
        for t_ms, _, camera, _ in frames:
            times[camera].append(t_ms)
        resume = self._upto_ms
        expiries = {resume} if resume is not None else set()
        for seen in times.values():
            for t_ms, following in itertools.pairwise([*seen, upto_ms + HOLD_MS + 1]):
                if following - t_ms > HOLD_MS:
                    expiries.add(t_ms + HOLD_MS)
        self._upto_ms = upto_ms
        return {t_ms for t_ms in expiries if t_ms < upto_ms and (resume is None or t_ms >= resume)}

    def _stretch(self, start_ms: int, end_ms: int, fresh: frozenset[str]) -> Stretch:
        observing = frozenset(camera for camera, (t_ms, _) in self._now.items() if start_ms < t_ms + HOLD_MS)
        seen: dict[int, list[tuple[str, Person]]] = defaultdict(list)
        for camera in self._cameras:
            if camera in observing:
                for person in self._now[camera][1]:
                    seen[self._person_of[camera, person.id]].append((camera, person))
        people = tuple(_joined(person, seen[person]) for person in sorted(seen))
        return Stretch(start_ms, end_ms, people, observing, fresh)

    def _forget(self, upto_ms: int) -> None:
        old = [key for key, t_ms in self._last_ms.items() if upto_ms - t_ms > 60_000]
        for key in old:
            del self._last_ms[key]
            self._person_of.pop(key, None)


def _joined(person: int, seen: list[tuple[str, Person]]) -> SitePerson:
    weights = np.array([1 / max(one.sigma_m, 0.05) ** 2 for _, one in seen])
    places = np.array([one.place_m for _, one in seen])
    x, y = (weights[:, None] * places).sum(axis=0) / weights.sum()
    return SitePerson(person, (float(x), float(y)), tuple(seen))


def _apart(a: dict[int, Person], b: dict[int, Person]) -> float:
    """Mean distance where both tracks were seen, over what their uncertainty allows; < 1 is one person."""
    if not a or not b:
        return IMPOSSIBLE
    times_b = np.array(sorted(b))
    distances, allowed = [], []
    for t_ms, person in a.items():
        near = int(times_b[np.argmin(np.abs(times_b - t_ms))])
        if abs(near - t_ms) <= 120:
            other = b[near]
            distances.append(np.hypot(*np.subtract(person.place_m, other.place_m)))
            allowed.append(SAME_PERSON_M + person.sigma_m + other.sigma_m)
    if len(distances) < MIN_SHARED_FRAMES:
        return IMPOSSIBLE
    return float(np.mean(distances) / np.mean(allowed))
