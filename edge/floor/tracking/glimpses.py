"""Somebody coming into view or leaving it at the side of the picture, of whom only a part is seen.

Half a person has no middle, so no place; and a place at the side is watched only as far as people are whole in it. Who
comes is somebody's time on the floor once seen whole, who goes until last seen whole; but who lingers
there half seen is counted all the while. Walks through lines are followed to the end.
"""

from __future__ import annotations

from dataclasses import dataclass

LINGER_MS = 1_500
"""Who is cut off by the picture's side for longer neither comes nor goes."""


@dataclass(slots=True)
class View:
    """When one track was seen whole: since `born_ms` for the first time, and last; None while never."""

    born_ms: int
    first_whole_ms: int | None = None
    last_whole_ms: int | None = None

    def see(self, t_ms: int, *, beside: bool) -> None:
        """One more sighting, cut off by the picture's side or whole."""
        if not beside:
            self.last_whole_ms = t_ms
            self.first_whole_ms = t_ms if self.first_whole_ms is None else self.first_whole_ms

    def before(self, t_ms: int) -> View:
        """As it was then."""
        first_ms, last_ms = self.first_whole_ms, self.last_whole_ms
        if first_ms is None or last_ms is None or first_ms > t_ms:
            return View(self.born_ms)
        return View(self.born_ms, first_ms, min(last_ms, t_ms))

    def glimpsed(self, t_ms: int, last_seen_ms: int, *, beside: bool, gone: bool) -> bool:
        """Whether at `t_ms` the person was only coming or going; `gone` who is not seen any more."""
        if not beside:
            return False
        if self.first_whole_ms is not None and t_ms < self.first_whole_ms:
            return self.first_whole_ms - self.born_ms <= LINGER_MS
        since_ms = self.born_ms if self.last_whole_ms is None else self.last_whole_ms
        return gone and t_ms >= since_ms and last_seen_ms - since_ms <= LINGER_MS
