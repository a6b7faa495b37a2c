"""How many people a branch will hold at an hour, and whether that is quiet or busy for it. Pure.

The profile has a mean per weekday and hour of the branch's clock, drawn towards the hour of the day, and that
towards all hours, as long as history is thin. Older weeks count less, and the level of the last weeks moves all of
it. What is measured today corrects the hours ahead of it, the less the further ahead; how long it holds is learned,
too. Residuals are logarithms of (people + 1) / (usual + 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS, from_ms

Level = Literal["quiet", "usual", "busy"]
Cell = tuple[int, int]
"""Weekday (Monday is 0) and hour of the branch's clock."""
LEAST_WEEKS = 2
"""With less history nothing is told."""
HALF_LIFE_WEEKS = 12.0
_LEVEL_HALF_LIFE_WEEKS = 4.0
_LEAST_WEIGHT = 0.01
_CELL_SHRINK = 1.0
"""So many hours of the hour of the day count in a cell."""
_HOUR_SHRINK = 2.0
_LEVEL_SHRINK = 10.0
_LAGS = 6
_MEMORY_SHRINK = 20.0
"""So many pairs of hours is the assumed memory worth."""
_MEMORY_ASSUMED = tuple(0.75 * math.exp(-lag / 8) for lag in range(1, _LAGS + 1))
_BEYOND_H = 3.0
_SPREAD_SHRINK = 20.0
_SPREAD_ASSUMED = 0.35
_INTERVAL_Z = 1.2816
"""Of the interval that holds 80 of 100."""
_FURTHEST = math.log(5)
"""What is measured moves a forecast by no more than this factor."""
LOOK_MS = 60 * MINUTE_MS
"""A start is as quiet as this time from it on: who comes just before a rush stands in it, and lengthens it."""
LEVELLING = 8.0
"""People that each appointment beyond the usual counts in steering: else all would be sent to the same slots."""
_STAY_MS = 15 * MINUTE_MS
"""Assumed stay of a visitor: chance moves a short mean more than that of an hour."""
QUEUE_TRUST = 0.5
"""An hour that only the book tells of counts as much as this share of a measured one."""
_SHOWN = 0.9
"""Share of known bookings that come."""
_EARLY_H = 12.0
"""Bookings for an hour so far ahead are a third complete."""


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of the past while the branch was open; `weight` is the share of it that was measured."""

    start_ms: int
    people: float
    weight: float


@dataclass(frozen=True, slots=True)
class Live:
    """How today differs: logarithm of measured against usual, in the mean at `at_ms`."""

    log_ratio: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Crowd:
    """What is expected: the mean, and the interval meant to hold 80 of 100."""

    level: Level
    people: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Profile:
    """What history taught of a branch."""

    cells: Mapping[Cell, float]
    by_hour: Mapping[int, float]
    overall: float
    quiet_below: float
    busy_from: float
    spread: float
    centre: float
    """Mean of the residuals."""
    memory: tuple[float, ...]
    """Share of a residual that is left after 0, 1, 2 … hours."""
    weeks: int

    def usual(self, t_ms: int, zone: ZoneInfo) -> float:
        """The mean at a moment, between the middles of its hour and of the nearer one beside it."""
        at = from_ms(t_ms, zone)
        here = self._cell(at.weekday(), at.hour)
        aside = (at.minute + at.second / 60 - 30) / 60
        beside = self.cells.get((at.weekday(), at.hour + (1 if aside > 0 else -1)))
        return here if beside is None else here + abs(aside) * (beside - here)

    def over(self, start_ms: int, end_ms: int, zone: ZoneInfo) -> float:
        """The mean over `[start, end)`."""
        pieces = max(1, math.ceil((end_ms - start_ms) / HOUR_MS))
        step_ms = (end_ms - start_ms) / pieces
        return sum(self.usual(round(start_ms + (i + 0.5) * step_ms), zone) for i in range(pieces)) / pieces

    def expect(
        self, start_ms: int, end_ms: int, zone: ZoneInfo, live: Live | None = None, extra: float = 0.0
    ) -> Crowd:
        """What is expected over `[start, end)`; `extra` people beyond the usual are known to come."""
        usual = self.over(start_ms, end_ms, zone)
        usual = max(usual + extra, usual / 4)
        held, moved = 0.0, 0.0
        middle_ms = (start_ms + end_ms) // 2
        if live is not None and from_ms(live.at_ms, zone).date() == from_ms(middle_ms, zone).date():
            held = self.held((middle_ms - live.at_ms) / HOUR_MS)
            moved = held * (max(-_FURTHEST, min(live.log_ratio, _FURTHEST)) - self.centre)
        chance = max(0.0, _chance(end_ms - start_ms) - _chance(HOUR_MS)) * usual / (usual + 1) ** 2
        half = _INTERVAL_Z * math.sqrt(self.spread**2 * (1 - held**2) + chance)
        people = max(0.0, (usual + 1) * math.exp(moved + self.centre * held**2) - 1)
        low = max(0.0, (usual + 1) * math.exp(self.centre + moved - half) - 1)
        high = max(0.0, (usual + 1) * math.exp(self.centre + moved + half) - 1)
        return Crowd(self.level(people), people, min(low, people), max(high, people))

    def held(self, ahead_h: float) -> float:
        """Share of what differs now that will still differ then."""
        ahead_h = max(0.0, ahead_h)
        whole, last = int(ahead_h), len(self.memory) - 1
        if whole >= last:
            return self.memory[last] * math.exp(-(ahead_h - last) / _BEYOND_H)
        return self.memory[whole] + (ahead_h - whole) * (self.memory[whole + 1] - self.memory[whole])

    def level(self, people: float) -> Level:
        """Where so many people lie among the branch's own hours."""
        return "quiet" if people < self.quiet_below else "busy" if people >= self.busy_from else "usual"

    def _cell(self, weekday: int, hour: int) -> float:
        found = self.cells.get((weekday, hour))
        return self.by_hour.get(hour, self.overall) if found is None else found


def learn(hours: Iterable[Hour], now_ms: int, zone: ZoneInfo, open_week_h: float) -> Profile | None:
    """The profile of a branch that opens so many hours a week; None when history is too thin."""
    known = [each for each in hours if each.weight >= _LEAST_WEIGHT and each.start_ms < now_ms]
    weeks = round(sum(each.weight for each in known) / open_week_h) if open_week_h > 0 else 0
    if weeks < LEAST_WEEKS:
        return None
    places = [_cell_of(each, zone) for each in known]
    ages = [(now_ms - each.start_ms) // (7 * DAY_MS) for each in known]
    weights = [each.weight * 0.5 ** (age / HALF_LIFE_WEEKS) for each, age in zip(known, ages, strict=True)]
    people = [each.people for each in known]
    first = _Means(places, weights, people)
    levels = _levels(ages, known, [first.of(place) for place in places])
    # What a slow rise or fall of the whole did to a week is taken out before weekdays are told apart.
    steady = [value / levels[age] for value, age in zip(people, ages, strict=True)]
    means = _Means(places, weights, steady)
    recent = {age: 0.5 ** (age / _LEVEL_HALF_LIFE_WEEKS) for age in levels}
    level = sum(levels[age] * part for age, part in recent.items()) / sum(recent.values())
    residuals = [
        math.log((value + 1) / (levels[age] * means.without(place, weight, flat) + 1))
        for value, age, place, weight, flat in zip(people, ages, places, weights, steady, strict=True)
    ]
    total = sum(weights)
    centre = _mean(weights, residuals)
    squares = sum(weight * (each - centre) ** 2 for weight, each in zip(weights, residuals, strict=True))
    variance = (squares + _SPREAD_SHRINK * _SPREAD_ASSUMED**2) / (total + _SPREAD_SHRINK)
    quiet_below, busy_from = _terciles(weights, people)
    return Profile(
        cells={place: level * means.of(place) for place in set(places)},
        by_hour={hour: level * mean for hour, mean in means.hours.items()},
        overall=level * means.overall,
        quiet_below=quiet_below,
        busy_from=busy_from,
        spread=math.sqrt(variance),
        centre=centre,
        memory=_memory(known, [each - centre for each in residuals], weights, zone),
        weeks=weeks,
    )


def live(measured: Sequence[tuple[int, float, float]], profile: Profile, zone: ZoneInfo) -> Live | None:
    """How today differs from usual, of (moment, people, weight); None when nothing was measured."""
    total = sum(weight for _, _, weight in measured)
    if total <= 0:
        return None
    people = sum(people * weight for _, people, weight in measured) / total
    usual = sum(profile.usual(t_ms, zone) * weight for t_ms, _, weight in measured) / total
    at_ms = sum(t_ms * weight for t_ms, _, weight in measured) / total
    return Live(math.log((people + 1) / (usual + 1)), round(at_ms))


def blend(measured: Mapping[int, tuple[float, float]], queued: Mapping[int, float]) -> list[Hour]:
    """Hours of (people, share measured), filled up by how many the book knew to be there at the same hours.

    The book's are scaled by the hours that both tell of; where there are too few of those, nothing is filled.
    """
    both = [(people, share, queued[hour]) for hour, (people, share) in measured.items() if hour in queued]
    behind = sum(share * known for _, share, known in both)
    if sum(share for _, share, _ in both) < 10 or behind <= 0:
        return [Hour(hour, people, share) for hour, (people, share) in measured.items() if share > 0]
    scale = sum(share * people for people, share, _ in both) / behind
    found = []
    for hour in measured.keys() | queued.keys():
        people, share = measured.get(hour, (0.0, 0.0))
        told = (1 - share) * QUEUE_TRUST if hour in queued else 0.0
        if share + told > 0:
            mean = (share * people + told * scale * queued.get(hour, 0.0)) / (share + told)
            found.append(Hour(hour, mean, share + told))
    return found


def extra_people(known: float, usual: float, ahead_h: float) -> float:
    """People beyond the usual who are booked; that few are booked yet says little of an hour far ahead."""
    beyond = known - usual
    return _SHOWN * (beyond if beyond > 0 else beyond * math.exp(-max(0.0, ahead_h) / _EARLY_H))


def look(start_ms: int, closes_ms: int) -> tuple[int, int]:
    """The stretch by which a start is called quiet."""
    return start_ms, max(start_ms + 1, min(start_ms + LOOK_MS, closes_ms))


def pressure(people: float, booked: float, usually_booked: float) -> float:
    """By which starts are ranked: people expected, and appointments beyond (or short of) the usual."""
    return people + LEVELLING * (booked - usually_booked)


def _chance(length_ms: int) -> float:
    """Variance of a mean over a stretch, as a share of that of a single count, of visits of `_STAY_MS`."""
    stays = max(length_ms, 1) / _STAY_MS
    return 2 / stays * (1 - (1 - math.exp(-stays)) / stays)


class _Means:
    """Weighted means per cell, drawn towards the hour of the day, and that towards all."""

    def __init__(self, places: Sequence[Cell], weights: Sequence[float], values: Sequence[float]) -> None:
        self._weight: dict[Cell, float] = {}
        self._sum: dict[Cell, float] = {}
        by_hour: dict[int, list[float]] = {}
        for place, weight, value in zip(places, weights, values, strict=True):
            self._weight[place] = self._weight.get(place, 0.0) + weight
            self._sum[place] = self._sum.get(place, 0.0) + weight * value
            sums = by_hour.setdefault(place[1], [0.0, 0.0])
            sums[0] += weight
            sums[1] += weight * value
        self.overall = _mean(weights, values)
        self.hours = {
            hour: (total + _HOUR_SHRINK * self.overall) / (weight + _HOUR_SHRINK)
            for hour, (weight, total) in by_hour.items()
        }
        self._days = {day: self._day(day, by_hour) for day in {place[0] for place in self._weight}}

    def of(self, place: Cell) -> float:
        """The mean of a cell."""
        return self.without(place, 0.0, 0.0)

    def without(self, place: Cell, weight: float, value: float) -> float:
        """The same as if one of its hours had not been known."""
        prior = self.hours[place[1]] * self._days[place[0]]
        rest = self._weight[place] - weight
        return max(0.0, self._sum[place] - weight * value + _CELL_SHRINK * prior) / (rest + _CELL_SHRINK)

    def _day(self, day: int, by_hour: Mapping[int, Sequence[float]]) -> float:
        """How a weekday is against the others, hour for hour; 1 while little is known of it."""
        own = usual = 0.0
        for place, weight in self._weight.items():
            if place[0] == day:
                own += self._sum[place]
                usual += weight * by_hour[place[1]][1] / by_hour[place[1]][0]
        drawn = _LEVEL_SHRINK * self.overall
        return (own + drawn) / (usual + drawn) if usual + drawn > 0 else 1.0


def _levels(ages: Sequence[int], known: Sequence[Hour], usual: Sequence[float]) -> dict[int, float]:
    """Age in weeks -> how that week was against the usual."""
    sums: dict[int, list[float]] = {}
    for age, hour, mean in zip(ages, known, usual, strict=True):
        week = sums.setdefault(age, [0.0, 0.0])
        week[0] += hour.weight * hour.people
        week[1] += hour.weight * mean
    drawn = _LEVEL_SHRINK * _mean([hour.weight for hour in known], usual) + 1e-9
    return {age: max(0.05, (own + drawn) / (mean + drawn)) for age, (own, mean) in sums.items()}


def _memory(
    known: Sequence[Hour], residuals: Sequence[float], weights: Sequence[float], zone: ZoneInfo
) -> tuple[float, ...]:
    """Correlation of residuals of one day by hours between them, drawn towards what is assumed; never rising."""
    by_day: dict[int, dict[int, tuple[float, float]]] = {}
    for each, residual, weight in zip(known, residuals, weights, strict=True):
        at = from_ms(each.start_ms, zone)
        by_day.setdefault(at.toordinal(), {})[at.hour] = (residual, weight)
    variance = sum(weight * each**2 for each, weight in zip(residuals, weights, strict=True)) / sum(weights)
    found: list[float] = []
    for lag, assumed in enumerate(_MEMORY_ASSUMED, 1):
        products = pairs = 0.0
        for day in by_day.values():
            for hour, (residual, weight) in day.items():
                later = day.get(hour + lag)
                if later is not None:
                    pair = math.sqrt(weight * later[1])
                    pairs += pair
                    products += pair * residual * later[0]
        drawn = (products + _MEMORY_SHRINK * assumed * variance) / (
            (pairs + _MEMORY_SHRINK) * (variance or 1)
        )
        found.append(max(0.0, min(drawn, found[-1] if found else 1.0)))
    return (min(1.0, max(found[0], 2 * found[0] - found[1])), *found)


def _terciles(weights: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(zip(values, weights, strict=True))
    total, below = sum(weights), 0.0
    at: list[float] = []
    for value, weight in ordered:
        below += weight
        while len(at) < 2 and below >= total * (len(at) + 1) / 3:
            at.append(value)
    # Where nearly all hours are the same none of them is quiet or busy.
    middle = (at[0] + at[1]) / 2
    # A tenth inwards, since many hours may lie exactly at a tercile, such as empty nights.
    half = max(0.4 * (at[1] - at[0]), 0.05 * middle, 1e-9)
    return middle - half, middle + half


def _mean(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)


def _cell_of(hour: Hour, zone: ZoneInfo) -> Cell:
    at = from_ms(hour.start_ms, zone)
    return at.weekday(), at.hour
