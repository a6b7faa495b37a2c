"""The range sensors of a box: read in threads, their readings kept until their window closes."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from branchloop.clock import WINDOW_MS
from branchloop.site.site import Sensor
from branchloop.wire.messages import SensorWindow
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading, SensorWindows
from edge.perceive.ultrasonic_fault import FaultWatch
from edge.perceive.ultrasonic_live import LiveSensor
from edge.perceive.ultrasonic_log import LogSensor
from edge.perceive.ultrasonic_moment import Moments

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SensorReport:
    """A reading or an event of one sensor."""

    sensor: str
    got: Reading | Event


class Sensors:
    """All sensors of a configuration."""

    def __init__(
        self,
        sensors: Sequence[Sensor],
        base_dir: Path,
        reports: queue.SimpleQueue[object],
        before: Mapping[str, _Reader] = MappingProxyType({}),
    ) -> None:
        """`before`: readers of the configuration that leaves; who is as before goes on with its own."""
        self._base_dir = base_dir
        self._reports = reports
        self._readers: dict[str, _Reader] = {}
        for sensor in sensors:
            reader = before.get(sensor.id)
            if reader is None or wiring(reader.sensor) != wiring(sensor):
                reader = _Reader(sensor, base_dir, reports)
            self._readers[sensor.id] = reader
        self._handed_on: set[str] = set()

    def hand_on(self, sensors: Sequence[Sensor]) -> Sensors:
        """Those of the configuration that comes, not started yet; here only who changed or is gone stops.

        This one still answers for windows before the border.
        """
        coming = Sensors(sensors, self._base_dir, self._reports, self._readers)
        self._handed_on = {
            name for name, reader in self._readers.items() if coming._readers.get(name) is reader
        }
        self.stop()
        return coming

    def start(self) -> None:
        """Begin to read who is not read yet."""
        for reader in self._readers.values():
            reader.start()

    def stop(self) -> None:
        """Stop reading."""
        own = [reader for name, reader in self._readers.items() if name not in self._handed_on]
        for reader in own:
            reader.stop()
        for reader in own:
            reader.join()

    def take(self, report: SensorReport) -> None:
        """A reading goes into its window; a set clock voids what is open."""
        reader = self._readers.get(report.sensor)
        if reader is not None and report.sensor not in self._handed_on:
            reader.take(report.got)

    def window(self, start_ms: int) -> list[SensorWindow]:
        """What every sensor read in the window that starts at `start_ms`; call once per window.

        Who is disbelieved says nothing about presence: it is absent then, not zero.
        """
        watches = [reader.watch for reader in self._readers.values()]
        return [reader.window(start_ms, watches) for reader in self._readers.values()]


class _Reader:
    """One sensor: read in a thread, its readings kept until their window closes."""

    def __init__(self, sensor: Sensor, base_dir: Path, reports: queue.SimpleQueue[object]) -> None:
        self.sensor = sensor
        self.watch = FaultWatch(sensor)
        self._driver = _driver(sensor, base_dir)
        self._base_dir = base_dir
        self._failed = False
        """Its driver failed, and nothing was said since."""
        self._windows = SensorWindows(sensor)
        self._garbage = 0
        self._reports = reports
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"sensor-{sensor.id}", daemon=True)

    def start(self) -> None:
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._driver.stop()

    def join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join(2.0)

    def take(self, got: Reading | Event) -> None:
        if isinstance(got, Reading):
            self._windows.add(got)
            self.watch.add(got)
        elif got.what == "step":
            self._windows.forget()
            self.watch.forget()

    def window(self, start_ms: int, watches: Sequence[FaultWatch]) -> SensorWindow:
        """`watches`: of all sensors, this one's among them."""
        end_ms = start_ms + WINDOW_MS
        window = self._windows.close(start_ms, end_ms, "down" if self._failed else self._driver.state)
        garbage = self._driver.garbage
        self.watch.garbage(end_ms, max(0, garbage - self._garbage))  # a driver begun anew counts from 0
        self._garbage = garbage
        near = [other for other in watches if other is not self.watch and other.near(self.watch)]
        fault = self.watch.fault(end_ms, near)
        return window if fault is None else window.model_copy(update={"fault": fault, "present_ms": None})

    def _read(self) -> None:
        """Whatever a driver stumbles over is told as `down`, and a new one takes its place."""
        backoff, moments, failed = Backoff(), Moments(), False
        while not self._stopping.is_set():
            try:
                if failed:
                    self._anew()
                    failed = False
                got = self._driver.next(moments.wait_s)
            except Exception as error:  # noqa: BLE001 - the thread's border: a sensor must not fall silent
                _LOG.exception("sensor %s cannot be read", self.sensor.id)
                self._lost(f"its reader failed ({type(error).__name__}: {error}); it is begun anew")
                failed = True
                self._stopping.wait(backoff.next_s())
                continue
            if got is not None:
                backoff.succeeded()
                self._failed = False
            self._pass_on(moments.take(got))
        self._pass_on(moments.take(None))
        _release(self._driver)

    def _pass_on(self, all_got: Sequence[Reading | Event]) -> None:
        for got in all_got:
            self._reports.put(SensorReport(self.sensor.id, got))

    def _lost(self, detail: str) -> None:
        self._failed = True
        clock = Clock()
        at_ms = clock.utc_ms(clock.now_s())
        self._reports.put(SensorReport(self.sensor.id, Event("state", at_ms, state="down", detail=detail)))

    def _anew(self) -> None:
        """Another driver; the port of the one before is released first."""
        _release(self._driver)
        self._driver = _driver(self.sensor, self._base_dir)
        if self._stopping.is_set():  # `stop` may have told the one before
            self._driver.stop()


def wiring(sensor: Sensor) -> dict[str, object]:
    """What a sensor is read and judged by: its name is not among it."""
    return sensor.model_dump(exclude={"name"})


def _release(driver: LogSensor | LiveSensor) -> None:
    """Its last call lets go of its port."""
    driver.stop()
    with contextlib.suppress(Exception):
        while driver.next(0.0) is not None:
            pass


def _driver(sensor: Sensor, base_dir: Path) -> LogSensor | LiveSensor:
    return LogSensor(sensor, base_dir) if sensor.source.startswith("log:") else LiveSensor(sensor)
