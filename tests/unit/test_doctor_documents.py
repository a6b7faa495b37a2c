"""The doctor's look at the hub's key for documents: one sentence for each thing that is wrong, and none that blames the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from branchloop.keys.box import new_private
from branchloop.keys.document import certify
from hub.config.hub import HubConfig, read_config
from hub.doctor.documents import examine_documents

NOW = datetime(2031, 3, 4, 12, tzinfo=UTC)
SITE = """
id = "north"
name = { en = "North", zh = "北" }
timezone = "UTC"
plan = { width_m = 5, height_m = 5 }
"""
HUB = """
[hub]
data_dir = "data"
sites = ["north.toml"]
[documents]
issuer = { en = "Example Bank", zh = "示例银行" }
key_file = "document.pem"
cert_file = "document.crt"
"""


def make(folder: Path, *, days: float = 365) -> None:
    """A key and its certificate, valid from now on."""
    key = new_private()
    own, root = certify(key, "Example Bank", round(NOW.timestamp() * 1000), days, new_private())
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "document.pem").write_bytes(plain)
    (folder / "document.pem").chmod(0o600)
    (folder / "document.crt").write_text(own + root)


@pytest.fixture
def config(tmp_path: Path) -> HubConfig:
    (tmp_path / "north.toml").write_text(SITE)
    (tmp_path / "hub.toml").write_text(HUB)
    make(tmp_path)
    return read_config(tmp_path / "hub.toml")


def wrong(config: HubConfig, at: datetime = NOW) -> list[str]:
    """What is not good, without the folder."""
    found = examine_documents(config, at)
    folder = f"{config.path.parent}/"
    return [
        f"{each['state']}: {each['text'].replace(folder, '')}" for each in found if each["state"] != "good"
    ]


def test_all_is_well(config: HubConfig) -> None:
    assert wrong(config) == []
    said = " ".join(each["text"] for each in examine_documents(config, NOW))
    for words in (
        "libraries are installed",
        "owner's alone",
        "can be read",
        "that of the key",
        "valid until 2032-03-03",
    ):
        assert words in said


def test_without_documents_nothing_is_said(config: HubConfig) -> None:
    text = config.path.read_text()
    config.path.write_text(text[: text.index("[documents]")])
    assert examine_documents(read_config(config.path), NOW) == []


def test_a_key_that_is_missing_or_open_or_none_is_told(config: HubConfig) -> None:
    key = config.path.parent / "document.pem"
    key.chmod(0o640)
    assert wrong(config) == [
        "bad: document key document.pem may be read by others; guard it: chmod 600 document.pem"
    ]
    key.chmod(0o600)
    key.write_text("no key")
    assert wrong(config) == [
        "bad: document key document.pem is no private key in PEM without password; make the two with `branchloop keys document`"
    ]
    key.unlink()
    assert wrong(config) == [
        "bad: document key document.pem cannot be read: No such file or directory; make the two with `branchloop keys document`"
    ]


def test_a_certificate_that_is_missing_or_none_or_another_s_is_told(config: HubConfig) -> None:
    path = config.path.parent / "document.crt"
    key = (config.path.parent / "document.pem").read_bytes()
    make(config.path.parent)
    (config.path.parent / "document.pem").write_bytes(key)
    (only,) = wrong(config)
    assert only.startswith("bad: document certificate document.crt is of another key")
    path.write_text("none")
    (only,) = wrong(config)
    assert only.startswith("bad: document certificate document.crt is no certificate in PEM")
    path.unlink()
    (only,) = wrong(config)
    assert only.startswith("bad: document certificate document.crt cannot be read: No such file")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (-1, "bad: document certificate document.crt is valid only from 2031-03-04; is the clock right?"),
        (336, "warn: document certificate document.crt expires on 2032-03-03; renew it before"),
        (
            366,
            "bad: document certificate document.crt expired on 2032-03-03: no document is believed; renew it",
        ),
    ],
)
def test_how_long_it_holds_is_told(config: HubConfig, days: int, words: str) -> None:
    assert wrong(config, NOW + timedelta(days=days)) == [words]
