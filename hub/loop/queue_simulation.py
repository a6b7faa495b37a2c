"""A simulated branch: two services, counters, Poisson arrivals that swell and ebb, lognormal services. Pure."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hub.loop.forecast import Lengths

TRUE: tuple[Lengths, ...] = (Lengths(math.log(240), 0.55, 0), Lengths(math.log(600), 0.75, 0))
"""Counter business and advice; the spread is of the logarithm."""
SHARES = (0.7, 0.3)
OPEN_S = 8 * 3600.0
LOADS = (0.5, 0.9, 1.15, 0.8, 0.7, 1.0, 1.1, 0.6)
"""What arrives in each hour, as a share of what the counters can serve."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a simulated day, in seconds from opening."""

    service: int
    arrived_s: float
    called_s: float
    served_s: float


def day(counters: int, seed: int) -> list[Visit]:
    """A day with so many counters, first come first served, in the order of arrival."""
    rng = random.Random(seed)  # noqa: S311 - a simulation
    top = counters * max(LOADS) / mean_s()
    free_s = [0.0] * counters
    visits: list[Visit] = []
    now_s = rng.expovariate(top)
    while now_s < OPEN_S:
        if rng.random() * max(LOADS) < LOADS[int(now_s // 3600)]:
            service = rng.choices(range(len(TRUE)), SHARES)[0]
            called_s = max(now_s, heapq.heappop(free_s))
            served_s = called_s + rng.lognormvariate(TRUE[service].log_mean, TRUE[service].log_spread)
            heapq.heappush(free_s, served_s)
            visits.append(Visit(service, now_s, called_s, served_s))
        now_s += rng.expovariate(top)
    return visits


def mean_s() -> float:
    """The mean length of a service."""
    return sum(
        share * math.exp(each.log_mean + each.log_spread**2 / 2)
        for share, each in zip(SHARES, TRUE, strict=True)
    )


def seen_by(visits: Sequence[Visit], index: int) -> tuple[list[int], list[tuple[int, float]]]:
    """What can be known when visit `index` arrives: services ahead in order, and (service, elapsed s) in service."""
    now_s = visits[index].arrived_s
    before = visits[:index]
    ahead = [each.service for each in before if each.called_s > now_s]
    running = [
        (each.service, now_s - each.called_s) for each in before if each.called_s <= now_s < each.served_s
    ]
    return ahead, running
