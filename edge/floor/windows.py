"""The 5 s windows of a site: stretches, crossings and visits in, one `Window` per slot out.

Everything is an integer integral, so that windows merge exactly into minutes, hours and days.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from branchloop.clock import DAY_MS, WINDOW_MS, from_ms, window_start_ms
from branchloop.site.site import Site, Zone
from branchloop.wire.messages import (
    CameraFault,
    CameraWindow,
    DeviceState,
    LineWindow,
    QueueWindow,
    SensorWindow,
    Window,
    ZoneWindow,
)
from edge.floor.counting.flow import FlowGrid, Strides
from edge.floor.counting.heat import HeatGrid
from edge.floor.counting.histogram import histogram
from edge.floor.counting.lines import Crossing, Key
from edge.floor.counting.queueing import Outcome, Wait
from edge.floor.counting.queues import Queues, Told
from edge.floor.counting.zones import Visit, ZoneMeter
from edge.floor.fusion.people import SitePerson, Stretch
from edge.floor.handover import Renamed
from edge.floor.watch import Watch

OUTAGE_MS = DAY_MS
"""A leap of time that is longer than this is no outage but a clock that was set: there are no windows in between."""
ClosedBy = Literal["time", "step", "stop"]
Sensors = Callable[[int], Sequence[SensorWindow]]
"""Window start (UTC ms) -> what each sensor read in that window."""


@dataclass(frozen=True, slots=True)
class CameraQuality:
    """What is known of a camera when a window closes."""

    state: DeviceState
    residual_m: float
    fault: CameraFault | None = None


@dataclass(slots=True)
class Facts:
    """Visits and waits that a stretch began or ended."""

    visits: list[Visit] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    heat: HeatGrid
    flow: FlowGrid
    person_ms: int = 0
    staff_ms: int = 0
    people_end: int | None = None
    looked_ms: int = 0
    zone_looked_ms: Counter[str] = field(default_factory=Counter)
    line_looked_ms: Counter[str] = field(default_factory=Counter)
    observed_ms: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    analysed: Counter[str] = field(default_factory=Counter)
    zone_ms: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)
    dwell: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    crossings: Counter[tuple[str, str]] = field(default_factory=Counter)
    returned: Counter[str] = field(default_factory=Counter)
    queue_ms: Counter[str] = field(default_factory=Counter)
    waiting_end: dict[str, int | None] = field(default_factory=dict)
    joined: Counter[str] = field(default_factory=Counter)
    waits: dict[tuple[str, Outcome], list[int]] = field(default_factory=lambda: defaultdict(list))
    confirmed: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    withdrawn: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class WindowBook:
    """Open windows of one site. Feed in any order; `close` what has become final."""

    def __init__(self, site: Site, method: str, watch: Watch | None = None) -> None:
        """`watch` tells what cameras see; without it any sees all."""
        self._site, self._watch = site, watch or Watch(site.plan, site.zones, site.lines, {})
        self._method = method
        self._open: dict[int, _Open] = {}
        self._next_ms: int | None = None
        self._strides = Strides()
        self._fresh_meters()

    def begin(self, t_ms: int) -> None:
        """The site is watched from `t_ms` on; windows before it do not exist."""
        if self._next_ms is None:
            self._next_ms = window_start_ms(t_ms)

    def frame(self, camera: str, t_ms: int, *, analysed: bool) -> None:
        """A camera's frame arrived; `analysed` unless the motion gate held it."""
        window = self._at(t_ms)
        window.frames[camera] += 1
        window.analysed[camera] += analysed

    def stretch(self, stretch: Stretch, staff: Container[int] = ()) -> Facts:
        """Account for the people of one stretch; `staff` are in no figure but their own."""
        self._record_waits(*self._queues.left(stretch.start_ms))
        on_plan = [p for p in stretch.people if self._site.plan.holds(p.place_m) and not p.glimpsed]
        visitors = [p for p in on_plan if p.id not in staff]
        parts = _split(stretch.start_ms, stretch.end_ms)
        for start_ms, end_ms in parts:
            if not stretch.observing:
                self._nobody_watches(start_ms)
                continue
            window, span_ms = self._at(start_ms), end_ms - start_ms
            for camera in stretch.observing:
                window.observed_ms[camera] += span_ms
            window.looked_ms += span_ms
            for zone in self._site.zones:
                if self._watch.zone(zone.id, stretch.observing):
                    window.zone_looked_ms[zone.id] += span_ms
            for line in self._site.lines:
                window.line_looked_ms[line.id] += round(
                    span_ms * self._watch.line(line.id, stretch.observing)
                )
            window.people_end = len(visitors)
            window.person_ms += span_ms * len(visitors)
            window.staff_ms += span_ms * (len(on_plan) - len(visitors))
            for person in visitors:
                window.heat.add(person.place_m, span_ms)
        facts = Facts()
        dropped = self._drop([p.id for p in on_plan if p.id in staff])
        facts.waits += self._record_waits(dropped, stretch.end_ms - 1)
        self._flow(stretch, visitors)
        facts.visits += self._zone_stays(stretch, visitors, parts)
        facts.waits += self._queue_waits(stretch, visitors, parts)
        return facts

    def crossing(self, crossing: Crossing, notice: str | None, *, staff: bool, returned: bool) -> None:
        """A settled crossing, and the notice that foretold it, if any."""
        window = self._at(crossing.at_ms)
        window.crossings[crossing.line, f"staff_{crossing.direction}" if staff else crossing.direction] += 1
        window.returned[crossing.line] += returned
        if notice is not None:
            window.confirmed[crossing.line].append(notice)

    def went_out(self, person: Key, at_ms: int) -> list[Wait]:
        """A visitor left by an entrance: whatever the visitor waited for, it is over."""
        return self._record_waits(self._queues.went_out(person), at_ms) if isinstance(person, int) else []

    def withdraw(self, line: str, notice: str, at_ms: int) -> None:
        """A notice that did not come true."""
        self._at(at_ms).withdrawn[line].append(notice)

    def close(
        self,
        upto_ms: int,
        cameras: Mapping[str, CameraQuality],
        sensors: Sensors,
        closed_by: ClosedBy = "time",
    ) -> list[Window]:
        """Windows that end by `upto_ms`; with another reason than time also the unfinished one.

        Those of an outage are among them and say that nothing was observed, but for a leap of over a day.
        """
        if self._next_ms is None:
            return []
        self._record_waits(*self._queues.left(upto_ms))
        if closed_by != "time":
            self._record_waits(self._queues.stop(), upto_ms - 1)
        closed: list[Window] = []
        while self._next_ms + WINDOW_MS <= upto_ms or (closed_by != "time" and self._next_ms < upto_ms):
            if upto_ms - self._next_ms > OUTAGE_MS and self._next_ms not in self._open:
                self._next_ms = min([*self._open, window_start_ms(upto_ms - 1)])
                continue
            start_ms, self._next_ms = self._next_ms, self._next_ms + WINDOW_MS
            window = self._open.pop(start_ms, None) or self._empty()
            closed.append(self._message(start_ms, window, cameras, sensors(start_ms), closed_by))
        if closed_by != "time":
            self._next_ms = None
            self._open.clear()
            self._fresh_meters()
            self._strides = Strides()
        return closed

    def leave(self, border_ms: int, coming: Site) -> None:
        """Waits in queues that another configuration does not have are lost at `border_ms`, where it takes over."""
        self._queues.leave(border_ms, coming)

    def take_over(self, leaving: WindowBook, ids: Renamed) -> None:
        """Go on with the visits and waits that last by another book, and with no others; `ids` says who its people are here.

        What lasts in a zone that is no more has no end, and whoever stands in a queue that is new joined it unseen.
        """
        self._strides.take_over(leaving._strides, ids)
        self._fresh_meters()
        zones = {meter.zone.id: meter for meter in leaving._zones}
        for zone in self._zones:
            if zone.zone.id in zones:
                zone.take_over(zones[zone.zone.id], ids)
        self._queues.take_over(leaving._queues, ids)

    def _fresh_meters(self) -> None:
        site = self._site
        self._zones = [ZoneMeter(_patient(zone, site.staff_after_s)) for zone in site.zones]
        self._queues = Queues(site)

    def _empty(self) -> _Open:
        return _Open(HeatGrid(self._site.plan), FlowGrid(self._site.plan))

    def _drop(self, staff: Sequence[int]) -> Told:
        for person in staff:
            for zone in self._zones:
                zone.drop(person)
        return self._queues.drop(staff)

    def _flow(self, stretch: Stretch, visitors: Sequence[SitePerson]) -> None:
        for person in visitors:
            step = self._strides.step(stretch.start_ms, person.id, person.place_m)
            if step is not None:
                self._at(stretch.start_ms).flow.add(step)
        self._strides.forget(stretch.end_ms)

    def _zone_stays(
        self, stretch: Stretch, visitors: Sequence[SitePerson], parts: Sequence[tuple[int, int]]
    ) -> list[Visit]:
        visits: list[Visit] = []
        for meter in self._zones:
            for person in visitors:
                present = meter.holds(person.place_m)
                if present:
                    for start_ms, end_ms in parts:
                        self._at(start_ms).zone_ms[meter.zone.id] += end_ms - start_ms
                visits += meter.step(
                    stretch.start_ms, stretch.end_ms, person.id, person.place_m, inside=present
                )
            visits += meter.sweep(stretch.end_ms)
        for visit in visits:
            self._record(visit, stretch.end_ms - 1)
        return visits

    def _queue_waits(
        self, stretch: Stretch, visitors: Sequence[SitePerson], parts: Sequence[tuple[int, int]]
    ) -> list[Wait]:
        told = self._queues.step(stretch.start_ms, stretch.end_ms, visitors)
        for meter in self._queues.meters:
            waiting = meter.waiting([person.id for person in visitors])
            watched = self._watch.zone(meter.zone.id, stretch.observing)
            for start_ms, _ in parts if stretch.observing else ():
                self._at(start_ms).waiting_end[meter.zone.id] = waiting if watched else None
        return self._record_waits(told, stretch.end_ms - 1)

    def _record_waits(self, told: Told, at_ms: int) -> list[Wait]:
        for meter, progress in told:
            queue, window = meter.zone.id, self._at(at_ms)
            window.joined[queue] += progress.joined
            for wait in progress.ended:
                window.waits[queue, wait.outcome].append(wait.end_ms - wait.start_ms)
            for span in progress.waited:
                for start_ms, end_ms in _split(*span):
                    self._at(start_ms).queue_ms[queue] += end_ms - start_ms
        return [wait for _, progress in told for wait in progress.ended]

    def _slot_ms(self, t_ms: int) -> int:
        """What comes after its window has closed goes into the next."""
        start_ms = window_start_ms(t_ms)
        return start_ms if self._next_ms is None else max(start_ms, self._next_ms)

    def _at(self, t_ms: int) -> _Open:
        start_ms = self._slot_ms(t_ms)
        if start_ms not in self._open:
            self._open[start_ms] = self._empty()
        return self._open[start_ms]

    def _nobody_watches(self, t_ms: int) -> None:
        """Who is there at a window's end is not known; one that holds nothing says so anyway."""
        window = self._open.get(self._slot_ms(t_ms))
        if window is not None:
            window.people_end = None

    def _record(self, visit: Visit, at_ms: int) -> None:
        window = self._at(at_ms)
        if visit.end_ms is None:
            window.entries[visit.zone] += 1
        else:
            window.dwell[visit.zone].append(visit.end_ms - visit.start_ms)

    def _message(
        self,
        start_ms: int,
        window: _Open,
        cameras: Mapping[str, CameraQuality],
        sensors: Sequence[SensorWindow],
        closed_by: ClosedBy,
    ) -> Window:
        return Window(
            start_ms=start_ms,
            closed_by=closed_by,
            config_version=self._site.version,
            method=self._method,
            expected_ms=WINDOW_MS * max(1, len(self._site.cameras)),
            observed_ms=window.observed_ms.total(),
            looked_ms=window.looked_ms,
            person_ms=window.person_ms,
            staff_ms=window.staff_ms,
            people_end=window.people_end,
            cameras=[
                CameraWindow(
                    camera=camera.id,
                    state=cameras[camera.id].state,
                    observed_ms=window.observed_ms[camera.id],
                    frames=window.frames[camera.id],
                    analysed=window.analysed[camera.id],
                    calibration_residual_mm=round(cameras[camera.id].residual_m * 1000),
                    calibration_age_days=self._calibration_age_days(start_ms, camera.id),
                    fault=cameras[camera.id].fault,
                )
                for camera in self._site.cameras
            ],
            lines=[
                LineWindow.model_validate(
                    {
                        "line": line.id,
                        "in": window.crossings[line.id, "in"],
                        "out": window.crossings[line.id, "out"],
                        "returned": window.returned[line.id],
                        "staff_in": window.crossings[line.id, "staff_in"],
                        "staff_out": window.crossings[line.id, "staff_out"],
                        "confirmed": window.confirmed[line.id],
                        "withdrawn": window.withdrawn[line.id],
                        "looked_ms": window.line_looked_ms[line.id],
                        "entrance": line.entrance,
                    }
                )
                for line in self._site.lines
            ],
            zones=[
                ZoneWindow(
                    zone=zone.id,
                    person_ms=window.zone_ms[zone.id],
                    entries=window.entries[zone.id],
                    dwell=histogram(window.dwell[zone.id]),
                    looked_ms=window.zone_looked_ms[zone.id],
                )
                for zone in self._site.zones
            ],
            queues=[
                QueueWindow(
                    queue=meter.zone.id,
                    person_ms=window.queue_ms[meter.zone.id],
                    waiting_end=None
                    if window.people_end is None
                    else window.waiting_end.get(meter.zone.id, 0),
                    joined=window.joined[meter.zone.id],
                    served=histogram(window.waits[meter.zone.id, "served"]),
                    abandoned=histogram(window.waits[meter.zone.id, "abandoned"]),
                    lost=len(window.waits[meter.zone.id, "lost"]),
                    looked_ms=window.zone_looked_ms[meter.zone.id],
                )
                for meter in self._queues.meters
            ],
            sensors=list(sensors),
            heat=window.heat.message(),
            flow=window.flow.message(),
        )

    def _calibration_age_days(self, t_ms: int, camera_id: str) -> int | None:
        camera = next(camera for camera in self._site.cameras if camera.id == camera_id)
        measured = camera.calibration.measured_on
        if measured is None:
            return None
        return max(0, (from_ms(t_ms, self._site.zone_info).date() - measured).days)


def _patient(zone: Zone, staff_after_s: float) -> Zone:
    """A visit to a staff zone begins no sooner than one is known to be no staff, so staff never make one."""
    if zone.kind != "staff":
        return zone
    return zone.model_copy(update={"min_stay_s": max(zone.min_stay_s, staff_after_s)})


def no_sensors(start_ms: int) -> Sequence[SensorWindow]:
    """For runs without sensors."""
    del start_ms
    return ()


def _split(start_ms: int, end_ms: int) -> list[tuple[int, int]]:
    """Cut `[start_ms, end_ms)` at window borders."""
    parts: list[tuple[int, int]] = []
    while start_ms < end_ms:
        border = min(end_ms, window_start_ms(start_ms) + WINDOW_MS)
        parts.append((start_ms, border))
        start_ms = border
    return parts
