"""A background holds nobody: people are cut out, what stays unknown is blank, and the picture is checked."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from branchloop.errors import InputError
from branchloop.wire.commands import MAX_PICTURE_BYTES
from edge.perceive.backdrop import (
    SETTLED_AT,
    SETTLED_OVER,
    Backdrop,
    Background,
    fitted,
    unpacked,
    without_people,
)

Image = NDArray[np.uint8]


class Seer:
    """Finds people where the picture is pure red: what a detector tells, without its doubts."""

    def detect(self, image_bgr: Image) -> NDArray[np.float32]:
        red = (image_bgr[..., 2] > 200) & (image_bgr[..., 1] < 60)
        rows, columns = np.nonzero(red)
        if not len(rows):
            return np.zeros((0, 5), np.float32)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1, 0.9]
        return np.array([box], np.float32)


def room(person_at: int | None, noise: int) -> Image:
    """A grey room of 160 × 120 px with a pattern, and perhaps somebody in red."""
    image = np.full((120, 160, 3), 90, np.uint8)
    image[::8] = 120
    image += np.random.default_rng(noise).integers(0, 4, image.shape, dtype=np.uint8)
    if person_at is not None:
        image[40:100, person_at : person_at + 16] = (20, 20, 240)
    return image


def backdrop(*positions: int | None) -> Background:
    made = Backdrop(Seer())
    for i, position in enumerate(positions):
        made.add(room(position, i))
    return made.finish()


def test_whoever_walks_through_is_gone() -> None:
    """Somebody in every frame, each time elsewhere: the room alone is left, and nothing is blank."""
    made = backdrop(*range(0, 144, 12))
    assert made.blank_share == 0
    truth = room(None, 99).astype(int)
    assert np.abs(unpacked(made.jpeg).astype(int) - truth).mean() < 6


def test_whoever_stays_leaves_a_blank_and_no_person() -> None:
    """Where somebody stood in all frames the picture is grey, with a margin, and only there."""
    made = backdrop(*[60] * 12)
    assert made.blank[40:100, 60:76].all()
    assert not made.blank[:, :40].any()
    assert not made.blank[:20].any()
    assert len(Seer().detect(unpacked(made.jpeg))) == 0


def test_what_never_comes_to_rest_is_blank() -> None:
    """A pixel whose samples disagree shows something that moves and that nobody recognised."""
    made = Backdrop(Seer())
    for i in range(12):
        image = room(None, i)
        image[30:60, 30:60] = 255 if i % 2 else 0
        made.add(image)
    assert made.finish().blank[30:60, 30:60].all()


def test_somebody_whom_only_the_finished_picture_shows_is_blanked() -> None:
    """The detector misses him in every frame, but not in the picture: he does not leave."""

    class Late(Seer):
        def __init__(self) -> None:
            self.samples = 12 * 5

        def detect(self, image_bgr: Image) -> NDArray[np.float32]:
            self.samples -= 1
            return np.zeros((0, 5), np.float32) if self.samples >= 0 else super().detect(image_bgr)

    made = Backdrop(Late())
    for i in range(12):
        made.add(room(60, i))
    picture = made.finish()
    assert picture.blank[45:95, 62:74].all()
    assert len(Seer().detect(unpacked(picture.jpeg))) == 0


def test_a_crowd_that_stays_gives_no_picture() -> None:
    """Refused with a reason, as are too few frames and pictures that change their size."""

    class Crowd:
        def detect(self, image_bgr: Image) -> NDArray[np.float32]:
            return np.array([[0, 0, image_bgr.shape[1], image_bgr.shape[0], 0.9]], np.float32)

    made = Backdrop(Crowd())
    for i in range(12):
        made.add(room(None, i))
    with pytest.raises(InputError, match="never seen without people"):
        made.finish()
    with pytest.raises(InputError, match="only 2 frames"):
        backdrop(None, None)
    small = Backdrop(Seer())
    small.add(room(None, 0))
    with pytest.raises(InputError, match="changed their size"):
        small.add(room(None, 0)[:100])


def test_large_pictures_are_made_small_enough_to_leave() -> None:
    """A 4K picture of noise leaves at 1280 px and under the limit, without metadata."""
    noise = np.random.default_rng(1).integers(0, 256, (2160, 3840, 3), dtype=np.uint8)
    assert fitted(noise).shape == (720, 1280, 3)

    class Nobody:
        def detect(self, _image_bgr: Image) -> NDArray[np.float32]:
            return np.zeros((0, 5), np.float32)

    made = Backdrop(Nobody())
    for _ in range(6):
        made.add(noise[:1440, :2560])
    picture = made.finish()
    assert made.samples == 6
    assert picture.camera_px == (2560, 1440)
    assert unpacked(picture.jpeg).shape == (720, 1280, 3)
    assert len(picture.jpeg) <= MAX_PICTURE_BYTES
    assert b"Exif" not in picture.jpeg


def test_collecting_ends_where_waiting_frees_nothing_more() -> None:
    """Somebody who stays keeps it waiting for a while and no longer; where he leaves, the picture is soon enough."""
    stays = Backdrop(Seer(), 100)
    leaves = Backdrop(Seer(), 100)
    for i in range(SETTLED_AT):
        assert not stays.enough()
        stays.add(room(60, i))
        leaves.add(room(60 if i < 4 else None, i))
    assert stays.enough()
    assert stays.clean_share() < 0.95
    assert leaves.clean_share() == 1


def test_collecting_goes_on_while_more_comes_free() -> None:
    """Somebody stays for good, somebody else goes late: it waits for the second, then no longer."""

    class Two:
        here = 2

        def detect(self, image_bgr: Image) -> NDArray[np.float32]:
            whole = image_bgr.shape[0] == 120
            boxes = np.array([[100, 40, 116, 100, 0.9], [20, 40, 36, 100, 0.9]], np.float32)
            return boxes[: self.here if whole else 0]

    detector = Two()
    made = Backdrop(detector, 100)
    for i in range(SETTLED_AT):
        detector.here = 2 if i < SETTLED_AT - SETTLED_OVER else 1
        made.add(room(None, i))
        assert not made.enough()
    for i in range(SETTLED_OVER):
        made.add(room(None, i))
    assert made.enough()
    assert 0.8 < made.clean_share() < 0.95


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    """After a place was blanked only the parts that show it are shown to the detector anew."""

    class Counting(Seer):
        def __init__(self) -> None:
            self.seen: list[bytes] = []

        def detect(self, image_bgr: Image) -> NDArray[np.float32]:
            self.seen.append(image_bgr.tobytes() + bytes(str(image_bgr.shape), "ascii"))
            return super().detect(image_bgr)

    detector = Counting()
    blank = without_people(detector, room(60, 0), np.zeros((120, 160), np.bool_))
    assert blank[40:100, 60:76].all()
    assert len(set(detector.seen)) == len(detector.seen)
    assert len(detector.seen) < 30 + 30 + 14
