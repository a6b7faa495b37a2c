"""The doctor's look at range sensors: what cannot be is told, and whoever hears nothing is told where to look on that wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from branchloop.doctor_finding import Finding
from branchloop.processes import free_port
from branchloop.site.site import Sensor
from edge.doctor.sensor import examine_sensor


def examined(source: str, **more: object) -> Finding:
    fields = {"id": "door", "source": source, "x_m": 1.0, "y_m": 1.0, "height_m": 3.0, **more}
    return examine_sensor(Sensor.model_validate(fields), Path(), running=False)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is told at once."""
    for module in ("doctor.sensor", "perceive.ultrasonic_live"):
        monkeypatch.setattr(f"edge.{module}.SILENT_S", 0.5)


@contextmanager
def speaking(*lines: bytes) -> Iterator[str]:
    """A sensor that says these by UDP, over and over; its source."""
    port, stop = free_port(), threading.Event()

    def speak() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.wait(0.01):
                for line in lines:
                    sender.sendto(line, ("127.0.0.1", port))

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield f"udp:127.0.0.1:{port}"
    finally:
        stop.set()
        thread.join()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("said", "more", "state"),
    [
        (b"R3010", {}, "good"),
        (b"R1250", {}, "good"),
        (b"R", {}, "good"),
        (b"R300", {}, "warn"),  # centimetres
        (b"R118", {}, "warn"),  # inches
        (b"R3010", {"unit": "cm"}, "warn"),
        (b"R5000", {}, "warn"),
        (b"R5000", {"range_m": 2.5}, "good"),  # nobody, of one that does not reach the floor
        (b"R300", {"height_m": 1.1}, "good"),  # across a counter
        (b"R5000", {"height_m": 1.1}, "good"),
    ],
)
def test_a_range_that_cannot_be_is_told(said: bytes, more: dict[str, object], state: str) -> None:
    with speaking(said) as source:
        found = examined(source, **more)
    assert found["state"] == state
    assert ("m, which cannot be 3 m up. Is `unit` right, and `height_m`?" in found["text"]) is (
        state == "warn"
    )


@pytest.mark.usefixtures("impatient")
def test_one_stray_echo_is_not_what_a_sensor_says() -> None:
    with speaking(b"R90", b"R3010") as source:
        assert examined(source) == {"state": "good", "text": f"sensor door: {source} says 3.01 m"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("source", "more", "words"),
    [
        ("serial:/dev/none@9600", {}, ["No such file", "Is it there, this user's"]),
        ("udp:192.0.2.1:5905", {}, ["Is the host in `source` an address of this machine"]),
        ("udp:127.0.0.1:FREE", {}, ["no reading for", "Does it send to the host and port in `source`"]),
        ("mqtt:127.0.0.1:1/floor", {}, ["Is a broker at the host and port in `source`"]),
        ("mqtt:127.0.0.1:1/floor", {"credential_env": "NO_SUCH"}, ["NO_SUCH holds no user:password.", "`credential_env` names"]),
    ],
)  # fmt: skip
def test_where_nothing_is_heard_the_remedy_is_that_of_the_wire(
    source: str, more: dict[str, object], words: list[str]
) -> None:
    found = examined(source.replace("FREE", str(free_port())), **more)
    assert found["state"] == "bad"
    for each in words:
        assert each in found["text"]
    if not source.startswith("serial:"):
        assert "baud" not in found["text"]
        assert "this user's" not in found["text"]


@pytest.mark.usefixtures("impatient")
def test_who_sends_what_is_no_reading_is_told_what_one_is() -> None:
    with speaking(b"hello") as source:
        found = examined(source)
    assert found["state"] == "bad"
    assert "check what the sensor sends. It has to send R1234" in found["text"]


def test_a_log_says_itself_what_is_wrong() -> None:
    found = examined("log:none.csv")
    assert (found["state"], "none.csv cannot be read" in found["text"]) == ("bad", True)


def test_a_running_box_s_serial_line_that_is_gone_is_told(tmp_path: Path) -> None:
    """It is not opened, but whether it is there can be seen."""
    there = tmp_path / "ttyUSB0"
    fields = {"id": "door", "source": f"serial:{there}@9600", "x_m": 1.0, "y_m": 1.0, "height_m": 3.0}
    sensor = Sensor.model_validate(fields)
    gone = examine_sensor(sensor, Path(), running=True)
    assert (gone["state"], gone["text"]) == ("bad", f"sensor door: {there} is not there. Is it unplugged?")
    there.touch()
    assert examine_sensor(sensor, Path(), running=True)["state"] == "good"
