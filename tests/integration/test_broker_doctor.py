"""`doctor` and `edge run` before a broker that lets the box in, and before those that never will."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from brokers import BOX, KINDS, SITE, Broker, box_link, running, until, write_certificate, write_hub
from certificates import Authority, day

from branchloop.doctor_finding import Finding
from branchloop.site.box import Box, Tls
from branchloop.site.site import parse_site
from edge.doctor.broker import examine_broker
from edge.send.link import Link
from edge.send.outbox import Outbox
from hub.config.hub import read_config
from hub.doctor.machine import examine
from hub.expiry import expiring, watch_certificate
from hub.runtime import Runtime

NORTH = parse_site(SITE.format(id="north", box=BOX))


def examined(
    address: str, password: Path, *, tls: Path | None = None, running_box: bool = False, site: str = "north"
) -> Finding:
    box = Box(
        id="box-1", broker=address, data_dir="box", credential_file=str(password),
        tls=None if tls is None else Tls(ca_file=str(tls)),
    )  # fmt: skip
    north = NORTH.model_copy(update={"id": site})
    return examine_broker(north, box, password.parent, running=running_box)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module", params=KINDS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running(request.param, tmp_path_factory.mktemp(request.param)) as started:
        yield started


def test_doctor_logs_in_as_the_box(broker: Broker, tmp_path: Path) -> None:
    """Let in, or told what to do; that something answers at the port says neither."""
    address = f"mqtt://127.0.0.1:{broker.port}"
    own = (broker.config.credentials_dir / "north--box-1").resolve()
    found = examined(address, own)
    assert (found["state"], found["text"]) == ("good", f"broker {address} lets north/box-1 in")
    wrong = examined(address, written(tmp_path / "wrong", "another"))
    assert wrong["state"] == "bad"
    assert "refuses north/box-1" in wrong["text"]
    assert "carry its credential over from the hub again" in wrong["text"]
    other = examined(address, own, site="south")
    assert (other["state"], "refuses south/box-1" in other["text"]) == ("bad", True)
    missing = examined(address, tmp_path / "none")
    assert (missing["state"], "Copy this device's credential file" in missing["text"]) == ("bad", True)


def test_doctor_does_not_end_the_link_of_a_running_box(broker: Broker, tmp_path: Path) -> None:
    """A broker parts from the older of two connections under one name."""
    outbox = Outbox(tmp_path / "outbox.db")
    link = Link(outbox, box_link(broker.config, f"mqtt://127.0.0.1:{broker.port}"), dict)
    link.start()
    try:
        until(lambda: link.online, "the box is connected")
        own = (broker.config.credentials_dir / "north--box-1").resolve()
        found = examined(f"mqtt://127.0.0.1:{broker.port}", own, running_box=True)
        assert (found["state"], "is reached" in found["text"]) == ("good", True)
        assert link.counters.connects == 1
    finally:
        link.stop(1.0)
        outbox.close()


@pytest.mark.filterwarnings("ignore:Exception ignored.*:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # paho leaves a failed handshake to the collector
@pytest.mark.parametrize("kind", KINDS)
def test_doctor_says_what_is_wrong_with_tls(tmp_path: Path, kind: str) -> None:
    """A certificate of another host, one that nobody vouches for, a port without TLS."""
    for folder in ("hub", "stranger"):
        (tmp_path / folder).mkdir()
        write_certificate(tmp_path / folder, "localhost")
    config = write_hub(tmp_path / "hub")
    tls = '[hub.tls]\nca_file = "cert.pem"\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'
    config.write_text(config.read_text() + tls)
    trusted = tmp_path / "hub" / "cert.pem"
    with running(kind, tmp_path / "hub", config) as broker:
        own = (broker.config.credentials_dir / "north--box-1").resolve()
        assert examined(f"mqtts://localhost:{broker.port}", own, tls=trusted)["state"] == "good"
        named = examined(f"mqtts://127.0.0.1:{broker.port}", own, tls=trusted)
        strange = examined(f"mqtts://localhost:{broker.port}", own, tls=tmp_path / "stranger" / "cert.pem")
        for found in (named, strange):
            assert (found["state"], "its certificate is not believed" in found["text"]) == ("bad", True)
    with running(kind, tmp_path / "plain") as plain:
        own = (plain.config.credentials_dir / "north--box-1").resolve()
        found = examined(f"mqtts://localhost:{plain.port}", own, tls=trusted)
        assert found["state"] == "bad", found
        held = examined(f"mqtts://localhost:{plain.port}", own, tls=trusted, running_box=True)
        assert (held["state"], "speaks no TLS" in held["text"]) == ("bad", True), held
        assert "check scheme and port" in found["text"]
    away = examined(f"mqtt://127.0.0.1:{broker.port}", own)
    assert away["state"] == "warn"
    assert "does it run, and is `broker` right? (readings wait in the outbox)" in away["text"]


def test_a_server_that_speaks_no_mqtt_is_a_fault(tmp_path: Path) -> None:
    """The hub's API, say, at whose port nothing will ever be taken."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            sock, _ = server.accept()
            with sock:
                sock.recv(1_000)
                refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
                sock.sendall(refusal + b"connection: close\r\n\r\nInvalid HTTP request received.")

        web = threading.Thread(target=answer)
        web.start()
        found = examined(f"mqtt://127.0.0.1:{server.getsockname()[1]}", written(tmp_path / "own", "password"))
        web.join()
    assert found["state"] == "bad"
    assert "what answers there speaks no MQTT (Protocol error); check `broker`" in found["text"]


@pytest.mark.parametrize("running_box", [False, True])
def test_doctor_foretells_the_end_of_the_broker_s_certificate(tmp_path: Path, running_box: bool) -> None:
    """At the box, which does not renew it, and at a hub that does not start its broker itself."""
    Authority.make(tmp_path).sign(end=20)
    config = write_hub(tmp_path)
    tls = '[hub.tls]\nca_file = "ca.pem"\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'
    config.write_text(config.read_text() + tls)
    with running("nats", tmp_path, config) as broker:
        own = (broker.config.credentials_dir / "north--box-1").resolve()
        address = f"localhost:{broker.port}"
        found = examined(f"mqtts://{address}", own, tls=tmp_path / "ca.pem", running_box=running_box)
        assert found["state"] == "warn"
        assert f"expires on {day(20)}, the hub has to renew it before" in found["text"]
        config.write_text(config.read_text().replace('"embedded"', f'"mqtts://{address}"'))
        (of_hub,) = (each for each in examine(read_config(config)) if address in each["text"])
        words = f"broker {address} answers; its certificate expires on {day(20)}, renew it before"
        assert of_hub == {"state": "warn", "text": words}
        Authority.make(tmp_path)
        (of_hub,) = (each for each in examine(read_config(config)) if address in each["text"])
        assert of_hub["state"] == "bad"
        assert "its certificate is not believed" in of_hub["text"]


def test_a_running_hub_says_that_its_broker_s_certificate_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Again and again, by what the broker shows: a new file that it has not read helps nobody."""
    authority = Authority.make(tmp_path)
    authority.sign(end=20)
    path = write_hub(tmp_path)
    tls = '[hub.tls]\nca_file = "ca.pem"\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'
    path.write_text(path.read_text() + tls)
    config, stop = read_config(path), threading.Event()
    words = f"the broker's certificate expires on {day(20)}: renew it and restart the hub before"
    with running("nats", tmp_path, path) as broker:
        runtime = Runtime("0.0.0.0", broker.port, True, "127.0.0.1", 1)  # noqa: S104 - as it may be configured
        authority.sign(end=365)
        assert expiring(config, runtime) == words
        watch = threading.Thread(target=watch_certificate, args=(config, runtime, stop, 0.01))
        watch.start()
        told: list[str] = []
        until(lambda: told.append(capsys.readouterr().err) or "".join(told).count(words) > 1, "it is told")
        stop.set()
        watch.join()
        Authority.make(tmp_path)
        assert "is not believed" in (expiring(config, runtime) or "")
    assert expiring(config, runtime) is None
    assert expiring(config, replace(runtime, broker_tls=False)) is None


def test_a_box_that_can_never_send_does_not_begin(tmp_path: Path) -> None:
    """Exit code 3 and the sentence, where the core was begun again and again for ever."""
    site = tmp_path / "north.toml"
    site.write_text(SITE.format(id="north", box=BOX.replace("UNUSED", "NO_SUCH_VARIABLE")), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "edge.main", "run", str(site)], capture_output=True, text=True, check=False, timeout=60
    )  # fmt: skip
    assert ended.returncode == 3
    assert "the environment has no NO_SUCH_VARIABLE" in ended.stderr
