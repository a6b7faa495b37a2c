"""How long a wait will be, told only when it can be.

With `c` counters of one service, all busy, and `k` customers ahead, somebody waits for `k + 1` customers
to be served, which happens every `mean / c` seconds: the mean of the conditional wait of an M/M/c queue
(Gross and Harris, Fundamentals of Queueing Theory, ch. 2). Where service times vary less than
exponentially, it errs on the long side.
"""

from __future__ import annotations


def expected_wait_s(ahead: int, counters: int, busy: int, mean_service_s: float | None) -> float | None:
    """Expected seconds until somebody with `ahead` customers before them is called.

    None when no counter is open, or the mean time of a service is not known.
    """
    if counters <= 0 or mean_service_s is None:
        return None
    free = max(0, counters - busy)
    return max(0, ahead + 1 - free) * mean_service_s / counters
