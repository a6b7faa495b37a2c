"""The fixes of two walkers dealt out between them, all of them at once.

Two who meet in frames that show now the one and now the other leave fixes that no single exchange puts right.
Fix by fix, either may own it; the likeliest deals so far go on: multiple hypothesis tracking (Reid, 1979) of two,
by the evidence of `switching` filters. Many twos are dealt out side by side, a fix of each at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.floor.tracking import switching
from edge.floor.tracking.attendance import NOBODY, Attendance
from edge.floor.tracking.pairwise import Numbers, Pairwise
from edge.floor.tracking.straightness import Walk
from edge.floor.tracking.trail import LONGEST_GAP_MS, Fixes, Trail, reach_m

Array = NDArray[np.float64]
Two = tuple[Trail, Trail]
Walks = tuple[Walk, Walk]

KEPT = 48
"""So many deals of two walkers go on."""
AT_ONCE = 32
"""So many twos are dealt out side by side: of more, their figures would only take more memory."""


@dataclass(slots=True)
class _Walkers:
    """k walkers: how they go, what else is told of them, their last fix (k,) and the one before it, and whether they were there already."""

    filters: switching.Filters
    told: Array
    before: Numbers
    last: Numbers
    known: NDArray[np.bool_]

    @classmethod
    def unseen(cls, known: NDArray[np.bool_]) -> _Walkers:
        """Of whom no fix is known."""
        before, last = np.full((2, len(known)), NOBODY)
        return cls(switching.nobody(len(known)), np.zeros(len(known)), before, last, known)

    def at(self, rows: Numbers) -> _Walkers:
        """Some of them, or one several times."""
        return _Walkers(self.filters.at(rows), *(part[rows] for part in self._flat))

    def put(self, rows: Numbers, others: _Walkers) -> None:
        """Others in the place of some."""
        for part, fresh in zip((*self.filters, *self._flat), (*others.filters, *others._flat), strict=True):
            part[..., rows] = fresh

    @property
    def _flat(self) -> tuple[NDArray[Any], ...]:
        return self.told, self.before, self.last, self.known


@dataclass(slots=True)
class _Deals:
    """k deals in the order of the twos that they are of (k,): whose each fix so far is (k, fixes), and (2 k) all first walkers, then all second."""

    two: Numbers
    owner: NDArray[np.int8]
    walkers: _Walkers

    def at(self, rows: Numbers) -> _Deals:
        both = np.concatenate([rows, rows + len(self.two)])
        return _Deals(self.two[rows], self.owner[rows], self.walkers.at(both))


class Dealer:
    """Deals out fixes of one window."""

    def __init__(self, fixes: Fixes, attendance: Attendance) -> None:
        self._t_ms, self._feet, self._cov = fixes.t_ms, fixes.feet_m, fixes.cov_m2
        self._noise = np.sqrt(np.trace(fixes.cov_m2, axis1=1, axis2=2))
        self._seen, self._attendance = attendance.seen, attendance
        self._comes = np.array(attendance.comes)
        count = len(fixes.t_ms)
        self._came = Pairwise(count, attendance.came_so)
        self._between = Pairwise(count, attendance.between_so)
        self._gone = Pairwise(count, attendance.gone_so)
        self._dealt: dict[tuple[Walk, int, Walk, int], Walks | None] = {}

    def learn(self, twos: Iterable[Two]) -> None:
        """Deal out those that were not yet."""
        fresh = list({_asked(a, b): (a, b) for a, b in twos if _asked(a, b) not in self._dealt}.values())
        for start in range(0, len(fresh), AT_ONCE):
            some = fresh[start : start + AT_ONCE]
            self._dealt |= zip((_asked(a, b) for a, b in some), self._deal(some), strict=True)

    def deal(self, a: Trail, b: Trail) -> Walks | None:
        """The likeliest walks of two trails, their final fixes as they are; None where no deal is possible."""
        self.learn([(a, b)])
        return self._dealt[_asked(a, b)]

    def _deal(self, twos: Sequence[Two]) -> list[Walks | None]:
        free = [sorted((*a.walk[a.final :], *b.walk[b.final :])) for a, b in twos]
        lengths = np.array([len(fixes) for fixes in free])
        fixes = np.zeros((len(twos), lengths.max()), dtype=np.intp)
        for row, some in zip(fixes, free, strict=True):
            row[: len(some)] = some
        deals = _Deals(np.arange(len(twos)), np.zeros((len(twos), 0), dtype=np.int8), self._known(twos))
        best: dict[int, list[int]] = {}
        for step in range(fixes.shape[1]):
            if not len(deals.two):
                break
            deals = self._further(deals, fixes[deals.two, step])
            ends = lengths[deals.two] == step + 1
            if ends.any():
                best |= self._best(deals.at(np.flatnonzero(ends)))
                deals = deals.at(np.flatnonzero(~ends))
        return [
            _walks(two, some, best[number]) if number in best else None
            for number, (two, some) in enumerate(zip(twos, free, strict=True))
        ]

    def _further(self, deals: _Deals, fix: Numbers) -> _Deals:
        """The likeliest deals with one more fix (k,) of each: it is the first walker's, or the second's."""
        count, walkers, fix = len(deals.two), deals.walkers, np.tile(fix, 2)
        may = np.flatnonzero(self._reachable(walkers.last, fix))
        owner, row = np.divmod(may, count)
        seen = walkers.at(may)
        self._see(seen, fix[may])
        two, now = deals.two[row], self._attendance.shown[fix]
        crowded = np.bincount(two) > KEPT
        kept = np.arange(len(may))
        if crowded.any():
            others = self._value(walkers, now)[row + (1 - owner) * count]
            worst = np.where(crowded[two], -self._value(seen, now[may]) - others, 0.0)
            kept = _first(KEPT, two, worst)
        further = deals.at(row[kept])
        further.walkers.put(np.arange(len(kept)) + owner[kept] * len(kept), seen.at(kept))
        further.owner = np.column_stack([further.owner, owner[kept].astype(np.int8)])
        return further

    def _best(self, deals: _Deals) -> dict[int, list[int]]:
        """Who has each fix in the likeliest deal of each two."""
        value = self._value(deals.walkers, self._attendance.shown[-1]).reshape(2, -1).sum(axis=0)
        rows = _first(1, deals.two, -value)
        return dict(zip(deals.two[rows].tolist(), deals.owner[rows].tolist(), strict=True))

    def _reachable(self, last: Numbers, fix: Numbers) -> NDArray[np.bool_]:
        """(k,): whether those seen last so may be who is seen here."""
        waited_ms = self._t_ms[fix] - self._t_ms[last]
        walked_m = np.linalg.norm(self._feet[fix] - self._feet[last], axis=1)
        near = walked_m <= reach_m(waited_ms.astype(float), self._noise[last] + self._noise[fix])
        return np.asarray((last == NOBODY) | ((waited_ms > 0) & (waited_ms <= LONGEST_GAP_MS) & near))

    def _known(self, twos: Sequence[Two]) -> _Walkers:
        """What is known of the first walkers, and then of the second, after their final fixes."""
        finals = [two[side].walk[: two[side].final] for side in (0, 1) for two in twos]
        walks = {walk: row for row, walk in enumerate(dict.fromkeys(finals))}
        known = _Walkers.unseen(np.array([bool(walk) for walk in walks]))
        for step in range(max(map(len, walks))):
            going = {row: walk[step] for walk, row in walks.items() if len(walk) > step}
            rows = np.array([*going])
            some = known.at(rows)
            self._see(some, np.array([*going.values()]))
            known.put(rows, some)
        return known.at(np.array([walks[walk] for walk in finals]))

    def _see(self, walkers: _Walkers, fix: Numbers) -> None:
        """Give each walker a fix (k,)."""
        first, last, known = walkers.last == NOBODY, walkers.last, walkers.known
        step_s = np.where(first, 0, self._t_ms[fix] - self._t_ms[last]) / 1000
        filters = switching.go_on(walkers.filters, step_s, self._feet[fix], self._cov[fix])
        told = np.where(known, self._seen, self._seen - self._comes[fix])
        again = np.flatnonzero(~first)
        if len(again) < len(first):
            filters.put(np.flatnonzero(first), switching.begin(self._feet[fix[first]], self._cov[fix[first]]))
        told[again] = walkers.told[again] + (self._seen + self._between(last[again], fix[again]))
        second = np.flatnonzero(~first & ~known & (walkers.before == NOBODY))
        if len(second):
            told[second] += self._comes[last[second]] - self._came(last[second], fix[second])
        walkers.filters, walkers.told = filters, told
        walkers.before, walkers.last = np.where(known & first, fix, last), fix

    def _value(self, walkers: _Walkers, now: Numbers) -> Array:
        """(k,): log likelihood of walkers, by the first so many frames."""
        some = np.flatnonzero(walkers.last != NOBODY)
        before, last = walkers.before[some], walkers.last[some]
        unseen = np.broadcast_to(now, walkers.last.shape)[some] - self._attendance.shown[last]
        waits = np.maximum(unseen * self._attendance.unseen, self._gone(before, last))
        value = np.zeros(walkers.last.shape)
        value[some] = (walkers.filters.evidence[some] + walkers.told[some]) + np.where(unseen, waits, 0.0)
        return value


def _asked(a: Trail, b: Trail) -> tuple[Walk, int, Walk, int]:
    return a.walk, a.final, b.walk, b.final


def _walks(two: Two, free: Sequence[int], owners: Sequence[int]) -> Walks:
    """What the two have by a deal of their free fixes."""
    first, second = (
        trail.walk[: trail.final]
        + tuple(fix for fix, owner in zip(free, owners, strict=True) if owner == side)
        for side, trail in enumerate(two)
    )
    return first, second


def _first(most: int, group: Numbers, key: Array) -> Numbers:
    """So many of each group (k,), those of the least key (k,) first, groups in their order."""
    order = np.lexsort((key, group))
    ordered = group[order]
    return np.asarray(order[np.arange(len(order)) - np.searchsorted(ordered, ordered) < most])
