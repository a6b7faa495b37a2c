"""The process of one camera: capture, motion gate, detector. Boxes leave it, frames do not.

On command a background leaves it as well: a picture made of many frames, with the people removed.

`python -m edge.perceive.watch CONFIG CAMERA` writes one report a line to standard output and
ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import cv2

from branchloop.errors import BranchloopError, UsageError
from branchloop.site import Site
from edge.configured import read_configured
from edge.perceive.capture import Capture
from edge.perceive.health import Event
from edge.perceive.integrity import Fault, Integrity
from edge.perceive.motion import MotionGate
from edge.perceive.people import load_detector
from edge.perceive.report import EventReport, FrameReport, encode
from edge.perceive.taking import Taking

REFRESH_S = 1.0
"""The detector looks at least this often, whatever the gate says."""
TELL_MS = 2_000
_WRITING = threading.Lock()
SAID: dict[Fault, str] = {
    "covered": "covered: the picture shows nothing. Look at the lens and the light.",
    "blurred": "blurred: the picture has lost its detail. Clean the lens or focus it.",
    "frozen": "frozen: the very same picture for a minute. Restart the camera.",
}


def watch(site: Site, camera_id: str, base_dir: Path) -> None:
    """Report the frames of one camera until standard input ends or the clip is over."""
    camera = next((camera for camera in site.cameras if camera.id == camera_id), None)
    if camera is None:
        raise UsageError(f"no camera {camera_id!r} in the configuration.")
    cv2.setNumThreads(1)
    detector = load_detector(
        site.box.detector if site.box else "nanodet", score_floor=site.tracking.low_score
    )
    gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
    capture = Capture(camera, base_dir)
    integrity, fault, told_ms = Integrity(), None, 0
    name = site.box.detector if site.box else "nanodet"
    taking = Taking(
        camera_id, lambda floor: load_detector(name, score_floor=floor), lambda told: _write(encode(told))
    )
    threading.Thread(target=_hear, args=(taking,), name="hints", daemon=True).start()
    capture.start()
    try:
        while True:
            got = capture.next(1.0)
            if got is None:
                taking.offer(None, _now_ms())
                continue
            if isinstance(got, Event):
                _write(encode(EventReport(camera_id, got)))
                if got.what != "state":
                    integrity, fault = Integrity(), None
                    gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
                continue
            was, fault = fault, integrity.observe(got.image, got.t_ms / 1000)
            if fault != was:
                _write(encode(EventReport(camera_id, _judged(fault, got.t_ms))))
                gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
            if fault is not None:
                if got.t_ms - told_ms >= TELL_MS:  # the box takes a silent process for a hanging one
                    told_ms = got.t_ms
                    _write(encode(EventReport(camera_id, _judged(fault, got.t_ms))))
                taking.offer(None, got.t_ms)
                continue
            taking.offer(got.image, got.t_ms)
            boxes = detector.detect(got.image) if gate.observe(got.image, got.t_ms) else None
            _write(encode(FrameReport(camera_id, got.t_ms, boxes)))
    finally:
        capture.stop()


def _judged(fault: Fault | None, t_ms: int) -> Event:
    """A camera whose pictures show nothing observes nothing: it is stalled, however many frames come."""
    if fault is None:
        return Event("state", t_ms, state="up", detail="the picture is well again")
    return Event("state", t_ms, state="stalled", detail=SAID[fault])


def _write(line: str) -> None:
    with _WRITING:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _hear(taking: Taking) -> None:
    """The parent holds the other end: when it dies, by whatever signal, so does this process.

    What it may say is `background COMMAND EXPIRES_MS`.
    """
    while line := sys.stdin.readline():
        words = line.split()
        if len(words) == 3 and words[0] == "background" and words[2].isdecimal():
            taking.ask(words[1], _now_ms(), int(words[2]))
    os._exit(0)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Entry point of the camera process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(sys.argv) != 3:
        raise UsageError("usage: python -m edge.perceive.watch CONFIG CAMERA")
    config = Path(sys.argv[1])
    try:
        watch(read_configured(config).site, sys.argv[2], config.parent)
    except BranchloopError as error:
        sys.stderr.write(f"error: camera {sys.argv[2]}: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
