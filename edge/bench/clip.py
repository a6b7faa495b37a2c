"""The stream that `bench edge` decodes: 720p, occupied half of the time, made when it is needed.

A clip of people is stretched to 1280×720; stretches of it alternate with stretches of its own empty scene (the
median of frames spread over the clip, so nobody is in it). Every frame gets fresh sensor noise, because
a picture that repeats costs a decoder nothing. It is **rendered from** footage, not a recording of a branch.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from branchloop.errors import DependencyError, InputError
from edge.perceive.camera import Image, open_clip

SIZE = (1280, 720)
NOISE = 2.0
"""Grey levels (σ) of sensor noise, on brightness."""
RATE = "2M"
"""Bits a second, as 720p cameras are usually set: what a decoder costs follows it more than the frame rate."""
STRETCH_S = 10
_STILLS = 41
_GRAINS = 7


def make_stream(source: Path, out: Path, *, analysed: int, analysed_fps: int, every: int) -> str:
    """Write a stream of `analysed` × `every` frames; returns its codec.

    Between two frames of the source lie `every` − 1 that fade from one to the next. H.264 where `ffmpeg` is
    installed, else MPEG-4, which OpenCV can write by itself. Raises InputError for a clip without frames.
    """
    people = _people(source, analysed)
    empty = _empty(people)
    frames = _grainy(_faded(_alternating(people, empty, analysed, analysed_fps), every))
    fps = analysed_fps * every
    if shutil.which("ffmpeg"):
        _encode(frames, out, fps)
        return "h264"
    writer = cv2.VideoWriter(str(out), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, SIZE)
    if not writer.isOpened():
        raise DependencyError("no video can be written here.", hint="Install ffmpeg, or give --clip.")
    for frame in frames:
        writer.write(frame)
    writer.release()
    return "mpeg4"


def is_occupied(index: int, analysed_fps: int) -> bool:
    """Whether analysed frame `index` of such a stream belongs to an occupied stretch."""
    return index // (STRETCH_S * analysed_fps) % 2 == 0


def _people(source: Path, wanted: int) -> list[Image]:
    frames: list[Image] = []
    for frame in open_clip(source).frames:
        frames.append(np.asarray(cv2.resize(frame.image, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8))
        if len(frames) == wanted:
            break
    if not frames:
        raise InputError(f"{source} holds no frame.", hint="Give a clip with at least a few seconds.")
    return frames


def _empty(frames: list[Image]) -> Image:
    spread = frames[:: max(1, len(frames) // _STILLS)]
    return np.asarray(np.median(np.stack(spread), axis=0), np.uint8)


def _alternating(people: list[Image], empty: Image, analysed: int, analysed_fps: int) -> Iterator[Image]:
    shown = 0
    for index in range(analysed):
        if is_occupied(index, analysed_fps):
            yield people[shown % len(people)]
            shown += 1
        else:
            yield empty


def _faded(frames: Iterator[Image], every: int) -> Iterator[Image]:
    before: Image | None = None
    for frame in frames:
        for step in range(1, every):
            share = step / every
            yield frame if before is None else cv2.addWeighted(before, 1 - share, frame, share, 0)  # type: ignore[misc]
        yield frame
        before = frame


def _grainy(frames: Iterator[Image]) -> Iterator[Image]:
    rng = np.random.default_rng(1)
    shape = (SIZE[1], SIZE[0], 1)
    grains = [np.repeat(np.round(rng.normal(0, NOISE, shape)), 3, 2).astype(np.int16) for _ in range(_GRAINS)]
    for index, frame in enumerate(frames):
        grain = np.roll(grains[index % _GRAINS], 31 * index, axis=1)
        yield np.asarray(cv2.add(frame, grain, dtype=cv2.CV_8U), np.uint8)


def _encode(frames: Iterator[Image], out: Path, fps: int) -> None:
    """As a surveillance camera does: no B frames, a key frame every two seconds, a bit rate and not a quality."""
    command = [
        "ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{SIZE[0]}x{SIZE[1]}",
        "-r", str(fps), "-i", "-", "-an", "-c:v", "libx264", "-preset", "veryfast", "-b:v", RATE, "-maxrate", RATE, "-bufsize", RATE, "-bf", "0",
        "-g", str(2 * fps), "-pix_fmt", "yuv420p", "-threads", "1", str(out),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stdin = process.stdin
        if stdin is None:
            raise DependencyError("ffmpeg cannot be written to.")
        try:
            for frame in frames:
                stdin.write(frame.tobytes())
            stdin.close()
        except BrokenPipeError as error:
            raise DependencyError("ffmpeg does not encode H.264 here.", hint="Give --clip.") from error
        said = process.stderr.read().decode(errors="replace") if process.stderr else ""
        if process.wait() != 0:
            raise DependencyError(f"ffmpeg failed: {said.strip()[:200]}.", hint="Give --clip.")
