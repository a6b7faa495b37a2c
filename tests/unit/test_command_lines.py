"""What the command lines take and refuse, as whoever types them sees it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from branchloop.config import read_text
from branchloop.share import share
from hub.config.hub import read_config

CONFIG = share("configs/demo.toml")


def run(module: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, args)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "module",
    [
        "branchloop.check",
        "branchloop.doctor",
        "branchloop.daemon.install",
        "hub.bench.ingest",
        "hub.bench.loop",
    ],
)
def test_help_is_asked_for_by_h_everywhere(module: str) -> None:
    shown = run(module, "-h")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: ")


def test_help_names_no_bounds_where_there_are_none() -> None:
    assert "None" not in run("edge.main", "replay", "--help").stdout


@pytest.mark.parametrize("command", ["replay", "birdseye"])
def test_bounds_beside_a_configuration_are_refused(tmp_path: Path, command: str) -> None:
    """They would be ignored: the plan says how large the floor is."""
    clip = share("sample_video/plaza.mp4")
    refused = run(
        "edge.main",
        command,
        CONFIG,
        "--camera",
        f"hall={clip}",
        "--bounds",
        "0,0,5,5",
        "--out",
        tmp_path / "out",
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: --bounds goes without CONFIG")
    assert not (tmp_path / "out").exists()


def test_an_image_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    refused = run("branchloop.daemon.install", "edge", CONFIG, "--root", tmp_path / "nope")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--root: there is no folder" in refused.stderr
    assert not (tmp_path / "nope").exists()


def test_a_dashboard_whose_address_is_taken_says_so(tmp_path: Path) -> None:
    """As `hub run` does; exit code 5."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "http://127.0.0.1:1"\nlisten = "127.0.0.1:{port}"\n')
        refused = run("dashboard.main", "run", config)
    assert (refused.returncode, refused.stdout) == (5, "")
    assert refused.stderr == (
        f"error: the dashboard cannot listen on 127.0.0.1:{port}: it is taken, or not this machine's. "
        "Stop the other program or choose another address.\n"
    )


def test_files_that_windows_marked_as_utf_8_are_read(tmp_path: Path) -> None:
    """Site, hub and dashboard files alike, and none differs by its mark."""
    text = (
        'id = "north"\nname = { en = "North", zh = "北" }\ntimezone = "Asia/Shanghai"\n'
        "plan = { width_m = 4.0, height_m = 3.0 }\n"
    )
    site, hub, dashboard = (tmp_path / f"{name}.toml" for name in ("north", "hub", "dashboard"))
    site.write_text(text, encoding="utf-8-sig")
    hub.write_text('[hub]\ndata_dir = "data"\nsites = ["north.toml"]\n', encoding="utf-8-sig")
    dashboard.write_text('[dashboard]\napi = "http://127.0.0.1:1"\n', encoding="utf-8-sig")
    assert read_text(site) == text
    assert "north" in read_config(hub).sites
    for file in (site, hub, dashboard):
        assert run("branchloop.check", file).returncode == 0


@pytest.mark.parametrize(
    ("module", "command", "given", "wanted"),
    [
        ("hub.main", "backup", "branch", "not of a hub"),
        ("edge.main", "run", "hub", "not of a box"),
        ("dashboard.main", "run", "hub", "not of a dashboard"),
    ],
)
def test_the_configuration_of_something_else_is_told_as_such(
    tmp_path: Path, module: str, command: str, given: str, wanted: str
) -> None:
    """One sentence, not a list of keys that it does not know."""
    file = Path(__file__).parents[2] / "configs" / f"{given}-template.toml"
    more = ["--out", tmp_path / "out"] if command == "backup" else []
    refused = run(module, command, file, *more)
    assert refused.returncode == 3
    assert wanted in refused.stderr
    assert "unknown" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
