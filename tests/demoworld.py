"""The demo as a process: started, watched, and asked for its sums at the end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
START_S = 120


@dataclass(slots=True)
class Demo:
    """A running demo; `token` is head office's."""

    process: subprocess.Popen[str]
    data: Path
    hub: str = ""
    pages: str = ""
    token: str = ""
    lines: list[str] = field(default_factory=list)

    def pid_of(self, words: str) -> int | None:
        """The youngest process below the demo whose command line holds `words`."""
        with contextlib.suppress(psutil.Error):
            found = []
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if words in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                        found.append(child.pid)
            return max(found, default=None)
        return None

    def finish(self) -> dict[str, Any]:
        """Ask it to end, if it does not by itself, and return its sums."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=150)
        assert self.process.returncode == 0, "\n".join(self.lines[-20:])
        sums: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return sums


@contextlib.contextmanager
def demo(data: Path, *arguments: str, python: Path | None = None, cwd: Path | None = None) -> Iterator[Demo]:
    """A demo that has begun to show footage."""
    command = [
        str(python or sys.executable),
        "-m",
        "branchloop.demo.run",
        "--no-browser",
        "--json",
        "--data",
        str(data),
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        cwd=cwd or data.parent,
    )  # fmt: skip
    running = Demo(process, data)
    started = threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            running.lines.append(line.rstrip())
            if match := re.match(r"\s+hub\s+(http\S+)", line):
                running.hub = match[1]
            if match := re.match(r"\s+manager's page\s+(http\S+?)/\?", line):
                running.pages = match[1]
            if match := re.match(r"token, head_office\s+(\S+)", line):
                running.token = match[1]
            if "Ctrl-C ends" in line or "Ends by itself" in line:
                started.set()
        started.set()

    threading.Thread(target=read, daemon=True).start()
    try:
        assert started.wait(START_S), "\n".join(running.lines[-20:])
        assert process.poll() is None, "\n".join(running.lines[-20:])
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=60)
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def install_wheel(wheel: Path, folder: Path) -> Path:
    """The wheel, installed in a new environment; returns its Python.

    The environment borrows this one's dependencies, but not its editable install: a path in a .pth
    file does not have its own .pth files read.
    """
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(
        subprocess.run([python, "-c", query], capture_output=True, text=True, check=True).stdout.strip()
    )
    borrowed = subprocess.run([sys.executable, "-c", query], capture_output=True, text=True, check=True)
    (site / "borrowed.pth").write_text(borrowed.stdout)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", str(wheel)],
        check=True,
    )
    return python
