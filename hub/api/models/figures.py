"""What the API answers about figures over a stretch of time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hub.api.models.answers import Answer, Figure, Moment, Share, Taint


class Stretch(Answer):
    """The time that an answer is about: what was asked for, widened to what can be told."""

    from_: Moment = Field(alias="from")
    to: Moment
    timezone: str
    opened_s: float = Field(description="opening time in it up to now: what `coverage` is a share of")
    coverage: Share | None
    as_of: Moment | None
    tainted: list[Taint] = Field(description="faults in this time that spoil figures of this answer")


class Gap(Answer):
    """Opening time that nobody observed."""

    from_: Moment = Field(alias="from")
    to: Moment


class CameraOut(Answer):
    """Opening time that a camera did not observe, though it was there."""

    camera: str
    seconds: float
    from_: Moment = Field(alias="from", description="before the first of it")
    to: Moment = Field(description="after the last of it")


class Heat(Stretch):
    """Person·seconds per cell of the floor plan, rows from the top.

    The layer `presence` is what cameras saw; `filled` is what was estimated from range sensors where no
    camera looked. Neither is part of the other.
    """

    layer: Literal["presence", "filled"]
    cell_m: float
    rows: int
    cols: int
    x0_m: float
    y0_m: float
    unit: Literal["person·s"]
    person_seconds: list[list[float]] = Field(
        description="by row and column; where `total` is null nothing was measured, and the noughts say nothing"
    )
    total: float | None = Field(
        description="sum of all cells; null when nothing was observed, or nothing estimated"
    )
    max: float | None
    filled_person_seconds: float | None = Field(
        description="total of the layer `filled`; null when nothing was estimated"
    )
    open_coverage: Share | None = Field(description="share of the stored opening time that was observed")
    left_out_person_seconds: float = Field(
        description="stored for another cell size or floor plan, not in the cells"
    )
    gaps: list[Gap]
    cameras_out: list[CameraOut] = Field(
        description="cameras that missed some of the opening time; empty of days of which no hours are kept"
    )
    begun: Moment | None = Field(
        description="since when the branch's hours can be told: nothing was missed before; null: nothing was ever observed"
    )
    method: list[str]
    simulated: bool


class Flow(Stretch):
    """Which way people walked: sums of their steps by cell of a coarse grid, rows from the top.

    Where all go one way the sum (dx, dy) is as long as `path_m`; where they go to and fro it is short.
    """

    cell_m: float | None = Field(
        description="null when no walk was stored for this plan; the lists are then empty"
    )
    rows: int
    cols: int
    x0_m: float
    y0_m: float
    unit: Literal["m"]
    dx_m: list[list[float]] = Field(description="to the right")
    dy_m: list[list[float]] = Field(description="downwards on the plan")
    path_m: list[list[float]]
    total_path_m: float | None = Field(
        description="null when nothing was observed, or all that was walked is left out; 0 when nobody walked"
    )
    left_out_path_m: float = Field(
        description="walked by what was stored for another cell size or plan: in neither cells nor total"
    )
    simulated: bool


class Bucket(Answer):
    """A bucket of the branch's own minutes, hours or days; `open` if it holds opening time."""

    start: Moment
    end: Moment
    coverage: Share | None
    open: bool


class FootfallBucket(Bucket):
    """Crossings of the entrances without staff; null when nothing was observed."""

    in_: int | None = Field(alias="in")
    out: int | None
    returned: int | None = Field(description="of `in`: who had gone out within the re-entry time")
    visitors: int | None = Field(description="`in` without `returned`: the footfall")


class OccupancyBucket(Bucket):
    """People on the floor; null when nothing was observed."""

    mean: float | None
    person_seconds: float | None
    staff_person_seconds: float | None = Field(description="of staff, who are in no other figure")


class Footfall(Stretch):
    """Crossings of the entrances without staff."""

    bucket: Literal["minute", "hour", "day"]
    entrances: list[str]
    items: list[FootfallBucket]
    total_in: int | None
    total_out: int | None
    total_returned: int | None
    total_visitors: int | None


class Occupancy(Stretch):
    """Mean number of people."""

    bucket: Literal["minute", "hour", "day"]
    items: list[OccupancyBucket]


class ZoneFigures(Answer):
    """Visits and dwell of a zone; null when nothing was observed."""

    id: str
    kind: str
    person_seconds: float | None
    share: Annotated[float, Field(ge=0, le=1)] | None = Field(
        description="of all person·seconds on the plan; null when nobody was there, or the zone was drawn within the time. Where zones overlap, "
        "time counts in each of them"
    )
    visits: int | None
    dwell_median_s: float | None
    dwell_p90_s: float | None
    coverage: Share | None = Field(description="of the whole time; less where the zone was drawn within it")


class Zones(Stretch):
    """Every zone of a branch."""

    floor_person_seconds: float | None = Field(description="on the whole plan; what `share` is a share of")
    items: list[ZoneFigures]


class QueueSpan(Answer):
    """A queue over some time; null when it was not observed. Waits are told of those who were served."""

    length_mean: float | None
    joined: int | None
    served: int | None
    abandoned: int | None
    lost: int | None = Field(
        description="waits whose end nobody saw, or of people who turned out to be staff; in neither of the two"
    )
    abandonment: Annotated[float, Field(ge=0, le=1)] | None = Field(
        description="share that left unserved, of the waits whose end was seen; null when there was none"
    )
    wait_median_s: float | None
    wait_p90_s: float | None
    coverage: Share | None


class QueueBucket(Bucket, QueueSpan):
    """A queue in one bucket."""


class QueueFigures(QueueSpan):
    """A queue over the whole time, by bucket, and right now."""

    id: str
    waiting_now: Figure
    buckets: list[QueueBucket]


class Queues(Stretch):
    """Every queue of a branch."""

    bucket: Literal["minute", "hour", "day"]
    items: list[QueueFigures]
