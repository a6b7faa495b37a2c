"""Open Model Zoo SSDs such as person-detection-retail-0013, through the optional `openvino` extra.

Input (1, 3, H, W) BGR 0–255, reshapeable; output (1, 1, n, 7): image, label, score, x0, y0, x1, y1 as
shares of the picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import DependencyError, InputError
from edge.perceive.detectors.boxes import Boxes, check_image, thin

NMS_IOU = 0.6


class OpenvinoSsd:
    """Runs in OpenVINO on the CPU; deterministic for a fixed number of threads."""

    def __init__(
        self, path: Path, *, threads: int, score_floor: float, input_size: tuple[int, int] | None
    ) -> None:
        self.name = path.stem
        self._floor = score_floor
        model, core = _read(path)
        shape = [int(d.get_length()) if d.is_static else 0 for d in model.input(0).partial_shape]
        result = model.output(0).partial_shape
        if len(shape) != 4 or shape[1] != 3 or len(result) != 4 or result[3] != 7:
            raise InputError(
                f"model {path} is not a detector that is known here.",
                hint="Input 1×3×H×W and output 1×1×n×7 are expected.",
            )
        self._width, self._height = input_size or (shape[3], shape[2])
        if input_size:
            model.reshape([1, 3, self._height, self._width])
        self._run = core.compile_model(
            model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        )

    def detect(self, image_bgr: NDArray[np.uint8]) -> Boxes:
        """People in a picture (rows, columns, 3) BGR: (n, 5) x0, y0, x1, y1 px and score, best first."""
        check_image(image_bgr)
        height, width = image_bgr.shape[:2]
        fitted = cv2.resize(image_bgr, (self._width, self._height))
        blob = fitted.transpose(2, 0, 1)[None].astype(np.float32)
        rows = np.asarray(self._run(blob)[0]).reshape(-1, 7)
        rows = rows[(rows[:, 0] >= 0) & (rows[:, 2] >= self._floor)]
        boxes = np.column_stack([rows[:, 3:7] * [width, height, width, height], rows[:, 2]])
        return thin(boxes.astype(np.float32), NMS_IOU, (width, height))


def _read(path: Path) -> tuple[Any, Any]:
    try:
        import openvino
    except ImportError as error:
        raise DependencyError(
            f"model {path} needs OpenVINO, which is not installed.",
            hint="Install it: pip install 'branchloop[edge,openvino]'.",
        ) from error
    core = openvino.Core()
    try:
        return core.read_model(path), core
    except RuntimeError as error:
        raise InputError(
            f"model {path} cannot be read by OpenVINO.", hint="Give the .xml beside its .bin file."
        ) from error
