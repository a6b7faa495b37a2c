"""Make sample_video/kiosk.mp4: one public-domain portrait, animated as a customer before the kiosk.

    pip download --no-deps scikit-image==0.26.0 && unzip -oq scikit_image-*.whl -d skimage
    python tools/make_kiosk_clip.py skimage/skimage/data/astronaut.png sample_video

The portrait is NASA's of astronaut Eileen Collins (public domain). Its 478 landmarks are turned in space
with their depth, a ring behind the face carries the hair, and every triangle of the mesh is painted from
back to front; lids are painted over the eyes. It is no living person and nothing measured on it is
measured on people. It is also an attack: see docs/faces.md.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker

Array = NDArray[np.float64]

SIZE = (640, 480)
FPS = 12
CROP = (25, 0, 400, 300)
"""x, y, width, height of the part of the portrait that is shown."""
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
        149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]  # fmt: skip
EYES = (
    [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7],
    [362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382],
)
RINGS = ((1.25, 0.85, 0.35), (1.7, 0.4, 0.6), (2.6, 0.0, 0.0))
"""Rings round the face: distance, share of the movement, depth as a share of the face's width."""


@dataclass(frozen=True, slots=True)
class Pose:
    """How far the head is turned (degrees) and how far the lids are closed (0 to 1)."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    blink: float = 0.0
    sway_px: tuple[float, float] = (0.0, 0.0)


class Puppet:
    """A portrait that can be posed."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self._picture = picture
        with Landmarker() as landmarker:
            found = landmarker.find(picture, FaceEngine().detect(picture)[0])
        if found is None:
            raise SystemExit("no face in the portrait")
        self._face = found.points
        width = float(np.ptp(self._face[:, 0]))
        middle = self._face[OVAL].mean(0)
        self._pivot = np.array([middle[0], middle[1] + 0.1 * width, self._face[:, 2].max() + 0.25 * width])
        rings, shares = [], []
        for distance, share, depth in RINGS:
            ring = middle + (self._face[OVAL] - middle) * distance
            ring[:, 2] = self._face[OVAL, 2].mean() + depth * width
            rings.append(ring)
            shares += [share] * len(ring)
        w, h = SIZE
        border = [(x, y, 0.0) for x in np.linspace(0, w, 9) for y in (0, h)]
        border += [(x, y, 0.0) for y in np.linspace(0, h, 7)[1:-1] for x in (0, w)]
        self._points = np.vstack([self._face, *rings, np.array(border)])
        self._share = np.concatenate([np.ones(len(self._face)), shares, np.zeros(len(border))])
        inside = (
            (self._points[:, 0] >= 0)
            & (self._points[:, 0] <= w)
            & (self._points[:, 1] >= 0)
            & (self._points[:, 1] <= h)
        )
        keep = np.flatnonzero(inside)
        self._triangles = keep[Delaunay(self._points[keep, :2]).simplices]

    def pose(self, pose: Pose) -> NDArray[np.uint8]:
        """The portrait in a pose."""
        moved = self._moved(pose)
        shown = self._picture.copy()
        depth = moved[self._triangles, 2].mean(1)
        for triangle in self._triangles[np.argsort(-depth)]:
            _paint(self._picture, shown, self._points[triangle, :2], moved[triangle, :2])
        if pose.blink > 0:
            for eye in EYES:
                _lid(shown, moved[eye, :2], pose.blink)
        return shown

    def _moved(self, pose: Pose) -> Array:
        yaw, pitch = math.radians(pose.yaw_deg), math.radians(pose.pitch_deg)
        about_y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
        about_x = np.array(
            [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
        )
        turned = (self._points - self._pivot) @ (about_x @ about_y).T + self._pivot
        turned[:, :2] += pose.sway_px
        share = self._share[:, None]
        return np.asarray(turned * share + self._points * (1 - share))


def _paint(source: NDArray[np.uint8], target: NDArray[np.uint8], from_px: Array, to_px: Array) -> None:
    area = _area(to_px)
    if abs(area) < 0.2 or area * _area(from_px) < 0:
        return
    x0, y0 = np.floor(to_px.min(0)).astype(int)
    x1, y1 = np.ceil(to_px.max(0)).astype(int) + 1
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, target.shape[1]), min(y1, target.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    local = (to_px - (x0, y0)).astype(np.float32)
    matrix = cv2.getAffineTransform(from_px.astype(np.float32), local)
    patch = cv2.warpAffine(
        source, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(mask, np.round(local * 16).astype(np.int32), 255, lineType=cv2.LINE_8, shift=4)
    target[y0:y1, x0:x1][mask > 0] = patch[mask > 0]


def _area(triangle: Array) -> float:
    """Twice the signed area."""
    (x0, y0), (x1, y1), (x2, y2) = triangle
    return float((x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0))


def _lid(shown: NDArray[np.uint8], contour: Array, blink: float) -> None:
    """Skin from above the eye over its upper part, and the line of the lashes."""
    upper, lower = contour[:9], np.vstack([contour[8:], contour[:1]])[::-1]
    edge = upper + (lower[np.linspace(0, len(lower) - 1, 9).round().astype(int)] - upper) * blink
    lid = np.vstack([upper + np.array([0, -2.5]), edge[::-1]])
    height = float(np.ptp(contour[:, 1]))
    ys = np.clip(upper[2:7, 1] - 0.55 * height - 3, 0, shown.shape[0] - 1).astype(int)
    skin = np.median(shown[ys, upper[2:7, 0].astype(int)].astype(float), axis=0)
    mask = np.zeros(shown.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.round(lid * 16).astype(np.int32)], 1.0, lineType=cv2.LINE_AA, shift=4)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.1)[..., None]
    rows = np.arange(shown.shape[0])[:, None, None] - contour[:, 1].min()
    shade = skin * (1.02 - 0.14 * np.clip(rows / max(height, 1), 0, 1))
    shown[:] = np.clip(shown * (1 - mask) + shade * mask, 0, 255).astype(np.uint8)
    dark = tuple(float(v) for v in skin * 0.35)
    cv2.polylines(shown, [np.round(edge * 16).astype(np.int32)], False, dark, 2, cv2.LINE_AA, 4)


def arc(phase: float) -> float:
    """0 → 1 → 0, slow at both ends, with a rest at the top."""
    return float(np.clip(1.25 * (0.5 - 0.5 * math.cos(2 * math.pi * phase)), 0, 1))


def segments() -> dict[str, list[Pose]]:
    """The poses of every segment, at FPS."""

    def acted(seconds: float, **most: float) -> list[Pose]:
        count = round(seconds * FPS)
        return [
            Pose(**{key: value * arc(i / (count - 1)) for key, value in most.items()}) for i in range(count)
        ]

    return {
        "neutral": acted(3.0),
        "turn_left": acted(2.0, yaw_deg=LEFT * 26.0),
        "turn_right": acted(2.0, yaw_deg=-LEFT * 26.0),
        "nod": acted(1.8, pitch_deg=DOWN * 22.0),
        "blink": acted(1.2, blink=1.0),
    }


LEFT = -1.0  # towards the right of the picture, which is the sitter's left
DOWN = 1.0


def frames(picture: NDArray[np.uint8]) -> tuple[list[NDArray[np.uint8]], dict[str, tuple[int, int]]]:
    """All frames, breathing and with a camera's noise, and the span [first, end) of every segment."""
    puppet = Puppet(picture)
    rng = np.random.default_rng(20261124)
    shown: list[NDArray[np.uint8]] = []
    spans: dict[str, tuple[int, int]] = {}
    for name, poses in segments().items():
        begin = len(shown)
        for pose in poses:
            t_s = len(shown) / FPS
            alive = Pose(
                pose.yaw_deg + 1.2 * math.sin(1.9 * t_s), pose.pitch_deg + 0.8 * math.sin(1.3 * t_s), pose.blink,
                (1.5 * math.sin(0.8 * t_s), 1.0 * math.sin(1.1 * t_s)),
            )  # fmt: skip
            noise = rng.normal(0, 2.0, picture.shape)
            shown.append(np.clip(puppet.pose(alive) + noise, 0, 255).astype(np.uint8))
        spans[name] = (begin, len(shown))
    return shown, spans


def portrait(path: Path) -> NDArray[np.uint8]:
    """The part of the portrait that the kiosk's camera would see, at its size."""
    picture = cv2.imread(str(path))
    if picture is None:
        raise SystemExit(f"{path} is no picture")
    x, y, width, height = CROP
    return np.asarray(
        cv2.resize(picture[y : y + height, x : x + width], SIZE, interpolation=cv2.INTER_CUBIC), np.uint8
    )


def main() -> None:
    """Write the clip, its segments and three stills."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("portrait", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    shown, spans = frames(portrait(args.portrait))
    video = cv2.VideoWriter(str(args.out / "kiosk.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for image in shown:
        video.write(image)
    video.release()
    lines = [f"fps = {FPS}", ""] + [f"{name} = [{a}, {b}]" for name, (a, b) in spans.items()]
    (args.out / "kiosk.toml").write_text("\n".join(lines) + "\n")
    for number, index in enumerate((0, spans["neutral"][1] // 2, spans["neutral"][1] - 1), start=1):
        cv2.imwrite(str(args.out / f"kiosk-{number}.jpg"), shown[index], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
