"""Where a box connects and as whom: addresses, credentials and certificates, and what is refused."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from branchloop.credentials import client_id
from branchloop.errors import ConfigError
from branchloop.site.box import Box, Tls
from edge.send.boxlink import BoxLink


def box(broker: str = "mqtt://127.0.0.1:1883", **more: Any) -> Box:
    return Box(id="box-1", broker=broker, data_dir="box", **({"credential_file": "secret"} | more))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_text("pass word\n")
    secret.chmod(0o600)
    return tmp_path


@pytest.mark.parametrize(
    ("broker", "host", "port"),
    [
        ("mqtt://127.0.0.1:1999", "127.0.0.1", 1999),
        ("mqtt://localhost", "localhost", 1883),
        ("mqtt://[::1]:1999", "::1", 1999),
        ("mqtts://localhost", "localhost", 8883),
    ],
)
def test_addresses(folder: Path, broker: str, host: str, port: int) -> None:
    """With and without a port, names and both kinds of addresses."""
    link = BoxLink.of("hall", box(broker), folder)
    assert (link.host, link.port) == (host, port)
    assert (link.tls is not None) == broker.startswith("mqtts")


def test_the_client_id_is_bound_to_the_credential(folder: Path) -> None:
    """User, password and client id belong together; a representation shows no password."""
    link = BoxLink.of("hall", box(), folder)
    assert (link.user, link.password) == ("hall/box-1", "pass word")
    assert link.client_id == client_id("hall/box-1", "pass word")
    assert "pass word" not in repr(link)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_credential_that_others_may_read_is_refused(folder: Path, mode: int) -> None:
    """The error names the file and the command that mends it."""
    (folder / "secret").chmod(mode)
    with pytest.raises(ConfigError, match=r"may be read by others.*chmod 600"):
        BoxLink.of("hall", box(), folder)


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_credential_that_is_none_is_refused(folder: Path, content: bytes | None) -> None:
    """Missing, empty, or no text."""
    if content is None:
        (folder / "secret").unlink()
    else:
        (folder / "secret").write_bytes(content)
    with pytest.raises(ConfigError, match="from the hub"):
        BoxLink.of("hall", box(), folder)


def test_a_credential_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes before the file; without it, an error names the variable."""
    with pytest.raises(ConfigError, match="BOX_PASSWORD"):
        BoxLink.of("hall", box(credential_env="BOX_PASSWORD"), folder)
    monkeypatch.setenv("BOX_PASSWORD", "other")
    assert BoxLink.of("hall", box(credential_env="BOX_PASSWORD"), folder).password == "other"


@pytest.mark.parametrize(
    "broker", ["mqtt://127.0.0.1:0", "mqtt://127.0.0.1:65536", "mqtt://127.0.0.1:x", "mqtt://a:"]
)
def test_a_port_that_is_none_is_refused(folder: Path, broker: str) -> None:
    """With the form that an address has."""
    with pytest.raises(ConfigError, match=r"box\.broker"):
        BoxLink.of("hall", box(broker.replace("a:", "localhost:")), folder)


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_certificates_that_cannot_be_used_are_refused(folder: Path, content: str | None) -> None:
    """Missing or broken: named before anything connects."""
    if content is not None:
        (folder / "ca.pem").write_text(content)
    with pytest.raises(ConfigError, match=r"box\.tls"):
        BoxLink.of("hall", box("mqtts://hub.bank:8883", tls=Tls(ca_file="ca.pem")), folder)


def test_tls_checks_the_broker(folder: Path) -> None:
    """Certificate and name are checked, and nothing older than TLS 1.2 is spoken."""
    tls = BoxLink.of("hall", box("mqtts://localhost"), folder).tls
    assert tls is not None
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname
    assert tls.minimum_version >= ssl.TLSVersion.TLSv1_2
