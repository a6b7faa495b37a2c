"""`branchloop bench edge`: how many 720p cameras at 5 analysed frames a second one core carries.

A stream is decoded, paced, gated, searched for people and counted frame by frame, by the code of a camera process
and of the box's core, on one thread. What counts is CPU time of this process; the yardstick detector runs on
some of the same frames, outside the sum, so that its ratio holds on a busy machine.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from branchloop.errors import InputError
from branchloop.share import share
from branchloop.site.site import Site
from edge.bench.clip import is_occupied, make_stream
from edge.configured import read_site
from edge.floor.floor import Floor
from edge.floor.observation import observe
from edge.floor.windows import no_sensors
from edge.perceive.camera import open_clip, open_file
from edge.perceive.detectors.weights import MODELS
from edge.perceive.integrity import Integrity
from edge.perceive.motion import MotionGate
from edge.perceive.pacing import Sampler
from edge.perceive.people import FAINT_SCORE, Detector, load_detector
from edge.perceive.repetition import Repetition
from edge.perceive.report import FrameReport, decode, encode
from edge.perceive.sight import Sight
from edge.perceive.viewpoint import Viewpoint

ANALYSED_FPS = 5
YARDSTICK_EVERY = 5
STAGES = ("decoder", "gate", "integrity", "detector", "floor")
Result = TypeVar("Result")


class _Stage:
    """Process CPU time of one stage: other programs on the machine do not count."""

    def __init__(self) -> None:
        self.spent_ms: list[float] = []

    def run(self, work: Callable[..., Result], *args: Any) -> Result:
        begun_s = time.process_time()
        result = work(*args)
        self.spent_ms.append((time.process_time() - begun_s) * 1000)
        return result

    @property
    def median_ms(self) -> float:
        return float(np.median(self.spent_ms)) if self.spent_ms else 0.0

    @property
    def total_ms(self) -> float:
        return float(np.sum(self.spent_ms))


def bench_edge(
    clip: Path | None, baseline: Path | None, frames: int, stream_fps: int = ANALYSED_FPS
) -> dict[str, Any]:
    """CPU ms of a camera's second, cameras per core, and each stage's share. `frames` are analysed ones.

    Without `clip` the stream is rendered from the sample clip (`edge.bench.clip`). With it the clip is decoded
    as it is, taken as `stream_fps` a second.
    """
    cv2.setNumThreads(1)
    if frames < 1 or stream_fps < ANALYSED_FPS or stream_fps % ANALYSED_FPS:
        raise InputError(
            f"{frames} frames of a stream at {stream_fps} a second cannot be measured.",
            hint=f"Give at least one frame, and a rate that is a multiple of {ANALYSED_FPS}.",
        )
    with tempfile.TemporaryDirectory() as scratch:
        made = "as given"
        stream = clip
        if stream is None:
            stream = Path(scratch) / "stream.mp4"
            codec = make_stream(
                share("sample_video/plaza.mp4"), stream, analysed=frames, analysed_fps=ANALYSED_FPS,
                every=stream_fps // ANALYSED_FPS,
            )  # fmt: skip
            made = (
                f"rendered: sample clip stretched to 720p, in turn with its empty scene, with noise; {codec}"
            )
        figures = _Run(stream, baseline or reference_baseline(), stream_fps).measure(frames)
    occupied = sum(is_occupied(index, ANALYSED_FPS) for index in range(figures["frames"]))
    if clip is None:
        figures["occupied_share"] = round(occupied / figures["frames"], 3)
    return {**figures, "stream": made}


class _Run:
    """One stream through all stages."""

    def __init__(self, stream: Path, baseline: Path | None, stream_fps: int) -> None:
        self._video = open_file(stream)
        self._bytes = stream.stat().st_size
        self._size = open_clip(stream, stream_fps).size
        self._announced = int(self._video.get(cv2.CAP_PROP_FRAME_COUNT))
        self._stream_fps = stream_fps
        self._detector = load_detector("nanodet", score_floor=FAINT_SCORE)
        self._yardstick = load_detector(str(baseline)) if baseline else None
        self._site = _site(self._size)
        self._floor = Floor(self._site, prefix="bench", method="bench")
        camera, plan = self._site.cameras[0].id, self._site.plan
        self._sight = Sight(self._detector, self._floor.calibration(camera), plan.width_m, plan.height_m)
        self._stages = {name: _Stage() for name in (*STAGES, "yardstick")}

    def measure(self, frames: int) -> dict[str, Any]:
        camera = self._site.cameras[0].id
        gate, sampler = MotionGate(ANALYSED_FPS), Sampler(ANALYSED_FPS)
        integrity = Integrity(Viewpoint(), Repetition())
        stages = self._stages
        self._warm_up()
        captured = analysed = opened = 0
        people: NDArray[np.float32] | None = None
        begun_s = time.process_time()
        while analysed < frames and stages["decoder"].run(self._video.grab):
            t_ms = round(captured * 1000 / self._stream_fps)
            captured += 1
            if not sampler.takes(t_ms / 1000):
                continue
            ok, picture = stages["decoder"].run(self._video.retrieve)
            if not ok:
                break
            image = np.asarray(picture, np.uint8)
            analysed += 1
            stages["integrity"].run(integrity.observe, image, t_ms / 1000, people)
            boxes = None
            if stages["gate"].run(gate.observe, image, t_ms):
                opened += 1
                boxes = stages["detector"].run(self._sight.look, image, t_ms)
                people = boxes[:, :5]
                if self._yardstick is not None and opened % YARDSTICK_EVERY == 1:
                    stages["yardstick"].run(self._yardstick.detect, image)
            stages["floor"].run(self._account, FrameReport(camera, t_ms, boxes))
        whole_ms = (time.process_time() - begun_s) * 1000 - stages["yardstick"].total_ms
        self._video.release()
        if not analysed:
            raise InputError("the stream holds no frame.", hint="Give a clip with at least a few.")
        return self._figures(whole_ms, captured, analysed, opened)

    def _warm_up(self) -> None:
        """The first runs of a network allocate; a camera does so once in its life."""
        grey = np.full((self._size[1], self._size[0], 3), 128, np.uint8)
        for detector in (self._detector, self._yardstick):
            for _ in range(3 if detector is not None else 0):
                _detect(detector, grey)

    def _account(self, report: FrameReport) -> None:
        told = decode(encode(report))
        if not isinstance(told, FrameReport):
            raise TypeError(f"a frame came back as {told}")
        calibration = self._floor.calibration(told.camera)
        observation = None if told.boxes is None else observe(told.t_ms, told.boxes, calibration)
        self._floor.frame(told.camera, told.t_ms, observation)
        self._floor.settle(told.t_ms, no_sensors)

    def _figures(self, whole_ms: float, captured: int, analysed: int, opened: int) -> dict[str, Any]:
        stages = self._stages
        camera_s = captured / self._stream_fps
        per_second_ms = whole_ms / camera_s
        figures: dict[str, Any] = {
            "cameras_per_core": round(1000 / per_second_ms, 2),
            "cpu_ms_per_camera_second": round(per_second_ms, 2),
            **{f"share_{name}": round(stages[name].total_ms / whole_ms, 3) for name in STAGES},
            "share_rest": round(1 - sum(stages[name].total_ms for name in STAGES) / whole_ms, 3),
            "decoder_ms": round(stages["decoder"].total_ms / captured, 3),
            **{f"{name}_ms": round(stages[name].median_ms, 3) for name in STAGES[1:]},
            "gate_open_share": round(opened / analysed, 3),
            "frames": analysed,
            "captured": captured,
            "stream_fps": self._stream_fps,
            "stream_kbit_s": round(self._bytes * 8 / 1000 * self._stream_fps / max(1, self._announced)),
            "analysed_fps": ANALYSED_FPS,
            "picture": f"{self._size[0]}x{self._size[1]}",
            "model_bytes": (MODELS / "nanodet.onnx").stat().st_size,
        }
        if self._yardstick is None:
            figures["baseline"] = (
                "absent: give --baseline YOLOX_NANO.onnx, or name the reference data in BRANCHLOOP_REFERENCE"
            )
            return figures
        base_ms = stages["yardstick"].median_ms
        return figures | {
            "baseline_ms": round(base_ms, 3),
            "detector_to_baseline": round(stages["detector"].median_ms / base_ms, 3),
            "camera_second_to_baseline": round(per_second_ms / base_ms, 3),
        }


def reference_baseline() -> Path | None:
    """YOLOX-nano among the reference data (BRANCHLOOP_REFERENCE, ../shared without it), if they are there."""
    folder = Path(os.environ.get("BRANCHLOOP_REFERENCE", "../shared"))
    path = folder / "models" / "yolox_nano" / "yolox_nano.onnx"
    return path if path.is_file() else None


def _detect(detector: Detector | None, image: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    if detector is not None:
        detector.detect(image)


def _site(size: tuple[int, int]) -> Site:
    """The demo's branch, its camera calibrated for pictures of this size."""
    site = read_site(share("configs/demo.toml"))
    camera = site.cameras[0]
    marks = camera.calibration
    across, down = (new / old for new, old in zip(size, marks.picture_px, strict=True))
    points = [(x * across, y * down, x_m, y_m) for x, y, x_m, y_m in marks.points]
    stretched = marks.model_copy(update={"points": points, "picture_px": size})
    return site.model_copy(update={"cameras": [camera.model_copy(update={"calibration": stretched})]})
