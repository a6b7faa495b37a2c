"""Walkers out of tracks: a track that broke off and one that begins are one walker where nobody else can be meant.

Where they would have met in between decides: the path foretold from the end of the one and the beginning
of the other, in time and place and velocity. Two that might continue one track, or two tracks that one
might continue, stay apart: a walk is never handed to somebody else.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from branchloop import geometry
from edge.floor.fusion.people import Stretch

MOVING_GAP_MS = 3_000
STANDING_GAP_MS = 8_000
STANDING_M_S = 0.3
MAX_SPEED_M_S = 3.0
TAIL_MS = 1_200
"""How much of a path tells its velocity."""
MISS_M = 0.5
MISS_M_S = 0.5
"""How far from where it was foretold a walker may be found, and how much that grows a second."""
TURN_M_S = 1.0
"""How much the velocity may differ."""
AMBIGUOUS = 1.6
"""Another pair whose misfit is below this share of what is allowed makes a match ambiguous."""

Fix = tuple[int, geometry.Point]


@dataclass(slots=True)
class _Walker:
    id: int
    tail: deque[Fix] = field(default_factory=lambda: deque(maxlen=64))


class Stitcher:
    """Gives the people of settled stretches the ids of walkers; deterministic, no clock of its own."""

    def __init__(self) -> None:
        self._walker_of: dict[int, int] = {}
        self._walkers: dict[int, _Walker] = {}
        self._cuts_ms: list[int] = []

    def cut(self, t_ms: int) -> None:
        """Nobody seen before `t_ms` is anybody seen from then on (a clip looped, a camera came back)."""
        self._cuts_ms.append(t_ms)

    def step(self, stretches: Sequence[Stretch]) -> list[Stretch]:
        """The same stretches with walkers' ids; a beginning is judged by all of it that they hold."""
        paths: dict[int, list[Fix]] = {}
        for stretch in stretches:
            for person in stretch.people:
                paths.setdefault(person.id, []).append((stretch.start_ms, person.place_m))
        self._part(paths)
        self._name(paths)
        named = [
            replace(
                stretch,
                people=tuple(
                    replace(person, id=self._walker_of[person.id])
                    if person.id != self._walker_of[person.id]
                    else person
                    for person in stretch.people
                ),
            )
            for stretch in stretches
        ]
        for track in sorted(paths, key=lambda track: (paths[track][0][0], track)):
            walker = self._walkers.setdefault(self._walker_of[track], _Walker(self._walker_of[track]))
            walker.tail.extend(paths[track])
        if stretches:
            self._forget(stretches[-1].end_ms)
        return named

    def last_seen(self) -> dict[int, Fix]:
        """Walker -> when and where it was seen last, for about a minute."""
        return {walker.id: walker.tail[-1] for walker in self._walkers.values() if walker.tail}

    def _part(self, paths: Mapping[int, list[Fix]]) -> None:
        """A track that was lost for a while and is there again beside the one that went on for it: two walkers."""
        spans: dict[int, list[tuple[int, int]]] = {}
        for track in sorted(paths.keys() & self._walker_of.keys()):
            begin_ms, end_ms = paths[track][0][0], paths[track][-1][0]
            held = spans.setdefault(self._walker_of[track], [])
            if any(begin_ms <= until_ms and since_ms <= end_ms for since_ms, until_ms in held):
                self._walker_of[track] = track
            else:
                held.append((begin_ms, end_ms))

    def _name(self, paths: Mapping[int, list[Fix]]) -> None:
        fresh = [track for track in paths if track not in self._walker_of]
        ends = self._ends(paths)
        misfit: dict[tuple[int, int], float] = {}
        for track in fresh:
            for ended, tail in ends.items():
                end_ms, begin_ms = tail[-1][0], paths[track][0][0]
                cut = any(end_ms < cut_ms <= begin_ms for cut_ms in self._cuts_ms)
                if ended != track and end_ms < begin_ms and not cut:
                    value = _misfit(tail, paths[track])
                    if value < AMBIGUOUS:
                        misfit[ended, track] = value
        for track in sorted(fresh, key=lambda track: (paths[track][0][0], track)):
            rivals = [pair for pair in misfit if pair[1] == track]
            if len(rivals) != 1 or misfit[rivals[0]] >= 1:
                self._walker_of[track] = track
                continue
            ended = rivals[0][0]
            alone = sum(pair[0] == ended for pair in misfit) == 1
            self._walker_of[track] = self._walker_of.get(ended, ended) if alone else track

    def _ends(self, paths: Mapping[int, list[Fix]]) -> dict[int, list[Fix]]:
        """Track -> the last of its path, for every track that may have broken off."""
        ends = {track: list(path) for track, path in paths.items()}
        current = {self._walker_of[track] for track in paths if track in self._walker_of}
        for walker in self._walkers.values():
            if walker.id not in current and walker.tail:
                ends[walker.id] = list(walker.tail)
        for track, path in paths.items():
            known = self._walkers.get(self._walker_of.get(track, -1))
            if known is not None:
                ends[track] = [*known.tail, *path]
        return ends

    def _forget(self, now_ms: int) -> None:
        self._cuts_ms = [cut_ms for cut_ms in self._cuts_ms if now_ms - cut_ms < 60_000]
        for track, walker_id in list(self._walker_of.items()):
            walker = self._walkers[walker_id]
            if now_ms - walker.tail[-1][0] > 60_000:
                del self._walker_of[track]
        known = set(self._walker_of.values())
        for walker_id in [w for w in self._walkers if w not in known]:
            del self._walkers[walker_id]


def _misfit(tail: Sequence[Fix], head: Sequence[Fix]) -> float:
    """How badly `head` continues `tail`, as a share of what is allowed; infinite where it cannot."""
    (end_ms, end), (begin_ms, begin) = tail[-1], head[0]
    gap_ms, away_m = begin_ms - end_ms, geometry.distance(end, begin)
    before, after = _velocity(tail, last=True), _velocity(head, last=False)
    gap_s = gap_ms / 1000
    standing = before is not None and math.hypot(*before) < STANDING_M_S
    if gap_ms > (STANDING_GAP_MS if standing else MOVING_GAP_MS):
        return math.inf
    if away_m > MISS_M + MAX_SPEED_M_S * gap_s:
        return math.inf
    allowed_m = MISS_M + MISS_M_S * min(gap_s, 2.0)
    misses = [0.0]
    if before is not None:
        foretold = (end[0] + before[0] * gap_s, end[1] + before[1] * gap_s)
        misses.append(geometry.distance(foretold, begin) / allowed_m)
    if after is not None:
        traced = (begin[0] - after[0] * gap_s, begin[1] - after[1] * gap_s)
        misses.append(geometry.distance(traced, end) / allowed_m)
    if before is not None and after is not None:
        misses.append(geometry.distance(before, after) / TURN_M_S)
    if before is None and after is None:
        misses.append(away_m / MISS_M)
    return max(misses)


def _velocity(path: Sequence[Fix], *, last: bool) -> geometry.Point | None:
    """Velocity (m/s) at the last or the first end of a path, by its least-squares line; None if too short."""
    at_ms = path[-1][0] if last else path[0][0]
    near = [fix for fix in path if abs(fix[0] - at_ms) <= TAIL_MS]
    if len(near) < 3 or near[-1][0] == near[0][0]:
        return None
    mean_s = sum(t_ms for t_ms, _ in near) / len(near) / 1000
    spread = sum((t_ms / 1000 - mean_s) ** 2 for t_ms, _ in near)
    return (
        sum((t_ms / 1000 - mean_s) * place[0] for t_ms, place in near) / spread,
        sum((t_ms / 1000 - mean_s) * place[1] for t_ms, place in near) / spread,
    )
