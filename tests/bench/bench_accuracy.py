"""Accuracy on the reference clips, through the commands: one table, and its spread under disturbed pictures.

    BRANCHLOOP_REFERENCE=…/shared python tests/bench/bench_accuracy.py [--quick]

PETS09-S2L1 frames 1–400 with the shipped detector, the reference detector and YOLOX-nano, and with pictures
that are darker or noisy (shipped detector): the worst row is what to expect elsewhere.
The CAVIAR corridor's frames 1–150, with the floor round its truth. `--quick` leaves out all but the shipped rows.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from reference import PETS, RETAIL, ROOT, YOLOX

CAVIAR = ROOT / "data" / "people" / "caviar"
CORRIDOR_M = "-3,-5,4,58"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(f"{'run':24}  MOTA  IDF1  HOTA  heat r  EMD m  mass")
        plaza("shipped", folder)
        corridor(folder)
        if "--quick" in sys.argv:
            return
        plaza("retail 1024x768", folder, "--detector", RETAIL, "--input-size", "1024x768")
        plaza("YOLOX-nano", folder, "--detector", YOLOX)
        for name in ("darker", "noisy"):
            plaza(f"shipped, {name}", folder, clip=disturbed(folder / f"{name}.avi", name))


def plaza(name: str, folder: Path, *more: object, clip: Path = PETS / "vtest.avi") -> None:
    """One row of PETS09-S2L1."""
    out = folder / name.replace(" ", "-")
    command(
        "edge", "replay", "--camera", f"v={clip}", "--points", f"v={PETS / 'points.csv'}", "--fps", "v=7",
        "--until", "57.1", "--out", out, *more,
    )  # fmt: skip
    people = command("evaluate", "people", "--tracks", out / "tracks-v.txt", "--truth", PETS / "gt.txt")
    truth = PETS / "gt_ground_m.csv"
    heat = command("evaluate", "heat", "--heat", out / "heat.npz", "--truth", truth, "--fps", "7")
    row(name, people, f"   {heat['r']:.3f}   {heat['emd_m']:.2f}  {heat['mass_ratio']:.3f}")


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
