"""Processes that watch over each other: one owner per data directory, children that end with their parent."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from branchloop.errors import DependencyError

_PR_SET_PDEATHSIG = 1
STEADY_S = 60.0
FIRST_DELAY_S = 0.3
LONGEST_DELAY_S = 20.0
GRACE_S = 12.0


@contextmanager
def lock_directory(path: Path) -> Iterator[None]:
    """Own a data directory while this process lives. Raises DependencyError when another one does."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DependencyError(
                f"{path} is in use: this is running already.",
                hint="Stop the other one or name another directory.",
            ) from error
        yield


def die_with_parent() -> None:
    """Have the kernel end this process when its parent dies, by whatever signal (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def told(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    return stop


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that is free right now."""
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])


@dataclass(slots=True)
class Child:
    """A program to keep running."""

    name: str
    args: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    restarts: int = -1
    _due_s: float = 0.0
    _begun_s: float = 0.0
    _delay_s: float = FIRST_DELAY_S

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def keep(self, now_s: float) -> bool:
        """Start it if it does not run and is due; True when it was started."""
        if self.pid is not None:
            return False
        if self.process is not None:
            steady = now_s - self._begun_s > STEADY_S
            self._delay_s = FIRST_DELAY_S if steady else min(LONGEST_DELAY_S, self._delay_s * 2)
            self._due_s = now_s + self._delay_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            self.process = None
        if now_s < self._due_s:
            return False
        out = self.log.open("ab") if self.log else None
        try:
            self.process = subprocess.Popen(
                self.args,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - the supervisor has one thread
            )
        finally:
            if out is not None:
                out.close()
        self._begun_s = now_s
        self.restarts += 1
        return True


class Supervisor:
    """Keeps children running until told to stop; then ends them in reverse order."""

    def __init__(self, children: Sequence[Child], changed: Callable[[], None] = lambda: None) -> None:
        self.children = children
        self._changed = changed

    def run(self, stop: threading.Event) -> None:
        """Supervise until `stop` is set."""
        try:
            while not stop.is_set():
                now_s = time.monotonic()
                started = [child for child in self.children if child.keep(now_s)]
                if started:
                    self._changed()
                stop.wait(0.1)
        finally:
            self.end()

    def end(self) -> None:
        """SIGTERM, a grace period, SIGKILL; last started first."""
        for child in reversed(self.children):
            if child.pid is None or child.process is None:
                continue
            child.process.terminate()
            try:
                child.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
