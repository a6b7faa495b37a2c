"""Make `sample_video/plaza.mp4` and `sample_video/points.csv` from OpenCV's sample `vtest.avi`.

    apt-get download opencv-doc && dpkg-deb -x opencv-doc_*.deb opencv-doc
    python tools/make_sample_video.py opencv-doc/usr/share/doc/opencv-doc/examples/data/vtest.avi

The clip is PETS 2009 S2.L1, View_001, taken at 7 frames a second (its header says 10). Every frame is
kept, and that is checked. ffmpeg 5.1.9 of Debian 12 gives the digest in `sample_video/LICENSE.md`;
another build of x264 may give other bytes for the same pictures. The calibration marks are picture
points carried to the ground by the camera's published Tsai calibration, then turned and shifted (no
scale) into the plan of the demo branch: x right, y down, as if the camera stood at the lower side of
the plan.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SOURCE_SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
FPS = 7
MARKS_PX = [
    (90, 170), (300, 140), (520, 165), (700, 130),
    (60, 260), (250, 290), (470, 260), (690, 300),
    (120, 420), (380, 400), (620, 430), (300, 540), (560, 550),
]  # fmt: skip
# Tsai calibration of View_001 as published with PETS 2009 (mm, rad).
FOCAL, KAPPA, CX, CY, SX = 5.5549183034, 5.1113043639e-03, 324.22149053, 282.56650051, 1.0937855397
DPX, DPY = 5.1273271277e-03, 4.65e-03
TX, TY, TZ = 828.73214225, -3175.4796051, 35469.298547
RX, RY, RZ = 2.0405458695, -0.89337703748, -0.43056124791
# World metres -> plan: turned so that the picture's right is the plan's, then shifted to its corner.
TURN = math.radians(-63.99)
SHIFT_M = (10.5, 3.0)


def main() -> None:
    """Encode the clip and write the marks; print the digests for LICENSE.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("vtest", type=Path)
    parser.add_argument("--out", type=Path, default=Path("sample_video"))
    args = parser.parse_args()
    if not args.vtest.is_file():
        parser.exit(4, f"error: there is no file {args.vtest}; take it from Debian's package opencv-doc.\n")
    if shutil.which("ffmpeg") is None:
        parser.exit(5, "error: there is no ffmpeg on the path; install Debian's package ffmpeg.\n")
    if hashlib.sha256(args.vtest.read_bytes()).hexdigest() != SOURCE_SHA256:
        parser.exit(4, f"error: {args.vtest} is not the vtest.avi of opencv-doc 4.6.0.\n")
    args.out.mkdir(exist_ok=True)
    clip = args.out / "plaza.mp4"
    encode(args.vtest, clip)
    if moved := frames_moved(args.vtest, clip):
        parser.exit(
            4, f"error: {moved} frames of {clip} are not those of {args.vtest}; use another ffmpeg.\n"
        )
    with (args.out / "points.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["x_px", "y_px", "x_m", "y_m"])
        for mark in MARKS_PX:
            writer.writerow([*mark, *(f"{value:.3f}" for value in to_plan(*to_ground(*mark)))])
    print(hashlib.sha256(clip.read_bytes()).hexdigest(), clip)


def encode(source: Path, clip: Path) -> None:
    """H.264 at the true rate, a closed group of pictures every 10 s, repeatable with one thread."""
    shape = f"-an -c:v libx264 -preset slow -crf 29 -g 70 -keyint_min 7 -pix_fmt yuv420p -r {FPS}"
    exact = "-fflags +bitexact -flags:v +bitexact -map_metadata -1 -threads 1 -movflags +faststart"
    read = f"ffmpeg -v error -y -r {FPS} -i".split()
    subprocess.run([*read, source, *shape.split(), *exact.split(), clip], check=True)


def frames_moved(source: Path, clip: Path) -> int:
    """How many frames are missing, added, or look more like a neighbour than like their original."""
    ours, theirs = list(_small(clip)), list(_small(source))
    moved = abs(len(ours) - len(theirs))
    for index, frame in enumerate(ours[: len(theirs)]):
        around = range(max(0, index - 2), min(len(theirs), index + 3))
        moved += index != min(around, key=lambda other: float(np.mean((theirs[other] - frame) ** 2)))
    return moved


def _small(video: Path) -> Iterator[NDArray[np.float32]]:
    capture = cv2.VideoCapture(str(video))
    while (read := capture.read())[0]:
        grey = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY)
        yield cv2.resize(grey, (192, 144), interpolation=cv2.INTER_AREA).astype(np.float32)


def to_ground(x_px: float, y_px: float) -> tuple[float, float]:
    """Picture point -> world metres on the ground plane (Tsai 1987, radial distortion included)."""
    xd, yd = (x_px - CX) * DPX / SX, (y_px - CY) * DPY
    bend = 1 + KAPPA * (xd * xd + yd * yd)
    xu, yu = xd * bend, yd * bend
    sx, cx, sy, cy, sz, cz = *_sincos(RX), *_sincos(RY), *_sincos(RZ)
    r11, r12 = cy * cz, cz * sx * sy - cx * sz
    r21, r22 = cy * sz, sx * sy * sz + cx * cz
    r31, r32 = -sy, cy * sx
    scale = (
        (r11 * r32 - r12 * r31) * yu + (r22 * r31 - r21 * r32) * xu - FOCAL * r11 * r22 + FOCAL * r12 * r21
    )
    x = (r12 * TZ - r32 * TX) * yu + (r32 * TY - r22 * TZ) * xu - FOCAL * r12 * TY + FOCAL * r22 * TX
    y = (r11 * TZ - r31 * TX) * yu + (r31 * TY - r21 * TZ) * xu - FOCAL * r11 * TY + FOCAL * r21 * TX
    return x / scale / 1000, -y / scale / 1000


def to_plan(x_m: float, y_m: float) -> tuple[float, float]:
    """World metres -> plan metres: x along the picture's right, y towards the camera."""
    sin, cos = math.sin(TURN), math.cos(TURN)
    return x_m * cos + y_m * sin + SHIFT_M[0], -(-x_m * sin + y_m * cos) + SHIFT_M[1]


def _sincos(angle: float) -> tuple[float, float]:
    return math.sin(angle), math.cos(angle)


if __name__ == "__main__":
    main()
