"""What always stands before a camera: a box that shows nothing else is nobody who came.

A detector takes a bollard, a poster or a coat for a person now and then, sometimes for minutes. Who comes in changes
the picture; so a box in which everything is as it was before is the scenery's, however sure the detector is of it, and
begins nobody. Who is being followed already stays, however still.

Every pixel of a small grey picture has what it last settled on. Anything else becomes that after `SETTLES_S` without
change, or where nothing is known yet, after `FIRST_S`; never where somebody is found, so who sits still is not learnt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge.perceive.motion import light_and_spread, small_grey

FIRST_S = 30.0
SETTLES_S = 600.0
ALIKE = 0.85
"""Share of a box's pixels that are as they were: somebody may pass before the rest."""
PASSES_S = 1.0
"""What is gone again after so long changed nothing: whoever passes, noise."""
FOUND, FOUND_S = 0.55, 10.0
"""Where boxes are so sure on average over such a time, somebody is taken to be; a bollard is now and then."""
LEARNS_MS = 400
"""So often a frame is learnt from; others are only compared."""
_NOISE_FACTOR = 5.0
_LEAST_CHANGE = 5.0
"""Grey levels: less is no change, however quiet the camera."""
_FOLLOWS = 0.06
"""By such a share of the difference the light's slow change is followed each time."""
_INNER = 0.1
"""Share of a box on each side that may show what is beside."""

Grey = NDArray[np.float32]


class Scenery:
    """Of one camera; frames in time order."""

    def __init__(self) -> None:
        self._usual: Grey = np.zeros((0, 0), np.float32)
        """What each pixel settled on; NaN where that is not known."""
        self._now: Grey = np.zeros((0, 0), np.float32)
        self._since_ms: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._held_ms: NDArray[np.int64] = np.zeros((0, 0), np.int64)
        """What each pixel shows, since when, and when it was last so."""
        self._sure: Grey = np.zeros((0, 0), np.float32)
        """How sure boxes were of somebody there lately."""
        self._learnt_ms = 0

    def shows(self, image_bgr: NDArray[np.uint8], boxes: NDArray[np.float32], t_ms: int) -> NDArray[np.bool_]:
        """Take in a frame (rows, columns, 3); of boxes (n, 5: x0, y0, x1, y1 px, score) in it (n,) whether all there is as it was."""
        due = not self._usual.size or not 0 <= t_ms - self._learnt_ms < LEARNS_MS
        told = np.zeros(len(boxes), np.bool_)
        if not due and not len(boxes):
            return told
        seen = small_grey(image_bgr)
        if self._usual.shape != seen.shape:
            self._begin(seen, t_ms)
        parts = list(_parts(boxes, seen.shape, image_bgr.shape))
        if due:
            self._find(parts, boxes[:, 4], t_ms)
            self._learn(seen, t_ms)
        if parts:
            alike = self._alike(seen)
            for number, (rows, columns) in enumerate(parts):
                part = alike[rows, columns]
                told[number] = part.size > 0 and float(part.mean()) >= ALIKE
        return told

    def _begin(self, seen: NDArray[np.uint8], t_ms: int) -> None:
        self._usual = np.full(seen.shape, np.nan, np.float32)
        self._now, self._since_ms = seen.astype(np.float32), np.full(seen.shape, t_ms, np.int64)
        self._held_ms = self._since_ms.copy()
        self._sure = np.zeros(seen.shape, np.float32)

    def _find(self, parts: list[tuple[slice, slice]], scores: NDArray[np.float32], t_ms: int) -> None:
        sure = np.zeros_like(self._sure)
        for (rows, columns), score in sorted(
            zip(parts, scores.tolist(), strict=True), key=lambda one: one[1]
        ):
            sure[rows, columns] = score
        step_s = min(max(t_ms - self._learnt_ms, 0) / 1000, 1.0)
        self._sure += (1 - math.exp(-step_s / FOUND_S)) * (sure - self._sure)
        self._since_ms[self._sure >= FOUND] = t_ms

    def _learn(self, seen: NDArray[np.uint8], t_ms: int) -> None:
        grey, self._learnt_ms = seen.astype(np.float32), t_ms
        light, limit = _light(seen, self._now)
        self._now += light
        self._usual += light
        held = np.abs(grey - self._now) <= limit
        other = ~held & (np.abs(t_ms - self._held_ms) > PASSES_S * 1000)
        self._now = np.where(
            held, self._now + _FOLLOWS * (grey - self._now), np.where(other, grey, self._now)
        )
        self._since_ms = np.where(other, t_ms, np.minimum(self._since_ms, t_ms))
        self._held_ms = np.where(held | other, t_ms, self._held_ms)
        waited_s = (t_ms - self._since_ms) / 1000
        settled = waited_s >= np.where(np.isnan(self._usual), FIRST_S, SETTLES_S)
        self._usual = np.where(settled, self._now, self._usual)
        off = grey - self._usual
        self._usual = np.where(np.abs(off) <= limit, self._usual + _FOLLOWS * off, self._usual)

    def _alike(self, seen: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Where a picture is as usual."""
        light, limit = _light(seen, self._now)
        return np.asarray(np.abs(seen - self._usual - light) <= limit)


def _light(seen: NDArray[np.uint8], before: Grey) -> tuple[int, float]:
    """By how much the light as a whole is another, and how much change is more than noise."""
    light, spread = light_and_spread(seen, np.clip(before, 0, 255).astype(np.uint8))
    return light, max(_LEAST_CHANGE, _NOISE_FACTOR * spread)


def _parts(
    boxes: NDArray[np.float32], small: tuple[int, ...], picture: tuple[int, ...]
) -> Iterator[tuple[slice, slice]]:
    """Of each box the rows and columns of a small picture that show no more than it."""
    scale = np.array([small[1] / picture[1], small[0] / picture[0]] * 2)
    for x0, y0, x1, y1 in (boxes[:, :4] * scale).tolist():
        across, down = _INNER * (x1 - x0), _INNER * (y1 - y0)
        yield (
            slice(max(0, round(y0 + down)), max(0, round(y1 - down))),
            slice(max(0, round(x0 + across)), max(0, round(x1 - across))),
        )
