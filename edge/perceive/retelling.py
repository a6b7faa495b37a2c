"""When a view that goes on moving is told again: its light and its alert say how far it is off by now."""

from __future__ import annotations

import numpy as np

from edge.perceive.viewpoint import Motion

EVERY_S = 60.0
"""At most so often."""
AGAIN = 1.5
"""By this factor the shift must have changed, or"""
SHIFT_PX = 10.0
"""by so many pixels, in whatever direction; or the turn by so much, or the scale:"""
TURN_DEG = 3.0
SCALE = 0.08


class Retelling:
    """Remembers what was told of one camera's motion."""

    def __init__(self) -> None:
        self._told: Motion | None = None
        self._told_s = 0.0

    def due(self, motion: Motion | None, width_px: int, t_s: float) -> bool:
        """Take in the motion at a monotonic time, of pictures that wide; whether to tell it again.

        The first motion after none is told by who finds that there is a fault.
        """
        if motion is None or self._told is None:
            self._told, self._told_s = motion, t_s
            return False
        if t_s - self._told_s < EVERY_S or not _other(self._told, motion, width_px):
            return False
        self._told, self._told_s = motion, t_s
        return True


def _other(told: Motion, now: Motion, width_px: int) -> bool:
    if told.found != now.found:
        return True
    before, after = (float(np.hypot(each.right, each.down)) * width_px for each in (told, now))
    by_px = float(np.hypot(now.right - told.right, now.down - told.down)) * width_px
    return (
        by_px >= SHIFT_PX
        or max(before, after) >= AGAIN * max(min(before, after), 1.0)
        or abs(now.turn_deg - told.turn_deg) >= TURN_DEG
        or abs(now.scale - told.scale) >= SCALE
    )
