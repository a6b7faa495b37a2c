"""Truth of the simulated branch as a counter sees it: stays in zones and waits in the standing line.

Read off the exact, noiseless paths by the definitions of `docs/analytics.md`, by code of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from simulated_events import Visitor
from simulated_floor import ZONES
from simulated_walks import Floats

MIN_STAY_S = 2.0
STEP_OUT_S = 1.5


def stays(
    t_s: Floats,
    x_m: Floats,
    y_m: Floats,
    polygon: Sequence[tuple[float, float]],
    min_stay_s: float = MIN_STAY_S,
) -> list[tuple[float, float]]:
    """(start, end) of the stays of one person, sampled at `t_s`: steps out of under 1.5 s do not end one."""
    inside = np.zeros(len(t_s), dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if y0 != y1:
            spans = (y0 > y_m) != (y1 > y_m)
            inside ^= spans & (x_m < x0 + (y_m - y0) * (x1 - x0) / (y1 - y0))
    edges = np.diff(np.concatenate([[0], inside.astype(int), [0]]))
    runs = list(zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True))
    step_s = float(np.median(np.diff(t_s))) if len(t_s) > 1 else 0.0
    merged: list[list[float]] = []
    for first, end in runs:
        start_s, end_s = float(t_s[first]), float(t_s[end - 1]) + step_s
        if merged and start_s - merged[-1][1] < STEP_OUT_S:
            merged[-1][1] = end_s
        else:
            merged.append([start_s, end_s])
    return [(start_s, end_s) for start_s, end_s in merged if end_s - start_s >= min_stay_s]


def visits(t_s: Floats, ids: Any, x_m: Floats, y_m: Floats) -> list[dict[str, Any]]:
    """Every stay in every zone."""
    found: list[dict[str, Any]] = []
    order = np.argsort(ids, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1):
        for zone, (_, polygon) in ZONES.items():
            for start_s, end_s in stays(t_s[rows], x_m[rows], y_m[rows], polygon) if len(rows) else []:
                found.append(
                    {
                        "id": int(ids[rows[0]]),
                        "zone": zone,
                        "start_s": round(start_s, 2),
                        "end_s": round(end_s, 2),
                    }
                )
    return sorted(found, key=lambda visit: (visit["start_s"], visit["id"]))


def waits(visitors: Sequence[Visitor], seen: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Waits in the standing line: from entering its zone to the start of service, or to giving up."""
    found: list[dict[str, Any]] = []
    for v in visitors:
        if v.station != "teller" or v.waited_on != "line":
            continue
        end_s = v.service_start_s if v.abandoned_s is None else v.abandoned_s
        in_line = [
            s for s in seen if s["id"] == v.id and s["zone"] == "queue" and s["end_s"] > (v.joined_s or 0.0)
        ]
        if end_s is None or not in_line:
            continue
        start_s = in_line[0]["start_s"]
        outcome = "served" if v.abandoned_s is None else "abandoned"
        found.append(
            {"id": v.id, "queue": "queue", "start_s": start_s, "end_s": round(end_s, 2),
             "wait_s": round(end_s - start_s, 2), "outcome": outcome}
        )  # fmt: skip
    return found
