"""How well a zone's visits are measured: their number, their median and their ninth decile, against the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.accuracy.bootstrap import Interval, block_s, intervals
from edge.accuracy.counting import net_interval, wider

Array = NDArray[np.float64]
Visits = Mapping[str, Sequence[tuple[float, float]]]
"""Zone -> (start, dwell) of every visit in seconds."""


@dataclass(frozen=True, slots=True)
class DwellAccuracy:
    """Durations in s; errors are shares of the truth, None where it has no visit."""

    true_visits: int
    visits: int
    median_s: float | None
    p90_s: float | None
    errors: dict[str, float | None]
    intervals: dict[str, Interval | None]


def dwell_accuracy(measured: Visits, true: Visits) -> dict[str, DwellAccuracy]:
    """Of each zone that stands in either table."""
    starts = [start for table in (measured, true) for visits in table.values() for start, _ in visits]
    span = (min(starts), max(starts)) if starts else (0.0, 0.0)
    return {
        zone: _accuracy(measured.get(zone, ()), true.get(zone, ()), span)
        for zone in sorted(measured.keys() | true.keys())
    }


def _accuracy(
    measured: Sequence[tuple[float, float]], true: Sequence[tuple[float, float]], span: tuple[float, float]
) -> DwellAccuracy:
    block = block_s(span[1] - span[0])
    units = max(1, int((span[1] - span[0]) // block) + 1)
    found, wanted = (_Sample.of(visits, span[0], block) for visits in (measured, true))

    def errors(weights: Array) -> dict[str, Array]:
        rows = [_errors(found.drawn(row), wanted.drawn(row)) for row in weights]
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    plain = _errors(found.dwell_s, wanted.dwell_s)
    drawn = intervals(errors, units, 1)
    if true and (of_visits := drawn["visits"]) is not None:
        drawn["visits"] = wider(net_interval(len(measured) - len(true), len(true)), of_visits)
    return DwellAccuracy(
        true_visits=len(true),
        visits=len(measured),
        median_s=float(np.median(found.dwell_s)) if len(measured) else None,
        p90_s=float(np.quantile(found.dwell_s, 0.9)) if len(measured) else None,
        errors={name: None if np.isnan(value) else value for name, value in plain.items()},
        intervals=drawn,
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    block: NDArray[np.intp]
    dwell_s: Array

    @classmethod
    def of(cls, visits: Sequence[tuple[float, float]], start_s: float, block: float) -> _Sample:
        table = np.array(visits, dtype=float).reshape(-1, 2)
        return cls(((table[:, 0] - start_s) // block).astype(np.intp), table[:, 1])

    def drawn(self, weights: Array) -> Array:
        """The visits of the blocks drawn, as often as those were."""
        return np.repeat(self.dwell_s, weights[self.block].astype(int))


def _errors(measured: Array, true: Array) -> dict[str, float]:
    if not len(true):
        return dict.fromkeys(("visits", "median", "p90"), np.nan)
    found = {"visits": len(measured) / len(true) - 1, "median": np.nan, "p90": np.nan}
    for name, q in (("median", 0.5), ("p90", 0.9)):
        right = float(np.quantile(true, q))
        if len(measured) and right > 0:
            found[name] = float(np.quantile(measured, q)) / right - 1
    return found
