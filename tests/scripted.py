"""A camera's own process over pictures that were written down: its capture, and a detector in an empty room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.perceive.camera import Frame
from edge.perceive.health import Event


class Nobody:
    """A detector in an empty room."""

    def detect(self, _image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Finds none."""
        return np.zeros((0, 5), np.float32)


class Script:
    """A capture that gives what was written down, and then ends."""

    def __init__(self, told: list[Frame | Event]) -> None:
        self._told = iter(told)

    def start(self) -> None:
        """There is no thread."""

    stop = connect_anew = start

    def next(self, _timeout_s: float) -> Frame | Event:
        """Raises StopIteration at the end."""
        return next(self._told)
