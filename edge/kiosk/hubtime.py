"""The hub's time, counted on since its last word by a clock that nobody sets. Pure.

This machine's clock may be wrong, and so may the hub's. What cannot be taken back goes by the earlier of the two, and
by the later only once that has stood for a day of running in which the hub said nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from branchloop.clock import DAY_MS, HOUR_MS

CLOCK_OFF_MS = 120_000
STANDS_S = 86_400.0
OFF_MS = 14 * DAY_MS
"""So long a machine is switched off or asleep; a clock that goes on by more has leapt."""
LATE_MS = HOUR_MS
"""No word is so long on its way; a hub that falls back by more had leapt."""


@dataclass(frozen=True, slots=True)
class KeptTime:
    """What a restart goes on from."""

    hub_ms: int | None
    """None: the hub has never said a word."""
    wall_ms: int
    stood_s: float
    """How long the two have been apart."""


class HubTime:
    """Compares this machine's clock with the hub's time. Times of a clock that nobody sets are in seconds, others UTC ms.

    Serves any thread; it is told by one.
    """

    def __init__(self, kept: KeptTime | None, now_s: float, wall_ms: int) -> None:
        """The time for which the machine was off is not known: the hub's goes on from where it stood."""
        self.off_ms = 0
        """How far this machine's clock was ahead when the hub was last heard."""
        self._kept = None if kept is None or kept.hub_ms is None else (kept.hub_ms, now_s)
        self._words: tuple[tuple[int, float], ...] = ()
        self._at_s = now_s
        self._wall_ms = wall_ms if kept is None else kept.wall_ms
        self._stood_s = 0.0 if kept is None else kept.stood_s
        self.sure_ms(now_s, wall_ms)

    @property
    def is_off(self) -> bool:
        """Whether this machine's clock must be set."""
        return abs(self.off_ms) > CLOCK_OFF_MS

    def heard(self, made_ms: int, now_s: float, wall_ms: int) -> None:
        """The hub has said something at `made_ms`, by its own clock.

        Of its last two words the one counts that says the later time: the other was longer on its way. By a single word no clock is ahead.
        """
        hub_ms = self._hub_ms(now_s)
        others = (wall_ms,) if hub_ms is None else (wall_ms, hub_ms)
        if any(abs(made_ms - each) > CLOCK_OFF_MS for each in others):
            self._stood_s = 0.0
        leapt = hub_ms is not None and hub_ms - made_ms > LATE_MS
        before = () if leapt else self._words[-1:]
        self._words = (*before, (made_ms, now_s))
        off_ms = wall_ms - max(_on(word, now_s) for word in self._words)
        self.off_ms = off_ms if before else min(off_ms, 0)

    def now_ms(self, now_s: float, wall_ms: int) -> int:
        """The time as far as is known: the hub's where this machine's clock is behind it.

        What the hub says may be long on its way, so its time is later still, and only a clock that is behind can be told from a delay.
        """
        hub_ms = self._hub_ms(now_s)
        return hub_ms if hub_ms is not None and hub_ms - wall_ms > CLOCK_OFF_MS else wall_ms

    def sure_ms(self, now_s: float, wall_ms: int) -> int:
        """A time that has certainly come; 0 as long as none is known."""
        hub_ms = self._hub_ms(now_s)
        passed_s = now_s - self._at_s
        leapt_ms = wall_ms - self._wall_ms - passed_s * 1000
        stands = hub_ms is None or abs(wall_ms - hub_ms) > CLOCK_OFF_MS
        stands = stands and -CLOCK_OFF_MS <= leapt_ms <= OFF_MS
        self._stood_s = self._stood_s + passed_s if stands else 0.0
        self._at_s, self._wall_ms = now_s, wall_ms
        if self._stood_s >= STANDS_S:
            return max(wall_ms, hub_ms or 0)
        return 0 if hub_ms is None else min(wall_ms, hub_ms)

    def kept(self, now_s: float) -> KeptTime:
        """What to keep for a restart."""
        return KeptTime(self._hub_ms(now_s), self._wall_ms, self._stood_s)

    def _hub_ms(self, now_s: float) -> int | None:
        words = self._words or (() if self._kept is None else (self._kept,))
        return max((_on(word, now_s) for word in words), default=None)


def _on(word: tuple[int, float], now_s: float) -> int:
    """The hub's time now, by one word."""
    made_ms, heard_s = word
    return made_ms + round((now_s - heard_s) * 1000)
