"""What happens in the simulated branch on a day: arrivals, tickets, calls, services, lost patience.

An event simulation: people arrive by an inhomogeneous Poisson process, services and patience are
log-normal, tickets are called first come, first served by the counters that are open. It leaves every
visitor with knots `(t_s, x_m, y_m)` of the planned walk; times are seconds since local midnight.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date as Date  # noqa: N812  a field is called date

import numpy as np
from simulated_floor import (
    ATM_SLOTS,
    ATM_SPOTS,
    DESK_SLOTS,
    DESK_SPOTS,
    LINE_SLOTS,
    SEAT_FRONT,
    STREET_Y_M,
    TELLER_ORDER,
    TELLER_SPOTS,
    TICKET_SLOTS,
    TICKET_SPOTS,
    Point,
)
from simulated_walks import route

WEEKDAY_HOURS, WEEKEND_HOURS = "09:00-17:00", "10:00-16:00"
VISITORS_PER_H = {9: 26, 10: 30, 11: 33, 12: 40, 13: 29, 14: 25, 15: 28, 16: 37}  # lunch, after work
WEEKDAY_FACTOR = (1.15, 0.95, 0.9, 0.95, 1.1, 0.7, 0.55)
SALARY_FACTOR = {10: 1.3, 11: 1.15, 15: 1.2, 16: 1.1}  # by day of the month
COUNTERS_OPEN = {9: 2, 10: 3, 11: 3, 12: 3, 13: 2, 14: 2, 15: 3, 16: 3}  # one less at weekends
PAY_DAYS = (10, 15)  # one counter more
PURPOSES, PURPOSE_SHARE = ("t", "a", "d"), (0.48, 0.43, 0.09)
SERVICE_S = {"t": (450.0, 0.6), "a": (105.0, 0.5), "d": (660.0, 0.5)}  # mean, sigma of the logarithm
PATIENCE_S = {"t": (1500.0, 0.6), "a": (420.0, 0.5), "d": (2400.0, 0.5)}
TICKET_S = (8.0, 0.35)
CALL_PAUSE_S = {"ticket": 0.8, "teller": 5.0, "atm": 1.5, "desk": 20.0}


@dataclass(slots=True)
class Visitor:
    """One visitor; times in s since local midnight, None for what did not happen."""

    id: int
    purpose: str
    arrived_s: float
    speed_m_s: float
    service_s: float
    patience_s: float
    ticket_time_s: float
    likes_seat: bool
    in_x_m: float
    out_x_m: float
    jitter_m: Point
    joined_s: float | None = None
    called_s: float | None = None
    station: str | None = None
    counter: int | None = None
    service_start_s: float | None = None
    service_end_s: float | None = None
    abandoned_s: float | None = None
    waited_on: str | None = None
    seat: Point | None = None
    target: Point = (0.0, 0.0)
    knots: list[tuple[float, float, float]] = field(default_factory=list)
    moves: int = 0

    @property
    def left_s(self) -> float:
        """When the visitor is out of sight again."""
        return self.knots[-1][0]

    @property
    def wait_s(self) -> float | None:
        """From joining the wait (with the ticket in hand) to the start of service, or to giving up."""
        end = self.service_start_s if self.abandoned_s is None else self.abandoned_s
        return None if end is None or self.joined_s is None else end - self.joined_s

    def place(self, t_s: float) -> Point:
        """Where the plan of the walk has the visitor at `t_s`; what was planned after that is dropped."""
        later: tuple[float, float, float] | None = None
        while self.knots[-1][0] > t_s:
            later = self.knots.pop()
        t0, x0, y0 = self.knots[-1]
        if later is None:
            return x0, y0
        share = (t_s - t0) / (later[0] - t0)
        return x0 + share * (later[1] - x0), y0 + share * (later[2] - y0)


def counters_open(day: Date, t_s: float) -> int:
    """How many teller counters are open at an instant."""
    counters = COUNTERS_OPEN.get(int(t_s // 3600), 2) + (day.day in PAY_DAYS) - (day.weekday() >= 5)
    return min(max(counters, 1), len(TELLER_SPOTS))


def hours_of(day: Date) -> str:
    """Opening hours of the branch on a day."""
    return WEEKEND_HOURS if day.weekday() >= 5 else WEEKDAY_HOURS


def _log_normal(rng: np.random.Generator, mean_sigma: tuple[float, float]) -> float:
    mean, sigma = mean_sigma
    return float(mean * math.exp(sigma * rng.standard_normal() - sigma * sigma / 2))


def arrivals(rng: np.random.Generator, day: Date, open_s: tuple[float, float]) -> list[Visitor]:
    factor = WEEKDAY_FACTOR[day.weekday()] * SALARY_FACTOR.get(day.day, 1.0) * _log_normal(rng, (1.0, 0.08))
    middle_s = [(hour + 0.5) * 3600 for hour in VISITORS_PER_H]
    peak = max(VISITORS_PER_H.values())
    visitors: list[Visitor] = []
    t = open_s[0]
    while (t := t + float(rng.exponential(3600 / (peak * factor)))) < open_s[1]:
        if rng.random() * peak > np.interp(t, middle_s, list(VISITORS_PER_H.values())):
            continue
        purpose = str(rng.choice(PURPOSES, p=PURPOSE_SHARE))
        visitors.append(
            Visitor(
                id=len(visitors) + 1,
                purpose=purpose,
                arrived_s=t,
                speed_m_s=float(np.clip(rng.normal(1.25, 0.2), 0.7, 1.8)),
                service_s=max(15.0, _log_normal(rng, SERVICE_S[purpose])),
                patience_s=max(60.0, _log_normal(rng, PATIENCE_S[purpose])),
                ticket_time_s=_log_normal(rng, TICKET_S),
                likes_seat=bool(rng.random() < 0.35),
                in_x_m=float(np.clip(rng.normal(6.3, 0.2), 5.5, 6.5)),
                out_x_m=float(np.clip(rng.normal(5.7, 0.2), 5.5, 6.5)),
                jitter_m=(
                    float(np.clip(rng.normal(0, 0.12), -0.25, 0.25)),
                    float(np.clip(rng.normal(0, 0.1), -0.2, 0.2)),
                ),
            )
        )
    return visitors


@dataclass(slots=True)
class _Station:
    name: str
    spots: tuple[Point, ...]
    slots: tuple[Point, ...]
    users: list[Visitor | None] = field(init=False)
    line: list[Visitor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.users = [None] * len(self.spots)

    def standing(self) -> list[Visitor]:
        return [v for v in self.line if v.seat is None]


class Branch:
    """The events of a day, in order of time."""

    def __init__(self, rng: np.random.Generator, day: Date, open_s: tuple[float, float]) -> None:
        self.rng, self.day, self.open_s = rng, day, open_s
        self.ticket = _Station("ticket", TICKET_SPOTS, TICKET_SLOTS)
        self.teller = _Station("teller", TELLER_SPOTS, LINE_SLOTS)
        self.of_purpose = {
            "t": self.teller,
            "a": _Station("atm", ATM_SPOTS, ATM_SLOTS),
            "d": _Station("desk", DESK_SPOTS, DESK_SLOTS),
        }
        self.seats = list(SEAT_FRONT)
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.number = itertools.count()

    def run(self, visitors: list[Visitor]) -> None:
        for v in visitors:
            self._at(v.arrived_s, lambda t, v=v: self._enter(t, v))
        for hour in range(math.ceil(self.open_s[0] / 3600), math.ceil(self.open_s[1] / 3600)):
            self._at(hour * 3600.0, lambda t: self._dispatch(t, self.teller))
        while self.events:
            t, _, act = heapq.heappop(self.events)
            act(t)

    def _at(self, t: float, act: Callable[[float], None]) -> None:
        heapq.heappush(self.events, (t, next(self.number), act))

    def _walk(
        self, t: float, v: Visitor, to: Point, then: Callable[[float], None] | None, pace: float = 1.0
    ) -> None:
        here = v.place(t)
        v.knots.append((t, *here))
        v.moves, v.target = v.moves + 1, to
        speed = v.speed_m_s * pace * float(self.rng.uniform(0.94, 1.06))
        rise, sit = SEAT_FRONT.get(here), SEAT_FRONT.get(to)
        way = [*([rise] if rise else []), *route(rise or here, sit or to, v.jitter_m), *([to] if sit else [])]
        for p in way:
            t, here = t + math.dist(here, p) / speed, p
            v.knots.append((t, *here))
        if then is not None:
            self._at(t, lambda now, move=v.moves: then(now) if v.moves == move else None)  # type: ignore[misc]

    def _enter(self, t: float, v: Visitor) -> None:
        v.knots.append((t, v.in_x_m, STREET_Y_M))
        first = self.ticket if v.purpose == "t" else self.of_purpose[v.purpose]
        self._walk(t, v, (v.in_x_m, 7.2), lambda now: self._join(now, v, first))

    def _leave(self, t: float, v: Visitor) -> None:
        self._walk(t, v, (v.out_x_m, 7.2), lambda now: self._walk(now, v, (v.out_x_m, STREET_Y_M), None))

    def _join(self, t: float, v: Visitor, station: _Station) -> None:
        if station is not self.ticket:
            v.joined_s, v.station = t, station.name
        spot = self._free_spot(t, station)
        if spot is not None and not station.line:
            self._call(t, v, station, spot)
            return
        wants_seat = station.name == "desk" or (
            station is self.teller and v.likes_seat and len(station.line) >= 3
        )
        if wants_seat and self.seats:
            v.seat = self.seats.pop(int(self.rng.integers(len(self.seats))))
            to = v.seat
        elif len(station.standing()) < len(station.slots):
            to = station.slots[len(station.standing())]
        else:
            self._abandon(t, v)
            return
        station.line.append(v)
        if station is not self.ticket:
            v.waited_on = "line" if v.seat is None else "seat"
            self._at(t + v.patience_s, lambda now: self._lose_patience(now, v, station))
        self._walk(t, v, to, None)

    def _free_spot(self, t: float, station: _Station) -> int | None:
        order: tuple[int, ...] = tuple(range(len(station.spots)))
        if station is self.teller:
            order = TELLER_ORDER[: counters_open(self.day, min(t, self.open_s[1] - 1))]
        return next((i for i in order if station.users[i] is None), None)

    def _call(self, t: float, v: Visitor, station: _Station, spot: int) -> None:
        station.users[spot] = v
        if station is self.ticket:
            done = lambda now: self._at(now + v.ticket_time_s, lambda end: self._ticketed(end, v))  # noqa: E731
        else:
            v.called_s, v.counter = t, spot + 1
            done = lambda now: self._serve(now, v, station, spot)  # noqa: E731
        self._walk(t, v, station.spots[spot], done)

    def _ticketed(self, t: float, v: Visitor) -> None:
        self._join(t, v, self.teller)
        self._at(t + CALL_PAUSE_S["ticket"], lambda now: self._release(now, self.ticket, 0))

    def _serve(self, t: float, v: Visitor, station: _Station, spot: int) -> None:
        v.service_start_s, end = t, t + v.service_s

        def finish(now: float) -> None:
            v.service_end_s = now
            self._leave(now, v)
            pause = CALL_PAUSE_S[station.name] * float(self.rng.uniform(0.6, 1.6))
            self._at(now + pause, lambda free: self._release(free, station, spot))

        self._at(end, finish)

    def _release(self, t: float, station: _Station, spot: int) -> None:
        station.users[spot] = None
        self._dispatch(t, station)

    def _dispatch(self, t: float, station: _Station) -> None:
        while station.line and (spot := self._free_spot(t, station)) is not None:
            self._call(t, self._out_of_line(t, station.line[0], station), station, spot)

    def _out_of_line(self, t: float, v: Visitor, station: _Station) -> Visitor:
        station.line.remove(v)
        if v.seat is not None:
            self.seats.append(v.seat)
            v.seat = None
        for rank, other in enumerate(station.standing()):  # each moves up a moment after the one before
            delay = 0.6 + 0.4 * rank + 0.4 * float(self.rng.random())
            self._at(t + delay, lambda now, other=other: self._move_up(now, other, station))
        return v

    def _move_up(self, t: float, v: Visitor, station: _Station) -> None:
        standing = station.standing()
        if v in standing and v.target != (slot := station.slots[standing.index(v)]):
            near = math.dist(v.place(t), slot) < 2.0
            self._walk(t, v, slot, None, pace=0.6 if near else 1.0)

    def _lose_patience(self, t: float, v: Visitor, station: _Station) -> None:
        if v in station.line:
            self._out_of_line(t, v, station)
            self._abandon(t, v)

    def _abandon(self, t: float, v: Visitor) -> None:
        v.abandoned_s = t
        self._leave(t, v)
