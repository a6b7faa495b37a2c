"""Places that come from counters: who is staffed when, has which skill, and is taken for which ticks. Pure.

A visit occupies one counter that serves its service, for every whole tick that it touches; so no counter has
two visits in one tick, whatever their services. Of the counters that could take a visit, the one with the
fewest skills does, so that those who can do more stay free for what only they can do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from branchloop.clock import MINUTE_MS, from_ms
from branchloop.site.kiosk import Service
from branchloop.site.site import Site
from hub.loop.appointments import Slot

TICK_MS = 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Staffed:
    """A counter on a day: what it serves, and from when to when."""

    counter: str
    services: frozenset[str]
    spans_ms: tuple[tuple[int, int], ...]

    def can(self, service: str, start_ms: int, end_ms: int) -> bool:
        """Whether it serves that for all of the time."""
        return service in self.services and any(
            start <= start_ms and end_ms <= end for start, end in self.spans_ms
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """An appointment that needs a counter, and the one that is held for it."""

    appointment: str
    service: str
    start_ms: int
    end_ms: int
    counter: str | None = None


@dataclass(frozen=True, slots=True)
class Arranged:
    """A day's visits on its counters: taken ticks by counter, visits on another counter, and those without one."""

    taken: Mapping[str, frozenset[int]]
    assigned: Mapping[str, str]
    stranded: tuple[str, ...]


def staffed(site: Site, day: date) -> list[Staffed]:
    """A branch's counters on a local day."""
    return [
        Staffed(counter.id, frozenset(counter.services), tuple(site.counter_spans_ms(counter, day)))
        for counter in site.counters
    ]


def ticks(start_ms: int, end_ms: int) -> range:
    """Starts of the ticks that a time touches."""
    return range(start_ms - start_ms % TICK_MS, end_ms, TICK_MS)


def free_for(
    counters: Sequence[Staffed],
    taken: Mapping[str, Collection[int]],
    service: str,
    start_ms: int,
    end_ms: int,
) -> list[str]:
    """Counters that can take a visit, in the order of being chosen: the fewest skills first."""
    wanted = ticks(start_ms, end_ms)
    able = [
        each
        for each in counters
        if each.can(service, start_ms, end_ms)
        and not any(tick in taken.get(each.counter, ()) for tick in wanted)
    ]
    return [each.counter for each in sorted(able, key=lambda each: (len(each.services), each.counter))]


def arrange(counters: Sequence[Staffed], visits: Iterable[Visit]) -> Arranged:
    """Put visits on counters: each stays where it is held while that counter can take it.

    The others (booked before there were counters, or on one that is gone, has other hours or skills now)
    get another counter where one is free, in the order of their start; those who get none are stranded.
    """
    able = {each.counter: each for each in counters}
    taken: dict[str, set[int]] = {counter: set() for counter in able}
    homeless: list[Visit] = []
    for visit in visits:
        wanted = ticks(visit.start_ms, visit.end_ms)
        there = None if visit.counter is None else able.get(visit.counter)
        if (
            there is not None
            and there.can(visit.service, visit.start_ms, visit.end_ms)
            and taken[there.counter].isdisjoint(wanted)
        ):
            taken[there.counter].update(wanted)
        else:
            homeless.append(visit)
    assigned: dict[str, str] = {}
    stranded: list[str] = []
    for visit in sorted(homeless, key=lambda each: (each.start_ms, each.appointment)):
        found = free_for(counters, taken, visit.service, visit.start_ms, visit.end_ms)
        if found:
            assigned[visit.appointment] = found[0]
            taken[found[0]].update(ticks(visit.start_ms, visit.end_ms))
        else:
            stranded.append(visit.appointment)
    return Arranged({counter: frozenset(each) for counter, each in taken.items()}, assigned, tuple(stranded))


def slots(
    site: Site,
    service: Service,
    day: date,
    counters: Sequence[Staffed],
    taken: Mapping[str, Collection[int]],
    at_ms: int | None = None,
) -> list[Slot]:
    """Slots of a local day in order, at which any counter is staffed for the service; none ends after closing.

    With `at_ms`, only the one that starts then.
    """
    length_ms, step_ms = service.minutes * MINUTE_MS, service.slot_minutes * MINUTE_MS
    found: list[Slot] = []
    for open_ms, close_ms in site.open_spans_ms(day):
        for start_ms in range(open_ms, close_ms - length_ms + 1, step_ms):
            if at_ms is not None and start_ms != at_ms:
                continue
            end_ms = start_ms + length_ms
            places = sum(each.can(service.id, start_ms, end_ms) for each in counters)
            if places:
                free = len(free_for(counters, taken, service.id, start_ms, end_ms))
                found.append(Slot(start_ms, end_ms, places, free))
    return found


def open_now(site: Site, service: Service, now_ms: int) -> int:
    """Counters that serve something now: those configured and staffed, or as many as the service says."""
    if not site.counters:
        return service.counters
    day = from_ms(now_ms, site.zone_info).date()
    return sum(each.can(service.id, now_ms, now_ms) for each in staffed(site, day))
