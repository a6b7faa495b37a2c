"""A camera's process that says nothing for a while and goes on: its light goes on with it."""

from __future__ import annotations

import queue
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import pytest

from branchloop.share import share
from branchloop.site.site import parse_site
from edge import cameras
from edge.cameras import SILENT_S, CameraProcess
from edge.perceive.health import Event
from edge.perceive.report import EventReport, FrameReport, Report, encode

PATIENCE_S = 10.0
NOW_MS = 9_000
FRAME = encode(FrameReport("hall", 2_000, None))
MOVED = Event("state", 1_000, state="up", detail="moved: the view is off by 11 px.", fault="moved")


class Hands:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self.at_s


class Child:
    """A process that says what it is given."""

    def __init__(self, lines: queue.SimpleQueue[str]) -> None:
        self._lines = lines
        self.stdin = None
        self.returncode = 0

    @property
    def stdout(self) -> Iterator[str]:
        """Until there is an empty one."""
        return iter(self._lines.get, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It has ended."""

    def poll(self) -> int | None:
        """It runs."""
        return None

    def wait(self, _timeout_s: float) -> int:
        """It ends at once."""
        return 0

    def kill(self) -> None:
        """It says no more."""
        self._lines.put("")

    terminate = kill


class Watched:
    """A camera's process and its watchdog, at times that are set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[Report] = queue.SimpleQueue()
        self._hands = Hands()
        child: Any = Child(self._lines)
        monkeypatch.setattr(cameras, "Clock", lambda: self._hands)
        monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: child)
        path = share("configs/demo.toml")
        site = parse_site(path.read_text(encoding="utf-8"))
        self._process = CameraProcess(path, site, site.cameras[0], self._reports, lambda: NOW_MS)
        self._process.start()

    def say(self, *lines: str) -> None:
        """The process says these."""
        for line in lines:
            self._lines.put(f"{line}\n")

    def heard(self) -> str:
        """The next report, as a line."""
        return encode(self._reports.get(timeout=PATIENCE_S))

    def silent_for(self, seconds: float) -> None:
        """Time passes, and the watchdog looks twice."""
        self._hands.at_s += seconds
        self._process.watchdog()
        self._process.watchdog()

    def end(self) -> None:
        """Nothing more was told."""
        self._process.stop()
        assert self._reports.empty()


def told(event: Event) -> str:
    return encode(EventReport("hall", event))


@pytest.mark.parametrize("before", [Event("state", 1_000, state="up"), MOVED])
def test_a_process_that_goes_on_after_a_hiccup_is_told_as_before(
    monkeypatch: pytest.MonkeyPatch, before: Event
) -> None:
    """Eight seconds of silence are `stalled`; the next frame comes after `up` again, with what was wrong before."""
    watched = Watched(monkeypatch)
    watched.say(told(before), FRAME)
    assert [watched.heard(), watched.heard()] == [told(before), FRAME]
    for _ in range(2):  # the second hiccup is like the first
        watched.silent_for(SILENT_S + 3.5)
        assert watched.heard() == told(
            Event("state", NOW_MS, state="stalled", detail="its process said nothing for 8 s")
        )
        watched.say("", FRAME, FRAME)
        assert [watched.heard() for _ in range(3)] == [told(replace(before, at_ms=NOW_MS)), FRAME, FRAME]
    watched.end()


def test_a_process_that_says_itself_how_it_is_after_a_hiccup_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is put back before its own word."""
    watched = Watched(monkeypatch)
    covered = told(Event("state", 3_000, state="stalled", detail="covered", fault="covered"))
    watched.say(told(MOVED), FRAME)
    assert [watched.heard(), watched.heard()] == [told(MOVED), FRAME]
    watched.silent_for(SILENT_S + 1)
    assert "stalled" in watched.heard()
    watched.say(covered, told(MOVED), FRAME)
    assert [watched.heard() for _ in range(3)] == [covered, told(MOVED), FRAME]
    watched.end()
