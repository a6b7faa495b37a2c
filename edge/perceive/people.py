"""People in a picture: one small interface, the shipped detector by name, others by path."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from edge.perceive.detectors import nanodet, yolox
from edge.perceive.detectors.nanodet import NanoDet
from edge.perceive.detectors.openvino_ssd import OpenvinoSsd
from edge.perceive.detectors.weights import MODELS, Weights, load_weights, shipped
from edge.perceive.detectors.yolox import Yolox
from edge.perceive.inference import UnreadableModelError, open_session

FAINT_SCORE = 0.2
"""Boxes below this score serve nobody; those just above keep a person who is long known."""


class Detector(Protocol):
    """Finds people in one picture at a time."""

    name: str

    def detect(self, image_bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(rows, columns, 3) BGR -> (n, 5): x0, y0, x1, y1 px within the picture, score 0..1."""
        ...


def load_detector(
    name_or_path: str,
    *,
    threads: int = 1,
    score_floor: float = 0.1,
    sha256: str | None = None,
    input_size: tuple[int, int] | None = None,
) -> Detector:
    """Load a shipped detector by name or a model file by path (.onnx, or OpenVINO's .xml).

    `sha256` is that of the file named (always checked for shipped ones); `input_size` (width, height)
    reshapes an OpenVINO model. Raises InputError for a missing, changed or unknown model,
    DependencyError where OpenVINO is not installed.
    """
    catalogue = shipped()
    if name_or_path in catalogue:
        file, digest = catalogue[name_or_path]
        return _onnx(load_weights(MODELS / file, digest), name_or_path, threads, score_floor)
    path = Path(name_or_path)
    weights = load_weights(path, sha256)
    if path.suffix == ".xml":
        return OpenvinoSsd(path, threads=threads, score_floor=score_floor, input_size=input_size)
    return _onnx(weights, path.stem, threads, score_floor)


def _onnx(weights: Weights, name: str, threads: int, score_floor: float) -> Detector:
    careful = not _sums_exactly()  # with VNNI the boxes are the same to the last bit
    try:
        session = open_session(weights.content, threads, careful=careful)
    except UnreadableModelError as error:
        raise InputError(
            f"model {weights.path} is not an ONNX model that can be run.", hint="Give an .onnx file."
        ) from error
    return _known(session, name, weights.path, score_floor)


def _sums_exactly() -> bool:
    """Whether this processor sums 8-bit products without saturating (VNNI); taken for one that does not if unknown."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags)


def _known(session: Any, name: str, path: Path, score_floor: float) -> Detector:
    """Recognise the model by the shapes of its input and outputs."""
    inputs = [tuple(entry.shape) for entry in session.get_inputs()]
    outputs = [tuple(entry.shape) for entry in session.get_outputs()]
    if nanodet.is_known(inputs, outputs):
        return NanoDet(name, session, score_floor)
    if len(inputs) == 1 and len(inputs[0]) == 4 and all(isinstance(side, int) for side in inputs[0]):
        _, channels, height, width = inputs[0]
        if channels == 3 and outputs == [(1, yolox.cells(width, height), 85)]:
            return Yolox(name, session, score_floor)
    raise InputError(
        f"model {path} takes {inputs} and gives {outputs[:3]}: not a detector that is known here.",
        hint="NanoDet 416, undecoded YOLOX (80 classes) and OpenVINO person SSDs are.",
    )
