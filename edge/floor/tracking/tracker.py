"""The tracker of one camera: observations in, people on the floor out.

A track is *tentative* until it was seen often enough, then *confirmed*; unseen it is *lost* and is
found again only where a person could have walked meanwhile; it is never handed to somebody who
enters elsewhere. Whatever is not yet settled may be corrected: a confirmed track appears from its
first sighting, and a gap that closes again is filled.

`step` takes frames in time order; `settle(upto_ms)` returns the people of every frame up to that
time, which are then final. Frames between are held at most `MAX_LOOKBACK_MS`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.floor.calibration import FloorCalibration
from edge.floor.observation import Observation
from edge.floor.person import Began, Person
from edge.floor.tracking import claims, motion_model, settling
from edge.floor.tracking.association import assign, covered
from edge.floor.tracking.belief import Belief
from edge.floor.tracking.borders import Borders
from edge.floor.tracking.followers import Followers
from edge.floor.tracking.habits import Habits
from edge.floor.tracking.manoeuvre import Sighting, follow, strays
from edge.floor.tracking.motion_model import State
from edge.floor.tracking.precision import Precision
from edge.floor.tracking.retracing import begin, retrace
from edge.floor.tracking.review import PAST_MS, review, reviewable
from edge.floor.tracking.spares import Spares
from edge.floor.tracking.track import Track, TrackerSettings
from edge.floor.tracking.trail import LONGEST_GAP_MS

Array = NDArray[np.float64]

MAX_LOOKBACK_MS = 5_000
RECENT_MS = 600
YOUNG_LIMIT = 1.25
LOW_RECENT_MS = 1_000
STANDING_MS = 3_000
"""For so long weak boxes bring back who may have stopped: a post hides people longer than a passer-by does."""
FAINT_LIMIT = 0.45
LEAST_PAST = 3
"""So many of the last final fixes are remembered in rare frames, however old: they tell whether somebody was leaving."""
ALONE_M = 1.5
"""A manoeuvre is believed of somebody with nobody else so near: what strays may else be the other's box."""
NEWCOMER_OVERLAP = 0.4
"""A box that overlaps that of somebody known by more is a second one of the same person, not a newcomer's."""


class Tracker:
    """Tracks people of one camera; deterministic, no clock of its own."""

    def __init__(
        self,
        calibration: FloorCalibration,
        settings: TrackerSettings | None = None,
        floor_m: tuple[float, float] | None = None,
    ) -> None:
        self._calibration = calibration
        self._borders = Borders(calibration, floor_m)
        self._settings = settings or TrackerSettings()
        self._belief = Belief(calibration, self._settings)
        self._habits = Habits()
        self._precision = Precision()
        self._tracks: list[Track] = []
        self._frames: deque[int] = deque()
        self._past_ms: deque[int] = deque()
        self._spares = Spares(self._settings.height_m)
        self._followers = Followers(self._settings.height_m, self._settings.max_speed_m_s)
        self._scene = 0
        self._scene_ms = 0
        self._cut = False
        self._next_id = 1
        self._t_ms = -1
        self._most_px = np.tile(np.array(calibration.picture_px, dtype=float), 2)

    def step(self, observation: Observation) -> None:
        """Take the next frame. Raises ValueError when time does not advance."""
        t_ms = observation.t_ms
        if t_ms <= self._t_ms:
            raise ValueError(f"frame at {t_ms} ms does not follow {self._t_ms} ms")
        if self._t_ms >= 0:
            self._belief.pace(t_ms - self._t_ms)
        self._t_ms = t_ms
        self._frames.append(t_ms)
        self._open_scene()
        self._end_overdue(t_ms)
        self._associate(observation)

    def hold(self, t_ms: int) -> None:
        """A frame behind a closed motion gate: nobody moved, so everybody seen last stays."""
        if t_ms <= self._t_ms:
            raise ValueError(f"frame at {t_ms} ms does not follow {self._t_ms} ms")
        before, self._t_ms = self._t_ms, t_ms
        self._frames.append(t_ms)
        self._open_scene()
        for track in self._tracks:
            last = track.sightings[-1]
            if last.seen and track.last_seen_ms == before:
                still = State(t_ms, last.state.mean * np.array([1, 1, 0, 0]), last.state.cov)
                track.sightings.append(Sighting(still, last.box_px, last.score, seen=True))
                track.last_seen_ms = t_ms
        self._end_overdue(t_ms)

    def end_all(self) -> None:
        """The scene was cut (a clip looped, a camera came back): nobody is the same person."""
        for track in self._tracks:
            track.ended = True
        self._cut = True

    def _open_scene(self) -> None:
        """The first frame after a cut begins another scene."""
        if self._cut:
            self._scene += 1
            self._scene_ms = self._t_ms
            self._past_ms.clear()
            self._spares.settle(self._t_ms)
            self._followers.clear()
            self._cut = False

    @property
    def closely(self) -> bool:
        """Whether frames come so seldom that each is looked at in hindsight."""
        return self._belief.closely

    def present(self) -> list[Person]:
        """The people believed in right now: the online view, before any correction."""
        return [
            self._person(track, track.sightings[-1].box_px, track.sightings[-1], track.state)
            for track in self._tracks
            if track.confirmed and not track.ended and track.last_seen_ms == self._t_ms
        ]

    def outlook(self) -> dict[int, dict[int, Person]]:
        """Track -> time -> where it is believed to have been, in frames not settled yet."""
        first_ms = self._frames[0] if self._frames else self._t_ms
        return {
            track.id: {
                s.state.t_ms: self._person(track, s.box_px, s, s.state)
                for s in track.sightings
                if s.seen and s.state.t_ms >= first_ms
            }
            for track in self._tracks
            if track.confirmed
        }

    def settle(self, upto_ms: int) -> list[tuple[int, list[Person]]]:
        """People of each frame up to `upto_ms`, final and smoothed, in time order."""
        if self._frames and self._frames[0] <= upto_ms:
            self._reconsider()
        due: list[int] = []
        while self._frames and self._frames[0] <= upto_ms:
            due.append(self._frames.popleft())
        if not due:
            return []
        people: dict[int, list[Person]] = {t_ms: [] for t_ms in due}
        for track in self._tracks:
            if track.confirmed:
                track.told = True
                for t_ms, person in self._path(track, due):
                    people[t_ms].append(person)
        if self._belief.closely:
            self._precision.learn([track.fixes(due[-1]) for track in self._tracks if track.told])
        self._forget(due)
        return [(t_ms, sorted(people[t_ms], key=lambda person: person.id)) for t_ms in due]

    def _associate(self, observation: Observation) -> None:
        """In a cascade: clear boxes to the tracks just seen, then weaker ones, each to who may claim it.

        What is faint keeps only somebody long known, where that person is expected: a detector that
        half sees a person behind a post scores .2 for seconds, and scores clutter alike.
        """
        settings, slow = self._settings, self._belief.slow
        alive = [track for track in self._tracks if not track.ended]
        predicted = [motion_model.predict(track.state, observation.t_ms) for track in alive]
        boxes = self._belief.boxes(alive, predicted)
        if not len(observation.scores):
            for track, state, box in zip(alive, predicted, boxes, strict=True):
                self._belief.miss(track, state, box)
            return
        cost = claims.cost(alive, predicted, boxes, observation, settings, slow=slow)
        stopped = [claims.stopped(track, state) for track, state in zip(alive, predicted, strict=True)]
        cost_weak = cost
        if any(still is not state for still, state in zip(stopped, predicted, strict=True)):
            cost_stopped = claims.cost(
                alive, stopped, self._belief.boxes(alive, stopped), observation, settings, slow=slow
            )
            cost_weak = np.minimum(cost, cost_stopped)
        unlike = claims.unlike(alive, observation, settings)
        bands = (settings.high_score, settings.low_score, settings.faint_score)
        high, low, faint = (
            [i for i, score in enumerate(observation.scores) if band <= score < above]
            for band, above in zip(bands, (np.inf, *bands), strict=False)
        )
        unseen_ms = [observation.t_ms - track.last_seen_ms for track in alive]
        known = [i for i, track in enumerate(alive) if track.confirmed]
        weak_ms = [STANDING_MS if track.may_stand else LOW_RECENT_MS for track in alive]
        established = [i for i in known if alive[i].hits >= settings.established_hits]
        young_ms = 2.2 * max(self._belief.interval_ms, 1.0)
        recent_ms = max(RECENT_MS, young_ms)
        free, taken = set(range(len(alive))), list[int]()
        for rows, columns, limit in (
            ([i for i in range(len(alive)) if unseen_ms[i] <= recent_ms], high, 0.75),
            ([i for i in known if unseen_ms[i] <= weak_ms[i]], low, 0.6),
            (list(range(len(alive))), high, 0.9),
            (
                [i for i, t in enumerate(alive) if t.hits <= claims.YOUNG_HITS and unseen_ms[i] <= young_ms],
                high,
                YOUNG_LIMIT,
            ),
            ([i for i in established if unseen_ms[i] <= weak_ms[i]], faint, FAINT_LIMIT),
        ):
            open_rows = [i for i in rows if i in free]
            open_columns = [box for box in columns if box not in taken]
            if columns is not high:
                claimed = [observation.boxes_px[box] for box in taken]
                open_columns = [b for b in columns if not covered(observation.boxes_px[b], claimed, 0.5)]
            worn = unlike if columns is high else np.minimum(unlike, settings.hidden_unlike)
            tried = cost if columns is high else cost_weak
            for r, c in assign((tried + worn)[open_rows][:, open_columns], limit):
                row, box = open_rows[r], open_columns[c]
                still = tried[row, box] < cost[row, box]
                self._see(alive[row], stopped[row] if still else predicted[row], observation, box)
                taken.append(open_columns[c])
                free.remove(open_rows[r])
        left = [box for box in high if box not in taken]
        for index, box in claims.left_over(
            alive, sorted(free), observation, left, settings, self._belief.interval_ms
        ):
            self._see(alive[index], predicted[index], observation, box)
            taken.append(box)
            free.remove(index)
        for index in sorted(free):
            self._belief.miss(alive[index], predicted[index], boxes[index])
        standing, doubles = list(taken), list[int]()
        for box in sorted(high, key=lambda box: -observation.scores[box]):
            if box in taken or observation.scores[box] < settings.birth_score or observation.scenery[box]:
                continue
            if not covered(
                observation.boxes_px[box], [observation.boxes_px[b] for b in standing], NEWCOMER_OVERLAP
            ):
                self._begin(observation, box)
                standing.append(box)
            elif self._belief.closely:
                self._spares.offer(self._first(observation, box), observation, taken)
            else:
                doubles.append(box)
        hidden = [self._first(observation, box) for box in doubles]
        for fixes in self._followers.see(hidden, observation, standing):
            self._follow(fixes)

    def _see(self, track: Track, predicted: State, observation: Observation, box: int) -> None:
        if observation.scores[box] >= self._settings.high_score:
            track.wear(observation.colour[box])
        sighting = Sighting.of(predicted, observation, box)
        sighting.fold_in(predicted)
        track.sightings.append(sighting)
        if self._alone(track) and strays(track.sightings):
            follow(track.sightings)
        track.take(sighting)
        track.confirmed = track.confirmed or self._belief.convinces(track)

    def _alone(self, track: Track) -> bool:
        """Whether nobody else is near enough for a box to be theirs."""
        here = track.state.mean[:2]
        return all(
            other is track or other.ended or float(np.hypot(*(other.state.mean[:2] - here))) > ALONE_M
            for other in self._tracks
        )

    def _begin(self, observation: Observation, box: int) -> None:
        first = self._first(observation, box)
        self._tracks.append(begin(self._number(), first, self._scene, self._belief))

    def _follow(self, fixes: list[Sighting]) -> None:
        """Somebody who was behind somebody else until now."""
        open_ = [fix for fix in fixes if fix.state.t_ms >= self._frames[0]]
        if open_:
            track = begin(self._number(), open_[0], self._scene, self._belief)
            retrace(track, open_[1:], self._frames, self._belief)
            self._tracks.append(track)

    def _first(self, observation: Observation, box: int) -> Sighting:
        """A box as the first of somebody."""
        state = self._belief.start(observation.t_ms, observation.feet_m[box], observation.cov_m2[box])
        return Sighting.of(state, observation, box)

    def _number(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _end_overdue(self, t_ms: int) -> None:
        for track in self._tracks:
            track.ended = track.ended or self._belief.overdue(track, t_ms)

    def _reconsider(self) -> None:
        """Deal the fixes that are not final out anew, by all that is known by now."""
        settled_ms = self._past_ms[-1] if self._past_ms else -1
        frames = [t_ms for t_ms in self._frames if t_ms >= self._scene_ms]
        here = [t for t in self._tracks if t.scene == self._scene]
        tracks = [t for t in here if reviewable(t, settled_ms)]
        spare = self._spares.fixes if len(tracks) == len(here) else []
        frames = [*self._past_ms, *frames]
        changes = review(
            tracks, spare, frames, settled_ms, self._borders,
            closely=self._belief.closely, seldom=self._belief.slow, habits=self._habits, scale=self._precision.scale,
        )  # fmt: skip
        for track, fixes in changes:
            if track is not None:
                self._tracks.remove(track)
            if track is None and all(fix.spare for fix in fixes):
                continue
            self._spares.take(fixes)
            if track is not None and track.past:
                traced, rest = track.resumed(settled_ms), fixes
            elif fixes:
                number = self._number() if track is None else track.id
                traced, rest = begin(number, fixes[0], self._scene, self._belief), fixes[1:]
            else:
                continue
            retrace(traced, rest, self._frames, self._belief)
            traced.ended = self._cut or self._belief.overdue(traced, self._t_ms)
            self._tracks.append(traced)
        self._tracks.sort(key=lambda track: track.id)

    def _path(self, track: Track, due: list[int]) -> list[tuple[int, Person]]:
        """The track's people in the frames `due`; what they did there is learnt."""
        closely, coast_s = self._belief.closely, self._settings.coast_s
        known = closely and self._precision.known
        scale = self._precision.scale if known else 1.0
        began, track.began = track.began, None
        if began is not None and known:
            began = replace(began, precise_m=began.sigma_m * scale)
        people = []
        for step in settling.path(track, due, closely=closely, scale=scale, coast_s=coast_s):
            t_ms = step.sighting.state.t_ms
            person = self._person(track, step.box_px, step.sighting, step.state, began)
            if known:
                person = replace(person, sigma_m=person.sigma_m / scale, precise_m=person.sigma_m)
            people.append((t_ms, person))
            if t_ms <= track.last_seen_ms:
                self._habits.learn(seen=step.sighting.seen, speed_m_s=step.speed_m_s)
        return people

    def _person(
        self, track: Track, box_px: Array, sighting: Sighting, state: State, began: Began | None = None
    ) -> Person:
        """A track in one frame, with what the picture holds of its box."""
        x0, y0, x1, y1 = (float(v) for v in np.clip(box_px, 0, self._most_px))
        gone = track.ended or track.last_seen_ms < self._t_ms
        return Person(
            track.id,
            (x0, y0, x1, y1),
            (float(state.mean[0]), float(state.mean[1])),
            float(np.sqrt(max(state.cov[0, 0] + state.cov[1, 1], 0.0))),
            sighting.score,
            began=began if began is not None and began.t_ms < state.t_ms else None,
            glimpsed=track.view.glimpsed(state.t_ms, track.last_seen_ms, beside=sighting.beside, gone=gone),
        )

    def _forget(self, due: list[int]) -> None:
        """Drop what is settled, keeping one sighting so that the path goes on from it, and the last fixes."""
        settled_ms = due[-1]
        self._past_ms.extend(t_ms for t_ms in due if t_ms >= self._scene_ms)
        closely = self._belief.closely
        past_ms, least_past = (PAST_MS + LONGEST_GAP_MS, LEAST_PAST) if closely else (PAST_MS, 1)
        while self._past_ms and self._past_ms[0] < settled_ms - past_ms:
            self._past_ms.popleft()
        kept: list[Track] = []
        for track in self._tracks:
            if track.ended and track.sightings[-1].state.t_ms <= settled_ms:
                continue
            first = next(
                (i for i, s in enumerate(track.sightings) if s.state.t_ms > settled_ms),
                len(track.sightings),
            )
            seen_before = [i for i in range(first) if track.sightings[i].seen]
            keep_from = seen_before[-1] if seen_before else 0
            track.remember(settled_ms - PAST_MS, settled_ms, least_past)
            track.sightings = track.sightings[keep_from:]
            kept.append(track)
        self._tracks = kept
        self._spares.settle(settled_ms)
