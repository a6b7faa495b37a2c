"""The range sensors of a box: read in threads, their readings kept until their window closes."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from branchloop.clock import WINDOW_MS
from branchloop.messages import DeviceState, SensorFault, SensorWindow
from branchloop.site import Sensor
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading, SensorWindows
from edge.perceive.ultrasonic_fault import FaultWatch
from edge.perceive.ultrasonic_live import LiveSensor
from edge.perceive.ultrasonic_log import LogSensor

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SensorReport:
    """A reading or an event of one sensor."""

    sensor: str
    got: Reading | Event


class Sensors:
    """All sensors of a site."""

    def __init__(self, sensors: Sequence[Sensor], base_dir: Path, reports: queue.SimpleQueue[object]) -> None:
        self._drivers = {sensor.id: _driver(sensor, base_dir) for sensor in sensors}
        self._sensors = {sensor.id: sensor for sensor in sensors}
        self._base_dir = base_dir
        self._failed: set[str] = set()
        """Sensors whose reader failed and has said nothing since."""
        self._windows = {sensor.id: SensorWindows(sensor) for sensor in sensors}
        self._watches = {sensor.id: FaultWatch(sensor) for sensor in sensors}
        self._garbage = dict.fromkeys(self._drivers, 0)
        self._reports = reports
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(sensor.id,), name=f"sensor-{sensor.id}", daemon=True)
            for sensor in sensors
        ]

    def start(self) -> None:
        """Begin to read."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop reading."""
        self._stopping.set()
        for driver in self._drivers.values():
            driver.stop()
        for thread in self._threads:
            thread.join(2.0)

    def take(self, report: SensorReport) -> None:
        """A reading goes into its window; a set clock voids what is open."""
        windows = self._windows.get(report.sensor)
        if windows is None:
            return
        if isinstance(report.got, Reading):
            windows.add(report.got)
            self._watches[report.sensor].add(report.got)
        elif report.got.what == "step":
            windows.forget()
            self._watches[report.sensor].forget()

    def window(self, start_ms: int) -> list[SensorWindow]:
        """What every sensor read in the window that starts at `start_ms`; call once per window.

        Who is disbelieved says nothing about presence: it is absent then, not zero.
        """
        end_ms = start_ms + WINDOW_MS
        told = []
        for sensor, windows in self._windows.items():
            window = windows.close(start_ms, end_ms, self._state(sensor))
            fault = self._fault(sensor, end_ms)
            if fault is not None:
                window = window.model_copy(update={"fault": fault, "present_ms": None})
            told.append(window)
        return told

    def _state(self, sensor: str) -> DeviceState:
        return "down" if sensor in self._failed else self._drivers[sensor].state

    def _fault(self, sensor: str, end_ms: int) -> SensorFault | None:
        watch, garbage = self._watches[sensor], self._drivers[sensor].garbage
        watch.garbage(end_ms, max(0, garbage - self._garbage[sensor]))  # a reader begun anew counts from 0
        self._garbage[sensor] = garbage
        others = [other for other in self._watches.values() if other is not watch and other.near(watch)]
        return watch.fault(end_ms, others)

    def _read(self, sensor: str) -> None:
        """Whatever a reader stumbles over is told as `down`, and a new one takes its place."""
        backoff, failed = Backoff(), False
        while not self._stopping.is_set():
            try:
                if failed:
                    self._anew(sensor)
                    failed = False
                got = self._drivers[sensor].next(1.0)
            except Exception as error:  # noqa: BLE001 - the thread's border: a sensor must not fall silent
                _LOG.exception("sensor %s cannot be read", sensor)
                self._lost(sensor, f"its reader failed ({type(error).__name__}: {error}); it is begun anew")
                failed = True
                self._stopping.wait(backoff.next_s())
                continue
            if got is not None:
                backoff.succeeded()
                self._failed.discard(sensor)
                self._reports.put(SensorReport(sensor, got))
        _release(self._drivers[sensor])

    def _lost(self, sensor: str, detail: str) -> None:
        self._failed.add(sensor)
        clock = Clock()
        at_ms = clock.utc_ms(clock.now_s())
        self._reports.put(SensorReport(sensor, Event("state", at_ms, state="down", detail=detail)))

    def _anew(self, sensor: str) -> None:
        """Another reader; the port of the one before is released first."""
        _release(self._drivers[sensor])
        fresh = _driver(self._sensors[sensor], self._base_dir)
        self._drivers[sensor] = fresh
        if self._stopping.is_set():  # `stop` may have told the one before
            fresh.stop()


def _release(driver: LogSensor | LiveSensor) -> None:
    """Its last call lets go of its port."""
    driver.stop()
    with contextlib.suppress(Exception):
        while driver.next(0.0) is not None:
            pass


def _driver(sensor: Sensor, base_dir: Path) -> LogSensor | LiveSensor:
    return LogSensor(sensor, base_dir) if sensor.source.startswith("log:") else LiveSensor(sensor)
