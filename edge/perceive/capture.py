"""A camera in operation: newest frame first, reconnecting by itself, its state always known.

A grabber thread reads (and may block in) the source; `Capture.next`, in the caller's thread, watches the
time since it last heard of a frame, so a read that hangs cannot hide a stall. A file plays in real time
like a camera: what is not fetched in time is dropped and counted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from branchloop.errors import BranchloopError, DependencyError, InputError
from branchloop.site.site import Camera
from branchloop.wire.messages import DeviceState
from edge.perceive.anchor import Clock
from edge.perceive.backoff import Backoff
from edge.perceive.camera import (
    OPEN_TIMEOUT_S,
    READ_TIMEOUT_S,
    Frame,
    Image,
    file_pace,
    frame_rate,
    open_file,
    open_stream,
)
from edge.perceive.health import Event, Health, silent_after_s
from edge.perceive.mailbox import Mailbox
from edge.perceive.pacing import Backlog, Sampler, Schedule
from edge.perceive.source import resolve
from edge.perceive.stamps import Timing

_STEADY_S = 10.0
"""A stream that held this long is well again: the next failure is retried soon."""


@dataclass(frozen=True, slots=True, eq=False)
class _Grabbed:
    index: int
    t_s: float
    image: Image


@dataclass(frozen=True, slots=True)
class _Lost:
    t_s: float
    detail: str


@dataclass(frozen=True, slots=True)
class _Cut:
    detail: str


@dataclass(frozen=True, slots=True)
class _Ended:
    pass


@dataclass(frozen=True, slots=True)
class _Crashed:
    error: BaseException


_Told = _Lost | _Cut | _Ended | _Crashed


class Capture:
    """One camera's frames and events, for one reader.

    Frames come at no more than the camera's `analysed_fps`. Raises ConfigError for a source that the
    configuration itself makes impossible; what may mend by itself shows as state `down` and is retried.
    """

    def __init__(
        self, camera: Camera, base_dir: Path, clock: Clock | None = None, backoff: Backoff | None = None
    ) -> None:
        self._camera = camera
        self._source = resolve(camera, base_dir)
        self._clock = clock or Clock()
        self._backoff = backoff or Backoff()
        self._mailbox: Mailbox[_Told, _Grabbed] = Mailbox()
        self._stopping = threading.Event()
        self._anew = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture-{camera.id}", daemon=True)
        self._sampler = Sampler(camera.analysed_fps)
        self._ready: _Grabbed | None = None
        self._health = Health(silent_after_s(camera.fps))
        self._heard_s = float("-inf")
        self._noted_s = float("-inf")
        self._lost_s = float("-inf")
        self._skipped = 0
        self.captured = 0
        """Frames the source delivered so far."""

    @property
    def state(self) -> DeviceState:
        """State as last reported by `next`."""
        return self._health.state

    @property
    def dropped(self) -> int:
        """Frames that were due for analysis but came too late or were not fetched before the next one."""
        return self._skipped + self._mailbox.replaced

    def start(self) -> None:
        """Begin to capture; the state is `starting` until `next` reports otherwise."""
        self._thread.start()

    def stop(self) -> None:
        """End the capture; returns when the source is closed, or has hung for longer than its time-outs."""
        self._stopping.set()
        self._mailbox.wake()
        if self._thread.ident is not None:
            self._thread.join(OPEN_TIMEOUT_S + READ_TIMEOUT_S)

    def connect_anew(self) -> None:
        """Open a live source again: its decoder scales all pictures to the size that it met first."""
        self._anew.set()

    def next(self, timeout_s: float) -> Frame | Event | None:
        """The newest frame not yet fetched, or the next event; None when nothing came in time."""
        until_s = self._clock.now_s() + timeout_s
        while True:
            step = self._clock.check()
            if step is not None:
                return Event("step", step.at_ms, detail="the wall clock was set", step_ms=step.by_ms)
            if self._heard_s > max(self._noted_s, self._lost_s):
                self._noted_s = self._heard_s
                if state := self._health.data(self._noted_s):
                    return self._event(state, self._noted_s)
            if self._ready is not None:
                frame, self._ready = self._ready, None
                return Frame(frame.index, self._clock.utc_ms(frame.t_s), frame.image)
            now_s = self._clock.now_s()
            wait_s = 0.0 if self._stopping.is_set() else min(until_s, self._health.silent_at_s()) - now_s
            told = self._mailbox.get(wait_s)
            if isinstance(told, _Grabbed):
                self._ready = told  # behind the event that its coming may cause
                continue
            if told is not None:
                if event := self._event_of(told):
                    return event
                continue
            now_s = self._clock.now_s()
            if self._heard_s <= self._noted_s and (state := self._health.tick(now_s)):
                return self._event(state, now_s, f"no picture for {now_s - self._noted_s:.0f} s")
            if now_s >= until_s or self._stopping.is_set():
                return None

    def _event_of(self, told: _Told) -> Event | None:
        match told:
            case _Lost(t_s, detail):
                self._lost_s = t_s
                state = self._health.lost(t_s, detail)
                return self._event(state, t_s, detail) if state else None
            case _Cut(detail):
                return Event("cut", self._clock.utc_ms(self._clock.now_s()), detail=detail)
            case _Ended():
                state = self._health.ended()
                return self._event(state, self._clock.now_s(), "the clip is over") if state else None
            case _Crashed(error):
                raise error

    def _event(self, state: DeviceState, at_s: float, detail: str = "") -> Event:
        return Event("state", self._clock.utc_ms(at_s), state=state, detail=detail)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    if self._source.live:
                        self._follow()
                    else:
                        self._play()
                        self._mailbox.put_event(_Ended())
                        return
                except (BranchloopError, cv2.error) as error:
                    self._mailbox.put_event(_Lost(self._clock.now_s(), str(error)))
                    self._stopping.wait(self._backoff.next_s())
        except BaseException as error:  # noqa: BLE001 - a thread's death must reach the process
            self._mailbox.put_event(_Crashed(error))

    def _follow(self) -> None:
        """Read a live source until it fails (DependencyError), or is to be opened again, or `stop` is called."""
        video = open_stream(self._source)
        self._anew.clear()
        try:
            opened_s = self._clock.now_s()
            backlog = Backlog(video.get(cv2.CAP_PROP_FPS))
            while not (self._stopping.is_set() or self._anew.is_set()):
                asked_s = self._clock.now_s()
                grabbed = video.grab()
                t_s = self._clock.now_s()
                if not grabbed or t_s - asked_s >= READ_TIMEOUT_S:
                    # After a time-out the decoder still hands over what it kept back: an old picture.
                    raise DependencyError(self._why_lost(t_s - asked_s))
                if t_s - opened_s > _STEADY_S:
                    self._backoff.succeeded()
                if not backlog.holds(t_s - asked_s):
                    self._take(video, t_s)
        finally:
            video.release()

    def _why_lost(self, waited_s: float) -> str:
        if waited_s >= READ_TIMEOUT_S:
            return f"{self._source.shown} sent nothing for {READ_TIMEOUT_S:.0f} s; connecting anew."
        return f"{self._source.shown} ended the stream; connecting anew."

    def _play(self) -> None:
        """Play a file in real time until it is over or `stop` is called; for ever if it loops."""
        path, fps = Path(self._source.shown), self._camera.fps
        video = open_file(path)
        try:
            rate = frame_rate(video, path, fps)
        finally:
            video.release()
        pace = file_pace(path, rate, fps, self._stopping.is_set)
        schedule = Schedule(rate, self._clock.now_s())
        begin_s = at_s = 0.0
        while not self._stopping.is_set():
            timing, index = Timing(pace), 0
            video = open_file(path)
            try:
                while not self._stopping.is_set() and video.grab():
                    at_s = begin_s + timing.at_ms(index, video.get(cv2.CAP_PROP_POS_MSEC)) / 1000
                    self._present(video, schedule, at_s)
                    index += 1
            finally:
                video.release()
            if self._stopping.is_set():
                return
            if not index:
                raise InputError(
                    f"{path} decodes to no picture.", hint="Give a clip that a video player shows."
                )
            self._backoff.succeeded()
            if not self._camera.loop:
                return
            begin_s = at_s + 1 / rate
            self._mailbox.put_event(_Cut("the clip starts again"))

    def _present(self, video: cv2.VideoCapture, schedule: Schedule, at_s: float) -> None:
        """Hand over the frame at `at_s` of a clip when it is due, or drop it when the next one is due as well."""
        if late_s := schedule.shift(at_s, self._clock.now_s()):
            self._mailbox.put_event(_Cut(f"the clip was held up for {late_s:.1f} s"))
        due_s = schedule.due_s(at_s)
        self._stopping.wait(max(0.0, due_s - self._clock.now_s()))
        self._take(video, due_s, late=schedule.skips(at_s, self._clock.now_s()))

    def _take(self, video: cv2.VideoCapture, t_s: float, *, late: bool = False) -> None:
        """Count the frame just grabbed and hand it over if it is one to analyse and not `late`."""
        index = self.captured
        self.captured += 1
        self._heard_s = self._clock.now_s()
        if not self._sampler.takes(t_s):
            return
        ok, image = (False, None) if late else video.retrieve()
        if ok and image is not None:
            self._mailbox.put_frame(_Grabbed(index, t_s, np.asarray(image, np.uint8)))
        else:
            self._skipped += 1
