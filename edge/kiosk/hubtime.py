"""The hub's time, counted on since its last word by a clock that nobody sets. Pure.

This machine's clock may be wrong, and so may the hub's. What cannot be taken back goes by the earlier of the two, and
by the later only once that has stood for a day of running in which the hub said nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_OFF_MS = 120_000
STANDS_S = 86_400.0


@dataclass(frozen=True, slots=True)
class KeptTime:
    """What a restart goes on from."""

    hub_ms: int | None
    """None: the hub has never said a word."""
    wall_ms: int
    stood_s: float
    """How long the two have been apart."""


class HubTime:
    """Compares this machine's clock with the hub's time. Times of a clock that nobody sets are in seconds, others UTC ms."""

    def __init__(self, kept: KeptTime | None, now_s: float, wall_ms: int) -> None:
        """The time for which the machine was off is not known: the hub's goes on from where it stood."""
        self._at_s, self._told_s = now_s, now_s
        self._told_ms = None if kept is None else kept.hub_ms
        self._wall_ms = wall_ms if kept is None else kept.wall_ms
        self._stood_s = 0.0 if kept is None else kept.stood_s
        self.sure_ms(now_s, wall_ms)

    def heard(self, made_ms: int, now_s: float, wall_ms: int) -> None:
        """The hub has said something at `made_ms`, by its own clock."""
        hub_ms = self._hub_ms(now_s)
        moved = hub_ms is not None and abs(made_ms - hub_ms) > CLOCK_OFF_MS
        if moved or wall_ms - made_ms > CLOCK_OFF_MS:
            self._stood_s = 0.0
        self._told_ms, self._told_s = made_ms, now_s

    def sure_ms(self, now_s: float, wall_ms: int) -> int:
        """A time that has certainly come; 0 as long as none is known."""
        hub_ms = self._hub_ms(now_s)
        apart = hub_ms is None or abs(wall_ms - hub_ms) > CLOCK_OFF_MS
        set_back = wall_ms < self._wall_ms - CLOCK_OFF_MS
        self._stood_s = self._stood_s + now_s - self._at_s if apart and not set_back else 0.0
        self._at_s, self._wall_ms = now_s, wall_ms
        if self._stood_s < STANDS_S:
            return 0 if hub_ms is None else min(wall_ms, hub_ms)
        if hub_ms is None or wall_ms > hub_ms:
            self._told_ms, self._told_s = wall_ms, now_s
            return wall_ms
        return hub_ms

    def kept(self, now_s: float) -> KeptTime:
        """What to keep for a restart."""
        return KeptTime(self._hub_ms(now_s), self._wall_ms, self._stood_s)

    def _hub_ms(self, now_s: float) -> int | None:
        return None if self._told_ms is None else self._told_ms + round((now_s - self._told_s) * 1000)
