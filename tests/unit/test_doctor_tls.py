"""The doctor's look at the broker's certificate: whether who connects believes it, and for how long."""

from __future__ import annotations

from pathlib import Path

import pytest
from brokers import write_hub
from certificates import Authority, day
from cryptography.hazmat.primitives import serialization

from branchloop.doctor_finding import Finding
from hub.config.hub import read_config
from hub.doctor.machine import examine
from hub.doctor.tls import examine_key, examine_tls, forewarning

TLS = '[hub.tls]\nca_file = "ca.pem"\ncert_file = "cert.pem"\nkey_file = "key.pem"\n'
CUT_OFF = "neither the boxes nor ingest get to the broker"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    path = write_hub(tmp_path)
    path.write_text(path.read_text() + TLS)
    return Authority.make(tmp_path)


def found(folder: Path) -> tuple[Finding, str | None]:
    """By the doctor, and what a hub says at its start; without the folder."""
    config = read_config(folder / "hub.toml")
    finding, said = examine_tls(config), forewarning(config)
    text = finding["text"].replace(f"{folder}/", "")
    return Finding(state=finding["state"], text=text), said and said.replace(f"{folder}/", "")


def test_a_certificate_that_holds_is_told_with_its_end(tmp_path: Path, authority: Authority) -> None:
    authority.sign(end=365)
    assert found(tmp_path) == (
        {"state": "good", "text": f"certificates of [hub.tls] are valid until {day(365)}"},
        None,
    )


@pytest.mark.parametrize(
    ("begin", "end", "state", "text"),
    [
        (-365, 20, "warn", "certificate cert.pem expires on {end}; renew it before and restart the hub"),
        (-365, -35, "bad", f"certificate cert.pem expired on {{end}}: {CUT_OFF}; renew it and restart the hub"),
        (2, 365, "bad", f"certificate cert.pem is valid only from {{begin}}: {CUT_OFF}; is the clock right?"),
    ],
)  # fmt: skip
def test_its_dates_are_told_by_the_doctor_and_at_the_start(
    tmp_path: Path, authority: Authority, begin: float, end: float, state: str, text: str
) -> None:
    authority.sign(begin=begin, end=end)
    text = text.format(begin=day(begin), end=day(end))
    assert found(tmp_path) == ({"state": state, "text": text}, text)


def test_a_ca_that_ends_before_its_certificate_is_named(tmp_path: Path, authority: Authority) -> None:
    Authority.make(tmp_path, days=10).sign(end=365)
    finding, said = found(tmp_path)
    assert finding == {"state": "warn", "text": said}
    assert said == f"certificate ca.pem expires on {day(10)}; renew it before and restart the hub"


def test_a_certificate_of_another_ca_is_not_believed(tmp_path: Path, authority: Authority) -> None:
    """Though both CAs have one name, and each file can be read by itself."""
    authority.sign()
    Authority.make(tmp_path)
    finding, said = found(tmp_path)
    assert finding["state"] == "bad"
    assert "certificate cert.pem does not verify against ca.pem" in finding["text"]
    assert said == finding["text"]


def test_a_key_with_a_password_is_not_asked_for(tmp_path: Path, authority: Authority) -> None:
    """nats-server could not read it either; nobody waits at a terminal."""
    authority.sign()
    guarded = authority.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"x"),
    )
    (tmp_path / "key.pem").write_bytes(guarded)
    finding, said = found(tmp_path)
    assert (finding["state"], said) == ("bad", None)
    assert finding["text"].startswith("[hub.tls] cannot be used: ")


@pytest.mark.parametrize(
    ("mode", "state", "by"),
    [
        (0o600, None, ""),
        (0o400, None, ""),
        (0o640, None, ""),
        (0o644, "warn", "read by everybody"),
        (0o604, "warn", "read by everybody"),
        (0o660, "warn", "written by its group"),
        (0o666, "bad", "written by everybody"),
        (0o602, "bad", "written by everybody"),
    ],
)
def test_who_may_read_or_write_the_key_is_told_with_the_command_that_mends_it(
    tmp_path: Path, authority: Authority, mode: int, state: str | None, by: str
) -> None:
    authority.sign()
    key = tmp_path / "key.pem"
    key.chmod(mode)
    config = read_config(tmp_path / "hub.toml")
    told = [each for each in examine(config) if each["text"].startswith("private key")]
    text = f"private key {key} may be {by}; guard it: chmod 600 {key} (640 if a group must read it)"
    assert told == ([] if state is None else [{"state": state, "text": text}])


def test_a_key_in_the_file_of_its_certificate_is_looked_at_there(
    tmp_path: Path, authority: Authority
) -> None:
    authority.sign()
    both = tmp_path / "cert.pem"
    both.write_bytes(both.read_bytes() + (tmp_path / "key.pem").read_bytes())
    both.chmod(0o644)
    path = tmp_path / "hub.toml"
    text = path.read_text().replace('key_file = "key.pem"\n', "")
    path.write_text(text.replace('broker = "embedded"', 'broker = "mqtts://127.0.0.1:1"'))
    (finding,) = examine_key(read_config(path))
    assert finding["state"] == "warn"
    assert f"chmod 600 {both} " in finding["text"]
