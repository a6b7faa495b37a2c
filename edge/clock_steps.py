"""A wall clock that was set, as the processes of a box notice it: each for itself, one after the other.

The first that notices ends the time before. What the others stamped until they notice as well is still on its
way: it belongs to a time that is over, and would begin the new one an hour or a day off. Pure: times go in.
"""

from __future__ import annotations

from collections.abc import Iterable

SAME_STEP_S = 5.0
"""Within this time it is one step, whoever tells of it."""
FITS_MS = 2_000
"""What was just stamped by the clock as it is now is no farther from it. After a smaller step back a frame of the time
before passes as well, and its camera counts as unobserved until the clock has caught up."""


class ClockSteps:
    """Who has noticed the last step and who has not. Devices go by name, cameras and sensors alike."""

    def __init__(self) -> None:
        self._step_s = float("-inf")
        self._behind: set[str] = set()

    def is_news(self, now_s: float, devices: Iterable[str]) -> bool:
        """Somebody tells of a step; True if it is a new one, which none of `devices` has noticed yet."""
        if now_s - self._step_s < SAME_STEP_S:
            return False
        self._step_s = now_s
        self._behind = set(devices)
        return True

    def noticed(self, device: str) -> bool:
        """A device has noticed, and stamps by the new clock; True if that was still expected of it."""
        was_behind = device in self._behind
        self._behind.discard(device)
        return was_behind

    def is_over(self, device: str, t_ms: int, now_ms: int) -> bool:
        """Whether a device stamped something by the clock before. One whose stamps fit the present needs to notice nothing."""
        if device in self._behind and abs(t_ms - now_ms) <= FITS_MS:
            self._behind.discard(device)
        return device in self._behind
