"""An installation without extras starts, and says what is missing rather than failing."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from demoworld import ROOT

from branchloop.cli import COMMANDS


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with branchloop and its own three dependencies, no extra."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", str(wheel)], check=True
    )
    return python


def run(python: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "branchloop.cli", *args],
        capture_output=True,
        text=True,
        check=False,
        cwd=python.parent,
    )


def test_help_lists_every_command(python: Path) -> None:
    """Without importing any room."""
    shown = run(python, "--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert command in shown.stdout


@pytest.mark.parametrize("room", ["edge", "hub", "dashboard"])
def test_a_missing_room_is_named(python: Path, room: str) -> None:
    """Exit code 5 and the line that installs it."""
    shown = run(python, room, "run", "nowhere.toml")
    assert shown.returncode == 5
    assert f"pip install 'branchloop[{room}]'" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_site_file_can_be_checked_anywhere(python: Path) -> None:
    """The contract alone is enough."""
    shown = run(python, "check-config", str(ROOT / "configs" / "demo.toml"))
    assert shown.returncode == 0, shown.stderr
    assert "right; site plaza" in shown.stdout
