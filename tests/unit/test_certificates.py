"""A bank's CA that is changed while boxes and hub run: the next connection goes by it."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from brokers import until, write_hub
from certificates import Authority

from branchloop.credentials import HUB_INGEST
from branchloop.errors import ConfigError
from branchloop.processes import free_port
from branchloop.site.box import Box, Tls
from edge.send.boxlink import BoxLink
from edge.send.connection import Connection
from hub.api.dots import Dots
from hub.broker.passwords import ensure_password
from hub.config.hub import read_config
from hub.ingest.mqtt import MqttSource
from hub.runtime import Runtime

_CONNACK = b"\x20\x02\x00\x00"
pytestmark = [  # paho leaves the socket of a handshake that fails to the garbage collection
    pytest.mark.filterwarnings("ignore:Exception ignored.*:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture
def authorities(tmp_path: Path) -> list[Authority]:
    """An old and a new one of the same name, and `ca.pem` with the old one's certificate alone."""
    both = [Authority.make(tmp_path / name) for name in ("old", "new")]
    for each in both:
        each.sign()
    shutil.copy(tmp_path / "old" / "ca.pem", tmp_path / "ca.pem")
    return both


@contextmanager
def serving(port: int, authority: Authority, believed: list[bool]) -> Iterator[None]:
    """What answers like a broker, by the authority's certificate, and notes who believed it; then it hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "cert.pem", authority.folder / "key.pem")
    server = socket.create_server(("127.0.0.1", port))

    def serve() -> None:
        with suppress(OSError):
            while True:
                plain = server.accept()[0]
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        believed.append(bool(secure.recv(1)))
                        secure.sendall(_CONNACK)
                except OSError:
                    believed.append(False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with closing(server):
        yield
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def link_to(port: int, folder: Path) -> BoxLink:
    (folder / "secret").write_text("password\n")
    (folder / "secret").chmod(0o600)
    box = Box(
        id="box-1",
        broker=f"mqtts://127.0.0.1:{port}",
        data_dir="box",
        credential_file="secret",
        tls=Tls(ca_file="ca.pem"),
    )
    return BoxLink.of("hall", box, folder)


def test_a_box_goes_by_a_ca_file_that_was_changed(
    tmp_path: Path, authorities: list[Authority], caplog: pytest.LogCaptureFixture
) -> None:
    """One that cannot be read any more is told once, and what was read before stays in use."""
    port, believed = free_port(), list[bool]()
    link = link_to(port, tmp_path)

    def connects() -> bool:
        connection = Connection(link, None, [])
        connection.open()
        refused = connection.refused
        connection.drop()
        return not refused

    with serving(port, authorities[1], believed):
        assert not connects()
        with (tmp_path / "ca.pem").open("ab") as file:
            file.write((tmp_path / "new" / "ca.pem").read_bytes())
        assert connects()
        (tmp_path / "ca.pem").write_text("nonsense")
        assert connects()
        assert connects()
        (told,) = caplog.messages
        assert told.endswith("What was read before stays in use.")
        assert "ca_file" in told
        shutil.copy(tmp_path / "old" / "ca.pem", tmp_path / "ca.pem")
        assert not connects(), "a CA that was taken out is believed no more"
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"box\.tls"):
        link_to(port, tmp_path)


def test_the_hub_goes_by_a_ca_file_that_was_changed(
    tmp_path: Path, authorities: list[Authority], capsys: pytest.CaptureFixture[str]
) -> None:
    """With a broker of the bank's own: its ingest, and the API's live dots."""
    port, believed = free_port(), list[bool]()
    path = write_hub(tmp_path, broker=f"mqtts://127.0.0.1:{port}")
    path.write_text(f'{path.read_text()}[hub.tls]\nca_file = "ca.pem"\n')
    config = read_config(path)
    ensure_password(config.credentials_dir, HUB_INGEST)
    runtime = Runtime("127.0.0.1", port, True, "127.0.0.1", 1)
    source, dots = MqttSource(config, runtime), Dots()
    with serving(port, authorities[1], believed):
        source.connect()
        until(lambda: believed, "the broker is dialled")
        assert believed == [False]
        shutil.copy(tmp_path / "new" / "ca.pem", tmp_path / "ca.pem")
        source.connect()
        until(lambda: len(believed) == 2, "the broker is dialled again")
        assert believed[1]
        (tmp_path / "ca.pem").write_text("nonsense")
        source.connect()
        until(lambda: len(believed) == 3, "the broker is dialled by what was read before")
        assert believed[2]
        assert "What was read before stays in use." in capsys.readouterr().err
        source._drop_client()
    believed.clear()
    shutil.copy(tmp_path / "old" / "ca.pem", tmp_path / "ca.pem")
    with serving(port, authorities[1], believed):
        dots.connect(config, runtime)
        until(lambda: believed, "the broker is dialled")
        shutil.copy(tmp_path / "new" / "ca.pem", tmp_path / "ca.pem")
        until(lambda: True in believed, "the broker is believed")
        dots.close()
