"""A sensor over MQTT against real brokers: readings, garbage, a refused login, a broker that goes and comes."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from brokers import KINDS, _mosquitto, until
from paho.mqtt.enums import CallbackAPIVersion

from branchloop.processes import free_port
from branchloop.site.site import Sensor
from edge.doctor.sensor import examine_sensor
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading
from edge.perceive.ultrasonic_live import LiveSensor
from hub.broker.nats import executable
from hub.broker.probe import answers

SOON_S = 20.0


@contextmanager
def broker(kind: str, folder: Path, port: int) -> Iterator[None]:
    """A plain broker as it may stand in a branch; nats-server asks for a login, mosquitto for none."""
    if kind == "nats":
        (folder / "nats.conf").write_text(
            f'server_name: branch\nport: {free_port()}\nhost: 127.0.0.1\njetstream {{ store_dir: "{folder}/js" }}\n'
            f"mqtt {{ host: 127.0.0.1, port: {port} }}\nauthorization {{ user: sensors, password: quiet }}\n"
        )
        args = [str(executable()), "-c", str(folder / "nats.conf")]
    else:
        (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        args = [_mosquitto(), "-c", str(folder / "mosquitto.conf")]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(args, stdout=log, stderr=log)
    try:
        until(lambda: answers("127.0.0.1", port), f"{kind} answers")
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def publisher(port: int, *, retain: bool = False) -> Iterator[Callable[[bytes], None]]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set("sensors", "quiet")
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield lambda payload: client.publish("floor/door", payload, qos=1, retain=retain).wait_for_publish(
            SOON_S
        )
    finally:
        client.disconnect()
        client.loop_stop()


def kept(port: int) -> bool:
    """Whether who subscribes now is told what was retained: nats-server acknowledges a message before it keeps it."""
    told = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set("sensors", "quiet")
    client.on_message = lambda _client, _data, message: told.set() if message.retain else None
    client.on_connect = lambda *_: client.subscribe("floor/door", qos=0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        return told.wait(1.0)
    finally:
        client.disconnect()
        client.loop_stop()


def sensor(port: int) -> Sensor:
    return Sensor(
        id="door", source=f"mqtt:127.0.0.1:{port}/floor/door", credential_env="SENSOR_LOGIN",
        x_m=1.0, y_m=1.0, height_m=3.0,
    )  # fmt: skip


def live(port: int) -> LiveSensor:
    return LiveSensor(sensor(port), backoff=Backoff(0.05, 0.2, random.Random(1)))


def ranges(one: LiveSensor, say: Callable[[], None], count: int) -> list[float | None]:
    """Speak until as many readings have come."""
    found: list[float | None] = []
    deadline_s = time.monotonic() + SOON_S
    while len(found) < count and time.monotonic() < deadline_s:
        if not found:
            say()
        match one.next(0.3):
            case Reading() as reading:
                found.append(reading.range_m)
    return found


def event(one: LiveSensor, state: str) -> Event:
    deadline_s = time.monotonic() + SOON_S
    while time.monotonic() < deadline_s:
        match one.next(0.2):
            case Event() as told if told.state == state:
                return told
    pytest.fail(f"never {state}")


@pytest.mark.parametrize("kind", KINDS)
def test_readings_come_and_come_again_after_the_broker_was_gone(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON, ASCII, garbage between; the broker killed is `down`; started again, the sensor is read again."""
    monkeypatch.setenv("SENSOR_LOGIN", "sensors:quiet")
    port = free_port()
    one = live(port)
    try:
        with broker(kind, tmp_path, port), publisher(port) as publish:
            one.next(0.5)

            def say() -> None:
                for payload in (b'{"range_mm": 1500}', b"\xff\x00{", b"R2250", b'{"range_m": null}'):
                    publish(payload)

            assert ranges(one, say, 3)[:3] == pytest.approx([1.5, 2.25, None])
            assert one.garbage >= 1
        assert event(one, "down").detail
        with broker(kind, tmp_path, port), publisher(port) as publish:
            assert ranges(one, lambda: publish(b"R0700"), 1) == pytest.approx([0.7])
    finally:
        one.close()


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_broker_kept_is_no_reading_of_now(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead sensor's last word: it is not up, and the doctor says why; what it says while listened to counts, retained or not."""
    monkeypatch.setenv("SENSOR_LOGIN", "sensors:quiet")
    for module in ("doctor.sensor", "perceive.ultrasonic_live"):
        monkeypatch.setattr(f"edge.{module}.SILENT_S", 3.0)
    port = free_port()
    with broker(kind, tmp_path, port), publisher(port, retain=True) as publish:
        publish(b"R1500")
        until(lambda: kept(port), f"{kind} keeps the message")
        found = examine_sensor(sensor(port), tmp_path, running=False)
        assert found["state"] == "bad"
        assert "kept by the broker from before (retained)" in found["text"]
        one = live(port)
        try:
            told = one.next(SOON_S)
            assert isinstance(told, Event)
            assert (told.state, "(retained)" in told.detail) == ("stalled", True)
            assert ranges(one, lambda: publish(b"R0700"), 1) == pytest.approx([0.7])
            assert one.state == "up"
        finally:
            one.close()


def test_a_refused_login_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The light says what the broker said, and what is not set is named."""
    port = free_port()
    with broker("nats", tmp_path, port):
        for login, complaint in (("sensors:loud", "refuses"), ("", "SENSOR_LOGIN holds no user:password")):
            monkeypatch.setenv("SENSOR_LOGIN", login)
            one = live(port)
            assert complaint in event(one, "down").detail
            one.close()
