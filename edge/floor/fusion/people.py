"""Tracks of several cameras become people of the site, each once.

Cameras report settled frames; the site's timeline runs over all of them, and a camera's people
stand until its next frame, at most `HOLD_MS`. Who is who is decided in `identity`, on places that are corrected
for what `alignment` has learnt of each camera's clock and calibration. Where two cameras do not agree at all,
one of them alone counts the floor that both see, so that nobody is counted twice.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.floor.fusion.agreement import Agreement, PairMeter
from edge.floor.fusion.alignment import Alignment, Correction, Pair
from edge.floor.fusion.identity import Identities
from edge.floor.fusion.paths import Paths, Sheet
from edge.floor.person import Person
from edge.floor.sight import Sight

HOLD_MS = 1_000
"""How long a frame speaks for the time after it when the next one is late."""
SHOWN_MS = 2_500
"""Frames so far back are remembered: longer than a frame is held and a clock is corrected."""
Seen = list[tuple[int, NDArray[np.float64]]]

IDENTIFY_MS = 400
STEP_MS = 800
"""Who is who is asked anew at least this often along the timeline."""
BORDER_M = 0.5
WALKING_M_S = 1.3


@dataclass(frozen=True, slots=True)
class SitePerson:
    """One person of the site over one stretch of time; `seen` are the camera boxes behind it."""

    id: int
    place_m: tuple[float, float]
    seen: tuple[tuple[str, Person], ...]

    @property
    def glimpsed(self) -> bool:
        """Whether every camera sees only a part of somebody who comes into view or leaves it: not counted yet or any more."""
        return bool(self.seen) and all(person.glimpsed for _, person in self.seen)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The people of the site during `[start_ms, end_ms)`, and the cameras that observed it.

    `uncounted` are those whom another camera already counts, since the two cannot be joined.
    """

    start_ms: int
    end_ms: int
    people: tuple[SitePerson, ...]
    observing: frozenset[str]
    frame_of: frozenset[str]
    """Cameras whose frame starts this stretch."""
    uncounted: tuple[SitePerson, ...] = field(default=())


class Fusion:
    """Joins the settled frames of all cameras; deterministic whatever order they came in.

    `sights` is the floor that each camera sees; without them nothing is said of how well cameras agree.
    """

    def __init__(self, cameras: Sequence[str], sights: Mapping[str, Sight] | None = None) -> None:
        self._cameras = list(cameras)
        self._pending: dict[str, list[tuple[int, list[Person]]]] = {camera: [] for camera in cameras}
        self._now: dict[str, tuple[int, list[Person]]] = {}
        self._frames_ms: dict[str, list[int]] = {camera: [] for camera in cameras}
        self._last_ms: dict[int, dict[str, float]] = {}
        self._looked_ms: dict[str, int] = {}
        self._alignment = Alignment(cameras)
        self._corrections = self._alignment.corrections()
        self._sights = dict(sights or {})
        self._shared = {
            (a, b): self._sights[a].shared(self._sights[b], BORDER_M)
            for a, b in self._alignment.pairs
            if a in self._sights and b in self._sights
        }
        self._meters: dict[Pair, PairMeter] = {
            pair: PairMeter(pair, self._alignment.pairs[pair]) for pair in self._shared
        }
        self._paths = Paths()
        self._identities = Identities(cameras, self._sights, self._alignment)
        self._identified_ms: int | None = None
        self._metered_ms: int | None = None
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
        self._paths.settle(camera, frames)
        if len(self._cameras) > 1:
            self._paths.look_out(camera, outlook)
        believed = [t_ms for path in outlook.values() for t_ms in path]
        last_ms = max([*believed, *(t_ms for t_ms, _ in frames)], default=0)
        self._looked_ms[camera] = max(self._looked_ms.get(camera, 0), last_ms)

    def person_of(self, camera: str, track: int) -> int | None:
        """The site's id of a camera's track, once settled."""
        return self._identities.person_of((camera, track))

    def afresh(self) -> Fusion:
        """A new timeline with nobody on it, which keeps what was learnt of the cameras."""
        fusion = Fusion(self._cameras, self._sights)
        fusion._alignment = self._alignment
        fusion._corrections = self._corrections
        fusion._meters = self._meters
        fusion._identities = Identities(self._cameras, self._sights, self._alignment)
        return fusion

    def agreements(self) -> list[Agreement]:
        """How well each pair of cameras that share floor agrees."""
        return [meter.agreement() for meter in self._meters.values()]

    def advance(self, upto_ms: int) -> list[Stretch]:
        """The site's timeline up to `upto_ms`, where every camera has settled or is out."""
        stretches: list[Stretch] = []
        known = [frames[0][0] for frames in self._pending.values() if frames]
        start_ms = self._upto_ms if self._upto_ms is not None else min([upto_ms, *known])
        steps = range(start_ms + STEP_MS, upto_ms, STEP_MS) if len(self._cameras) > 1 else ()
        for step_ms in (*steps, upto_ms):
            stretches += self._advance(step_ms)
        self._identities.forget(self._paths.forget(upto_ms))
        return stretches

    def _advance(self, upto_ms: int) -> list[Stretch]:
        due = {
            camera: [frame for frame in frames if frame[0] < upto_ms]
            for camera, frames in self._pending.items()
        }
        for camera, frames in due.items():
            del self._pending[camera][: len(frames)]
        self._identify(due, upto_ms)
        return self._stretches(due, upto_ms)

    def _identify(self, due: Mapping[str, list[tuple[int, list[Person]]]], upto_ms: int) -> None:
        settling = {
            (camera, person.id) for camera in self._cameras for _, people in due[camera] for person in people
        }
        unnamed = any(self._identities.person_of(key) is None for key in settling)
        since_ms = self._identified_ms
        rested = since_ms is None or upto_ms - since_ms >= IDENTIFY_MS
        if not unnamed and (not rested or len(self._cameras) < 2):
            return
        if since_ms is not None:
            for pair in self._alignment.pairs.values():
                pair.drift((upto_ms - since_ms) / 1000)
        self._identified_ms = upto_ms
        sheets = self._identities.update(self._paths, sorted(settling), upto_ms, self._looked_ms)
        self._corrections = self._alignment.corrections()
        if self._meters:
            self._meter(sheets, upto_ms)

    def _meter(self, sheets: Mapping[str, Sheet], upto_ms: int) -> None:
        """Compare what was settled since the last time where both cameras look."""
        since_ms, self._metered_ms = self._metered_ms, upto_ms
        times = next(iter(sheets.values())).times_ms
        new = np.flatnonzero((times < upto_ms) & (times >= (since_ms if since_ms is not None else 0)))
        for column in new:
            seen = {camera: self._seen(sheet, int(column)) for camera, sheet in sheets.items()}
            for (a, b), shared in self._shared.items():
                self._compare(a, b, shared, seen[a], seen[b])

    def _compare(self, a: str, b: str, shared: Sight, first: Seen, second: Seen) -> None:
        raw = [
            np.array([place + self._corrections[camera].bias_m for _, place in seen]).reshape(-1, 2)
            for camera, seen in ((a, first), (b, second))
        ]
        inside = [shared.holds(places) for places in raw]
        ids = [
            {person for (person, _), within in zip(seen, mask, strict=True) if within}
            for seen, mask in zip((first, second), inside, strict=True)
        ]
        both = dict(first).keys() & dict(second).keys()
        apart = [float(np.linalg.norm(dict(first)[p] - dict(second)[p])) for p in sorted(both)]
        joined = max(len(ids[0] & both), len(ids[1] & both))
        self._meters[a, b].moment(raw[0][inside[0]], raw[1][inside[1]], joined, apart)

    def _seen(self, sheet: Sheet, column: int) -> Seen:
        """Person -> corrected place of a camera's people at one moment."""
        places = (
            (self._identities.person_of(key), sheet.places_m[row, column])
            for row, key in enumerate(sheet.keys)
        )
        return [(person, place) for person, place in places if person is not None and np.isfinite(place[0])]

    def _stretches(self, due: Mapping[str, list[tuple[int, list[Person]]]], upto_ms: int) -> list[Stretch]:
        frames = sorted(
            (
                (max(t_ms, self._upto_ms or t_ms), self._cameras.index(camera), camera, people)
                for camera in self._cameras
                for t_ms, people in due[camera]
            ),
            key=lambda frame: frame[:2],
        )
        if len(self._cameras) > 1:
            self._last_ms = self._last_sightings()
        starts = sorted({frame[0] for frame in frames} | self._expiries(frames, upto_ms))
        stretches: list[Stretch] = []
        queue = iter(frames)
        upcoming = next(queue, None)
        for start_ms, end_ms in itertools.pairwise([*starts, upto_ms]):
            fresh: set[str] = set()
            while upcoming is not None and upcoming[0] <= start_ms:
                self._now[upcoming[2]] = (upcoming[0], upcoming[3])
                shown = self._frames_ms[upcoming[2]]
                shown.append(upcoming[0])
                del shown[: bisect_right(shown, upcoming[0] - SHOWN_MS)]
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
                    known = self._identities.person_of((camera, person.id))
                    if known is not None:
                        seen[known].append((camera, person))
        people = [
            self._placed(person, seen[person], start_ms) for person in sorted(seen) if not self._gone(person)
        ]
        doubtful = self._doubtful(observing)
        uncounted = {p.id for p in people if self._counted_elsewhere(p, doubtful)} if doubtful else set()
        return Stretch(
            start_ms,
            end_ms,
            tuple(p for p in people if p.id not in uncounted),
            observing,
            fresh,
            tuple(p for p in people if p.id in uncounted),
        )

    def _last_sightings(self) -> dict[int, dict[str, float]]:
        """Person -> camera -> its last sighting that is known or believed, on the site's clock."""
        found: dict[int, dict[str, float]] = defaultdict(dict)
        for key in self._paths.keys():  # noqa: SIM118  `keys` is no mapping's
            person = self._identities.person_of(key)
            if person is not None:
                last_ms = self._paths.seen_ms(key) - self._corrections[key[0]].clock_s * 1000
                found[person][key[0]] = max(last_ms, found[person].get(key[0], last_ms))
        return found

    def _gone(self, person: int) -> bool:
        """Whether a camera that saw somebody to the last has looked again since, and in vain.

        The last frame of another camera, which is still held, would make who is seen by several stay longer.
        """
        lasts = self._last_ms.get(person, {})
        for camera, seen_ms in lasts.items():
            shown, ahead_ms = self._frames_ms[camera], self._corrections[camera].clock_s * 1000
            after = bisect_right(shown, max(lasts.values()) + ahead_ms)
            if 0 < after < len(shown) and shown[after - 1] <= seen_ms + ahead_ms:
                return True
        return False

    def _placed(self, person: int, seen: list[tuple[str, Person]], start_ms: int) -> SitePerson:
        """Where the cameras together put somebody: weighted by certainty, a late frame carried forward."""
        if len(self._cameras) == 1:
            return SitePerson(person, seen[0][1].place_m, tuple(seen))
        places, weights = [], []
        for camera, one in seen:
            correction: Correction = self._corrections[camera]
            t_ms = self._now[camera][0]
            late_s = (start_ms - t_ms) / 1000 + correction.clock_s
            vx, vy = self._paths.velocity((camera, one.id), t_ms)
            places.append(
                (
                    one.place_m[0] - correction.bias_m[0] + vx * late_s,
                    one.place_m[1] - correction.bias_m[1] + vy * late_s,
                )
            )
            weights.append(1 / (max(one.sigma_m, 0.05) ** 2 + (0.3 * WALKING_M_S * late_s) ** 2))
        x, y = np.average(np.array(places), axis=0, weights=np.array(weights))
        return SitePerson(person, (float(x), float(y)), tuple(seen))

    def _doubtful(self, observing: frozenset[str]) -> list[tuple[str, str]]:
        """(camera, better camera) of each pair that cannot be joined, as far as is known, and both look."""
        bad = [pair for pair, meter in self._meters.items() if not meter.trusted]
        count = {camera: sum(camera in pair for pair in bad) for camera in self._cameras}
        found: list[tuple[str, str]] = []
        for a, b in bad:
            if a in observing and b in observing:
                found.append((a, b) if count[a] > count[b] else (b, a))
        return found

    def _counted_elsewhere(self, person: SitePerson, doubtful: Sequence[tuple[str, str]]) -> bool:
        """Whether only doubted cameras see somebody who stands where a better one looks."""
        place = np.array(person.place_m)
        seen_by = {camera for camera, _ in person.seen}
        return all(
            any(worse == camera and self._sights[better].holds(place)[0] for worse, better in doubtful)
            for camera in seen_by
        )
