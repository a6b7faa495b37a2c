"""A sensor whose reader fails by something that nobody foresaw: told as down, and begun anew."""

from __future__ import annotations

import queue
import socket
import time
from collections import Counter
from pathlib import Path

import pytest
from brokers import until

from branchloop.processes import free_port
from branchloop.site.site import Sensor
from edge import sensors as module
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading
from edge.perceive.ultrasonic_live import UdpPort
from edge.perceive.ultrasonic_moment import MOST, moment
from edge.perceive.ultrasonic_wire import LineReader
from edge.sensors import SensorReport, Sensors

READINGS = UdpPort.readings


def frail(port: UdpPort, reader: LineReader) -> list[float | None]:
    """As a fault of ours would be: a datagram of 0.666 m divides by zero."""
    found = READINGS(port, reader)
    return [1 / (each - 0.666) and each for each in found if each is not None]


def sensor(port: int, **more: object) -> Sensor:
    fields = {"id": "one", "source": f"udp:127.0.0.1:{port}", "x_m": 1.0, "y_m": 1.0, "height_m": 3.0}
    return Sensor.model_validate({**fields, **more})


def say(port: int, text: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(text, ("127.0.0.1", port))


def test_it_is_told_and_the_sensor_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Down with its reason, in the window as well; then readings again, on the same port."""
    monkeypatch.setattr(UdpPort, "readings", frail)
    reports: queue.SimpleQueue[object] = queue.SimpleQueue()
    port = free_port()
    sensors = Sensors([sensor(port)], tmp_path, reports)
    sensors.start()
    events: list[Event] = []
    readings: list[Reading] = []

    def pump(text: bytes) -> None:
        say(port, text)
        while not reports.empty():
            report = reports.get()
            assert isinstance(report, SensorReport)
            sensors.take(report)
            (events if isinstance(report.got, Event) else readings).append(report.got)  # type: ignore[arg-type]

    def state() -> str:
        return sensors.window(time.time_ns() // 1_000_000 // 5_000 * 5_000)[0].state

    try:
        until(lambda: pump(b"R1234\n") or bool(readings), "a reading", wait_s=20)
        assert state() == "up"
        until(lambda: pump(b"R0666\n") or any(e.state == "down" for e in events), "the fault", wait_s=20)
        assert state() == "down"
        told = next(event for event in events if event.state == "down")
        assert "ZeroDivisionError" in told.detail
        count = len(readings)
        until(lambda: pump(b"R1234\n") or len(readings) > count, "readings again", wait_s=20)
        assert state() == "up"
    finally:
        sensors.stop()


def test_a_reader_that_cannot_be_made_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also making the next one may fail: it is told each time, and the thread lives."""
    reports: queue.SimpleQueue[object] = queue.SimpleQueue()
    sensors = Sensors([sensor(free_port())], tmp_path, reports)

    def none(*_: object) -> object:
        raise RuntimeError("no driver")

    monkeypatch.setattr(module.LiveSensor, "next", none)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_driver", none)
        sensors.start()
        until(lambda: reports.qsize() >= 3, "three failures", wait_s=20)
    assert sensors.window(0)[0].state == "down"
    sensors.stop()


def test_who_is_as_before_is_read_on_when_another_changes(tmp_path: Path) -> None:
    """Of a name nothing depends. No reading is lost or counted twice, nor forgotten why one is not believed."""
    reports: queue.SimpleQueue[object] = queue.SimpleQueue()
    ports = {"one": free_port(), "two": free_port()}
    leaving = Sensors([sensor(port, id=name) for name, port in ports.items()], tmp_path, reports)
    taking, heard = [leaving], {"one": 0, "two": 0}
    begin_ms = time.time_ns() // 1_000_000 // 5_000 * 5_000

    def pump(text: bytes) -> None:
        for port in ports.values():
            say(port, text)
        while not reports.empty():
            report = reports.get()
            assert isinstance(report, SensorReport)
            for sensors in taking:
                sensors.take(report)
            heard[report.sensor] += isinstance(report.got, Reading)

    def read_more() -> None:
        was = dict(heard)
        until(lambda: pump(b"R1234\n") or all(heard[name] > was[name] for name in ports), "both", wait_s=20)

    leaving.start()
    try:
        read_more()
        pump(b"noise\n" * 40)
        read_more()
        named = sensor(ports["one"], id="one", name={"en": "Door", "zh": "门"})
        coming = leaving.hand_on([named, sensor(ports["two"], id="two", x_m=2.0)])
        taking.append(coming)
        before = dict(heard)
        coming.start()
        read_more()
    finally:
        for sensors in taking:
            sensors.stop()
    pump(b"")
    starts = range(begin_ms, time.time_ns() // 1_000_000, 5_000)
    one, two = zip(*(coming.window(start_ms) for start_ms in starts), strict=True)
    assert sum(window.readings for window in one) == heard["one"]
    assert 0 < sum(window.readings for window in two) <= heard["two"] - before["two"]
    assert (one[-1].state, one[-1].fault, two[-1].fault) == ("up", "garbled", None)


def test_a_flood_does_not_reach_the_core(tmp_path: Path) -> None:
    """Thousands of readings by UDP: ten or so pass in a tenth of a second, the last of all among them, and no window counts more."""
    reports: queue.SimpleQueue[object] = queue.SimpleQueue()
    port = free_port()
    sensors = Sensors([sensor(port)], tmp_path, reports)
    readings: list[Reading] = []

    def pump() -> None:
        while not reports.empty():
            report = reports.get()
            assert isinstance(report, SensorReport)
            if isinstance(report.got, Reading):
                readings.append(report.got)

    def last(range_m: float) -> bool:
        pump()
        return bool(readings) and readings[-1].range_m == pytest.approx(range_m)

    sensors.start()
    try:
        until(lambda: say(port, b"R1000\n") or last(1.0), "a reading", wait_s=20)
        for _ in range(40):
            say(port, b"R2000\n" * 5_000)
        until(lambda: say(port, b"R3000\n") or last(3.0), "the last one", wait_s=20)
    finally:
        sensors.stop()
    each = Counter(moment(reading.t_ms) for reading in readings)
    assert max(each.values()) <= MOST + 1
    assert max(reading.of for reading in readings) >= 5_000
