"""Supervision: one owner per data directory, children that come back, and none left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from brokers import until, write_hub

from branchloop import processes
from branchloop.errors import DependencyError
from branchloop.processes import Child, Supervisor, free_port, lock_directory
from hub.config.hub import read_config
from hub.runtime import decide, read

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


OWNER = """
import signal, subprocess, sys, time
from pathlib import Path
from branchloop.processes import die_with_parent, lock_directory, stop_event
stop = stop_event()
with lock_directory(Path(sys.argv[1])):
    print("held", flush=True)
    stop.wait()
    time.sleep(float(sys.argv[2]))
"""
SUPERVISOR = """
import os, subprocess, sys
from functools import partial
from branchloop.processes import die_with_parent
parent = os.getpid()
child = subprocess.Popen([sys.executable, "-c", *sys.argv[1:]], preexec_fn=partial(die_with_parent, parent))
child.wait()
"""


STOPPED = """
import os, signal
from branchloop.processes import stop_event
stop = stop_event()
with stop._cond:  # as whoever waits for it, is just setting it, or is another handler
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGTERM)
print(stop.wait(30))
"""


def test_a_signal_that_interrupts_the_event_itself_does_not_wait_for_it() -> None:
    """An ingest that outlived its killed hub so held its lock for ever, deaf to every further SIGTERM."""
    child = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.returncode, child.stdout) == (0, "True\n")


def test_who_comes_after_a_killed_supervisor_waits_for_what_it_left(tmp_path: Path) -> None:
    """Its core still ends, tidily; that is no box that runs."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, OWNER, str(tmp_path / "data"), "1.5"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stdout is not None
    assert supervisor.stdout.readline() == "held\n"
    with pytest.raises(DependencyError, match="running already"), lock_directory(tmp_path / "data"):
        pass
    supervisor.kill()
    supervisor.wait()
    with lock_directory(tmp_path / "data"):
        pass
    supervisor.stdout.close()


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    """While it is owned nobody else gets it, and they are told at once; afterwards anybody does."""
    with lock_directory(tmp_path / "data"):
        begun_s = time.monotonic()
        script = (
            "import sys; from pathlib import Path; from branchloop.processes import lock_directory\n"
            "with lock_directory(Path(sys.argv[1])): pass"
        )
        other = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "data")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "running already" in other.stderr
        assert time.monotonic() - begun_s < 5
    with lock_directory(tmp_path / "data"):
        pass


def test_an_unusable_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DependencyError, match="cannot be used"), lock_directory(tmp_path / "file"):
        pass


def test_orphans_hold_the_lock_until_they_end(tmp_path: Path) -> None:
    """A child that inherits the lock keeps the directory taken; a new owner waits for it."""
    with lock_directory(tmp_path) as lock:
        orphan = subprocess.Popen(SLEEP, pass_fds=(lock,))
    (tmp_path / ".lock").write_text("4194304")  # an owner that lives no more
    threading.Timer(0.5, orphan.kill).start()
    begun_s = time.monotonic()
    with lock_directory(tmp_path):
        assert time.monotonic() - begun_s > 0.3
    orphan.wait()


ADOPTED = """
import os, sys, time
from pathlib import Path
from branchloop.processes import lock_directory
with lock_directory(Path(sys.argv[1])):
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_who_was_started_by_a_shell_that_ended_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with nohup, or a terminal that was closed: adopted by another, it serves on, and is not to be killed."""
    monkeypatch.setattr("branchloop.processes.ORPHANS_S", 0.2)
    shell = subprocess.Popen(
        ["sh", "-c", '"$@" & read line', "sh", sys.executable, "-c", ADOPTED, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    try:
        shell.kill()
        shell.wait()
        until(lambda: psutil.Process(pid).ppid() != shell.pid, "another adopts it")
        said = rf"this is running already \(process {pid}\)"
        with pytest.raises(DependencyError, match=said) as refused, lock_directory(tmp_path):
            pass
        assert "kill" not in str(refused.value)
    finally:
        os.kill(pid, signal.SIGKILL)
        for pipe in (shell.stdin, shell.stdout):
            assert pipe is not None
            pipe.close()


def test_another_process_under_the_owner_s_number_is_no_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are given out again: the moment at which it began tells them apart."""
    monkeypatch.setattr("branchloop.processes.ORPHANS_S", 0.2)
    with lock_directory(tmp_path) as lock:
        line = (tmp_path / ".lock").read_text().split()
        orphan = subprocess.Popen(SLEEP, pass_fds=(lock,))
    assert line[:2] == [str(os.getpid()), "0"]
    (tmp_path / ".lock").write_text(f"{line[0]} 0 {int(line[2]) - 1}")
    with pytest.raises(DependencyError, match=f"left running: process {orphan.pid}"):
        lock_directory(tmp_path).__enter__()
    (tmp_path / ".lock").write_text(" ".join(line))
    with pytest.raises(DependencyError, match="running already"):
        lock_directory(tmp_path).__enter__()
    orphan.kill()
    orphan.wait()


def test_an_orphan_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody runs that could be stopped: what holds the directory has a number."""
    monkeypatch.setattr("branchloop.processes.ORPHANS_S", 0.2)
    with lock_directory(tmp_path) as lock:
        orphan = subprocess.Popen(SLEEP, pass_fds=(lock,))
    (tmp_path / ".lock").write_text("4194304")
    with pytest.raises(DependencyError, match=f"left running: process {orphan.pid}") as refused:
        lock_directory(tmp_path).__enter__()
    assert refused.value.hint == f"End it: kill -9 {orphan.pid}"
    orphan.kill()
    orphan.wait()


def test_a_killed_child_comes_back_and_an_ended_supervisor_leaves_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A kill is told and mended in a moment; stopping ends what refuses to listen, too."""
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    log = tmp_path / "deaf.log"
    children = [Child("meek", SLEEP), Child("deaf", [sys.executable, "-c", deaf], log=log, grace_s=0.3)]
    stop = threading.Event()
    thread = threading.Thread(target=Supervisor(children).run, args=(stop,))
    thread.start()
    try:
        first = until(lambda: children[0].pid, "it runs")
        until(lambda: log.exists() and "deaf" in log.read_text(), "the other one is deaf")
        os.kill(first, signal.SIGKILL)
        until(lambda: children[0].pid not in (None, first), "it is back")
        pids = [child.pid for child in children]
    finally:
        stop.set()
        thread.join(10)
    assert not any(psutil.pid_exists(pid) for pid in pids if pid is not None)
    assert "meek was ended by signal 9: starting it again" in capfd.readouterr().err
    assert children[0].restarts == 1


def test_a_child_that_cannot_live_is_started_ever_more_seldom() -> None:
    """The delay doubles with each early death; a steady minute resets it."""
    child = Child("brief", [sys.executable, "-c", "raise SystemExit(3)"])
    now_s, delays = 0.0, []
    for _ in range(4):
        assert child.keep(now_s)
        assert child.process is not None
        child.process.wait()
        assert not child.keep(now_s)
        delays.append(child._due_s - now_s)
        now_s = child._due_s
    assert 0.3 <= delays[0] <= 0.9
    assert 2.4 <= delays[3] <= 7.2
    assert child.keep(now_s)
    assert child.process is not None
    child.process.wait()
    assert not child.keep(now_s + 61)
    assert child._due_s - (now_s + 61) <= 0.45


def test_how_long_a_steady_run_and_a_pause_are_is_the_child_s_own() -> None:
    """One that dies after minutes, again and again, is started ever more seldom too."""
    child = Child("late", [sys.executable, "-c", "raise SystemExit(3)"], steady_s=3_600, longest_delay_s=100)
    now_s = 0.0
    for _ in range(12):
        assert child.keep(now_s)
        assert child.process is not None
        child.process.wait()
        now_s += 600
        assert not child.keep(now_s)
        delay_s, now_s = child._due_s - now_s, child._due_s
    assert 50 <= delay_s <= 150


def test_a_program_that_is_missing_is_told_and_tried_again(capfd: pytest.CaptureFixture[str]) -> None:
    child = Child("ghost", ["/nonexistent/program"])
    assert not child.keep(0.0)
    assert child._due_s > 0.0
    assert "ghost cannot be started" in capfd.readouterr().err


def test_a_log_stays_bounded_while_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is cut and one former one kept; the running child appends to the new one."""
    monkeypatch.setattr(processes, "LARGEST_LOG", 1_000)
    log = tmp_path / "a.log"
    writer = "import sys, time\nwhile True: print('x' * 99, flush=True); time.sleep(.01)"
    child = Child("writer", [sys.executable, "-c", writer], log=log)
    child.keep(0.0)
    try:
        until(lambda: log.stat().st_size > 1_000, "it has written")
        child.bound_log()
        assert log.stat().st_size < 1_000
        assert (tmp_path / "a.log.1").stat().st_size > 1_000
        until(lambda: log.stat().st_size > 200, "it goes on")
        assert b"\0" not in log.read_bytes()
    finally:
        child.rest()
    assert not child.keep(1e9)


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    """Kill -9 of a supervisor: the kernel ends its children."""
    script = (
        "import sys, threading; from branchloop.processes import Child, Supervisor\n"
        f"child = Child('c', {SLEEP!r})\n"
        "s = Supervisor([child], lambda: print(child.pid, flush=True)); s.run(threading.Event())"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child has ended")


def test_ports_are_chosen_once_and_kept(tmp_path: Path) -> None:
    """Port 0 is decided at the first start; a former choice that is taken meanwhile is made anew."""
    config = read_config(write_hub(tmp_path))
    config.data_dir.mkdir()
    first = decide(config)
    assert first.api_port != first.broker_port
    assert decide(config) == first == read(config)
    with socket.create_server(("127.0.0.1", first.api_port)):
        other = decide(config)
    assert other.api_port != first.api_port
    assert other.broker_port == first.broker_port
    (config.data_dir / "runtime.json").write_text("{")
    with pytest.raises(DependencyError, match="hub run"):
        read(config)
    assert decide(config).api_port


def test_a_fixed_port_that_is_taken_is_told(tmp_path: Path) -> None:
    path = write_hub(tmp_path)
    port = free_port()
    path.write_text(path.read_text().replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{port}"', 1))
    config = read_config(path)
    config.data_dir.mkdir()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(DependencyError, match=f"the API cannot listen on 127.0.0.1:{port}"),
    ):
        decide(config)


@pytest.mark.skipif(sys.platform != "linux", reason="ports are kept on Linux")
def test_a_port_that_was_given_is_kept(tmp_path: Path) -> None:
    """Between the choice and the server's start, and while a server is started again, nobody else gets it."""
    config = read_config(write_hub(tmp_path))
    config.data_dir.mkdir()
    chosen = decide(config)
    for port in (free_port(), chosen.api_port, chosen.broker_port, decide(config).api_port):
        for _ in range(2):
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))
            with socket.create_server(("127.0.0.1", port)) as server:
                assert server.getsockname()[1] == port


def test_a_log_that_cannot_be_written_ends_no_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie on the very disk that is full."""
    stop = threading.Event()
    child = Child("brief", [sys.executable, "-c", "raise SystemExit(3)"])
    supervisor = Supervisor([child], lambda: stop.set() if child.restarts > 0 else None)
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        supervisor.run(stop)
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert child.restarts == 1
