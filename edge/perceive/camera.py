"""Pictures out of files, RTSP streams and USB cameras, through OpenCV's FFmpeg back end.

USB cameras are written for Video4Linux and untested: no test machine has one.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import DependencyError, InputError
from edge.perceive.source import Source, usual_port
from edge.perceive.stamps import Pace, Timing, pace

Image = NDArray[np.uint8]
"""rows × columns × 3, BGR, 0–255."""

OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 4.0
"""A read that takes longer has lost the stream; silence is noticed earlier, by `Capture`."""

_MOST_FPS = 240.0
_LOG = logging.getLogger(__name__)

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
"""OpenCV reads FFmpeg's options from the environment at every open, and from nowhere else."""

_FILE_OPTIONS = "protocol_whitelist;file,crypto"  # a crafted playlist reaches no network
_STREAM_OPTIONS = os.environ.get(
    _OPTIONS,
    # TCP, since UDP tears pictures; `nobuffer` drops the pictures of the probing, which are old by then.
    "rtsp_transport;tcp|fflags;nobuffer|analyzeduration;500000|protocol_whitelist;rtp,rtsp,tcp,crypto",
)
_HTTP_OPTIONS = "fflags;nobuffer|analyzeduration;100000|protocol_whitelist;http,tcp"
_OPENING = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: `index` counts captured frames from 0, `t_ms` is the UTC ms of capture."""

    index: int
    t_ms: int
    image: Image


class Clip:
    """A video file that decodes. `frames` starts at the beginning each time it is asked for."""

    def __init__(
        self, path: Path, fps: float, size: tuple[int, int], announced: int, given_fps: float | None = None
    ) -> None:
        self.path = path
        self.fps = fps
        self.size = size
        """Width and height in pixels."""
        self._announced = announced
        self._given_fps = given_fps

    @cached_property
    def pace(self) -> Pace:
        """How its frames follow each other, by a look through the file that decodes nothing; a doubt is logged once."""
        return file_pace(self.path, self.fps, self._given_fps)

    @property
    def frames(self) -> Iterator[Frame]:
        """Every frame in order, as fast as it decodes; `t_ms` from the clip's start.

        That is index × 1000 / fps, or the clip's own time stamps where they leave a constant rate.
        """
        timing = Timing(self.pace)
        video = open_file(self.path)
        try:
            index = 0
            while True:
                ok, image = video.read()
                if not ok:
                    break
                t_ms = round(timing.at_ms(index, video.get(cv2.CAP_PROP_POS_MSEC)))
                yield Frame(index, t_ms, np.asarray(image, np.uint8))
                index += 1
        finally:
            video.release()
        if index < self._announced:
            _LOG.warning(
                "%s ended after %d of the %d frames that it announces", self.path, index, self._announced
            )


def open_clip(path: Path, fps: float | None = None) -> Clip:
    """Open a video file for analysis, not played. `fps` is the true rate where the header's is wrong.

    Raises InputError for whatever is not a video with at least one picture and a frame rate.
    """
    video = open_file(path)
    try:
        rate = frame_rate(video, path, fps)
        ok, image = video.read()
        if not ok:
            raise InputError(f"{path} decodes to no picture.", hint="Give a clip that a video player shows.")
        height, width = image.shape[:2]
        return Clip(path, rate, (width, height), int(video.get(cv2.CAP_PROP_FRAME_COUNT)), fps)
    finally:
        video.release()


def open_file(path: Path) -> cv2.VideoCapture:
    """A decoder at the beginning of a video file. Raises InputError for a file that is not one."""
    if not path.exists():
        raise InputError(f"{path} does not exist.", hint="Check the name of the clip.")
    if not path.is_file():
        raise InputError(f"{path} is not a file.", hint="Name the video file itself.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path} may not be read.", hint="Give this user the right to read it.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes).", hint="Copy or record the clip again.")
    video = _open(str(path.resolve()), _FILE_OPTIONS)
    if not video.isOpened():
        raise InputError(f"{path} is not a video that can be decoded.", hint="Convert it to H.264 in MP4.")
    return video


def frame_rate(video: cv2.VideoCapture, path: Path, fps: float | None) -> float:
    """The true frame rate of an open file: `fps` if given, else its header's. Raises InputError."""
    rate = video.get(cv2.CAP_PROP_FPS) if fps is None else fps
    if not (math.isfinite(rate) and 0 < rate <= _MOST_FPS):
        raise InputError(f"{path} has the impossible frame rate {rate:g}.", hint="Give its true rate as fps.")
    return rate


def file_pace(
    path: Path, rate: float, fps: float | None, stopping: Callable[[], bool] = lambda: False
) -> Pace:
    """How the frames of a video file follow each other; `fps` is its true rate if given, `rate` that or its header's.

    A sentence about a file without a constant rate is logged. Read in no time: its packets are not decoded.
    """
    video = _open(str(path.resolve()), _FILE_OPTIONS, packets=True)
    try:
        header_fps = rate if fps is None else video.get(cv2.CAP_PROP_FPS)
        stamps_ms: list[float] = []
        while not stopping() and video.grab():
            stamps_ms.append(video.get(cv2.CAP_PROP_POS_MSEC))
    finally:
        video.release()
    if stopping() or not stamps_ms:
        return Pace(rate)
    found = pace(stamps_ms, header_fps, fps)
    if found.told:
        _LOG.warning("%s: %s", path, found.told)
    return found


def open_stream(source: Source) -> cv2.VideoCapture:
    """A decoder on a live source. Raises DependencyError, whose text holds no login, within the time-out."""
    if isinstance(source.target, int):
        video = cv2.VideoCapture(source.target, cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY)
        video.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        if not video.isOpened():
            raise DependencyError(f"{source.shown} is not there.", hint="Plug the camera in or correct N.")
        return video
    video = _open(source.target, _HTTP_OPTIONS if source.kind == "http" else _STREAM_OPTIONS)
    if not video.isOpened():
        raise DependencyError(*_why_closed(source.target, source.shown))
    return video


def stream_size(source: Source) -> tuple[int, int]:
    """Width and height in pixels of a live source's pictures. Raises DependencyError where none comes."""
    video = open_stream(source)
    try:
        ok, image = video.read()
    finally:
        video.release()
    if not ok:
        raise DependencyError(f"{source.shown} gives no picture.", hint="Restart the camera.")
    return image.shape[1], image.shape[0]


def _open(target: str, options: str, *, packets: bool = False) -> cv2.VideoCapture:
    """One decoding thread: more would hold back a frame each, and a camera has one process anyway.

    `packets`: `grab` takes packets in the file's order and decodes nothing.
    """
    reading = (
        [cv2.CAP_PROP_FORMAT, -1]
        if packets
        else [
            cv2.CAP_PROP_N_THREADS,
            1,
            cv2.CAP_PROP_HW_ACCELERATION,
            cv2.VIDEO_ACCELERATION_NONE,
        ]
    )
    waiting = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        int(OPEN_TIMEOUT_S * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        int(READ_TIMEOUT_S * 1000),
    ]
    with _OPENING:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = options
        try:
            return cv2.VideoCapture(target, cv2.CAP_FFMPEG, [*waiting, *reading])
        finally:  # what others of this process open, and its children, must not be held to these
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before


def _why_closed(url: str, shown: str) -> tuple[str]:
    """OpenCV says only that a stream did not open; a plain connection tells the two causes apart."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or usual_port(url)), timeout=1.0).close()
    except OSError as error:
        return (f"{shown} cannot be reached ({error.strerror or error}); check address, power and network.",)
    return (
        f"{shown} answers but gives no video; check the path, the login and the stream's codec, "
        "and that it gives a picture in two seconds at least.",
    )
