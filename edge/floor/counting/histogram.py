"""Durations in the fixed bins of the wire."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from branchloop.kpis import duration_bin
from branchloop.wire.messages import Histogram


def histogram(durations_ms: Iterable[int]) -> Histogram:
    """Durations in the fixed bins of the wire."""
    durations = list(durations_ms)
    bins = Counter(duration_bin(duration_ms) for duration_ms in durations)
    return Histogram(
        count=len(durations), sum_ms=sum(durations), bins={str(k): bins[k] for k in sorted(bins)}
    )
