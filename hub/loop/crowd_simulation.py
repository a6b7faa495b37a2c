"""A simulated branch by the week: weekdays and hours × slow drift × shocks of days × people who come and stay. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from branchloop.clock import HOUR_MS, MINUTE_MS, to_ms

ZONE = ZoneInfo("Asia/Shanghai")
FIRST = date(2026, 1, 5)
"""A Monday."""
OPENS_H, HOURS, DAYS_A_WEEK = 9, 8, 6
MINUTES = HOURS * 60
STAY_MIN = 18.0
BY_HOUR = (0.55, 1.0, 1.35, 1.1, 0.75, 1.05, 1.2, 0.6)
BY_DAY = (1.25, 1.0, 0.9, 0.95, 1.1, 0.8)
SALARY_DAY = 15
SALARY = 1.5
RAIN_SHARE, RAIN = 0.2, 0.75
_DRIFT = 0.03
"""Of the logarithm of a week's level, to the next week's."""
_DAY_NOISE = 0.12
_SLOW_NOISE, _SLOW_MIN = 0.2, 120.0


@dataclass(frozen=True, slots=True)
class Day:
    """A simulated day: people in the branch by the minute."""

    opens_ms: int
    people: NDArray[np.int64]

    def mean(self, from_min: int, to_min: int) -> float:
        """Mean people over minutes of the day."""
        return float(self.people[from_min:to_min].mean())

    def hours(self) -> list[tuple[int, float]]:
        """Start (UTC ms) and mean of each hour."""
        return [
            (self.opens_ms + hour * HOUR_MS, self.mean(hour * 60, hour * 60 + 60)) for hour in range(HOURS)
        ]


def weeks(count: int, size: float, seed: int) -> list[Day]:
    """So many weeks of a branch that holds `size` people in the mean, the days in order."""
    rng = np.random.default_rng(seed)
    drift = np.cumsum(rng.normal(0, _DRIFT, count))
    tilt = rng.normal(0, 0.15, (DAYS_A_WEEK, HOURS))  # every branch has a pattern of its own
    found = []
    for week in range(count):
        for weekday in range(DAYS_A_WEEK):
            day = FIRST + timedelta(days=7 * week + weekday)
            shock = rng.normal(0, _DAY_NOISE)
            shock += math.log(SALARY) if abs(day.day - SALARY_DAY) <= 1 else 0.0
            shock += math.log(RAIN) if rng.random() < RAIN_SHARE else 0.0
            level = size * BY_DAY[weekday] * math.exp(drift[week] + shock)
            hourly = [BY_HOUR[hour] * math.exp(tilt[weekday, hour]) for hour in range(HOURS)]
            expected = level * _by_minute(hourly) * np.exp(_slow(rng))
            found.append(Day(opening_ms(day), _stays(expected, rng)))
    return found


def opening_ms(day: date) -> int:
    """When a day opens."""
    return to_ms(datetime(day.year, day.month, day.day, OPENS_H, tzinfo=ZONE))


def _by_minute(hourly: Sequence[float]) -> NDArray[np.float64]:
    middles = np.arange(HOURS) * 60 + 30
    found: NDArray[np.float64] = np.interp(np.arange(MINUTES), middles, np.asarray(hourly))
    return found


def _slow(rng: np.random.Generator) -> NDArray[np.float64]:
    keep = math.exp(-1 / _SLOW_MIN)
    path = np.empty(MINUTES)
    at = rng.normal(0, _SLOW_NOISE)
    for minute in range(MINUTES):
        at = keep * at + rng.normal(0, _SLOW_NOISE * math.sqrt(1 - keep**2))
        path[minute] = at
    return path


def _stays(expected: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    stays = math.exp(-1 / STAY_MIN)
    people = np.empty(MINUTES, np.int64)
    now = int(rng.poisson(expected[0] * 0.3))
    for minute in range(MINUTES):
        now = int(rng.binomial(now, stays)) + int(rng.poisson(expected[minute] * (1 - stays)))
        people[minute] = now
    return people


COUNTERS = 3
SERVICE_MIN, SERVICE_SPREAD = 7.0, 0.6
LOADS = (0.7, 0.78, 0.86)
"""What comes on a usual day, as a share of what the counters can serve; with the last, Mondays are overloaded."""
BOOKED_SHARE = 0.4
SLOT_MIN = 15
PER_SLOT = 3
SUITS = 8
"""So many slots of a day would suit somebody who books; which of them is taken is what steering is about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A day's demand: arrivals of walk-ins, the slots that suit each who books, and everybody's length of service."""

    opens_ms: int
    walk_ins: list[float]
    suits: list[list[int]]
    lengths: list[float]


def asked(week: int, weekday: int, load: float, seed: int) -> Asked:
    """The demand of a day, in minutes from opening."""
    rng = np.random.default_rng((seed, week, weekday))
    mean = SERVICE_MIN * math.exp(SERVICE_SPREAD**2 / 2)
    total = load * COUNTERS * MINUTES / mean * BY_DAY[weekday] * math.exp(rng.normal(0, _DAY_NOISE))
    shape = _by_minute(BY_HOUR)
    walk_ins = rng.poisson(total * (1 - BOOKED_SHARE) / shape.sum() * shape)
    arrivals = [minute + float(rng.random()) for minute in range(MINUTES) for _ in range(walk_ins[minute])]
    last = MINUTES // SLOT_MIN
    wishes = shape.reshape(last, SLOT_MIN).sum(axis=1)
    booked = int(rng.poisson(total * BOOKED_SHARE))
    suits = [
        sorted(int(s) for s in rng.choice(last, SUITS, replace=False, p=wishes / wishes.sum()))
        for _ in range(booked)
    ]
    lengths = rng.lognormal(math.log(SERVICE_MIN), SERVICE_SPREAD, len(arrivals) + booked)
    day = FIRST + timedelta(days=7 * week + weekday)
    return Asked(opening_ms(day), sorted(arrivals), suits, [float(each) for each in lengths])


Choice = Callable[[list[int], dict[int, int]], int]
"""Of the slots that suit and are free, and who is booked in which: the one taken."""


def booked(day: Asked, choose: Choice) -> dict[int, int]:
    """Slot -> bookings, everybody choosing in turn; who finds all that suit full stays away."""
    taken: dict[int, int] = {}
    for suits in day.suits:
        free = [slot for slot in suits if taken.get(slot, 0) < PER_SLOT]
        if free:
            slot = choose(free, taken)
            taken[slot] = taken.get(slot, 0) + 1
    return taken


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a day: waits in minutes, and people in the branch by the minute."""

    waits: list[float]
    people: NDArray[np.int64]


def course(day: Asked, taken: dict[int, int]) -> Course:
    """First come, first served at the counters."""
    arrivals = sorted(
        [*day.walk_ins, *(slot * SLOT_MIN + 0.0 for slot, count in taken.items() for _ in range(count))]
    )
    free = [0.0] * COUNTERS
    waits = []
    changes = np.zeros(MINUTES + 1, np.int64)
    for arrived, length in zip(arrivals, day.lengths, strict=False):
        called = max(arrived, heapq.heappop(free))
        heapq.heappush(free, called + length)
        waits.append(called - arrived)
        changes[int(arrived)] += 1
        changes[min(MINUTES, math.ceil(called + length))] -= 1
    return Course(waits, np.cumsum(changes)[:MINUTES])


def slot_ms(day: Asked, slot: int) -> tuple[int, int]:
    """Start and end (UTC ms) of a slot."""
    start_ms = day.opens_ms + slot * SLOT_MIN * MINUTE_MS
    return start_ms, start_ms + SLOT_MIN * MINUTE_MS
