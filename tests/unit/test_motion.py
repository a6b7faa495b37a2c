"""The motion gate: open for anybody who moves, shut for noise and slow light."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from grain import Grain
from numpy.typing import NDArray
from reference import ROOT

from edge.perceive.camera import open_clip
from edge.perceive.motion import MotionGate

Picture = NDArray[np.uint8]
PEOPLE = ROOT / "data" / "people"
needs_reference = [
    pytest.mark.reference,
    pytest.mark.skipif(not PEOPLE.is_dir(), reason=f"no reference data at {ROOT} (BRANCHLOOP_REFERENCE)"),
]


def hall(width: int = 384, height: int = 288) -> NDArray[np.float64]:
    """An empty floor with some texture; the caller's own."""
    return _floor(width, height).copy()


@cache
def _floor(width: int, height: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(70, 150, (9, 12, 3)).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float64)


def share_open(gate: MotionGate, pictures: Iterator[Picture]) -> float:
    opened = [gate.observe(picture) for picture in pictures]
    return sum(opened) / len(opened)


@pytest.mark.parametrize("sigma", [0.0, 2.0, 6.0, 15.0])
def test_an_empty_hall_opens_only_to_refresh(sigma: float) -> None:
    """Sensor noise, even a dark camera's, opens nothing; once a second the detector looks all the same."""
    grain = Grain(sigma, 1)
    gate = MotionGate(7)
    list(itertools.islice((gate.observe(grain.over(hall())) for _ in range(14)), 14))
    share = share_open(gate, (grain.over(hall()) for _ in range(140)))
    assert share == pytest.approx(1 / 7, abs=0.01)


def test_slow_and_sudden_light_is_not_motion() -> None:
    """A cloud (40 % in 20 s), and a lamp that brightens everything at once, open no more than the refresh."""
    grain = Grain(2, 1)
    gate = MotionGate(7)
    cloud = (grain.over(hall() * (1 - 0.4 * i / 140)) for i in range(140))
    assert share_open(gate, cloud) <= 1 / 7 + 0.03
    lamp = (grain.over(hall() * 0.6 + (25 if i > 70 else 0)) for i in range(140))
    assert share_open(gate, lamp) <= 1 / 7 + 0.05


@pytest.mark.parametrize("size", [(384, 288), (768, 576), (1280, 720)])
@pytest.mark.parametrize("contrast", [-40, 30])
def test_a_far_person_who_walks_keeps_it_open(size: tuple[int, int], contrast: float) -> None:
    """Somebody 24 px tall in 384 (as small as a detector can see), walking, is never missed."""
    grain = Grain(3, 2)
    gate = MotionGate(7)
    width, height = size
    tall = 24 * width // 384
    wide = tall // 3

    def walk() -> Iterator[Picture]:
        for i in range(70):
            picture = hall(width, height)
            x = round(20 * width / 384 + i * 0.2 * tall)  # 0.35 m between frames: 2.4 m/s at most
            picture[height // 3 : height // 3 + tall, x : x + wide] += contrast
            yield grain.over(picture)

    assert share_open(gate, walk()) == 1.0


def test_a_person_who_stands_is_seen_again_every_second() -> None:
    """Standing still shuts the gate after a moment, but never for longer than a second."""
    grain = Grain(2, 2)
    gate = MotionGate(10)
    picture = hall()
    picture[100:200, 150:190] = 20
    opened = [gate.observe(grain.over(picture)) for _ in range(100)]
    gaps = np.diff([i for i, is_open in enumerate(opened) if is_open])
    assert gaps.max() == 10
    assert sum(opened) < 20


def test_refresh_follows_the_time_of_capture() -> None:
    """At a third of the promised rate (frames dropped) the second is still a second, and a gap opens."""
    gate = MotionGate(7)
    picture = hall().astype(np.uint8)
    opened = [gate.observe(picture, t_ms) for t_ms in range(0, 10_000, 500)]
    assert opened == [True] + [False, True] * 9 + [False]
    assert gate.observe(picture, 60_000)
    assert gate.observe(picture, 0), "the clock was set back"


def test_it_tells_how_much_moves() -> None:
    """The share of changed pixels is about the size of what moved."""
    gate = MotionGate(10)
    picture = hall()
    gate.observe(picture.astype(np.uint8))
    picture[144:, :192] += 80
    assert gate.observe(picture.astype(np.uint8))
    assert gate.moving_share == pytest.approx(0.25, abs=0.02)
    gate.observe(picture.astype(np.uint8))
    assert gate.moving_share == 0.0


def test_a_change_of_picture_size_opens() -> None:
    """A camera set to another resolution starts anew."""
    gate = MotionGate(10)
    assert gate.observe(hall().astype(np.uint8))
    assert gate.observe(hall(320, 180).astype(np.uint8))


def test_a_rate_that_is_none_is_refused() -> None:
    """Zero frames a second have no second."""
    with pytest.raises(ValueError, match="positive frame rate"):
        MotionGate(0)


def truth(path: Path) -> dict[int, dict[int, tuple[float, float, float]]]:
    """Frame (from 1) -> person -> foot x, foot y, height in pixels."""
    people: dict[int, dict[int, tuple[float, float, float]]] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        frame, person, x, y, w, h = (float(value) for value in line.split(",")[:6])
        people.setdefault(int(frame), {})[int(person)] = (x + w / 2, y + h, h)
    return people


@pytest.mark.parametrize(
    ("clip", "gt", "fps", "every"),
    [
        pytest.param("pets09/vtest.avi", "pets09/gt.txt", 7, 1, marks=needs_reference),
        *(
            pytest.param(
                f"caviar/OneLeaveShop1{view}.mpg",
                f"caviar/OneLeaveShop1{view}_gt_mot.txt",
                25,
                every,
                marks=needs_reference,
            )
            for view in ("cor", "front")
            for every in (1, 4)
        ),
    ],
)
def test_moving_people_are_not_missed_on_real_footage(clip: str, gt: str, fps: float, every: int) -> None:
    """In at least 99 % of the frames in which somebody of ≥ 24 px moves, the gate is open."""
    people = truth(PEOPLE / gt)
    reach = round(fps / 4)
    gate = MotionGate(fps / every)
    moving = hits = 0
    frames = open_clip(PEOPLE / clip, fps).frames
    for frame in itertools.islice(frames, 0, max(people), every):
        is_open = gate.observe(frame.image)
        number = frame.index + 1

        def walks(person: int, at: int = number) -> bool:
            x, y, height = people[at][person]
            others = [people.get(n, {}).get(person) for n in (at - reach, at + reach)]
            return height >= 24 and any(o and np.hypot(o[0] - x, o[1] - y) > 0.05 * height for o in others)

        if number > 1 and any(walks(person) for person in people.get(number, {})):
            moving += 1
            hits += is_open
    assert moving > 20
    assert hits >= 0.99 * moving
