"""Drift: a line, zone or camera against its own past, a sensor against the cameras, a calibration against time. Pure.

History is compared robustly (median and median absolute deviation), so that neither a holiday nor an
earlier fault moves what is usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from hub.loop.finding import SIGMAS, Check, Finding, Reason, Span, judged, unknown

UNUSUAL = 4.0
"""Robust standard deviations beyond which an hour is unlike all others of its kind."""
FEWEST_HOURS = 4
LEAST_OBSERVED = 0.5
"""Share of an hour below which it is compared with nothing."""
_MAD_TO_SIGMA = 1.4826
OLD_DAYS = 180
LARGE_RESIDUAL_MM = 300
PLACE_ERROR_M = 0.3
"""How far the cameras may put somebody beside the place where they stand."""
SHOULDER_M = 1.4
BODY_M = 0.25
STAY_S = 20.0
"""A presence in the cone lasts about so long: so many seconds make one independent sample."""
FEWEST_SAMPLES = 30
LEAST_DIFFERENCE = 0.1


@dataclass(frozen=True, slots=True)
class Hour:
    """One past hour of one line, zone or camera: its figure, and the share of the hour that was observed."""

    weekday: int
    """0 is Monday."""
    hour: int
    value: float
    observed: float


def comparable(now: Hour, history: Iterable[Hour]) -> list[float]:
    """Figures of the same weekday and hour; of the same hour on working days or weekends while those are few."""
    usable = [past for past in history if past.observed >= LEAST_OBSERVED and past.hour == now.hour]
    same = [past.value for past in usable if past.weekday == now.weekday]
    if len(same) >= FEWEST_HOURS:
        return same
    return [past.value for past in usable if (past.weekday >= 5) == (now.weekday >= 5)]


def line_history(line: str, span: Span, now: Hour, history: Iterable[Hour]) -> Finding:
    """Crossings of a line in an hour against those of hours like it. At least Poisson noise is expected."""
    return _against("line_history", line, span, now, history, _of_counts)


def zone_history(zone: str, span: Span, now: Hour, history: Iterable[Hour]) -> Finding:
    """Visits to a zone in an hour against those of hours like it: what stands before part of a picture hides them."""
    return _against("zone_history", zone, span, now, history, _of_counts)


def camera_history(camera: str, span: Span, now: Hour, history: Iterable[Hour]) -> Finding:
    """Frames in which something moved, per observed second, against hours like it: a proxy of what it sees."""
    return _against("camera_history", camera, span, now, history, lambda usual: max(0.05, 0.15 * usual))


def _against(
    check: Check,
    subject: str,
    span: Span,
    now: Hour,
    history: Iterable[Hour],
    floor: Callable[[float], float],
) -> Finding:
    if now.observed < LEAST_OBSERVED:
        return unknown(check, subject, span, "coverage", coverage=now.observed)
    values = comparable(now, history)
    if len(values) < FEWEST_HOURS:
        return unknown(check, subject, span, "too_few", hours=len(values))
    usual = median(values)
    spread = _MAD_TO_SIGMA * median(abs(value - usual) for value in values)
    sigma = max(spread, floor(usual))
    return judged(
        check, subject, span,
        value=now.value, expected=usual, tolerance=UNUSUAL * sigma, basis="history",
        hours=len(values), sigma=sigma, coverage=now.observed,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cone:
    """What cameras saw under a sensor in a span, in person-ms: in its cone, `PLACE_ERROR_M` less and more."""

    inner_ms: float
    outer_ms: float
    observed_ms: float
    """Mean observed time of a camera."""
    ever_seen: bool
    """Whether cameras have seen anybody there before: else they may not look there at all."""


def sensor_agreement(sensor: str, span: Span, present_ms: int, told_ms: int, cone: Cone) -> Finding:
    """Share of time with somebody in a sensor's cone, by the sensor and by the cameras.

    People who come independently leave a place empty for exp(−mean) of the time. The cameras give a range,
    since a person near the rim may be put on either side of it; what is beyond it by more than chance, and
    by `LEAST_DIFFERENCE` at least, is a disagreement.
    """
    length_ms = span[1] - span[0]
    if not cone.ever_seen:
        return unknown("sensor_disagrees", sensor, span, "not_seen_there")
    if told_ms < LEAST_OBSERVED * length_ms or cone.observed_ms < LEAST_OBSERVED * length_ms:
        return unknown(
            "sensor_disagrees", sensor, span, "coverage", coverage=min(told_ms, cone.observed_ms) / length_ms
        )
    low, high = (_occupied(ms, cone.observed_ms) for ms in (cone.inner_ms, cone.outer_ms))
    share = present_ms / told_ms
    samples = min(told_ms, cone.observed_ms) / (1000 * STAY_S)
    if samples < FEWEST_SAMPLES:
        return unknown("sensor_disagrees", sensor, span, "too_few", samples=samples)
    middle = (low + high) / 2
    wide = max(low * (1 - low), high * (1 - high), share * (1 - share))
    chance = SIGMAS * math.sqrt(wide / samples)
    return judged(
        "sensor_disagrees", sensor, span,
        value=share, expected=middle, tolerance=(high - low) / 2 + max(LEAST_DIFFERENCE, chance),
        basis="sampling", cameras_low=low, cameras_high=high, samples=samples,
    )  # fmt: skip


def calibration(
    camera: str,
    at_ms: int,
    residual_mm: int | None,
    age_days: int | None,
    *,
    dated: bool = True,
    always_fits: bool = False,
) -> list[Finding]:
    """Residual and age of a camera's calibration against what floor figures can bear.

    `dated` where the site says its day; `always_fits` where its marks are four, whose residual is zero whatever was typed.
    """
    unchecked: Reason = "four_marks" if always_fits else "not_reported"
    residual_mm = None if always_fits else residual_mm
    checks: tuple[tuple[Check, int | None, int, Reason], ...] = (
        ("calibration_residual", residual_mm, LARGE_RESIDUAL_MM, unchecked),
        ("calibration_age", age_days, OLD_DAYS, "not_reported" if dated else "no_date"),
    )
    span = (at_ms, at_ms)
    return [
        unknown(check, camera, span, unsaid)
        if value is None
        else judged(
            check, camera, span, value=value, expected=0.0, tolerance=most, basis="threshold", side="above"
        )
        for check, value, most, unsaid in checks
    ]


def in_cone(
    cells: Sequence[float], cols: int, cell_m: float, place_m: tuple[float, float], radius_m: float
) -> float:
    """Sum of a row-major grid's cells whose centre lies within a circle on the plan."""
    rows = len(cells) // cols
    total = 0.0
    for row in range(
        max(0, math.floor((place_m[1] - radius_m) / cell_m)),
        min(rows, math.ceil((place_m[1] + radius_m) / cell_m) + 1),
    ):
        for col in range(
            max(0, math.floor((place_m[0] - radius_m) / cell_m)),
            min(cols, math.ceil((place_m[0] + radius_m) / cell_m) + 1),
        ):
            x_m, y_m = (col + 0.5) * cell_m, (row + 0.5) * cell_m
            if math.hypot(x_m - place_m[0], y_m - place_m[1]) <= radius_m:
                total += cells[row * cols + col]
    return total


def reach_m(height_m: float, cone_deg: float) -> float:
    """How far from below a ceiling sensor somebody may stand whose shoulder is still in its cone."""
    return max(0.0, height_m - SHOULDER_M) * math.tan(math.radians(cone_deg) / 2) + BODY_M


def _of_counts(usual: float) -> float:
    return max(1.0, math.sqrt(usual), 0.15 * usual)


def _occupied(person_ms: float, observed_ms: float) -> float:
    return 1.0 - math.exp(-person_ms / observed_ms)
