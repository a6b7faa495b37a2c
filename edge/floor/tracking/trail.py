"""The fixes of an open window and who is believed to own them, as hindsight looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.floor.tracking.borders import Borders
from edge.floor.tracking.straightness import Walk

Array = NDArray[np.float64]

SPEED_M_S = 3.0
SLACK_M = 0.4
LONGEST_GAP_MS = 5_000
"""Farther, or longer, nobody walks unseen."""


_Number = TypeVar("_Number", float, Array)


def reach_m(waited_ms: _Number, noise_m: _Number) -> _Number:
    """How far somebody unseen for so long may be seen again; `noise_m` is how uncertain both places are together."""
    return SPEED_M_S * waited_ms / 1000 + SLACK_M + noise_m


@dataclass(frozen=True, slots=True)
class Fixes:
    """All fixes of a window: `t_ms` (n,) ascending, `feet_m` (n, 2), `cov_m2` (n, 2, 2), `worn` (n, 6) or NaN, in standard deviations.

    `boxes_px` (n, 4) x0, y0, x1, y1; `inside_m` (n,) is how far from the nearest of the `borders` each lies; `frames_ms` are the times of all frames, those without a fix too.
    """

    t_ms: NDArray[np.int64]
    feet_m: Array
    cov_m2: Array
    worn: Array
    boxes_px: Array
    inside_m: Array
    frames_ms: Sequence[int]
    borders: Borders


@dataclass(slots=True, eq=False)
class Trail:
    """Numbers of one walker's fixes in time order; the first `final` of them may not be dealt out anew."""

    walk: Walk
    final: int = 0
    changed: bool = False
