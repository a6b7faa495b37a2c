"""A simulated branch heard by ultrasonic sensors and watched by cameras, one of which is out for a fifth of the time.

The sensors' noise (stated in docs/sensors.md): people 1.5 to 1.9 m tall and 0.15 to 0.25 m thick, range noise
σ = 2 cm + 1 %, 5 % of the readings without an echo, 2 % of them a neighbour's ping at any shorter range, 1 cm steps,
10 readings a second. The cameras' tracks: σ = 0.15 m, a person missed for 10 % of the seconds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
from hall import Eye
from numpy.typing import NDArray
from simulate_branch import simulate_day

from branchloop.site.site import Plan, Sensor
from edge.floor.calibration import calibrate
from edge.floor.fusion.people import SitePerson, Stretch
from edge.floor.sensors.cone import cone_of
from edge.floor.sensors.occupancy import Occupancy
from edge.floor.sight import Sight, sight

Array = NDArray[np.float64]
PLAN = Plan(width_m=12.0, height_m=9.0)
STEP_MS = 200

EYES = (
    Eye("tellers", (4.0, 5.6, 2.9), (4.2, 1.5), focal_px=330.0),
    Eye("hall", (4.0, 2.0, 2.9), (4.4, 6.6), focal_px=330.0),
    Eye("desk", (8.6, 5.8, 2.9), (10.8, 2.2), focal_px=420.0),
    Eye("machines", (7.2, 7.7, 2.9), (10.5, 5.6), focal_px=420.0),
)
SPOTS = {
    "t1": (1.6, 1.95), "t2": (3.3, 1.95), "t3": (5.0, 1.95), "t4": (6.7, 1.95),
    "q1": (6.0, 3.4), "q2": (4.2, 3.4), "q3": (2.4, 3.4),
}  # fmt: skip
HEIGHT_M = 3.0


def sensors(
    names: Collection[str] | None = None, spots: Mapping[str, tuple[float, float]] = SPOTS
) -> list[Sensor]:
    """Range finders under the ceiling, 60 degrees wide."""
    return [
        Sensor(
            id=name, source="log:x", x_m=x, y_m=y, height_m=HEIGHT_M, cone_deg=60.0, range_m=4.5,
            present_below_m=2.4,
        )
        for name, (x, y) in spots.items()
        if names is None or name in names
    ]  # fmt: skip


def first_echo(one: Sensor, x: float, y: float, tall_m: float, thick_m: float) -> float | None:
    """Where a person of this size first reflects, by the geometry of an upright cylinder; None outside."""
    edge = max(math.hypot(x - one.x_m, y - one.y_m) - thick_m, 0.0)
    deep = max(one.height_m - tall_m, edge / math.tan(math.radians(one.cone_deg / 2)))
    return math.hypot(edge, deep) if deep < one.height_m - 0.45 else None


@cache
def _size(person: int) -> tuple[float, float]:
    """Height and radius of somebody, m."""
    random = np.random.default_rng(person)
    return float(random.uniform(1.5, 1.9)), float(random.uniform(0.15, 0.25))


class Sonar:
    """Readings of some sensors among moving people."""

    def __init__(self, seed: int = 1) -> None:
        self._random = np.random.default_rng(seed)

    def reading(self, one: Sensor, places: Mapping[int, tuple[float, float]]) -> float | None:
        """One answer: metres, or None without an echo."""
        random = self._random
        if random.random() < 0.05:
            return None
        nearest = one.height_m
        for person, (x, y) in places.items():
            echo = first_echo(one, x, y, *_size(person))
            nearest = min(nearest, echo) if echo is not None else nearest
        if random.random() < 0.02:
            nearest = random.uniform(0.3, nearest)
        return round(float(nearest + random.normal(0, 0.02 + 0.01 * nearest)), 2)


@dataclass(frozen=True)
class Morning:
    """What truly happened: moments `STEP_MS` apart, people and their places."""

    moments: list[dict[int, tuple[float, float]]]

    def heat(self, when: NDArray[np.bool_]) -> Array:
        """Person-seconds per 0.5 m cell over the moments chosen."""
        grid = np.zeros((18, 24))
        for places, chosen in zip(self.moments, when, strict=True):
            if chosen:
                for x, y in places.values():
                    if 0 <= x < 12 and 0 <= y < 9:
                        grid[int(y / 0.5), int(x / 0.5)] += STEP_MS / 1000
        return grid


@cache
def morning(minutes: int = 60, seed: int = 3) -> Morning:
    """A stretch of a working day of the simulated branch (tools/simulate_branch.py), from 10:00 on."""
    day = simulate_day(date(2026, 3, 23), seed, 5.0, "09:00-13:00")
    start = 36_000.0
    moments: list[dict[int, tuple[float, float]]] = [{} for _ in range(minutes * 300)]
    index = np.round((day.t_s - start) * 5).astype(int)
    for i, person, x, y in zip(index, day.id, day.x_m, day.y_m, strict=True):
        if 0 <= i < len(moments):
            moments[i][int(person)] = (float(x), float(y))
    return Morning(moments)


@cache
def sights() -> dict[str, Sight]:
    """What each camera sees, from its calibration."""
    found = {}
    for eye in EYES:
        marks = eye.calibration()
        found[eye.id] = sight(calibrate(marks.points, marks.picture_px), PLAN)
    return found


Said = Mapping[str, Sequence[float | None]]
"""Sensor -> its readings, two per moment."""


def listen(day: Morning, heard: Sequence[Sensor], seed: int = 1) -> Said:
    """What the sensors say all morning, each with noise of its own."""
    said: dict[str, list[float | None]] = {}
    for number, one in enumerate(heard):
        sonar = Sonar(1_000 * seed + number)
        said[one.id] = [sonar.reading(one, places) for places in day.moments for _ in range(2)]
    return said


def hears(one: Sensor) -> NDArray[np.bool_]:
    """The 0.5 m cells (18, 24) of which a sensor hears some floor."""
    fine = np.zeros(36 * 48, dtype=bool)
    cone = cone_of(one, PLAN)
    if cone is not None:
        fine[cone.cells] = True
    return fine.reshape(18, 2, 24, 2).any(axis=(1, 3))


@dataclass(frozen=True)
class Outcome:
    """Heat per 0.5 m cell, of each outage (laps, 18, 24): the truth, what cameras saw, and what was filled."""

    truth: Array
    observed: Array
    filled: Array
    knowable_s: float
    """The truth's person-seconds on the floor that only the camera which is out sees, or a sensor hears."""

    def known_mass(self) -> float:
        """What was filled as a share of the person-seconds that could have been: floor that nothing knows is left out."""
        return float(self.filled.sum() / self.knowable_s)

    def r(self, *, filled: bool = True) -> float:
        """Correlation of the heat over all outages with the truth."""
        shown = self.observed + (self.filled if filled else 0.0)
        return float(np.corrcoef(shown.sum(axis=0).ravel(), self.truth.sum(axis=0).ravel())[0, 1])

    def r_each(self, *, filled: bool = True) -> float:
        """The same of each outage by itself: what is usual alone does not know who stood where this time."""
        shown = self.observed + (self.filled if filled else 0.0)
        return float(np.corrcoef(shown.ravel(), self.truth.ravel())[0, 1])

    def error(self, where: Array) -> float:
        """Person-seconds shown too many or too few in some cells (18, 24), cell by cell and each outage by itself."""
        return float(np.abs(self.observed + self.filled - self.truth)[:, where].sum())

    def mass(self, *, filled: bool = True) -> float:
        """Share of the truth's person-seconds."""
        return float((self.observed + (self.filled if filled else 0.0)).sum() / self.truth.sum())


def play(
    day: Morning,
    out: str = "tellers",
    heard: Sequence[Sensor] | None = None,
    watching: Collection[str] = tuple(eye.id for eye in EYES),
    outage: float = 0.2,
    warm: float = 0.3,
    lap_s: int = 360,
    seed: int = 1,
    said: Said | None = None,
) -> Outcome:
    """The camera `out` fails for the last part of every lap after the warm-up: `outage` of the whole time."""
    random = np.random.default_rng(seed)
    heard = sensors() if heard is None else heard
    said = listen(day, heard, seed) if said is None else said
    cameras = {name: one for name, one in sights().items() if name in watching}
    grid = Occupancy(PLAN, cameras, heard)
    total = len(day.moments)
    lap = lap_s * 5
    first = int(total * warm)
    share = outage / (1 - warm)
    dark = np.array([i >= first and (i - first) % lap >= lap * (1 - share) for i in range(total)])
    number = np.maximum(np.arange(total) - first, 0) // lap
    laps = int(number[-1]) + 1
    observed, filled = np.zeros((laps, 36, 48)), np.zeros((laps, 36, 48))
    missed: dict[int, bool] = {}
    for i, places in enumerate(day.moments):
        t_ms = i * STEP_MS
        if i % 5 == 0:
            missed = {person: bool(random.random() < 0.1) for person in places}
        up = frozenset(name for name in cameras if not (name == out and dark[i]))
        people = []
        for person, (x, y) in places.items():
            if not missed.get(person, False) and any(cameras[c].holds(np.array([x, y]))[0] for c in up):
                dx, dy = random.normal(0, 0.15, 2)
                people.append(SitePerson(person, (x + dx, y + dy), ()))
                row, col = int((y + dy) / 0.25), int((x + dx) / 0.25)
                if dark[i] and 0 <= row < 36 and 0 <= col < 48:
                    observed[number[i], row, col] += STEP_MS / 1000
        grid.stretch(Stretch(t_ms, t_ms + STEP_MS, tuple(people), up, frozenset()))
        for one in heard:
            for ping in (0, 1):
                grid.reading(one.id, t_ms + 100 * ping, said[one.id][2 * i + ping])
        if i % 25 == 24:
            heat = grid.close(t_ms + STEP_MS - 5_000, frozenset())
            if heat is not None and dark[i - 12]:
                np.add.at(filled[number[i - 12]].reshape(-1), heat.cells, np.array(heat.mps) / 1000)
    fine = [grid.reshape(laps, 18, 2, 24, 2).sum(axis=(2, 4)) for grid in (observed, filled)]
    truth = np.stack([day.heat(dark & (number == each)) for each in range(laps)])
    knowable = cameras[out].cells.copy()
    for cone in (cone_of(one, PLAN) for one in heard):
        if cone is not None:
            knowable.reshape(-1)[cone.cells] = True
    for name, camera in cameras.items():
        if name != out:
            knowable &= ~camera.cells
    floor = Sight(PLAN, knowable)
    places = [place for i in np.flatnonzero(dark) for place in day.moments[i].values()]
    knowable_s = int(floor.holds(np.array(places)).sum()) * STEP_MS / 1000
    return Outcome(truth, fine[0], fine[1], knowable_s)
