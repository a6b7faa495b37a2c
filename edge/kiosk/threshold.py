"""How alike two faces must be: a threshold per attempt, from the gallery's present size. Pure.

A stranger who tries against N templates has N chances: FPIR(N) = 1 − (1 − FMR)^N. The curve of FMR over the
cosine was measured with SFace on impostor pairs of 600 people; log FMR is close to a line
there, and beyond the last measured point that line is continued: such a threshold is `extrapolated`, and
every report says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IMPOSTOR_CURVE: tuple[tuple[float, float], ...] = (
    (0.363, 3.4e-3), (0.40, 1.6e-3), (0.45, 5.2e-4), (0.50, 1.4e-4)
)  # fmt: skip
"""Cosine -> share of impostor pairs at or above it."""
VERIFY = 0.45
"""1:1, with a template of three images."""
IMAGES = 3
AGREE = 3
"""So many frames must say the same."""
MARGIN = 0.05
"""By so much the best of a gallery must exceed the second."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A cosine, the rate it stands for, and whether that rate was measured or extrapolated."""

    cosine: float
    fpir: float
    gallery: int
    extrapolated: bool


def false_match_rate(cosine: float) -> float:
    """Share of impostor comparisons at or above a cosine."""
    (x0, y0), (x1, y1) = _segment(lambda point: point[0] >= cosine)
    slope = (math.log(y1) - math.log(y0)) / (x1 - x0)
    return min(1.0, math.exp(math.log(y0) + slope * (cosine - x0)))


def fpir(cosine: float, gallery: int) -> float:
    """Chance that a stranger is taken for anybody among `gallery` templates, in one comparison each."""
    return -math.expm1(gallery * math.log1p(-false_match_rate(cosine))) if gallery else 0.0


def threshold(wanted_fpir: float, gallery: int) -> Threshold:
    """The cosine at which FPIR stays at `wanted_fpir` for this gallery; never below `VERIFY`."""
    if not 0 < wanted_fpir < 1:
        raise ValueError(f"an FPIR of {wanted_fpir} is none")
    wanted_fmr = -math.expm1(math.log1p(-wanted_fpir) / max(1, gallery))
    (x0, y0), (x1, y1) = _segment(lambda point: point[1] <= wanted_fmr)
    slope = (x1 - x0) / (math.log(y1) - math.log(y0))
    cosine = max(VERIFY, x0 + slope * (math.log(wanted_fmr) - math.log(y0)))
    return Threshold(cosine, fpir(cosine, gallery), gallery, cosine > IMPOSTOR_CURVE[-1][0])


def template(embeddings: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Unit mean (128,) of the embeddings of several images of one person."""
    mean = np.mean(np.stack(embeddings), axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def decide(scores: NDArray[np.float32], limit: Threshold, *, agree: int = AGREE) -> int | None:
    """Cosines (frames, templates) -> the template that enough frames agree on, or None.

    A frame votes for its best template if that reaches the threshold and beats the second by `MARGIN`; one
    frame that votes for somebody else ends the attempt without a match.
    """
    if scores.size == 0 or len(scores) < agree:
        return None
    votes = []
    for row in scores:
        order = np.argsort(row)[::-1]
        clear = len(row) == 1 or row[order[0]] - row[order[1]] >= MARGIN
        if row[order[0]] >= limit.cosine and clear:
            votes.append(int(order[0]))
    return votes[0] if len(votes) >= agree and len(set(votes)) == 1 else None


def _segment(
    beyond: Callable[[tuple[float, float]], bool],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The two measured points between which, or past which, the curve is read."""
    last = next((i for i, point in enumerate(IMPOSTOR_CURVE) if beyond(point)), len(IMPOSTOR_CURVE) - 1)
    last = min(max(last, 1), len(IMPOSTOR_CURVE) - 1)
    return IMPOSTOR_CURVE[last - 1], IMPOSTOR_CURVE[last]
