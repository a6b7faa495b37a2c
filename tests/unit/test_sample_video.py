"""The sample clip, its licence, its calibration marks and its truth belong together."""

from __future__ import annotations

import csv
import hashlib
import re
import tomllib

import cv2
import make_sample_video
import numpy as np
import pytest
from reference import PETS, needs_reference

from branchloop.share import share
from edge.evaluate.people import read_mot
from edge.floor.calibration import calibrate

CLIP = share("sample_video/plaza.mp4")
POINTS = share("sample_video/points.csv")
LICENCE = share("sample_video/LICENSE.md")
PICTURE = (768, 576)


def marks() -> list[tuple[float, float, float, float]]:
    with POINTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(float(r["x_px"]), float(r["y_px"]), float(r["x_m"]), float(r["y_m"])) for r in rows]


def test_the_clip_is_small_and_whole() -> None:
    """At most 4 MB; its header says 795 frames, 768×576, 7 a second, and as many decode."""
    assert CLIP.stat().st_size <= 4_000_000
    video = cv2.VideoCapture(str(CLIP))
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(7)
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == PICTURE
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 795
    decoded = 0
    while video.grab():
        decoded += 1
    assert decoded == 795


def test_the_licence_names_these_very_bytes() -> None:
    """The digest in LICENSE.md is the clip's, the source's is the tool's; the owner is named."""
    text = LICENCE.read_text(encoding="utf-8")
    row = re.search(r"^\| plaza\.mp4 .*`([0-9a-f]{64})`", text, re.MULTILINE)
    assert row is not None
    assert row[1] == hashlib.sha256(CLIP.read_bytes()).hexdigest()
    assert make_sample_video.SOURCE_SHA256 in text
    assert "University of Reading" in text
    assert "**not** covered by this project's Apache-2.0 licence" in text


def test_the_marks_fix_the_floor() -> None:
    """At least eight marks inside the picture, spread over it; one homography leaves 0.1 m (RMS).

    Lens bend is what is left: most at the far marks, beyond where people walk.
    """
    rows = np.array(marks())
    assert len(rows) >= 8
    assert ((rows[:, :2] >= 0) & (rows[:, :2] < PICTURE)).all()
    assert (np.ptp(rows[:, :2], axis=0) > np.array(PICTURE) * 0.7).all()
    fitted = calibrate(marks(), PICTURE)
    assert fitted.residual_m <= 0.1
    assert np.hypot(*(fitted.to_floor(rows[:, :2]) - rows[:, 2:]).T).max() <= 0.15


def test_the_tool_gives_the_marks() -> None:
    """points.csv is what the published calibration gives, and the turn into the plan keeps lengths."""
    for x_px, y_px, x_m, y_m in marks():
        place = make_sample_video.to_plan(*make_sample_video.to_ground(x_px, y_px))
        assert place == pytest.approx((x_m, y_m), abs=0.0006)
    origin, east, north = (np.array(make_sample_video.to_plan(*p)) for p in ((0, 0), (1, 0), (0, 1)))
    assert np.hypot(*(east - origin)) == pytest.approx(1)
    assert np.hypot(*(north - origin)) == pytest.approx(1)
    assert float((east - origin) @ (north - origin)) == pytest.approx(0, abs=1e-9)


def test_left_and_right_stay() -> None:
    """What is to the right in the picture is to the right on the plan, what is nearer is lower."""
    fitted = calibrate(marks(), PICTURE)
    left, right, near = fitted.to_floor(np.array([[250.0, 250.0], [500.0, 250.0], [375.0, 400.0]]))
    assert left[0] < right[0]
    assert abs(left[1] - right[1]) < 2.5
    assert near[1] > max(left[1], right[1])


def test_the_demo_uses_these_marks() -> None:
    """The demo's site file repeats points.csv, row for row."""
    site = tomllib.loads(share("configs/demo.toml").read_text(encoding="utf-8"))
    assert [tuple(point) for point in site["camera"][0]["calibration"]["points"]] == marks()


@needs_reference
def test_the_ground_is_the_published_one() -> None:
    """Our Tsai formula gives the reference's ground places within a centimetre."""
    with (PETS / "points.csv").open(newline="") as file:
        rows = [[float(value) for value in row.values()] for row in csv.DictReader(file)]
    for x_px, y_px, x_m, y_m in rows:
        assert make_sample_video.to_ground(x_px, y_px) == pytest.approx((x_m, y_m), abs=0.01)


@needs_reference
def test_the_plan_holds_the_people() -> None:
    """More than 97 % of the true feet of the clip's first part lie on the demo's plan."""
    plan = tomllib.loads(share("configs/demo.toml").read_text(encoding="utf-8"))["plan"]
    boxes = np.loadtxt(PETS / "gt.txt", delimiter=",")
    feet = zip(boxes[:, 2] + boxes[:, 4] / 2, boxes[:, 3] + boxes[:, 5], strict=True)
    places = [make_sample_video.to_plan(*make_sample_video.to_ground(x, y)) for x, y in feet]
    on = [0 <= x <= plan["width_m"] and 0 <= y <= plan["height_m"] for x, y in places]
    assert sum(on) / len(on) > 0.97


@pytest.mark.parametrize(
    ("name", "first", "last", "people"),
    [("plaza_truth.txt", 421, 450, 3), ("plaza_truth_121_180.txt", 121, 180, 8)],
)
def test_the_truth_lies_in_the_picture(name: str, first: int, last: int, people: int) -> None:
    """No gap between first and last frame, every box inside the picture and as tall as a person."""
    truth = read_mot(share(f"sample_video/{name}"))
    assert sorted(truth) == list(range(first, last + 1))
    assert len({person for ids, _ in truth.values() for person in ids}) == people
    boxes = np.concatenate([found for _, found in truth.values()])
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] + boxes[:, 2:] <= np.array(PICTURE) + 0.11).all()
    assert ((boxes[:, 3] > 40) & (boxes[:, 3] < 120) & (boxes[:, 2] > 8) & (boxes[:, 2] < 60)).all()


@pytest.mark.parametrize("name", ["plaza_truth.txt", "plaza_truth_121_180.txt"])
def test_nobody_in_the_truth_jumps(name: str) -> None:
    """On the floor nobody moves faster than 4 m/s over half a second: identities are not mixed up."""
    fitted = calibrate(marks(), PICTURE)
    paths: dict[int, dict[int, np.ndarray]] = {}
    for frame, (ids, boxes) in read_mot(share(f"sample_video/{name}")).items():
        feet = fitted.to_floor(np.column_stack([boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]]))
        for person, place, box in zip(ids, feet, boxes, strict=True):
            if box[0] > 2 and box[0] + box[2] < PICTURE[0] - 2:
                paths.setdefault(person, {})[frame] = place
    for person, path in paths.items():
        for frame, place in path.items():
            if frame + 4 in path:
                assert np.hypot(*(path[frame + 4] - place)) < 4 * 4 / 7, (person, frame)
