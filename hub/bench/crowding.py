"""The crowding part of `branchloop bench loop`: forecast beside the plain mean, steering beside chance. Simulated."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import click

from branchloop.clock import HOUR_MS, MINUTE_MS, from_ms
from hub.loop import crowd_simulation as simulated
from hub.loop.crowding import Cell, Hour, Profile, learn, live, look, pressure

PAST_WEEKS = 10
SIZES = (6.0, 15.0, 35.0)
AHEAD_MIN = (15, 60, 180)
TARGET_MIN = 15
OPEN_WEEK_H = float(simulated.HOURS * simulated.DAYS_A_WEEK)
RUNS = 4
"""Simulated histories and days of steering; their ratios are told from the least to the greatest."""
HELD_OUT = 2_000_000
"""Seeds from here on are of branches that nothing was tuned with."""
_ZONE = simulated.ZONE
_LIVE_HALF_LIFE_MIN = 20


@dataclass(slots=True)
class Errors:
    """Absolute errors in people, and how many truths the interval held."""

    forecast: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    covered: int = 0

    @property
    def ratio(self) -> float:
        """The forecast's mean error over that of the plain mean."""
        return statistics.fmean(self.forecast) / statistics.fmean(self.plain)


def measure(weeks: int, branches: int = 4, seed: int = HELD_OUT) -> dict[str, Errors]:
    """Horizon -> errors, over so many held-out weeks of branches of each size."""
    found: dict[str, Errors] = {}
    for number, size in enumerate(size for size in SIZES for _ in range(branches)):
        days = simulated.weeks(PAST_WEEKS + weeks, size, seed + number)
        first = PAST_WEEKS * simulated.DAYS_A_WEEK
        for index in range(first, len(days)):
            past = [hour for day in days[:index] for hour in day.hours()]
            profile = _learned(past, days[index].opens_ms)
            plain = _plain(past)
            _next_day(found.setdefault("next day", Errors()), profile, plain, days[index])
            for at_min in range(60, simulated.MINUTES, 30):
                for ahead in AHEAD_MIN:
                    if at_min + ahead + TARGET_MIN <= simulated.MINUTES:
                        errors = found.setdefault(f"{ahead} min", Errors())
                        _ahead(errors, profile, plain, days[index], at_min, ahead)
    return found


def _learned(past: list[tuple[int, float]], now_ms: int) -> Profile:
    profile = learn((Hour(start_ms, mean, 1.0) for start_ms, mean in past), now_ms, _ZONE, OPEN_WEEK_H)
    if profile is None:
        raise ValueError("the simulated history is too thin")
    return profile


def _plain(past: list[tuple[int, float]]) -> dict[Cell, float]:
    cells: dict[Cell, list[float]] = {}
    for start_ms, mean in past:
        cells.setdefault(_cell(start_ms), []).append(mean)
    return {cell: statistics.fmean(values) for cell, values in cells.items()}


def _cell(t_ms: int) -> Cell:
    at = from_ms(t_ms, _ZONE)
    return at.weekday(), at.hour


def _next_day(errors: Errors, profile: Profile, plain: Mapping[Cell, float], day: simulated.Day) -> None:
    for start_ms, mean in day.hours():
        told = profile.expect(start_ms, start_ms + HOUR_MS, _ZONE)
        errors.forecast.append(abs(told.people - mean))
        errors.plain.append(abs(plain[_cell(start_ms)] - mean))
        errors.covered += told.low <= mean <= told.high


def _ahead(
    errors: Errors, profile: Profile, plain: Mapping[Cell, float], day: simulated.Day, at_min: int, ahead: int
) -> None:
    measured = [
        (
            day.opens_ms + minute * MINUTE_MS + MINUTE_MS // 2,
            float(day.people[minute]),
            0.5 ** ((at_min - minute) / _LIVE_HALF_LIFE_MIN),
        )
        for minute in range(at_min - 60, at_min)
    ]
    target = at_min + ahead
    start_ms = day.opens_ms + target * MINUTE_MS
    told = profile.expect(start_ms, start_ms + TARGET_MIN * MINUTE_MS, _ZONE, live(measured, profile, _ZONE))
    mean = day.mean(target, target + TARGET_MIN)
    errors.forecast.append(abs(told.people - mean))
    errors.plain.append(abs(plain[_cell(start_ms)] - mean))
    errors.covered += told.low <= mean <= told.high


@dataclass(frozen=True, slots=True)
class Steered:
    """What a way of choosing slots came to, in the mean of the days."""

    peak: float
    """Most people in any quarter of an hour."""
    wait_min: float
    served: int


def steer(days: int, load: float, seed: int = HELD_OUT) -> dict[str, Steered]:
    """Way of choosing -> what came of it, the same customers each time."""
    chance = random.Random(seed)  # noqa: S311 - a simulation
    past: list[Hour] = []
    loads: dict[Cell, list[float]] = {}
    for week in range(PAST_WEEKS):
        for weekday in range(simulated.DAYS_A_WEEK):
            day = simulated.asked(week, weekday, load, seed)
            taken = simulated.booked(day, lambda free, _: chance.choice(free))
            people = simulated.course(day, taken).people
            for hour in range(simulated.HOURS):
                start_ms = day.opens_ms + hour * HOUR_MS
                past.append(Hour(start_ms, float(people[hour * 60 : hour * 60 + 60].mean()), 1.0))
                slots = range(hour * 60 // simulated.SLOT_MIN, (hour + 1) * 60 // simulated.SLOT_MIN)
                loads.setdefault(_cell(start_ms), []).append(
                    statistics.fmean(taken.get(slot, 0) for slot in slots)
                )
    usual = {cell: statistics.fmean(values) for cell, values in loads.items()}
    found: dict[str, list[tuple[float, float, int]]] = {"random": [], "earliest": [], "best": []}
    for number in range(days):
        week, weekday = PAST_WEEKS + number // simulated.DAYS_A_WEEK, number % simulated.DAYS_A_WEEK
        day = simulated.asked(week, weekday, load, seed)
        profile = learn(past, day.opens_ms, _ZONE, OPEN_WEEK_H)
        if profile is None:
            raise ValueError("the simulated history is too thin")
        for way, choose in {
            "random": lambda free, _: chance.choice(free),
            "earliest": lambda free, _: free[0],
            "best": _best(day, profile, usual),
        }.items():
            became = simulated.course(day, simulated.booked(day, choose))
            quarters = became.people.reshape(-1, simulated.SLOT_MIN).mean(axis=1)
            found[way].append((float(quarters.max()), statistics.fmean(became.waits), len(became.waits)))
    return {
        way: Steered(
            statistics.fmean(peak for peak, _, _ in each),
            sum(wait * count for _, wait, count in each) / sum(count for _, _, count in each),
            sum(count for _, _, count in each),
        )
        for way, each in found.items()
    }


def _best(day: simulated.Asked, profile: Profile, usual: Mapping[Cell, float]) -> simulated.Choice:
    closes_ms = day.opens_ms + simulated.MINUTES * MINUTE_MS
    slots = range(simulated.MINUTES // simulated.SLOT_MIN)
    starts = [simulated.slot_ms(day, slot)[0] for slot in slots]
    usually = [usual[_cell(start_ms)] for start_ms in starts]
    people: dict[int, float] = {}

    def expected(slot: int, taken: Mapping[int, int]) -> float:
        stretch = look(starts[slot], closes_ms)
        within = [each for each in slots if starts[slot] <= starts[each] < stretch[1]]
        if slot not in people:
            people[slot] = profile.expect(*stretch, _ZONE).people
        return pressure(
            people[slot],
            statistics.fmean(taken.get(each, 0) for each in within),
            statistics.fmean(usually[each] for each in within),
        )

    def choose(free: list[int], taken: dict[int, int]) -> int:
        return min(free, key=lambda slot: (expected(slot, taken), slot))

    return choose


def report(weeks: int, days: int) -> None:
    """Print both tables."""
    click.echo("")
    click.echo(
        "Crowding, simulated. Mean absolute error of the forecast of people, beside the mean per weekday and hour."
    )
    click.echo("   ahead  forecasts  forecast  plain mean   ratio  interval covers")
    for horizon, errors in measure(weeks).items():
        click.echo(
            f"{horizon:>8s}  {len(errors.forecast):9d}  {statistics.fmean(errors.forecast):8.2f}  "
            f"{statistics.fmean(errors.plain):10.2f}  {errors.ratio:6.3f}  {errors.covered / len(errors.forecast):15.1%}"
        )
    click.echo("")
    click.echo(
        f"Steering, simulated. {simulated.BOOKED_SHARE:.0%} of customers book one of {simulated.SUITS} slots that suit."
    )
    click.echo("    load  choosing  peak people  /random  mean wait min  /random  from to      customers")
    for load in simulated.LOADS:
        runs = [steer(days, load, HELD_OUT + run) for run in range(RUNS)]
        chance = _together([run["random"] for run in runs])
        for way in runs[0]:
            each = _together([run[way] for run in runs])
            ratios = sorted(run[way].wait_min / run["random"].wait_min for run in runs)
            click.echo(
                f"{load:8.2f}  {way:>8s}  {each.peak:11.1f}  {each.peak / chance.peak:7.3f}  {each.wait_min:13.1f}  "
                f"{each.wait_min / chance.wait_min:7.3f}  {ratios[0]:.3f} {ratios[-1]:.3f}  {each.served:9d}"
            )


def _together(runs: Sequence[Steered]) -> Steered:
    served = sum(run.served for run in runs)
    return Steered(
        statistics.fmean(run.peak for run in runs),
        sum(run.wait_min * run.served for run in runs) / served,
        served,
    )


if __name__ == "__main__":
    report(4, 60)
