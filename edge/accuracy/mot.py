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
from scipy.sparse import csr_matrix

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
    return Tally(truth, tracks, frames).accuracy()


def without(tracks: Frames, truth: Frames, ignored: Frames) -> dict[int, tuple[list[int], Array]]:
    """`tracks` but for boxes that match an ignored one (IoU ≥ .5) better than any true one, as TrackEval leaves out distractors."""
    kept = dict(tracks)
    for frame in ignored.keys() & tracks.keys():
        (ids, boxes), aside = tracks[frame], ignored[frame][1]
        true = truth[frame][1] if frame in truth else np.empty((0, 4))
        overlap = iou(np.concatenate([true, aside]), boxes)
        overlap[overlap < 0.5 - _EPS] = 0
        rows, columns = linear_sum_assignment(-overlap)
        out = {j for i, j in zip(rows, columns, strict=True) if i >= len(true) and overlap[i, j] > 0}
        left = [j for j in range(len(ids)) if j not in out]
        kept[frame] = [ids[j] for j in left], boxes[left]
    return kept


class Tally:
    """All that the figures are made of, frame by frame, so that frames can be weighted anew.

    The matches are those of the whole run: a resampled figure answers how much it depends on the moments that were
    looked at, not on how ids would have been assigned had only those been seen.
    """

    def __init__(self, truth: Frames, tracks: Frames, frames: list[int]) -> None:
        steps = [_Step.of(truth.get(frame), tracks.get(frame)) for frame in sorted(frames)]
        self.frames = len(steps)
        self._truth = np.array([len(step.truth) for step in steps], dtype=float)
        self._tracks = np.array([len(step.tracks) for step in steps], dtype=float)
        self._hits, self._switches = _clear(steps)
        self._identity_hits = _identity_hits(steps)
        self._true_ids = _presence([step.truth for step in steps])
        self._track_ids = _presence([step.tracks for step in steps])
        self._matches = _aligned(steps, self._true_ids.names, self._track_ids.names)

    def accuracy(self) -> TrackingAccuracy:
        """The figures, every frame counted once."""
        found = {key: float(value[0]) for key, value in self.weighted(np.ones((1, self.frames))).items()}
        return TrackingAccuracy(
            **found,
            id_switches=int(self._switches.sum()),
            false_positives=int((self._tracks - self._hits).sum()),
            misses=int((self._truth - self._hits).sum()),
            truth_boxes=int(self._truth.sum()),
            frames=self.frames,
        )

    def weighted(self, weights: Array) -> dict[str, Array]:
        """(n, frames) weights -> n values each of mota, idf1, hota, deta and assa."""
        truth, tracks = weights @ self._truth, weights @ self._tracks
        hits = weights @ self._hits
        mota = (hits - (tracks - hits) - weights @ self._switches) / np.maximum(1, truth)
        idf1 = 2 * (weights @ self._identity_hits) / np.maximum(1, truth + tracks)
        hota, deta, assa = self._hota(weights, truth, tracks)
        return {"mota": mota, "idf1": idf1, "hota": hota, "deta": deta, "assa": assa}

    def _hota(self, weights: Array, truth: Array, tracks: Array) -> tuple[Array, Array, Array]:
        pairs = self._matches
        truth_of = self._true_ids.counts(weights)[:, pairs.truth_of]
        tracks_of = self._track_ids.counts(weights)[:, pairs.track_of]
        rows: list[tuple[Array, Array, Array]] = []
        for alpha in _ALPHAS:
            together = pairs.counts(weights, alpha)
            hits = together.sum(axis=1)
            apart = truth_of + tracks_of - together
            linked = np.divide(together**2, apart, out=np.zeros_like(apart), where=apart > 0).sum(axis=1)
            found = hits / np.maximum(1, truth + tracks - hits)
            bound = linked / np.maximum(1, hits)
            rows.append((np.sqrt(found * bound), found, bound))
        hota, deta, assa = np.mean(rows, axis=0)
        return hota, deta, assa


class _Presence:
    """Which ids are in which frame."""

    def __init__(self, names: list[int], rows: list[int], columns: list[int], frames: int) -> None:
        self.names = {name: i for i, name in enumerate(names)}
        self._matrix = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(frames, len(names)))

    def counts(self, weights: Array) -> Array:
        """(n, frames) -> (n, ids): boxes of each id."""
        return np.asarray((self._matrix.T @ weights.T).T)


def _presence(ids: list[list[int]]) -> _Presence:
    names = sorted({name for frame in ids for name in frame})
    where = {name: i for i, name in enumerate(names)}
    rows = [frame for frame, present in enumerate(ids) for _ in present]
    columns = [where[name] for present in ids for name in present]
    return _Presence(names, rows, columns, len(ids))


@dataclass(frozen=True, slots=True)
class _Matches:
    """One row per match: its frame, its pair (an index into `truth_of`, `track_of`) and its overlap."""

    frames: int
    frame: NDArray[np.intp]
    pair: NDArray[np.intp]
    overlap: Array
    truth_of: NDArray[np.intp]
    track_of: NDArray[np.intp]

    def counts(self, weights: Array, alpha: float) -> Array:
        """(n, frames) -> (n, pairs): matches of each pair that overlap by `alpha`."""
        good = self.overlap >= alpha - _EPS
        matrix = csr_matrix(
            (np.ones(int(good.sum())), (self.frame[good], self.pair[good])),
            shape=(self.frames, len(self.truth_of)),
        )
        return np.asarray((matrix.T @ weights.T).T)


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


def _clear(steps: list[_Step]) -> tuple[Array, Array]:
    """Hits and identity switches per frame."""
    hits, switches = np.zeros(len(steps)), np.zeros(len(steps))
    ever: dict[int, int] = {}
    previous: dict[int, int] = {}
    for frame, step in enumerate(steps):
        if not step.truth or not step.tracks:
            continue  # as TrackEval has it: the pairs of the frame before go on beyond an empty one
        score = step.overlap.copy()
        for i, truth in enumerate(step.truth):
            for j, track in enumerate(step.tracks):
                score[i, j] += 1000 * (previous.get(truth) == track)
        score[step.overlap < 0.5 - _EPS] = 0
        rows, columns = linear_sum_assignment(-score)
        pairs = [
            (step.truth[i], step.tracks[j]) for i, j in zip(rows, columns, strict=True) if score[i, j] > _EPS
        ]
        switches[frame] = sum(truth in ever and ever[truth] != track for truth, track in pairs)
        previous = dict(pairs)
        ever.update(previous)
        hits[frame] = len(pairs)
    return hits, switches


def _identity_hits(steps: list[_Step]) -> Array:
    """Per frame, boxes of truths with the one track that the whole run assigns to each."""
    truth_count: Counter[int] = Counter()
    track_count: Counter[int] = Counter()
    shared: Counter[tuple[int, int]] = Counter()
    for step in steps:
        truth_count.update(step.truth)
        track_count.update(step.tracks)
        for i, j in zip(*np.nonzero(step.overlap >= 0.5), strict=True):
            shared[step.truth[i], step.tracks[j]] += 1
    truths, tracks = sorted(truth_count), sorted(track_count)
    together = np.zeros((len(truths), len(tracks)))
    where_truth = {truth: i for i, truth in enumerate(truths)}
    where_track = {track: j for j, track in enumerate(tracks)}
    for (truth, track), count in shared.items():
        together[where_truth[truth], where_track[track]] = count
    # Misses plus false alarms are all boxes less twice the shared ones: the most shared is the best.
    rows, columns = linear_sum_assignment(-together)
    chosen = {(truths[i], tracks[j]) for i, j in zip(rows, columns, strict=True)}
    return np.array(
        [
            sum(
                (step.truth[i], step.tracks[j]) in chosen
                for i, j in zip(*np.nonzero(step.overlap >= 0.5), strict=True)
            )
            for step in steps
        ],
        dtype=float,
    )


def _aligned(steps: list[_Step], true_ids: dict[int, int], track_ids: dict[int, int]) -> _Matches:
    """HOTA's matching, which favours pairs that belong together over the whole run."""
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
    pairs: dict[tuple[int, int], int] = {}
    rows_of: list[tuple[int, int, float]] = []
    for frame, step in enumerate(steps):
        if not step.truth or not step.tracks:
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
        for i, j in zip(*linear_sum_assignment(-alignment * step.overlap), strict=True):
            pair = true_ids[step.truth[i]], track_ids[step.tracks[j]]
            rows_of.append((frame, pairs.setdefault(pair, len(pairs)), float(step.overlap[i, j])))
    return _Matches(
        frames=len(steps),
        frame=np.array([row[0] for row in rows_of], dtype=np.intp),
        pair=np.array([row[1] for row in rows_of], dtype=np.intp),
        overlap=np.array([row[2] for row in rows_of]),
        truth_of=np.array([truth for truth, _ in pairs], dtype=np.intp),
        track_of=np.array([track for _, track in pairs], dtype=np.intp),
    )
