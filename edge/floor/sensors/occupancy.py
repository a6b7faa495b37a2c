"""One occupancy grid out of cameras and range sensors, in log-odds with decay, and what it fills when cameras are out.

Per cell of the plan: log-odds that somebody stands there = what is to be expected there (what is usual, learnt from
the cameras while they look and forgotten over half an hour, and who stood there last, forgotten within a minute)
+ the sensors' evidence + the cameras' evidence. Evidence decays, since neither
a reading nor a sighting says much about later, and since readings of one person are not independent.

Where no camera looks, the grid's expectation becomes *filled* person time, apart from heat: places heard by a sensor
follow its readings; the rest of that floor what is usual, scaled by how busy the heard floor is just then. Each
sensor's claims are calibrated against the cameras while they look: once with the memory of who stood there, as just after a
camera went out, and once without, as a minute later, since the same readings claim less then. Cameras miss people; how
many, the sensors tell where they hear a head (dual-system estimation). A site whose sensors all are silent or disbelieved
fills nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from branchloop.clock import WINDOW_MS
from branchloop.site.site import Plan, Sensor
from branchloop.wire.messages import Heat
from edge.floor.fusion.people import Stretch
from edge.floor.sensors.cone import Cone, cells_near, cone_of
from edge.floor.sight import Sight

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_MS = 250
HOLD_MS = 1_000
"""A reading stands until the next one, but no longer."""
SENSOR_S = 0.4
CAMERA_S = 3.0
"""Time constants with which a reading and a sighting are forgotten."""
SEEN, UNSEEN = 4.0, -2.5
"""Log-odds of a cell where a camera sees somebody, and where it sees nobody."""
USUAL_S = 1_800.0
"""Half-life of what is usual."""
LATELY_S = 10.0
STAY_S = 60.0
"""Who stood somewhere over the last `LATELY_S` when the camera went out probably stands there a minute longer."""
REMEMBERED = math.exp(-LATELY_S / STAY_S)
"""The memory is `LATELY_S` old already while a camera looks."""
BLUR_M = 0.15
FLOOR_PER_M2 = 0.002
"""Persons per square metre that are thought possible anywhere."""
BUSY_S = 60.0
STEADY = 1.0
"""Persons that must usually be on the floor that is known, for it to tell half of how busy the rest is: as the mean of a
Poisson count whose rate is gamma-distributed about what is usual, with this shape."""
LEAST_S = 30.0
"""A sensor's calibration and a cell's usual need this much of observed time before they count fully."""
HEAD_M = 1.3
"""An echo from this high above the floor is a person's."""
NEAR_M = 0.25
"""A camera may place somebody beside the cone who stands in it."""
FEWEST_MET = 0.7
"""Cameras are not believed to miss more people than this leaves: rather something hangs under the sensor."""
MOST_READINGS = 5_000
MOST_CELLS = 200_000
"""Larger plans (of more than 110 m square at 0.25 m) fill nothing: a window must not take longer than it lasts."""
SMALLEST_MPS = 100
"""What a cell has collected is told from here on, the rest is carried over: filled heat stays sparse and exact."""


@dataclass(slots=True)
class _Ear:
    """One sensor: its cone, readings not yet spent, evidence, and calibration against the cameras.

    `evidence` is what readings say to who remembers who stood there, `blind` to who does not; `near` are the cells
    of the cone and round it.
    """

    cone: Cone
    near: NDArray[np.int64]
    head_m: float
    readings: deque[tuple[int, float | None]] = field(default_factory=lambda: deque(maxlen=MOST_READINGS))
    stands: tuple[int, float | None] | None = None
    """The last reading that was spent, and when it came."""
    evidence: Array = field(default_factory=lambda: np.zeros(0))
    blind: Array = field(default_factory=lambda: np.zeros(0))
    heard: bool = False
    head: bool = False
    said_s: float = 0.0
    said_blind_s: float = 0.0
    seen_s: float = 0.0

    def gain(self, fresh: float) -> float:
        """Persons that cameras would see in the cone per person claimed, `fresh` (1 to 0) after one last looked."""
        said_s = fresh * self.said_s + (1 - fresh) * self.said_blind_s
        return float(np.clip((self.seen_s + LEAST_S) / (said_s + LEAST_S), 0.3, 3.0))


class Occupancy:
    """The grid of one site. Feed stretches and readings, then close the windows one after the other."""

    def __init__(self, plan: Plan, sights: Mapping[str, Sight], sensors: Sequence[Sensor]) -> None:
        self._plan = plan
        self._sights = {camera: one.cells.reshape(-1) for camera, one in sights.items()}
        small = plan.rows * plan.cols <= MOST_CELLS
        cones = [cone for cone in (cone_of(each, plan) for each in sensors if small) if cone is not None]
        self._ears = {
            cone.sensor: _Ear(
                cone,
                cells_near(cone, plan, NEAR_M),
                cone.floor_m - HEAD_M,
                evidence=np.zeros(len(cone.cells)),
                blind=np.zeros(len(cone.cells)),
            )
            for cone in cones
            if len(cone.cells)
        }
        size = plan.rows * plan.cols
        self._people_s = np.zeros(size)
        self._looked_s = np.zeros(size)
        self._camera = np.zeros(size)
        self._stood = np.zeros(size)
        self._stays = np.zeros(size)
        self._fresh = np.zeros(size)
        self._heads_s = self._met_s = 0.0
        self._carried = np.zeros(size)
        self._busy = 1.0
        self._stretches: list[Stretch] = []
        self._looked_at: dict[frozenset[str], Mask] = {}
        self._usual = self._smooth()

    def reading(self, sensor: str, t_ms: int, range_m: float | None) -> None:
        """One reading; sensors that cannot place people are left out."""
        if sensor in self._ears:
            self._ears[sensor].readings.append((t_ms, range_m))

    def stretch(self, stretch: Stretch) -> None:
        """What the cameras saw, settled."""
        if self._ears:
            self._stretches.append(stretch)

    def forget(self) -> None:
        """Time was set anew: what is open is void; what is usual stays."""
        self._stretches.clear()
        self._camera[:] = 0.0
        self._stood[:] = self._stays[:] = 0.0
        for ear in self._ears.values():
            ear.readings.clear()
            ear.stands = None
            ear.evidence[:] = ear.blind[:] = 0.0

    def probability(self) -> Array:
        """(rows, cols): how likely each cell is taken, at the end of the last closed window."""
        return _chance(self._log_odds(self._expected())).reshape(self._plan.rows, self._plan.cols)

    def close(self, start_ms: int, disbelieved: Collection[str]) -> Heat | None:
        """Filled person time of the window that starts at `start_ms`, spending what came before its end.

        `disbelieved` are sensors whose readings are no evidence in this window. None where cameras saw all of the
        floor that they or the sensors know, or no sensor was heard.
        """
        if not self._ears:
            return None
        end_ms = start_ms + WINDOW_MS
        steps = self._steps(start_ms)
        readings = self._heard(start_ms, disbelieved)
        here_s = np.zeros(self._plan.rows * self._plan.cols)
        looked_s = np.zeros_like(here_s)
        filled_ms = np.zeros_like(here_s)
        for index, (observing, cells) in enumerate(steps):
            looked = self._mask(observing)
            expected = self._expected()
            blind = self._expected(blind=True)
            self._hear(index, readings, expected, blind)
            self._look(looked, cells)
            present = np.bincount(cells, minlength=len(here_s)).astype(np.float64)
            self._calibrate(looked, present, expected, blind)
            here_s += present * looked * (STEP_MS / 1000)
            looked_s += looked * (STEP_MS / 1000)
            if any(ear.heard for ear in self._ears.values()):
                filled_ms += np.where(looked, 0.0, self._expectation(expected)) * STEP_MS
        self._learn(here_s, looked_s)
        self._stretches = [one for one in self._stretches if one.end_ms > end_ms]
        return self._message(filled_ms)

    def _steps(self, start_ms: int) -> list[tuple[frozenset[str], NDArray[np.int64]]]:
        """Cameras that looked and cells with people, at the middle of every step of a window."""
        found: list[tuple[frozenset[str], NDArray[np.int64]]] = []
        queue = sorted(self._stretches, key=lambda one: one.start_ms)
        for t_ms in range(start_ms + STEP_MS // 2, start_ms + WINDOW_MS, STEP_MS):
            one = next((s for s in queue if s.start_ms <= t_ms < s.end_ms), None)
            places = [p.place_m for p in one.people if self._plan.holds(p.place_m)] if one else []
            cells = [
                min(int(y / self._plan.cell_m), self._plan.rows - 1) * self._plan.cols
                + min(int(x / self._plan.cell_m), self._plan.cols - 1)
                for x, y in places
            ]
            found.append((one.observing if one else frozenset(), np.array(cells, dtype=np.int64)))
        return found

    def _heard(self, start_ms: int, disbelieved: Collection[str]) -> dict[str, dict[int, list[float | None]]]:
        """Sensor -> step -> readings of the window; in a step without one, that which still stands."""
        found: dict[str, dict[int, list[float | None]]] = {}
        for sensor, ear in self._ears.items():
            by_step: dict[int, list[tuple[int, float | None]]] = defaultdict(list)
            later: deque[tuple[int, float | None]] = deque(maxlen=MOST_READINGS)
            for t_ms, range_m in ear.readings:
                if t_ms >= start_ms + WINDOW_MS:
                    later.append((t_ms, range_m))
                elif t_ms >= start_ms:
                    by_step[(t_ms - start_ms) // STEP_MS].append((t_ms, range_m))
            ear.readings = later
            found[sensor] = said = {}
            if sensor in disbelieved:
                ear.stands = None
                continue
            for step in range(WINDOW_MS // STEP_MS):
                middle_ms = start_ms + step * STEP_MS + STEP_MS // 2
                if step in by_step:
                    said[step] = [range_m for _, range_m in by_step[step]]
                    ear.stands = max(by_step[step], key=lambda one: one[0])
                elif ear.stands is not None and middle_ms - ear.stands[0] < HOLD_MS:
                    said[step] = [ear.stands[1]]
        return found

    def _hear(
        self,
        step: int,
        readings: Mapping[str, Mapping[int, list[float | None]]],
        expected: Array,
        blind: Array,
    ) -> None:
        keep = float(np.exp(-STEP_MS / 1000 / SENSOR_S))
        for sensor, ear in self._ears.items():
            said = readings[sensor].get(step, [])
            valid = sorted(value for value in said if value is not None)
            ear.heard = bool(said)
            range_m = valid[len(valid) // 2] if len(valid) * 3 >= len(said) and valid else None
            ear.head = range_m is not None and range_m <= ear.head_m
            ear.evidence = keep * ear.evidence + (1 - keep) * _told(ear.cone, said, range_m, expected)
            ear.blind = keep * ear.blind + (1 - keep) * _told(ear.cone, said, range_m, blind)

    def _look(self, looked: Mask, cells: NDArray[np.int64]) -> None:
        self._camera *= float(np.exp(-STEP_MS / 1000 / CAMERA_S))
        self._camera[looked] = UNSEEN
        self._camera[cells[looked[cells]]] = SEEN
        self._fresh = np.where(looked, 1.0, self._fresh * np.exp(-STEP_MS / 1000 / STAY_S))

    def _calibrate(self, looked: Mask, present: Array, expected: Array, blind: Array) -> None:
        """Compare claims with sightings where cameras see a whole cone; and how busy it is with what is usual."""
        forget = 0.5 ** (STEP_MS / 1000 / USUAL_S)
        now = usual = 0.0
        heard = _chance(self._log_odds(expected, cameras=False))
        unaware = _chance(self._log_odds(blind, cameras=False, blind=True))
        for ear in self._ears.values():
            cells = ear.cone.cells
            if not ear.heard:
                continue
            claim = float(heard[cells].sum())
            now += claim * ear.gain(float(self._fresh[cells].mean()))
            usual += float(self._usual[cells].sum())
            if looked[cells].all():
                step_s = STEP_MS / 1000
                ear.said_s = ear.said_s * forget + claim * step_s
                ear.said_blind_s = ear.said_blind_s * forget + float(unaware[cells].sum()) * step_s
                ear.seen_s = ear.seen_s * forget + float(present[cells].sum()) * step_s
                if ear.head:
                    self._heads_s = self._heads_s * forget + step_s
                    self._met_s = self._met_s * forget + step_s * bool(present[ear.near].any())
        now += float(present[looked].sum())
        usual += float(self._usual[looked].sum())
        pull = 1 - float(np.exp(-STEP_MS / 1000 / BUSY_S))
        busy = (now + STEADY) / (usual + STEADY)
        self._busy += pull * (float(np.clip(busy, 0.0, 5.0)) - self._busy)

    @property
    def _met(self) -> float:
        """Share of the people whose heads the sensors hear that the cameras see."""
        return max((self._met_s + LEAST_S) / (self._heads_s + LEAST_S), FEWEST_MET)

    def _expected(self, *, blind: bool = False) -> Array:
        """Persons expected per cell before any evidence, with or without the memory of who stood there last.

        The memory stands in for what is usual, as far as it goes: who is remembered is one of the usual people.
        """
        usual = self._usual * self._busy
        if not blind:
            usual = usual * (1 - REMEMBERED * self._fresh) + REMEMBERED * self._stays
        return np.clip(usual, 1e-6, 0.9)

    def _log_odds(self, expected: Array, *, cameras: bool = True, blind: bool = False) -> Array:
        total = _log(expected) + (self._camera if cameras else 0.0)
        for ear in self._ears.values():
            total[ear.cone.cells] += ear.blind if blind else ear.evidence
        return np.asarray(total)

    def _expectation(self, expected: Array) -> Array:
        """Persons expected per cell, with each sensor's calibration."""
        chance = _chance(self._log_odds(expected))
        gain, ears = np.zeros(len(chance)), np.zeros(len(chance))
        for ear in self._ears.values():
            if ear.heard:
                gain[ear.cone.cells] += ear.gain(float(self._fresh[ear.cone.cells].mean()))
                ears[ear.cone.cells] += 1
        gain = np.where(ears > 0, gain / np.maximum(ears, 1), 1.0) / self._met
        known = self._looked_s > 0
        for ear in self._ears.values():
            known[ear.cone.cells] |= ear.heard
        return np.where(known, chance * gain, 0.0)

    def _learn(self, here_s: Array, looked_s: Array) -> None:
        forget = 0.5 ** (WINDOW_MS / 1000 / USUAL_S)
        looked = looked_s > 0
        self._people_s[looked] = self._people_s[looked] * forget + here_s[looked]
        self._looked_s[looked] = self._looked_s[looked] * forget + looked_s[looked]
        self._usual = self._smooth()
        keep = float(np.exp(-WINDOW_MS / 1000 / LATELY_S))
        share = np.divide(here_s, looked_s, out=np.zeros_like(here_s), where=looked)
        self._stood = np.where(
            looked, keep * self._stood + (1 - keep) * share, self._stood * np.exp(-WINDOW_MS / 1000 / STAY_S)
        )
        self._stays = self._blurred(self._stood)

    def _blurred(self, grid: Array) -> Array:
        shape, sigma = (self._plan.rows, self._plan.cols), BLUR_M / self._plan.cell_m
        return np.asarray(gaussian_filter(grid.reshape(shape), sigma, mode="constant", truncate=3.0)).reshape(
            -1
        )

    def _smooth(self) -> Array:
        """Persons per cell that are usual: what was seen, blurred over a person's width."""
        people, looked = self._blurred(self._people_s), self._blurred(self._looked_s)
        possible = FLOOR_PER_M2 * self._plan.cell_m**2
        return np.asarray((people + possible * LEAST_S) / (looked + LEAST_S))

    def _mask(self, observing: frozenset[str]) -> Mask:
        if observing not in self._looked_at:
            mask = np.zeros(self._plan.rows * self._plan.cols, dtype=np.bool_)
            for camera in observing & self._sights.keys():
                mask |= self._sights[camera]
            self._looked_at[observing] = mask
        return self._looked_at[observing]

    def _message(self, filled_ms: Array) -> Heat | None:
        self._carried += filled_ms
        cells = np.flatnonzero(self._carried >= SMALLEST_MPS)
        if not len(cells):
            return None
        whole = np.floor(self._carried[cells]).astype(np.int64)
        self._carried[cells] -= whole
        return Heat(
            cell_mm=round(self._plan.cell_m * 1000),
            rows=self._plan.rows,
            cols=self._plan.cols,
            cells=cells.tolist(),
            mps=whole.tolist(),
        )


def _told(cone: Cone, said: Sequence[float | None], range_m: float | None, expected: Array) -> Array:
    """What a step's readings `said`, whose median is `range_m`, add to the log-odds of the cone's cells."""
    before = expected[cone.cells]
    taken = cone.evidence(range_m, before) if said else None
    return np.zeros(len(before)) if taken is None else _log(taken) - _log(before)


def _log(chance: Array) -> Array:
    bounded = np.clip(chance, 1e-6, 1 - 1e-3)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _chance(log_odds: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
