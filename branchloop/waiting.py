"""The wait that a ticket is told: one formula for the box and the hub, so that both say the same.

With `ahead` tickets before one's own, `counters` open and service times of mean `mean_s`, a counter
frees up every `mean_s / counters`; the ticket is called at the (ahead − counters + 1 + …)-th of these.
The range is ± one standard deviation of a sum of exponential service times, the least favourable of the
usual models; see docs/decisions.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from branchloop.messages import Queue


@dataclass(frozen=True, slots=True)
class Wait:
    """An expected wait and its likely range, in seconds."""

    mean_s: float
    low_s: float
    high_s: float


def expected_wait(queue: Queue, ahead: int) -> Wait | None:
    """The wait with `ahead` people waiting before; None when no counter is open or nothing is known.

    Everyone ahead must be called first, and all counters are taken to be busy whenever somebody waits;
    with nobody ahead the wait is not forecast to be more than one counter's turn.
    """
    if queue.counters < 1 or queue.mean_service_s is None or queue.mean_service_s <= 0:
        return None
    turn_s = queue.mean_service_s / queue.counters
    calls = ahead if queue.busy < queue.counters else ahead + 1
    mean_s = calls * turn_s
    spread_s = math.sqrt(calls) * turn_s
    return Wait(mean_s, max(0.0, mean_s - spread_s), mean_s + spread_s)
