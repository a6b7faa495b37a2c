"""Sensors on real ports: a pty and a UDP socket, garbage included."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from branchloop.processes import free_port
from branchloop.site.site import Sensor
from branchloop.wire.messages import DeviceState
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading, SensorWindows
from edge.perceive.ultrasonic_fault import FaultWatch
from edge.perceive.ultrasonic_live import LiveSensor, UdpPort
from edge.perceive.ultrasonic_wire import LineReader

SOON_S = 12.0


def sensor(source: str, **more: object) -> Sensor:
    fields = {"id": "door", "source": source, "x_m": 1.0, "y_m": 1.0, "height_m": 3.0}
    return Sensor.model_validate({**fields, **more})


def gather(
    live: LiveSensor, enough: Callable[[list[Reading], list[Event]], bool]
) -> tuple[list[Reading], list[Event]]:
    readings: list[Reading] = []
    events: list[Event] = []
    until_s = time.monotonic() + SOON_S
    while time.monotonic() < until_s and not enough(readings, events):
        match live.next(0.1):
            case Reading() as reading:
                readings.append(reading)
            case Event() as event:
                events.append(event)
    assert enough(readings, events), (readings, events)
    return readings, events


def told(state: DeviceState) -> Callable[[list[Reading], list[Event]], bool]:
    return lambda _, events: any(event.state == state for event in events)


def test_a_serial_range_finder_is_read_through_a_real_tty() -> None:
    """Half a line at first, noise in between, CR and CRLF, a missing echo: each reading comes once, in order."""
    master, slave = os.openpty()
    live = LiveSensor(sensor(f"serial:{os.ttyname(slave)}@9600"))
    try:
        assert live.next(0.3) is None  # opens the port
        os.write(master, b"34\rR1234\rR2000\r\n\xff\x00\x80R9x\rR\rR08")
        os.write(master, b"50\r")
        readings, events = gather(live, lambda got, _: len(got) == 4)
        assert [reading.range_m for reading in readings] == pytest.approx([1.234, 2.0, None, 0.85])
        assert [event.state for event in events] == ["up"]
    finally:
        live.close()
        os.close(master)
        os.close(slave)


def test_an_unplugged_sensor_is_down_and_comes_back(tmp_path: Path) -> None:
    """The tty goes away: `down`, with the reason; plugged in again, under the same name, it is read again, not what it had half said."""
    name = tmp_path / "ttyUSB0"
    first, tty = os.openpty()
    name.symlink_to(os.ttyname(tty))
    live = LiveSensor(sensor(f"serial:{name}"), backoff=Backoff(0.05, 0.1, random.Random(1)))
    try:
        live.next(0.3)
        os.write(first, b"R1000\rR1")
        gather(live, told("up"))
        name.unlink()
        os.close(first)
        os.close(tty)
        _, events = gather(live, told("down"))
        assert (
            events[-1].detail == f"serial:{name}: the device was unplugged, or another program reads it too"
        )
        again, tty = os.openpty()
        name.symlink_to(os.ttyname(tty))
        until_s = time.monotonic() + SOON_S
        while live.port is None and time.monotonic() < until_s:
            live.next(0.1)
        os.write(again, b"750\rR1500\r")
        readings, events = gather(live, lambda got, _: bool(got))
        assert readings[0].range_m == pytest.approx(1.5)
        assert events[-1].state == "up"
        os.close(again)
        os.close(tty)
    finally:
        live.close()


def test_what_keeps_a_sensor_down_is_told_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First there is no such device, then something that is no serial line."""
    monkeypatch.setattr("edge.perceive.health.REASON_S", 0.0)
    name = tmp_path / "ttyUSB0"
    live = LiveSensor(sensor(f"serial:{name}"), backoff=Backoff(0.05, 0.1, random.Random(1)))
    try:
        _, events = gather(live, told("down"))
        name.touch()
        _, more = gather(live, told("down"))
        assert "No such file" in events[-1].detail
        assert "No such file" not in more[-1].detail
    finally:
        live.close()


def test_nothing_but_noise_is_told_as_such() -> None:
    """Bytes that are no readings: stalled, and the reason says what to check, which is no baud rate where there is none."""
    live = LiveSensor(sensor(f"udp:127.0.0.1:{free_port()}"))
    try:
        live.next(0.1)
        assert isinstance(live.port, UdpPort)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(random.Random(2).randbytes(300), live.port.address)
            _, events = gather(live, told("stalled"))
        assert "no readings came: check what the sensor sends" in events[-1].detail
    finally:
        live.close()


def test_datagrams_are_read_from_a_real_socket() -> None:
    """JSON in metres and millimetres, an ASCII reading, rubbish between them."""
    live = LiveSensor(sensor(f"udp:127.0.0.1:{free_port()}"))
    try:
        live.next(0.1)
        assert isinstance(live.port, UdpPort)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for said in (
                b'{"range_mm": 1500, "battery": 3.1}', b'{"range_m": 2.25}', b"{", b'{"range_mm": null}',
                b'{"range_mm": -4}', b'{"range_mm": true}', b"[1]", b"\x00" * 900, b"R0700",
            ):  # fmt: skip
                sender.sendto(said, live.port.address)
            readings, _ = gather(live, lambda got, _: len(got) == 4)
        assert [reading.range_m for reading in readings] == pytest.approx([1.5, 2.25, None, 0.7])
    finally:
        live.close()


@given(st.lists(st.integers(0, 65_535), max_size=20), st.data())
def test_however_a_stream_is_cut_the_readings_are_the_same(ranges_mm: list[int], data: st.DataObject) -> None:
    """Bytes come in pieces of any size."""
    stream = b"".join(b"R%d\r" % value for value in ranges_mm)
    reader, got, rest = LineReader(), [], stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        got += reader.feed(rest[:size])
        rest = rest[size:]
    assert got == pytest.approx([value / 1000 for value in ranges_mm])


@given(st.binary(max_size=2_000))
def test_garbage_never_raises_and_never_outlives_a_line_end(noise: bytes) -> None:
    """After any noise and a line end, the next line is read."""
    reader = LineReader()
    reader.feed(noise)
    reader.feed(b"\r")
    assert reader.feed(b"R0500\r") == [0.5]


@pytest.mark.parametrize(
    "said",
    [
        b'{"range_mm": 1' + b"0" * 400 + b"}", b'{"range_mm": ' + b"9" * 60_000 + b"}", b'{"range_m": 1e308}',
        b'{"range_mm": 1e308}', b'{"range_m": 3000.1}', b'{"range_m": Infinity}', b'{"range_m": NaN}',
        b'{"range_m": ' + b"[" * 60_000, b'{"a": ' * 10_000, b'{"range_m": "' + b"1" * 60_000 + b'"}',
        "R١٢٣٤".encode(), "R１２３４".encode(), b"R" + b"1" * 60_000, b'{"range_m": "\\ud800"}',
        '{"range_m": "²"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_whatever_cannot_be_is_garbage(said: bytes) -> None:
    """Some host's datagram of any content is one line that is no reading."""
    reader = LineReader()
    assert reader.whole(said) == []
    assert reader.garbage == 1


@pytest.mark.parametrize("unit", ["mm", "cm", "inch"])
@pytest.mark.parametrize("said", [b"R99999", b'{"range_m": 1e-320}', b'{"range_mm": 3000000}'])
def test_every_range_that_is_read_is_judged(unit: Literal["mm", "cm", "inch"], said: bytes) -> None:
    """The largest and the smallest: no target, and no figure of the window."""
    one, (range_m,) = sensor("log:x", present_below_m=2.2), LineReader(unit).whole(said)
    windows, watch = SensorWindows(one), FaultWatch(one)
    for i in range(100):
        windows.add(Reading(100 * i, range_m))
        watch.add(Reading(100 * i, range_m))
    window = windows.close(0, 10_000, "up")
    assert (window.readings, window.valid, window.present_ms, watch.fault(10_000, [])) == (100, 0, 0, None)


def test_inches_are_inches() -> None:
    """A finder that speaks inches is told so in the site file."""
    assert LineReader("inch").feed(b"R100\r") == [pytest.approx(2.54)]
