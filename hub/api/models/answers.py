"""What the API answers, typed. Null means not measured, never zero; times are RFC 3339 in UTC."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from branchloop.site.parts import Text
from branchloop.site.site import PlanPoint
from branchloop.wire.messages import DeviceState, PairFault

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Share = Annotated[float, Field(ge=0, le=1, description="share of the time truly observed")]
Light = DeviceState | Literal["unknown"]
Part = Literal["camera", "sensor", "pair", "check"]


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class Problem(Answer):
    """What is wrong, and how to mend it (RFC 9457, application/problem+json)."""

    type: str
    title: str
    status: int
    detail: str
    hint: str


class Fault(Answer):
    """What was wrong with a camera's picture, a sensor's readings or a pair of cameras, or a check that was off."""

    part: Part
    subject: str = Field(
        description="of a pair FIRST/SECOND; of a check a sensor, a box, or empty where it is of the whole branch"
    )
    fault: str
    seconds: float | None = Field(description="for how long within the figure's time; null: right now")


class Taint(Fault):
    """A fault, and the figures (keys of the KPI table) that it spoils."""

    figures: list[str]


class Figure(Answer):
    """One figure with its quality; `tainted` tells what spoils it, and is empty when nothing does."""

    value: int | float | None
    unit: str
    coverage: Share | None
    as_of: Moment | None
    tainted: list[Fault]


class Ingest(Answer):
    """How the way from the boxes into the database fares."""

    connected: bool
    last_commit: Moment | None


class Health(Answer):
    """Whether the hub works."""

    status: Literal["ok", "degraded"]
    version: str
    ingest: Ingest
    checks: dict[Literal["database", "ingest", "live", "stream"], bool]


class BranchSummary(Answer):
    """A branch in the list."""

    id: str
    name: Text
    timezone: str
    simulated: bool
    note: Text | None
    open_now: bool
    online: bool
    occupancy: Figure
    footfall_today: Figure
    as_of: Moment | None


class Branches(Answer):
    """Some branches; `next` is to be given as `after` for the following ones."""

    items: list[BranchSummary]
    next: str | None


class FloorPlan(Answer):
    """Size in metres and the heat cells of a floor plan; walls as line art."""

    width_m: float
    height_m: float
    cell_m: float
    rows: int
    cols: int
    walls: list[list[PlanPoint]]


class LinePlace(Answer):
    """A counting line."""

    id: str
    name: Text | None
    from_: PlanPoint = Field(alias="from")
    to: PlanPoint
    inside: PlanPoint
    entrance: bool


class ZonePlace(Answer):
    """A zone."""

    id: str
    kind: str
    name: Text | None
    polygon: list[PlanPoint]
    min_stay_s: float


class CameraPlace(Answer):
    """A camera."""

    id: str
    name: Text | None


class SensorPlace(Answer):
    """A sensor on the plan."""

    id: str
    kind: str
    name: Text | None
    x_m: float
    y_m: float
    height_m: float
    cone_deg: float


class Branch(Answer):
    """A branch as pages need it: nothing of its sources, calibration or box."""

    id: str
    name: Text
    timezone: str
    simulated: bool
    note: Text | None
    hours: dict[str, str]
    version: int
    plan: FloorPlan
    lines: list[LinePlace]
    zones: list[ZonePlace]
    cameras: list[CameraPlace]
    sensors: list[SensorPlace]
    may: list[str] = Field(description="what this token may do here, such as `live`, `figures` or `quality`")


class LineToday(Answer):
    """Crossings of a line today."""

    id: str
    in_: int | None = Field(alias="in")
    out: int | None
    coverage: Share | None = Field(description="of the day so far, by the cameras that see the line")


class ZoneNow(Answer):
    """A zone right now, and its visits today."""

    id: str
    occupancy: Figure
    visits_today: int | None = Field(description="null where no camera that sees the zone looked today")
    dwell_median_s: float | None
    dwell_p90_s: float | None
    coverage: Share | None = Field(description="of the day so far, by the cameras that see the zone")


class QueueNow(Answer):
    """A queue right now, and how long those waited who were served in the last half hour."""

    id: str
    waiting: Figure
    wait: Figure = Field(description="median wait in s; null when nobody was served, or nothing was observed")
    wait_p10_s: float | None
    wait_p90_s: float | None
    wait_from: Moment = Field(description="start of the half hour")
    served: int | None
    abandoned: int | None


class CameraNow(Answer):
    """A camera's light and what it saw in the newest window."""

    id: str
    state: Light
    since: Moment | None
    fault: str | None = Field(description="what is wrong with its picture")
    detail: str | None = Field(description="what its box says of its state, in English")
    coverage: Share | None
    calibration_residual_mm: int | None
    calibration_age_days: int | None
    frames_analysed: int | None


class PairNow(Answer):
    """Two cameras that do not fit together, by the newest window."""

    first: str
    second: str
    fault: PairFault
    disagreement_mm: int | None = Field(description="median distance between the places they give one person")
    clock_ms: int | None = Field(description="the second's clock minus the first's")


class SensorNow(Answer):
    """A sensor's light and what it read in the newest window."""

    id: str
    state: Light
    since: Moment | None
    fault: str | None = Field(description="why its readings are not believed")
    detail: str | None = Field(description="what its box says of its state, in English")
    nearest_mm: int | None
    mean_mm: int | None
    present: bool | None = Field(description="whether somebody was there for at least half of `observed_s`")
    present_s: float | None = Field(description="how long somebody was there")
    observed_s: float | None = Field(description="how long it gave readings")
    coverage: Share | None


class Device(Answer):
    """A branch's box."""

    online: bool
    last_seen: Moment
    version: str | None
    config_version: int | None
    outbox_depth: int | None


class NoticeLine(Answer):
    """Something that happened; `fate` says whether the figures confirmed it."""

    id: str
    what: str
    at: Moment
    line: str | None
    direction: Literal["in", "out"] | None
    subject: str | None
    state: str | None
    detail: str | None
    fate: Literal["open", "confirmed", "withdrawn"]


class AlertAnswer(Answer):
    """An alert: open while `cleared` is null; `evidence` is what was found when it was raised."""

    id: int
    kind: str
    subject: str
    raised: Moment
    cleared: Moment | None
    tainted: list[str] = Field(description="figures that it makes doubtful")
    evidence: dict[str, Any]


class Live(Answer):
    """What is the case right now; `stale` when the newest window is old."""

    as_of: Moment | None
    server_time: Moment
    timezone: str
    stale: bool
    simulated: bool
    occupancy: Figure
    in_today: Figure
    out_today: Figure
    footfall_today: Figure = Field(description="who came in, without those who had just gone out, and staff")
    tainted: list[Taint] = Field(description="every fault of today, and the figures of today that it spoils")
    lines: list[LineToday]
    zones: list[ZoneNow]
    queues: list[QueueNow]
    cameras: list[CameraNow]
    pairs: list[PairNow] = Field(description="only those with a fault")
    sensors: list[SensorNow]
    alerts: list[AlertAnswer] = Field(description="open ones, newest first")
    device: Device | None
    notices: list[NoticeLine]
    dots: list[tuple[float, float]] = Field(description="x_m, y_m of the people right now")
    dots_at: Moment | None
