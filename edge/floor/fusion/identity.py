"""Who is who: tracks of several cameras become people of the site, each with one id.

Tracks that stand together wherever two cameras see them are one person. A track that begins where somebody whom
another camera has just lost could have walked is that person, if nobody else could be meant: a lost
person is never handed to another walker.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.floor.fusion.alignment import Alignment, Correction, Pair
from edge.floor.fusion.pairing import BROKEN_MS, is_clear, pair_up, rivals
from edge.floor.fusion.paths import GRID_MS, Key, Paths, Sheet
from edge.floor.sight import Sight
from edge.floor.tracking.association import IMPOSSIBLE, assign

Array = NDArray[np.float64]
Edge = tuple[int, float, Key, Key]
"""A likely pair of tracks: 0 if seen together now, else 1; its cost; the tracks."""

SAME_PERSON_M = 0.4
"""Distance two sightings of one person may differ beyond their own uncertainty."""
LEAST_SHARED = 4
"""Moments of the grid on which a pair of tracks must both be seen."""
LEARN_SHARED = 4
STAYING = 0.7
"""Who was one person is given the benefit of the doubt."""
PARTED = 1.8
"""A pair of tracks that costs more is never one person, whoever vouches for them."""
SHARED_MS = 5_000
AHEAD_MS = 4_000
RECENT_MS = 400
"""What counts is about now: before and after, a camera's tracker may have mixed people up."""
NOW_MS = 800
"""Tracks that were seen together so near to now are paired before those that only were, or only will be."""
VOTE_MS = 10_000
WALK_M_S = 1.3
MOST_M_S = 2.5
HANDOVER_MS = 5_000
OVERLAP_MS = 1_000
MARGIN = 0.3
IN_SIGHT = 0.35
"""What it costs a hand-over that the first camera looks where the person should be, and sees nobody."""


class Identities:
    """The site's ids of all tracks that were seen lately."""

    def __init__(self, cameras: Sequence[str], sights: Mapping[str, Sight], alignment: Alignment) -> None:
        self._cameras = list(cameras)
        self._sights = dict(sights)
        self._alignment = alignment
        self._person_of: dict[Key, int] = {}
        self._learnt_ms: dict[tuple[Key, Key], int] = {}
        self._looked_ms: dict[str, int] = {}
        self._next_id = 1

    def person_of(self, key: Key) -> int | None:
        """The site's id of a track, once it has one."""
        return self._person_of.get(key)

    def forget(self, keys: Sequence[Key]) -> None:
        """Tracks that will not come again."""
        gone = set(keys)
        for key in keys:
            self._person_of.pop(key, None)
        self._learnt_ms = {pair: t_ms for pair, t_ms in self._learnt_ms.items() if gone.isdisjoint(pair)}

    def update(
        self, paths: Paths, settling: Sequence[Key], settled_ms: int, looked_ms: Mapping[str, int]
    ) -> dict[str, Sheet]:
        """Say anew who is who about `settled_ms`, give ids to those that `settling` names; returns the sheets used.

        `looked_ms` is the last moment that each camera tells about. Nothing is taken for granted: a camera's own
        tracker may have gone over to somebody else, which the others show.
        """
        self._looked_ms = dict(looked_ms)
        last_ms = min(max([settled_ms, *looked_ms.values()]), settled_ms + AHEAD_MS)
        times = np.arange(settled_ms - SHARED_MS, last_ms + GRID_MS, GRID_MS, dtype=np.int64)
        times -= times[0] % GRID_MS
        corrections = self._alignment.corrections()
        sheets = self._sheets(paths, times, corrections)
        near = np.exp(-np.abs(times - settled_ms) / RECENT_MS)
        costs: dict[tuple[Key, Key], float] = {}
        edges: list[Edge] = []
        for pair in self._alignment.pairs:
            edges += self._edges(pair, sheets[pair[0]], sheets[pair[1]], near, costs, corrections, settled_ms)
        corrections = self._alignment.corrections()
        sheets = self._sheets(paths, times, corrections)
        spans = self._spans(paths, corrections)
        groups = self._groups(sheets, spans, edges, costs)
        due = set(settling)
        groups += [[key] for key in settling if not any(key in group for group in groups)]
        fresh = self._name(groups, spans)
        fresh = [group for group in fresh if not due.isdisjoint(group)]
        self._hand_over(fresh, sheets, spans, corrections)
        for group in fresh:
            known = next((self._person_of[key] for key in group if key in self._person_of), None)
            person = known if known is not None else self._new()
            for key in group:
                self._person_of[key] = person
        return sheets

    def _groups(
        self, sheets: Mapping[str, Sheet], spans: Mapping[Key, tuple[float, float]],
        edges: Sequence[Edge], costs: Mapping[tuple[Key, Key], float],
    ) -> list[list[Key]]:  # fmt: skip
        """Tracks that are one person, by joining the likeliest pairs first as long as all of a group agree.

        A track at the end of what is remembered may have left the sheets since its pair was found, when a clock
        was corrected.
        """
        group_of: dict[Key, list[Key]] = {
            key: [key] for camera in self._cameras for key in sheets[camera].keys
        }
        known = [edge for edge in edges if edge[2] in group_of and edge[3] in group_of]
        for _, _, a, b in sorted(known, key=lambda edge: edge[:2]):
            one, other = group_of[a], group_of[b]
            if one is other or self._collide({*one, *other}, spans):
                continue
            between = [costs[p] for x in one for y in other for p in ((x, y), (y, x)) if p in costs]
            if sum(between) < len(between) and max(between) < PARTED:
                one += other
                for key in other:
                    group_of[key] = one
        unique = {id(group): group for group in group_of.values()}
        return sorted(unique.values(), key=lambda group: min((spans[key][0], key) for key in group))

    def _name(self, groups: Sequence[list[Key]], spans: Mapping[Key, tuple[float, float]]) -> list[list[Key]]:
        """Groups keep the id that most of their time was spent under, each id once; returns those without one."""
        votes: list[tuple[float, int, int]] = []
        for index, group in enumerate(groups):
            held: dict[int, float] = defaultdict(float)
            for key in group:
                person = self._person_of.get(key)
                if person is not None:
                    held[person] += min(spans[key][1] - spans[key][0], VOTE_MS) + 1
            votes += [(-time, person, index) for person, time in held.items()]
        taken: dict[int, int] = {}
        for _, person, index in sorted(votes):
            if person not in taken.values() and index not in taken:
                taken[index] = person
        unnamed: list[list[Key]] = []
        for index, group in enumerate(groups):
            for key in group:
                self._person_of.pop(key, None)
            if index in taken:
                self._person_of |= dict.fromkeys(group, taken[index])
            else:
                unnamed.append(group)
        return unnamed

    def _sheets(
        self, paths: Paths, times_ms: NDArray[np.int64], corrections: Mapping[str, Correction]
    ) -> dict[str, Sheet]:
        return {
            camera: paths.sheet(camera, times_ms, one.clock_s * 1000, one.bias_m)
            for camera, one in corrections.items()
        }

    def _new(self) -> int:
        person, self._next_id = self._next_id, self._next_id + 1
        return person

    def _spans(self, paths: Paths, corrections: Mapping[str, Correction]) -> dict[Key, tuple[float, float]]:
        """First and last sighting of every track, on the site's clock."""
        spans: dict[Key, tuple[float, float]] = {}
        for key in paths.keys():  # noqa: SIM118  `keys` is no mapping's
            span = paths.span_ms(key)
            if span is not None:
                ahead_ms = corrections[key[0]].clock_s * 1000
                spans[key] = (span[0] - ahead_ms, span[1] - ahead_ms)
        return spans

    def _edges(
        self, pair: Pair, first: Sheet, second: Sheet, near: Array, costs: dict[tuple[Key, Key], float],
        corrections: Mapping[str, Correction], settled_ms: int,
    ) -> list[Edge]:  # fmt: skip
        """Likely pairs of tracks with their cost (< 1 is one person), all costs noted; learns from the sure ones."""
        if not first.keys or not second.keys:
            return []
        learnt = self._alignment.pairs[pair]
        apart = first.places_m[:, None] - second.places_m[None]
        distance = np.linalg.norm(apart, axis=-1)
        shared = np.isfinite(distance)
        count = shared.sum(axis=-1)
        weight = np.where(shared, near, 0.0)
        total = np.maximum(weight.sum(axis=-1), 1e-9)
        spread = np.hypot(first.sigma_m[:, None], second.sigma_m[None])
        allowed = SAME_PERSON_M + (weight * np.where(shared, spread, 0.0)).sum(axis=-1) / total
        allowed += min(learnt.slack_m(WALK_M_S), 1.0)
        cost = (weight * np.where(shared, distance, 0.0)).sum(axis=-1) / total / allowed
        cost[count < LEAST_SHARED] = IMPOSSIBLE
        for i, a in enumerate(first.keys):
            for j, b in enumerate(second.keys):
                if self._person_of.get(a, -1) == self._person_of.get(b, -2):
                    cost[i, j] *= STAYING
                if cost[i, j] < IMPOSSIBLE * STAYING:
                    costs[a, b] = float(cost[i, j])
        away_ms = np.where(shared, np.abs(first.times_ms - settled_ms), np.inf).min(axis=-1)
        at_once = rivals(first), rivals(second)
        pairs = pair_up(cost, away_ms <= NOW_MS, *at_once)
        sure = [(i, j) for _, i, j in pairs if is_clear(cost, *at_once, i, j)]
        self._learn(pair, first, second, apart, sure, corrections, settled_ms)
        return [(rank, float(cost[i, j]), first.keys[i], second.keys[j]) for rank, i, j in pairs]

    def _learn(
        self, pair: Pair, first: Sheet, second: Sheet, apart: Array, sure: Sequence[tuple[int, int]],
        corrections: Mapping[str, Correction], settled_ms: int,
    ) -> None:  # fmt: skip
        learnt = self._alignment.pairs[pair]
        a, b = corrections[pair[0]], corrections[pair[1]]
        speeds = first.velocity(), second.velocity()
        for i, j in sure:
            keys = (first.keys[i], second.keys[j])
            since_ms = self._learnt_ms.get(keys, -1)
            speed = (speeds[0][i] + speeds[1][j]) / 2
            both = np.isfinite(apart[i, j]).all(axis=-1) & np.isfinite(speed).all(axis=-1)
            if both.sum() < LEARN_SHARED:
                continue
            new = both & (first.times_ms > since_ms) & (first.times_ms <= settled_ms)
            if not new.any():
                continue
            raw = apart[i, j][new] + (a.bias_m - b.bias_m) + (b.clock_s - a.clock_s) * speed[new]
            variance = first.sigma_m[i][new] ** 2 + second.sigma_m[j][new] ** 2 + 0.01
            learnt.learn(raw, speed[new], variance)
            self._learnt_ms[keys] = int(first.times_ms[new][-1])

    def _collide(self, keys: set[Key], spans: Mapping[Key, tuple[float, float]]) -> bool:
        """Whether one camera saw two of these at the same time: then they are two people."""
        by_camera: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for key in keys:
            if key in spans:
                by_camera[key[0]].append(spans[key])
        return any(
            later[0] <= earlier[1] - BROKEN_MS
            for several in by_camera.values()
            for earlier, later in itertools.pairwise(sorted(several))
        )

    def _hand_over(
        self, fresh: Sequence[list[Key]], sheets: Mapping[str, Sheet],
        spans: Mapping[Key, tuple[float, float]], corrections: Mapping[str, Correction],
    ) -> None:  # fmt: skip
        """Give tracks that begin the id of somebody who has just left another camera's view."""
        last: dict[int, Key] = {}
        for key, person in self._person_of.items():
            if key in spans and (person not in last or spans[key][1] > spans[last[person]][1]):
                last[person] = key
        lost = sorted(last)
        if not lost or not fresh:
            return
        starts = [min(group, key=lambda key: (spans[key][0], key)) for group in fresh]
        rows = {
            key: (sheets[key[0]], sheets[key[0]].keys.index(key))
            for key in {*last.values(), *starts}
            if key in sheets[key[0]].keys
        }
        speeds = {camera: sheet.velocity() for camera, sheet in sheets.items()}
        cost = np.full((len(lost), len(fresh)), IMPOSSIBLE)
        for (i, person), (j, key) in itertools.product(enumerate(lost), enumerate(starts)):
            before = last[person]
            gap_ms = spans[key][0] - spans[before][1]
            if before[0] == key[0] or not -OVERLAP_MS <= gap_ms <= HANDOVER_MS:
                continue
            if before not in rows or key not in rows:
                continue
            members = {k for k, p in self._person_of.items() if p == person} | set(fresh[j])
            if not self._collide(members, spans):
                cost[i, j] = self._walk(before, key, rows, speeds, corrections)
        for i, j in assign(cost, 1.0):
            rivals = np.concatenate([np.delete(cost[i], j), np.delete(cost[:, j], i)])
            if not len(rivals) or rivals.min() >= cost[i, j] + MARGIN:
                self._person_of |= dict.fromkeys(fresh[j], lost[i])

    def _walk(
        self, before: Key, key: Key, rows: Mapping[Key, tuple[Sheet, int]], speeds: Mapping[str, Array],
        corrections: Mapping[str, Correction],
    ) -> float:  # fmt: skip
        """Cost of a walk from the end of one track to the beginning of another; < 1 is likely."""
        (sheet_a, i), (sheet_b, j) = rows[before], rows[key]
        seen_a = np.flatnonzero(np.isfinite(sheet_a.places_m[i, :, 0]))
        seen_b = np.flatnonzero(np.isfinite(sheet_b.places_m[j, :, 0]))[:4]
        if not len(seen_a) or not len(seen_b):
            return IMPOSSIBLE
        end = seen_a[-1]
        moving = np.flatnonzero(np.isfinite(speeds[before[0]][i, :, 0]))
        speed = speeds[before[0]][i, moving[-1]] if len(moving) else np.zeros(2)
        starts = np.flatnonzero(np.isfinite(speeds[key[0]][j, :, 0]))
        onward = speeds[key[0]][j, starts[0]] if len(starts) else np.zeros(2)
        if np.hypot(*speed) > 0.6 and np.hypot(*onward) > 0.6 and speed @ onward < 0:
            return IMPOSSIBLE
        gap_s = np.maximum((sheet_b.times_ms[seen_b] - sheet_a.times_ms[end]) / 1000, 0.0)
        place, found = sheet_a.places_m[i, end], sheet_b.places_m[j, seen_b]
        sigma = sheet_a.sigma_m[i, end] + sheet_b.sigma_m[j, seen_b]
        slack = min(self._slack(before[0], key[0]), 1.0)
        if (np.linalg.norm(found - place, axis=1) > 0.8 + sigma + slack + MOST_M_S * gap_s).all():
            return IMPOSSIBLE
        miss = np.linalg.norm(found - (place + speed * gap_s[:, None]), axis=1)
        cost = float(np.mean(miss / (SAME_PERSON_M + 0.2 + sigma + slack + 0.4 * gap_s)))
        looked = self._sights.get(before[0])
        if looked is not None:
            until_ms = self._looked_ms.get(before[0], 0) - corrections[before[0]].clock_s * 1000
            watched = sheet_b.times_ms[seen_b] <= until_ms
            cost += IN_SIGHT * float((looked.holds(found + corrections[before[0]].bias_m) & watched).mean())
        return cost

    def _slack(self, a: str, b: str) -> float:
        pair = self._alignment.pairs.get((a, b)) or self._alignment.pairs[b, a]
        return pair.slack_m(WALK_M_S)
