"""The process of one camera: capture, motion gate, detector. Boxes leave it, frames do not.

On command a background leaves it as well: a picture made of many frames, with the people removed.

`python -m edge.perceive.watch CONFIG CAMERA` reads from standard input what it works by (see `edge.perceive.orders`), and
ends when that does; CONFIG only says where its files are. It writes one report a line to standard output, and an empty
line while it waits for pictures.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import BranchloopError, UsageError
from branchloop.site.site import Camera, Site
from branchloop.wire.messages import CameraFault
from edge.floor.calibration import calibrate
from edge.perceive.capture import Capture
from edge.perceive.faults import judged, misfit
from edge.perceive.health import Event
from edge.perceive.integrity import BLIND
from edge.perceive.kept_view import KeptView
from edge.perceive.motion import MotionGate
from edge.perceive.orders import decode_site
from edge.perceive.people import FAINT_SCORE, Detector, load_detector
from edge.perceive.report import EventReport, FrameReport, encode
from edge.perceive.retelling import Retelling
from edge.perceive.sight import Sight
from edge.perceive.taking import Taking

REFRESH_S = 1.0
"""The detector looks at least this often, whatever the gate says."""
TELL_MS = 2_000
ANEW_MS = 10_000
"""So often a stream whose pictures are of another size is opened again: it may have been set right."""
_WRITING = threading.Lock()


def watch(site: Site, base_dir: Path) -> None:
    """Report the frames of a site's only camera until standard input ends or the clip is over."""
    (camera,) = site.cameras
    cv2.setNumThreads(1)
    detector = load_detector(site.detector, score_floor=min(FAINT_SCORE, site.tracking.low_score))
    gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
    capture = Capture(camera, base_dir)
    view = KeptView(site, camera, base_dir)
    sight = _sight(detector, site, camera)
    integrity, told_ms, set_ms = view.integrity(), 0, 0
    fault: CameraFault | None = None
    retelling = Retelling()
    wrong, anew_ms = "", 0
    people: NDArray[np.float32] | None = None
    name = site.detector
    taking = Taking(
        camera.id, lambda floor: load_detector(name, score_floor=floor), lambda told: _write(encode(told))
    )
    recalibrated: queue.SimpleQueue[Site] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(taking, recalibrated), name="hints", daemon=True).start()
    capture.start()
    try:
        while True:
            got = capture.next(1.0)
            if got is None:
                _write("")  # it lives: a process that is silent hangs
                taking.offer(None, _now_ms())
                continue
            if not recalibrated.empty():
                site = recalibrated.get()
                (camera,) = site.cameras
                view = KeptView(site, camera, base_dir)
                sight = _sight(detector, site, camera)
                integrity = view.integrity()
            if isinstance(got, Event):
                if got.what == "step":  # the pictures go on: what is wrong with them is still wrong
                    set_ms += got.step_ms
                    told_ms = anew_ms = 0
                else:
                    wrong = ""
                if got.what != "state":
                    gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
                elif got.state == "up" and fault is not None:  # it is back, and its picture is as it was
                    got = judged(fault, got.at_ms, view.said)
                _write(encode(EventReport(camera.id, got)))
                if got.what == "cut":
                    was, integrity, fault = fault, view.integrity(), view.fault
                    if fault != was:
                        _write(encode(EventReport(camera.id, judged(fault, got.at_ms, view.said))))
                continue
            was_wrong, wrong = wrong, misfit((got.image.shape[1], got.image.shape[0]), camera)
            if wrong:
                if not was_wrong or got.t_ms - anew_ms >= ANEW_MS:
                    anew_ms = got.t_ms
                    if was_wrong:
                        capture.connect_anew()
                if wrong != was_wrong or got.t_ms - told_ms >= TELL_MS:
                    told_ms = got.t_ms
                    _write(encode(EventReport(camera.id, Event("state", got.t_ms, "stalled", wrong))))
                taking.offer(got.image, got.t_ms)  # with a picture of this size it can be calibrated anew
                continue
            if was_wrong:
                _write(encode(EventReport(camera.id, judged(fault, got.t_ms, view.said))))
            t_s = (got.t_ms - set_ms) / 1000
            was, fault = fault, integrity.observe(got.image, t_s, people)
            view.keep()
            anew = retelling.due(integrity.motion, got.image.shape[1], t_s)
            if fault == was == "moved" and anew:
                _write(encode(EventReport(camera.id, judged(fault, got.t_ms, view.said))))
            if fault != was:
                _write(encode(EventReport(camera.id, judged(fault, got.t_ms, view.said))))
                gate = MotionGate(camera.analysed_fps, refresh_s=REFRESH_S)
            if fault in BLIND:
                if got.t_ms - told_ms >= TELL_MS:  # the box takes a silent process for a hanging one
                    told_ms = got.t_ms
                    _write(encode(EventReport(camera.id, judged(fault, got.t_ms))))
                taking.offer(None, got.t_ms)
                continue
            taking.offer(got.image, got.t_ms)
            boxes = sight.look(got.image, got.t_ms) if gate.observe(got.image, got.t_ms) else None
            people = people if boxes is None else boxes[:, :5]
            _write(encode(FrameReport(camera.id, got.t_ms, boxes)))
    finally:
        capture.stop()


def _sight(detector: Detector, site: Site, camera: Camera) -> Sight:
    marks = camera.calibration
    calibration = calibrate(marks.points, marks.picture_px, marks.distortion, marks.focal_px)
    return Sight(detector, calibration, site.plan.width_m, site.plan.height_m)


def _write(line: str) -> None:
    with _WRITING:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _hear(taking: Taking, recalibrated: queue.SimpleQueue[Site]) -> None:
    """The parent holds the other end: when it dies, by whatever signal, so does this process."""
    while line := sys.stdin.readline():
        words = line.split()
        if len(words) == 3 and words[0] == "background" and words[2].isdecimal():
            taking.ask(words[1], _now_ms(), int(words[2]))
        elif (site := decode_site(line)) is not None:
            recalibrated.put(site)
    os._exit(0)


def _without_name(error: BranchloopError) -> str:
    """The sentence for the camera's light, which has its name beside it."""
    return str(error).removeprefix(f"camera {sys.argv[2]!r}: ")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> None:
    """Entry point of the camera process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if len(sys.argv) != 3:
        raise UsageError("usage: python -m edge.perceive.watch CONFIG CAMERA")
    try:
        site = decode_site(sys.stdin.readline())
        if site is not None:
            watch(site, Path(sys.argv[1]).parent)
    except BranchloopError as error:
        _write(encode(EventReport(sys.argv[2], Event("state", _now_ms(), "down", _without_name(error)))))
        sys.stderr.write(f"error: camera {sys.argv[2]}: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
