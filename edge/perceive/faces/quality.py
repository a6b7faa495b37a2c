"""Whether a face is good enough to be compared, and what the person can do about it when it is not."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from edge.perceive.faces.engine import Face, Image

Verdict = Literal[
    "ok", "no_face", "two_faces", "too_far", "too_close", "off_centre", "dark", "bright", "blurred", "turned_away", "occluded"
]  # fmt: skip

EYES_PX = 36.0
"""Distance of the eyes below which the person is asked to come closer (a face of about 80 px)."""
CLOSE_SHARE = 0.75
"""Height of the face as a share of the picture's."""
RIVAL = 0.6
"""A second face this large in proportion to the first is somebody who stands there too."""
DARK, BRIGHT = 45.0, 225.0
SHARP = 12.0
TURNED = 0.35
SURE = 0.8
"""YuNet's score: masks, hands and hats over the brow bring it below."""


def judge(image: Image, faces: list[Face], aligned: Image | None) -> Verdict:
    """The verdict on the largest face; `aligned` is that face at 112 × 112 px, None when there is none."""
    if not faces or aligned is None:
        return "no_face"
    face = largest(faces)
    if any(other is not face and other.eyes_px >= RIVAL * face.eyes_px for other in faces):
        return "two_faces"
    height, width = image.shape[:2]
    if face.eyes_px < EYES_PX:
        return "too_far"
    if face.box_px[3] > CLOSE_SHARE * height:
        return "too_close"
    x, y = face.middle_px
    if not (0.15 * width < x < 0.85 * width and 0.1 * height < y < 0.9 * height):
        return "off_centre"
    grey = cv2.cvtColor(aligned, cv2.COLOR_BGR2GRAY)[16:104, 16:96]
    light = float(grey.mean())
    if light < DARK or light > BRIGHT:
        return "dark" if light < DARK else "bright"
    if float(cv2.Laplacian(grey, cv2.CV_32F).var()) < SHARP:
        return "blurred"
    if _turned(face):
        return "turned_away"
    return "ok" if face.score >= SURE else "occluded"


def largest(faces: list[Face]) -> Face:
    """The nearest person's face."""
    return max(faces, key=lambda face: face.eyes_px)


def _turned(face: Face) -> bool:
    """The nose tip lies far from the middle between the eyes, along the line of the eyes."""
    right, left, nose = (face.points[i].astype(np.float64) for i in range(3))
    along = (left - right) / max(face.eyes_px, 1e-6)
    off = float(np.dot(nose - (right + left) / 2, along)) / max(face.eyes_px, 1e-6)
    return abs(off) > TURNED
