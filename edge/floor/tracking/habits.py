"""What a camera learns of those who walk before it: how often a frame shows who is there, and how fast people go."""

from __future__ import annotations

from dataclasses import dataclass

SHARE, SHARE_FRAMES = 0.8, 5.0
"""How often somebody is seen as far as nothing is known, and how many frames this belief is worth."""
HASTE_M_S, HASTE_FRAMES = 2.5, 10.0
"""So fast people may walk as far as nothing is known, and how many frames this belief is worth."""
WALKS_M_S = 0.3
"""Who is slower stands."""
REMEMBERED_FRAMES = 400.0
MOST_FRAMES = 30.0
"""Against what one window shows, all that is remembered is worth no more."""


@dataclass(slots=True)
class Habits:
    """Learnt from what became final; what is old fades."""

    _seen: float = SHARE * SHARE_FRAMES
    _there: float = SHARE_FRAMES
    _walked: float = HASTE_M_S * HASTE_FRAMES
    _steps: float = HASTE_FRAMES

    @property
    def share(self) -> float:
        """Of the frames in which somebody was there, hidden or not, those that showed it."""
        return self._seen / self._there

    @property
    def frames(self) -> float:
        """How many frames this share is worth."""
        return min(self._there, MOST_FRAMES)

    @property
    def pace_m_s(self) -> float:
        """How fast those walk who do not stand."""
        return min(self._walked / self._steps, HASTE_M_S)

    def learn(self, *, seen: bool, speed_m_s: float) -> None:
        """One frame in which somebody was there."""
        fade = 1 - 1 / REMEMBERED_FRAMES
        self._seen = self._seen * fade + seen
        self._there = self._there * fade + 1
        if speed_m_s > WALKS_M_S:
            self._walked = self._walked * fade + speed_m_s
            self._steps = self._steps * fade + 1
