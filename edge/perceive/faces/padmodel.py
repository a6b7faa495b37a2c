"""A passive model against presentation attacks, brought by the bank: ONNX files by path and digest.

The convention is MiniFASNet's (Silent-Face-Anti-Spoofing): 80 × 80 BGR 0–255 crops round the face, the scale
of the crop in the file's name ("2.7_80x80_…"), softmax over three classes, class 1 live; several files are
averaged. None ships: no such weights with a usable licence are in a registry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from branchloop.errors import InputError
from edge.perceive.detectors.weights import load_weights
from edge.perceive.faces.engine import Face, Image
from edge.perceive.inference import Session, UnreadableModelError, open_session

SIZE_PX = 80
LIVE = 1
ACCEPT = 0.5
_SCALE = re.compile(r"^([0-9]+(?:[._][0-9]+)?)[_-]")


class PadModel:
    """One or more files; `live` gives the chance that a face is no attack."""

    def __init__(self, paths: Sequence[Path], digests: Sequence[str | None] = ()) -> None:
        if not paths:
            raise InputError("no passive model is named.", hint="Give the path of an ONNX file.")
        self._models: list[tuple[float, Session]] = []
        for path, digest in zip(paths, [*digests, *[None] * (len(paths) - len(digests))], strict=True):
            weights = load_weights(path, digest)
            try:
                session = open_session(weights.content)
            except UnreadableModelError as error:
                raise InputError(f"passive model {path} cannot be run.", hint="Give an ONNX file.") from error
            shape = session.get_inputs()[0].shape[-2:]
            if list(shape) != [SIZE_PX, SIZE_PX]:
                raise InputError(
                    f"passive model {path} takes {shape}, not 80 × 80.", hint="See docs/faces.md."
                )
            self._models.append((_scale(path), session))

    def live(self, image: Image, face: Face) -> float:
        """Mean softmax of class `LIVE` over the models, 0 to 1."""
        return float(np.mean([_score(session, _crop(image, face, scale)) for scale, session in self._models]))


def _scale(path: Path) -> float:
    match = _SCALE.match(path.name)
    if match is None:
        raise InputError(
            f"passive model {path.name} does not name its crop.",
            hint="Begin the name with the scale: 2.7_80x80_…",
        )
    value = float(match[1].replace("_", "."))
    return value if value >= 1 else 1.0


def _score(session: Session, crop: Image) -> float:
    blob = crop.transpose(2, 0, 1)[None].astype(np.float32)
    out = np.asarray(session.run(None, {session.get_inputs()[0].name: blob})[0][0], np.float64)
    odds = np.exp(out - out.max())
    return float(odds[LIVE] / odds.sum())


def _crop(image: Image, face: Face, scale: float) -> Image:
    """The face with its surroundings, `scale` times its box, moved inside the picture as in training."""
    rows, columns = image.shape[:2]
    x, y, width, height = face.box_px
    scale = min((rows - 1) / height, (columns - 1) / width, scale)
    new_w, new_h = width * scale, height * scale
    middle_x, middle_y = x + width / 2, y + height / 2
    x0 = min(max(middle_x - new_w / 2, 0), columns - 1 - new_w)
    y0 = min(max(middle_y - new_h / 2, 0), rows - 1 - new_h)
    part = image[int(max(y0, 0)) : int(y0 + new_h) + 1, int(max(x0, 0)) : int(x0 + new_w) + 1]
    return np.asarray(cv2.resize(part, (SIZE_PX, SIZE_PX)), np.uint8)
