"""A configuration file that is none is named with what is wrong with it, whichever command is given it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from brokers import write_hub
from click.testing import CliRunner

import branchloop.doctor
from branchloop.check import check
from branchloop.errors import ConfigError
from branchloop.keys.root import cli as keys
from branchloop.share import share
from dashboard import config as dashboard
from edge.configured import read_site
from hub.config.hub import read_config

DASHBOARD = '[dashboard]\napi = "http://127.0.0.1:8088"\ntoken_file = "token"\n'


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "toml": (lambda path: path.write_text(path.read_text() + "listen = = 3\n"), r"is not valid TOML: .*line"),
    "absent": (Path.unlink, "cannot be read: No such file or directory"),
    "folder": (folder, "cannot be read: Is a directory"),
    "utf-16": (lambda path: path.write_text(path.read_text(), encoding="utf-16"), "is not UTF-8 text"),
    "pipe": (pipe, "is no regular file"),
}


def looked_at(config: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """The exit code of `branchloop doctor` on a machine with the contract alone, and what it calls bad."""
    monkeypatch.setattr(branchloop.doctor, "installed", lambda _room: False)
    shown = CliRunner().invoke(branchloop.doctor.doctor, [str(config), "--json"])
    findings = json.loads(shown.output.splitlines()[-1])["findings"]
    return shown.exit_code, [each["text"] for each in findings if each["state"] == "bad"]


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("name", ["hub.toml", "dashboard.toml", "branch.toml"])
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, how: str
) -> None:
    """By doctor once and with nothing else, and by whatever reads it."""
    config = tmp_path / name
    if name == "hub.toml":
        write_hub(tmp_path)
    elif name == "dashboard.toml":
        config.write_text(DASHBOARD)
    else:
        config.write_text(share("configs/demo.toml").read_text(encoding="utf-8"), encoding="utf-8")
    spoil, said = SPOILT[how]
    spoil(config)
    code, bad = looked_at(config, monkeypatch)
    assert (code, len(bad)) == (5, 1)
    reads = {"hub.toml": read_config, "dashboard.toml": dashboard.read_config, "branch.toml": read_site}[name]
    with pytest.raises(ConfigError, match=f"^{config} {said}") as error:
        reads(config)
    assert bad == [str(error.value)]
    with pytest.raises(ConfigError, match=f"^{config} {said}"):
        CliRunner().invoke(check, [str(config)], catch_exceptions=False, standalone_mode=False)


def test_doctor_says_which_files_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right one asks for its room; a dashboard's is none of them."""
    config = tmp_path / "dashboard.toml"
    config.write_text(DASHBOARD)
    code, (text,) = looked_at(config, monkeypatch)
    assert code == 5
    assert text.startswith(
        f"{config} is the configuration of a dashboard; doctor takes that of a box or hub."
    )
    for right, room in ((write_hub(tmp_path), "hub"), (share("configs/demo.toml"), "edge")):
        assert looked_at(right, monkeypatch) == (5, [f"not installed here; pip install 'branchloop[{room}]'"])


@pytest.mark.parametrize("command", ["run", "check-config"])
def test_a_token_file_that_is_no_text_is_told(tmp_path: Path, command: str) -> None:
    config = tmp_path / "dashboard.toml"
    config.write_text(DASHBOARD)
    (tmp_path / "token").write_bytes(b"\xff\xfe\x00token")
    (tmp_path / "token").chmod(0o600)
    shown = subprocess.run(
        [sys.executable, "-m", "dashboard.main", command, str(config)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.startswith(f"error: {tmp_path / 'token'} holds no token.")
    assert len(shown.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a large text\n" * 3, "is neither key nor request nor certificate"),
        ("-----BEGIN PRIVATE KEY-----\nnothing\n", ":"),
    ],
)
def test_keys_show_names_the_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "notes.txt").write_text(text)
    shown = CliRunner().invoke(keys, ["show", str(tmp_path / "notes.txt")])
    assert f"{tmp_path / 'notes.txt'}{'' if said == ':' else ' '}{said}" in str(shown.exception)
