"""What a check found: a number, what it should be, how far it may be off and why that far; or why nothing. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Check = Literal[
    "balance",
    "overnight",
    "line_history",
    "zone_history",
    "camera_history",
    "sensor_disagrees",
    "tickets",
    "calibration_residual",
    "calibration_age",
]
Outcome = Literal["ok", "off", "unknown"]
Reason = Literal[
    "no_entrance",
    "never_closes",
    "open_at_midnight",
    "not_over",
    "coverage",
    "nothing_stored",
    "too_few",
    "no_kiosk",
    "not_seen_there",
    "hardly_seen",
    "not_reported",
    "no_date",
    "four_marks",
]
"""Why a check could not be made."""
Basis = Literal["design", "acceptance", "history", "sampling", "threshold"]
"""What a tolerance rests on: see docs/quality.md."""
Span = tuple[int, int]
DESIGN_ERROR = 0.02
"""Share of crossings that counting is built to get wrong at most."""
SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check over one span. `value`, `expected` and `tolerance` share a unit; None where it is unknown."""

    check: Check
    subject: str
    """Line, zone, camera or sensor; empty for the branch."""
    span: Span
    outcome: Outcome
    reason: Reason | None = None
    value: float | None = None
    expected: float | None = None
    tolerance: float | None = None
    basis: Basis | None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What it was computed from, by name."""
    turned: str = ""
    """Of what does not fit, the one entrance that explains it if its `inside` is on the wrong side."""


@dataclass(frozen=True, slots=True)
class CountError:
    """How wrong a count may be, as a share of the crossings, and who says so."""

    share: float = DESIGN_ERROR
    basis: Literal["design", "acceptance"] = "design"

    def tolerance(self, crossings: float, missed: float = 0.0) -> float:
        """How far in − out may be from the truth, in people, without anything being wrong.

        Each crossing is counted wrong with probability `share`, independently: three standard deviations of
        the sum. An error of both directions alike cancels; where it does not, `share` of the visitors (half
        of the crossings) is within what was promised. One more for whoever stands on a line, and `missed`
        for crossings that fell into unobserved time.
        """
        return 1.0 + max(SIGMAS * math.sqrt(self.share * crossings), self.share * crossings / 2) + missed


def unknown(check: Check, subject: str, span: Span, reason: Reason, **numbers: float) -> Finding:
    """A check that could not be made."""
    return Finding(check, subject, span, "unknown", reason, numbers=numbers)


def judged(
    check: Check,
    subject: str,
    span: Span,
    *,
    value: float,
    expected: float,
    tolerance: float,
    basis: Basis,
    side: Literal["both", "above"] = "both",
    **numbers: float,
) -> Finding:
    """A check that was made: off when `value` is farther from `expected` than `tolerance`, or only above it."""
    distance = value - expected if side == "above" else abs(value - expected)
    outcome: Outcome = "off" if distance > tolerance else "ok"
    return Finding(check, subject, span, outcome, None, value, expected, tolerance, basis, numbers)
