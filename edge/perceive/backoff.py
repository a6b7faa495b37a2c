"""How long to wait before the next attempt: exponential with jitter.

Jitter, so that a branch whose switch restarts does not see all of its cameras called at once.
"""

from __future__ import annotations

import random


class Backoff:
    """Waits of `first_s`, doubling up to `most_s`; each is drawn from its upper half.

    A source that answers and dies at once must not be hammered: call `succeeded` only when it has held
    for a while.
    """

    def __init__(self, first_s: float = 0.5, most_s: float = 10.0, rng: random.Random | None = None) -> None:
        if not 0 < first_s <= most_s:
            raise ValueError(f"a back-off from {first_s} s to {most_s} s does not grow")
        self._first_s = first_s
        self._most_s = most_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._bound_s = first_s

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        bound_s = self._bound_s
        self._bound_s = min(bound_s * 2, self._most_s)
        return bound_s * (0.5 + 0.5 * self._rng.random())

    def succeeded(self) -> None:
        """Begin again with the shortest wait."""
        self._bound_s = self._first_s
