"""Multiple-object tracking accuracy: CLEAR (MOTA), Identity (IDF1) and HOTA.

Definitions: Bernardin & Stiefelhagen 2008; Ristani et al. 2016; Luiten et al. 2021. The matching
follows TrackEval, the reference implementation of MOTChallenge, so that figures compare.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Array = NDArray[np.float64]
Frames = Mapping[int, tuple[list[int], Array]]
"""frame -> (ids, boxes (n, 4) as x, y, width, height in px)."""

_EPS = np.finfo(np.float64).eps
_ALPHAS = np.arange(0.05, 0.99, 0.05)


@dataclass(frozen=True, slots=True)
class TrackingAccuracy:
    """Shares are 0..1 (MOTA may be negative); counts are boxes over the truth's frames."""

    mota: float
    idf1: float
    hota: float
    deta: float
    assa: float
    id_switches: int
    false_positives: int
    misses: int
    truth_boxes: int
    frames: int


def tracking_accuracy(truth: Frames, tracks: Frames, frames: list[int]) -> TrackingAccuracy:
    """Compare `tracks` with `truth` over `frames`; IoU ≥ .5 matches for CLEAR and Identity."""
    steps = [_Step.of(truth.get(frame), tracks.get(frame)) for frame in sorted(frames)]
    truth_boxes = sum(len(step.truth) for step in steps)
    true_positives, false_positives, misses, switches = _clear(steps)
    hota, deta, assa = _hota(steps)
    return TrackingAccuracy(
        mota=(true_positives - false_positives - switches) / max(1, truth_boxes),
        idf1=_idf1(steps),
        hota=hota,
        deta=deta,
        assa=assa,
        id_switches=switches,
        false_positives=false_positives,
        misses=misses,
        truth_boxes=truth_boxes,
        frames=len(steps),
    )


@dataclass(frozen=True, slots=True)
class _Step:
    truth: list[int]
    tracks: list[int]
    overlap: Array

    @classmethod
    def of(cls, truth: tuple[list[int], Array] | None, tracks: tuple[list[int], Array] | None) -> _Step:
        empty: tuple[list[int], Array] = ([], np.zeros((0, 4)))
        (truth_ids, truth_boxes), (track_ids, track_boxes) = truth or empty, tracks or empty
        return cls(truth_ids, track_ids, iou(truth_boxes, track_boxes))


def iou(a: Array, b: Array) -> Array:
    """(n, 4) and (m, 4) boxes as x, y, width, height -> (n, m) intersection over union."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    union = np.prod(a[:, 2:], axis=1)[:, None] + np.prod(b[:, 2:], axis=1)[None, :] - shared
    return np.asarray(np.where(union > 0, shared / np.maximum(union, _EPS), 0.0))


def _clear(steps: list[_Step]) -> tuple[int, int, int, int]:
    hits = false_positives = misses = switches = 0
    ever: dict[int, int] = {}
    previous: dict[int, int] = {}
    for step in steps:
        score = step.overlap.copy()
        for i, truth in enumerate(step.truth):
            for j, track in enumerate(step.tracks):
                score[i, j] += 1000 * (previous.get(truth) == track)
        score[step.overlap < 0.5 - _EPS] = 0
        rows, columns = linear_sum_assignment(-score)
        pairs = [
            (step.truth[i], step.tracks[j]) for i, j in zip(rows, columns, strict=True) if score[i, j] > _EPS
        ]
        switches += sum(truth in ever and ever[truth] != track for truth, track in pairs)
        previous = dict(pairs)
        ever.update(previous)
        hits += len(pairs)
        misses += len(step.truth) - len(pairs)
        false_positives += len(step.tracks) - len(pairs)
    return hits, false_positives, misses, switches


def _idf1(steps: list[_Step]) -> float:
    truth_count: Counter[int] = Counter()
    track_count: Counter[int] = Counter()
    shared: Counter[tuple[int, int]] = Counter()
    for step in steps:
        truth_count.update(step.truth)
        track_count.update(step.tracks)
        for i, j in zip(*np.nonzero(step.overlap >= 0.5), strict=True):
            shared[step.truth[i], step.tracks[j]] += 1
    truths, tracks = sorted(truth_count), sorted(track_count)
    n, m = len(truths), len(tracks)
    if not n or not m:
        return 0.0
    misses = np.zeros((n + m, n + m))
    extras = np.zeros((n + m, n + m))
    extras[n:, :m] = misses[:n, m:] = 1e10
    for i, truth in enumerate(truths):
        misses[i, :m] = truth_count[truth]
        misses[i, m + i] = truth_count[truth]
    for j, track in enumerate(tracks):
        extras[:n, j] = track_count[track]
        extras[n + j, j] = track_count[track]
    where_truth = {truth: i for i, truth in enumerate(truths)}
    where_track = {track: j for j, track in enumerate(tracks)}
    for (truth, track), count in shared.items():
        misses[where_truth[truth], where_track[track]] -= count
        extras[where_truth[truth], where_track[track]] -= count
    rows, columns = linear_sum_assignment(misses + extras)
    false_negatives = misses[rows, columns].sum()
    false_positives = extras[rows, columns].sum()
    true_positives = sum(truth_count.values()) - false_negatives
    return float(true_positives / max(1.0, true_positives + 0.5 * (false_positives + false_negatives)))


def _hota(steps: list[_Step]) -> tuple[float, float, float]:
    truth_count: Counter[int] = Counter()
    track_count: Counter[int] = Counter()
    potential: defaultdict[tuple[int, int], float] = defaultdict(float)
    for step in steps:
        truth_count.update(step.truth)
        track_count.update(step.tracks)
        total = step.overlap.sum(0)[None, :] + step.overlap.sum(1)[:, None] - step.overlap
        share = np.where(total > _EPS, step.overlap / np.maximum(total, _EPS), 0.0)
        for i, j in zip(*np.nonzero(share), strict=True):
            potential[step.truth[i], step.tracks[j]] += share[i, j]
    hits = np.zeros(len(_ALPHAS))
    misses = np.zeros(len(_ALPHAS))
    extras = np.zeros(len(_ALPHAS))
    matched: list[Counter[tuple[int, int]]] = [Counter() for _ in _ALPHAS]
    for step in steps:
        if not step.truth or not step.tracks:
            misses += len(step.truth)
            extras += len(step.tracks)
            continue
        alignment = np.array(
            [
                [
                    potential[truth, track]
                    / (truth_count[truth] + track_count[track] - potential[truth, track])
                    for track in step.tracks
                ]
                for truth in step.truth
            ]
        )
        rows, columns = linear_sum_assignment(-alignment * step.overlap)
        for a, alpha in enumerate(_ALPHAS):
            pairs = [
                (step.truth[i], step.tracks[j])
                for i, j in zip(rows, columns, strict=True)
                if step.overlap[i, j] >= alpha - _EPS
            ]
            hits[a] += len(pairs)
            misses[a] += len(step.truth) - len(pairs)
            extras[a] += len(step.tracks) - len(pairs)
            matched[a].update(pairs)
    assa = np.array(
        [
            sum(
                count * count / (truth_count[truth] + track_count[track] - count)
                for (truth, track), count in matches.items()
            )
            for matches in matched
        ]
    ) / np.maximum(1, hits)
    deta = hits / np.maximum(1, hits + misses + extras)
    return float(np.mean(np.sqrt(deta * assa))), float(deta.mean()), float(assa.mean())
