"""Counting lines: a crossing is a walk from clearly one side to clearly the other.

State per person: the side last clearly stood on (farther than `HYSTERESIS_M`), and where the path
last met the line. Standing on the line, swaying or turning back counts nothing; passing round the
end of the line counts nothing; a path is only ever that of one walker, and one who is suddenly
elsewhere, faster than anybody walks, begins a new one.

Where a path begins, and where it has ended, nothing more will tell the side: there the likelier one counts.
Who was seen walking last has gone on meanwhile; where frames are rare, by half a step between them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from branchloop import geometry
from branchloop.site.site import Line
from edge.floor.counting.joints import END_SLACK_M, Reach

HYSTERESIS_M = 0.2
MAX_HYSTERESIS_M = 1.5
"""Clearly on a side is farther from the line than this, or, up to the larger one, than a place is uncertain."""
LIKELIER_M, PRECISE_LIKELIER_M = 0.2, 0.1
"""At the ends of a path, so far from the line is enough."""
SIGMAS, PRECISE_SIGMAS = 1.75, 3.5
LIKELIER_SIGMAS, PRECISE_LIKELIER_SIGMAS = 1.0, 0.5
"""So uncertain, as standard deviations. What is assumed of all cameras is more than most of them err, but they err alike in
frame after frame; how precise one is, is learnt in rare frames and true of each place by itself."""
GONE_MS = 4_000
"""Who was not seen for so long has gone. Found again after all, in rare frames, somebody goes on from where that was said."""
FURTHER, LONGEST_STEP_MS = 0.5, 1_100
"""Who has gone went on, by so much of the last step, if that is what lies between two frames."""
FORGET_MS = 10_000
MAX_SPEED_M_S = 4.0
SLACK_M = 0.7
"""Two places farther apart than a run between them, and this, are not one walk."""

Direction = Literal["in", "out"]
Key = int | tuple[str, int]
"""A walker of the site, or a camera's track."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Person `person` crossed `line` at `at_ms`, at `place_m` on the plan."""

    line: str
    person: Key
    direction: Direction
    at_ms: int
    place_m: tuple[float, float]


@dataclass(slots=True)
class _Walk:
    t_ms: int
    place: geometry.Point
    off_m: float
    sigma_m: float
    precise_m: float | None
    before: tuple[int, geometry.Point] | None = None
    """When and where in the frame before, where frames are rare."""
    side: int = 0
    met: tuple[int, geometry.Point] | None = None


class LineCounter:
    """One line; fed (time, person, place) in time order, returns the crossings that became certain."""

    def __init__(self, line: Line, reach_m: Reach = (END_SLACK_M, END_SLACK_M)) -> None:
        """`reach_m`: how far beyond its ends it counts."""
        self.line = line
        self._reach_m = reach_m
        self._a, self._b = line.from_, line.to
        self._length = geometry.distance(self._a, self._b)
        self._inside = 1 if geometry.side(self._a, self._b, line.inside) > 0 else -1
        self._walks: dict[Key, _Walk] = {}

    def begin(
        self,
        t_ms: int,
        person: Key,
        place_m: geometry.Point,
        sigma_m: float,
        precise_m: float | None = None,
    ) -> None:
        """Where somebody not met before was first seen, by a single sighting of this uncertainty."""
        if person in self._walks:
            return
        off = geometry.side(self._a, self._b, place_m)
        walk = self._walks[person] = _Walk(t_ms, place_m, off, sigma_m, precise_m)
        if abs(off) >= _likelier_m(walk):
            walk.side = 1 if off > 0 else -1

    def step(
        self,
        t_ms: int,
        person: Key,
        place_m: geometry.Point,
        sigma_m: float = 0.0,
        precise_m: float | None = None,
    ) -> Crossing | None:
        """The person's next place; a Crossing once the far side is clearly reached.

        `sigma_m` is the place's standard deviation as it is assumed of all cameras, `precise_m` as it was learnt of this one.
        """
        off = geometry.side(self._a, self._b, place_m)
        self.begin(t_ms, person, place_m, sigma_m, precise_m)
        walk = self._walks[person]
        if not _possible(walk, t_ms, place_m):
            walk = self._walks[person] = _Walk(t_ms, place_m, off, sigma_m, precise_m)
        else:
            _meet(walk, t_ms, place_m, off)
        follows = precise_m is not None and 0 < t_ms - walk.t_ms <= LONGEST_STEP_MS
        walk.before = (walk.t_ms, walk.place) if follows else None
        walk.t_ms, walk.place, walk.off_m = t_ms, place_m, off
        walk.sigma_m, walk.precise_m = sigma_m, precise_m
        begins = precise_m is not None and walk.side == 0
        return self._commit(person, walk, _likelier_m(walk) if begins else _clear_m(walk))

    def gone(self, before_ms: int) -> list[Crossing]:
        """Crossings of those not seen since `before_ms`, by the side on which they were last, or half a step later."""
        ended = [(person, walk) for person, walk in self._walks.items() if walk.t_ms < before_ms]
        for _, walk in ended:
            self._went_on(walk)
        found = [self._commit(person, walk, _likelier_m(walk)) for person, walk in ended]
        return [crossing for crossing in found if crossing is not None]

    def take_over(self, leaving: LineCounter, ids: Mapping[int, int]) -> None:
        """Know of those on the line from which side and where they came to it, by another's account; `ids` says who its people are here."""
        for person, here in ids.items():
            walk, known = self._walks.get(here), leaving._walks.get(person)
            if walk is not None and known is not None and walk.side == 0:
                walk.side, walk.met = known.side, walk.met or known.met

    def forget(self, before_ms: int) -> None:
        """Drop people unseen since `before_ms`."""
        for person in [p for p, walk in self._walks.items() if walk.t_ms < before_ms]:
            del self._walks[person]

    def _went_on(self, walk: _Walk) -> None:
        """Take who has gone half a step farther, once; who comes back after all comes from there."""
        if walk.before is None:
            return
        (before_ms, before), walk.before = walk.before, None
        x, y = (here + FURTHER * (here - there) for here, there in zip(walk.place, before, strict=True))
        off = geometry.side(self._a, self._b, (x, y))
        _meet(walk, round(walk.t_ms + FURTHER * (walk.t_ms - before_ms)), (x, y), off)
        walk.place, walk.off_m = (x, y), off

    def _commit(self, person: Key, walk: _Walk, clear_m: float) -> Crossing | None:
        if abs(walk.off_m) < clear_m:
            return None
        side = 1 if walk.off_m > 0 else -1
        before, walk.side = walk.side, side
        if before in (0, side) or walk.met is None:
            return None
        at_ms, place = walk.met
        along_m = geometry.along(self._a, self._b, place) * self._length
        if not -self._reach_m[0] <= along_m <= self._length + self._reach_m[1]:
            return None
        return Crossing(self.line.id, person, "in" if side == self._inside else "out", at_ms, place)


def _meet(walk: _Walk, t_ms: int, place_m: geometry.Point, off_m: float) -> None:
    """Note when and where a walk that goes on to there meets the line, if it does."""
    if walk.off_m * off_m > 0 or walk.off_m == off_m:
        return
    share = walk.off_m / (walk.off_m - off_m)
    x, y = (a + share * (b - a) for a, b in zip(walk.place, place_m, strict=True))
    walk.met = (round(walk.t_ms + share * (t_ms - walk.t_ms)), (x, y))


def _clear_m(walk: _Walk) -> float:
    far_m = SIGMAS * walk.sigma_m if walk.precise_m is None else PRECISE_SIGMAS * walk.precise_m
    return min(max(HYSTERESIS_M, far_m), MAX_HYSTERESIS_M)


def _likelier_m(walk: _Walk) -> float:
    if walk.precise_m is not None:
        return max(PRECISE_LIKELIER_M, PRECISE_LIKELIER_SIGMAS * walk.precise_m)
    return max(LIKELIER_M, LIKELIER_SIGMAS * walk.sigma_m)


def _possible(walk: _Walk, t_ms: int, place_m: geometry.Point) -> bool:
    reach_m = SLACK_M + MAX_SPEED_M_S * (t_ms - walk.t_ms) / 1000
    return geometry.distance(walk.place, place_m) <= reach_m
