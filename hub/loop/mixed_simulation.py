"""A simulated branch as it is: appointments of whom some do not come, people without tickets, a counter that is not open. Pure.

Everybody is called in the order of promised times. The book knows appointments and tickets; who takes none
stands in the queue all the same, where only the floor's sensing sees them.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hub.loop.queue_simulation import LOADS, OPEN_S, SHARES, TRUE, mean_s

NO_SHOW = 0.15
EARLY_S, SPREAD_S = 300.0, 360.0
"""Who has an appointment comes so much before it, give or take."""
WALK_IN_S = 900.0
SLOT_S = 900.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What a day is like: the share of customers with appointments, and without tickets; a counter fewer than configured."""

    name: str
    booked: float = 0.0
    unticketed: float = 0.0
    short: bool = False


SCENES = (
    Scene("plain"), Scene("appointments", booked=0.4), Scene("no tickets", unticketed=0.2),
    Scene("counter short", short=True), Scene("all", booked=0.4, unticketed=0.2, short=True),
)  # fmt: skip


@dataclass(slots=True)
class Guest:
    """A customer, in seconds from opening; `arrived_s` is None for who does not come."""

    service: int
    due_s: float
    arrived_s: float | None
    booked_s: float | None
    """The appointed time; None for who walks in."""
    ticket: bool
    length_s: float
    called_s: float | None = None
    served_s: float | None = None


def day(scene: Scene, counters: int, seed: int) -> list[Guest]:
    """A day in the order of arrival, those who did not come last."""
    rng = random.Random(seed)  # noqa: S311 - a simulation
    guests: list[Guest] = []
    top = counters * max(LOADS) / mean_s() * (1 - scene.booked)
    now_s = rng.expovariate(top)
    while now_s < OPEN_S:
        if rng.random() * max(LOADS) < LOADS[int(now_s // 3600)]:
            due_s = now_s + WALK_IN_S
            guests.append(_guest(rng, due_s, now_s, None, ticket=rng.random() >= scene.unticketed))
        now_s += rng.expovariate(top)
    slot_s = 0.0
    while scene.booked and slot_s < OPEN_S:
        load = counters * LOADS[int(slot_s // 3600)] / mean_s() * scene.booked * SLOT_S / (1 - NO_SHOW)
        for _ in range(int(load) + (rng.random() < load % 1)):
            came_s = max(0.0, slot_s + rng.gauss(-EARLY_S, SPREAD_S))
            late_s = max(-1800.0, min(900.0, came_s - slot_s))
            came = None if rng.random() < NO_SHOW else max(0.0, slot_s + late_s)
            guests.append(
                _guest(rng, slot_s if came is None else max(slot_s, came), came, slot_s, ticket=True)
            )
        slot_s += SLOT_S
    _serve(guests, counters)
    return sorted(guests, key=lambda each: (each.arrived_s is None, each.arrived_s or 0.0))


def _guest(
    rng: random.Random, due_s: float, arrived_s: float | None, booked_s: float | None, *, ticket: bool
) -> Guest:
    service = rng.choices(range(len(TRUE)), SHARES)[0]
    length_s = rng.lognormvariate(TRUE[service].log_mean, TRUE[service].log_spread)
    return Guest(service, due_s, arrived_s, booked_s, ticket, length_s)


def _serve(guests: Sequence[Guest], counters: int) -> None:
    coming = sorted(
        (each for each in guests if each.arrived_s is not None), key=lambda each: each.arrived_s or 0.0
    )
    free = [(0.0, number) for number in range(counters)]
    heapq.heapify(free)
    present: list[tuple[float, int, Guest]] = []
    at = 0
    while free and (at < len(coming) or present):
        free_s, number = heapq.heappop(free)
        if not present and at < len(coming):
            free_s = max(free_s, coming[at].arrived_s or 0.0)
        while at < len(coming) and (coming[at].arrived_s or 0.0) <= free_s:
            heapq.heappush(present, (coming[at].due_s, at, coming[at]))
            at += 1
        if not present:
            heapq.heappush(free, (free_s, number))
            continue
        guest = heapq.heappop(present)[2]
        guest.called_s, guest.served_s = free_s, free_s + guest.length_s
        heapq.heappush(free, (guest.served_s, number))
