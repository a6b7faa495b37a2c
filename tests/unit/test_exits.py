"""Where a program's output cannot go: one sentence and 5, and nothing at all where the reader has read enough."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from branchloop.share import share

COMMANDS = (
    "branchloop.cli --help",
    "branchloop.keys.root sign --help",
    f"branchloop.cli check-config {share('configs/demo.toml')}",
    "branchloop.doctor",
)


def shell(command: str, redirected: str, folder: Path) -> tuple[list[int], str]:
    """The exit codes of a pipe's parts, and what was said on standard error."""
    line = f"{sys.executable} -m {command} {redirected}; echo ${{PIPESTATUS[@]}} > {shlex.quote(str(folder / 'codes'))}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return [int(code) for code in (folder / "codes").read_text().split()], done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_output_is_told_in_one_sentence(tmp_path: Path, command: str) -> None:
    """As a full disk is; exit code 5."""
    codes, said = shell(command, "> /dev/full", tmp_path)
    assert said == "error: standard output cannot be written: No space left on device.\n"
    assert codes == [5]


@pytest.mark.parametrize("command", COMMANDS[:3])
def test_a_closed_output_is_as_dev_null(tmp_path: Path, command: str) -> None:
    assert shell(command, ">&-", tmp_path) == ([0], "")
    assert shell(command, ">&- 2>&-", tmp_path) == ([0], "")


def test_an_error_that_cannot_be_written_keeps_its_exit_code(tmp_path: Path) -> None:
    """A log may lie on the very disk that is full."""
    assert shell(f"branchloop.cli check-config {tmp_path / 'none.toml'}", "2> /dev/full", tmp_path) == (
        [3],
        "",
    )


def test_no_file_takes_the_number_of_a_closed_output(tmp_path: Path) -> None:
    """Else what a library says would be written into it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import click, os\nfrom branchloop import exits\n"
        "@click.command()\ndef cli():\n"
        "    with open('kept', 'w') as file:\n"
        "        os.write(1, b'said')\n"
        "exits.run(cli)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    line = f"{sys.executable} program.py >&-"
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0
    assert (tmp_path / "kept").read_text() == ""


def test_who_has_read_enough_is_no_fault(tmp_path: Path) -> None:
    """However early the reader ends."""
    program = tmp_path / "many.py"
    program.write_text(
        "import click\nfrom branchloop import exits\n"
        "@click.command()\n@click.option('--long', is_flag=True)\ndef cli(long):\n"
        "    for n in range(3_000):\n        click.echo(f'{n} ' * (5_000 if long else 1))\n"
        "exits.run(cli)\n"
    )
    for more in ("", " --long"):
        line = f"{sys.executable} {program}{more} | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_pipe_that_breaks_elsewhere_is_a_fault(tmp_path: Path) -> None:
    """Such as a broker that hung up: it must not look like success."""
    program = tmp_path / "other.py"
    program.write_text(
        "import click\nfrom branchloop import exits\n"
        "@click.command()\ndef cli():\n    raise BrokenPipeError(32, 'Broken pipe')\n"
        "exits.run(cli)\n"
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr == "error: internal fault: a connection broke.\n"
