"""The wiring of a box: camera processes and sensors → floor → outbox → link. Nothing is computed here."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from branchloop import __version__
from branchloop.commands import Reply
from branchloop.errors import ConfigError
from branchloop.messages import CameraFault, DeviceLight, DeviceState, Notice, Wire
from branchloop.processes import lock_directory, stop_event
from branchloop.site import Box, Site, config_hash, parse_site
from edge.cameras import CameraProcess
from edge.crowding import CROWDING, Crowding
from edge.floor.floor import Floor, Settled
from edge.floor.observation import observe
from edge.perceive.anchor import Clock
from edge.perceive.health import Event
from edge.perceive.report import BackgroundReport, EventReport, FrameReport, Report
from edge.pictures import Pictures
from edge.send.boxlink import BoxLink
from edge.send.link import Link
from edge.send.outbox import Outbox
from edge.sensors import SensorReport, Sensors

DOTS_EVERY_S = 1.0
SAME_STEP_S = 5.0
"""Every process notices a step of the wall clock for itself; within this time it is one step."""
DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """A command of the hub, as it came."""

    payload: bytes


class Pipeline:
    """One box at work. `step` handles one report; `run` does so until told to stop."""

    def __init__(self, site: Site, box: Box, config: Path, data_dir: Path) -> None:
        self._site = site
        self._clock = Clock()
        self._reports: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outbox = Outbox(data_dir / "outbox.db", max_bytes=round(box.outbox_max_mb * 1e6))
        self._lights: dict[str, DeviceLight] = {}
        since_ms = self._now_ms()
        for part in [*(c.id for c in site.cameras), *(s.id for s in site.sensors)]:
            self._lights[part] = DeviceLight(id=part, state="starting", since_ms=since_ms)
        hears = {"command": lambda payload: self._reports.put(Heard(payload))}
        self._link = Link(self._outbox, BoxLink.of(site.id, box, config.parent), self._status, hears)
        self._config_hash = config_hash(config.read_text(encoding="utf-8"))
        self._prefix = f"{box.id}-{self._link.boot[:12]}"
        self._floor = Floor(site, prefix=self._prefix, method=f"{box.detector}+floor")
        self._sensors = Sensors(site.sensors, config.parent, self._reports)
        self._cameras = [
            CameraProcess(config, camera.id, self._reports, self._now_ms) for camera in site.cameras
        ]
        self._pictures = Pictures(
            config,
            {camera.id: process for camera, process in zip(site.cameras, self._cameras, strict=True)},
            self._lights.__getitem__,
            self._link.reply,
            self._now_ms,
            self._reports.put,
        )
        self._crowding = Crowding(site.zone_info)
        self._crowding_file = data_dir / CROWDING
        self._serial = 0
        self._dots_s = 0.0
        self._step_s = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then settle what is open and let the outbox drain for a while."""
        self._link.start()
        self._sensors.start()
        for camera in self._cameras:
            camera.start()
        try:
            while not stop.is_set():
                self._tick()
                try:
                    self.step(self._reports.get(timeout=0.1))
                except queue.Empty:
                    self._enter(self._floor.settle(self._now_ms(), self._sensors.window))
        finally:
            for camera in self._cameras:
                camera.stop()
            self._sensors.stop()
            self._enter(self._floor.finish(self._sensors.window))
            self._outbox.flush()
            self._link.stop(drain_s=DRAIN_S)
            self._outbox.close()

    def step(self, report: Report | SensorReport | Heard | Reply) -> None:
        """Handle one report of a camera or sensor, a command, or an answer that was made aside."""
        match report:
            case FrameReport(camera, t_ms, boxes):
                self._frame(camera, t_ms, boxes)
            case EventReport(camera, event):
                self._event(camera, "camera", event)
            case BackgroundReport():
                self._pictures.background(report)
            case Heard(payload):
                self._pictures.take(payload)
            case Reply():
                self._pictures.answer(report)
            case SensorReport(sensor, got):
                self._sensors.take(report)
                if isinstance(got, Event):
                    self._event(sensor, "sensor", got)

    def _frame(self, camera: str, t_ms: int, boxes: NDArray[np.float32] | None) -> None:
        calibration = self._floor.calibration(camera)
        observation = None if boxes is None else observe(t_ms, boxes, calibration)
        try:
            notices = self._floor.frame(camera, t_ms, observation)
        except ValueError:
            self._clock_step(f"camera {camera} sent a frame from {t_ms} ms, before its last one")
            return
        for notice in notices:
            self._tell(notice)
        self._enter(self._floor.settle(t_ms, self._sensors.window))

    def _event(self, source: str, kind: str, event: Event) -> None:
        if event.what == "step":
            self._clock_step(f"the wall clock was set by {event.step_ms} ms")
        elif event.what == "cut":
            if kind == "camera":
                self._floor.cut(source)
        elif event.state is not None:
            self._state(source, kind, event.state, event.detail, event.fault)

    def _state(
        self, source: str, kind: str, state: DeviceState, detail: str, fault: CameraFault | None = None
    ) -> None:
        now_ms = self._now_ms()
        if kind == "camera":
            self._floor.state(source, state, fault)
            self._pictures.state(source, state, detail)
        before = self._lights[source].state
        if (before, self._lights[source].detail) == (state, detail[:300] or None):
            return
        self._lights[source] = DeviceLight(
            id=source, state=state, since_ms=now_ms, detail=detail[:300] or None, fault=fault
        )
        self._link.status_changed()
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
        now_s = self._clock.now_s()
        if now_s - self._step_s < SAME_STEP_S:
            return
        self._step_s = now_s
        self._enter(self._floor.finish(self._sensors.window, "step"))
        self._tell(Notice(id=self._notice_id(), what="clock_step", at_ms=self._now_ms(), detail=detail[:300]))

    def _tick(self) -> None:
        step = self._clock.check()
        if step is not None:
            self._clock_step(f"the wall clock was set by {step.by_ms} ms")
        for camera in self._cameras:
            camera.watchdog()
        self._pictures.tick()
        now_s = self._clock.now_s()
        if now_s - self._dots_s >= DOTS_EVERY_S:
            self._dots_s = now_s
            self._link.live(
                self._now_ms(), [(round(x * 1000), round(y * 1000)) for x, y in self._floor.present()]
            )

    def _tell(self, notice: Notice) -> None:
        self._keep("notice", notice)

    def _enter(self, settled: Settled) -> None:
        for window in settled.windows:
            self._keep("window", window)
        if self._site.kiosks and self._crowding.take(settled.windows):
            fresh = self._crowding_file.with_suffix(".new")
            with contextlib.suppress(OSError):  # a full disk: the kiosk then shows no figure
                fresh.write_text(self._crowding.text(), encoding="utf-8")
                fresh.replace(self._crowding_file)

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
        cameras = [self._lights[camera.id] for camera in self._site.cameras]
        sensors = [self._lights[sensor.id] for sensor in self._site.sensors]
        return {
            "version": __version__,
            "config_hash": self._config_hash,
            "config_version": self._site.version,
            "cameras": cameras,
            "sensors": sensors,
        }


def run_core(config: Path) -> None:
    """The core process of a box: everything but the cameras' own processes, which it starts."""
    site, box = read_box(config)
    data_dir = config.parent / box.data_dir
    data_dir.mkdir(parents=True, exist_ok=True)
    with lock_directory(data_dir):
        Pipeline(site, box, config, data_dir).run(stop_event())


def read_box(config: Path) -> tuple[Site, Box]:
    """The site and its box. Raises ConfigError when the file has no [box]."""
    try:
        text = config.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{config} cannot be read: {error.strerror}.", hint="Check the name.") from error
    site = parse_site(text, str(config))
    if site.box is None:
        raise ConfigError(
            f"{config}: key `box` is missing: add it.", hint="configs/branch-template.toml shows it."
        )
    return site, site.box
