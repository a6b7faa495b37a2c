"""`branchloop doctor` of a box with a kiosk: what is missing is named with its remedy, and a box that runs is let run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from branchloop.doctor_finding import Finding, warn
from branchloop.keys.box import new_private, sign_box_key
from branchloop.keys.sealing import encode, raw_public
from branchloop.processes import free_port, lock_directory, owner
from branchloop.share import share
from edge.checkin.boxkey import CERTIFICATE, box_key
from edge.configured import read_own
from edge.doctor.box import examine

SITE = """
id = "hall"
name = {{ en = "Hall", zh = "大厅" }}
timezone = "Asia/Shanghai"
plan = {{ width_m = 5, height_m = 5 }}
[[kiosk]]
id = "kiosk-1"
x_m = 1
y_m = 1
source = "{source}"
listen = "127.0.0.1:{port}"
broker_credential_file = "kiosk.password"
{kiosk}
{sensor}
[box]
id = "box-1"
broker = "mqtt://127.0.0.1:9"
data_dir = "data"
credential_file = "box.password"
"""
SENSOR = """
[[sensor]]
id = "eye"
source = "udp:127.0.0.1:9"
x_m = 1.0
y_m = 0.5
height_m = 3.0
present_below_m = 2.0
"""


def written(
    folder: Path, *, source: str = "kiosk.mp4", port: int | None = None, kiosk: str = "", sensor: str = ""
) -> Path:
    path = folder / "branch.toml"
    text = SITE.format(source=source, port=port or free_port(), kiosk=kiosk, sensor=sensor)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a site file has all that it names, but what the hub and the root sign."""
    shutil.copy(share("sample_video") / "kiosk.mp4", tmp_path / "kiosk.mp4")
    for name in ("box.password", "kiosk.password"):
        (tmp_path / name).write_text("password\n")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def of_kiosk(config: Path) -> list[Finding]:
    return [each for each in examine(read_own(config)[0], config) if each["text"].startswith("kiosk kiosk-1")]


def test_keys_that_everybody_may_read_are_told(folder: Path) -> None:
    """The box's own of its link, and that of the kiosk's page; a warning each, until they are guarded."""
    config = written(folder, kiosk='tls_cert_file = "cert.pem"\ntls_key_file = "page.key"')
    link = f'{config.read_text()}[box.tls]\nca_file = "ca.pem"\ncert_file = "box.pem"\nkey_file = "box.key"\n'
    config.write_text(link, encoding="utf-8")
    keys = [folder / "box.key", folder / "page.key"]
    for key in keys:
        key.write_text("key\n")
        key.chmod(0o644)

    def told() -> list[Finding]:
        found = examine(read_own(config)[0], config)
        return [each for each in found if each["text"].startswith("private key")]

    assert told() == [
        warn(
            f"private key {key} may be read by everybody; guard it: chmod 600 {key} (640 if a group must read it)"
        )
        for key in keys
    ]
    keys[0].chmod(0o600)
    keys[1].chmod(0o646)
    assert [(each["state"], str(keys[1]) in each["text"]) for each in told()] == [("bad", True)]


def test_a_kiosk_that_can_work_is_told_what_is_still_to_do(folder: Path) -> None:
    config = written(folder)
    found = of_kiosk(config)
    assert [each["state"] for each in found] == ["good", "good", "warn"]
    camera, page, key = (each["text"] for each in found)
    assert "kiosk.mp4 gives pictures of" in camera
    assert "its page can listen on 127.0.0.1:" in page
    assert "branchloop edge kiosk-key CONFIG kiosk-1" in key
    assert not (folder / "data").exists()  # nothing is made by looking


def test_a_key_that_the_root_signed_is_good_and_one_of_another_root_is_not(folder: Path) -> None:
    root = new_private()
    public = encode(raw_public(root.public_key()))
    config = written(folder, kiosk=f'root_public = "{public}"')
    key = box_key(folder / "data" / "kiosk-1", "hall", "kiosk-1")
    for signer, state in ((root, "good"), (new_private(), "bad")):
        signed = sign_box_key(signer, "hall", "kiosk-1", raw_public(key.public_key()), 2**41)
        (folder / "data" / "kiosk-1" / CERTIFICATE).write_text(signed.model_dump_json(), encoding="utf-8")
        last = of_kiosk(config)[-1]
        assert last["state"] == state, last


@pytest.mark.parametrize(
    ("missing", "kiosk", "says"),
    [
        ("kiosk.mp4", "", "kiosk kiosk-1: its camera"),
        ("kiosk.password", "", "kiosk.password"),
        ("", 'template_key_env = "NO_SUCH_KEY"', "the environment has no NO_SUCH_KEY"),
        ("", 'tls_cert_file = "cert.pem"\ntls_key_file = "key.pem"', "Correct tls_cert_file"),
        (
            "",
            f'liveness = {{ pad_models = ["2.7_pad.onnx"], pad_sha256 = ["{"0" * 64}"] }}',
            "2.7_pad.onnx",
        ),
    ],
)
def test_what_a_kiosk_lacks_is_named(folder: Path, missing: str, kiosk: str, says: str) -> None:
    if missing:
        (folder / missing).unlink()
    (fault,) = [each for each in of_kiosk(written(folder, kiosk=kiosk)) if each["state"] == "bad"]
    assert says in fault["text"]


def test_a_port_that_is_taken_is_found_before_the_kiosk_begins(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = written(folder, port=taken.getsockname()[1])
        (fault,) = [each for each in of_kiosk(config) if each["state"] == "bad"]
    assert "Is the port taken?" in fault["text"]


def test_a_running_box_is_no_fault_and_what_it_holds_is_not_opened(folder: Path) -> None:
    """Its camera and its port are its own, and so is what its sensors send."""
    with socket.create_server(("127.0.0.1", 0)) as page:
        config = written(folder, source="usb:97", port=page.getsockname()[1], sensor=SENSOR)
        with lock_directory(folder / "data"), lock_directory(folder / "data" / "kiosk-1"):
            shown = subprocess.run(
                [sys.executable, "-m", "edge.main", "doctor", "--json", str(config)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert owner(folder / "data") == os.getpid()
    assert shown.returncode == 0, shown.stdout
    texts = [each["text"] for each in json.loads(shown.stdout.splitlines()[-1]) if each["state"] == "good"]
    for words in (
        f"data is in use by a running box (process {os.getpid()})",
        "sensor eye: udp:127.0.0.1:9 is in use by the box, and was not opened",
        f"kiosk kiosk-1: it runs now (process {os.getpid()})",
        "kiosk kiosk-1: its camera usb:97 is in use by it, and was not opened",
    ):
        assert any(words in text for text in texts), (words, texts)
    assert owner(folder / "data") is None
    assert owner(folder / "nowhere") is None
