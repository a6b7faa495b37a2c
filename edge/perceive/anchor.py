"""Time of capture: a monotonic clock anchored to wall time, so that no step of the wall clock goes unseen.

`Anchor` is pure: times go in, times come out. Between steps UTC advances with the monotonic clock alone;
when wall time has moved away from it by more than `STEP_MS` (NTP step, an operator's hand, a suspended
machine), `check` anchors anew and says by how much.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

STEP_MS = 500
"""Wall time this far from the anchored time is a step; less is left alone."""

_ONE_MOMENT_S = 0.01


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock moved by `by_ms` (forward when positive); `at_ms` is the UTC ms after the step."""

    at_ms: int
    by_ms: int


class Anchor:
    """Maps monotonic seconds to UTC milliseconds."""

    def __init__(self, monotonic_s: float, wall_ms: float) -> None:
        self._offset_ms = wall_ms - monotonic_s * 1000

    def utc_ms(self, monotonic_s: float) -> int:
        """UTC ms of a moment of the monotonic clock, by the present anchor."""
        return round(monotonic_s * 1000 + self._offset_ms)

    def check(self, monotonic_s: float, wall_ms: float) -> ClockStep | None:
        """Compare both clocks, read at the same moment; anchor anew and report it if they parted."""
        by_ms = wall_ms - (monotonic_s * 1000 + self._offset_ms)
        if abs(by_ms) <= STEP_MS:
            return None
        self._offset_ms += by_ms
        return ClockStep(at_ms=round(wall_ms), by_ms=round(by_ms))


class Clock:
    """The machine's two clocks behind one anchor. `now_s` serves any thread, the rest one.

    `monotonic_s` and `wall_s` read seconds; other than the machine's own they serve tests.
    """

    def __init__(
        self, monotonic_s: Callable[[], float] = time.monotonic, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._monotonic_s = monotonic_s
        self._wall_s = wall_s
        self._anchor = Anchor(*self._both())

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._monotonic_s()

    def utc_ms(self, monotonic_s: float) -> int:
        """UTC ms of a moment given by `now_s`."""
        return self._anchor.utc_ms(monotonic_s)

    def check(self) -> ClockStep | None:
        """Report a step of the wall clock since the last call, once."""
        return self._anchor.check(*self._both())

    def _both(self) -> tuple[float, float]:
        """Monotonic seconds and wall ms of one moment; being put to sleep in between would look like a step."""
        while True:
            before_s = self._monotonic_s()
            wall_ms = self._wall_s() * 1000
            after_s = self._monotonic_s()
            if after_s - before_s < _ONE_MOMENT_S:
                return (before_s + after_s) / 2, wall_ms
