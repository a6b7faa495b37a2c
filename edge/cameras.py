"""The camera processes of a box: started, listened to, and started anew when one dies or hangs."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from branchloop.errors import InputError
from branchloop.site.site import Camera, Site
from branchloop.wire.messages import DeviceState
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.health import Event
from edge.perceive.orders import encode_site
from edge.perceive.report import EventReport, FrameReport, Report, decode

SILENT_S = 4.5
"""A process that was up and says nothing for this long hangs: its camera counts as stalled."""
KILL_S = 15.0
"""After this much silence the process is replaced, whatever its camera's state: while it waits for pictures it says that it lives."""
START_S = 90.0
"""It may take this long to begin: a small machine loads a detector slowly."""
_STEADY_S = 60.0


@dataclass(frozen=True, slots=True)
class Ended:
    """The process of `camera` was ended for another configuration: all that it told came before this."""

    camera: str


class CameraProcess:
    """One camera's process; its reports go into `reports`, its own death is reported as `down`."""

    def __init__(
        self,
        config: Path,
        site: Site,
        camera: Camera,
        reports: queue.SimpleQueue[Report],
        now_ms: Callable[[], int],
    ) -> None:
        """`site`: the configuration in force, whatever the files of `config` hold by the time that it starts."""
        self._args = [sys.executable, "-m", "edge.perceive.watch", str(config), camera.id]
        self._camera = camera.id
        self._works_by = encode_site(site, camera)
        self._beginning = threading.Lock()
        """Held while a process is told what it works by, so that it has the last word of `follow`."""
        self._reports = reports
        self._now_ms = now_ms
        self._clock = Clock()
        self._heard_s = self._clock.now_s()
        self._up = False
        self._standing: Event | None = None
        """The state `up` that the process itself told last, with what is wrong with its picture."""
        self._hung = False
        """Whether the watchdog has told it as stalled since."""
        self._telling = threading.Lock()
        """Held while a state is told: what the watchdog tells and what the process says take turns."""
        self._spoke = False
        self._reason: str | None = None
        """Why the camera is down, by the process's own last word."""
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name=f"camera-{camera.id}", daemon=True)
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running child."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start the process and its listener."""
        self._thread.start()

    def watchdog(self) -> None:
        """Call it often: tells a hanging process as stalled, and replaces it after a while."""
        with self._telling:
            silent_s = self._clock.now_s() - self._heard_s
            if self._up and silent_s > SILENT_S:
                self._up, self._hung = False, True
                self._tell("stalled", f"its process said nothing for {silent_s:.0f} s")
                return
        if silent_s > (KILL_S if self._spoke else START_S) and self._process is not None:
            self._process.kill()

    def ask_background(self, command: str, expires_ms: int) -> bool:
        """Ask for a picture without people; False when there is no process to ask.

        It comes as a `BackgroundReport`, as does the reason why there is none.
        """
        return self._say(f"background {command} {expires_ms}")

    def follow(self, site: Site, camera: Camera, *, recalibrated: bool) -> None:
        """Another configuration has it wired as before: this one counts whenever it starts anew.

        `recalibrated`: its marks or the plan have changed, and what it knows of its view belongs to the ones before.
        """
        with self._beginning:
            self._works_by = encode_site(site, camera)
            if recalibrated:
                self._say(self._works_by)

    def _say(self, line: str) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            return False
        try:
            _write(process, line)
        except (OSError, ValueError):  # it has just ended
            return False
        return True

    def stop(self) -> None:
        """End the process; returns when it is gone, and all that it told is among the reports."""
        self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(3.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
        if self._thread.ident is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            begun_s = self._heard_s = self._clock.now_s()
            self._spoke = self._hung = False
            self._reason = self._standing = None
            with subprocess.Popen(
                self._args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            ) as process:
                with self._beginning:
                    with contextlib.suppress(OSError):  # it has just ended: that is told below
                        _write(process, self._works_by)
                    self._process = process
                if not self._stopping.is_set():  # else `stop` may have looked before there was a process
                    self._listen(process)
                process.kill()
            self._up = False
            if self._stopping.is_set():
                return
            self.restarts += 1
            if process.returncode <= 0 or self._reason is None:
                self._tell("down", f"its process ended with code {process.returncode}; starting it anew")
            if self._clock.now_s() - begun_s > _STEADY_S:
                backoff.succeeded()
            self._stopping.wait(backoff.next_s())

    def _listen(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            self._heard_s, self._spoke = self._clock.now_s(), True
            if not line.strip():  # it lives and has nothing to tell
                continue
            try:
                report = decode(line)
            except InputError as error:
                if not self._stopping.is_set():  # else it was ended in the middle of a line
                    self._tell("down", str(error))
                return
            with self._telling:
                self._heard(report)

    def _heard(self, report: Report) -> None:
        """Pass on what the process says. One that hung and goes on says no state of its own: the one before is told again."""
        if isinstance(report, EventReport) and report.event.what == "state":
            self._hung = False
            self._up = report.event.state == "up"
            self._standing = report.event if self._up else None
            self._reason = report.event.detail if report.event.state == "down" else None
        else:
            if self._hung:
                before = self._standing or Event("state", 0, state="up")
                self._reports.put(EventReport(self._camera, replace(before, at_ms=self._now_ms())))
                self._hung, self._up = False, True
            self._up = self._up or isinstance(report, FrameReport)
        self._reports.put(report)

    def _tell(self, state: DeviceState, detail: str) -> None:
        event = Event("state", self._now_ms(), state=state, detail=detail)
        self._reports.put(EventReport(self._camera, event))


def _write(process: subprocess.Popen[str], line: str) -> None:
    """Past the buffer: what a process that has ended did not take would fail anew where its pipe is closed."""
    if process.stdin is not None:
        os.write(process.stdin.fileno(), f"{line}\n".encode())


def wiring(camera: Camera) -> dict[str, object]:
    """What the process of a camera works by: its marks and its name are not among it."""
    return camera.model_dump(exclude={"calibration", "name"})
