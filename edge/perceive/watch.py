"""The process of one camera: capture, motion gate, detector. Boxes leave it, pictures do not.

`python -m edge.perceive.watch CONFIG CAMERA` writes one report a line to standard output and
ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import cv2

from branchloop.errors import BranchloopError, UsageError
from branchloop.site import Site, parse_site
from edge.perceive.capture import Capture
from edge.perceive.health import Event
from edge.perceive.motion import MotionGate
from edge.perceive.people import load_detector
from edge.perceive.report import EventReport, FrameReport, encode

REFRESH_S = 1.0
"""The detector looks at least this often, whatever the gate says."""


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
    threading.Thread(target=_end_with_input, name="hints", daemon=True).start()
    capture.start()
    try:
        while True:
            got = capture.next(1.0)
            if got is None:
                continue
            if isinstance(got, Event):
                _write(encode(EventReport(camera_id, got)))
                if got.what != "state":
                    gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
                continue
            boxes = detector.detect(got.image) if gate.observe(got.image, got.t_ms) else None
            _write(encode(FrameReport(camera_id, got.t_ms, boxes)))
    finally:
        capture.stop()


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    """The parent holds the other end: when it dies, by whatever signal, so does this process."""
    while sys.stdin.readline():
        pass
    os._exit(0)


def main() -> None:
    """Entry point of the camera process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(sys.argv) != 3:
        raise UsageError("usage: python -m edge.perceive.watch CONFIG CAMERA")
    config = Path(sys.argv[1])
    try:
        watch(parse_site(config.read_text(encoding="utf-8"), str(config)), sys.argv[2], config.parent)
    except BranchloopError as error:
        sys.stderr.write(f"error: camera {sys.argv[2]}: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
