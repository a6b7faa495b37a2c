"""The figures a manager sees, as one declarative table, and the fixed bins of durations."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

DURATION_EDGES_S: tuple[float, ...] = (0.0, *(round(1.1**k, 3) for k in range(97)))
"""Lower edges of the duration bins: 0, then 1 s growing by 10 % to 2.6 h; the last bin is open."""


def duration_bin(duration_ms: int) -> int:
    """Index of the bin that holds a duration. Raises ValueError below zero."""
    if duration_ms < 0:
        raise ValueError(f"a duration of {duration_ms} ms is negative")
    return bisect_right(DURATION_EDGES_S, duration_ms / 1000) - 1


def duration_quantile_s(bins: Mapping[int, int], q: float) -> float | None:
    """Quantile `q` (0..1) in seconds, linear inside its bin; None when nothing was measured.

    The error is at most the width of one bin, 10 % of the value.
    """
    total = sum(bins.values())
    if total == 0:
        return None
    wanted, seen = q * total, 0
    for index in sorted(bins):
        if bins[index] and seen + bins[index] >= wanted:
            lower = DURATION_EDGES_S[index]
            upper = DURATION_EDGES_S[index + 1] if index + 1 < len(DURATION_EDGES_S) else lower
            return lower + (upper - lower) * max(0.0, wanted - seen) / bins[index]
        seen += bins[index]
    return DURATION_EDGES_S[max(bins)]


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure: its key in the API, unit, which way is better, and its names."""

    key: str
    unit: str
    better: Literal["higher", "lower", "neither"]
    en: str
    zh: str


KPIS: tuple[Kpi, ...] = (
    Kpi("occupancy", "people", "neither", "in branch now", "当前在店人数"),
    Kpi("footfall", "people", "higher", "visitors", "进店客流"),
    Kpi("crossings_in", "people", "neither", "in", "进"),
    Kpi("crossings_out", "people", "neither", "out", "出"),
    Kpi("person_seconds", "person·s", "neither", "time spent on the floor", "停留总时长"),
    Kpi("zone_occupancy", "people", "neither", "people in the zone", "区域人数"),
    Kpi("zone_visits", "visits", "neither", "visits", "到访次数"),
    Kpi("dwell_median", "s", "neither", "median dwell time", "停留时长中位数"),
    Kpi("dwell_p90", "s", "lower", "dwell time, 90th percentile", "停留时长九成位"),
    Kpi("queue_length", "people", "lower", "waiting", "排队人数"),
    Kpi("wait_median", "s", "lower", "median wait", "等候时间中位数"),
    Kpi("wait_p90", "s", "lower", "wait, 90th percentile", "等候时间九成位"),
    Kpi("abandonment", "%", "lower", "left the queue", "离队率"),
    Kpi("filled_person_seconds", "person·s", "neither", "estimated from sensors", "传感器估算停留时长"),
    Kpi("coverage", "%", "higher", "coverage", "数据覆盖率"),
)

BY_KEY: Mapping[str, Kpi] = {kpi.key: kpi for kpi in KPIS}

_PLACES = ("crossings_in", "crossings_out", "footfall", "person_seconds", "zone_occupancy", "zone_visits",
    "dwell_median", "dwell_p90", "queue_length", "wait_median", "wait_p90", "abandonment")  # fmt: skip
_ALL = ("occupancy", *_PLACES)
TAINTS: Mapping[str, tuple[str, ...]] = {
    "covered": _ALL,
    "blurred": _ALL,
    "frozen": _ALL,
    "looped": _ALL,
    "crowded": _ALL,
    "moved": _PLACES,
    "stuck": ("filled_person_seconds",),
    "deaf": ("filled_person_seconds",),
    "spiking": ("filled_person_seconds",),
    "garbled": ("filled_person_seconds",),
    "crosstalk": ("filled_person_seconds",),
    "cameras_apart": _ALL,
    "clocks_apart": _ALL,
    "cameras_disagree": _PLACES,
}
"""Fault of a camera, a sensor or a pair of cameras -> the figures that it spoils.

A moved camera still sees how many there are; two whose people cannot be joined do not tell even that.
"""
