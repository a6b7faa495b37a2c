"""How well a line counts: the box's crossings against those that somebody counted by hand.

A crossing is *missed* when the box has none of the same line and direction within the tolerance, and one of the box is
*extra* when nobody saw it: a missed and an extra one do not make a right count. Both are rare events, so their
exact (Poisson, Garwood 1936) interval holds even when none was seen; where the time of each crossing is known,
the block bootstrap widens it for people who come in groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from edge.accuracy.bootstrap import CONFIDENCE, Interval, block_s, intervals

Key = tuple[str, str]
"""(line, direction)."""
Times = Mapping[Key, Sequence[float]]
"""Seconds of every crossing, by line and direction."""

Totals = Mapping[Key, int]
"""Crossings by line and direction, without their times."""

_TAIL = (1 - CONFIDENCE) / 2
_MOST = 10_000_000


@dataclass(frozen=True, slots=True)
class CountAccuracy:
    """Rates are shares of the true crossings; None where there was none: all that was counted is then `extra`.

    `wrong_rate` = (missed + extra) / true; `net_error` = (counted − true) / true; `needed` true crossings would
    prove the limit at the rate that was found (None: no number would). Of totals alone nobody knows what was missed
    or extra, unless there was none: those are None. So is every interval: errors that cancel stay unseen, and no
    number of crossings bounds them.
    """

    true: int
    counted: int
    missed: int | None
    extra: int | None
    wrong_rate: float | None
    wrong_interval: Interval | None
    net_error: float | None
    net_interval: Interval | None
    needed: int | None


@dataclass(frozen=True, slots=True)
class _Misses:
    """Times of one comparison, and how far apart its matches lie in sum."""

    true: list[float]
    counted: list[float]
    missed: list[float]
    extra: list[float]
    apart_s: float

    @classmethod
    def all(cls, parts: Sequence[_Misses]) -> _Misses:
        return cls(
            true=[t for part in parts for t in part.true],
            counted=[t for part in parts for t in part.counted],
            missed=[t for part in parts for t in part.missed],
            extra=[t for part in parts for t in part.extra],
            apart_s=sum(part.apart_s for part in parts),
        )


def count_accuracy(
    counted: Times, true: Times, tolerance_s: float, limit: float
) -> tuple[CountAccuracy, dict[str, CountAccuracy]]:
    """Of all lines together, and of each line that stands in either table.

    What a box counted on a line that nobody watched is no error: leave that line out of `counted`.
    """
    keys = sorted(counted.keys() | true.keys())
    moments = [t for table in (counted, true) for times in table.values() for t in times]
    span = (min(moments), max(moments)) if moments else (0.0, 0.0)
    parts: defaultdict[str, list[_Misses]] = defaultdict(list)
    for key in keys:
        parts[key[0]].append(_compare(sorted(counted.get(key, ())), sorted(true.get(key, ())), tolerance_s))
    lines = {line: _accuracy(_Misses.all(some), span, limit) for line, some in parts.items()}
    every = _Misses.all([part for some in parts.values() for part in some])
    return _accuracy(every, span, limit), lines


def total_accuracy(counted: Totals, true: Totals) -> tuple[CountAccuracy, dict[str, CountAccuracy]]:
    """The same of totals by line and direction, as a hand clicker gives them."""
    lines = sorted({line for line, _ in counted.keys() | true.keys()})
    every = _of_totals(sum(counted.values()), sum(true.values()))
    return every, {line: _of_totals(_sum(counted, line), _sum(true, line)) for line in lines}


def _sum(totals: Totals, line: str) -> int:
    return sum(n for (of, _), n in totals.items() if of == line)


def net_interval(more: int, true: int) -> Interval:
    """How narrow the interval of a net error may be at least, as a share of `true`, when `more` were counted than there were.

    It is exact only where no errors cancelled, so alone it is no interval: it can but widen another.
    """
    (few_lost, most_lost), (few_new, most_new) = (
        poisson_interval(max(0, -more)),
        poisson_interval(max(0, more)),
    )
    return (few_new - most_lost) / true, (most_new - few_lost) / true


def _of_totals(counted: int, true: int) -> CountAccuracy:
    if not true:
        return CountAccuracy(0, counted, 0, counted, None, None, None, None, None)
    return CountAccuracy(true, counted, None, None, None, None, (counted - true) / true, None, None)


def best_shift_s(
    counted: Times, true: Times, tolerance_s: float, most_s: float, step_s: float = 0.5
) -> float:
    """By how much the hand's clock is ahead of the box's.

    The shift, at most `most_s`, that matches most, and of several such the one under which matches lie closest.
    """
    steps = round(most_s / step_s)
    shifts = sorted((i * step_s for i in range(-steps, steps + 1)), key=abs)

    def fit(shift_s: float) -> tuple[int, float]:
        hits, apart_s = 0, 0.0
        for key in counted.keys() & true.keys():
            found = _compare(sorted(counted[key]), sorted(t - shift_s for t in true[key]), tolerance_s)
            hits += len(found.true) - len(found.missed)
            apart_s += found.apart_s
        return hits, -round(apart_s, 6)

    return max(shifts, key=fit)


def matches(counted: Sequence[float], true: Sequence[float], tolerance_s: float) -> int:
    """How many crossings of one line and direction are in both."""
    found = _compare(sorted(counted), sorted(true), tolerance_s)
    return len(found.true) - len(found.missed)


def poisson_interval(events: int) -> Interval:
    """The exact 95 % interval of a rare event's expected number."""
    low = float(gammaincinv(events, _TAIL)) if events else 0.0
    return low, float(gammaincinv(events + 1, 1 - _TAIL))


def most_extra(limit: float) -> int:
    """The most crossings, counted where nobody was seen to cross, that a rate of errors of `limit` may explain.

    Nobody seen may still mean as many to come as the exact interval of none holds, and `limit` of those wrong.
    More invented crossings than this, and even the low end of their own interval is above that.
    """
    allowed = min(limit, 1.0) * poisson_interval(0)[1]
    extra = 0
    while poisson_interval(extra + 1)[0] <= allowed:
        extra += 1
    return extra


def needed(rate: float, limit: float, wider: float = 1.0) -> int | None:
    """True crossings from which on any number proves a rate of errors under `limit`, if it stays at `rate`.

    `wider` is how much wider than the exact one the interval was: people who come in groups tell less.
    """
    if rate >= limit:
        return None

    def proves(n: int) -> bool:
        events = rate * n + 0.5 if rate else 0.0
        reach = float(gammaincinv(events + 1, 1 - _TAIL)) - rate * n
        return rate * n + wider * reach <= limit * n

    low, high = 0, 1
    while not proves(high):
        low, high = high, high * 2
        if high > _MOST:
            return None
    while high - low > 1:
        half = (low + high) // 2
        low, high = (low, half) if proves(half) else (half, high)
    return high


def _compare(counted: Sequence[float], true: Sequence[float], tolerance_s: float) -> _Misses:
    """Match as many as possible, each once: both sorted, so the earliest that fits is the best."""
    missed, extra, apart_s = list[float](), list[float](), 0.0
    i = j = 0
    while i < len(counted) and j < len(true):
        if counted[i] < true[j] - tolerance_s:
            extra.append(counted[i])
            i += 1
        elif counted[i] > true[j] + tolerance_s:
            missed.append(true[j])
            j += 1
        else:
            apart_s += abs(counted[i] - true[j])
            i, j = i + 1, j + 1
    return _Misses(list(true), list(counted), missed + list(true[j:]), extra + list(counted[i:]), apart_s)


def _accuracy(found: _Misses, span: tuple[float, float], limit: float) -> CountAccuracy:
    true, missed, extra = len(found.true), len(found.missed), len(found.extra)
    if not true:
        return CountAccuracy(0, len(found.counted), missed, extra, None, None, None, None, None)
    wrong = (missed + extra) / true
    low, high = (bound / true for bound in poisson_interval(missed + extra))
    (few_missed, most_missed), (few_extra, most_extra) = poisson_interval(missed), poisson_interval(extra)
    drawn = _drawn(found, span)
    wrong_interval = wider((low, high), drawn.get("wrong"))
    enough = needed(wrong, limit, (wrong_interval[1] - wrong) / (high - wrong))
    if enough is not None and enough <= true and wrong_interval[1] > limit:
        enough = None
    return CountAccuracy(
        true=true,
        counted=len(found.counted),
        missed=missed,
        extra=extra,
        wrong_rate=wrong,
        wrong_interval=wrong_interval,
        net_error=(len(found.counted) - true) / true,
        net_interval=wider(
            ((few_extra - most_missed) / true, (most_extra - few_missed) / true), drawn.get("net")
        ),
        needed=enough,
    )


def _drawn(found: _Misses, span: tuple[float, float]) -> dict[str, Interval | None]:
    """Intervals by bootstrap over blocks of time, in which people who come together stay together."""
    length_s = span[1] - span[0]
    block = block_s(length_s)
    units = max(1, int(length_s // block) + 1)
    tables = [
        np.bincount([int((t - span[0]) // block) for t in times], minlength=units).astype(float)
        for times in (found.true, found.missed, found.extra)
    ]

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        true, missed, extra = (weights @ table for table in tables)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"wrong": (missed + extra) / true, "net": (extra - missed) / true}

    return intervals(figures, units, 1)


def wider(exact: Interval, drawn: Interval | None) -> Interval:
    """The interval that holds both."""
    return exact if drawn is None else (min(exact[0], drawn[0]), max(exact[1], drawn[1]))
