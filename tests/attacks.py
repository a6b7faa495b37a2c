"""Attacks as pixels: what somebody might hold before the kiosk's camera, rendered from stills and the clip."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from grain import Grain
from numpy.typing import NDArray

from branchloop.share import share
from edge.kiosk.challenge import ACTIONS, Action, Challenge
from edge.perceive.camera import open_clip
from edge.perceive.faces.attempt import Attempt, State
from edge.perceive.faces.engine import FaceEngine
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.padmodel import PadModel

Image = NDArray[np.uint8]
Show = Callable[[float, Action | None], Image]
"""What the camera sees at a time (s) while an action is asked for."""
FPS = 12
SECONDS = 9.0


@dataclass(frozen=True)
class Customer:
    """The animated portrait, which does what it is asked for."""

    clip: list[Image]
    spans: dict[str, list[int]]

    @classmethod
    def load(cls) -> Customer:
        spans = tomllib.loads(share("sample_video/kiosk.toml").read_text(encoding="utf-8"))
        return cls([f.image for f in open_clip(share("sample_video/kiosk.mp4"), None).frames], spans)

    def segment(self, name: str) -> list[Image]:
        first, end = self.spans[name]
        return self.clip[first:end]

    def obeying(self, *, twist: Callable[[Action], str] = str) -> Show:
        """Plays neutral, and the segment of `twist(action)` once for every prompt."""
        began: list[tuple[float, str]] = [(0.0, "neutral")]
        asked: list[Action | None] = [None]

        def show(t_s: float, action: Action | None) -> Image:
            if action != asked[0]:
                asked[0] = action
                if action is not None and twist(action) in self.spans:
                    began[0] = (t_s + 0.3, twist(action))
            start_s, name = began[0]
            frames = self.segment(name)
            at = int(max(0.0, t_s - start_s) * FPS)
            if at >= len(frames):
                began[0] = (t_s, "neutral")
                return self.segment("neutral")[0]
            return frames[at]

        return show


def plane(
    image: Image,
    yaw_deg: float = 0,
    pitch_deg: float = 0,
    roll_deg: float = 0,
    zoom: float = 1,
    shift: tuple[float, float] = (0, 0),
) -> Image:
    """A flat print, turned in space before a camera."""
    height, width = image.shape[:2]
    focal = 1.5 * width
    y, p, r = np.radians([yaw_deg, pitch_deg, roll_deg])
    turn = (
        np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
        @ np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    )
    flat = np.array([[-width, -height, 0], [width, -height, 0], [width, height, 0], [-width, height, 0]]) / 2
    space = flat @ turn.T + np.array([*shift, focal / zoom])
    seen = (space[:, :2] / space[:, 2:] * focal + np.array([width, height]) / 2).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(
        (flat[:, :2] + np.array([width, height]) / 2).astype(np.float32), seen
    )
    return np.asarray(
        cv2.warpPerspective(image, matrix, (width, height), borderValue=(110, 112, 108)), np.uint8
    )


def bent(image: Image, curve: float) -> Image:
    """A print bent round an upright cylinder."""
    height, width = image.shape[:2]
    x = (np.arange(width) - width / 2) / (width / 2)
    along = (np.arcsin(np.clip(x * np.sin(curve), -1, 1)) / curve * (width / 2) + width / 2).astype(
        np.float32
    )
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
    return np.asarray(cv2.remap(image, np.tile(along, (height, 1)), rows, cv2.INTER_LINEAR), np.uint8)


def cut_out(image: Image) -> Image:
    """The face alone, cut out with scissors and held before a wall."""
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.ellipse(
        mask, (width // 2, round(0.42 * height)), (width // 5, round(0.34 * height)), 0, 0, 360, 255, -1
    )
    return np.asarray(np.where(mask[..., None] > 0, image, np.uint8(150)), np.uint8)


def on_tablet(image: Image, t_s: float) -> Image:
    """The picture on a tablet: bezel, glow, moiré and the flicker of its backlight."""
    height, width = image.shape[:2]
    w, h = round(0.8 * width), round(0.8 * height)
    screen = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32)
    x, y = np.meshgrid(np.arange(w), np.arange(h))
    stripes = 6 * np.sin(2 * np.pi * (x / 3.1 + y / 41)) + 6 * np.sin(2 * np.pi * (y / 2.9 + x / 37))
    screen = (
        screen * (1 + 0.05 * np.sin(2 * np.pi * 5 * t_s)) * 1.08 + stripes[..., None] + np.array([14, 6, 0])
    )
    room = np.full((height, width, 3), (96, 100, 104), np.float32)
    x0, y0 = (width - w) // 2, (height - h) // 2
    glow = np.zeros((height, width), np.float32)
    cv2.rectangle(glow, (x0, y0), (x0 + w, y0 + h), 60, -1)
    room += cv2.GaussianBlur(glow, (0, 0), 25)[..., None]
    cv2.rectangle(room, (x0 - 14, y0 - 14), (x0 + w + 14, y0 + h + 14), (18, 18, 18), -1)
    room[y0 : y0 + h, x0 : x0 + w] = screen
    return np.clip(room, 0, 255).astype(np.uint8)


def planar(still: Image, seed: int) -> tuple[str, Show]:
    """A species of flat attack, moved about in its own way."""
    rng = random.Random(seed)
    name = ("still", "turned", "nodded", "zoomed", "shifted", "rolled", "bent", "cut_out")[seed % 8]
    reach, pace = rng.uniform(20, 45), rng.uniform(0.2, 0.6)
    print_ = (
        cut_out(still)
        if name == "cut_out"
        else bent(still, rng.uniform(0.3, 1.0))
        if name == "bent"
        else still
    )

    def show(t_s: float, _action: Action | None) -> Image:
        swing = float(np.sin(2 * np.pi * pace * t_s)) if t_s > 0.6 else 0.0
        match name:
            case "turned" | "bent" | "cut_out":
                return plane(print_, yaw_deg=reach * swing)
            case "nodded":
                return plane(print_, pitch_deg=reach * swing)
            case "zoomed":
                return plane(print_, zoom=1 + 0.3 * swing)
            case "shifted":
                return plane(print_, shift=(60 * swing, 20 * swing))
            case "rolled":
                return plane(print_, roll_deg=reach / 2 * swing)
        return print_

    return name, show


def attempt(
    show: Show,
    engine: FaceEngine,
    landmarker: Landmarker,
    seed: int,
    *,
    pad: PadModel | None = None,
    actions: int = 2,
) -> State:
    """What the kiosk makes of a presentation, frame by frame at the camera's rate, with noise of the camera."""
    grain = Grain(1.5, seed)
    attempt = Attempt(engine, landmarker, challenge=Challenge(random.Random(seed), actions), pad=pad)
    state = attempt.state
    for i in range(round(SECONDS * 2 * FPS)):
        state = attempt.feed(grain.over(show(i / FPS, state.action)), i / FPS)
        if state.kind in {"done", "rejected"}:
            break
    return state


def other_action(action: Action) -> str:
    """A recording that shows something else."""
    shown: list[Action] = [one for one in ACTIONS if one not in {action, "smile", "blink"}]
    return shown[0]


def swapped(first: Show, other: Image, after_s: float) -> Show:
    """Another face takes over in the middle."""
    return lambda t_s, action: other if t_s > after_s else first(t_s, action)


def stills(paths: Iterator[object]) -> list[Image]:
    """Portraits of a public set at the camera's size."""
    found = []
    for path in paths:
        image = cv2.imread(str(path))
        assert image is not None
        side = cv2.resize(image, (480, 480), interpolation=cv2.INTER_CUBIC)
        canvas = np.full((480, 640, 3), 110, np.uint8)
        canvas[:, 80:560] = side
        found.append(canvas)
    return found
