"""What a sensor says all at once is thinned: a flood must not hold up the box, nor a gateway's backlog pass for now. Pure.

Of the readings of a tenth of a second the first ten pass as they come, and of more the last, once that time is over; it tells
how many there were. A sensor of up to a hundred readings a second is not touched.
"""

from __future__ import annotations

from dataclasses import replace

from edge.perceive.health import Event
from edge.perceive.ultrasonic import Reading

MOMENT_MS = 100
MOST = 10
"""So many readings of a moment pass each for itself: no range finder pings faster."""
IDLE_S = 1.0


def moment(t_ms: int) -> int:
    """Which moment a time is in."""
    return t_ms // MOMENT_MS


class Moments:
    """One sensor's readings and events, in order."""

    def __init__(self) -> None:
        self._moment: int | None = None
        self._count = 0
        self._last: Reading | None = None

    @property
    def wait_s(self) -> float:
        """So long nothing need come before `take` is to be told so."""
        return IDLE_S if self._last is None else MOMENT_MS / 1000

    def take(self, got: Reading | Event | None) -> list[Reading | Event]:
        """What passes now that this came; None: nothing came for `wait_s`."""
        if isinstance(got, Reading) and moment(got.t_ms) == self._moment:
            self._count += 1
            if self._count <= MOST:
                return [got]
            self._last = replace(got, of=self._count)
            return []
        held: list[Reading | Event] = [] if self._last is None else [self._last]
        self._moment = moment(got.t_ms) if isinstance(got, Reading) else None
        self._count, self._last = 1, None
        return held if got is None else [*held, got]
