"""A camera that was bumped, turned or swapped is found out in seconds; people and light are not mistaken for it.

The bumps are rendered: real frames warped as a camera with a 53 degree lens would see them after turning.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from reference import ROOT, needs_reference

from branchloop.share import share
from branchloop.site.site import parse_site
from edge.perceive.camera import open_clip
from edge.perceive.faults import floor_error_m, said_moved
from edge.perceive.integrity import Integrity
from edge.perceive.kept_view import read_view, store_view
from edge.perceive.viewpoint import ELSEWHERE_S, Motion, Viewpoint, edges

Image = NDArray[np.uint8]
Matrix = NDArray[np.float64]
PEOPLE = ROOT / "data/people"
REAL = {
    "plaza": (share("sample_video/plaza.mp4"), 7),
    "kiosk": (share("sample_video/kiosk.mp4"), 15),
    "corridor": (PEOPLE / "caviar/OneLeaveShop1cor.mpg", 25),
    "front": (PEOPLE / "caviar/OneLeaveShop1front.mpg", 25),
    "room": (PEOPLE / "intel/one-by-one-person-detection.mp4", 10),
}


def clip(name: str, seconds: float = 1e9) -> Iterator[Image]:
    """One frame a second of a real clip."""
    path, fps = REAL[name]
    if not path.exists():
        pytest.skip("the reference data are not here")
    frames = open_clip(path, float(fps)).frames
    return (frame.image for frame in itertools.islice(frames, 0, int(min(seconds, 1e6) * fps), fps))


def bump(
    width: int, height: int, pan: float = 0, tilt: float = 0, roll: float = 0, zoom: float = 1
) -> Matrix:
    """Where what was seen is seen after the camera was turned by so many degrees, and its lens zoomed."""
    lens = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])
    turn = np.eye(3)
    for axis, degrees in enumerate((tilt, pan, roll)):
        turn = turn @ cv2.Rodrigues(np.eye(3)[axis] * np.deg2rad(degrees))[0]
    return np.asarray(lens @ np.diag([zoom, zoom, 1]) @ turn @ np.linalg.inv(lens))


def bumped(image: Image, **how: float) -> Image:
    """What the camera sees after it."""
    height, width = image.shape[:2]
    matrix = bump(width, height, **how)
    return np.asarray(
        cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def watch(integrity: Integrity, images: Iterable[Image], start_s: float) -> list[str | None]:
    return [integrity.observe(image, start_s + i) for i, image in enumerate(images)]


@pytest.fixture(scope="module")
def plaza() -> list[Image]:
    return list(clip("plaza"))


@pytest.fixture(scope="module")
def learnt(plaza: list[Image]) -> Viewpoint:
    view = Viewpoint()
    watch(Integrity(view), plaza[:30], 0)
    assert len(view.looks) == 1
    return view


@pytest.mark.parametrize(
    "turn",
    [
        {"pan": 5}, {"pan": -5}, {"tilt": 5}, {"roll": 5}, {"pan": 2}, {"pan": 3, "tilt": -3, "roll": 2},
        {"zoom": 1.1}, {"zoom": 0.87}, {"zoom": 1.04}, {"zoom": 1.15, "pan": 4, "tilt": 2},
    ],
)  # fmt: skip
def test_a_bump_is_found_within_seconds_and_forgiven_when_it_is_put_back(
    turn: dict[str, float], plaza: list[Image], learnt: Viewpoint
) -> None:
    """Five degrees, and two: moved within 5 s, by as much as it was, and well again once it is put back."""
    view = Viewpoint(learnt.looks)
    integrity = Integrity(view)
    assert set(watch(integrity, plaza[30:40], 0)) == {None}
    verdicts = watch(integrity, (bumped(image, **turn) for image in plaza[40:50]), 10)
    assert verdicts[5] == "moved"
    motion = integrity.motion
    assert motion is not None
    assert motion.found
    assert motion.right == pytest.approx(np.tan(np.deg2rad(turn.get("pan", 0))), abs=0.02)
    assert motion.down == pytest.approx(np.tan(np.deg2rad(-turn.get("tilt", 0))), abs=0.02)
    assert motion.turn_deg == pytest.approx(turn.get("roll", 0), abs=2)
    assert motion.scale == pytest.approx(turn.get("zoom", 1), abs=0.03)
    height, width = plaza[0].shape[:2]
    seen = np.array([[x * width, y * height] for x in (0.25, 0.75) for y in (0.25, 0.75)])
    there = cv2.perspectiveTransform(seen[:, None], bump(width, height, **turn))[:, 0]
    assert motion.move(seen, (width, height)) == pytest.approx(there, abs=0.02 * width)
    assert watch(integrity, plaza[50:60], 20)[3] is None


def test_a_bump_during_a_power_cut_is_found_at_the_next_start(
    tmp_path: Path, plaza: list[Image], learnt: Viewpoint
) -> None:
    """What was learnt is stored; the next run needs no time to learn. A spoiled file is learnt anew."""
    path = tmp_path / "views" / "hall-0.npz"
    store_view(path, learnt.looks, None)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size < 60_000
    integrity = Integrity(Viewpoint(read_view(path)[0]))
    assert watch(integrity, (bumped(image, pan=5) for image in plaza[:6]), 0)[-1] == "moved"
    path.write_bytes(b"spoiled")
    assert read_view(path) == ([], None)
    assert read_view(tmp_path / "none.npz") == ([], None)


def test_another_cameras_view_is_told(plaza: list[Image], kiosk: list[Image], learnt: Viewpoint) -> None:
    """Two cables swapped: the calibrated view is nowhere. A lorry before the lens for half a minute is not that."""
    integrity = Integrity(Viewpoint(learnt.looks))
    there = [cv2.resize(image, (768, 576)) for image in kiosk]
    images = [np.asarray(there[i % len(there)], np.uint8) for i in range(round(ELSEWHERE_S) + 5)]
    assert set(watch(integrity, images[:30], 0)) == {None}
    assert watch(integrity, plaza[:3], 30)[-1] is None
    assert watch(integrity, images, 40)[-1] == "moved"
    assert integrity.motion is not None
    assert not integrity.motion.found


@pytest.fixture(scope="module")
def kiosk() -> list[Image]:
    return list(clip("kiosk"))


@pytest.fixture(scope="module")
def passage(plaza: list[Image]) -> list[Image]:
    """A room with much the same on either side, above and below."""
    rooms = []
    for image in plaza:
        half = np.concatenate([image[:, :384], image[:, 383::-1]], axis=1)
        room = np.concatenate([half[:288], half[287::-1]])
        room[430:], room[:, 576:] = image[430:], image[:, 576:]
        rooms.append(room)
    return rooms


@pytest.mark.parametrize("over", [1, 0, -1], ids=["mirrored", "head down", "by 180 degrees"])
@pytest.mark.parametrize("scene", ["kiosk", "passage"])
def test_a_picture_turned_over_is_told_and_never_learnt(
    scene: str, over: int, passage: list[Image], kiosk: list[Image]
) -> None:
    """As long as it lasts, in a room that is much the same turned over as well; and forgiven when it is turned back."""
    images = {"passage": passage, "kiosk": kiosk}[scene]
    played = list(itertools.islice(itertools.cycle([*images, *images[::-1]]), 95))
    view = Viewpoint()
    integrity = Integrity(view)
    watch(integrity, played[:25], 0)
    turned = (np.asarray(cv2.flip(image, over), np.uint8) for image in played[25:])
    verdicts = watch(integrity, turned, 25)
    assert set(verdicts[round(ELSEWHERE_S) + 3 :]) == {"moved"}
    assert len(view.looks) == 1
    assert watch(integrity, played[:3], 95)[-1] is None


@cache
def sunlit(side: int) -> Image:
    """A hall that is its own mirror image, with the sun in the windows of one side and on the floor."""
    picture = np.full((360, 640), 150, np.uint8)
    floor = np.array([(0, 360), (240, 180), (400, 180), (640, 360)], np.int32)
    cv2.fillPoly(picture, [floor], 130)
    cv2.rectangle(picture, (240, 80), (400, 180), 165, -1)
    for number in range(4):
        x, y = 260 - 40 * number, 200 + 35 * number
        patch = np.array([(x, y), (x + 50 + 10 * number, y), (x + 30, y + 22), (x - 30, y + 22)], np.int32)
        if side:
            patch[:, 0] = 640 - patch[:, 0]
        cv2.fillPoly(picture, [patch], 230)
        left, top, low = 30 + 50 * number, 60 + 10 * number, 300 - 25 * number
        for wall in range(2):
            at = 610 - left if wall else left
            cv2.rectangle(picture, (at, top), (at + 30, low), 235 if wall == side else 155, -1)
    noise = np.random.default_rng(side).normal(0, 2, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def test_a_symmetric_hall_with_the_sun_from_the_other_side_is_the_same_hall() -> None:
    view = Viewpoint()
    told = [view.observe(sunlit(0 if second < 40 else 1), float(second)) for second in range(140)]
    assert not any(told)
    assert len(view.looks) == 2


def test_a_look_of_another_view_that_was_kept_is_forgotten(plaza: list[Image], learnt: Viewpoint) -> None:
    """One in other light is not."""
    greys = [
        np.ascontiguousarray(image[..., 1]) for image in (plaza[0][::-1, ::-1], LIGHTS["dusk"](plaza[0]))
    ]
    other, dusk = (edges(grey) for grey in greys)
    assert Viewpoint([learnt.looks[0], other, other, dusk]).looks == [learnt.looks[0], dusk]


def _crowd(image: Image) -> Image:
    """A hundred people, drawn as dark columns over the lower two thirds."""
    full = image.copy()
    for x, y in np.random.default_rng(3).integers((0, 200), (760, 480), (100, 2)):
        cv2.rectangle(full, (int(x), int(y)), (int(x) + 24, int(y) + 80), (30, 30, int(x) % 200), -1)
    return full


@cache
def night_noise(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(0, 8, shape)


GLARE = (255 * (np.arange(256) / 255) ** 0.4).astype(np.uint8)
LIGHTS: dict[str, Callable[[Image], Image]] = {
    "dusk": lambda image: (image * 0.25).astype(np.uint8),
    "glare": lambda image: GLARE[image],
    "half in shadow": lambda image: (
        image * np.where(np.arange(image.shape[1]) > 350, 0.3, 1)[None, :, None]
    ).astype(np.uint8),
    "infrared, noisy": lambda image: np.clip(
        cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)[..., None] * 0.25 + night_noise(image.shape),
        0,
        255,
    ).astype(np.uint8),
    "crowd": _crowd,
}


@pytest.mark.parametrize("light", LIGHTS)
def test_light_and_people_move_no_camera(light: str, plaza: list[Image], learnt: Viewpoint) -> None:
    """Ninety seconds of other light, or of a full hall, raise nothing; nor does the change back."""
    view = Viewpoint(learnt.looks)
    integrity = Integrity(view)
    watch(integrity, plaza[:5], 0)
    assert "moved" not in watch(integrity, (LIGHTS[light](image) for image in plaza[:90]), 5)
    assert watch(integrity, plaza[90:100], 100)[-1] is None


def test_a_bump_by_night_is_found_as_well(plaza: list[Image], learnt: Viewpoint) -> None:
    """The light is other and the camera was turned."""
    integrity = Integrity(Viewpoint(learnt.looks))
    night = LIGHTS["infrared, noisy"]
    assert watch(integrity, (night(bumped(image, pan=5)) for image in plaza[:8]), 0)[-1] == "moved"


@pytest.mark.parametrize(
    "name",
    [
        "plaza",
        "kiosk",
        *(
            pytest.param(n, marks=[pytest.mark.reference, needs_reference])
            for n in ("corridor", "front", "room")
        ),
    ],
)
def test_real_footage_raises_nothing(name: str) -> None:
    """Whole clips, people and all, learnt from their own beginning and played on; short ones to and fro."""
    images = list(clip(name))
    played = list(itertools.islice(itertools.cycle([*images, *images[::-1]]), max(90, len(images))))
    assert set(watch(Integrity(Viewpoint()), played, 0)) == {None}


def test_the_view_is_learnt_without_people(plaza: list[Image]) -> None:
    """Where somebody stood all the while nothing was learnt."""
    view = Viewpoint()
    integrity = Integrity(view)
    stands = np.array([[300.0, 200.0, 420.0, 460.0, 0.9]], np.float32)
    for i, image in enumerate(plaza[:30]):
        integrity.observe(image, float(i), stands)
    rows, columns = view.looks[0].shape
    assert not view.looks[0][
        int(rows * 0.36) : int(rows * 0.78), int(columns * 0.4) : int(columns * 0.54)
    ].any()
    assert np.abs(view.looks[0]).sum() > 0


def test_a_moved_view_is_told_in_metres() -> None:
    """Five degrees on the demo's plan: what is said names pixels, metres and the remedy."""
    site = parse_site(share("configs/demo.toml").read_text(encoding="utf-8"), "demo.toml")
    camera = site.cameras[0]
    off_m = floor_error_m(Motion(0.0875, 0, 0), camera, site.plan)
    assert off_m is not None
    assert 0.5 < off_m < 4
    assert floor_error_m(Motion(0, 0, 0), camera, site.plan) == pytest.approx(0, abs=1e-6)
    assert "zoomed by 10 %, about " in said_moved(Motion(0, 0, 0, scale=0.9), camera, site.plan)
    said = said_moved(Motion(0.0875, 0, 0), camera, site.plan)
    assert "67 px" in said
    assert f"{off_m:.1f} m on the floor" in said
    assert "swapped" in said_moved(Motion(0, 0, 0, found=False), camera, site.plan)
