"""Whether somebody is in an area, through noise at its border: Page's cumulative sum of time.

Time that speaks against the present state adds up, time that speaks for it takes away; at the
threshold the state changes, **since the moment the sum last stood at nought**. So a clean step is dated
exactly, and one who stands beside the border and trembles over it neither comes nor goes.
E. S. Page, *Continuous inspection schemes*, Biometrika 41 (1954).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Presence:
    """One person and one area; begins outside. `since_ms` is when the present state began."""

    enter_ms: int
    leave_ms: int
    inside: bool = False
    since_ms: int = 0
    _against_ms: int = 0
    _turned_ms: int = 0

    def step(self, start_ms: int, end_ms: int, *, inside: bool, turned_ms: int | None = None) -> bool:
        """The person was inside (or not) during `[start_ms, end_ms)`; whether the state changed by it.

        `turned_ms`: when the border was crossed, before `start_ms`, where that is known better.
        """
        span_ms = max(0, end_ms - start_ms)
        if inside == self.inside:
            self._against_ms = max(0, self._against_ms - span_ms)
            if self._against_ms == 0:
                self._turned_ms = end_ms
            return False
        if self._against_ms == 0:
            self._turned_ms = start_ms if turned_ms is None else turned_ms
        self._against_ms += span_ms
        if self._against_ms < (self.leave_ms if self.inside else self.enter_ms):
            return False
        self.inside, self.since_ms, self._against_ms = inside, self._turned_ms, 0
        self._turned_ms = end_ms
        return True

    @property
    def held_until_ms(self) -> int:
        """Until when the present state was surely so: what a track that broke off leaves behind."""
        return self._turned_ms
