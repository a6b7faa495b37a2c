"""Whether the core takes frames in as fast as they come, and which it leaves out where it does not.

A crowd before many cameras may be more than the box can follow. Then it is late, says so, and goes on with fewer frames of
every camera; what has waited too long all the same is left out, and the windows say that it was not observed.
"""

from __future__ import annotations

from branchloop.wire.status import Behind
from edge.perceive.anchor import Clock

LATE_MS, PATIENCE_S = 10_000, 20.0
"""Frames that wait for so long, for so long: a stall alone is caught up with sooner."""
CAUGHT_UP_MS = 2_000
THIN_MS = 400
"""Then a camera's frames need not come more often than this: fewer would cost counts."""
MOST_LATE_MS = 60_000
OTHER_CLOCK_MS = 3_600_000
"""So long nothing waits: its stamp is of another clock, which is not looked into here."""
TOLD_EVERY_S = 30.0


class Backlog:
    """Of one core. Frames are asked about as their turn comes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late_since_s: float | None = None
        self._late_ms = 0
        self._behind = False
        self._left_out = 0
        self._due_ms: dict[str, int] = {}
        """When the next frame of each camera is due, while others are left out."""
        self._told: tuple[bool, float] = (False, 0.0)

    @property
    def behind(self) -> Behind | None:
        """How late the core is, and how many frames it left out meanwhile; None while it keeps up."""
        if not self._behind:
            return None
        return Behind(late_s=max(0, self._late_ms) // 1000, left_out=self._left_out)

    def leaves_out(self, camera: str, t_ms: int) -> bool:
        """Whether this frame is one too many."""
        now_s = self._clock.now_s()
        self._look(self._clock.utc_ms(now_s) - t_ms, now_s)
        due_ms = self._due_ms.get(camera, t_ms)
        if not self._behind or due_ms - t_ms > THIN_MS:  # or its clock was set back
            due_ms = t_ms
        out = self._behind and (self._late_ms > MOST_LATE_MS or t_ms < due_ms)
        if out:
            self._left_out += 1
        else:
            self._due_ms[camera] = max(due_ms + THIN_MS, t_ms)
        return out

    def caught_up(self) -> None:
        """Nothing waits, be it that no frames come any more."""
        self._behind, self._late_since_s = False, None

    def is_news(self, now_s: float) -> bool:
        """Whether the status has something else to say of it than when this was last so."""
        behind, told_s = self._told
        if behind == self._behind and not (behind and now_s - told_s >= TOLD_EVERY_S):
            return False
        self._told = (self._behind, now_s)
        return True

    def _look(self, late_ms: int, now_s: float) -> None:
        if late_ms > OTHER_CLOCK_MS:
            return
        self._late_ms = late_ms
        if late_ms < (CAUGHT_UP_MS if self._behind else LATE_MS):
            self.caught_up()
        elif self._late_since_s is None:
            self._late_since_s = now_s
        elif not self._behind and now_s - self._late_since_s >= PATIENCE_S:
            self._behind, self._left_out = True, 0
