"""The sums of a roll-up: what windows add to a minute, a local hour and a local day. All integers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["minute", "hour", "day"]
LEVELS: tuple[Level, ...] = ("minute", "hour", "day")


@dataclass(slots=True)
class Totals:
    """Sums of the windows of one bucket."""

    windows: int = 0
    windows_ms: int = 0
    expected_ms: int = 0
    observed_ms: int = 0
    open_expected_ms: int = 0
    open_observed_ms: int = 0
    person_ms: int = 0
    first_ms: int = 2**62
    last_ms: int = 0


@dataclass(slots=True)
class LineSums:
    """Crossings of one line."""

    crossings_in: int = 0
    crossings_out: int = 0


@dataclass(slots=True)
class ZoneSums:
    """One zone: `bins` are indices into `branchloop.kpis.DURATION_EDGES_S`."""

    person_ms: int = 0
    entries: int = 0
    dwell_count: int = 0
    dwell_sum_ms: int = 0
    bins: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class CameraSums:
    """One camera's share; `up_ms` is the length of the windows it ended in state `up`."""

    windows_ms: int = 0
    up_ms: int = 0
    observed_ms: int = 0
    frames: int = 0
    analysed: int = 0


@dataclass(slots=True)
class SensorSums:
    """One sensor; `presence_observed_ms` is the time in which presence could be told."""

    windows_ms: int = 0
    up_ms: int = 0
    observed_ms: int = 0
    readings: int = 0
    valid: int = 0
    sum_mm: int = 0
    nearest_mm: int | None = None
    farthest_mm: int | None = None
    present_ms: int = 0
    presence_observed_ms: int = 0


@dataclass(frozen=True, slots=True)
class GridShape:
    """Geometry of a heat grid; grids of different shapes are never added."""

    cell_mm: int
    rows: int
    cols: int


@dataclass(frozen=True, slots=True)
class SparseHeat:
    """Milli-person-seconds at ascending cell indices, row * cols + col."""

    cells: list[int]
    mps: list[int]


@dataclass(slots=True)
class RollUp:
    """Everything known of one bucket of one device: an increment, or what is stored."""

    totals: Totals = field(default_factory=Totals)
    methods: Counter[str] = field(default_factory=Counter)
    lines: dict[str, LineSums] = field(default_factory=dict)
    zones: dict[str, ZoneSums] = field(default_factory=dict)
    cameras: dict[str, CameraSums] = field(default_factory=dict)
    sensors: dict[str, SensorSums] = field(default_factory=dict)
    heat: dict[GridShape, list[SparseHeat]] = field(default_factory=dict)


Bucket = tuple[Level, int]
"""Level and start (UTC ms) of a bucket; hours and days are the site's local ones."""
