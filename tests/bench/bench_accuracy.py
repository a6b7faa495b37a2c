"""Accuracy on the reference clips, through the commands: one table, and its spread under disturbed pictures.

    BRANCHLOOP_REFERENCE=…/shared python tests/bench/bench_accuracy.py [--quick]

PETS09-S2L1 frames 1–400 with the shipped detector, the reference detector, YOLOX-nano and true boxes, and with pictures
that are darker or noisy or boxes that are shaken (shipped detector): the worst row is what to expect elsewhere.
Every second and third frame of it, which is what a slow box sees.
Seven virtual lines across the plaza, drawn before the tracker was tuned: crossings against those of the true paths.
The CAVIAR corridor's frames 1–150, with the floor round its truth. `--quick` leaves out all but the shipped rows.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference import PETS, RETAIL, ROOT, YOLOX

from branchloop.site.site import parse_site
from edge.evaluate.people import read_mot
from edge.floor.counting.lines import LineCounter
from edge.perceive.people import Detector, load_detector
from edge.replay import bare_site, open_reels, replay

CAVIAR = ROOT / "data" / "people" / "caviar"
CORRIDOR_M = "-3,-5,4,58"
LINES_M = (
    ((-14, -16), (-14, 1)), ((-9, -16), (-9, 4)), ((-5, -16), (-5, 6)), ((-20, -11), (5, -11)),
    ((-20, -7.5), (5, -7.5)), ((-20, -4), (5, -4)), ((-18, 0), (0, -15)),
)  # fmt: skip
PLAZA_S = 57.1


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(f"{'run':24}  MOTA  IDF1  HOTA  heat r  EMD m  mass")
        plaza("shipped", folder)
        lines(folder)
        corridor(folder)
        if "--quick" in sys.argv:
            return
        plaza("retail 1024x768", folder, "--detector", RETAIL, "--input-size", "1024x768")
        plaza("YOLOX-nano", folder, "--detector", YOLOX)
        for name in ("darker", "noisy"):
            plaza(f"shipped, {name}", folder, clip=disturbed(folder / f"{name}.avi", name))
        seen_by("true boxes", folder, TrueBoxes())
        for step in (2, 3):
            seldom(folder, step)
        for seed in (1, 2, 3):
            seen_by(f"shipped, shaken {seed}", folder, Shaken(seed))


class TrueBoxes:
    """The truth's boxes of frame after frame, as a detector that errs nowhere."""

    name = "truth"

    def __init__(self) -> None:
        self._frames = read_mot(PETS / "gt.txt")
        self._frame = 0

    def detect(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:  # noqa: ARG002  a detector's form
        """(n, 5): x0, y0, x1, y1 px, score."""
        self._frame += 1
        boxes = self._frames[self._frame][1]
        return np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:], np.full(len(boxes), 0.9)]).astype(
            np.float32
        )


class Shaken:
    """The shipped detector with 2 % of the boxes' size and .04 of the scores as noise, and 3 % of the boxes lost."""

    name = "shaken"

    def __init__(self, seed: int) -> None:
        self._detector = load_detector("nanodet", score_floor=0.2)
        self._rng = np.random.default_rng(seed)

    def detect(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 5): x0, y0, x1, y1 px, score."""
        boxes = self._detector.detect(image_bgr)
        size = np.tile(boxes[:, 2:4] - boxes[:, :2], 2)
        boxes[:, :4] += self._rng.normal(0, 0.02, size.shape) * size
        boxes[:, 4] = np.clip(boxes[:, 4] + self._rng.normal(0, 0.04, len(boxes)), 0.01, 0.99)
        return boxes[self._rng.random(len(boxes)) >= 0.03].astype(np.float32)


def seen_by(name: str, folder: Path, detector: Detector) -> None:
    """One row of PETS09-S2L1 with a detector that no command can name."""
    out = folder / name.replace(" ", "-")
    out.mkdir()
    reels = open_reels({"v": PETS / "vtest.avi"}, {"v": 7.0}, {}, None)
    site, corner = bare_site({"v": PETS / "points.csv"}, reels, None)
    replay(site, reels, detector, out, origin_m=corner, until_s=PLAZA_S)
    judged(name, out)


def plaza(name: str, folder: Path, *more: object, clip: Path = PETS / "vtest.avi") -> None:
    """One row of PETS09-S2L1."""
    out = folder / name.replace(" ", "-")
    command(
        "edge", "replay", "--camera", f"v={clip}", "--points", f"v={PETS / 'points.csv'}", "--fps", "v=7",
        "--until", PLAZA_S, "--out", out, *more,
    )  # fmt: skip
    judged(name, out)


def seldom(folder: Path, step: int) -> None:
    """The row of every `step`-th frame of the plaza, as a box with many cameras would look."""
    clip, truth, out = folder / f"every-{step}.avi", folder / f"every-{step}.txt", folder / f"every-{step}"
    video = cv2.VideoCapture(str(PETS / "vtest.avi"))
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 7 / step, (768, 576))
    writer.set(cv2.VIDEOWRITER_PROP_QUALITY, 100)
    for number in range(400):
        image = video.read()[1]
        if number % step == 0:
            writer.write(image)
    writer.release()
    with (PETS / "gt.txt").open() as known, truth.open("w") as kept:
        for line in known:
            frame, rest = line.split(",", 1)
            if (int(frame) - 1) % step == 0:
                kept.write(f"{(int(frame) - 1) // step + 1},{rest}")
    command(
        "edge", "replay", "--camera", f"v={clip}", "--points", f"v={PETS / 'points.csv'}", "--fps",
        f"v={7 / step}", "--out", out,
    )  # fmt: skip
    row(
        f"shipped, every {step}. frame",
        command("evaluate", "people", "--tracks", out / "tracks-v.txt", "--truth", truth),
    )


def judged(name: str, out: Path) -> None:
    """Print the row of a replay of the plaza."""
    people = command("evaluate", "people", "--tracks", out / "tracks-v.txt", "--truth", PETS / "gt.txt")
    truth = PETS / "gt_ground_m.csv"
    heat = command("evaluate", "heat", "--heat", out / "heat.npz", "--truth", truth, "--fps", "7")
    row(name, people, f"   {heat['r']:.3f}   {heat['emd_m']:.2f}  {heat['mass_ratio']:.3f}")


def lines(folder: Path) -> None:
    """The row of the seven lines: |counted − true| over lines and directions, of the true crossings."""
    marks = [tuple(map(float, r)) for r in list(csv.reader((PETS / "points.csv").open(newline="")))[1:]]
    known = np.concatenate([np.array(marks)[:, 2:], np.array(LINES_M, float).reshape(-1, 2)])
    (x0, y0), (x1, y1) = (known.min(axis=0) - 1).tolist(), (known.max(axis=0) + 1).tolist()
    drawn = [((ax - x0, ay - y0), (bx - x0, by - y0)) for (ax, ay), (bx, by) in LINES_M]
    site, out = folder / "lines.toml", folder / "lines"
    site.write_text(
        'id = "plaza"\nname = { en = "Plaza", zh = "广场" }\ntimezone = "UTC"\n'
        f"[plan]\nwidth_m = {x1 - x0}\nheight_m = {y1 - y0}\n"
        '[[camera]]\nid = "v"\nsource = "none"\n[camera.calibration]\npicture_px = [768, 576]\n'
        f"points = {[[u, v, x - x0, y - y0] for u, v, x, y in marks]}\n"
        + "".join(_line(number, a, b) for number, (a, b) in enumerate(drawn))
    )
    command(
        "edge", "replay", site, "--camera", f"v={PETS / 'vtest.avi'}", "--fps", "v=7", "--until", PLAZA_S,
        "--out", out,
    )  # fmt: skip
    events = [json.loads(text) for text in (out / "events.ndjson").read_text().splitlines()]
    counted = Counter((e["line"], e["direction"]) for e in events if e["event"] == "crossing")
    true: Counter[tuple[str, str]] = Counter()
    counters = [LineCounter(line) for line in parse_site(site.read_text()).lines]
    for frame, person, x, y in sorted(_true_places()):
        for counter in counters:
            crossing = counter.step(round((frame - 1) * 1000 / 7), person, (x - x0, y - y0))
            if crossing is not None:
                true[crossing.line, crossing.direction] += 1
    wrong = sum(abs(true[key] - counted[key]) for key in true.keys() | counted.keys())
    print(
        f"{'seven lines, shipped':24}  {wrong} of {true.total()} crossings wrong: {wrong / true.total():.1%}"
    )


def _line(number: int, a: tuple[float, float], b: tuple[float, float]) -> str:
    along = np.subtract(b, a)
    inside = np.add(a, b) / 2 + np.array([-along[1], along[0]]) / np.hypot(*along)
    return f'[[line]]\nid = "l{number}"\nfrom = {[*map(float, a)]}\nto = {[*map(float, b)]}\ninside = {inside.tolist()}\n'


def _true_places() -> list[tuple[int, int, float, float]]:
    with (PETS / "gt_ground_m.csv").open(newline="") as file:
        return [
            (int(r["frame"]), int(r["id"]), float(r["x_m"]), float(r["y_m"])) for r in csv.DictReader(file)
        ]


def corridor(folder: Path) -> None:
    """The row of the CAVIAR corridor."""
    known = json.loads((CAVIAR / "OneLeaveShop1_homographies.json").read_text())["cor"]
    points, out = folder / "corridor.csv", folder / "corridor"
    with points.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["x_px", "y_px", "x_m", "y_m"])
        for x, y, *_ in known["points_px_cm"]:
            across, along, depth = np.array(known["image_to_floor_m"]) @ [x, y, 1]
            table.writerow([x, y, across / depth, along / depth])
    command(
        "edge", "replay", "--camera", f"c={CAVIAR / 'OneLeaveShop1cor.mpg'}", "--points", f"c={points}",
        f"--bounds={CORRIDOR_M}", "--until", "6", "--out", out,
    )  # fmt: skip
    truth = CAVIAR / "OneLeaveShop1cor_gt_mot.txt"
    row(
        "corridor, shipped", command("evaluate", "people", "--tracks", out / "tracks-c.txt", "--truth", truth)
    )


def disturbed(path: Path, how: str) -> Path:
    """The plaza's first 400 frames at 60 % light, or with grey noise of σ 6."""
    video = cv2.VideoCapture(str(PETS / "vtest.avi"))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 7, (768, 576))
    rng = np.random.default_rng(1)
    for _ in range(400):
        image = np.asarray(video.read()[1], np.float32)
        image = image * 0.6 if how == "darker" else image + rng.normal(0, 6, image.shape[:2])[:, :, None]
        writer.write(np.clip(image, 0, 255).astype(np.uint8))
    writer.release()
    return path


def row(name: str, people: dict[str, Any], rest: str = "") -> None:
    """Print one line."""
    print(f"{name:24}  {people['mota']:.3f} {people['idf1']:.3f} {people['hota']:.3f}{rest}", flush=True)


def command(*args: object) -> dict[str, Any]:
    """Run branchloop; its JSON."""
    shown = subprocess.run(
        [sys.executable, "-m", "branchloop.cli", *map(str, args), "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(shown.stdout.strip().splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
