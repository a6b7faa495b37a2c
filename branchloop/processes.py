"""Processes that watch over each other: one owner per data directory, children that end with their parent."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from branchloop import exits
from branchloop.errors import DependencyError

_PR_SET_PDEATHSIG = 1
_PR_GET_PDEATHSIG = 2
STEADY_S = 60.0
FIRST_DELAY_S = 0.3
LONGEST_DELAY_S = 20.0
GRACE_S = 12.0
LARGEST_LOG = 5_000_000
ORPHANS_S = 15.0
# Loaded here because a forked child of a process with threads must not load libraries.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@contextlib.contextmanager
def lock_directory(path: Path) -> Iterator[int]:
    """Own a data directory while this process lives; yields the descriptor that holds the lock.

    Children that inherit the descriptor (`Child.fds`) hold the lock too, so nobody else begins while
    children of a killed owner are still ending; nor while an owner is that dies with its parent, which was killed.
    Raises DependencyError when another one owns it, or its disk is full.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / ".lock").open("a+b", buffering=0)  # closing it has nothing left to write
    except OSError as error:
        raise DependencyError(
            f"{path} cannot be used: {error.strerror}.", hint="Name a directory that you may write."
        ) from error
    with file:
        until_s = time.monotonic() + ORPHANS_S
        while not _locked(file.fileno()):
            file.seek(0)
            owner_line = file.read().decode(errors="replace")
            if _goes_on(owner_line):
                raise DependencyError(
                    f"{path} is in use: this is running already (process {owner_line.split()[0]}).",
                    hint="Stop the other one or name another directory.",
                )
            if time.monotonic() > until_s:
                left = " ".join(str(each) for each in _holders(path / ".lock"))
                raise DependencyError(
                    f"{path} is still held by what a killed owner left running{f': process {left}' * bool(left)}.",
                    hint=f"End it: kill -9 {left or 'PID'}",
                )
            time.sleep(0.1)
        try:
            file.truncate(0)
            file.write(_own_line().encode())
        except OSError as error:
            raise DependencyError(
                f"{path} cannot be written: {error.strerror}.", hint="Make room on its disk."
            ) from error
        yield file.fileno()


def owner(path: Path) -> int | None:
    """Which process owns a data directory, None where nobody does or it cannot be told; it is left as it is."""
    try:
        with (path / ".lock").open() as file:
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        pass
    return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holders(lock: Path) -> list[int]:
    """Processes but this one that have a file open, as far as the system tells."""
    found, place = set(), str(lock.resolve())
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
            if any(str(file.readlink()) == place for file in (process / "fd").iterdir()):
                found.add(int(process.name))
    return sorted(found - {os.getpid()})


def _goes_on(owner: str) -> bool:
    """Whether the process of a lock file ("pid parent begun") lives and is not ending, as far as the system tells.

    `parent` is 0 where it goes on without, as a hub does whose shell was closed; who dies with it is ending once that is gone.
    """
    pid, parent, begun = (*owner.split(), "", "", "")[:3]
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    now = _stat(pid)
    if now is None or not begun:  # begun is missing where a version before wrote the file
        return True
    return now.state not in "ZX" and now.begun == begun and parent in {"0", now.parent}


class _Stat(NamedTuple):
    """Of /proc/PID/stat; `begun` in ticks since the machine was booted."""

    state: str
    parent: str
    begun: str


def _stat(pid: str | int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return _Stat(fields[0], fields[1], fields[19])
    except (OSError, IndexError):
        return None


def _own_line() -> str:
    """Of this process, as `_goes_on` reads it."""
    signal_then = ctypes.c_int(0)
    if _LIBC is not None:
        _LIBC.prctl(_PR_GET_PDEATHSIG, ctypes.byref(signal_then))
    now = _stat(os.getpid())
    return f"{os.getpid()} {os.getppid() if signal_then.value else 0} {now.begun if now else ''}".rstrip()


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent dies, by whatever signal (Linux)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(0)


def stop_event() -> threading.Event:
    """An event that SIGTERM and SIGINT set.

    A thread sets it, never the handler: that interrupts code which may hold the event's lock, another handler's too
    (a dying parent's threads send a SIGTERM each), and would wait for it for ever.
    """
    stop = threading.Event()
    heard, told = os.pipe()
    os.set_blocking(told, False)

    def tell(_signal: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(told, b".")

    def listen() -> None:
        os.read(heard, 1)
        stop.set()

    threading.Thread(target=listen, name="stop", daemon=True).start()
    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    return stop


def free_port(host: str = "127.0.0.1", wanted: int = 0) -> int:
    """A free TCP port, or the `wanted` one, kept for those who are told of it as long as this process lives (Linux).

    Who asks the system for any port gets another one, while a server may listen on it now, and again after it was
    ended: it takes addresses that are bound and not listened on, as asyncio and nats-server do. Raises OSError.
    """
    if sys.platform != "linux":
        return listen_once(host, wanted)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind((host, wanted))
        port = int(kept.getsockname()[1])
        kept.detach()
    return port


def listen_once(host: str, port: int) -> int:
    """Listen at an address of IPv4 or IPv6 for a moment; the port, one that is free for 0. Raises OSError, OverflowError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as server:
        return int(server.getsockname()[1])


@dataclass(slots=True)
class Child:
    """A program to keep running."""

    name: str
    args: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None
    fds: Sequence[int] = ()
    """Descriptors it inherits, such as that of `lock_directory`."""
    grace_s: float = GRACE_S
    steady_s: float = STEADY_S
    """After so long a run the next pause is short again; else pauses double up to `longest_delay_s`."""
    longest_delay_s: float = LONGEST_DELAY_S
    process: subprocess.Popen[bytes] | None = None
    restarts: int = -1
    _due_s: float = 0.0
    _begun_s: float = 0.0
    _delay_s: float = FIRST_DELAY_S

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    def rest(self) -> None:
        """End it for good."""
        self._due_s = float("inf")
        self.end()

    def end(self) -> None:
        """End it for now: SIGTERM, a grace period, SIGKILL; `keep` starts it again."""
        process = self.process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(self.grace_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def keep(self, now_s: float) -> bool:
        """Start it if it does not run and is due; True when it was started."""
        if self.pid is not None or self._due_s == float("inf"):
            return False
        if self.process is not None:
            self._back_off(now_s, steady=now_s - self._begun_s > self.steady_s)
            self._report(self.process.returncode, self._due_s - now_s)
            self.process = None
        if now_s < self._due_s:
            return False
        try:
            self.process = self._start()
        except OSError as error:
            self._say(f"cannot be started: {error}")
            self._back_off(now_s, steady=False)
            return False
        self._begun_s = now_s
        self.restarts += 1
        return True

    def _start(self) -> subprocess.Popen[bytes]:
        out = self.log.open("ab") if self.log else None
        try:
            return subprocess.Popen(
                self.args,
                env={**os.environ, **self.env},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=self.fds,
                start_new_session=True,  # Ctrl-C ends the parent, which ends its children in order
                preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - it makes two system calls
            )
        finally:
            if out is not None:
                out.close()

    def _back_off(self, now_s: float, *, steady: bool) -> None:
        self._delay_s = FIRST_DELAY_S if steady else min(self.longest_delay_s, self._delay_s * 2)
        self._due_s = max(self._due_s, now_s + self._delay_s * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    def bound_log(self) -> None:
        """Keep the log and one former one, each of about 5 MB; the running child goes on appending."""
        if self.log is not None and self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            with contextlib.suppress(OSError):  # a full disk: the former log is lost, never the supervisor
                shutil.copyfile(self.log, self.log.with_name(self.log.name + ".1"))
            os.truncate(self.log, 0)

    def _report(self, code: int, pause_s: float) -> None:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
        where = f"; its log is {self.log}" if self.log is not None else ""
        self._say(f"{how}: starting it again in {pause_s:.1f} s{where}")

    def _say(self, text: str) -> None:
        exits.log(f"{self.name} {text}")


class Supervisor:
    """Keeps children running until told to stop; then ends them in reverse order."""

    def __init__(self, children: Sequence[Child], changed: Callable[[], None] = lambda: None) -> None:
        self.children = children
        self.changed = changed

    def run(self, stop: threading.Event) -> None:
        """Supervise until `stop` is set."""
        looked_s = float("-inf")
        try:
            while not stop.is_set():
                now_s = time.monotonic()
                if now_s - looked_s > 10:
                    looked_s = now_s
                    for child in self.children:
                        child.bound_log()
                started = [child for child in self.children if child.keep(now_s)]
                if started:
                    self.changed()
                stop.wait(0.1)
        finally:
            self.end()

    def end(self) -> None:
        """SIGTERM, a grace period, SIGKILL; last started first."""
        for child in reversed(self.children):
            child.rest()
