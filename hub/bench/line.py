"""The second part of `branchloop bench loop`: the reconciled forecast beside the plain one, where a branch is not plain."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hub.loop.forecast import Lengths, Running, Wait, forecast, learn
from hub.loop.line import Coming, Desk, Floor, Line, Person, Seen, learn_coming, open_counters
from hub.loop.mixed_simulation import Guest, Scene, day
from hub.loop.queue_simulation import SHARES, TRUE

PAST_DAYS = 28
PLANNED_S = (300.0, 900.0)
AHEAD_S = 3600.0
NAMES = tuple(str(number) for number in range(len(TRUE)))


@dataclass(frozen=True, slots=True)
class Compared:
    """Of one scene: mean absolute errors in seconds, shares of waits within the interval."""

    scene: str
    counters: int
    waits: int
    plain_s: float
    reconciled_s: float
    plain_covered: float
    reconciled_covered: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What the past days teach, as the book has them."""

    lengths: list[Lengths]
    coming: Coming


def compare(scene: Scene, counters: int, days: int, seed: int) -> Compared:
    """Forecast every ticket that did not go straight to a counter. Raises ValueError when a day had none."""
    learned, configured = _learn(scene, counters), counters + scene.short
    told: list[tuple[float, Wait, Wait]] = []
    for each in range(days):
        guests = day(scene, counters, seed + counters * 1000 + each)
        for guest in guests:
            found = _told(guest, guests, learned, configured)
            if found is not None:
                told.append(found)
    if not told:
        raise ValueError("nobody waited in the simulated days")
    return Compared(
        scene.name,
        counters,
        len(told),
        statistics.fmean(abs(plain.expected_s - actual_s) for actual_s, plain, _ in told),
        statistics.fmean(abs(both.expected_s - actual_s) for actual_s, _, both in told),
        statistics.fmean(plain.low_s <= actual_s <= plain.high_s for actual_s, plain, _ in told),
        statistics.fmean(both.low_s <= actual_s <= both.high_s for actual_s, _, both in told),
    )


def _learn(scene: Scene, counters: int) -> Learned:
    lengths: list[list[float]] = [[] for _ in TRUE]
    offsets_s: list[float] = []
    missed = 0
    for each in range(PAST_DAYS):
        for guest in day(scene, counters, counters * 1000 + each):
            if guest.called_s is not None and guest.ticket:
                lengths[guest.service].append(guest.length_s)
            if guest.booked_s is not None and guest.arrived_s is not None:
                offsets_s.append(guest.arrived_s - guest.booked_s)
            missed += guest.arrived_s is None
    found = [learn(each, planned_s) for each, planned_s in zip(lengths, PLANNED_S, strict=True)]
    return Learned([each for each in found if each is not None], learn_coming(offsets_s, missed))


def _told(
    guest: Guest, guests: Sequence[Guest], learned: Learned, counters: int
) -> tuple[float, Wait, Wait] | None:
    """Wait, plain and reconciled forecast of a ticket; None for who took none, or found a counter free."""
    now_s = guest.arrived_s
    if now_s is None or not guest.ticket or guest.called_s is None or guest.called_s - now_s < 1:
        return None
    here = [
        each
        for each in guests
        if each is not guest and each.arrived_s is not None and each.arrived_s <= now_s
    ]
    waiting = [each for each in here if each.called_s is None or each.called_s > now_s]
    tickets = [each for each in waiting if each.ticket]
    served = [
        each
        for each in here
        if each.called_s is not None and each.called_s <= now_s < (each.served_s or now_s)
    ]
    running = [
        Running(learned.lengths[each.service], now_s - (each.called_s or 0.0))
        for each in served
        if each.ticket
    ]
    plain = forecast([learned.lengths[each.service] for each in tickets], running, counters)
    expected = [
        each
        for each in guests
        if each.booked_s is not None
        and (each.arrived_s is None or each.arrived_s > now_s)
        and now_s - 900 <= each.booked_s < now_s + AHEAD_S
    ]
    seen = [
        Seen(
            each.arrived_s - now_s,
            None if each.called_s is None or each.called_s > now_s else each.called_s - now_s,
            None if each.served_s is None or each.served_s > now_s else each.served_s - now_s,
        )
        for each in here
        if each.ticket and each.arrived_s is not None
    ]
    floor = Floor(len(waiting), len(waiting) + len(served), len(served))
    opened = open_counters(seen, counters, floor)
    services = frozenset(NAMES)
    desks = [
        Desk(services, running[at] if at < len(running) else None) for at in range(max(opened, len(running)))
    ]
    line = Line(
        [
            *(_person(each, each.due_s, now_s, learned) for each in tickets),
            *(_person(each, each.booked_s or 0.0, now_s, learned, learned.coming) for each in expected),
        ],
        desks,
        dict(zip(NAMES, learned.lengths, strict=True)),
        dict(zip(NAMES, SHARES, strict=True)),
        floor,
    )
    both = line.wait(NAMES[guest.service], guest.due_s - now_s)
    if plain is None or both is None:
        return None
    return guest.called_s - now_s, plain, both.wait


def _person(
    guest: Guest, due_s: float, now_s: float, learned: Learned, coming: Coming | None = None
) -> Person:
    return Person(NAMES[guest.service], learned.lengths[guest.service], due_s - now_s, coming)
