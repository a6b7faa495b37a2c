"""Faces in a picture: found by YuNet, aligned on five points, embedded by SFace; one thread.

Embeddings are unit vectors of 128 numbers: the dot product of two is their cosine. Weights, licences and
what is not known of them: edge/models/FACES.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.perceive.detectors.weights import shipped_weights
from edge.perceive.inference import open_session

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

SIZE_PX = 112
EMBEDDING = 128
LONG_SIDES_PX = (320, 640)
"""Pictures are searched at the first size, and at the next when nobody was found: near faces are quick."""
_SCORE = 0.6
_NMS = 0.3
_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Where eyes, nose tip and mouth corners go in the aligned picture (the ArcFace convention SFace expects)."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face: box (x, y, w, h) px, `points` (5, 2) px: right eye, left eye, nose tip, mouth corners."""

    box_px: tuple[float, float, float, float]
    points: Array
    score: float

    @property
    def middle_px(self) -> tuple[float, float]:
        """Centre of the box."""
        x, y, width, height = self.box_px
        return x + width / 2, y + height / 2

    @property
    def eyes_px(self) -> float:
        """Distance of the eyes."""
        return float(np.hypot(*(self.points[1] - self.points[0])))


class FaceEngine:
    """Detector and embedder. Raises InputError when a model file is missing or changed."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        yunet = shipped_weights("yunet", "faces")
        self._detector = cv2.FaceDetectorYN.create(str(yunet.path), "", (320, 320), _SCORE, _NMS, 50)
        self._embedder = open_session(shipped_weights("sface", "faces").content)

    def detect(self, image: Image) -> list[Face]:
        """All faces of a picture (rows × columns × 3, BGR), the most certain first."""
        long_side = max(image.shape[:2])
        for wanted in LONG_SIDES_PX:
            found = self._search(image, min(1.0, wanted / long_side))
            if found or wanted >= long_side:
                break
        return found

    def _search(self, image: Image, scale: float) -> list[Face]:
        small: cv2.typing.MatLike = image
        if scale < 1:
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._detector.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._detector.detect(small)
        found = [
            Face(
                (float(r[0]) / scale, float(r[1]) / scale, float(r[2]) / scale, float(r[3]) / scale),
                np.asarray(r[4:14], np.float32).reshape(5, 2) / np.float32(scale),
                float(r[14]),
            )
            for r in (rows if rows is not None else ())
        ]
        return sorted(found, key=lambda face: -face.score)

    def align(self, image: Image, face: Face) -> Image:
        """The face upright at 112 × 112 px."""
        matrix = _similarity(face.points.astype(np.float64), _TEMPLATE)
        return np.asarray(cv2.warpAffine(image, matrix, (SIZE_PX, SIZE_PX), flags=cv2.INTER_LINEAR), np.uint8)

    def embed(self, aligned: Image) -> Array:
        """Unit vector (128,) of an aligned face."""
        blob = cv2.dnn.blobFromImage(aligned, 1.0, (SIZE_PX, SIZE_PX), (0, 0, 0), swapRB=True, crop=False)
        vector = np.asarray(self._embedder.run(None, {"data": blob})[0][0], np.float32)
        return vector / np.float32(max(float(np.linalg.norm(vector)), 1e-12))


def centre_face(faces: list[Face], image: Image) -> Face | None:
    """Of several faces the one nearest the centre of the picture; None when there is none."""
    height, width = image.shape[:2]
    return min(
        faces,
        key=lambda face: np.hypot(face.middle_px[0] - width / 2, face.middle_px[1] - height / 2),
        default=None,
    )


def _similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least-squares turn, scale and shift (2, 3) between point sets (Umeyama 1991)."""
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    u, values, vt = np.linalg.svd(t.T @ s / len(s))
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt))])
    turn = u @ np.diag(sign) @ vt
    scale = float((values * sign).sum() / max((s**2).sum() / len(s), 1e-9))
    return np.column_stack([scale * turn, mean_t - scale * turn @ mean_s])
