"""`branchloop install-service` as a technician types it: into an image, printed, and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from brokers import SITE, write_hub
from demoworld import ROOT

from branchloop.daemon.unit import edited

BOX = """
[box]
id = "box-1"
broker = "mqtt://127.0.0.1:1883"
data_dir = "/var/lib/branchloop"
credential_file = "broker-password"
"""
USB = """
[[camera]]
id = "hall"
source = "usb:0"
calibration = { points = [[10, 10, 0, 0], [90, 10, 4, 0], [90, 90, 4, 3], [10, 90, 0, 3]], picture_px = [100, 100] }
"""
UNIT = "etc/systemd/system/branchloop-box.service"


COMMAND = (sys.executable, "-m", "branchloop.daemon.install")
LAUNCHED = (sys.executable, "-m", "branchloop.cli", "install-service")


def install(*args: str | Path, command: tuple[str, ...] = COMMAND) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, *map(str, args)],
        capture_output=True, text=True, check=False, timeout=60, cwd=ROOT,
    )  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A box's file in an image."""
    folder = tmp_path / "etc" / "branchloop"
    folder.mkdir(parents=True)
    (folder / "branch.toml").write_text(SITE.format(id="north", box=USB + BOX))
    (folder / "broker-password").write_text("secret")
    return folder / "branch.toml"


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_into_an_image_once_twice_and_after_a_change(tmp_path: Path, config: Path) -> None:
    """It names what it wrote by the image's own paths, changes nothing the second time, and never a hand's work."""
    first = install("edge", config, "--root", tmp_path)
    assert first.returncode == 0, first.stderr
    unit = (tmp_path / UNIT).read_text()
    assert (
        f"ExecStart={Path(sys.executable).with_name('branchloop')} edge run /etc/branchloop/branch.toml"
        in unit
    )
    assert "DeviceAllow=char-video4linux rw" in unit
    assert not edited(unit)
    link = tmp_path / "etc/systemd/system/multi-user.target.wants/branchloop-box.service"
    assert link.readlink() == Path("/etc/systemd/system/branchloop-box.service")
    assert (tmp_path / "usr/lib/sysusers.d/branchloop.conf").read_text().startswith("u branchloop ")
    assert (
        "z /etc/branchloop/broker-password 0600 branchloop branchloop"
        in (tmp_path / "usr/lib/tmpfiles.d/branchloop-box.conf").read_text()
    )
    assert "nothing was started" in first.stdout
    assert "journalctl -u branchloop-box" in first.stdout

    before = tree(tmp_path)
    again = install("edge", config, "--root", tmp_path)
    assert "nothing was changed" in again.stdout
    assert tree(tmp_path) == before

    other = install("edge", config, "--root", tmp_path, "--user", "ann")
    assert f"changed    {tmp_path / UNIT}" in other.stdout
    assert "-User=branchloop" in other.stdout
    assert "+User=ann" in other.stdout

    mine = (tmp_path / UNIT).read_text().replace("RestartSec=5", "RestartSec=77")
    (tmp_path / UNIT).write_text(mine)
    refused = install("edge", config, "--root", tmp_path, "--user", "ann")
    assert refused.returncode == 3
    assert "-RestartSec=77" in refused.stdout
    assert "by hand" in refused.stderr
    assert "drop-in" in refused.stderr
    assert (tmp_path / UNIT).read_text() == mine
    forced = install("edge", config, "--root", tmp_path, "--user", "ann", "--force", "--no-start")
    assert forced.returncode == 0
    assert "RestartSec=5\n" in (tmp_path / UNIT).read_text()
    assert not list((tmp_path / "etc/systemd").rglob(".*"))


def test_print_is_the_unit_and_nothing_else(tmp_path: Path, config: Path) -> None:
    """Also of a hub and a dashboard; nothing is written, and a variable's file need not be there yet."""
    shown = install(
        "edge", config, "--print", "--environment-file", "/etc/branchloop/cameras.env", command=LAUNCHED
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert not edited(shown.stdout)
    assert "EnvironmentFile=-/etc/branchloop/cameras.env" in shown.stdout
    hub = write_hub(tmp_path / "hub")
    (tmp_path / "d.toml").write_text('[dashboard]\napi = "http://127.0.0.1:1"\n')
    for room, file in (("hub", hub), ("dashboard", tmp_path / "d.toml")):
        printed = install(room, file, "--print").stdout
        assert f"branchloop {room} run {file}\n" in printed
        assert not edited(printed)


def test_a_variable_that_nobody_sets_is_told(tmp_path: Path, config: Path) -> None:
    """Systemd reads no `export`, so a line with it sets nothing."""
    rtsp = '"rtsp://192.0.2.1/s"\ncredential_env = "{}"'
    text = config.read_text().replace('"usb:0"', rtsp.format("HALL_LOGIN"))
    config.write_text(text + USB.replace("hall", "gate").replace('"usb:0"', rtsp.format("GATE_LOGIN")))
    file = config.with_name("cameras.env")
    file.write_text("export HALL_LOGIN=user:password\nGATE_LOGIN=user:password\n")
    told = install("edge", config, "--root", tmp_path, "--environment-file", file)
    assert f"{file} does not set HALL_LOGIN, which" in told.stdout
    assert "EnvironmentFile=-/etc/branchloop/cameras.env" in (tmp_path / UNIT).read_text()


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["edge", "{dir}/none.toml"], 3, "none.toml cannot be read"),
        (["edge", "{dir}/bad.toml"], 3, "key `plan` is missing"),
        (["hub", "{config}"], 3, "install-service edge"),
        (["edge", "{config}", "--user", "Big Boss"], 2, "cannot be the user of a service"),
        (["edge", "{config}", "--user", "root"], 2, "not root"),
        (["edge", "{config}", "--root", "{dir}", "--environment-file", "{dir}/none"], 3, "there is no file"),
        (["edge", "{config}", "--root", "{config}"], 2, "there is no folder"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_a_code(
    tmp_path: Path, config: Path, args: list[str], code: int, said: str
) -> None:
    """And nothing is written."""
    (tmp_path / "bad.toml").write_text('id = "x"\n')
    before = tree(tmp_path)
    shown = install(*(arg.format(dir=tmp_path, config=config) for arg in args))
    assert shown.returncode == code, shown.stderr
    assert said in shown.stderr
    assert shown.stderr.startswith("error: ")
    assert len(shown.stderr.splitlines()) == 1
    assert tree(tmp_path) == before


def within_user_namespace(*options: str) -> tuple[str, ...]:
    """Run as another than root, or as one who is root of nothing: whoever runs the tests."""
    command = ("unshare", "--user", *options)
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel gives no user namespaces")
    return command


def test_without_root_it_says_so(config: Path) -> None:
    """After the file was judged."""
    refused = install("edge", config, command=(*within_user_namespace(), *COMMAND))
    assert refused.returncode == 2
    assert refused.stderr == "error: only root may install a service. Run it with sudo, or use --print.\n"


def test_without_systemd_nothing_is_begun(config: Path) -> None:
    """Starting is asked for, and nobody can: the code of a dependency, before a user is made or a file written."""
    within = within_user_namespace("--map-root-user")
    refused = install("edge", config, command=(*within, "env", "PATH=/nowhere", *COMMAND))
    assert refused.returncode == 5
    assert "systemd does not run this machine" in refused.stderr
    assert "--no-start" in refused.stderr
