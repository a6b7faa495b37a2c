"""What is known of a camera's view, kept between runs: where it looks, and how much detail its pictures have.

It goes by the calibration: another one learns anew.
"""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from branchloop import exits
from branchloop.site.site import Camera, Site
from branchloop.wire.messages import CameraFault
from edge.durable import replace_whole
from edge.perceive.detail import Detail, Usual
from edge.perceive.faults import said_moved, view_file
from edge.perceive.integrity import Integrity
from edge.perceive.repetition import Repetition
from edge.perceive.viewpoint import Field, Viewpoint

_DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged file raises: RuntimeError where a flipped bit says that it is encrypted."""


class KeptView:
    """The view of one camera by its calibration; told in words."""

    def __init__(self, site: Site, camera: Camera, base_dir: Path) -> None:
        self._file = view_file(site, camera, base_dir)
        looks, usual = read_view(self._file) if self._file is not None else ([], None)
        self._view = Viewpoint(looks)
        self._detail = Detail(usual)
        self._camera = camera
        self._plan = site.plan

    def integrity(self) -> Integrity:
        """A judge that starts afresh, but for the view. A clip that loops by its configuration may repeat."""
        return Integrity(self._view, None if self._camera.loop else Repetition(), self._detail)

    @property
    def fault(self) -> CameraFault | None:
        """`moved`, if it is."""
        return None if self._view.motion is None else "moved"

    @property
    def said(self) -> str:
        """How far it has moved."""
        motion = self._view.motion
        return "" if motion is None else said_moved(motion, self._camera, self._plan)

    def keep(self) -> None:
        """Store what was learnt; other calibrations' views of this camera go."""
        if not (self._view.changed or self._detail.changed):
            return
        self._view.changed = self._detail.changed = False
        if self._file is None:
            return
        try:
            store_view(self._file, self._view.looks, self._detail.usual)
            for other in self._file.parent.glob(f"{self._camera.id}-{'?' * 12}.npz"):
                if other != self._file:
                    other.unlink()
        except OSError as error:
            exits.log(f"camera {self._camera.id}: its view cannot be kept: {error}")


def read_view(path: Path) -> tuple[list[Field], Usual | None]:
    """What was stored; nothing of what is not there or is damaged: that is learnt anew."""
    try:
        with zipfile.ZipFile(path) as parts:
            if parts.testzip() is not None:  # else a damaged size would be believed before its sum is checked
                return [], None
        with np.load(path, allow_pickle=False) as stored:
            packed = stored["looks"]
            usual = stored["usual"] if "usual" in stored else np.zeros(0)
    except _DAMAGED:
        return [], None
    return _looks(packed), _usual(usual)


def _looks(packed: NDArray[np.generic]) -> list[Field]:
    if packed.ndim != 4 or packed.shape[0] != 2 or packed.dtype != np.int8:
        return []
    parts = packed.astype(np.int8)
    return [(parts[0, i] / 100 + 1j * parts[1, i] / 100).astype(np.complex64) for i in range(parts.shape[1])]


def _usual(stored: NDArray[np.generic]) -> Usual | None:
    if stored.shape != (3,) or stored.dtype != np.float64:
        return None
    detail, width, height = (float(number) for number in stored.tolist())
    if not all(math.isfinite(number) and number > 0 for number in (detail, width, height)):
        return None
    return Usual(detail, (round(width), round(height)))


def store_view(path: Path, looks: Sequence[Field], usual: Usual | None) -> None:
    """Keep them for the next run. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stack = np.stack(looks) if looks else np.zeros((0, 1, 1), np.complex64)
    packed = np.clip(np.stack([stack.real, stack.imag]) * 100, -127, 127).round().astype(np.int8)
    numbers = [] if usual is None else [usual.detail, *usual.picture_px]
    file = io.BytesIO()
    np.savez_compressed(file, looks=packed, usual=np.array(numbers, np.float64))
    replace_whole(path, file.getvalue(), 0o600)
