"""Can the counts be trusted? One verdict with its reasons, from what all checks say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from hub.loop.alerts import WARNINGS, tainted

Verdict = Literal["proven", "plausible", "care", "no", "unknown"]
"""proven: an acceptance report in force and every check since agrees; plausible: the checks alone."""
Reason = Literal[
    "nothing_observed",
    "coverage",
    "entrances",
    "alert",
    "no_report",
    "report_expired",
    "report_failed",
    "report_undecided",
    "report_partial",
    "unchecked",
]
Standing = Literal["none", "valid", "undecided", "partial", "failed", "expired"]
"""Of the acceptance reports; expired also when the configuration has changed since, partial when no entrance, or not each, was counted."""
_STANDING: Mapping[Standing, Reason] = {
    "none": "no_report",
    "undecided": "report_undecided",
    "partial": "report_partial",
    "expired": "report_expired",
}
COUNTS = frozenset({"footfall", "crossings_in", "crossings_out", "occupancy"})
GOOD_COVERAGE = 0.95
POOR_COVERAGE = 0.5


@dataclass(frozen=True, slots=True)
class Trust:
    """The verdict, why it is no better, and the figures to be read with care."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    tainted: tuple[str, ...]


def trust(
    coverage: float | None,
    open_kinds: Iterable[str],
    checked: bool,
    report: Standing,
    entrances: float | None = None,
) -> Trust:
    """The verdict for a branch.

    `coverage` of the opening time looked at, by the mean camera, and `entrances` by those that see the doors (None where there is
    no door); `open_kinds` of open alerts; `checked`: whether any
    conservation check could be made; `report`: how the acceptance reports stand.
    """
    kinds: Collection[str] = list(open_kinds)
    doubtful = sorted({figure for kind in kinds for figure in tainted(kind)})
    if not coverage:
        return Trust("unknown", ("nothing_observed",), tuple(doubtful))
    reasons: list[Reason] = []
    if coverage < GOOD_COVERAGE:
        reasons.append("coverage")
    elif entrances is not None and entrances < GOOD_COVERAGE:
        reasons.append("entrances")
    if kinds:
        reasons.append("alert")
    if report == "failed":
        reasons.append("report_failed")
    wrong = any(COUNTS & set(tainted(kind)) for kind in kinds if kind not in WARNINGS)
    if min(coverage, 1.0 if entrances is None else entrances) < POOR_COVERAGE or report == "failed" or wrong:
        return Trust("no", tuple(reasons), tuple(doubtful))
    if reasons:
        return Trust("care", tuple(reasons), tuple(doubtful))
    if not checked:
        reasons.append("unchecked")
    if report in _STANDING:
        reasons.append(_STANDING[report])
    if not checked:
        return Trust("care", tuple(reasons), ())
    return Trust("plausible" if reasons else "proven", tuple(reasons), ())
