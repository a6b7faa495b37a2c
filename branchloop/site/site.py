"""A site: one branch's floor plan, cameras, lines, zones and sensors, parsed from TOML text.

Metres on the plan: x to the right, y down, the origin at the plan's top-left corner.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from branchloop import geometry
from branchloop.config import Part, parse_config
from branchloop.site.box import DETECTOR, Box
from branchloop.site.kiosk import Counter, Kiosk, Service
from branchloop.site.opening import Opening, check_weekdays
from branchloop.site.parts import Id, Metres, Text, camera_source, check_login
from branchloop.site.wires import check_wires, sensor_source

ZONE_KINDS = ("entrance", "queue", "waiting", "counter", "self-service", "desk", "staff", "other")

PlanPoint = tuple[Metres, Metres]
MAX_HEAT_CELLS = 1_000_000
LOWEST_MOUNT_M = 2.2
"""A sensor that hangs lower, or looks across a counter, tells presence, but not where somebody stands."""
PRESENT_SLACK_M = 0.1
"""Somebody is gone when the range exceeds `present_below_m` by this: a shoulder at the edge flickers less."""


class Plan(Part):
    """Size of the floor plan in metres, its heat cell, and walls as line art."""

    width_m: Annotated[float, Field(gt=0.5, le=500)]
    height_m: Annotated[float, Field(gt=0.5, le=500)]
    cell_m: Annotated[float, Field(ge=0.05, le=2)] = 0.25
    walls: list[list[PlanPoint]] = Field(default_factory=list, max_length=500)

    @model_validator(mode="after")
    def _fits(self) -> Plan:
        if self.rows * self.cols > MAX_HEAT_CELLS:
            raise ValueError(
                f"has {self.rows * self.cols} heat cells, more than {MAX_HEAT_CELLS}; choose a larger cell_m"
            )
        return self

    @property
    def rows(self) -> int:
        """Heat cells from top to bottom."""
        return math.ceil(self.height_m / self.cell_m - 1e-9)

    @property
    def cols(self) -> int:
        """Heat cells from left to right."""
        return math.ceil(self.width_m / self.cell_m - 1e-9)

    def holds(self, p: geometry.Point) -> bool:
        """Whether a point lies on the plan."""
        return 0 <= p[0] <= self.width_m and 0 <= p[1] <= self.height_m


FEWEST_MARKS = 4
"""A homography needs as many, and goes through as many wherever they are."""


class Calibration(Part):
    """Pixel↔metre points of a camera: `[x_px, y_px, x_m, y_m]` of at least four marks on the floor."""

    points: Annotated[list[tuple[float, float, Metres, Metres]], Field(max_length=500)]
    picture_px: tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]
    measured_on: date | None = None
    distortion: list[float] = Field(default_factory=list, max_length=5, description="k1 k2 p1 p2 k3")
    focal_px: Annotated[float, Field(gt=0)] | None = None

    @field_validator("points")
    @classmethod
    def _enough(cls, points: list[tuple[float, float, float, float]]) -> Any:
        if len(points) < FEWEST_MARKS:
            raise ValueError(
                f"{len(points)} calibration points fix no floor; give at least {FEWEST_MARKS}, better 8, not on one line"
            )
        for name, marks in (
            ("pixels", [(p[0], p[1]) for p in points]),
            ("metres", [(p[2], p[3]) for p in points]),
        ):
            reach = max(geometry.distance(p, q) for p in marks for q in marks)
            if geometry.spread(marks) < 0.02 * reach or reach == 0:
                raise ValueError(
                    f"the calibration points lie on one line in {name}; choose marks that span the floor"
                )
        return points

    @model_validator(mode="after")
    def _lens(self) -> Calibration:
        if self.distortion and self.focal_px is None:
            raise ValueError("distortion needs focal_px; add the focal length in pixels")
        return self

    @property
    def always_fits(self) -> bool:
        """Whether there are so few marks that they fit whatever was typed: their residual then tells nothing."""
        return len(self.points) == FEWEST_MARKS


class Camera(Part):
    """One camera: `source` is a file, `rtsp://…`, `http://…` (MJPEG) or `usb:N`; secrets come from `credential_env`."""

    id: Id
    source: str = Field(min_length=1, max_length=500)
    name: Text | None = None
    calibration: Calibration
    fps: Annotated[float, Field(gt=0, le=120)] | None = Field(
        default=None, description="true frame rate of a file whose header is wrong"
    )
    analysed_fps: Annotated[float, Field(gt=0, le=60)] = 7.0
    loop: bool = False
    credential_env: str | None = Field(
        default=None,
        description="of rtsp and http: name of the environment variable that holds user:password",
    )

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        return camera_source(source)

    @model_validator(mode="after")
    def _login(self) -> Camera:
        check_login(self.source, self.credential_env)
        return self


class Line(Part):
    """A counting line; `in` is a crossing towards the point `inside`."""

    id: Id
    name: Text | None = None
    from_: PlanPoint = Field(alias="from")
    to: PlanPoint
    inside: PlanPoint
    entrance: bool = Field(default=False, description="crossings count as footfall")

    @model_validator(mode="after")
    def _sides(self) -> Line:
        if geometry.distance(self.from_, self.to) < 0.2:
            raise ValueError("is shorter than 0.2 m; move `from` and `to` apart")
        if abs(geometry.side(self.from_, self.to, self.inside)) < 0.05:
            raise ValueError("`inside` lies on the line; choose a point clearly on the inner side")
        return self


class Zone(Part):
    """A polygon on the plan; a stay shorter than `min_stay_s` is passing through, not a visit."""

    id: Id
    kind: Literal["entrance", "queue", "waiting", "counter", "self-service", "desk", "staff", "other"]
    name: Text | None = None
    polygon: Annotated[list[PlanPoint], Field(min_length=3, max_length=200)]
    min_stay_s: Annotated[float, Field(ge=0, le=600)] = 2.0
    served_in: list[Id] = Field(
        default_factory=list,
        max_length=64,
        description="of a queue: zones where its wait ends; all counters, desks and machines without it",
    )

    @field_validator("polygon")
    @classmethod
    def _sound(cls, polygon: list[tuple[float, float]]) -> Any:
        if not geometry.is_simple(polygon):
            raise ValueError(
                "crosses itself or runs along an edge twice; list the corners in order, once round the zone"
            )
        if geometry.area(polygon) < 0.05:
            raise ValueError("has no area; give at least three corners that span it")
        return polygon


class Sensor(Part):
    """An ultrasonic range sensor on the ceiling or a counter, looking along its cone."""

    id: Id
    kind: Literal["ultrasonic"] = "ultrasonic"
    source: str = Field(
        min_length=1,
        max_length=500,
        description="serial:DEVICE or serial:DEVICE@BAUD, udp:HOST:PORT, mqtt:HOST:PORT/TOPIC, log:FILE",
    )
    credential_env: str | None = Field(
        default=None, description="of mqtt: name of the environment variable that holds user:password"
    )
    unit: Literal["mm", "cm", "inch"] = Field(default="mm", description="of ASCII range finders (R1234)")
    name: Text | None = None
    x_m: Metres
    y_m: Metres
    height_m: Annotated[float, Field(gt=0, le=20)]
    cone_deg: Annotated[float, Field(gt=0, le=120)] = 30.0
    range_m: Annotated[float, Field(gt=0, le=20)] = 6.0
    present_below_m: Annotated[float, Field(gt=0, le=20)] | None = Field(
        default=None, description="a range below this means that somebody stands in the cone"
    )
    loop: bool = False

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        return sensor_source(source)

    @property
    def looks_down(self) -> bool:
        """Whether it hangs under the ceiling; else it looks across a counter."""
        return self.height_m >= LOWEST_MOUNT_M


class Tracking(Part):
    """How far back the tracker may correct itself, and what it takes to believe in a person."""

    lookback_s: Annotated[float, Field(ge=0, le=5)] = 1.0
    birth_score: Annotated[float, Field(gt=0, lt=1)] = 0.6
    high_score: Annotated[float, Field(gt=0, lt=1)] = 0.5
    low_score: Annotated[float, Field(gt=0, lt=1)] = 0.3


class Place(Part):
    """Where on earth, in degrees (WGS 84)."""

    lat_deg: Annotated[float, Field(ge=-90, le=90)]
    lon_deg: Annotated[float, Field(ge=-180, le=180)]


class Site(Opening):
    """The whole of a site file."""

    id: Id
    name: Text
    version: Annotated[int, Field(ge=1)] = 1
    simulated: bool = False
    note: Text | None = Field(default=None, description="a sentence every page of this site shows")
    reentry_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=120.0, description="who comes back within this time is the same visitor; 0: always a new one"
    )
    staff_after_s: Annotated[float, Field(ge=0, le=3_600)] = Field(
        default=10.0, description="who stays this long in a zone of kind staff is staff from then on"
    )
    plan: Plan
    cameras: list[Camera] = Field(default_factory=list, max_length=64, alias="camera")
    lines: list[Line] = Field(default_factory=list, max_length=256, alias="line")
    zones: list[Zone] = Field(default_factory=list, max_length=256, alias="zone")
    sensors: list[Sensor] = Field(default_factory=list, max_length=256, alias="sensor")
    services: list[Service] = Field(default_factory=list, max_length=64, alias="service")
    arrive_early_min: Annotated[int, Field(ge=0, le=240)] = 30
    arrive_late_min: Annotated[int, Field(ge=0, le=240)] = 15
    counters: list[Counter] = Field(
        default_factory=list,
        max_length=100,
        alias="counter",
        description="without any, Service.counters counts",
    )
    place: Place | None = Field(default=None, description="where the branch is, for branches nearby")
    address: Text | None = None
    kiosks: list[Kiosk] = Field(default_factory=list, max_length=20, alias="kiosk")
    box: Box | None = None
    tracking: Tracking = Tracking()

    @property
    def detector(self) -> str:
        """What finds people in its cameras' pictures: a name or a model file."""
        return self.box.detector if self.box else DETECTOR

    @property
    def entrances(self) -> list[Line]:
        """The lines at which people come into the branch and leave it."""
        return [line for line in self.lines if line.entrance]

    def has_kiosk(self, device: str) -> bool:
        """Whether a device of the branch is one of its kiosks."""
        return any(kiosk.id == device for kiosk in self.kiosks)

    @model_validator(mode="after")
    def _consistent(self) -> Site:
        for what, parts in (
            ("camera", self.cameras),
            ("line", self.lines),
            ("zone", self.zones),
            ("sensor", self.sensors),
            ("service", self.services),
            ("kiosk", self.kiosks),
            ("counter", self.counters),
        ):
            seen: set[str] = set()
            for part in parts:
                if part.id in seen:
                    raise ValueError(f"two {what}s are called {part.id!r}; every id must be used once")
                seen.add(part.id)
        check_wires({sensor.id: sensor.source for sensor in self.sensors})
        offered = {service.id for service in self.services}
        for counter in self.counters:
            check_weekdays(counter.hours)
            for service in counter.services:
                if service not in offered:
                    raise ValueError(
                        f"counter {counter.id!r} serves {service!r}, which is no service of this site; add it or take it out"
                    )
        kinds = {zone.id: zone.kind for zone in self.zones}
        for zone in self.zones:
            if zone.served_in and zone.kind != "queue":
                raise ValueError(f"zone {zone.id!r} has served_in but is no queue; set kind to queue")
            for served_in in zone.served_in:
                if kinds.get(served_in) not in {"counter", "desk", "self-service"}:
                    raise ValueError(
                        f"zone {zone.id!r} is served in {served_in!r}, which is no counter, desk or self-service zone"
                    )
        if self.box is not None and any(kiosk.id == self.box.id for kiosk in self.kiosks):
            raise ValueError(f"a kiosk is called {self.box.id!r} like the box; give it an id of its own")
        for where, points in self._places():
            for p in points:
                if not self.plan.holds(p):
                    raise ValueError(
                        f"{where} has the point ({p[0]:g}, {p[1]:g}) outside the plan of "
                        f"{self.plan.width_m:g} × {self.plan.height_m:g} m; move it inside or enlarge plan.width_m and plan.height_m"
                    )
        return self

    def _places(self) -> list[tuple[str, Sequence[geometry.Point]]]:
        places: list[tuple[str, Sequence[geometry.Point]]] = []
        places += [(f"zone {zone.id!r}", zone.polygon) for zone in self.zones]
        places += [(f"line {line.id!r}", (line.from_, line.to)) for line in self.lines]
        places += [(f"sensor {sensor.id!r}", [(sensor.x_m, sensor.y_m)]) for sensor in self.sensors]
        places += [(f"plan.walls[{i}]", wall) for i, wall in enumerate(self.plan.walls)]
        places += [(f"kiosk {kiosk.id!r}", [(kiosk.x_m, kiosk.y_m)]) for kiosk in self.kiosks]
        return places


def parse_site(text: str, file: str = "site.toml") -> Site:
    """Parse a site file. Raises ConfigError naming file, key and remedy for every fault found."""
    return parse_config(text, file, Site)


def config_hash(text: str) -> str:
    """Short digest by which hub and box agree that they hold the same configuration."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
