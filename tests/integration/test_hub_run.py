"""`hub run` as the operator has it: a real process with real children, some of which are killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from box import Box, notice, window
from brokers import KINDS, Client, box_link, running, until, write_certificate, write_hub
from certificates import Authority, day

from branchloop.credentials import HUB_INGEST
from branchloop.processes import free_port, lock_directory
from branchloop.wire.batches import Ack
from branchloop.wire.messages import Notice
from edge.send.link import Link
from edge.send.outbox import Outbox
from hub.broker.passwords import read_password
from hub.broker.probe import answers
from hub.config.hub import read_config
from hub.doctor.machine import examine
from hub.ingest.apply import Applier
from hub.store.branches.opening import OpeningNotes
from hub.store.connection import connect_readonly
from hub.store.schema.core import DATABASE
from hub.store.sqlite import SqliteStore

NOW_MS = 1_774_234_800_000


@dataclass
class Hub:
    """A running hub."""

    config: Path
    process: subprocess.Popen[bytes]

    @property
    def ready_file(self) -> Path:
        return self.config.parent / "ready.json"

    def ready(self) -> dict[str, Any] | None:
        with suppress(OSError, ValueError):
            told: dict[str, Any] = json.loads(self.ready_file.read_text())
            return told
        return None

    def error(self) -> str:
        return (self.config.parent / "stderr").read_text()

    def told(self) -> str:
        """What it and its children said."""
        logs = sorted(self.config.parent.glob("data/logs/*.log"))
        return "\n".join([self.error(), *(f"{log.name}: {log.read_text()}" for log in logs)])

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(20)


def start(config: Path, out: Path | None = None) -> Hub:
    (config.parent / "ready.json").unlink(missing_ok=True)
    with (config.parent / "stderr").open("wb") as error, (out or config.parent / "stdout").open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.main", "run", str(config), "--json-ready",
             str(config.parent / "ready.json")],
            stdout=told,
            stderr=error,
        )  # fmt: skip
    return Hub(config, process)


@contextmanager
def hub(config: Path) -> Iterator[Hub]:
    started = start(config)
    children: list[psutil.Process] = []
    try:
        until(
            lambda: started.ready() or started.process.poll() is not None,
            lambda: f"the ready file\n{started.told()}",
            wait_s=60,
        )
        assert started.process.poll() is None, started.error()
        children = started.children()
        yield started
    finally:
        if started.process.poll() is None:
            children = started.children()
            started.stop()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def ended(process: psutil.Process) -> bool:
    """Whether it runs no more; whoever adopted an orphan may leave it a zombie for a while."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def health(api: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:  # noqa: S310 - the test's own hub
        told: dict[str, Any] = json.load(answer)
        return told


def send(config: Path, broker: str, box: Box) -> int:
    """Send a box's batch until it is acknowledged; how far."""
    password = read_password(read_config(config).credentials_dir, f"{box.site}/{box.device}")
    client = Client(int(broker.rsplit(":", 1)[1]), f"{box.site}/{box.device}", password)
    client.subscribe(f"branchloop/1/{box.site}/{box.device}/ack")
    topic, payload, _ = box.payload()
    assert client.publish(topic, payload)
    until(lambda: client.received, "the acknowledgement")
    client.close()
    return Ack.model_validate_json(client.received[-1][1]).upto


CAMERA = """
[[camera]]
id = "north"
source = "usb:0"
calibration = { points = [[0, 0, 0, 0], [100, 0, 1, 0], [100, 100, 1, 1], [0, 100, 0, 1]], picture_px = [100, 100] }
"""


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for tests that leave it as they found it, its children perhaps new ones; its north branch has a camera."""
    config = write_hub(tmp_path_factory.mktemp("hub"))
    site = config.parent / "north.toml"
    site.write_text(site.read_text() + CAMERA)
    with hub(config) as made:
        yield made


def test_a_fault_over_the_broker_becomes_one_alert_though_ingest_is_killed(standing: Hub) -> None:
    """A camera blurred for 25 s of its box's time; ingest dies by kill -9 after it has noticed."""
    config = standing.config

    def stored(query: str) -> list[Any]:
        with closing(connect_readonly(read_config(config).data_dir / DATABASE)) as db:
            return db.execute(query).fetchall()

    first = standing.ready()
    assert first is not None
    box = Box(site="north", epoch="1" * 16)
    now_ms = time.time_ns() // 1_000_000
    start_ms = now_ms - now_ms % 5_000 - 40_000
    box.produce("window", window(start_ms, pairs=[]))
    send(config, first["broker"], box)
    until(lambda: stored("SELECT 1 FROM watch WHERE kind='blurred' AND phase='rising'"), "noticed")
    os.kill(first["pids"]["ingest"], signal.SIGKILL)
    until(lambda: (now := standing.ready()) and now["pids"]["ingest"] != first["pids"]["ingest"], "back", wait_s=40)  # fmt: skip
    box.produce("window", window(start_ms + 25_000, pairs=[]))
    send(config, first["broker"], box)
    until(lambda: stored("SELECT 1 FROM alert"), "raised")
    assert stored("SELECT kind, subject, raised_ms, cleared_ms FROM alert") == [
        ("blurred", "north", start_ms + 30_000, None)
    ]
    told = stored("SELECT body FROM feed WHERE event='alarm'")
    assert [json.loads(body)["kind"] for (body,) in told] == ["blurred"]


def test_each_killed_child_comes_back_at_the_same_address(standing: Hub) -> None:
    """Kill -9 of broker, ingest and API in turn: same ports, and nothing that was stored is lost."""
    config = standing.config
    first = standing.ready()
    assert first is not None
    assert health(first["api"])["status"] == "ok"
    out = (config.parent / "stdout").read_text()
    assert first["api"] in out
    assert first["broker"] in out
    box = Box(site="north", epoch="2" * 16)
    for name in ("broker", "ingest", "api", "outgoing"):
        box.produce("window", window(NOW_MS + len(box.items) * 5_000))
        assert send(config, first["broker"], box) == len(box.items)
        before = standing.ready()
        assert before is not None
        said = len(standing.error())
        os.kill(before["pids"][name], signal.SIGKILL)
        after = until(
            lambda: (now := standing.ready()) and now["pids"][name] != before["pids"][name] and now,  # noqa: B023
            f"{name} is back",
            wait_s=40,
        )
        assert (after["api"], after["broker"]) == (first["api"], first["broker"])
        assert health(first["api"])["status"] == "ok"
        assert f"{name} was ended by signal 9" in standing.error()[said:]
    assert send(config, first["broker"], box) == len(box.items) == 4


def test_stopping_leaves_no_child_and_starting_again_keeps_the_ports(tmp_path: Path) -> None:
    """SIGTERM ends everything in order with code 0; the next start has the same addresses and data."""
    config = write_hub(tmp_path)
    box = Box(site="north")
    box.produce("window", window(NOW_MS))
    with hub(config) as running_hub:
        first = running_hub.ready()
        assert first is not None
        assert send(config, first["broker"], box) == 1
        children = running_hub.children()
        assert len(children) == 4
        assert running_hub.stop() == 0
        assert all(ended(child) for child in children)
        assert running_hub.ready() is None, "the ready file of a hub that does not run"
        assert running_hub.error() == ""
    with hub(config) as again:
        second = again.ready()
        assert second is not None
        assert (second["api"], second["broker"]) == (first["api"], first["broker"])
        assert send(config, second["broker"], box) == 1
        assert again.stop(signal.SIGINT) == 0


def test_of_old_sessions_nothing_outlives_a_start_but_what_is_retained(tmp_path: Path) -> None:
    """nats-server keeps what it knows of every session there ever was: who had a credential could fill the disk by and by."""
    config = write_hub(tmp_path)
    status, acks = (f"branchloop/1/north/box-1/{kind}" for kind in ("status", "ack"))
    password = ""

    def connect(told: dict[str, Any] | None, name: str, **more: Any) -> Client:
        assert told is not None
        client = Client(int(told["broker"].rsplit(":", 1)[1]), "north/box-1", password, id=name, **more)
        assert client.subscribe(acks) == [1]
        return client

    def kept() -> int:
        stream = (
            config.parent / "data" / "broker" / "jetstream" / "jetstream" / "$G" / "streams" / "$MQTT_msgs"
        )
        return len(list(stream.glob("obs/*")))

    with hub(config) as running_hub:
        password = read_password(read_config(config).credentials_dir, "north/box-1")
        own = kept()
        for n in range(3):
            client = connect(running_hub.ready(), f"old-{n}", clean=False)
            assert client.publish(status, b'{"n":%d}' % n, retain=True)
            client.close()
        assert kept() == own + 3
        assert running_hub.stop() == 0
    with hub(config) as again:
        assert kept() == own
        listener = Client(
            int((again.ready() or {})["broker"].rsplit(":", 1)[1]),
            HUB_INGEST,
            read_password(read_config(config).credentials_dir, HUB_INGEST),
            id="listener",
        )
        listener.subscribe(status)
        until(lambda: (status, b'{"n":2}') in listener.received, "what is retained")
        listener.close()


def test_children_end_with_a_killed_supervisor_and_the_next_start_waits_for_them(tmp_path: Path) -> None:
    """Kill -9 of `hub run` itself leaves no child; a start right after it succeeds."""
    config = write_hub(tmp_path)
    with hub(config) as running_hub:
        children = running_hub.children()
        running_hub.process.kill()
        running_hub.process.wait()
        with hub(config) as again:
            assert all(ended(child) for child in children)
            told = again.ready()
            assert told is not None
            assert health(told["api"])["status"] == "ok"


def test_a_second_start_is_refused(standing: Hub) -> None:
    """The same data directory twice: one sentence, exit code 5, and the first hub is not disturbed."""
    config = standing.config
    told = standing.ready()
    assert told is not None
    second = started_in_vain(config)
    assert second.returncode == 5
    assert second.stderr.startswith("error: ")
    assert "running already" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert standing.ready() == told
    assert health(told["api"])["status"] == "ok"


def started_in_vain(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hub.main", "run", str(config)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("key", ["listen", "broker_listen"])
def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path, key: str) -> None:
    """Exit code 5 and a sentence that names the address."""
    config = write_hub(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        config.write_text(config.read_text().replace(f'\n{key} = "127.0.0.1:0"', f'\n{key} = "{address}"'))
        refused = started_in_vain(config)
        read = read_config(config)
        (found,) = (each for each in examine(read) if address in each["text"])
        with lock_directory(read.data_dir):
            (held,) = (each for each in examine(read) if address in each["text"])
    assert refused.returncode == 5
    assert address in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (found["state"], "end the program that has it" in found["text"]) == ("bad", True)
    assert (held["state"], "in use while the hub runs" in held["text"]) == ("good", True)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_a_hub_listens_on_ipv6(tmp_path: Path) -> None:
    """Its own broker and its API, at addresses in brackets; a taken one is told as such."""
    config = write_hub(tmp_path)
    config.write_text(config.read_text().replace('"127.0.0.1:0"', '"[::1]:0"'))
    with hub(config) as running_hub:
        told = running_hub.ready()
        assert told is not None
        assert told["api"].startswith("http://[::1]:")
        assert health(told["api"])["status"] == "ok"
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        address = f"[::1]:{other.getsockname()[1]}"
        config.write_text(
            config.read_text().replace('broker_listen = "[::1]:0"', f'broker_listen = "{address}"')
        )
        refused = started_in_vain(config)
    assert refused.returncode == 5
    assert address in refused.stderr


def test_an_external_mosquitto_serves_too(tmp_path: Path) -> None:
    """With hub.broker = mqtt://… the hub starts no broker and uses the passwords of broker-config."""
    port = free_port()
    config = write_hub(tmp_path, broker=f"mqtt://127.0.0.1:{port}")
    with running("mosquitto", tmp_path, config, port=port), hub(config) as running_hub:
        told = running_hub.ready()
        assert told is not None
        assert told["broker"] == f"mqtt://127.0.0.1:{port}"
        assert sorted(told["pids"]) == ["api", "hub", "ingest", "outgoing"]
        box = Box(site="north")
        box.produce("window", window(NOW_MS))
        assert send(config, told["broker"], box) == 1


def test_an_external_broker_without_passwords_is_told(tmp_path: Path) -> None:
    """Exit code 5, naming the missing file and the command that makes it."""
    config = write_hub(tmp_path, broker="mqtt://127.0.0.1:1")
    refused = subprocess.run(
        [sys.executable, "-m", "hub.main", "run", str(config)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert refused.returncode == 5
    assert HUB_INGEST.replace("/", "--") in refused.stderr
    assert "broker-config" in refused.stderr


TLS = """
[hub.tls]
ca_file = "cert.pem"
cert_file = "cert.pem"
key_file = "key.pem"
"""


def send_over_tls(config: Path, folder: Path, port: int, ca: Path) -> bool:
    """One notice from a real box to localhost over TLS; True when it was acknowledged."""
    outbox = Outbox(folder / "outbox.db")
    link = Link(outbox, box_link(read_config(config), f"mqtts://localhost:{port}", ca), dict)
    outbox.append_now("notice", Notice(**notice("over-tls", NOW_MS)))
    link.start()
    try:
        return link.stop(8.0)
    finally:
        outbox.close()


def test_the_embedded_broker_speaks_tls_to_the_outside(tmp_path: Path) -> None:
    """On all interfaces with TLS: hub and API reach their broker, and a box that trusts its certificate."""
    write_certificate(tmp_path, "localhost")
    config = write_hub(tmp_path)
    config.write_text(
        config.read_text().replace('broker_listen = "127.0.0.1:0"', 'broker_listen = "0.0.0.0:0"')
    )
    bare = subprocess.run(
        [sys.executable, "-m", "hub.main", "check-config", str(config)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert bare.returncode == 3
    assert "hub.tls" in bare.stderr
    config.write_text(config.read_text() + TLS)
    with hub(config) as running_hub:
        told = running_hub.ready()
        assert told is not None
        assert told["broker"].startswith("mqtts://127.0.0.1:")
        port = int(told["broker"].rsplit(":", 1)[1])
        assert send_over_tls(config, tmp_path, port, tmp_path / "cert.pem")
        assert not answers("127.0.0.1", port), "MQTT without TLS is not answered"
        assert running_hub.error() == ""


def test_a_hub_with_an_expired_certificate_says_so_and_serves_what_it_can(tmp_path: Path) -> None:
    """Boxes wait with what they counted; whoever books is answered, and the operator reads why at once."""
    Authority.make(tmp_path).sign(end=-1)
    config = write_hub(tmp_path)
    config.write_text(config.read_text() + TLS.replace('ca_file = "cert.pem"', 'ca_file = "ca.pem"'))
    started = start(config)
    try:
        until(lambda: "\n" in started.error(), "a sentence at the start", wait_s=30)
        assert started.error() == (
            f"hub: certificate {tmp_path / 'cert.pem'} expired on {day(-1)}: neither the boxes nor ingest get to the "
            "broker; renew it and restart the hub\n"
        )
        port = until(lambda: served_port(tmp_path), "the API's port")
        until(lambda: answered(port), "the API answers", wait_s=30)
    finally:
        started.stop()


def served_port(folder: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(json.loads((folder / "data" / "runtime.json").read_text())["api_port"])
    return None


def answered(port: int) -> bool:
    with suppress(OSError):
        return health(f"http://127.0.0.1:{port}")["status"] == "degraded"
    return False


@pytest.mark.parametrize("kind", KINDS)
def test_an_external_broker_is_reached_over_tls_by_name(tmp_path: Path, kind: str) -> None:
    """mqtts:// to a broker whose certificate names it; one that names another is refused."""
    write_certificate(tmp_path, "localhost")
    port = free_port()
    config = write_hub(tmp_path, broker=f"mqtts://localhost:{port}")
    config.write_text(config.read_text() + TLS)
    with running(kind, tmp_path, config, port=port):
        with hub(config) as running_hub:
            assert running_hub.ready()
            assert send_over_tls(config, tmp_path, port, tmp_path / "cert.pem")
        config.write_text(config.read_text().replace("mqtts://localhost", "mqtts://127.0.0.1"))
        stranger = start(config)
        try:
            log = tmp_path / "data" / "logs" / "ingest.log"
            until(lambda: "certificate" in log.read_text(), "the refusal is told")
            assert stranger.ready() is None
        finally:
            stranger.stop()


def test_a_configuration_that_the_broker_rejects_ends_the_hub_at_once(tmp_path: Path) -> None:
    """A certificate that is none would have it start the broker again for ever."""
    config = write_hub(tmp_path / "hub")
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / "hub" / name).write_text("no certificate")
    with config.open("a") as file:
        file.write('tls = { ca_file = "ca.pem", cert_file = "cert.pem", key_file = "key.pem" }\n')
    process = start(config).process
    assert process.wait(30) == 5
    said = (tmp_path / "hub" / "stderr").read_text()
    assert said.startswith("error: the broker rejects its configuration: ")
    assert said.count("\n") == 1


def test_a_time_zone_that_was_corrected_counts_before_anybody_can_ask(tmp_path: Path) -> None:
    """Recomputing by the new clock is refused until a hub was started; its start makes hours and days anew."""

    def recompute() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub.main", "recompute", str(config), "--check", "--json"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    config = write_hub(tmp_path)
    settings = read_config(config)
    with closing(SqliteStore(settings.data_dir)) as store:
        OpeningNotes(store, settings.sites).tick(NOW_MS)
        box = Box(site="north")
        for n in range(12):
            box.produce("window", window(NOW_MS + n * 3_600_000))
        now_ms = NOW_MS + 86_400_000
        Applier(store, settings.sites, lambda: now_ms).apply(*box.payload(arrived_ms=now_ms))
    file = tmp_path / "north.toml"
    file.write_text(file.read_text().replace("Asia/Shanghai", "Asia/Kolkata"))
    refused = recompute()
    assert refused.returncode == 3
    assert "north: its hours and days are kept by Asia/Shanghai" in refused.stderr
    with hub(config) as running:
        assert "north: its hours and days go by Asia/Kolkata now" in running.error()
    told = recompute()
    assert told.returncode == 0
    assert json.loads(told.stdout.splitlines()[-1])["windows"] == 12


def test_a_hub_whose_output_cannot_be_written_works(tmp_path: Path) -> None:
    """A log's disk may be full: it says where it is in its ready file, and ends in order."""
    running_hub = start(write_hub(tmp_path / "hub"), Path("/dev/full"))
    try:
        until(running_hub.ready, "it is ready", 60)
    finally:
        assert running_hub.stop() == 0
    assert "Traceback" not in running_hub.error()
