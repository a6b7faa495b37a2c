"""A whole branch under fire: every process killed, the broker frozen for half a minute, nothing lost."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import httpx
import psutil
from demoworld import Demo, demo

FROZEN_S = 30.0


def kill(running: Demo, words: str) -> int:
    """Kill -9 the process, once it is there."""
    until_s = time.monotonic() + 40
    while time.monotonic() < until_s:
        pid = running.pid_of(words)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            while running.pid_of(words) in {pid, None} and time.monotonic() < until_s:
                time.sleep(0.1)  # what it served may answer on for a moment
            return pid
        time.sleep(0.2)
    raise AssertionError(f"no process runs {words!r}")


def crossings_and_age(running: Demo) -> tuple[int, float]:
    answer = httpx.get(
        f"{running.hub}/api/v1/branches/plaza/live",
        headers={"Authorization": f"Bearer {running.token}"},
        timeout=10,
    ).json()
    lines = sum((line["in"] or 0) + (line["out"] or 0) for line in answer["lines"])
    return lines, 0.0 if not answer["stale"] else 1.0


def wait_live(running: Demo, seconds: float = 60) -> None:
    """Until the live page is not stale: footage flows from end to end."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        with contextlib.suppress(httpx.HTTPError, KeyError):
            if crossings_and_age(running)[1] == 0.0:
                return
        time.sleep(0.3)
    raise AssertionError("the live page stayed stale\n" + "\n".join(running.lines[-15:]))


def test_nothing_is_lost_whatever_dies(tmp_path: Path) -> None:
    """Stored = produced = acknowledged, none twice, roll-ups equal to a recomputation; no process is left."""
    with demo(tmp_path / "data") as running:
        wait_live(running)
        for words in (
            "edge.perceive.watch",
            "hub.ingest.worker",
            "nats-server",
            "hub.api.main",
            "edge.main core",
        ):
            kill(running, words)
            wait_live(running)
        broker = running.pid_of("nats-server")
        assert broker is not None
        os.kill(broker, signal.SIGSTOP)
        frozen_until_s = time.monotonic() + FROZEN_S
        while time.monotonic() < frozen_until_s:
            time.sleep(0.5)
        os.kill(broker, signal.SIGCONT)
        wait_live(running)
        for words in ("edge.main run", "hub.main run"):
            kill(running, words)
            wait_live(running)
        family = psutil.Process(running.process.pid).children(recursive=True)
        sums = running.finish()
        assert sums["messages_produced"] > 20
        assert sums["messages_stored"] == sums["messages_produced"] == sums["messages_acknowledged"]
        assert sums["roll_ups_equal_recomputation"] is True
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
