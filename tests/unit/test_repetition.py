"""A recording fed instead of the camera is found out, copied or compressed anew; what really happens is not."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from functools import lru_cache

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from reference import ROOT, needs_reference

from branchloop.share import share
from edge.perceive.camera import open_clip
from edge.perceive.repetition import Repetition

Image = NDArray[np.uint8]
FPS = 7
PEOPLE = ROOT / "data/people"
REAL = {
    "plaza": (share("sample_video/plaza.mp4"), 1),
    "corridor": (PEOPLE / "caviar/OneLeaveShop1cor.mpg", 4),
    "room": (PEOPLE / "intel/one-by-one-person-detection.mp4", 1),
}


def clip(name: str) -> Iterator[Image]:
    path, step = REAL[name]
    if not path.exists():
        pytest.skip("the reference data are not here")
    return (frame.image for frame in itertools.islice(open_clip(path, 7.0).frames, 0, None, step))


def found_at_s(images: Iterable[Image], start_s: float = 0, judge: Repetition | None = None) -> float | None:
    judge = judge or Repetition()
    for i, image in enumerate(images):
        if judge.observe(image, start_s + i / FPS):
            return start_s + i / FPS
    return None


def compressed(image: Image, seed: int) -> Image:
    """As another encoder leaves it."""
    rng = np.random.default_rng(seed)
    noisy = np.clip(image.astype(np.int16) + rng.integers(-2, 3, image.shape, np.int8), 0, 255).astype(
        np.uint8
    )
    _, packed = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 60))])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)


@lru_cache(maxsize=100)
def quiet_room(seed: int) -> Image:
    """An empty room, to look at: the same but for the sensor's noise."""
    room = np.full((240, 320, 3), 100, np.uint8)
    room[::20] = 140
    room += np.random.default_rng(seed).integers(0, 6, room.shape, dtype=np.uint8)
    room.flags.writeable = False
    return room


@pytest.mark.parametrize(
    "name",
    [
        "plaza",
        *(pytest.param(n, marks=[pytest.mark.reference, needs_reference]) for n in ("corridor", "room")),
    ],
)
def test_what_really_happens_is_no_recording(name: str) -> None:
    """Whole clips of real footage, once."""
    assert found_at_s(clip(name)) is None


def test_a_copied_recording_is_found_as_soon_as_it_repeats() -> None:
    """Thirty seconds of the plaza again and again: found within 5 s of the second time."""
    images = list(itertools.islice(clip("plaza"), 30 * FPS))
    found_s = found_at_s(itertools.chain(images, images))
    assert found_s is not None
    assert 30 < found_s < 35


def test_a_recording_that_was_compressed_anew_is_found() -> None:
    """No two pictures are equal, but the people walk the same way: found in the second round."""
    images = list(itertools.islice(clip("plaza"), 30 * FPS))
    rounds = (compressed(image, seed * 1000 + i) for seed in range(2) for i, image in enumerate(images))
    found_s = found_at_s(rounds)
    assert found_s is not None
    assert 30 < found_s < 60


def test_a_recorded_empty_room_is_found_and_a_live_one_is_not() -> None:
    """Noise that comes back to the last bit is recorded; a quiet room's own noise never does."""
    assert found_at_s(quiet_room(i) for i in range(60 * FPS)) is None
    found_s = found_at_s(quiet_room(i % (10 * FPS)) for i in range(60 * FPS))
    assert found_s is not None
    assert found_s < 15


@pytest.mark.parametrize("loop_s", [0.6, 1, 2, 3, 3.9, 4.1])
def test_a_recording_shorter_than_the_least_lag_is_found(loop_s: float) -> None:
    """However short it is, several rounds of it are long enough."""
    count = round(loop_s * FPS)
    found_s = found_at_s(quiet_room(i % count) for i in range(60 * FPS))
    assert found_s is not None
    assert found_s < 20


@pytest.mark.parametrize("every", [1, 7, 14, 35])
def test_a_still_room_whose_encoder_goes_back_and_forth_is_no_recording(every: int) -> None:
    """Two or three pictures in turn, equal to the last bit, as key frames of a still room may be: nothing is played."""
    for pictures in (2, 3):
        images = [quiet_room(seed) for seed in range(pictures)]
        assert found_at_s(images[i // every % pictures] for i in range(120 * FPS)) is None


@pytest.mark.parametrize("pictures", [4, 6, 10])
def test_a_still_room_whose_encoder_sends_few_pictures_in_any_order_is_no_recording(pictures: int) -> None:
    """They come back at any time; a recording comes back in rounds of one length."""
    rng = np.random.default_rng(pictures)
    images = [quiet_room(seed) for seed in range(pictures)]
    assert found_at_s(images[rng.integers(pictures)] for _ in range(30 * FPS)) is None


def test_a_live_room_in_which_some_pictures_return_is_no_recording() -> None:
    """Between pictures that never were before, one comes back by chance every second: never at one distance in time."""
    rng = np.random.default_rng(1)
    seeds = [int(rng.integers(0, 20)) if i % FPS == 0 else 1_000 + i for i in range(300 * FPS)]
    assert found_at_s(quiet_room(seed) for seed in seeds) is None


def test_a_still_picture_is_no_recording() -> None:
    """A camera whose encoder sends the very same picture while nothing happens: that is `frozen`, if anything."""
    still = quiet_room(0)
    assert found_at_s(still for _ in range(60 * FPS)) is None


def test_a_screen_on_the_wall_that_repeats_its_film_is_no_recording() -> None:
    """Advertising on a screen of a twentieth of the picture, in a room that is live."""
    film = [cv2.resize(image, (72, 54)) for image in itertools.islice(clip("plaza"), 15 * FPS)]

    def room(i: int) -> Image:
        image = quiet_room(i).copy()
        image[20:74, 200:272] = film[i % len(film)]
        return image

    assert found_at_s(room(i) for i in range(75 * FPS)) is None


def test_it_is_believed_again_when_it_is_live_again() -> None:
    """The recording ends: after a quarter of a minute without a sign the camera counts as live."""
    judge = Repetition()
    assert found_at_s((quiet_room(i % 70) for i in range(200)), 0, judge) is not None
    for i in range(200 + 20 * FPS):
        judge.observe(quiet_room(10_000 + i), 30 + i / FPS)
    assert not judge.looped
