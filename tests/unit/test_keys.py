"""The ceremony: a root, a kiosk's request, a certificate that hub and browser accept."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from branchloop.keys.box import new_private, verify_box_key
from branchloop.keys.sealing import decode, encode, fingerprint, raw_public
from branchloop.wire.arrivals import BoxCertificate

KEY = new_private()
PUBLIC = encode(raw_public(KEY.public_key()))


def keys(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "branchloop.keys.root", *map(str, args)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    assert keys("root", tmp_path / "root").returncode == 0
    return tmp_path / "root"


def request(folder: Path, **other: str) -> Path:
    path = folder / "request.json"
    path.write_text(json.dumps({"site": "north", "device": "kiosk-1", "public": PUBLIC} | other))
    return path


def test_a_signed_request_is_a_certificate_of_the_root(root: Path, tmp_path: Path) -> None:
    """For the days that were given, verified by the one line that goes into hub.toml."""
    shown = keys("sign", root / "root.pem", request(tmp_path), "--days", "30")
    assert shown.returncode == 0, shown.stderr
    certificate = BoxCertificate.model_validate_json(shown.stdout)
    root_raw = decode((root / "root.pub").read_text().strip())
    now_ms = time.time_ns() // 1_000_000
    assert verify_box_key(root_raw, certificate, now_ms) == decode(PUBLIC)
    assert abs(certificate.not_after_ms - now_ms - 30 * 86_400_000) < 60_000


def test_the_root_is_its_owners_alone_and_is_not_overwritten(root: Path, tmp_path: Path) -> None:
    """Mode 0600; a second `root` there and a root that others may read are refused."""
    path = root / "root.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    assert keys("root", root).returncode == 2
    assert path.read_bytes() == before
    path.chmod(0o644)
    refused = keys("sign", path, request(tmp_path))
    assert (refused.returncode, "chmod 600" in refused.stderr) == (4, True)


@pytest.mark.parametrize(
    "flaw",
    [{"public": encode(b"\x04" + b"\x01" * 64)}, {"public": "AAAA"}, {"site": "North"}, {"public": "*"}],
)
def test_a_faulty_request_is_not_signed(root: Path, tmp_path: Path, flaw: dict[str, str]) -> None:
    """Exit code 4 and a sentence; no certificate."""
    refused = keys("sign", root / "root.pem", request(tmp_path, **flaw))
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "Traceback" not in refused.stderr


def test_every_file_of_the_ceremony_shows_its_fingerprint(root: Path, tmp_path: Path) -> None:
    """So that two people can compare what they carry."""
    asked = request(tmp_path)
    out = tmp_path / "certificate.json"
    assert keys("sign", root / "root.pem", asked, "--out", out).returncode == 0
    shown = [json.loads(keys("show", path, "--json").stdout) for path in (asked, out)]
    assert {each["fingerprint"] for each in shown} == {fingerprint(decode(PUBLIC))}
    halves = [json.loads(keys("show", root / name, "--json").stdout) for name in ("root.pem", "root.pub")]
    assert halves[0]["fingerprint"] == halves[1]["fingerprint"]
    assert keys("show", tmp_path / "nothing").returncode == 4


def test_signing_replaces_nothing_but_an_earlier_certificate(root: Path, tmp_path: Path) -> None:
    """Not the root, the request, another kiosk's certificate or a file of somebody; and certificates are not signed."""
    asked, out = request(tmp_path), tmp_path / "certificate.json"
    assert keys("sign", root / "root.pem", asked, "--out", out).returncode == 0
    first = out.read_bytes()
    assert keys("sign", root / "root.pem", asked, "--out", out, "--days", "30").returncode == 0
    assert out.read_bytes() != first
    other = tmp_path / "site.toml"
    other.write_text('id = "north"')
    (tmp_path / "o").mkdir()
    theirs = request(tmp_path / "o", device="kiosk-2")
    for path, by in ((root / "root.pem", asked), (asked, asked), (other, asked), (out, theirs)):
        before = path.read_bytes()
        refused = keys("sign", root / "root.pem", by, "--out", path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert path.read_bytes() == before
    refused = keys("sign", root / "root.pem", asked, "--out", tmp_path / "nope" / "c.json")
    assert (refused.returncode, (tmp_path / "nope").exists()) == (2, False)
    refused = keys("sign", root / "root.pem", out)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "is a certificate, which is signed already" in refused.stderr
