"""Photos from outside, decoded without trusting them: what the header promises is judged before any pixel."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

from branchloop.errors import InputError
from edge.perceive.faces.engine import Image

MAX_BYTES = 30_000_000
MAX_PIXELS = 50_000_000
REDUCED_PIXELS = 8_000_000
"""Larger JPEGs are decoded at a half, quarter or eighth: a face needs no more."""


def decode_photo(content: bytes, name: str = "the photo") -> Image:
    """JPEG or PNG -> (rows, columns, 3) BGR. Raises InputError for anything else, or too much of it."""
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has {len(content) // 1_000_000} MB.", hint="Send one of at most 30 MB.")
    width, height = size_px(content, name)
    pixels = width * height
    if pixels > MAX_PIXELS:
        raise InputError(
            f"{name} has {pixels // 1_000_000} megapixels.", hint="Send one of at most 50 megapixels."
        )
    flag = cv2.IMREAD_COLOR
    if pixels > REDUCED_PIXELS and content[:2] == b"\xff\xd8":
        flag = cv2.IMREAD_REDUCED_COLOR_2 if pixels < 4 * REDUCED_PIXELS else cv2.IMREAD_REDUCED_COLOR_4
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    except cv2.error as error:
        raise InputError(f"{name} is damaged.", hint="Take it again.") from error
    if image is None:
        raise InputError(f"{name} is damaged.", hint="Take it again.")
    return np.asarray(image, np.uint8)


def read_photo(path: Path) -> Image:
    """A picture file. Raises InputError when it cannot be read or decoded."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path} is larger than 30 MB.", hint="Give a smaller one.")
        return decode_photo(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the name.") from error


def size_px(content: bytes, name: str = "the photo") -> tuple[int, int]:
    """Width and height as the header says. Raises InputError when it is neither JPEG nor PNG."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return _sound(width, height, name)
    if content[:2] == b"\xff\xd8":
        return _sound(*_jpeg_size(content, name), name)
    raise InputError(f"{name} is neither JPEG nor PNG.", hint="Save it as JPEG.")


def _jpeg_size(content: bytes, name: str) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            break
        marker = content[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        if marker in {0x01, *range(0xD0, 0xD9)}:
            at += 2
            continue
        at += 2 + int(struct.unpack(">H", content[at + 2 : at + 4])[0])
    raise InputError(f"{name} is damaged: it has no picture.", hint="Take it again.")


def _sound(width: int, height: int, name: str) -> tuple[int, int]:
    if width < 16 or height < 16:
        raise InputError(f"{name} is {width}×{height} px.", hint="Send a larger one.")
    return width, height
