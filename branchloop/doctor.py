"""`branchloop doctor [CONFIG]`: whether this machine can do its work, room by room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click

from branchloop import __version__, exits
from branchloop.check import room_of
from branchloop.cli import installed
from branchloop.config import read_text
from branchloop.errors import ConfigError
from branchloop.site.site import parse_site

MARKS = {"good": "ok  ", "warn": "warn", "bad": "BAD "}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object on the last line")
def doctor(config: Path | None, as_json: bool) -> None:
    """Examine this machine, and what CONFIG (a site or hub file) asks of it; exit with 5 if it cannot work."""
    findings: list[dict[str, str]] = [
        {
            "room": "branchloop",
            "state": "good",
            "text": f"branchloop {__version__}, Python {sys.version.split()[0]}",
        }
    ]
    asked, wrong = _asked(config) if config is not None else (None, None)
    if wrong is not None:
        findings.append({"room": "branchloop", "state": "bad", "text": wrong})
    for room in ("edge", "hub"):
        if not installed(room):
            findings.append({"room": room, "state": "warn" if asked != room else "bad",
                             "text": f"not installed here; pip install 'branchloop[{room}]'"})  # fmt: skip
            continue
        arguments = [str(config)] if config is not None and asked == room else []
        shown = subprocess.run(
            [sys.executable, "-m", f"{room}.main", "doctor", "--json", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        findings += _read(room, shown)
    if as_json:
        click.echo(json.dumps({"findings": findings}))
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding['state']]} {finding['room']:>10}  {finding['text']}")
    if any(finding["state"] == "bad" for finding in findings):
        sys.exit(5)


def _read(room: str, shown: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    lines = shown.stdout.strip().splitlines()
    try:
        return [{"room": room, **finding} for finding in json.loads(lines[-1])]
    except (ValueError, IndexError):
        text = (shown.stderr.strip().splitlines() or ["it does not start"])[-1]
        return [{"room": room, "state": "bad", "text": text}]


def _asked(config: Path) -> tuple[str | None, str | None]:
    """The room that a file is for, or what is wrong with it."""
    try:
        text = read_text(config)
        room = room_of(text)
        if room == "edge":
            parse_site(text, str(config))
    except ConfigError as error:
        return None, str(error)
    if room == "dashboard":
        return None, (
            f"{config} is the configuration of a dashboard; doctor takes that of a box or hub. "
            f"Run: branchloop check-config {config}"
        )
    return room, None


if __name__ == "__main__":
    exits.run(doctor, prog="branchloop doctor")
