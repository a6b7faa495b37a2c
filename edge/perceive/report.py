"""What a camera's process tells the box: one line of JSON per report; no picture ever leaves it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from edge.perceive.health import Event

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class FrameReport:
    """A frame of `camera` at `t_ms`; `boxes` (n, 5: x0, y0, x1, y1 px, score) is None behind a closed gate."""

    camera: str
    t_ms: int
    boxes: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class EventReport:
    """Something about `camera` that is not a frame."""

    camera: str
    event: Event


def encode(report: FrameReport | EventReport) -> str:
    """One line, without its end."""
    if isinstance(report, EventReport):
        event = report.event
        return json.dumps(
            [report.camera, "event", event.at_ms, event.what, event.state, event.detail, event.step_ms]
        )
    boxes = None if report.boxes is None else np.round(report.boxes.astype(float), 3).tolist()
    return json.dumps([report.camera, "frame", report.t_ms, boxes])


def decode(line: str) -> FrameReport | EventReport:
    """Read a line back. Raises InputError for anything else."""
    try:
        fields = json.loads(line)
        if fields[1] == "event":
            camera, _, at_ms, what, state, detail, step_ms = fields
            return EventReport(camera, Event(what, at_ms, state, detail, step_ms))
        camera, _, t_ms, boxes = fields
        table = None if boxes is None else np.array(boxes, dtype=np.float32).reshape(-1, 5)
        return FrameReport(camera, int(t_ms), table)
    except (ValueError, IndexError, TypeError, KeyError) as error:
        raise InputError(f"a camera process wrote {line[:80]!r}.", hint="Report this fault.") from error
