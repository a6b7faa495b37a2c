"""A demo overwrites its own folder and nobody else's, nor one that runs."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from branchloop.demo.api import wait_for
from branchloop.demo.files import prepare
from branchloop.demo.folder import MARKER, folder_of
from branchloop.errors import DependencyError, UsageError
from branchloop.processes import lock_directory
from branchloop.site.site import parse_site


@pytest.mark.parametrize("program", ["branchloop.demo.run", "branchloop.chaos"])
def test_a_bank_s_files_are_left_alone(tmp_path: Path, program: str) -> None:
    """Exit code 2 and one sentence before the first write."""
    (tmp_path / "hub.toml").write_text('[hub]\ndata_dir = "data"\n', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", program, "--data", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path} holds files that no demo made, such as hub.toml.")
    assert [path.name for path in tmp_path.iterdir()] == ["hub.toml"]


def test_a_new_folder_is_the_demo_s_from_then_on(tmp_path: Path) -> None:
    with folder_of(tmp_path / "new") as root:
        (root / "hub.toml").write_text("", encoding="utf-8")
    with folder_of(tmp_path / "new") as root:
        assert (root / MARKER).is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is no folder"), folder_of(tmp_path / "file"):
        pass


@pytest.mark.parametrize("owned", [".", "hub"])
def test_a_folder_in_use_is_refused(tmp_path: Path, owned: str) -> None:
    """By a demo, or by a hub that somebody started on its files."""
    with folder_of(tmp_path / "new") as root:
        pass
    with (
        lock_directory(root / owned),
        pytest.raises(DependencyError, match="running already"),
        folder_of(root),
    ):
        pass


def test_what_did_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    """A demo's temporary folder is gone when one looks for the log."""
    log = tmp_path / "hub.log"
    log.write_text("first\nerror: 127.0.0.1:1883 is taken.\n\n", encoding="utf-8")
    with pytest.raises(
        DependencyError, match=r"the hub did not start .*hub\.log: error: 127\.0\.0\.1:1883 is taken\."
    ):
        wait_for(lambda: None, 0.0, "the hub", threading.Event(), log)
    with pytest.raises(DependencyError, match=r"the hub ended before it had started.*is taken"):
        wait_for(lambda: None, 3_600.0, "the hub", threading.Event(), log, lambda: True)


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    """A dashboard that cannot listen was started again and again for a minute and a half."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        with pytest.raises(DependencyError, match=f"port {port}, the demo's API, is taken"):
            prepare(tmp_path / "new", port, None)
    assert not (tmp_path / "new").exists()


def test_the_demo_branch_may_live_in_the_viewer_s_zone(tmp_path: Path) -> None:
    """Its site file says so; what is no zone is told before the first write."""
    files = prepare(tmp_path / "new", None, "Europe/Berlin")
    assert parse_site(files.box.read_text(encoding="utf-8")).timezone == "Europe/Berlin"
    asked = [
        sys.executable,
        "-m",
        "branchloop.demo.run",
        "--data",
        str(tmp_path / "none"),
        "--timezone",
        "Berlin",
    ]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'Berlin' is no time zone; name one as Europe/Berlin." in done.stderr
    assert not (tmp_path / "none").exists()
