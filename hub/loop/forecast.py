"""How long somebody will wait, with an interval, from what finished services taught. Pure.

Lengths of service are taken as lognormal. What is left of a running service is conditioned on how long it
runs already; those ahead go to the counter that is free first; 800 drawn courses give the median and the
interval. The draws are seeded, so the same queue is told the same wait.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

PATHS = 800
SEED = 20
SHRINK = 10
"""The planned length counts as much as so many finished services."""
MEASURED_LEAST = 10
PLANNED_SPREAD = 0.6
"""Of the logarithm of a length, as long as nothing is measured."""
INTERVAL = (0.1, 0.9)
_FAR = 3.5
_GRID_Z = np.linspace(-6.0, 6.0, 2401)
_GRID_U = np.array([NormalDist().cdf(float(z)) for z in _GRID_Z])


@dataclass(frozen=True, slots=True)
class Lengths:
    """What is known of a service's lengths: mean and spread of the logarithm of seconds, from `samples`."""

    log_mean: float
    log_spread: float
    samples: int


@dataclass(frozen=True, slots=True)
class Running:
    """Somebody who is being served, for so long already."""

    lengths: Lengths
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """A forecast: the median and the interval that holds 80 of 100 waits; `samples` finished services taught it."""

    low_s: float
    expected_s: float
    high_s: float
    basis: Literal["measured", "planned"]
    samples: int


def learn(lengths_s: Iterable[float], planned_s: float | None) -> Lengths | None:
    """What finished services tell, drawn towards the planned length when few; None when nothing is known."""
    logs = [math.log(length_s) for length_s in lengths_s if length_s > 0]
    count = len(logs)
    if planned_s is None or planned_s <= 0:
        if count < MEASURED_LEAST:
            return None
        mean = math.fsum(logs) / count
        return Lengths(mean, math.sqrt(math.fsum((log - mean) ** 2 for log in logs) / (count - 1)), count)
    prior = math.log(planned_s) - PLANNED_SPREAD**2 / 2
    if not logs:
        return Lengths(prior, PLANNED_SPREAD, 0)
    own = math.fsum(logs) / count
    squares = math.fsum((log - own) ** 2 for log in logs)
    # With few, the planned length is one more source; with many, a wrong plan must not stay in the forecast.
    weight = 1.0 if count >= MEASURED_LEAST * SHRINK else count / (count + SHRINK)
    planned = SHRINK if weight < 1 else 0
    spread = math.sqrt((squares + planned * PLANNED_SPREAD**2) / (count - 1 + planned))
    return Lengths(weight * own + (1 - weight) * prior, spread, count)


def forecast(
    ahead: Sequence[Lengths | None], running: Sequence[Running | None], counters: int
) -> Wait | None:
    """The wait of whoever comes after `ahead`, in the order of being called, with `counters` open.

    None when no counter is open or somebody's service is not known at all: never a wait of 0 instead.
    """
    if counters < 1:
        return None
    known = [lengths for lengths in ahead if lengths is not None]
    served = [each for each in running if each is not None]
    if len(known) < len(ahead) or len(served) < len(running):
        return None
    waits_s = courses_s(known, served, counters, PATHS, SEED)
    low_s, expected_s, high_s = (
        float(each) for each in np.quantile(waits_s, (INTERVAL[0], 0.5, INTERVAL[1]))
    )
    samples = min((lengths.samples for lengths in (*known, *(each.lengths for each in served))), default=0)
    return Wait(low_s, expected_s, high_s, "measured" if samples >= MEASURED_LEAST else "planned", samples)


def courses_s(
    ahead: Sequence[Lengths], running: Sequence[Running], counters: int, paths: int, seed: int
) -> NDArray[np.float64]:
    """Drawn waits, one a course. A counter that still serves counts as open."""
    rng = np.random.default_rng(seed)
    free_s = np.zeros((paths, max(counters, len(running))))
    for counter, each in enumerate(running):
        free_s[:, counter] = left_s(each, rng.random(paths))
    rows = np.arange(paths)
    for lengths in ahead:
        first = free_s.argmin(axis=1)
        free_s[rows, first] += np.exp(lengths.log_mean + lengths.log_spread * rng.standard_normal(paths))
    waits_s: NDArray[np.float64] = free_s.min(axis=1)
    return waits_s


def left_s(running: Running, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of a running service, given how long it runs already."""
    lengths, elapsed_s = running.lengths, max(running.elapsed_s, 1e-3)
    spread = max(lengths.log_spread, 1e-6)
    at = (math.log(elapsed_s) - lengths.log_mean) / spread
    if at > _FAR:
        # So far out the distribution function has no digits left; the normal tail is nearly exponential.
        beyond = at - np.log1p(-uniform) / at
    else:
        below = NormalDist().cdf(at)
        beyond = np.interp(below + (1 - below) * uniform, _GRID_U, _GRID_Z)
    left_s: NDArray[np.float64] = np.maximum(np.exp(lengths.log_mean + spread * beyond) - elapsed_s, 0.0)
    return left_s
