"""The floor from above: calibrations that agree show it, ones that do not are told, and nobody is in it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from reference import ROOT, needs_reference
from unseen import FOUND, nobody_in

from branchloop.errors import InputError
from branchloop.share import share
from edge.floor.calibration import FloorCalibration, calibrate
from edge.perceive.backdrop import SCORE_FLOOR, unpacked
from edge.perceive.birdseye import LEAST_PATCHES, View, lay_out, with_alpha
from edge.perceive.camera import open_clip
from edge.perceive.nobody import Image, people_anywhere
from edge.perceive.people import load_detector

FLOOR_M = (0.0, 0.0, 8.0, 6.0)
SIZE = (640, 480)


def carpet() -> Image:
    """A floor of 8 × 6 m at 1 cm a pixel, with something to see everywhere."""
    rng = np.random.default_rng(5)
    floor = cv2.resize(rng.integers(40, 220, (60, 80, 3), dtype=np.uint8), (800, 600))
    return np.asarray(cv2.GaussianBlur(floor, (0, 0), 2), np.uint8)


def look(corners_m: list[tuple[float, float]], brighter: float = 1.0) -> tuple[Image, FloorCalibration]:
    """A camera that sees the quadrangle (far left, far right, near right, near left), and its calibration."""
    px = np.array([[60, 40], [580, 40], [640, 480], [0, 480]], np.float32)
    to_picture = cv2.getPerspectiveTransform(np.array(corners_m, np.float32) * 100, px)
    image = cv2.warpPerspective(carpet(), to_picture, SIZE, flags=cv2.INTER_AREA)
    marks = [(float(x), float(y), *m) for (x, y), m in zip(px, corners_m, strict=True)]
    return np.clip(image.astype(float) * brighter, 0, 255).astype(np.uint8), calibrate(marks, SIZE)


def view(image: Image, calibration: FloorCalibration) -> View:
    return View(image, np.zeros(image.shape[:2], bool), calibration, SIZE)


LEFT = [(0.5, 0.5), (5.5, 0.5), (5.0, 5.5), (1.0, 5.5)]
RIGHT = [(1.7, 0.5), (7.5, 0.5), (7.0, 5.5), (2.2, 5.5)]


def test_the_floor_is_what_the_floor_is() -> None:
    """Two views of one carpet, one of them darker, give the carpet again; what none sees is transparent."""
    layout = lay_out({"a": view(*look(LEFT)), "b": view(*look(RIGHT, 0.7))}, FLOOR_M, 0.02)
    truth = cv2.resize(carpet(), layout.seen.shape[::-1], interpolation=cv2.INTER_AREA).astype(float)
    inner = layout.seen & ~layout.blank
    shown = layout.image.astype(float)
    shown *= truth[inner].mean() / shown[inner].mean()
    assert np.abs(shown[inner] - truth[inner]).mean() < 8
    assert not layout.seen.all()
    picture = with_alpha(layout, layout.blank)
    assert set(np.unique(picture[..., 3])) == {0, 255}
    assert (picture[..., 3] == 255).mean() == pytest.approx(layout.seen.mean())


@pytest.mark.parametrize("shift_m", [0.0, 0.3, 0.5])
def test_calibrations_that_disagree_are_told_in_centimetres(shift_m: float) -> None:
    """A camera whose marks were measured 30 or 50 cm off shows the floor so far apart."""
    image, _ = look(RIGHT)
    px = [(60, 40), (580, 40), (640, 480), (0, 480)]
    wrong = calibrate([(x, y, m[0] + shift_m, m[1]) for (x, y), m in zip(px, RIGHT, strict=True)], SIZE)
    layout = lay_out({"a": view(*look(LEFT)), "b": view(image, wrong)}, FLOOR_M, 0.02)
    (seam,) = layout.seams
    assert seam.patches >= LEAST_PATCHES
    assert seam.apart_m == pytest.approx(shift_m, abs=0.05)
    assert 10 < seam.overlap_m2 < 25


def test_a_bare_floor_cannot_be_compared() -> None:
    """Without anything to see nothing is said, rather than zero."""
    image, calibration = look(LEFT)
    other = look(RIGHT)[1]
    grey = np.full_like(image, 128)
    (seam,) = lay_out({"a": view(grey, calibration), "b": view(grey, other)}, FLOOR_M, 0.02).seams
    assert seam.apart_m is None


def test_what_is_blank_in_one_view_is_shown_by_the_other() -> None:
    """And where it is blank in all that look there, it is blank and not transparent."""
    image, calibration = look(LEFT)
    blank = np.zeros(image.shape[:2], bool)
    blank[200:300, 300:400] = True
    alone = lay_out({"a": View(image, blank, calibration, SIZE)}, FLOOR_M, 0.02)
    assert 0.005 < alone.blank.sum() / alone.seen.sum() < 0.2
    both = lay_out({"a": View(image, blank, calibration, SIZE), "b": view(*look(LEFT))}, FLOOR_M, 0.02)
    assert not both.blank.any()


def test_a_camera_that_looks_elsewhere_is_refused() -> None:
    """Nothing of the plan is seen: no empty picture is made of it."""
    image, _ = look(LEFT)
    off = calibrate([(60, 40, 90, 90), (580, 40, 95, 90), (640, 480, 95, 95), (0, 480, 91, 95)], SIZE)
    with pytest.raises(InputError, match="no camera sees the plan"):
        lay_out({"a": view(image, off)}, FLOOR_M)


def from_above(tmp_path: Path, clips: dict[str, Path], *arguments: str) -> dict[str, Any]:
    """Run `branchloop birdseye`; every background and the picture itself are looked through for people."""
    out = tmp_path / "floor.png"
    cameras = [word for name, clip in clips.items() for word in ("--camera", f"{name}={clip}")]
    done = subprocess.run(
        [
            sys.executable, "-m", "edge.main", "birdseye", *arguments, *cameras, "--out", str(out),
            "--backgrounds", str(tmp_path), "--json",
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    picture = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == (told["height_px"], told["width_px"], 4)
    detector = load_detector("nanodet", score_floor=SCORE_FLOOR)
    for name, clip in clips.items():
        frame = next(itertools.islice((f.image for f in open_clip(clip).frames), 100, None))
        assert people_anywhere(detector, frame)[:, 4].max() >= 0.5, "there are people in the frames"
        content = (tmp_path / f"{name}.jpg").read_bytes()
        assert content[:3] == b"\xff\xd8\xff"
        nobody_in(unpacked(content), detector)
        assert told["cameras"][name]["blank_share"] < 0.35
    for ground in (0, 128, 255):
        shown = np.where(picture[..., 3:] > 0, picture[..., :3], ground).astype(np.uint8)
        assert people_anywhere(detector, shown, (1, 2, 3))[:, 4].max(initial=0) < FOUND, ground
    return told


def test_the_sample_branch_from_above_holds_nobody(tmp_path: Path) -> None:
    """The sample clip: a picture of the floor, and the detector finds no one in it."""
    told = from_above(tmp_path, {"hall": share("sample_video/plaza.mp4")}, str(share("configs/demo.toml")))
    assert told["seen_share"] > 0.4
    assert told["blank_share"] < 0.25
    assert told["seams"] == []


@pytest.mark.reference
@needs_reference
def test_two_real_cameras_on_one_floor_hold_nobody_and_tell_how_well_they_agree(tmp_path: Path) -> None:
    """CAVIAR's corridor and shop front. Railings and windows lean away, so it is no small figure."""
    caviar = ROOT / "data/people/caviar"
    if not caviar.exists():
        pytest.skip("the reference data are not here")
    marks = json.loads((caviar / "OneLeaveShop1_homographies.json").read_text(encoding="utf-8"))
    arguments = ["--bounds=-2,-3,6,12"]
    for camera in ("cor", "front"):
        rows = [f"{x},{y},{x_cm / 100},{y_cm / 100}" for x, y, x_cm, y_cm in marks[camera]["points_px_cm"]]
        (tmp_path / f"{camera}.csv").write_text("\n".join(["x_px,y_px,x_m,y_m", *rows]), encoding="utf-8")
        arguments += ["--points", f"{camera}={tmp_path / camera}.csv"]
    clips = {camera: caviar / f"OneLeaveShop1{camera}.mpg" for camera in ("cor", "front")}
    told = from_above(tmp_path, clips, *arguments)
    (seam,) = told["seams"]
    assert seam["overlap_m2"] > 20
    assert seam["patches"] >= LEAST_PATCHES
    assert seam["apart_cm"] < 80


def test_nothing_but_an_earlier_picture_is_replaced(tmp_path: Path) -> None:
    """Refused before any frame is looked at: what was read, what is no picture, a folder that is not there."""
    site, clip = tmp_path / "demo.toml", tmp_path / "hall.mp4"
    site.write_bytes(share("configs/demo.toml").read_bytes())
    clip.write_bytes(share("sample_video/plaza.mp4").read_bytes())
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "hall.jpg").write_text("a diary")
    picture = tmp_path / "plan.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\nan older one")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def refused(*arguments: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "edge.main", "birdseye", str(site), "--camera", f"hall={clip}", *map(str, arguments)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        return done.stderr

    assert "demo.toml, which was given to read" in refused("--out", site)
    assert "hall.mp4, which was given to read" in refused("--out", clip)
    assert "is there already, and no PNG picture" in refused("--out", kept / "hall.jpg")
    assert "there is no folder" in refused("--out", tmp_path / "nope" / "x.png")
    assert "no JPEG picture" in refused("--out", picture, "--backgrounds", kept)
    assert "none can be made there" in refused("--out", picture, "--backgrounds", tmp_path / "nope" / "b")
    assert "also a camera's own background" in refused("--out", kept / "hall.jpg", "--backgrounds", kept)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
