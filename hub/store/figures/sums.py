"""The sums of a roll-up: what windows add to a minute, a local hour and a local day. All integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Literal

Level = Literal["minute", "hour", "day"]
LEVELS: tuple[Level, ...] = ("minute", "hour", "day")
GridKind = Literal["heat", "filled", "flow"]
GRID_KINDS: tuple[GridKind, ...] = ("heat", "filled", "flow")
"""Person time that cameras saw; that was estimated from sensors where none looked; steps of walkers."""


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
    staff_ms: int = 0
    filled_ms: int = 0
    looked_ms: int = 0
    """Time in which at least one camera observed: what means of people are over."""
    first_ms: int = 2**62
    last_ms: int = 0


@dataclass(slots=True)
class LineSums:
    """Crossings of one line; `returned` are among `crossings_in`, staff are in neither.

    `told_ms` is the observed time of the windows that told of the line, which may have been drawn later; `observed_ms` how
    much of it the line itself was in sight, by as many cameras as there are; both also within the opening hours.
    """

    crossings_in: int = 0
    crossings_out: int = 0
    returned: int = 0
    staff_in: int = 0
    staff_out: int = 0
    observed_ms: int = 0
    open_observed_ms: int = 0
    told_ms: int = 0
    open_told_ms: int = 0

    @property
    def visitors(self) -> int:
        """Who came in and had not just gone out."""
        return self.crossings_in - self.returned


@dataclass(slots=True)
class EntranceSums(LineSums):
    """All lines together that were entrances when they were counted; `windows_ms` is the length of the windows that say which."""

    windows_ms: int = 0


LINE_SUMS = tuple(each.name for each in fields(LineSums))
"""Of one line, in the order of its columns."""


def after_each_other(stretches: Collection[LineSums]) -> LineSums:
    """Stretches of one line, or of all entrances, as one."""
    return LineSums(*(sum(getattr(each, name) for each in stretches) for name in LINE_SUMS))


def together(lines: Collection[LineSums]) -> LineSums:
    """Several lines of one stretch as one: crossings are added, times are those of the mean line.

    They were observed as long as any of them was told of, times the share of that in which the mean one was in sight: a
    door that was drawn later takes nothing from the time before it; one whose camera was out takes its part.
    """
    total = after_each_other(lines)
    longest_ms = max((line.told_ms for line in lines), default=0)
    longest_open_ms = max((line.open_told_ms for line in lines), default=0)
    total.observed_ms = _times(longest_ms, total.observed_ms, total.told_ms)
    total.open_observed_ms = _times(longest_open_ms, total.open_observed_ms, total.open_told_ms)
    total.told_ms, total.open_told_ms = longest_ms, longest_open_ms
    return total


def _times(value: int, numerator: int, denominator: int) -> int:
    return value * numerator // denominator if denominator else 0


@dataclass(slots=True)
class ZoneSums:
    """One zone; observed times are by the cameras that see it, where its box tells; `bins` are indices into `branchloop.kpis.DURATION_EDGES_S`."""

    person_ms: int = 0
    entries: int = 0
    dwell_count: int = 0
    dwell_sum_ms: int = 0
    observed_ms: int = 0
    open_observed_ms: int = 0
    bins: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class QueueSums:
    """One queue; `windows_ms` is the length of the windows that told of it, the rest is as in `ZoneSums`."""

    windows_ms: int = 0
    person_ms: int = 0
    joined: int = 0
    lost: int = 0
    served_count: int = 0
    served_sum_ms: int = 0
    abandoned_count: int = 0
    abandoned_sum_ms: int = 0
    observed_ms: int = 0
    open_observed_ms: int = 0
    served: Counter[int] = field(default_factory=Counter)
    abandoned: Counter[int] = field(default_factory=Counter)

    def add(self, other: QueueSums) -> None:
        """Add the sums of another stretch."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(slots=True)
class CameraSums:
    """One camera's share; `up_ms` is the length of the windows it ended in state `up`.

    `faults` holds the length of the windows that had each fault.
    """

    windows_ms: int = 0
    up_ms: int = 0
    observed_ms: int = 0
    frames: int = 0
    analysed: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class SensorSums:
    """One sensor; `presence_observed_ms` is the time in which presence could be told, `faults` as of cameras."""

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
    faults: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class GridShape:
    """Geometry of a grid; grids of different shapes are never added. Flow has three layers: dx, dy, path."""

    cell_mm: int
    rows: int
    cols: int
    layers: int = 1

    @property
    def size(self) -> int:
        """How many numbers the grid holds."""
        return self.layers * self.rows * self.cols


@dataclass(frozen=True, slots=True)
class SparseGrid:
    """Numbers at ascending indices, (layer * rows + row) * cols + col."""

    cells: list[int]
    values: list[int]


Grids = dict[GridShape, list[SparseGrid]]
"""Grids by shape, each as parts that are still to be added."""


@dataclass(slots=True)
class RollUp:
    """Everything known of one bucket of one device: an increment, or what is stored."""

    totals: Totals = field(default_factory=Totals)
    methods: Counter[str] = field(default_factory=Counter)
    lines: dict[str, LineSums] = field(default_factory=dict)
    entrances: EntranceSums = field(default_factory=EntranceSums)
    zones: dict[str, ZoneSums] = field(default_factory=dict)
    queues: dict[str, QueueSums] = field(default_factory=dict)
    cameras: dict[str, CameraSums] = field(default_factory=dict)
    sensors: dict[str, SensorSums] = field(default_factory=dict)
    pairs: dict[str, Counter[str]] = field(default_factory=dict)
    """FIRST/SECOND camera -> fault of the pair -> length of the windows that had it; only those that had any."""
    heat: Grids = field(default_factory=dict)
    filled: Grids = field(default_factory=dict)
    flow: Grids = field(default_factory=dict)

    def grids(self, kind: GridKind) -> Grids:
        """The grids of one kind."""
        return {"heat": self.heat, "filled": self.filled, "flow": self.flow}[kind]


Bucket = tuple[Level, int]
"""Level and start (UTC ms) of a bucket; hours and days are the site's local ones."""


def per_camera_ms(camera_ms: int, windows_ms: int, expected_ms: int) -> int | None:
    """Observed time per camera, by as many cameras as the stored windows themselves say that there were.

    None when they do not say. Nothing observed is nothing by any number of cameras.
    """
    if camera_ms <= 0:
        return 0
    return camera_ms * windows_ms // expected_ms if windows_ms > 0 and expected_ms > 0 else None
