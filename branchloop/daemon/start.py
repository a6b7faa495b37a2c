"""Enabling and starting a unit, and what became of it: `systemctl` and the journal."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from branchloop.daemon.rights import Tell
from branchloop.errors import DependencyError

WATCH_S = 8.0
"""So long a start is watched: what is wrong with a configuration or a right ends a program in its first seconds."""
STEP_S = 0.25


def available() -> bool:
    """Whether systemd runs this machine and can be told."""
    return shutil.which("systemctl") is not None and Path("/run/systemd/system").is_dir()


def reload_units() -> None:
    """Let systemd read its units again. Raises DependencyError."""
    _systemctl("daemon-reload")


def start(unit: str, file: Path, *, changed: bool, tell: Tell) -> None:
    """Enable and start a unit, or start it anew where it runs by an older `file`, and watch its first seconds.

    Raises DependencyError when it does not start, or ends again, with the last line of its journal.
    """
    enabled, active = _holds("is-enabled", unit), _holds("is-active", unit)
    anew = active and (changed or _older(unit, file))
    if enabled and active and not anew:
        tell("unchanged", f"{unit} is enabled and runs")
        return
    _systemctl("enable", "--now", unit)
    if anew:
        _systemctl("restart", unit)
    _watch(unit)
    tell("made", f"{unit} is enabled and was started{' anew' if anew else ''}: it runs")


def postponed(unit: str, file: Path, *, changed: bool) -> str:
    """What is left to be done for a unit that is not to be started now."""
    if available() and _holds("is-active", unit):
        if changed or _older(unit, file):
            return f"{unit} runs by the unit as it was; to start it anew: systemctl restart {unit}"
        return f"{unit} runs already"
    return f"nothing was started; start it: systemctl enable --now {unit}"


def _older(unit: str, file: Path) -> bool:
    """Whether a running unit was started before its file was written."""
    shown = _asked("show", "--property=ExecMainStartTimestamp", "--value", "--timestamp=unix", unit)
    begun = shown.stdout.strip().removeprefix("@")
    return begun.isdigit() and int(begun) < int(file.stat().st_mtime)


def _watch(unit: str) -> None:
    until_s = time.monotonic() + WATCH_S
    while time.monotonic() < until_s:
        shown = _show(unit)
        if shown.get("SubState") in {"auto-restart", "failed"} or shown.get("NRestarts", "0") != "0":
            raise DependencyError(
                f"{unit} was started and ended at once: {_last_line(unit)}",
                hint=f"Mend that; it is begun anew every 5 s. All it said: journalctl -u {unit}.",
            )
        time.sleep(STEP_S)


def _show(unit: str) -> dict[str, str]:
    shown = _asked("show", "--property=SubState,NRestarts", unit)
    return dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)


def _last_line(unit: str) -> str:
    if shutil.which("journalctl") is None:
        return "there is no journal."
    shown = subprocess.run(
        ["journalctl", "--unit", unit, "--lines", "20", "--no-pager", "--output", "cat", "_TRANSPORT=stdout"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = shown.stdout.strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else "it said nothing."


def _holds(question: str, unit: str) -> bool:
    return _asked(question, "--quiet", unit).returncode == 0


def _systemctl(*words: str) -> None:
    done = _asked(*words)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[0]
        raise DependencyError(
            f"`systemctl {' '.join(words)}` failed: {said}", hint="Mend that, then run this again."
        )


def _asked(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
