"""What a camera's process tells the box: one line of JSON per report.

No frame ever leaves it. A background does, on command, with the people removed: see `edge.perceive.backdrop`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from edge.floor.observation import COLUMNS
from edge.perceive.health import Event

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class FrameReport:
    """A frame of `camera` at `t_ms`; `boxes` (n, 12: box in px, score, clothes, scenery) is None behind a closed gate."""

    camera: str
    t_ms: int
    boxes: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class EventReport:
    """Something about `camera` that is not a frame."""

    camera: str
    event: Event


@dataclass(frozen=True, slots=True)
class BackgroundReport:
    """What became of `command`: a picture without people, or why there is none (`code`, `detail`)."""

    camera: str
    command: str
    code: str
    made_ms: int
    detail: str = ""
    jpeg: bytes = b""
    blank_png: bytes = b""
    """Rows × columns, 255 where the picture is blank."""
    size_px: tuple[int, int] = (0, 0)
    """Width and height of the picture."""
    camera_px: tuple[int, int] = (0, 0)
    """Width and height of the camera's own pictures."""
    samples: int = 0
    blank_share: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether there is a picture."""
        return self.code == "done"


Report = FrameReport | EventReport | BackgroundReport


def encode(report: Report) -> str:
    """One line, without its end."""
    if isinstance(report, BackgroundReport):
        return json.dumps(
            [
                report.camera, "background", report.command, report.code, report.made_ms, report.detail,
                base64.b64encode(report.jpeg).decode("ascii"), base64.b64encode(report.blank_png).decode("ascii"),
                report.size_px, report.camera_px, report.samples, report.blank_share,
            ]
        )  # fmt: skip
    if isinstance(report, EventReport):
        event = report.event
        return json.dumps(
            [
                report.camera, "event", event.at_ms, event.what, event.state, event.detail, event.step_ms,
                event.fault,
            ]
        )  # fmt: skip
    boxes = None if report.boxes is None else np.round(report.boxes.astype(float), 3).tolist()
    return json.dumps([report.camera, "frame", report.t_ms, boxes])


def _table(rows: list[list[float]]) -> NDArray[np.float32]:
    table = np.array(rows, dtype=np.float32)
    return table.reshape(-1, COLUMNS if not table.size or table.shape[-1] != 5 else 5)


def decode(line: str) -> Report:
    """Read a line back. Raises InputError for anything else."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"a line of {len(line)} characters")
        fields = json.loads(line)
        if fields[1] == "event":
            camera, _, at_ms, what, state, detail, step_ms, fault = fields
            return EventReport(camera, Event(what, at_ms, state, detail, step_ms, fault))
        if fields[1] == "background":
            camera, _, command, code, made_ms, detail, image, blank, size, camera_size, samples, share = (
                fields
            )
            return BackgroundReport(
                camera, command, code, made_ms, detail,
                base64.b64decode(image, validate=True), base64.b64decode(blank, validate=True),
                (size[0], size[1]), (camera_size[0], camera_size[1]), samples, share,
            )  # fmt: skip
        camera, _, t_ms, boxes = fields
        table = None if boxes is None else _table(boxes)
        return FrameReport(camera, int(t_ms), table)
    except (ValueError, IndexError, TypeError, KeyError) as error:
        raise InputError(f"a camera process wrote {line[:80]!r}.", hint="Report this fault.") from error
