"""What the floor tells: the figures of a window, each merging by addition, and notices that somebody waits for.

Part of the wire, see `branchloop.wire.payload`; kinds and batches are in `branchloop.wire.batches`. Evolution is additive only.
"""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from branchloop.clock import MINUTE_MS, WINDOW_MS
from branchloop.wire.payload import Count, Id, SignedCount, TimeMs, Wire

DeviceState = Literal["up", "starting", "stalled", "down", "ended"]
CameraFault = Literal["covered", "blurred", "frozen", "looped", "moved", "crowded"]
"""What may be wrong with a camera's picture, or too much for it; what each taints stands in `branchloop.kpis.TAINTS`."""
SensorFault = Literal["stuck", "deaf", "spiking", "garbled", "crosstalk"]

PairFault = Literal["cameras_apart", "clocks_apart", "cameras_disagree"]
"""Their people cannot be joined (one was moved, or two are swapped); their clocks differ; they place people apart."""


class Histogram(Wire):
    """Durations in the fixed bins of `branchloop.kpis.DURATION_EDGES_S`; merges by addition."""

    count: Count = 0
    sum_ms: Count = 0
    bins: dict[Annotated[str, Field(pattern=r"^[0-9]{1,3}$")], Count] = Field(
        default_factory=dict, description="bin index -> how many durations fell into it"
    )


class CameraWindow(Wire):
    """What one camera contributed to a window."""

    camera: Id
    state: DeviceState
    observed_ms: Count = Field(description="time in the window truly observed")
    frames: Count = Field(description="frames captured")
    analysed: Count = Field(description="frames the detector saw; the others were held by the motion gate")
    calibration_residual_mm: Count | None = None
    calibration_age_days: Count | None = None
    fault: CameraFault | None = Field(
        default=None, description="what was wrong with the picture, if anything"
    )


class CameraPair(Wire):
    """How well two cameras agree about the people on the floor that both see, over the last minutes."""

    first: Id
    second: Id
    disagreement_mm: Count | None = Field(
        default=None, description="median distance between the places they give, before any correction"
    )
    clock_ms: SignedCount | None = Field(default=None, description="the second's clock minus the first's")
    wrong: PairFault | None = None

    @property
    def name(self) -> str:
        """What the hub calls the pair: FIRST/SECOND, which no id of a single part can be."""
        return f"{self.first}/{self.second}"


class SensorWindow(Wire):
    """What one ultrasonic sensor read in a window; ranges are absent when nothing valid came."""

    sensor: Id
    state: DeviceState
    observed_ms: Count
    readings: Count
    valid: Count
    nearest_mm: Count | None = None
    farthest_mm: Count | None = None
    sum_mm: Count | None = Field(default=None, description="sum of valid ranges: mean = sum_mm / valid")
    present_ms: Count | None = Field(default=None, description="time somebody stood in the cone")
    fault: SensorFault | None = Field(default=None, description="why its readings are not believed, if so")


class LineWindow(Wire):
    """Crossings of one counting line in a window, and the notices they settle.

    Staff are in `staff_in` and `staff_out` alone.
    """

    line: Id
    in_: Count = Field(alias="in")
    out: Count
    returned: Count = Field(
        default=0, description="of `in`: who had gone out within the re-entry window, and is no new visitor"
    )
    staff_in: Count = 0
    staff_out: Count = 0
    confirmed: list[str] = Field(default_factory=list, max_length=2_000)
    withdrawn: list[str] = Field(default_factory=list, max_length=2_000)
    looked_ms: Count | None = Field(
        default=None, description="time in which cameras observed it, by how much of it they see"
    )
    entrance: bool | None = Field(
        default=None,
        description="whether people come in and leave by it, as configured then; absent from older boxes",
    )


class ZoneWindow(Wire):
    """One zone in a window: `dwell` holds the visits that ended in it."""

    zone: Id
    person_ms: Count
    entries: Count
    dwell: Histogram = Field(default_factory=Histogram)
    looked_ms: Count | None = Field(default=None, description="time in which cameras that see it observed")


class QueueWindow(Wire):
    """One queue in a window. A wait ends by being served or by leaving; each counts where it ended."""

    queue: Id = Field(description="the zone of kind `queue`")
    person_ms: Count = Field(description="time integral of people waiting")
    waiting_end: Count | None = Field(default=None, description="people waiting at the end, if observed")
    joined: Count = Field(description="waits that began in the window")
    served: Histogram = Field(default_factory=Histogram, description="waits of those who were served")
    abandoned: Histogram = Field(default_factory=Histogram, description="waits of those who left unserved")
    lost: Count = Field(
        default=0,
        description="waits whose beginning or end nobody saw, and those of people who turned out to be staff: neither served nor abandoned",
    )
    looked_ms: Count | None = Field(default=None, description="time in which cameras that see it observed")


class Heat(Wire):
    """Person time per floor cell, sparse, row-major from (x0, y0)."""

    cell_mm: Annotated[int, Field(ge=50, le=5_000)]
    rows: Annotated[int, Field(ge=1, le=4_000)]
    cols: Annotated[int, Field(ge=1, le=4_000)]
    cells: list[Count] = Field(max_length=100_000, description="ascending cell indices, row * cols + col")
    mps: list[Count] = Field(max_length=100_000, description="milli-person-seconds, one per cell")

    @model_validator(mode="after")
    def _aligned(self) -> Heat:
        if len(self.cells) != len(self.mps):
            raise ValueError("cells and mps differ in length")
        if any(b <= a for a, b in zip(self.cells, self.cells[1:], strict=False)):
            raise ValueError("cells must ascend without repeats")
        if self.cells and self.cells[-1] >= self.rows * self.cols:
            raise ValueError("a cell lies outside the grid")
        return self


class Flow(Wire):
    """Which way people walked, per cell of a coarse grid: sums of their steps, which merge by addition."""

    cell_mm: Annotated[int, Field(ge=250, le=5_000)]
    rows: Annotated[int, Field(ge=1, le=2_000)]
    cols: Annotated[int, Field(ge=1, le=2_000)]
    cells: list[Count] = Field(max_length=20_000, description="ascending cell indices, row * cols + col")
    dx_mm: list[SignedCount] = Field(max_length=20_000, description="sum of steps to the right, one per cell")
    dy_mm: list[SignedCount] = Field(max_length=20_000, description="sum of steps downwards, one per cell")
    path_mm: list[Count] = Field(max_length=20_000, description="sum of the steps' lengths, one per cell")

    @model_validator(mode="after")
    def _aligned(self) -> Flow:
        if len({len(self.cells), len(self.dx_mm), len(self.dy_mm), len(self.path_mm)}) > 1:
            raise ValueError("cells, dx_mm, dy_mm and path_mm differ in length")
        if any(b <= a for a, b in itertools.pairwise(self.cells)):
            raise ValueError("cells must ascend without repeats")
        if self.cells and self.cells[-1] >= self.rows * self.cols:
            raise ValueError("a cell lies outside the grid")
        return self


class Window(Wire):
    """The figures of `slots` whole 5 s windows that start at `start_ms` and share one UTC minute."""

    start_ms: TimeMs
    slots: Annotated[int, Field(ge=1, le=12)] = 1
    closed_by: Literal["time", "step", "stop"] = "time"
    config_version: Count = 0
    method: str = Field(default="", max_length=80, description="detector and tracker that produced it")
    expected_ms: Count = Field(description="camera time that full coverage would have given")
    observed_ms: Count = Field(description="camera time truly observed")
    looked_ms: Count | None = Field(
        default=None, description="time in which at least one camera observed: what `person_ms` is of"
    )
    person_ms: Count = Field(description="time integral of people on the plan, staff excluded")
    staff_ms: Count = Field(default=0, description="time integral of staff, who are in no other figure")
    people_end: Count | None = Field(default=None, description="people on the plan at the end, if observed")
    cameras: list[CameraWindow] = Field(default_factory=list, max_length=64)
    lines: list[LineWindow] = Field(default_factory=list, max_length=256)
    zones: list[ZoneWindow] = Field(default_factory=list, max_length=256)
    queues: list[QueueWindow] = Field(default_factory=list, max_length=256)
    sensors: list[SensorWindow] = Field(default_factory=list, max_length=256)
    pairs: list[CameraPair] = Field(
        default_factory=list, max_length=2_016, description="cameras that share floor"
    )
    heat: Heat | None = None
    filled: Heat | None = Field(
        default=None,
        description="person time where no camera looked, estimated from range sensors; never part of `heat`",
    )

    flow: Flow | None = None

    @property
    def duration_ms(self) -> int:
        """Length of the window."""
        return self.slots * WINDOW_MS

    @model_validator(mode="after")
    def _on_the_grid(self) -> Window:
        if self.start_ms % WINDOW_MS:
            raise ValueError("start_ms is not a multiple of 5 s")
        if self.start_ms // MINUTE_MS != (self.start_ms + self.duration_ms - 1) // MINUTE_MS:
            raise ValueError("a window may not reach over a minute boundary")
        if self.observed_ms > self.expected_ms:
            raise ValueError("observed_ms exceeds expected_ms")
        return self


class Notice(Wire):
    """Something somebody waits for, at once; the window later confirms or withdraws it by `id`."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    what: Literal["crossing", "camera", "sensor", "clock_step", "disk"]
    at_ms: TimeMs
    seen_ms: TimeMs | None = Field(
        default=None, description="capture of the frame that made it certain, after at_ms"
    )
    line: Id | None = None
    direction: Literal["in", "out"] | None = None
    subject: Id | None = Field(default=None, description="camera or sensor concerned")
    state: DeviceState | None = None
    detail: str | None = Field(default=None, max_length=300)


class Live(Wire):
    """Anonymous positions of the people on the plan right now; QoS 0, never stored."""

    at_ms: TimeMs
    dots_mm: list[tuple[int, int]] = Field(max_length=1_000)
