"""Two real cameras of one floor (CAVIAR, a corridor and a shop front) through `replay`."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from reference import ROOT, needs_reference

from edge.perceive.people import Detector, load_detector
from edge.replay import bare_site, open_reels, replay

CAVIAR = ROOT / "data/people/caviar"
FRAMES_AHEAD = 77
"""The front's frame is the corridor's frame + 77, at 25 fps."""
BOUNDS = (-16.0, -3.0, 6.0, 30.0)

pytestmark = needs_reference


class Remembering:
    """The shipped detector, each picture looked at once however often it is replayed."""

    def __init__(self) -> None:
        self._detector = load_detector("nanodet", score_floor=0.3)
        self.name = self._detector.name
        self._seen: dict[bytes, NDArray[np.float32]] = {}

    def detect(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Detector`."""
        key = image_bgr.tobytes()
        if key not in self._seen:
            self._seen[key] = self._detector.detect(image_bgr)
        return self._seen[key]


class Oracle:
    """The annotators' boxes: as many cameras as clips, their frames told apart by their pictures."""

    name = "truth"

    def __init__(self, clips: dict[str, Path]) -> None:
        self._boxes: dict[bytes, NDArray[np.float32]] = {}
        for camera, path in clips.items():
            truth = np.loadtxt(CAVIAR / f"OneLeaveShop1{camera}_gt_mot.txt", delimiter=",")
            for frame in open_reels({camera: path}, {camera: 25.0}, {}, None)[0].clip.frames:
                rows = truth[truth[:, 0] == frame.index + 1]
                corners = np.column_stack(
                    [rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6], np.full(len(rows), 0.9)]
                )
                self._boxes[frame.image.tobytes()] = corners.astype(np.float32)

    def detect(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """As `Detector`."""
        return self._boxes[image_bgr.tobytes()]


@pytest.fixture(scope="module")
def clips() -> dict[str, Path]:
    return {camera: CAVIAR / f"OneLeaveShop1{camera}.mpg" for camera in ("cor", "front")}


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    marks = json.loads((CAVIAR / "OneLeaveShop1_homographies.json").read_text())
    folder = tmp_path_factory.mktemp("points")
    for camera in ("cor", "front"):
        rows = [f"{u},{v},{x / 100},{y / 100}" for u, v, x, y in marks[camera]["points_px_cm"]]
        (folder / f"{camera}.csv").write_text("\n".join(["x_px,y_px,x_m,y_m", *rows]))
    return {camera: folder / f"{camera}.csv" for camera in ("cor", "front")}


@pytest.fixture(scope="module")
def shipped() -> Remembering:
    return Remembering()


def together(
    clips: dict[str, Path],
    points: dict[str, Path],
    detector: Detector,
    out: Path,
    wrong_s: float,
    until_s: float,
) -> dict[str, Any]:
    reels = open_reels(clips, dict.fromkeys(clips, 25.0), {"front": -FRAMES_AHEAD / 25 + wrong_s}, None)
    site, corner = bare_site(points, reels, BOUNDS)
    replay(site, reels, detector, out, origin_m=corner, until_s=until_s)
    events = [json.loads(line) for line in (out / "events.ndjson").read_text().splitlines()]
    return next(event for event in events if event["event"] == "agreement")


def ids(path: Path, least: int) -> set[str]:
    """Ids of a MOT file with at least so many rows."""
    rows = Counter(line.split(",")[1] for line in path.read_text().splitlines())
    return {person for person, count in rows.items() if count >= least}


@pytest.mark.parametrize("wrong_s", [0.0, 0.3, -0.3])
def test_the_person_seen_by_both_is_one_and_in_one_place(
    clips: dict[str, Path], points: dict[str, Path], shipped: Remembering, tmp_path: Path, wrong_s: float
) -> None:
    """One id in both cameras' tracks and on the floor, places ≤ 0.5 m apart; also when --offset is 0.3 s wrong."""
    agreement = together(clips, points, shipped, tmp_path, wrong_s, 11.8)
    assert agreement["apart_m"] <= 0.5
    both = ids(tmp_path / "tracks-cor.txt", 25) & ids(tmp_path / "tracks-front.txt", 25)
    assert len(both) == 1
    with (tmp_path / "floor.csv").open() as file:
        rows = list(csv.DictReader(file))
    near = [row for row in rows if float(row["t_s"]) > 4.0 and float(row["y_m"]) < 14]
    assert {row["id"] for row in near} == both
    assert max(Counter(row["t_s"] for row in near).values()) == 1


def test_the_annotators_person_is_handed_over(
    clips: dict[str, Path], points: dict[str, Path], tmp_path: Path
) -> None:
    """In the truth's 150 frames of each camera the one from the shop is never in both: still one id."""
    together(clips, points, Oracle(clips), tmp_path, 0.0, 5.9)
    tracks = [line.split(",") for line in (tmp_path / "tracks-cor.txt").read_text().splitlines()]
    newcomer = {
        row[1] for row in tracks if int(row[0]) > 110 and 50 < float(row[2]) < 150 and float(row[5]) > 80
    }
    assert newcomer & ids(tmp_path / "tracks-front.txt", 60)
    first = min(int(line.split(",")[0]) for line in (tmp_path / "tracks-front.txt").read_text().splitlines())
    assert first < FRAMES_AHEAD  # frames before the first camera began are tracked as well
