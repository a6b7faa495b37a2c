"""Real brokers for tests: nats-server from its wheel and Debian's mosquitto, with generated files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from branchloop.credentials import client_id
from branchloop.processes import free_port
from branchloop.site.box import Box, Tls
from edge.send.boxlink import BoxLink
from hub.broker.files import write_mosquitto, write_nats
from hub.broker.nats import executable
from hub.broker.passwords import ensure_password
from hub.broker.probe import answers
from hub.config.hub import HubConfig, read_config

KINDS = ("nats", "mosquitto")
WAIT_S = 30.0

SITE = """
id = "{id}"
name = {{ en = "{id}", zh = "网点" }}
timezone = "Asia/Shanghai"
plan = {{ width_m = 4.0, height_m = 3.0, cell_m = 0.5 }}
[[line]]
id = "door"
from = [0.5, 1.0]
to = [2.5, 1.0]
inside = [1.5, 2.0]
entrance = true
{box}
"""
BOX = """
[box]
id = "box-1"
broker = "mqtt://127.0.0.1:1883"
data_dir = "box"
credential_env = "UNUSED"
"""


def write_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for a host name, as cert.pem and key.pem; returns the first."""
    if shutil.which("openssl") is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is not installed: apt-get install openssl")
        pytest.skip("openssl is not installed: apt-get install openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "365", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


def write_hub(folder: Path, *, broker: str = "embedded", sites: tuple[str, ...] = ("north", "south")) -> Path:
    """hub.toml with a few small sites, each with a box called box-1; all ports ephemeral."""
    folder.mkdir(parents=True, exist_ok=True)
    for site in sites:
        (folder / f"{site}.toml").write_text(SITE.format(id=site, box=BOX))
    names = ", ".join(f'"{site}.toml"' for site in sites)
    (folder / "hub.toml").write_text(
        f'[hub]\ndata_dir = "data"\nlisten = "127.0.0.1:0"\nbroker = "{broker}"\n'
        f'broker_listen = "127.0.0.1:0"\nsites = [{names}]\n'
    )
    return folder / "hub.toml"


def box_link(config: HubConfig, broker: str, ca_file: Path | None = None) -> BoxLink:
    """The north box's end of the link, with the credential that the hub made for it."""
    box = Box(
        id="box-1",
        broker=broker,
        data_dir="box",
        credential_file=str(config.credentials_dir.resolve() / "north--box-1"),
        tls=Tls(ca_file=str(ca_file)) if ca_file is not None else None,
    )
    return BoxLink.of("north", box, config.path.parent)


def until(told: Callable[[], Any], what: str | Callable[[], str], wait_s: float = WAIT_S) -> Any:
    """Poll until something is true; its value. What did not become true may be found out only then."""
    deadline_s = time.monotonic() + wait_s
    while not (value := told()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {wait_s:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.02)
    return value


@dataclass
class Broker:
    """One broker process on a port of its own, which it keeps."""

    kind: str
    config: HubConfig
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers MQTT."""
        log = (self.folder / "test.log").open("ab")
        if self.kind == "nats":
            args = [str(executable()), "-c", str(self.folder / "nats.conf")]
        else:
            args = [str(_mosquitto()), "-c", str(self.folder / "mosquitto.conf")]
        self.process = subprocess.Popen(args, stdout=log, stderr=log)
        log.close()
        until(self._up, f"{self.kind} answers; see {self.folder / 'test.log'}")

    def _up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "test.log").read_text()[-2000:]
        return answers("127.0.0.1", self.port, ca_file=self.config.ca_file)

    def kill(self) -> None:
        """As a power cut of the program: SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """An orderly end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def client(self, user: str, **more: Any) -> Client:
        """A connected client of one of the config's users."""
        password = ensure_password(self.config.credentials_dir, user)
        return Client(self.port, user, password, **more)


def _mosquitto() -> str:
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto is not installed: apt-get install mosquitto")
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    return path


@contextmanager
def running(
    kind: str, folder: Path, config_file: Path | None = None, port: int | None = None
) -> Iterator[Broker]:
    """A broker of that kind, started from what `broker-config` writes."""
    if kind == "mosquitto":
        _mosquitto()
    config = read_config(config_file or write_hub(folder))
    port = port or free_port()
    write = write_nats if kind == "nats" else write_mosquitto
    path = write(config, folder / kind, f"127.0.0.1:{port}")
    broker = Broker(kind, config, path.parent, port)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


class DeafBroker:
    """Lets everybody in, grants every subscription, and acknowledges no message unless it `takes`."""

    def __init__(self) -> None:
        self.takes = False
        self.connects = 0
        self.unanswered = threading.Event()
        """A message came that was not acknowledged."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._speak, args=(self._server.accept()[0],), daemon=True).start()

    def _speak(self, sock: socket.socket) -> None:
        with suppress(OSError, IndexError), sock, sock.makefile("rb") as stream:
            while head := stream.read(1):
                size = shift = 0
                more = 0x80
                while more & 0x80:
                    more = stream.read(1)[0]
                    size |= (more & 0x7F) << shift
                    shift += 7
                sock.sendall(self._answer(head[0], stream.read(size)))

    def _answer(self, head: int, body: bytes) -> bytes:
        kind = head >> 4
        if kind == 1:
            self.connects += 1
            return b"\x20\x02\x00\x00"
        if kind == 8:
            at, granted = 2, b""
            while at < len(body):
                at += 3 + int.from_bytes(body[at : at + 2], "big")
                granted += b"\x01"
            return bytes([0x90, 2 + len(granted)]) + body[:2] + granted
        if kind == 10:
            return b"\xb0\x02" + body[:2]
        if kind == 3 and head & 0x06:
            if self.takes:
                at = 2 + int.from_bytes(body[:2], "big")
                return b"\x40\x02" + body[at : at + 2]
            self.unanswered.set()
        return b"\xd0\x00" if kind == 12 else b""

    def close(self) -> None:
        """Listen no more."""
        self._server.close()


@dataclass
class Client:
    """A paho client that remembers what happened to it."""

    port: int
    user: str
    password: str
    id: str = ""
    will: tuple[str, str] | None = None
    clean: bool = True
    received: list[tuple[str, bytes]] = field(default_factory=list)
    refused: str | None = None
    connected: threading.Event = field(default_factory=threading.Event)
    lost: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._granted: dict[int, list[int]] = {}
        self.paho = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.id or client_id(self.user, self.password),
            protocol=mqtt.MQTTv311,
            clean_session=self.clean,
            reconnect_on_failure=False,
        )
        self.paho.username_pw_set(self.user, self.password)
        if self.will is not None:
            self.paho.will_set(*self.will, qos=1, retain=True)
        self.paho.on_connect = self._on_connect
        self.paho.on_disconnect = lambda *_: self.lost.set()
        self.paho.on_message = lambda _c, _d, m: self.received.append((m.topic, bytes(m.payload)))
        self.paho.on_subscribe = lambda _c, _d, mid, codes, _p: self._granted.update(
            {mid: [code.value for code in codes]}
        )
        self.paho.connect("127.0.0.1", self.port, keepalive=30)
        self.paho.loop_start()
        until(lambda: self.connected.is_set() or self.lost.is_set(), f"{self.user} hears from the broker")

    def _on_connect(self, _c: Any, _d: Any, _f: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            self.refused = str(reason)
        else:
            self.connected.set()

    def subscribe(self, *filters: str) -> list[int]:
        """Granted QoS per filter, 128 for a refusal; an empty list when the broker hung up instead."""
        _, mid = self.paho.subscribe([(name, 1) for name in filters])
        until(lambda: mid in self._granted or self.lost.is_set(), f"an answer to subscribing {filters}")
        return self._granted.get(mid, [])

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> bool:
        """True when the broker acknowledged, False when it hung up."""
        told = self.paho.publish(topic, payload, qos=1, retain=retain)
        with suppress(RuntimeError):
            until(lambda: told.is_published() or self.lost.is_set(), f"an answer to publishing {topic}")
        return not self.lost.is_set()

    def topics(self) -> list[str]:
        """Topics of what was received."""
        return [topic for topic, _ in self.received]

    def cut(self) -> None:
        """End the connection without a DISCONNECT, so that the last will is published."""
        sock = self.paho.socket()
        assert sock is not None
        sock.shutdown(2)
        self.lost.wait(WAIT_S)
        self.paho.loop_stop()

    def close(self) -> None:
        """Part in order, and be gone when this returns: a broker hangs up on an id that comes back before."""
        sock = self.paho.socket()
        # The client closes its own before the broker has read on.
        ours = sock.dup() if sock is not None else None
        self.paho.disconnect()
        self.lost.wait(WAIT_S)
        self.paho.loop_stop()
        if ours is not None:
            with ours, suppress(OSError):
                ours.settimeout(5.0)
                while ours.recv(4_096):
                    pass
