"""The range sensors of a box: read in threads, their readings kept until their window closes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from branchloop.clock import WINDOW_MS
from branchloop.messages import SensorFault, SensorWindow
from branchloop.site import Sensor
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading, SensorWindows
from edge.perceive.ultrasonic_fault import FaultWatch
from edge.perceive.ultrasonic_live import LiveSensor
from edge.perceive.ultrasonic_log import LogSensor


@dataclass(frozen=True, slots=True)
class SensorReport:
    """A reading or an event of one sensor."""

    sensor: str
    got: Reading | Event


class Sensors:
    """All sensors of a site."""

    def __init__(self, sensors: Sequence[Sensor], base_dir: Path, reports: queue.SimpleQueue[object]) -> None:
        self._drivers = {sensor.id: _driver(sensor, base_dir) for sensor in sensors}
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
            window = windows.close(start_ms, end_ms, self._drivers[sensor].state)
            fault = self._fault(sensor, end_ms)
            if fault is not None:
                window = window.model_copy(update={"fault": fault, "present_ms": None})
            told.append(window)
        return told

    def _fault(self, sensor: str, end_ms: int) -> SensorFault | None:
        watch, garbage = self._watches[sensor], self._drivers[sensor].garbage
        watch.garbage(end_ms, garbage - self._garbage[sensor])
        self._garbage[sensor] = garbage
        others = [other for other in self._watches.values() if other is not watch and other.near(watch)]
        return watch.fault(end_ms, others)

    def _read(self, sensor: str) -> None:
        driver = self._drivers[sensor]
        while not self._stopping.is_set():
            got = driver.next(1.0)
            if got is not None:
                self._reports.put(SensorReport(sensor, got))


def _driver(sensor: Sensor, base_dir: Path) -> LogSensor | LiveSensor:
    return LogSensor(sensor, base_dir) if sensor.source.startswith("log:") else LiveSensor(sensor)
