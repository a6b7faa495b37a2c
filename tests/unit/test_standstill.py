"""A hang behind an encoder is frozen, no recording and not believed; a quiet room behind the same encoder is believed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from branchloop.share import share
from edge.perceive.integrity import Integrity
from edge.perceive.repetition import Repetition
from edge.perceive.standstill import REMEMBERED_S, STANDS_S, Standstill
from edge.perceive.viewpoint import Viewpoint

Image = NDArray[np.uint8]
Scene = Literal["hangs", "noiseless", "quiet"]
FPS = 4
SIZES: dict[Scene, tuple[int, int]] = {"hangs": (320, 240), "noiseless": (320, 240), "quiet": (192, 144)}
HANGS_S = 10


def pictures(scene: Scene, seconds: int, sigma: float) -> Iterator[Image]:
    """Of an empty place: `hangs` after ten seconds, has no noise at all, or is quiet, with a sensor's noise."""
    clip = cv2.VideoCapture(str(share("sample_video/plaza.mp4")))
    frames = [cv2.resize(np.asarray(clip.read()[1], np.uint8), SIZES[scene]) for _ in range(40)]
    clip.release()
    place, rng = np.median(frames[::4], axis=0), np.random.default_rng(1)
    image = place.astype(np.uint8)
    for i in range(seconds * FPS):
        if scene == "quiet" or (scene == "hangs" and i < HANGS_S * FPS):
            image = np.clip(place + rng.normal(0, sigma, place.shape), 0, 255).astype(np.uint8)
        yield image


def decoded(images: Iterator[Image], size: tuple[int, int], encoder: str) -> Iterator[Image]:
    """What comes out of an encoder and a decoder."""
    width, height = size
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(FPS)]
    quiet = ["ffmpeg", "-v", "error", "-threads", "1"]
    sent = [*quiet, *raw, "-i", "-", *encoder.split(), "-pix_fmt", "yuv420p", "-threads", "1"]
    stream = subprocess.run(
        [*sent, "-f", "h264" if "264" in encoder else "avi", "-"],
        input=b"".join(image.tobytes() for image in images),
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    back = [*quiet, "-i", "-", "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    frames = subprocess.run(back, input=stream, check=True, stdout=subprocess.PIPE).stdout
    yield from np.frombuffer(frames, np.uint8).reshape(-1, height, width, 3)


def judged(scene: Scene, encoder: str, seconds: int, sigma: float = 2.0) -> list[tuple[float, str | None]]:
    """(when, what) of each change of the verdict."""
    integrity = Integrity(Viewpoint(), Repetition())
    told: list[tuple[float, str | None]] = [(0.0, None)]
    images = decoded(pictures(scene, seconds, sigma), SIZES[scene], encoder)
    for i, image in enumerate(images):
        if (fault := integrity.observe(image, i / FPS)) != told[-1][1]:
            told.append((i / FPS, fault))
    return told[1:]


@pytest.mark.parametrize(
    ("scene", "encoder"),
    [
        ("hangs", "-c:v libx264 -preset ultrafast -crf 20 -g 40"),
        ("hangs", "-c:v libx264 -preset ultrafast -crf 26 -g 10"),
        ("hangs", "-c:v mpeg4 -b:v 300k -g 12"),
        ("noiseless", "-c:v libx264 -preset ultrafast -crf 23 -g 8"),
    ],
)
def test_a_hang_behind_an_encoder_is_frozen_and_no_recording(scene: Scene, encoder: str) -> None:
    """Its key frames decode to other bits than what follows them, and to the same as the key frames before."""
    ((at_s, fault),) = judged(scene, encoder, 115)
    assert fault == "frozen"
    assert at_s >= STANDS_S
    assert at_s < HANGS_S + STANDS_S + 40


@pytest.mark.parametrize(
    ("encoder", "sigma"),
    [
        ("-c:v libx264 -preset veryfast -crf 30 -g 40", 0.6),
        ("-c:v libx264 -preset ultrafast -crf 26 -g 10", 0.3),
        ("-c:v libx264 -preset ultrafast -b:v 50k -maxrate 50k -bufsize 100k -g 20 -tune zerolatency", 0.3),
    ],
)
def test_a_quiet_room_behind_an_encoder_is_believed(encoder: str, sigma: float) -> None:
    """Nothing happens, and its noise nearly drowns in the encoder: still no key frame is like one before."""
    assert judged("quiet", encoder, 80, sigma) == []


def test_a_short_recording_of_movement_stays_a_recording() -> None:
    """None of its pictures is new for a minute either; what repeats is movement."""
    clip = cv2.VideoCapture(str(share("sample_video/plaza.mp4")))
    images = [np.asarray(clip.read()[1], np.uint8)[::2, ::2] for _ in range(20 * FPS)]
    clip.release()
    integrity = Integrity(Viewpoint(), Repetition())
    told = [integrity.observe(images[i % len(images)], i / FPS) for i in range(110 * FPS)]
    assert told[15 * FPS] is None
    assert set(told[25 * FPS :]) == {"looped"}


def test_a_clip_that_is_meant_to_repeat_is_no_hang() -> None:
    """`loop = true`: nobody asks whether it repeats, and none of its pictures is new for a minute."""
    clip = cv2.VideoCapture(str(share("sample_video/plaza.mp4")))
    images = [np.asarray(clip.read()[1], np.uint8)[::4, ::4] for _ in range(10 * FPS)]
    clip.release()
    integrity = Integrity(Viewpoint())
    assert {integrity.observe(images[i % len(images)], i / FPS) for i in range(100 * FPS)} == {None}


def test_one_new_picture_does_not_free_a_camera_that_stands_and_a_few_do() -> None:
    """An encoder that settles makes another one now and then."""
    standstill = Standstill()
    rng = np.random.default_rng(1)
    old = rng.integers(0, 256, (1, 24, 32), np.uint8) // 2 + rng.integers(0, 3, (4, 24, 32), np.uint8)

    def seen(from_s: int, to_s: int, new_s: set[int]) -> list[bool]:
        return [
            standstill.observe(
                rng.integers(0, 256, (24, 32), np.uint8) if t_s in new_s else old[t_s % 4], t_s
            )
            for t_s in range(from_s, to_s)
        ]

    first = seen(0, 80, set())
    assert first.index(True) == 3 + STANDS_S
    assert all(seen(80, 200, {100, 140, 180}))
    assert seen(200, 220, {205, 208, 211})[11:] == [False] * 9
    assert standstill.observe(old[0], 220 + REMEMBERED_S + 1) is False
    assert standstill.observe(old[0], 0) is False, "another clock"
