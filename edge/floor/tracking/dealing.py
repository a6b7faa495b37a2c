"""The fixes of two walkers dealt out between them, all of them at once.

Two who meet in frames that show now the one and now the other leave fixes that no single exchange puts right.
Fix by fix, either may own it; the likeliest deals so far go on: multiple hypothesis tracking (Reid, 1979) of two,
by the evidence of `switching` filters.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.floor.tracking import switching
from edge.floor.tracking.attendance import NOBODY, Attendance
from edge.floor.tracking.straightness import Walk
from edge.floor.tracking.trail import LONGEST_GAP_MS, Fixes, Trail, reach_m

Array = NDArray[np.float64]

KEPT = 48
"""So many deals go on."""


@dataclass(slots=True)
class _Deals:
    """k deals: of two walkers, in each mode, mean (k, 2, m, 4), covariance and log evidence; what else is told, and who has what."""

    mean: Array
    cov: Array
    evidence: Array
    told: Array
    last: NDArray[np.intp]
    before: NDArray[np.intp]
    owner: NDArray[np.int8]

    def walk(
        self, rows: NDArray[np.intp], side: NDArray[np.integer[Any]], walkers: switching.Filters
    ) -> None:
        """What is known of the walker of one side in each of some deals."""
        self.mean[rows, side], self.cov[rows, side], self.evidence[rows, side] = walkers

    def beside(self, other: _Deals) -> _Deals:
        """The sides of this one, and then those of another; none has anything dealt out to it yet."""
        told = {field.name: (getattr(self, field.name), getattr(other, field.name)) for field in fields(self)}
        return _Deals(**{name: np.concatenate(parts, axis=1) for name, parts in told.items()})

    def at(self, rows: NDArray[np.intp]) -> _Deals:
        return _Deals(*(getattr(self, field.name)[rows] for field in fields(self)))


class Dealer:
    """Deals out fixes of one window."""

    def __init__(self, fixes: Fixes, attendance: Attendance) -> None:
        self._t_ms, self._feet, self._cov = fixes.t_ms, fixes.feet_m, fixes.cov_m2
        self._noise = np.sqrt(np.trace(fixes.cov_m2, axis1=1, axis2=2))
        self._attendance = attendance
        self._finals: dict[Walk, _Deals] = {}
        self._dealt: dict[tuple[Walk, int, Walk, int], tuple[Walk, Walk] | None] = {}

    def deal(self, a: Trail, b: Trail) -> tuple[Walk, Walk] | None:
        """The likeliest walks of two trails, their final fixes as they are; None where no deal is possible."""
        asked = (a.walk, a.final, b.walk, b.final)
        if asked not in self._dealt:
            self._dealt[asked] = self._deal(a, b)
        return self._dealt[asked]

    def _deal(self, a: Trail, b: Trail) -> tuple[Walk, Walk] | None:
        one, other = (self._known(trail.walk[: trail.final]) for trail in (a, b))
        deals = one.beside(other)
        known = np.array([a.final > 0, b.final > 0])
        free = sorted((*a.walk[a.final :], *b.walk[b.final :]))
        for fix in free:
            count = len(deals.told)
            both = deals.at(np.tile(np.arange(count), 2))
            owner = np.repeat(np.array([0, 1], dtype=np.int8), count)
            both.owner = np.column_stack([both.owner, owner])
            deals = both.at(np.flatnonzero(self._reachable(both.last[np.arange(2 * count), owner], fix)))
            if not len(deals.told):
                return None
            self._see(deals, deals.owner[:, -1], fix, known)
            if len(deals.told) > KEPT:
                value = self._value(deals, int(self._t_ms[fix]))
                deals = deals.at(np.argsort(-value, kind="stable")[:KEPT])
        best = int(np.argmax(self._value(deals, int(self._t_ms[-1]))))
        first, second = (
            trail.walk[: trail.final]
            + tuple(fix for fix, owner in zip(free, deals.owner[best], strict=True) if owner == side)
            for side, trail in enumerate((a, b))
        )
        return first, second

    def _reachable(self, last: NDArray[np.intp], fix: int) -> NDArray[np.bool_]:
        """(k,): whether those seen last so may be who is seen here."""
        waited_ms = self._t_ms[fix] - self._t_ms[last]
        walked_m = np.linalg.norm(self._feet[fix] - self._feet[last], axis=1)
        near = walked_m <= reach_m(waited_ms.astype(float), self._noise[last] + self._noise[fix])
        return np.asarray((last == NOBODY) | ((waited_ms > 0) & (waited_ms <= LONGEST_GAP_MS) & near))

    def _known(self, walk: Walk) -> _Deals:
        """What is known of a walker after final fixes: one deal with one side."""
        if walk not in self._finals:
            modes, nobody = len(switching.BEGINS), np.full((1, 1), NOBODY)
            deal = _Deals(
                np.zeros((1, 1, modes, 4)), np.zeros((1, 1, modes, 4, 4)), np.zeros((1, 1, modes)),
                np.zeros((1, 1)), nobody, nobody.copy(), np.zeros((1, 0), dtype=np.int8),
            )  # fmt: skip
            for fix in walk:
                self._see(deal, np.array([0]), fix, known=np.array([True]))
            self._finals[walk] = deal
        return self._finals[walk]

    def _see(self, deals: _Deals, side: NDArray[np.integer[Any]], fix: int, known: NDArray[np.bool_]) -> None:
        """Give a fix to the walker of one side (k,) of each deal; `known` (sides,) are those who came before."""
        rows = np.arange(len(side))
        last = deals.last[rows, side]
        first = last == NOBODY
        self._begin(deals, rows[first], side[first], fix, known)
        self._go_on(deals, rows[~first], side[~first], fix, known)
        deals.before[rows, side] = np.where(known[side] & first, fix, last)
        deals.last[rows, side] = fix

    def _begin(
        self, deals: _Deals, rows: NDArray[np.intp], side: NDArray[np.integer[Any]], fix: int, known: NDArray[np.bool_]
    ) -> None:  # fmt: skip
        if not len(rows):
            return
        deals.walk(rows, side, switching.begin(self._feet[[fix]], self._cov[[fix]]))
        comes = np.where(known[side], 0.0, self._attendance.comes[fix])
        deals.told[rows, side] = self._attendance.seen - comes

    def _go_on(
        self, deals: _Deals, rows: NDArray[np.intp], side: NDArray[np.integer[Any]], fix: int, known: NDArray[np.bool_]
    ) -> None:  # fmt: skip
        if not len(rows):
            return
        last = deals.last[rows, side]
        step_s = (self._t_ms[fix] - self._t_ms[last]) / 1000
        before = switching.Filters(deals.mean[rows, side], deals.cov[rows, side], deals.evidence[rows, side])
        deals.walk(rows, side, switching.go_on(before, step_s, self._feet[[fix]], self._cov[[fix]]))
        told, before_it = self._attendance, last.tolist()
        unseen = {one: told.between(one, fix) for one in set(before_it)}
        deals.told[rows, side] += told.seen + np.array([unseen[one] for one in before_it])
        second = ~known[side] & (deals.before[rows, side] == NOBODY)
        if second.any():
            firsts = last[second].tolist()
            deals.told[rows[second], side[second]] += [
                told.comes[one] - told.came(one, fix) for one in firsts
            ]

    def _value(self, deals: _Deals, t_ms: int) -> Array:
        """(k,): log likelihood of deals, by the frames up to `t_ms`."""
        straight = np.logaddexp.reduce(deals.evidence, axis=2)
        pairs = list(zip(deals.before.ravel().tolist(), deals.last.ravel().tolist(), strict=True))
        since = {
            pair: 0.0 if pair[1] == NOBODY else self._attendance.since(*pair, t_ms) for pair in set(pairs)
        }
        waits = np.array([since[pair] for pair in pairs]).reshape(deals.last.shape)
        return np.asarray(np.where(deals.last == NOBODY, 0.0, straight + deals.told + waits).sum(axis=1))
