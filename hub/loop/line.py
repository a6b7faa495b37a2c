"""The line as it may go on: who is here, who is expected, which counters serve what. Pure.

Whoever is called next is the one present with the earliest promised time (`hub.loop.queue`) that the free
counter serves. Who has an appointment or a ticket from afar and is not here yet comes with a probability, at
a time drawn from how others came; only if they are here before somebody is called, and were promised an
earlier time, do they pass.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hub.loop.forecast import (
    INTERVAL,
    MEASURED_LEAST,
    PATHS,
    SEED,
    Lengths,
    Running,
    Wait,
    courses_s,
    left_s,
)

Draws = NDArray[np.float64]

NO_SHOW = 0.1
NO_SHOW_WEIGHT = 10
"""A share of no-shows that counts as much as so many appointments, until the book has taught it."""
OFFSETS_S: tuple[float, ...] = tuple(float(s) for s in range(-900, 301, 60))
"""When people come, before and after the appointed time, as long as nothing is measured."""
FULL_PATHS_FOR, LEAST_PATHS = 40, 200
"""A longer line is drawn less often: its time would grow with the square, its spread is smaller by itself."""
SEEN_S = 3600.0
CALLS_SEEN = 3
IDLE_S = 120.0
"""A counter that serves nobody while somebody has waited this long for it is not open."""


@dataclass(frozen=True, slots=True)
class Coming:
    """How those with an appointment come: the share that does not, and seconds after the promised time, sorted."""

    no_show: float = NO_SHOW
    offsets_s: tuple[float, ...] = OFFSETS_S

    def shows(self, start_s: float) -> float:
        """The probability that somebody promised for `start_s` from now, who is not here yet, still comes."""
        left = self._later(start_s).size / len(self.offsets_s)
        come = (1 - self.no_show) * left
        return come / (come + self.no_show) if come else 0.0

    def at_s(self, start_s: float, uniform: Draws) -> Draws:
        """Drawn times of coming from now on."""
        later = self._later(start_s)
        found: Draws = start_s + later[(uniform * later.size).astype(np.intp)]
        return found

    def _later(self, start_s: float) -> Draws:
        offsets = np.asarray(self.offsets_s)
        later: Draws = offsets[offsets > -start_s]
        return later


def learn_coming(offsets_s: Iterable[float], missed: int) -> Coming:
    """What past appointments tell of those to come."""
    came = sorted(offsets_s)
    share = (missed + NO_SHOW * NO_SHOW_WEIGHT) / (missed + len(came) + NO_SHOW_WEIGHT)
    return Coming(share, tuple(came) if len(came) >= MEASURED_LEAST else OFFSETS_S)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in line, or expected with `coming`: promised for `due_s` seconds from now."""

    service: str
    lengths: Lengths
    due_s: float
    coming: Coming | None = None
    appointment: str = ""
    here: bool = True
    """False of who counts as ahead and is not on the floor."""
    here_s: float = 0.0
    """For how long already, at this service."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A counter: what it serves, and whom now."""

    services: frozenset[str]
    running: Running | None = None


@dataclass(frozen=True, slots=True)
class Floor:
    """What the floor's sensing counts: people in queues, in the whole branch, and at counters."""

    queueing: int
    present: int
    at_counters: int = 0


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A wait, and what went into it beside the tickets ahead."""

    wait: Wait
    expected: int
    """Who is not here yet and may be called before."""
    floor_extra: int
    """People the floor counts in its queues beyond those with tickets, taken as further ahead."""
    gone: int
    """Tickets beyond the people the floor counts: their holders may have left, which widens the interval."""
    counters: int


@dataclass(slots=True)
class Line:
    """Everything that is known of a branch's line now. `shares` is what part of customers wants a service."""

    people: Sequence[Person]
    desks: Sequence[Desk]
    known: dict[str, Lengths]
    shares: dict[str, float] = field(default_factory=dict)
    floor: Floor | None = None

    def wait(self, service: str, due_s: float, *, holds: bool = False) -> Reconciled | None:
        """The wait of somebody promised for `due_s` from now; None when no counter serves it.

        `holds`: they are here with a ticket already, which is not among `people`.
        """
        mine = [desk for desk in self.desks if service in desk.services]
        if not mine:
            return None
        pool = pool_of(service, self.desks)
        desks = self._busy_unseen([desk for desk in self.desks if desk.services & pool])
        before = [
            each
            for each in self.people
            if each.service in pool
            and each.due_s < due_s
            and (each.coming is None or each.coming.shows(each.due_s) > 0)
        ]
        tickets = sum(each.coming is None and each.here for each in self.people) + holds
        extra, gone = beyond(self.floor, tickets)
        ahead = [*before, *self._unticketed(extra, pool)]
        waits_s = _courses(ahead, desks, service, due_s)
        low_s, middle_s, high_s = (
            float(each) for each in np.quantile(waits_s, (INTERVAL[0], 0.5, INTERVAL[1]))
        )
        here = [each for each in ahead if each.coming is None]
        if gone and here:  # no evidence that the wait is shorter, only that it may be
            stay = max(0, len(here) - gone)
            fewer = sorted(here, key=lambda each: each.due_s)[:stay]
            shorter = _courses([*fewer, *(each for each in ahead if each.coming)], desks, service, due_s)
            low_s = min(low_s, float(np.quantile(shorter, INTERVAL[0])))
        taught = [each.lengths for each in ahead] + [d.running.lengths for d in desks if d.running]
        samples = min((lengths.samples for lengths in taught), default=0)
        wait = Wait(low_s, middle_s, high_s, "measured" if samples >= MEASURED_LEAST else "planned", samples)
        return Reconciled(wait, len(ahead) - len(here), extra, gone if here else 0, len(mine))

    def _busy_unseen(self, desks: list[Desk]) -> list[Desk]:
        """Counters at which the floor sees people of whom no ticket tells serve somebody, one cannot know how long."""
        if self.floor is None:
            return desks
        unseen = self.floor.at_counters - sum(desk.running is not None for desk in self.desks)
        found = []
        for desk in desks:
            known = [self.known[each] for each in sorted(desk.services) if each in self.known]
            if desk.running is None and unseen > 0 and known:
                unseen -= 1
                likely = max(known, key=lambda each: each.log_mean)
                found.append(Desk(desk.services, Running(likely, 60.0)))
            else:
                found.append(desk)
        return found

    def _unticketed(self, extra: int, pool: Collection[str]) -> list[Person]:
        """People without tickets, by the share of each service, promised now; those of other pools left out."""
        whole = sum(self.shares.values())
        if not extra or not whole:
            return []
        exact = {service: extra * share / whole for service, share in self.shares.items()}
        given = {service: math.floor(value) for service, value in exact.items()}
        rest = sorted(exact, key=lambda service: given[service] - exact[service])
        for service in rest[: extra - sum(given.values())]:
            given[service] += 1
        return [
            Person(service, self.known[service], 0.0)
            for service, count in given.items()
            if service in pool and service in self.known
            for _ in range(count)
        ]


def beyond(floor: Floor | None, tickets: int) -> tuple[int, int]:
    """How many people the floor counts beyond the tickets, and how many tickets beyond the people.

    Only what is clear counts: two, and more than the square root of the tickets.
    """
    if floor is None:
        return 0, 0
    clear = max(2.0, math.sqrt(tickets))
    extra, gone = floor.queueing - tickets, tickets - floor.present
    return (extra if extra >= clear else 0), (gone if gone >= clear else 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit of the day in seconds from now, for telling how many counters are open."""

    since_s: float
    """At this service, by arrival or sent on."""
    called_s: float | None
    served_s: float | None


def open_counters(visits: Collection[Seen], configured: int, floor: Floor | None = None) -> int:
    """How many of the configured counters are open, as far as the calls of the last hour show.

    When somebody is called who had to wait, all that are open are busy. Where the floor sees people without
    tickets, a counter without a ticket proves nothing: then, while people queue, as many are open as the
    floor sees busy.
    """
    if configured < 1:
        return 0
    serving = sum(each.called_s is not None and each.served_s is None for each in visits)
    waiting = sum(each.called_s is None for each in visits)
    if floor is not None and (beyond(floor, waiting)[0] or floor.at_counters > serving):
        busy = floor.at_counters if floor.queueing and floor.at_counters else configured
        return max(serving, min(configured, busy))
    called = [(each, each.called_s) for each in visits if each.called_s is not None]
    lately = sorted(
        (at_s for each, at_s in called if at_s >= -SEEN_S and at_s - each.since_s > 60), reverse=True
    )[:CALLS_SEEN]
    busy_now = _busy(called, 0.0)
    found = max((_busy(called, at_s) for at_s in lately), default=configured)
    waits = any(each.called_s is None and each.since_s <= -IDLE_S for each in visits)
    if waits and 0 < busy_now < found:
        found = busy_now
    return max(1, busy_now, min(configured, found))


def _busy(called: Iterable[tuple[Seen, float]], at_s: float) -> int:
    return sum(
        called_s <= at_s and (each.served_s is None or each.served_s > at_s) for each, called_s in called
    )


def pool_of(service: str, desks: Sequence[Desk]) -> frozenset[str]:
    """Services that share counters with this one, directly or through others."""
    pool = {service}
    while True:
        more = {each for desk in desks if desk.services & pool for each in desk.services} - pool
        if not more:
            return frozenset(pool)
        pool |= more


def _courses(people: Sequence[Person], desks: Sequence[Desk], service: str, due_s: float) -> Draws:
    everybody = {service, *(each.service for each in people)}
    if all(each.coming is None for each in people) and all(everybody <= desk.services for desk in desks):
        running = [desk.running for desk in desks if desk.running is not None]
        ordered = sorted(people, key=lambda each: each.due_s)
        return courses_s([each.lengths for each in ordered], running, len(desks), PATHS, SEED)
    paths = min(PATHS, max(LEAST_PATHS, PATHS * FULL_PATHS_FOR // max(1, len(people))))
    return _drawn(people, desks, service, due_s, paths, SEED)


def _drawn(
    people: Sequence[Person], desks: Sequence[Desk], service: str, due_s: float, paths: int, seed: int
) -> Draws:
    """Drawn waits, one a course, in which every counter serves what it can."""
    rng = np.random.default_rng(seed)
    desks = sorted(
        desks, key=lambda desk: len(desk.services)
    )  # of two that are free, who serves less calls first
    count = len(people)
    free_s = np.zeros((paths, len(desks)))
    for number, desk in enumerate(desks):
        if desk.running is not None:
            free_s[:, number] = left_s(desk.running, rng.random(paths))
    here_s, promised_s = np.zeros((paths, count)), np.zeros((paths, count))
    length_s, there = np.zeros((paths, count)), np.ones((paths, count), dtype=bool)
    for number, each in enumerate(people):
        lengths = each.lengths
        length_s[:, number] = np.exp(lengths.log_mean + lengths.log_spread * rng.standard_normal(paths))
        promised_s[:, number] = each.due_s
        if each.coming is not None:
            shows = each.coming.shows(each.due_s)
            there[:, number] = rng.random(paths) < shows
            uniform = rng.random(paths)
            if shows:
                here_s[:, number] = each.coming.at_s(each.due_s, uniform)
                promised_s[:, number] = np.maximum(each.due_s, here_s[:, number])
    there &= promised_s < due_s
    serves = np.array([[each.service in desk.services for each in people] for desk in desks], dtype=bool)
    serves = serves.reshape(len(desks), count)
    mine = np.array([service in desk.services for desk in desks])
    waits_s = np.zeros(paths)
    rows = np.arange(paths)
    while rows.size:
        desk = free_s[rows].argmin(axis=1)
        now_s = free_s[rows, desk]
        can = there[rows] & serves[desk]
        due = np.where(can & (here_s[rows] <= now_s[:, None]), promised_s[rows], np.inf)
        first = due.argmin(axis=1) if count else np.zeros(rows.size, dtype=np.intp)
        somebody = np.isfinite(due.min(axis=1)) if count else np.zeros(rows.size, dtype=bool)
        done = ~somebody & mine[desk]
        waits_s[rows[done]] = now_s[done]
        at, who = rows[somebody], first[somebody]
        free_s[at, desk[somebody]] += length_s[at, who]
        there[at, who] = False
        idle = ~somebody & ~mine[desk]
        if idle.any():
            later = np.where(can[idle], here_s[rows[idle]], np.inf).min(axis=1, initial=np.inf)
            free_s[rows[idle], desk[idle]] = later
        rows = rows[~done]
    return waits_s
