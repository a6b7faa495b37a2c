"""The wiring of a box: camera processes and sensors → floor → outbox → link. Nothing is computed here."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop import __version__
from branchloop.site.site import Camera, Site
from branchloop.wire.commands import Reply
from branchloop.wire.messages import CameraFault, DeviceState, Notice, SensorFault, SensorWindow
from branchloop.wire.payload import Wire
from branchloop.wire.status import DeviceLight
from edge.backlog import Backlog
from edge.cameras import CameraProcess, Ended, wiring
from edge.clock_steps import ClockSteps
from edge.configured import Configured
from edge.crowding import CROWDING, Crowding
from edge.floor.floor import Settled
from edge.floor.fusion.agreement import Complaints
from edge.floor.takeover import Floors
from edge.outboxes import open_outbox
from edge.perceive.anchor import Clock
from edge.perceive.health import Event
from edge.perceive.report import BackgroundReport, EventReport, FrameReport, Report
from edge.perceive.ultrasonic import Reading
from edge.perceive.ultrasonic_fault import why
from edge.pictures import Pictures
from edge.send.boxlink import BoxLink
from edge.send.link import Link
from edge.sensors import SensorReport, Sensors
from edge.succession import DesiredHeard, Succession

DOTS_EVERY_S = 1.0
DRAIN_S = 10.0
STUCK_EVERY_S = 30.0
"""So often a box whose disk takes nothing says how much waits by now."""
LATE_MS = 1_000
"""Frames from before the border have come by then."""
KEPT_READINGS = 32
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """A command of the hub, as it came."""

    payload: bytes


class Pipeline:
    """One box at work. `step` handles one report; `run` does so until told to stop."""

    def __init__(
        self, configured: Configured, config: Path, data_dir: Path, clock: Clock | None = None
    ) -> None:
        site, box = configured.site, configured.box
        self._config = config
        self._clock = clock or Clock()
        self._clock_steps = ClockSteps()
        self._reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outbox = open_outbox(site, box, data_dir, box.id)
        self._lights: dict[str, DeviceLight] = {}
        self._known: dict[str, tuple[DeviceState, CameraFault | None]] = {}
        """What cameras said of themselves last, for a floor that comes."""
        self._light(site)
        hears: dict[str, Callable[[bytes], None]] = {
            "command": lambda payload: self._reports.put(Heard(payload)),
            "desired": lambda payload: self._reports.put(DesiredHeard(payload)),
        }
        self._link = Link(self._outbox, BoxLink.of(site.id, box, config.parent), self._status, hears)
        self._prefix = f"{box.id}-{self._link.boot[:8]}"
        self._succession = Succession(configured, data_dir, self._prefix)
        self._floors = Floors(self._succession.floor(site))
        self._sensors = Sensors(site.sensors, config.parent, self._reports)
        self._leaving: Sensors | None = None
        """Sensors of the configuration that leaves: they still answer for windows before the border."""
        self._read: dict[int, list[SensorWindow]] = {}
        """Start of window -> what the sensors read in it: two floors may ask, a sensor tells once."""
        self._cameras = {camera.id: self._camera(site, camera) for camera in site.cameras}
        self._wired = site
        """The configuration that cameras and sensors run by: it changes at the border, before the windows do."""
        self._border_ms = 0
        self._pictures = Pictures(
            lambda: self._wired, self._cameras, self._lights.__getitem__, self._link.reply, self._now_ms,
            self._reports.put,
        )  # fmt: skip
        self._complaints = Complaints()
        self._crowding = Crowding(site.zone_info)
        self._crowding_file = data_dir / CROWDING
        self._serial = 0
        self._dots_s = 0.0
        self._stuck, self._stuck_told_s = False, 0.0
        self._backlog = Backlog(self._clock)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then settle what is open and let the outbox drain for a while."""
        self._link.start()
        self._sensors.start()
        for camera in self._cameras.values():
            camera.start()
        try:
            while not stop.is_set():
                self._turn()
        finally:
            self._end()

    def _turn(self) -> None:
        self._tick()
        try:
            self.step(self._reports.get(timeout=0.1))
        except queue.Empty:
            self._backlog.caught_up()
            self._enter(self._floors.settle(self._now_ms(), self._readings))
        self._succeed()

    def _end(self) -> None:
        """Every step is taken, also when one before it fails: what was counted is kept and sent."""
        with contextlib.ExitStack() as last:
            last.callback(self._outbox.close)
            last.callback(self._link.stop, drain_s=DRAIN_S)
            last.callback(self._outbox.flush)
            last.callback(lambda: self._enter(self._floors.finish(self._readings)))
            last.callback(self._sensors.stop)
            for camera in self._cameras.values():
                last.callback(camera.stop)

    def step(self, report: Report | Ended | SensorReport | Heard | DesiredHeard | Reply) -> None:
        """Handle one report of a camera or sensor, a command, or an answer that was made aside."""
        match report:
            case FrameReport(device, t_ms) | SensorReport(device, Reading(t_ms)) if self._clock_steps.is_over(
                device, t_ms, self._now_ms()
            ):
                return  # stamped before the clock was set: not observed, neither then nor now
            case FrameReport(camera, t_ms) if self._backlog.leaves_out(camera, t_ms):
                return
            case FrameReport(camera, t_ms, boxes):
                self._frame(camera, t_ms, boxes)
            case EventReport(camera, event):
                self._event(camera, "camera", event)
            case BackgroundReport():
                self._pictures.background(report)
            case Ended(camera):
                self._floors.ended(camera)
                self._pictures.forget(camera)
            case Heard(payload):
                self._pictures.take(payload)
            case DesiredHeard():
                self._desired(report)
            case Reply():
                self._pictures.answer(report)
            case SensorReport(sensor, got):
                for sensors in (self._sensors, self._leaving):
                    if sensors is not None:
                        sensors.take(report)
                if isinstance(got, Event):
                    self._event(sensor, "sensor", got)
                else:
                    self._floors.reading(sensor, got.t_ms, got.range_m)

    def _desired(self, heard: DesiredHeard) -> None:
        """Let a configuration of the hub come, if it is newer and right: it counts from the border on."""
        coming = self._succession.hear(heard)
        self._link.status_changed()
        if coming is None:
            return
        self._border_ms = self._floors.begin(coming.floor, self._now_ms())
        self._light(coming.site)
        for camera, (state, fault) in self._known.items():
            if (state != "up" or fault is not None) and any(
                each.id == camera for each in coming.site.cameras
            ):
                coming.floor.state(camera, state, fault)

    def _succeed(self) -> None:
        """At the border devices follow the configuration that comes; once all before it is settled, it is in force."""
        coming = self._succession.coming
        if coming is None:
            return
        settling = self._floors.border_ms is not None
        if self._wired is not coming.site and (not settling or self._now_ms() >= self._border_ms + LATE_MS):
            self._rewire(coming.site)
        if settling:
            return
        self._leaving = None
        if coming.site.timezone != self._site.timezone:
            self._crowding = Crowding(coming.site.zone_info)
        waiting = self._succession.in_force()
        self._link.status_changed()
        if waiting is not None:
            self._desired(waiting)

    def _rewire(self, site: Site) -> None:
        """Start anew what changed, stop what is gone; what is as before goes on."""
        before = {camera.id: camera for camera in self._wired.cameras}
        anew = site.tracking.low_score != self._wired.tracking.low_score
        for camera in site.cameras:
            if camera.id in before and (anew or wiring(camera) != wiring(before[camera.id])):
                self._end_camera(camera.id)
        for gone in set(before) - {camera.id for camera in site.cameras}:
            self._end_camera(gone)
        for camera in site.cameras:
            if camera.id not in self._cameras:
                self._cameras[camera.id] = self._camera(site, camera)
                self._cameras[camera.id].start()
            else:
                moved = camera.calibration != before[camera.id].calibration or site.plan != self._wired.plan
                self._cameras[camera.id].follow(site, camera, recalibrated=moved)
        if site.sensors != self._wired.sensors:
            self._leaving, self._sensors = self._sensors, self._sensors.hand_on(site.sensors)
            self._sensors.start()
        self._wired = site

    def _end_camera(self, camera: str) -> None:
        """What it told and the core has not come to yet, however far behind it is, is taken first."""
        self._cameras.pop(camera).stop()
        self._reports.put(Ended(camera))

    def _camera(self, site: Site, camera: Camera) -> CameraProcess:
        self._lights[camera.id] = DeviceLight(id=camera.id, state="starting", since_ms=self._now_ms())
        return CameraProcess(self._config, site, camera, self._reports, self._now_ms)

    def _light(self, site: Site) -> None:
        """Every device has a light, those that never spoke as well."""
        for part in [*(camera.id for camera in site.cameras), *(sensor.id for sensor in site.sensors)]:
            self._lights.setdefault(part, DeviceLight(id=part, state="starting", since_ms=self._now_ms()))

    def _readings(self, start_ms: int) -> list[SensorWindow]:
        """What the sensors read in the window that starts at `start_ms`."""
        if start_ms not in self._read:
            leaving = self._leaving is not None and start_ms < self._border_ms
            source = self._leaving if leaving and self._leaving is not None else self._sensors
            self._read[start_ms] = source.window(start_ms)
            for old in sorted(self._read)[:-KEPT_READINGS]:
                del self._read[old]
        return self._read[start_ms]

    @property
    def _site(self) -> Site:
        """The configuration in force."""
        return self._succession.site

    def _frame(self, camera: str, t_ms: int, boxes: NDArray[np.float32] | None) -> None:
        try:
            notices = self._floors.frame(camera, t_ms, boxes)
        except ValueError:
            self._clock_step(f"camera {camera} sent a frame from {t_ms} ms, before its last one")
            self._clock_steps.noticed(camera)
            return
        for notice in notices:
            self._tell(notice)
        self._enter(self._floors.settle(t_ms, self._readings))

    def _event(self, source: str, kind: str, event: Event) -> None:
        if event.what == "step":
            if not self._clock_steps.noticed(source):
                self._clock_step(f"the wall clock was set by {event.step_ms} ms")
                self._clock_steps.noticed(source)
        elif event.what == "cut":
            if kind == "camera":
                self._floors.cut(source)
        elif event.state is not None:
            self._state(source, kind, event.state, event.detail, event.fault)

    def _state(
        self,
        source: str,
        kind: str,
        state: DeviceState,
        detail: str,
        fault: CameraFault | None = None,
        sensor_fault: SensorFault | None = None,
    ) -> None:
        if source not in self._lights:  # the last words of a device that is no longer there
            return
        now_ms = self._now_ms()
        if kind == "camera":
            self._known[source] = (state, fault)
            self._floors.state(source, state, fault)
            self._pictures.state(source, state, detail)
        light = self._lights[source]
        before = light.state
        if (before, light.detail) == (state, detail[:300] or None):
            return
        same = before == state and (state == "down" or (fault == light.fault == "moved"))
        since_ms = light.since_ms if same else now_ms  # for another reason than before, or further
        self._lights[source] = DeviceLight(
            id=source,
            state=state,
            since_ms=since_ms,
            detail=detail[:300] or None,
            fault=fault or sensor_fault,
        )
        self._link.status_changed()
        _LOG.warning("%s %s is %s%s", kind, source, state, f": {detail}" if detail else "")
        if before != "starting" or state != "up":
            self._tell(
                Notice.model_validate(
                    {
                        "id": self._notice_id(), "what": kind, "at_ms": now_ms, "subject": source,
                        "state": state, "detail": detail[:300] or None,
                    }
                )
            )  # fmt: skip

    def _clock_step(self, detail: str) -> None:
        if not self._clock_steps.is_news(self._clock.now_s(), self._lights):
            return
        self._clock.check()  # whoever noticed: from here on the box's own time is the new one as well
        self._enter(self._floors.finish(self._readings, "step"))
        self._read.clear()
        self._tell(Notice(id=self._notice_id(), what="clock_step", at_ms=self._now_ms(), detail=detail[:300]))

    def _tick(self) -> None:
        step = self._clock.check()
        if step is not None:
            self._clock_step(f"the wall clock was set by {step.by_ms} ms")
        for camera in self._cameras.values():
            camera.watchdog()
        self._pictures.tick()
        now_s = self._clock.now_s()
        if self._succession.counting(now_s) or self._backlog.is_news(now_s):
            self._link.status_changed()
        stuck = self._outbox.stuck is not None
        if stuck != self._stuck or (stuck and now_s - self._stuck_told_s >= STUCK_EVERY_S):
            self._stuck, self._stuck_told_s = stuck, now_s
            self._link.status_changed()
        if (heard := self._succession.again(now_s)) is not None:
            self._desired(heard)
        if now_s - self._dots_s >= DOTS_EVERY_S:
            self._dots_s = now_s
            self._link.live(
                self._now_ms(), [(round(x * 1000), round(y * 1000)) for x, y in self._floors.present()]
            )

    def _tell(self, notice: Notice) -> None:
        self._keep("notice", notice)

    def _enter(self, settled: Settled) -> None:
        for window in settled.windows:
            self._keep("window", window)
            for read in window.sensors:
                sensor = self._lights.get(read.sensor)
                if sensor is not None and sensor.fault != read.fault:
                    if sensor.state == "down":  # why it is down says more
                        self._lights[sensor.id] = sensor.model_copy(update={"fault": read.fault})
                        self._link.status_changed()
                        continue
                    said = why(read, self._wired.sensors)
                    self._state(sensor.id, "sensor", sensor.state, said, sensor_fault=read.fault)
            for cameras, fault in self._complaints.news(self._floors.agreements()):
                for light in (self._lights[camera] for camera in cameras if camera in self._lights):
                    if light.fault is None:  # else the picture itself is wrong, which says more
                        over = f"no more complaint about {' and '.join(cameras)}"
                        said = fault or next(iter(self._complaints.about(light.id)), over)
                        self._state(light.id, "camera", light.state, said)
            for camera in self._site.cameras:
                light, standing = self._lights[camera.id], self._complaints.about(camera.id)
                if standing and light.state == "up" and light.fault is None and light.detail not in standing:
                    self._state(light.id, "camera", light.state, standing[0])  # a fault had hidden it
        if self._site.kiosks and self._crowding.take(settled.windows):
            self._crowding.keep(self._crowding_file)

    def _keep(self, kind: str, body: Wire) -> None:
        """Commit at once; what a full disk refuses waits in the outbox's memory for room."""
        self._outbox.append(kind, body)
        self._outbox.flush()
        self._link.urgent()

    def _notice_id(self) -> str:
        self._serial += 1
        return f"{self._prefix}-s{self._serial}"

    def _now_ms(self) -> int:
        return self._clock.utc_ms(self._clock.now_s())

    def _status(self) -> dict[str, object]:
        site = self._site
        return {
            "version": __version__,
            "config_hash": self._succession.hash,
            "config_content": self._succession.content,
            "config_version": site.version,
            "refused": self._succession.refused,
            "crashes": self._succession.crashes,
            "stuck": self._outbox.stuck,
            "behind": self._backlog.behind,
            "cameras": [self._lights[camera.id] for camera in site.cameras],
            "sensors": [self._lights[sensor.id] for sensor in site.sensors],
        }
