"""Real clips without a constant frame rate: MP4 files of OpenCV whose table of durations is written anew."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

HEADER_FPS = 25.0


def grey(count: int) -> list[NDArray[np.uint8]]:
    """Pictures of 64 × 48 px, each a little lighter than the one before."""
    return [np.full((48, 64, 3), 10 + 3 * index, np.uint8) for index in range(count)]


def write_mp4(
    path: Path, pictures: Iterable[NDArray[np.uint8]], steps_s: Sequence[float] | None = None
) -> Path:
    """Write a clip; `steps_s[i]` is for how long picture i is shown (1 / HEADER_FPS each without)."""
    writer: cv2.VideoWriter | None = None
    for picture in pictures:
        if writer is None:
            size = (picture.shape[1], picture.shape[0])
            writer = cv2.VideoWriter(
                str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), HEADER_FPS, size
            )
        writer.write(picture)
    assert writer is not None
    writer.release()
    if steps_s is not None:
        path.write_bytes(_restamped(path.read_bytes(), steps_s))
    return path


def _restamped(clip: bytes, steps_s: Sequence[float]) -> bytes:
    """The clip with another `stts` table. Its index lies behind the pictures, so that no offset moves."""
    at = clip.index(b"stts")
    assert clip.index(b"moov") > clip.index(b"mdat")
    size, _, entries, count, ticks = struct.unpack(">I4xIIII", clip[at - 4 : at + 20])
    assert (size, entries, count) == (24, 1, len(steps_s))
    table = b"".join(struct.pack(">II", 1, round(step_s * HEADER_FPS * ticks)) for step_s in steps_s)
    grown = bytearray(clip[: at + 8] + struct.pack(">I", len(steps_s)) + table + clip[at + 20 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        begin = clip.index(box, clip.index(b"moov")) - 4
        (old,) = struct.unpack(">I", grown[begin : begin + 4])
        grown[begin : begin + 4] = struct.pack(">I", old + len(table) - 8)
    edited = clip.index(b"elst") + 12  # else what is longer than before is left out
    grown[edited : edited + 4] = struct.pack(">I", round(sum(steps_s) * 1000))
    return bytes(grown)
