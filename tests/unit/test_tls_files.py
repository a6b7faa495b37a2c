"""Files of a TLS table that cannot be used are named with the remedy, by the doctor and before a broker or box starts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from brokers import write_hub
from certificates import Authority
from cryptography.hazmat.primitives import serialization

from branchloop.errors import ConfigError, DependencyError
from branchloop.site.box import Box, Tls
from branchloop.tls_files import tls_fault
from edge.send.boxlink import BoxLink
from hub.broker.files import write_nats
from hub.config.hub import read_config
from hub.doctor.tls import examine_tls

TLS = '[hub.tls]\nca_file = "ca.pem"\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = write_hub(tmp_path)
    path.write_text(path.read_text() + TLS)
    Authority.make(tmp_path).sign()
    return tmp_path


def another_key(folder: Path) -> None:
    Authority.make(folder / "other").sign()
    shutil.copy(folder / "other" / "key.pem", folder / "key.pem")


def swapped(folder: Path) -> None:
    (folder / "cert.pem").rename(folder / "kept")
    (folder / "key.pem").rename(folder / "cert.pem")
    (folder / "kept").rename(folder / "key.pem")


def locked(folder: Path) -> None:
    key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), None)
    form = serialization.BestAvailableEncryption(b"x")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form)
    (folder / "key.pem").write_bytes(pem)


def a_folder(folder: Path) -> None:
    (folder / "key.pem").unlink()
    (folder / "key.pem").mkdir()


def ca_first(folder: Path) -> None:
    chain = (folder / "ca.pem").read_bytes() + (folder / "cert.pem").read_bytes()
    (folder / "cert.pem").write_bytes(chain)


def cut_off(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        lines = (folder / name).read_text().splitlines()
        (folder / name).write_text("\n".join([*lines[:2], lines[-1], ""]))

    return cut


def holding(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


SPOILT: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "another's key": (another_key, "key_file", "{dir}/key.pem is not the key of {dir}/cert.pem; copy both"),
    "swapped": (swapped, "cert_file", "{dir}/cert.pem holds a private key and no certificate; are two of the files swapped?"),
    "certificate as key": (
        lambda folder: shutil.copy(folder / "cert.pem", folder / "key.pem") and None,
        "key_file", "{dir}/key.pem holds a certificate and no private key; are two of the files swapped?",
    ),
    "empty ca": (holding("ca.pem", ""), "ca_file", "{dir}/ca.pem holds no certificate; put one there, in PEM"),
    "key as ca": (
        lambda folder: shutil.copy(folder / "key.pem", folder / "ca.pem") and None,
        "ca_file", "{dir}/ca.pem holds a private key and no certificate; are two of the files swapped?",
    ),
    "empty certificate": (holding("cert.pem", ""), "cert_file", "{dir}/cert.pem holds no certificate; put one there, in PEM"),
    "empty key": (holding("key.pem", "\n"), "key_file", "{dir}/key.pem holds no private key; put the certificate's there, in PEM"),
    "locked": (locked, "key_file", "{dir}/key.pem is locked with a password; write it without one"),
    "folder": (a_folder, "key_file", "{dir}/key.pem is a folder; name the file in it"),
    "absent": (lambda folder: (folder / "key.pem").unlink(), "key_file", "there is no file {dir}/key.pem; put it there, or name another file"),
    "chain": (ca_first, "cert_file", "the certificate of {dir}/key.pem is not the first in {dir}/cert.pem; put it first"),
    "cut key": (cut_off("key.pem"), "key_file", "{dir}/key.pem holds a private key that cannot be read; copy it again"),
    "cut certificate": (cut_off("cert.pem"), "cert_file", "{dir}/cert.pem holds a certificate that cannot be read; copy it again"),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILT)
def test_a_file_that_cannot_be_used_is_named(folder: Path, how: str) -> None:
    """None of OpenSSL's inner words; the hub's broker is not started with it, and a box begins with none."""
    spoil, key, said = SPOILT[how]
    spoil(folder)
    said = said.format(dir=folder)
    config = read_config(folder / "hub.toml")
    assert examine_tls(config) == {"state": "bad", "text": f"[hub.tls] cannot be used: {said}"}
    what = re.escape(said.partition(";")[0])
    refused = ConfigError if how in {"folder", "absent"} else DependencyError
    with pytest.raises(refused, match=rf"key `hub\.tls\.{key}`: {what}\. [A-Z].*[.?]$"):
        write_nats(config, folder / "out", "0.0.0.0:8883")
    (folder / "secret").write_text("password\n")
    (folder / "secret").chmod(0o600)
    tls = Tls(ca_file="ca.pem", cert_file="cert.pem", key_file="key.pem")
    box = Box(id="box-1", broker="mqtts://hub.bank:8883", data_dir="box", credential_file="secret", tls=tls)
    with pytest.raises(ConfigError, match=rf"key `box\.tls\.{key}`: {what}\."):
        BoxLink.of("hall", box, folder)


def test_files_that_can_be_used_are(folder: Path) -> None:
    """Key and certificate in one file as well, and a chain behind the certificate."""
    assert tls_fault(folder, "ca.pem", "cert.pem", "key.pem") is None
    chain = (folder / "cert.pem").read_bytes() + (folder / "ca.pem").read_bytes()
    (folder / "both.pem").write_bytes((folder / "key.pem").read_bytes() + chain)
    assert tls_fault(folder, "ca.pem", "both.pem", None) is None
    assert tls_fault(folder, "ca.pem", None, None) is None
