"""What the book and the floor teach of the wait for each service; see `hub.loop.forecast` and `hub.loop.line`."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple, Protocol

from branchloop.clock import DAY_MS, MINUTE_MS, from_ms
from branchloop.site.site import Site
from branchloop.wire.commands import Expected, Queue
from hub.loop.capacity import staffed as staffed_on
from hub.loop.forecast import Lengths, Running, Wait, learn
from hub.loop.line import (
    IDLE_S,
    Coming,
    Desk,
    Floor,
    Line,
    Person,
    Reconciled,
    Seen,
    learn_coming,
    open_counters,
    pool_of,
)
from hub.loop.queue import Waiting
from hub.store.book.appointment import Appointment
from hub.store.book.kiosk_day import MEASURED_DAYS
from hub.store.book.midnight import IN_TIME, OPEN_CALL_MS, around
from hub.store.figures.reading import Reader

MOST_TAUGHT = 1_000
"""So many of the newest visits are learned from."""
AHEAD_MS = 120 * MINUTE_MS
"""Who is expected later than that is called before nobody who comes now."""
AFTER_S = 1e-3
"""Who comes now stands behind whoever was promised the same."""
MOST_TOLD = 10
"""So many of those who wait are told for how long at a kiosk; who is further behind, how many come before."""
FLOOR_MS = 2 * MINUTE_MS
FLOOR_FRESH_MS = 30_000
FLOOR_COVERED = 0.9


class InLine(Protocol):
    """The appointment book, as far as a forecast needs it."""

    def waiting(self, db: sqlite3.Connection, site: str, day: date) -> list[Waiting]:
        """Who has arrived and was not called, in the order of being called."""
        ...


def waits(
    db: sqlite3.Connection, book: InLine, site: Site, now_ms: int, coming: Mapping[str, int] | None = None
) -> dict[str, Wait | None]:
    """The wait, per service, of somebody without an appointment who comes now; None when it cannot be told.

    With `coming`, so many more are ahead as if they were here, in place of who is expected with a ticket from afar.
    """
    found: dict[str, Wait | None] = {}
    for service, told in reconciled(db, book, site, now_ms, coming).items():
        found[service] = None if told is None else told.wait
    return found


def reconciled(
    db: sqlite3.Connection, book: InLine, site: Site, now_ms: int, coming: Mapping[str, int] | None = None
) -> dict[str, Reconciled | None]:
    """The same with what went into it: tickets, who is expected, open counters, what the floor counts."""
    line = line_of(db, book, site, now_ms, coming)
    return {
        service.id: line.wait(service.id, service.walk_in_target_min * 60.0 + AFTER_S)
        for service in site.services
    }


@dataclass(frozen=True, slots=True)
class Own:
    """Where somebody who waits stands: how many come before at counters of theirs, and the wait from now; None when it cannot be told."""

    ahead: int
    wait: Wait | None


def wait_for(
    db: sqlite3.Connection, book: InLine, site: Site, appointment: Appointment, now_ms: int
) -> Own | None:
    """Of one who has arrived and was not called; None for everybody else."""
    if appointment.state != "arrived":
        return None
    day = from_ms(now_ms, site.zone_info).date()
    whole = book.waiting(db, site.id, day)
    at = next((at for at, each in enumerate(whole) if each.appointment == appointment.id), None)
    if at is None:
        return None
    return _own(line_of(db, book, site, now_ms), whole, at)


def _own(line: Line, whole: Sequence[Waiting], at: int, *, timed: bool = True) -> Own:
    """Of one in the line; only how many come before unless `timed`."""
    service = whole[at].service
    pool = pool_of(service, line.desks)
    before = sum(each.service in pool for each in whole[:at])
    here = [each for each in line.people if each.coming is None]
    coming = [each for each in line.people if each.coming is not None]
    me = next((each for each in here if each.appointment == whole[at].appointment), None)
    if me is None or not timed:
        return Own(before, None)
    first = {each.appointment for each in whole[:at]}
    people = [
        *(
            replace(each, due_s=min(each.due_s, me.due_s - 1e-6) if each.appointment in first else me.due_s)
            for each in here
            if each is not me
        ),
        *coming,
    ]
    told = replace(line, people=people).wait(service, me.due_s, holds=True)
    return Own(before, None if told is None else told.wait)


def line_of(
    db: sqlite3.Connection, book: InLine, site: Site, now_ms: int, coming: Mapping[str, int] | None = None
) -> Line:
    """Everything that is known of the branch's line now; `coming` as in `waits`."""
    local = from_ms(now_ms, site.zone_info)
    day = local.date()
    since = (day - timedelta(days=MEASURED_DAYS)).isoformat()
    known = {
        service.id: lengths
        for service in site.services
        for lengths in (_lengths(db, site.id, service.id, service.minutes * 60.0, now_ms),)
        if lengths is not None
    }
    visits = _visits(db, site, day, now_ms)
    since_ms = {visit.appointment: visit.since_ms for visit in visits}
    here = [
        Person(
            each.service, known[each.service], (max(each.start_ms, each.arrived_ms) - now_ms) / 1000,
            appointment=each.appointment,
            here_s=(now_ms - since_ms.get(each.appointment, each.arrived_ms)) / 1000,
        )
        for each in book.waiting(db, site.id, day)
        if each.service in known
    ]  # fmt: skip
    expected = _expected(db, site, known, since, day, now_ms)
    if coming is not None:
        counted = [service for service, count in coming.items() for _ in range(count) if service in known]
        expected = [(kind, each) for kind, each in expected if kind != "remote"]
        expected += [("remote", Person(service, known[service], 0.0, here=False)) for service in counted]
    shares = dict.fromkeys(known, 0.0)
    for service, count in db.execute(
        "SELECT service, count(*) FROM appointment WHERE site=? AND day>=? AND arrived_ms IS NOT NULL GROUP BY service",
        (site.id, since),
    ):
        if service in shares:
            shares[service] = float(count)
    floor = floor_now(db, site, now_ms)
    return Line(
        [*here, *(each for _, each in expected)],
        _desks(site, known, here, visits, floor, now_ms),
        known,
        shares if any(shares.values()) else dict.fromkeys(known, 1.0),
        floor,
    )


def floor_now(db: sqlite3.Connection, site: Site, now_ms: int) -> Floor | None:
    """What the floor counted over the last two minutes; None without queue zones, or when it saw too little."""
    if not any(zone.kind == "queue" for zone in site.zones):
        return None
    reader = Reader(db)
    end_ms = now_ms - now_ms % MINUTE_MS + MINUTE_MS
    span = (end_ms - FLOOR_MS, end_ms)
    sums = reader.sums(site, span)
    if not sums.windows_ms or sums.last_ms is None or now_ms - sums.last_ms > FLOOR_FRESH_MS:
        return None
    if sums.observed_ms < FLOOR_COVERED * sums.expected_ms or reader.faults(site, span):
        return None
    queueing = sum(
        queue.person_ms / queue.windows_ms for queue in reader.queues(site, span).values() if queue.windows_ms
    )
    zones = reader.zones(site, span)
    served = sum(
        zones[zone.id].person_ms
        for zone in site.zones
        if zone.kind in {"counter", "desk"} and zone.id in zones
    )
    return Floor(int(queueing), -int(-sums.person_ms // sums.windows_ms), round(served / sums.windows_ms))


def _expected(
    db: sqlite3.Connection, site: Site, known: dict[str, Lengths], since: str, day: date, now_ms: int
) -> list[tuple[str, Person]]:
    """By kind, who has an appointment or a ticket from afar and is not here yet."""
    rows = db.execute(
        "SELECT service, kind, start_ms FROM appointment WHERE site=? AND day BETWEEN ? AND ? "
        "AND state='booked' AND window_to_ms>=? AND start_ms<=? ORDER BY start_ms, id",
        (site.id, *around(day), now_ms, now_ms + AHEAD_MS),
    ).fetchall()
    if not rows:
        return []
    ways = {
        kind: _coming(db, site.id, kind, since, day.isoformat()) for kind in {kind for _, kind, _ in rows}
    }
    return [
        (kind, Person(service, known[service], (start_ms - now_ms) / 1000, ways[kind]))
        for service, kind, start_ms in rows
        if service in known
    ]


def _coming(db: sqlite3.Connection, site: str, kind: str, since: str, day: str) -> Coming:
    offsets_s, missed = [], 0
    for state, late_ms in db.execute(
        "SELECT state, arrived_ms - start_ms FROM appointment WHERE site=? AND kind=? AND day>=? AND day<? "
        "AND (state='missed' OR arrived_ms IS NOT NULL) ORDER BY start_ms DESC LIMIT ?",
        (site, kind, since, day, MOST_TAUGHT),
    ):
        if state == "missed":
            missed += 1
        else:
            offsets_s.append(late_ms / 1000)
    return learn_coming(offsets_s, missed)


class _Visit(NamedTuple):
    """Who came and is here or was served."""

    appointment: str
    service: str
    counter: str | None
    state: str
    called_ms: int | None
    served_ms: int | None
    since_ms: int
    """At this service, by arrival or sent on, as `hub.loop.legs` has it."""


def _visits(db: sqlite3.Connection, site: Site, day: date, now_ms: int) -> list[_Visit]:
    rows = db.execute(
        "SELECT id, service, counter, state, called_ms, served_ms, coalesce("
        "  (SELECT at_ms FROM journey_event e WHERE e.appointment=appointment.id AND stage='transferred' "
        "   ORDER BY e.id DESC LIMIT 1), arrived_ms) FROM appointment WHERE site=? "
        f"AND (day=? OR day IN (?,?) AND (state='arrived' AND {IN_TIME} OR called_ms>?)) "
        "AND state IN ('arrived', 'called', 'served') AND arrived_ms IS NOT NULL ORDER BY called_ms, id",
        (site.id, day.isoformat(), *around(day), day.isoformat(), now_ms - OPEN_CALL_MS),
    )
    return [_Visit(*row) for row in rows]


def _desks(
    site: Site,
    known: dict[str, Lengths],
    here: list[Person],
    visits: Sequence[_Visit],
    floor: Floor | None,
    now_ms: int,
) -> list[Desk]:
    """The counters that are open, with whom they serve."""
    seen: defaultdict[str, list[Seen]] = defaultdict(list)
    running: list[tuple[str, str | None, Running]] = []
    for each in visits:
        if each.service not in known:
            continue
        called_s, served_s = (
            None if ms is None else (ms - now_ms) / 1000 for ms in (each.called_ms, each.served_ms)
        )
        seen[each.service].append(Seen((each.since_ms - now_ms) / 1000, called_s, served_s))
        if each.state == "called" and called_s is not None:
            running.append((each.service, each.counter, Running(known[each.service], max(0.0, -called_s))))
    if not here and not site.is_open(now_ms):
        return []  # nobody who comes now is let in
    if site.counters:
        return _configured(site, running, here, floor, now_ms)
    sole = (
        floor if len(known) == 1 else None
    )  # of several kinds of counter, the floor does not say whose is busy
    desks: list[Desk] = []
    for service in site.services:
        mine = [course for of, _, course in running if of == service.id]
        idle = max(0, open_counters(seen[service.id], service.counters, sole) - len(mine))
        desks += [Desk(frozenset({service.id}), course) for course in (*mine, *[None] * idle)]
    return desks


def _configured(
    site: Site,
    running: list[tuple[str, str | None, Running]],
    here: list[Person],
    floor: Floor | None,
    now_ms: int,
) -> list[Desk]:
    day = from_ms(now_ms, site.zone_info).date()
    staffed = {
        each.counter: each.services
        for each in staffed_on(site, day)
        if any(start <= now_ms < end for start, end in each.spans_ms)
    }
    serving: dict[str, Running] = {}
    besides: list[Desk] = []
    for service, counter, each in running:
        free = [name for name, can in staffed.items() if name not in serving and service in can]
        at = counter if counter in staffed and counter not in serving else next(iter(free), None)
        if at is None:
            besides.append(Desk(frozenset({service}), each))
        else:
            serving[at] = each
    blind = floor is not None and floor.at_counters > len(running)
    waits = {each.service for each in here if each.here_s >= IDLE_S}
    found = []
    for name, can in staffed.items():
        busy_beside = any(other in serving and staffed[other] & can for other in staffed)
        if name in serving or blind or not (can & waits and busy_beside):
            found.append(Desk(can, serving.get(name)))
    return [*found, *besides]


def with_waits(line: Line, site: Site, queues: Sequence[Queue]) -> list[Queue]:
    """What kiosks are told of the queues, with the wait of who comes now, without an appointment and with one."""
    targets_s = {service.id: service.walk_in_target_min * 60.0 for service in site.services}
    found = []
    for queue in queues:
        walking, booked = (
            line.wait(queue.service, due_s) for due_s in (targets_s[queue.service] + AFTER_S, AFTER_S)
        )
        told: dict[str, float] = {}
        for prefix, each in (("wait", walking), ("booked", booked)):
            if each is not None:
                told[f"{prefix}_low_s"] = round(each.wait.low_s, 1)
                told[f"{prefix}_s"] = round(each.wait.expected_s, 1)
                told[f"{prefix}_high_s"] = round(each.wait.high_s, 1)
        found.append(queue.model_copy(update=told))
    return found


def with_own_waits(line: Line, whole: Sequence[Waiting], appointments: Sequence[Expected]) -> list[Expected]:
    """What kiosks are told of who checked in and waits: how many come before, and of the first in line for how long.

    `whole` are those who wait, in the order of being called.
    """
    places = {each.appointment: at for at, each in enumerate(whole)}
    found = []
    for each in appointments:
        at = places.get(each.id)
        told = {} if at is None else _told(_own(line, whole, at, timed=at < MOST_TOLD))
        found.append(each.model_copy(update=told))
    return found


def told_at_arrival(
    db: sqlite3.Connection, book: InLine, site: Site, appointment: Appointment, now_ms: int
) -> dict[str, float]:
    """What the ledger keeps of somebody's wait as it is expected on arrival; nothing when it cannot be told."""
    own = wait_for(db, book, site, appointment, now_ms)
    return {} if own is None or own.wait is None else _told(own)


def _told(own: Own) -> dict[str, float]:
    told: dict[str, float] = {"ahead": own.ahead}
    if own.wait is not None:
        told["wait_low_s"] = round(own.wait.low_s, 1)
        told["wait_s"] = round(own.wait.expected_s, 1)
        told["wait_high_s"] = round(own.wait.high_s, 1)
    return told


def _lengths(
    db: sqlite3.Connection, site: str, service: str, planned_s: float, now_ms: int
) -> Lengths | None:
    rows = db.execute(
        "SELECT served_ms - called_ms FROM appointment WHERE site=? AND service=? AND served_ms>=? "
        "AND state='served' AND called_ms IS NOT NULL ORDER BY served_ms DESC LIMIT ?",
        (site, service, now_ms - MEASURED_DAYS * DAY_MS, MOST_TAUGHT),
    )
    return learn((length_ms / 1000 for (length_ms,) in rows), planned_s)
