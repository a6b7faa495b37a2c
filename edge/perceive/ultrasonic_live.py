"""Sensors that speak now, for one reader each, on a serial line, by UDP or by MQTT.

`serial:DEVICE` (optionally `@BAUD`), `udp:HOST:PORT`, `mqtt:HOST:PORT/TOPIC`.

A port that cannot be opened, or is unplugged, shows as `down` and is opened again with growing waits;
silence, and bytes that are no readings, show as `stalled` with the reason.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections import deque
from typing import Protocol

import serial

from branchloop.site.site import Sensor
from branchloop.wire.messages import DeviceState
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event, Health
from edge.perceive.ultrasonic import SILENT_S, Reading
from edge.perceive.ultrasonic_mqtt import MqttPort
from edge.perceive.ultrasonic_wire import LineReader

BAUD = 9_600
_POLL_S = 0.2
_CHUNK = 4_096
_BATCH = 100
_UNPLUGGED = "the device was unplugged, or another program reads it too"
"""The tty says that there is something to read, and there is nothing."""


class Port(Protocol):
    """Somewhere that bytes come from. Every method raises OSError when it is gone."""

    def fileno(self) -> int:
        """To wait for bytes."""
        ...

    def readings(self, reader: LineReader) -> list[float | None]:
        """What has come since; never blocks."""
        ...

    def idle(self) -> None:
        """Nothing came for a while."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


def serial_device(source: str) -> str | None:
    """The device file of `serial:DEVICE@BAUD`; None for another source."""
    return source.removeprefix("serial:").partition("@")[0] if source.startswith("serial:") else None


class SerialPort:
    """A range finder on a serial line, 8N1."""

    def __init__(self, source: str) -> None:
        device, _, baud = source.removeprefix("serial:").partition("@")
        try:
            self._port = serial.Serial(device, int(baud or BAUD), timeout=0, exclusive=True)
        except (serial.SerialException, ValueError) as error:
            raise OSError(str(error)) from error

    def fileno(self) -> int:
        """The tty."""
        return int(self._port.fileno())

    def readings(self, reader: LineReader) -> list[float | None]:
        """Whatever lines are complete."""
        try:
            data = self._port.read(_CHUNK)
        except serial.SerialException as error:
            raise OSError(_UNPLUGGED) from error
        if not data:
            raise OSError(_UNPLUGGED)
        return reader.feed(data)

    def idle(self) -> None:
        """A silent tty needs nothing."""

    def close(self) -> None:
        """Release the tty."""
        self._port.close()


class UdpPort:
    """A sensor, or the gateway of one, that sends datagrams here."""

    def __init__(self, source: str) -> None:
        host, _, port = source.removeprefix("udp:").rpartition(":")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host.strip("[]"), int(port)))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        name = self._socket.getsockname()
        return str(name[0]), int(name[1])

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def readings(self, reader: LineReader) -> list[float | None]:
        """Of all datagrams that wait."""
        found: list[float | None] = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(_BATCH):
                found += reader.whole(self._socket.recv(65_536))
                if len(found) >= _BATCH:  # a datagram may hold thousands
                    break
        return found

    def idle(self) -> None:
        """A silent socket needs nothing."""

    def close(self) -> None:
        """Release the port."""
        self._socket.close()


class LiveSensor:
    """Readings and events of a sensor that speaks now; shaped like `LogSensor`."""

    def __init__(self, sensor: Sensor, clock: Clock | None = None, backoff: Backoff | None = None) -> None:
        self._sensor = sensor
        self._source = sensor.source
        self._clock = clock or Clock()
        self._backoff = backoff or Backoff()
        self._health = Health(SILENT_S)
        self._reader = LineReader(sensor.unit)
        self._port: Port | None = None
        self._retry_s = float("-inf")
        self._ready: deque[Reading] = deque()
        self._events: list[Event] = []
        self._opened_s = 0.0
        self._stopping = threading.Event()

    @property
    def state(self) -> DeviceState:
        """State as last reported by `next`."""
        return self._health.state

    @property
    def port(self) -> Port | None:
        """The open port."""
        return self._port

    @property
    def garbage(self) -> int:
        """Pieces that were no reading, ever."""
        return self._reader.garbage

    def stop(self) -> None:
        """Let `next` return soon from now on; the port is released by its last call."""
        self._stopping.set()

    def close(self) -> None:
        """Stop, and let go of the port and of what has come and nobody asked for."""
        self.stop()
        while self.next(0) is not None:
            pass

    def next(self, timeout_s: float) -> Reading | Event | None:
        """The next reading or event; None when nothing came in time."""
        until_s = self._clock.now_s() + timeout_s
        while True:
            step = self._clock.check()
            if step is not None:
                return Event("step", step.at_ms, detail="the wall clock was set", step_ms=step.by_ms)
            if self._events:
                return self._events.pop(0)
            if self._ready:
                return self._ready.popleft()
            now_s = self._clock.now_s()
            if self._stopping.is_set():
                self._close()
                return None
            if now_s >= until_s:
                return None
            self._listen(min(until_s - now_s, _POLL_S))

    def _listen(self, wait_s: float) -> None:
        now_s = self._clock.now_s()
        try:
            if self._port is None:
                if now_s < self._retry_s:
                    self._stopping.wait(min(wait_s, self._retry_s - now_s))
                    return
                self._port = _open(self._sensor)
                self._reader.restart()
                self._opened_s = self._clock.now_s()
            if select.select([self._port.fileno()], [], [], wait_s)[0]:
                self._take(self._port.readings(self._reader))
            else:
                self._port.idle()
        except OSError as error:
            self._close()
            self._retry_s = now_s + self._backoff.next_s()
            why = f"{self._source}: {error.strerror or error}"
            self._tell(self._health.lost(now_s, why), why)
        self._notice_silence()

    def _take(self, ranges_m: list[float | None]) -> None:
        now_s = self._clock.now_s()
        if ranges_m:
            self._backoff.succeeded()
            self._tell(self._health.data(now_s), "")
            at_ms = self._clock.utc_ms(now_s)
            self._ready += [Reading(at_ms, range_m) for range_m in ranges_m]

    def _notice_silence(self) -> None:
        now_s = self._clock.now_s()
        state = self._health.tick(now_s)
        never_spoke = self._health.state in {"starting", "down"} and self._port is not None
        if state is None and never_spoke and now_s - self._opened_s > SILENT_S:
            state = self._health.silent()
        noise = self._reader.unreadable
        serial_line = self._source.startswith("serial:")
        check = "baud rate and unit" if serial_line else "what the sensor sends"
        why = f"; {noise} lines that are no readings came: check {check}" if noise else ""
        if self._reader.kept and not noise:
            why = "; all that came was kept by the broker from before (retained), which is no reading of now"
        self._tell(state, f"no reading for {SILENT_S:.0f} s{why}")

    def _tell(self, state: DeviceState | None, detail: str) -> None:
        if state is not None:
            at_ms = self._clock.utc_ms(self._clock.now_s())
            self._events.append(Event("state", at_ms, state=state, detail=detail))

    def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()


def _open(sensor: Sensor) -> Port:
    if sensor.source.startswith("serial:"):
        return SerialPort(sensor.source)
    return MqttPort(sensor) if sensor.source.startswith("mqtt:") else UdpPort(sensor.source)
