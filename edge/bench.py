"""`branchloop bench edge`: what a frame costs, stage by stage, and how many cameras a core carries."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from branchloop.share import share
from branchloop.site import parse_site
from edge.floor.floor import Floor
from edge.floor.observation import observe
from edge.floor.windows import no_sensors
from edge.perceive.camera import open_clip
from edge.perceive.detectors.weights import MODELS
from edge.perceive.motion import MotionGate
from edge.perceive.people import load_detector

ANALYSED_FPS = 5.0
Result = TypeVar("Result")


class _Stage:
    """Process CPU time of one stage, frame by frame: other programs on the machine do not count."""

    def __init__(self) -> None:
        self.spent_ms: list[float] = []

    def run(self, work: Callable[..., Result], *args: Any) -> Result:
        begun_s = time.process_time()
        result = work(*args)
        self.spent_ms.append((time.process_time() - begun_s) * 1000)
        return result

    @property
    def median_ms(self) -> float:
        return float(np.median(self.spent_ms))


def bench_edge(clip: Path | None, baseline: Path | None, frames: int) -> dict[str, Any]:
    """CPU ms of each stage (medians), the whole pipeline, and ratios to the baseline detector.

    The baseline (YOLOX-nano as ONNX) runs on the same frames in turn, so that the ratio holds on a busy
    machine. Frames are analysed one by one as in a camera process, one thread.
    """
    cv2.setNumThreads(1)
    config = share("configs/demo.toml")
    site = parse_site(config.read_text(encoding="utf-8"), str(config))
    camera = site.cameras[0]
    source = open_clip(clip or config.parent / camera.source, camera.fps)
    shipped = load_detector("nanodet")
    baseline = baseline or reference_baseline()
    yardstick = load_detector(str(baseline)) if baseline else None
    floor = Floor(site, prefix="bench", method="bench")
    gate = MotionGate(source.fps)
    names = ("decode", "gate", "detector", "baseline", "floor")
    stages = {name: _Stage() for name in names}
    reading = iter(source.frames)
    for _ in range(frames):
        frame = stages["decode"].run(next, reading, None)
        if frame is None:
            break
        stages["gate"].run(gate.observe, frame.image, frame.t_ms)
        boxes = stages["detector"].run(shipped.detect, frame.image)
        if yardstick is not None:
            stages["baseline"].run(yardstick.detect, frame.image)
        stages["floor"].run(_account, floor, camera.id, frame.t_ms, boxes)
    if not stages["floor"].spent_ms:
        raise InputError(f"{source.path} holds no frame.", hint="Give a clip with at least a few.")
    figures: dict[str, Any] = {
        f"{name}_ms": round(stages[name].median_ms, 3) for name in ("decode", "gate", "detector", "floor")
    }
    pipeline_ms = sum(stages[name].median_ms for name in ("decode", "gate", "detector", "floor"))
    figures |= {
        "pipeline_ms": round(pipeline_ms, 3),
        "cameras_per_core_at_5_fps": round(1000 / (pipeline_ms * ANALYSED_FPS), 2),
        "frames": len(stages["floor"].spent_ms),
        "picture": f"{source.size[0]}x{source.size[1]}",
        "model_bytes": (MODELS / "nanodet.onnx").stat().st_size,
    }
    if yardstick is not None:
        base_ms = stages["baseline"].median_ms
        figures |= {
            "baseline_ms": round(base_ms, 3),
            "detector_to_baseline": round(stages["detector"].median_ms / base_ms, 3),
            "pipeline_to_baseline": round(pipeline_ms / base_ms, 3),
        }
    else:
        figures["baseline"] = (
            "absent: give --baseline YOLOX_NANO.onnx, or name the reference data in BRANCHLOOP_REFERENCE"
        )
    return figures


def reference_baseline() -> Path | None:
    """YOLOX-nano among the reference data (BRANCHLOOP_REFERENCE, ../shared without it), if they are there."""
    folder = Path(os.environ.get("BRANCHLOOP_REFERENCE", "../shared"))
    path = folder / "models" / "yolox_nano" / "yolox_nano.onnx"
    return path if path.is_file() else None


def _account(floor: Floor, camera: str, t_ms: int, boxes: NDArray[np.float32]) -> None:
    floor.frame(camera, t_ms, observe(t_ms, boxes, floor.calibration(camera)))
    floor.settle(t_ms, no_sensors)
