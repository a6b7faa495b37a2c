"""Photos from outside: what is refused, and that refusing costs nothing."""

from __future__ import annotations

import contextlib
import resource
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, strategies as st

from branchloop.errors import InputError
from edge.perceive.faces.decode import MAX_BYTES, decode_photo, size_px


def jpeg(width: int, height: int) -> bytes:
    ok, content = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))
    assert ok
    return content.tobytes()


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that would take gigabytes."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
        + chunk(b"IEND", b"")
    )


def test_pictures_are_decoded() -> None:
    """JPEG and PNG, at their size."""
    assert decode_photo(jpeg(320, 240)).shape == (240, 320, 3)
    ok, png = cv2.imencode(".png", np.zeros((50, 60, 3), np.uint8))
    assert ok
    assert decode_photo(png.tobytes()).shape == (50, 60, 3)


def test_forty_megapixels_are_decoded_smaller() -> None:
    """A phone's largest photo is taken, at a quarter of its sides."""
    content = jpeg(8_000, 5_000)
    assert size_px(content) == (8_000, 5_000)
    assert max(decode_photo(content).shape) <= 4_000


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    """Nothing of it is decoded."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="900 megapixels"):
        decode_photo(bomb(30_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (jpeg(320, 240)[:300], "damaged"),
        (b"GIF89a" + b"\0" * 50, "neither JPEG nor PNG"),
        (b"", "neither JPEG nor PNG"),
        (jpeg(8, 8), "8×8 px"),
        (b"\xff\xd8" + b"\0" * (MAX_BYTES + 1), "MB"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_sentence(content: bytes, words: str) -> None:
    """Each fault has its own."""
    with pytest.raises(InputError, match=words):
        decode_photo(content)


@given(st.binary(max_size=400), st.integers(0, 600))
def test_garbage_is_refused_or_decoded_and_never_worse(noise: bytes, at: int) -> None:
    """Bytes put into the middle of a photo."""
    content = jpeg(64, 48)
    with contextlib.suppress(InputError):
        assert decode_photo(content[:at] + noise + content[at + len(noise) :]).ndim == 3
