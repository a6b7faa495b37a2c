"""`branchloop bench checkin`: what a face check-in costs, beside plain OpenCV in the same run.

The camera is the demo's clip of an animated portrait: times are real, the person is not.
"""

from __future__ import annotations

import random
import time
import tomllib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from branchloop.share import share
from branchloop.site.kiosk import Liveness
from edge.kiosk.challenge import ACTIONS, Action, Challenge
from edge.kiosk.threshold import decide, template, threshold
from edge.perceive.camera import open_clip
from edge.perceive.detectors.weights import shipped_weights
from edge.perceive.faces.attempt import Attempt
from edge.perceive.faces.engine import EMBEDDING, FaceEngine, Image
from edge.perceive.faces.landmarks import Landmarker
from edge.perceive.faces.quality import largest

GALLERIES = (1, 60, 300)
TRIES = 12
_WARM = 5


def bench_checkin(frames: int = 60) -> dict[str, Any]:
    """Stages in ms (median), ratio to plain cv2, matching by gallery, decisions in s (p50, p95)."""
    clip = [frame.image for frame in open_clip(share("sample_video/kiosk.mp4"), None).frames]
    images = [clip[i % 36] for i in range(frames)]
    engine = FaceEngine()
    with Landmarker() as landmarker:
        faces = [largest(engine.detect(image)) for image in images]
        aligned = [engine.align(image, face) for image, face in zip(images, faces, strict=True)]
        stages = {
            "detect_ms": _median_ms(lambda i: engine.detect(images[i]), frames),
            "align_ms": _median_ms(lambda i: engine.align(images[i], faces[i]), frames),
            "embed_ms": _median_ms(lambda i: engine.embed(aligned[i]), frames),
            "landmarks_ms": _median_ms(lambda i: landmarker.find(images[i], faces[i]), frames),
        }
        total_ms = sum(stages.values())
        plain_ms = _plain_ms(images)
        figures: dict[str, Any] = {
            **stages,
            "frame_ms": total_ms,
            "plain_cv2_ms": plain_ms,
            "ratio_without_landmarks": (total_ms - stages["landmarks_ms"]) / plain_ms,
        }
        for size in GALLERIES:
            figures[f"match_{size}_ms"] = _match_ms(size)
        figures |= _decisions(engine, landmarker, clip)
    figures["camera"] = "an animated portrait (rendered): not measured on people"
    return figures


def _plain_ms(images: list[Image]) -> float:
    yunet = shipped_weights("yunet", "faces").path
    detector = cv2.FaceDetectorYN.create(
        str(yunet), "", (images[0].shape[1], images[0].shape[0]), 0.6, 0.3, 50
    )
    recogniser = cv2.FaceRecognizerSF.create(str(shipped_weights("sface", "faces").path), "")

    def once(i: int) -> None:
        _, rows = detector.detect(images[i])
        recogniser.feature(recogniser.alignCrop(images[i], rows[0]))

    return _median_ms(once, len(images))


def _match_ms(size: int) -> float:
    gallery = np.random.default_rng(size).standard_normal((size, EMBEDDING)).astype(np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    probes = template([gallery[0]])[None].repeat(3, axis=0)
    limit = threshold(0.001, size)
    return _median_ms(lambda _: decide(probes @ gallery.T, limit), 200)


def _decisions(engine: FaceEngine, landmarker: Landmarker, clip: list[Image]) -> dict[str, Any]:
    """Attempts in real time: a frame is taken when the one before is done, as a camera would offer it."""
    spans = tomllib.loads(share("sample_video/kiosk.toml").read_text(encoding="utf-8"))
    actions = int(Liveness().actions)
    plain = [_attempt(engine, landmarker, clip, spans, None) for _ in range(TRIES)]
    asked = [
        _attempt(engine, landmarker, clip, spans, Challenge(random.Random(seed), actions))  # noqa: S311 - repeatable
        for seed in range(TRIES)
    ]
    done = [seconds for seconds in asked if seconds is not None]
    return {
        "decision_p50_s": _quantile([s for s in plain if s is not None], 0.5),
        "decision_p95_s": _quantile([s for s in plain if s is not None], 0.95),
        "decision_challenge_p50_s": _quantile(done, 0.5),
        "decision_challenge_p95_s": _quantile(done, 0.95),
        "challenge_actions": actions,
        "challenges_passed": len(done),
        "challenges": len(asked),
    }


def _attempt(
    engine: FaceEngine,
    landmarker: Landmarker,
    clip: list[Image],
    spans: dict[str, Any],
    challenge: Challenge | None,
) -> float | None:
    """Seconds from the first good frame to the decision, as the customer waits; None when turned away."""
    attempt = Attempt(engine, landmarker, challenge=challenge)
    begun_s, playing, since_s = time.perf_counter(), "neutral", time.perf_counter()
    while True:
        now_s = time.perf_counter()
        first, end = spans[playing]
        at = first + max(0, int((now_s - since_s) * spans["fps"]))
        if at >= end:
            playing, since_s = "neutral", now_s
            continue
        state = attempt.feed(clip[at], now_s - begun_s)
        if state.kind == "done" and attempt.first_good_s is not None:
            return time.perf_counter() - begun_s - attempt.first_good_s
        if state.kind == "rejected":
            return None
        wanted: Action | None = state.action
        if wanted in ACTIONS and wanted in spans and playing != wanted:
            playing, since_s = wanted, now_s + REACTION_S


REACTION_S = 0.3
"""How long the rendered customer takes to follow a prompt."""


def _median_ms(work: Callable[[int], object], count: int) -> float:
    times = []
    for i in range(count):
        begun_s = time.perf_counter()
        work(i)
        times.append(time.perf_counter() - begun_s)
    return float(np.median(times[_WARM:] or times) * 1000)


def _quantile(values: list[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None
