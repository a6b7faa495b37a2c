"""478 landmarks of a face, what it does (blendshapes) and where it looks, by MediaPipe's FaceLandmarker.

Yaw is positive when the person turns to their own left, pitch when they look down, roll clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.detectors.weights import shipped_weights
from edge.perceive.faces.engine import Face, Image
from edge.perceive.silence import keep_silent

keep_silent()

import mediapipe  # noqa: E402 - not before the line above
from mediapipe.tasks.python import BaseOptions, vision  # noqa: E402

CROP = 1.8
"""The landmarker sees the face with this much around it: cheaper and steadier than the whole picture."""
INPUT_PX = 256


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """One face at one moment.

    `points` (478, 3): px of the whole picture, z in the same unit, towards the camera negative; angles in
    degrees; `blink` and `smile` 0 to 1.
    """

    points: NDArray[np.float64]
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    blink: float
    smile: float


class Landmarker:
    """The landmarker; close it, or use it in a `with`. Not for several threads."""

    def __init__(self) -> None:
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=shipped_weights("face_landmarker", "faces").content),
            running_mode=vision.RunningMode.IMAGE,
            num_faces=1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._landmarker: Any = vision.FaceLandmarker.create_from_options(options)

    def close(self) -> None:
        """Release the model's threads."""
        self._landmarker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def find(self, image: Image, face: Face) -> Landmarks | None:
        """Landmarks of `face` in a picture (rows × columns × 3, BGR); None when the model sees no face."""
        x0, y0, side = _square(face)
        shift = np.array([[1.0, 0, -x0], [0, 1.0, -y0]]) * (INPUT_PX / side)
        crop = cv2.warpAffine(image, shift, (INPUT_PX, INPUT_PX), flags=cv2.INTER_AREA)
        rgb = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB)
        found = self._landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
        if not found.face_landmarks:
            return None
        points = np.array([(p.x, p.y, p.z) for p in found.face_landmarks[0]]) * side
        points[:, 0] += x0
        points[:, 1] += y0
        shapes = {shape.category_name: shape.score for shape in found.face_blendshapes[0]}
        yaw, pitch, roll = _angles(np.asarray(found.facial_transformation_matrixes[0]))
        return Landmarks(
            points, yaw, pitch, roll,
            blink=min(shapes["eyeBlinkLeft"], shapes["eyeBlinkRight"]),
            smile=(shapes["mouthSmileLeft"] + shapes["mouthSmileRight"]) / 2,
        )  # fmt: skip


def _square(face: Face) -> tuple[float, float, float]:
    side = max(face.box_px[2], face.box_px[3]) * CROP
    x, y = face.middle_px
    return x - side / 2, y - side / 2, side


def _angles(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
    turn = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    yaw = np.degrees(np.arcsin(np.clip(-turn[2, 0], -1, 1)))
    pitch = np.degrees(np.arctan2(turn[2, 1], turn[2, 2]))
    roll = np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))
    return float(yaw), float(pitch), float(roll)
