"""What is kept of a camera's view outlives restarts: a damaged file is learnt anew, a blurred lens is not forgiven."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from branchloop.share import share
from branchloop.site.site import Camera, Site, parse_site
from edge.perceive.detail import LEARN_PICTURES, Detail, Usual
from edge.perceive.faults import view_file
from edge.perceive.integrity import Fault, Integrity
from edge.perceive.kept_view import KeptView, read_view, store_view

Image = NDArray[np.uint8]
PICTURE_PX = (768, 576)


@pytest.fixture(scope="module")
def plaza() -> list[Image]:
    """Two pictures a second."""
    clip = cv2.VideoCapture(str(share("sample_video/plaza.mp4")))
    images = [np.asarray(clip.read()[1], np.uint8) for _ in range(300)]
    clip.release()
    return images[::4]


def blur(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 9), np.uint8)


def night(image: Image, seed: int) -> Image:
    """Dim, infrared, and full of noise that is another in every picture."""
    noise = np.random.default_rng(seed).normal(0, 8, image.shape[:2])
    grey = np.clip(image[..., 1] * 0.25 + noise, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def judge(integrity: Integrity, images: Iterable[Image], start_s: float) -> list[Fault | None]:
    return [integrity.observe(image, start_s + i / 2) for i, image in enumerate(images)]


def demo(**marks: object) -> tuple[Site, Camera]:
    """The demo's first camera, with other marks of calibration if wanted."""
    site = parse_site(share("configs/demo.toml").read_text(encoding="utf-8"), "demo.toml")
    camera = site.cameras[0]
    return site, camera.model_copy(update={"calibration": camera.calibration.model_copy(update=marks)})


def run(folder: Path, images: list[Image], start_s: float, **marks: object) -> list[Fault | None]:
    """A run of a camera's process, as far as its view goes."""
    view = KeptView(*demo(**marks), folder)
    integrity = view.integrity()
    verdicts = []
    for i, image in enumerate(images):
        verdicts.append(integrity.observe(image, start_s + i / 2))
        view.keep()
    return verdicts


def stored(folder: Path) -> Path:
    site, camera = demo()
    path = view_file(site, camera, folder)
    assert path is not None
    return path


def test_a_lens_that_is_blurred_stays_so_over_a_restart(tmp_path: Path, plaza: list[Image]) -> None:
    """Sharp, restarted while blurred, again, then clean: told from the first seconds, and taken back."""
    blurred = [blur(image) for image in plaza]
    assert set(run(tmp_path, plaza, 0)) == {None}
    for start_s in (100, 200):
        verdicts = run(tmp_path, blurred, start_s)
        assert set(verdicts[10:]) == {"blurred"}
    assert set(run(tmp_path, plaza, 300)) == {None}
    view = KeptView(*demo(), tmp_path)
    judge(view.integrity(), blurred[:20], 400)
    assert judge(view.integrity(), blurred[:20], 410)[-1] == "blurred", "after a cut or a set clock as well"
    assert judge(view.integrity(), plaza[:20], 420)[-1] is None


def test_a_blurred_picture_that_comes_twice_is_blurred(tmp_path: Path, plaza: list[Image]) -> None:
    """The encoder repeats what has not changed."""
    run(tmp_path, plaza, 0)
    twice = [blur(image) for image in plaza[:20] for _ in (0, 1)]
    assert set(run(tmp_path, twice, 100)[10:]) == {"blurred"}


def test_a_new_calibration_learns_the_detail_afresh(tmp_path: Path, plaza: list[Image]) -> None:
    """Another lens is calibrated anew: what the one before showed is forgotten."""
    softer = [blur(image) for image in plaza]
    run(tmp_path, plaza, 0)
    assert set(run(tmp_path, softer, 100, measured_on=date(2031, 5, 4))) == {None}
    assert not stored(tmp_path).exists()


def test_pictures_of_another_size_are_learnt_afresh(tmp_path: Path, plaza: list[Image]) -> None:
    """The camera sends its sub-stream now, which has less detail."""
    run(tmp_path, plaza, 0)
    smaller = [np.asarray(cv2.resize(blur(image), (640, 480)), np.uint8) for image in plaza]
    assert "blurred" not in run(tmp_path, smaller, 100)
    _, usual = read_view(stored(tmp_path))
    assert usual is not None
    assert usual.picture_px == (640, 480)


def test_a_night_of_noise_makes_no_blurred_morning(tmp_path: Path, plaza: list[Image]) -> None:
    """Learnt by night, restarted by day, and the other way round; a lens that blurs by day is told after the night."""
    dark = [night(image, i) for i, image in enumerate(plaza)]
    assert set(run(tmp_path, dark, 0)) == {None}
    assert "blurred" not in run(tmp_path, plaza, 100)
    assert "blurred" not in run(tmp_path, dark, 200)
    assert run(tmp_path, [blur(image) for image in plaza], 300)[-1] == "blurred"


def test_a_frozen_picture_teaches_nothing(plaza: list[Image]) -> None:
    """Of the very same picture, what is noise cannot be told."""
    detail = Detail()
    greys = [np.ascontiguousarray(night(image, i)[::2, ::2, 1]) for i, image in enumerate(plaza[:60])]
    for grey in greys:
        detail.lost(grey, PICTURE_PX)
    before = detail.usual
    assert before is not None
    assert not any(detail.lost(greys[-1], PICTURE_PX) for _ in range(500))
    assert detail.usual == before


def test_the_detail_is_stored_once_learnt_and_when_it_changes(plaza: list[Image]) -> None:
    """Not at every picture: a disk has better things to do."""
    detail = Detail()
    greys = [np.ascontiguousarray(image[::2, ::2, 1]) for image in plaza]
    changes = []
    for i, grey in enumerate(greys):
        detail.lost(grey, PICTURE_PX)
        if detail.changed:
            changes.append(i)
            detail.changed = False
    assert changes == [LEARN_PICTURES]


@pytest.fixture
def whole(tmp_path: Path, plaza: list[Image]) -> tuple[Path, bytes]:
    """A stored view and its bytes."""
    run(tmp_path, plaza, 0)
    path = stored(tmp_path)
    looks, usual = read_view(path)
    assert len(looks) == 1
    assert usual is not None
    assert path.stat().st_mode & 0o777 == 0o600
    return path, path.read_bytes()


def _truncated(whole: bytes, random: random.Random) -> bytes:
    return whole[: random.randrange(len(whole))]


def _flipped(whole: bytes, random: random.Random) -> bytes:
    """A few bits anywhere, most of them where the archive says what it holds."""
    spoiled = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        at = random.choice([random.randrange(len(whole)), random.randrange(200), -1 - random.randrange(300)])
        spoiled[at] ^= 1 << random.randrange(8)
    return bytes(spoiled)


def _zeroed(whole: bytes, random: random.Random) -> bytes:
    """A block that the disk never wrote."""
    begin = random.randrange(len(whole))
    return whole[:begin] + bytes(len(whole[begin : begin + 512])) + whole[begin + 512 :]


@pytest.mark.parametrize("spoil", [_truncated, _flipped, _zeroed])
def test_a_damaged_view_is_learnt_anew(
    spoil: Callable[[bytes, random.Random], bytes], whole: tuple[Path, bytes], tmp_path: Path
) -> None:
    """Whatever is wrong with the file, the camera's process lives; nothing wrong is believed."""
    path, good = whole
    looks, usual = read_view(path)
    for seed in range(500):
        path.write_bytes(spoil(good, random.Random(seed)))
        found, found_usual = read_view(path)
        assert found == [] or np.array_equal(found[0], looks[0])
        assert found_usual in {None, usual}
    for length in (0, 1, 21, 22, len(good) - 1):
        path.write_bytes(good[:length])
        assert read_view(path) == ([], None)
        assert KeptView(*demo(), tmp_path).fault is None


def test_a_view_of_an_earlier_release_is_read(tmp_path: Path, whole: tuple[Path, bytes]) -> None:
    """It holds no detail: that is learnt, the looks stay."""
    path, _ = whole
    with np.load(path) as parts:
        packed = parts["looks"]
    np.savez_compressed(tmp_path / "old.npz", looks=packed)
    looks, usual = read_view(tmp_path / "old.npz")
    assert np.array_equal(looks[0], read_view(path)[0][0])
    assert usual is None


@pytest.mark.parametrize("numbers", [[0.0, 1, 1], [np.nan, 1, 1], [np.inf, 1, 1], [1.0, -1, 1], [1.0, 1]])
def test_a_detail_that_cannot_be_is_learnt_anew(numbers: list[float], tmp_path: Path) -> None:
    """Whole, but not what this program has written."""
    np.savez_compressed(tmp_path / "v.npz", looks=np.zeros((2, 0, 1, 1), np.int8), usual=np.array(numbers))
    assert read_view(tmp_path / "v.npz") == ([], None)


def test_a_disk_that_does_not_take_the_view_keeps_the_one_before(
    whole: tuple[Path, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On disk before it takes the place of the old one, or not at all; nothing is left lying about."""
    path, good = whole

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store_view(path, [], Usual(1.0, PICTURE_PX))
    assert path.read_bytes() == good
    assert list(path.parent.iterdir()) == [path]
