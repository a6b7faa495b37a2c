"""The hub's own clock, which may be wrong: a machine without a battery, a bad time server, a hand.

It is believed while it goes on from where it last stood. After a leap, what cannot be taken back (deleting what is past
its time, giving on the place of who did not come) goes by the time that has certainly come, and no box is told that its
clock is ahead by a hub whose own has fallen behind. A leap is believed when a box's clock says the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from branchloop.clock import DAY_MS, HOUR_MS, MINUTE_MS, iso
from hub.ingest.mqtt import now_ms, say

LEAP_MS = MINUTE_MS
AWAY_MS = HOUR_MS
"""So long a hub may have been switched off without a box being asked,"""
AWAY_ALONE_MS = 14 * DAY_MS
"""and so long where no box has ever sent anything."""
BELIEVED_MS = 30 * DAY_MS
"""A longer leap ahead is not believed by a box's word alone: both may ask the same wrong time server."""
STANDS_S = 86_400.0
"""A leap that nobody contradicts is believed after so long."""
NEVER_MS = 2**62


class WallTime:
    """Compares the wall clock with what it was and how much time has passed since. Serves any thread."""

    def __init__(
        self,
        last_ms: int | None,
        *,
        witnessed: bool = True,
        wall_ms: Callable[[], int] = now_ms,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`last_ms` is what was believed when the hub last ran, None if it never did; `witnessed`: there are boxes."""
        self._wall_ms, self._monotonic_s = wall_ms, monotonic_s
        self._lock = threading.Lock()
        now = wall_ms()
        away_ms = AWAY_MS if witnessed else AWAY_ALONE_MS
        off = last_ms is not None and not -LEAP_MS <= now - last_ms <= away_ms
        self._base_ms = last_ms if last_ms is not None and off else now
        self._base_s = monotonic_s()
        self._leapt_ms = 0
        self._since_s = self._base_s
        self._agreed = self._odd = False
        self._begun = not off

    def sure_ms(self) -> int:
        """A time (UTC ms) that has certainly come."""
        with self._lock:
            wall, believed = self._look()
            return min(wall, believed)

    def believed_ms(self) -> int:
        """The time (UTC ms) as far as is known."""
        with self._lock:
            return self._look()[1]

    def latest_ms(self) -> int:
        """A time (UTC ms) that it is at most; unbounded while the wall clock is behind."""
        with self._lock:
            wall, believed = self._look()
            return wall if wall >= believed else NEVER_MS

    def is_believed(self) -> bool:
        """Whether the wall clock goes on from where it stood."""
        with self._lock:
            wall, believed = self._look()
            return wall == believed

    def heard(self, sent_ms: int) -> None:
        """A box has just sent something, by its own clock at `sent_ms`."""
        with self._lock:
            wall, believed = self._look()
            if wall == believed:
                return
            if abs(sent_ms - wall) > LEAP_MS:
                self._odd = True
                return
            self._agreed = True
            if wall - believed <= BELIEVED_MS:
                self._believe(wall, "a box's clock says the same")

    def _look(self) -> tuple[int, int]:
        """The wall clock and the time that is believed, which are one while it has not leapt."""
        wall, at_s = self._wall_ms(), self._monotonic_s()
        believed = self._base_ms + round((at_s - self._base_s) * 1000)
        leapt = wall - believed
        if abs(leapt) <= LEAP_MS:
            if self._leapt_ms:
                say(f"the clock is right again: {iso(wall)}.")
            self._set(wall, at_s)
            return wall, wall
        if abs(leapt - self._leapt_ms) > LEAP_MS:
            what = (
                "this machine's clock leapt by"
                if self._begun
                else "since the hub last ran the clock went on by"
            )
            say(
                f"{what} {leapt / 1000:+.0f} s to {iso(wall)}: nothing is deleted or given away by it before a box's clock "
                "says the same or it has stood for a day; set it, if it is wrong."
            )
            self._leapt_ms, self._since_s = leapt, at_s
            self._agreed = self._odd = False
        elif at_s - self._since_s >= STANDS_S and (self._agreed or not self._odd):
            self._believe(wall, "it has stood for a day")
            return wall, wall
        return wall, believed

    def _believe(self, wall_ms: int, why: str) -> None:
        say(f"the clock is believed: {iso(wall_ms)}, since {why}.")
        self._set(wall_ms, self._monotonic_s())

    def _set(self, wall_ms: int, at_s: float) -> None:
        self._base_ms, self._base_s, self._leapt_ms, self._begun = wall_ms, at_s, 0, True
