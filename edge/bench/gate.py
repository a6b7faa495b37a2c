"""`branchloop bench gate`: how many person-frames the motion gate keeps, and how often it lets the detector rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from branchloop.errors import InputError
from branchloop.share import share
from edge.accuracy.gating import Boxes, gate_accuracy
from edge.evaluate.people import read_mot
from edge.perceive.camera import Frame, open_clip
from edge.perceive.motion import MotionGate
from edge.perceive.pacing import Sampler
from edge.perceive.people import load_detector

ANALYSED_FPS = 5.0
SURE = 0.5
"""Score from which a detector's box counts as truth."""


def bench_gate(
    clip: Path | None, truth: Path | None, fps: float | None, analysed_fps: float = ANALYSED_FPS
) -> dict[str, Any]:
    """Recall of the gate on a clip, against labelled boxes (MOT) or, without them, the detector's own on every frame.

    Without a clip: the hard stretch of the sample, which ships with its truth.
    """
    if clip is None:
        clip, truth = (
            share("sample_video/plaza.mp4"),
            truth or share("sample_video/plaza_truth_121_180.txt"),
        )
    frames = _Paced(clip, fps, analysed_fps)
    found = gate_accuracy(_labelled(frames, truth) if truth else _detected(frames))
    if found.recall is None:
        raise InputError(
            f"nobody is in {clip}, as far as the truth goes.", hint="Give a clip with people, or its --truth."
        )
    empty = found.frames - found.occupied
    return {
        "recall": found.recall,
        "person_frames": found.person_frames,
        "missed": found.person_frames - found.covered,
        "frames": found.frames,
        "gate_open_share": found.opened / found.frames,
        "gate_open_share_when_empty": found.open_when_empty / empty if empty else None,
        "occupied_share": found.occupied / found.frames,
        "truth": str(truth) if truth else f"the detector on every frame, score {SURE:g}",
    }


class _Paced:
    """Frames as a camera process would analyse them, and whether its gate is open."""

    def __init__(self, clip: Path, fps: float | None, analysed_fps: float) -> None:
        self._clip = open_clip(clip, fps)
        self._analysed_fps = min(analysed_fps, self._clip.fps)

    def __iter__(self) -> Iterator[tuple[Frame, bool]]:
        sampler, gate = Sampler(self._analysed_fps), MotionGate(self._analysed_fps)
        for frame in self._clip.frames:
            if sampler.takes(frame.t_ms / 1000):
                yield frame, gate.observe(frame.image, frame.t_ms)


def _labelled(frames: _Paced, path: Path) -> Iterator[tuple[bool, Boxes]]:
    """From the first to the last frame that the truth speaks of."""
    truth = read_mot(path)
    if not truth:
        raise InputError(f"{path} holds no box.", hint="Write frame,id,x,y,w,h,conf,-1,-1,-1.")
    nobody: Boxes = np.zeros((0, 4))
    for frame, is_open in frames:
        number = frame.index + 1
        if number > max(truth):
            return
        if number >= min(truth):
            yield is_open, truth[number][1] if number in truth else nobody


def _detected(frames: _Paced) -> Iterator[tuple[bool, Boxes]]:
    detector = load_detector("nanodet", score_floor=SURE)
    for frame, is_open in frames:
        boxes = detector.detect(frame.image)[:, :4].astype(float)
        yield is_open, np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
