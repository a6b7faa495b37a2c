"""By how much two cameras' clocks differ when it is too much to correct: a search, so that it can be said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REACH_S = 20.0
NEAR_M = 0.8
MOST = 12
"""People of a moment that are looked at."""
CERTAIN_SHARE = 0.5
CERTAIN_LEAD = 0.2
LEAST_SIGHTINGS = 30


def search_offset(first: Sequence[Array], second: Sequence[Array], step_s: float) -> float | None:
    """Seconds that the second camera's clock is ahead of the first's, or None when nothing fits clearly.

    Both are one table of places (n, 2 in metres) per moment, `step_s` apart, of the floor that both see. At the
    true offset most people of the first camera have somebody of the second near by; elsewhere only chance does.
    """
    moments = min(len(first), len(second))
    a, b = _padded(first[:moments]), _padded(second[:moments])
    steps = min(round(REACH_S / step_s), moments - 1)
    shares: dict[int, float] = {}
    for shift in range(-steps, steps + 1):
        early, late = (a[: moments - shift], b[shift:]) if shift >= 0 else (a[-shift:], b[: moments + shift])
        both = np.isfinite(early[..., 0]).any(axis=1) & np.isfinite(late[..., 0]).any(axis=1)
        seen = np.isfinite(early[both][..., 0])
        if seen.sum() < LEAST_SIGHTINGS:
            continue
        apart = np.linalg.norm(early[both][:, :, None] - late[both][:, None], axis=-1)
        near = np.where(np.isfinite(apart), apart, np.inf).min(axis=2) < NEAR_M
        shares[shift] = float((near & seen).sum() / seen.sum())
    if len(shares) < 3:
        return None
    best = max(shares, key=lambda shift: (shares[shift], -abs(shift)))
    usual = float(np.median(list(shares.values())))
    certain = shares[best] >= CERTAIN_SHARE and shares[best] - usual >= CERTAIN_LEAD
    return best * step_s if certain else None


def _padded(moments: Sequence[Array]) -> Array:
    table = np.full((len(moments), MOST, 2), np.nan)
    for row, places in zip(table, moments, strict=True):
        row[: min(MOST, len(places))] = places[:MOST]
    return table
