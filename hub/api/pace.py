"""How often somebody may do something in a minute: for what needs no token of the bank's."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from branchloop.clock import MINUTE_MS
from branchloop.errors import LimitError


@dataclass(slots=True)
class Pace:
    """Counts by key in the present minute, in this process; nothing older is remembered."""

    most: int
    what: str
    _minute: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self, key: str, at_ms: int) -> None:
        """Count one for `key`; raises LimitError past the most of a minute."""
        with self._lock:
            minute = at_ms // MINUTE_MS
            if minute != self._minute:
                self._minute = minute
                self._counts.clear()
            self._counts[key] += 1
            if self._counts[key] > self.most:
                left_s = -(-(MINUTE_MS - at_ms % MINUTE_MS) // 1000)
                raise LimitError(f"too many {self.what}.", hint="Wait a minute.", retry_s=left_s)
