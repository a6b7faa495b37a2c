"""Alerts with hysteresis: raised once a condition has held, cleared once it has been gone, never flapping. Pure.

A `Watch` is what is remembered of one (kind, subject) between two looks. Its times are event times, so
looking twice at the same moment, or again after a crash, changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from branchloop.clock import DAY_MS, HOUR_MS
from branchloop.kpis import TAINTS
from branchloop.wire.messages import PairFault, SensorFault
from hub.loop.finding import Check

Phase = Literal["quiet", "rising", "open", "falling"]
Change = Literal["raised", "cleared"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a condition must hold, and be gone; what was seen longer ago than `forget_ms` counts no more."""

    raise_after_ms: int
    clear_after_ms: int
    forget_ms: int


DEVICE = Rule(raise_after_ms=20_000, clear_after_ms=60_000, forget_ms=120_000)
"""Faults of cameras and sensors, seen every few seconds."""
BOX = Rule(raise_after_ms=60_000, clear_after_ms=60_000, forget_ms=120_000)
"""Silence of boxes and kiosks: after a restart of the hub they need a moment to come back."""
TOLD = Rule(raise_after_ms=0, clear_after_ms=60_000, forget_ms=120_000)
"""What a box says of itself, which has held before it was said."""
HOURLY = Rule(raise_after_ms=HOUR_MS // 2, clear_after_ms=3 * HOUR_MS // 2, forget_ms=15 * DAY_MS)
"""Two finished hours off; three fine ones in a row. Where clocks change, an hour may be half a one."""
DAILY = Rule(raise_after_ms=0, clear_after_ms=20 * HOUR_MS, forget_ms=15 * DAY_MS)
"""One finished day off, which sums up many hours; two fine ones in a row, of 23 hours or more."""
CALIBRATION = Rule(raise_after_ms=HOUR_MS, clear_after_ms=HOUR_MS, forget_ms=15 * DAY_MS)

_BY_CHECK: Mapping[Check, Rule] = {
    "balance": HOURLY,
    "line_history": HOURLY,
    "zone_history": HOURLY,
    "camera_history": HOURLY,
    "sensor_disagrees": HOURLY,
    "tickets": HOURLY,
    "overnight": DAILY,
    "calibration_residual": CALIBRATION,
    "calibration_age": CALIBRATION,
}
CHECKS = tuple(_BY_CHECK)
"""Kinds that come of finished hours and days; all others come of what is the case now."""
SILENCES = frozenset({"box_silent", "kiosk_silent"})
TOLD_BY_BOXES = frozenset({"configuration_refused", "box_crashes", "box_stuck", "box_behind", "kiosk_clock"})
TWO_TEXTS = "configuration_differs"
"""The box runs another text of a version than the hub holds: its pages draw, and its names are, what the box does not count by."""
RENEWED = frozenset({"configuration_refused", TWO_TEXTS, "moved"})
"""Kinds whose evidence is that of the newest look: a box may refuse another version while the alert is open, a view slide on."""
CLONED = "box_cloned"
"""Two devices speak under one name: whose window of a moment came first counted, and nobody knows whether it was the right one."""
CLOCK_BACK = "box_clock"
"""A box tells of times that it has told of already: which telling has the right time nobody knows."""
CLOCK_AHEAD = "box_ahead"
"""A box tells of times that have not come: nothing of it is counted."""
CLOCK_BEHIND = "box_clock_behind"
"""A box tells of what happens as of a time that is over: it counts under the wrong hours."""
OF_MESSAGES = frozenset({CLONED, CLOCK_BACK, CLOCK_AHEAD, CLOCK_BEHIND})
"""Kinds that are known by what a box sends."""
OF_BOXES = SILENCES | TOLD_BY_BOXES | OF_MESSAGES | {TWO_TEXTS}
"""Kinds whose subject is a device that speaks to the hub, and no part of it."""
OF_SENSORS = frozenset({"sensor_silent", "sensor_disagrees", *get_args(SensorFault)})
OF_PAIRS = frozenset(get_args(PairFault))
OF_LINES = frozenset({"line_history"})
OF_ZONES = frozenset({"zone_history"})
"""Whatever else has a subject is of a camera."""
WARNINGS = frozenset(
    {
        "calibration_residual",
        "calibration_age",
        "line_history",
        "zone_history",
        "camera_history",
        "cameras_disagree",
    }
)
"""Kinds that ask for a look, and prove nothing wrong: an unusual hour may be a true one."""
PROOFS = (frozenset(CHECKS) - WARNINGS) | {CLOCK_BEHIND}
"""What marks the figures of the time that it concerns: checks of finished hours and days, since what does not add up is wrong somewhere, and a clock by which hours are wrong."""
_COUNTS = ("footfall", "crossings_in", "crossings_out", "occupancy")
_PLACED = TAINTS["moved"]
_EVERYTHING = TAINTS["covered"]
_TAINTED: Mapping[str, tuple[str, ...]] = {
    **TAINTS,
    "camera_silent": _EVERYTHING,
    "sensor_silent": ("filled_person_seconds",),
    "box_silent": _EVERYTHING,
    "box_crashes": _EVERYTHING,
    "box_behind": _EVERYTHING,
    CLONED: _EVERYTHING,
    CLOCK_BACK: _EVERYTHING,
    CLOCK_AHEAD: _EVERYTHING,
    CLOCK_BEHIND: _EVERYTHING,
    "balance": _COUNTS,
    "overnight": _COUNTS,
    "tickets": ("footfall", "crossings_in", "occupancy"),
    "line_history": ("footfall", "crossings_in", "crossings_out"),
    "zone_history": ("zone_occupancy", "zone_visits", "dwell_median", "dwell_p90"),
    "camera_history": _EVERYTHING,
    "sensor_disagrees": ("person_seconds", "filled_person_seconds"),
    "calibration_residual": _PLACED,
    "calibration_age": _PLACED,
}


def rule_of(kind: str) -> Rule:
    """The hysteresis of a kind of alert."""
    for check, rule in _BY_CHECK.items():
        if check == kind:
            return rule
    if kind in TOLD_BY_BOXES | OF_MESSAGES | {TWO_TEXTS}:
        return TOLD
    return BOX if kind in SILENCES else DEVICE


def tainted(kind: str) -> tuple[str, ...]:
    """The figures (keys of `branchloop.kpis.KPIS`) that an open alert makes doubtful."""
    return _TAINTED.get(kind, ())


@dataclass(frozen=True, slots=True)
class Watch:
    """Where one condition stands: since when it is rising or falling, and when it was last looked at."""

    phase: Phase = "quiet"
    since_ms: int = 0
    seen_ms: int = -1


def step(watch: Watch, rule: Rule, *, holds: bool | None, at_ms: int) -> tuple[Watch, Change | None]:
    """Take in one look at a condition; None is not known, and changes nothing.

    Looks must come in order: one that is not younger than the last is ignored.
    """
    if holds is None or at_ms <= watch.seen_ms:
        return watch, None
    if watch.phase == "open" and holds:
        return watch, None  # nothing to be remembered, and nothing to be written
    lapsed = watch.seen_ms >= 0 and at_ms - watch.seen_ms > rule.forget_ms
    match watch.phase, holds:
        case ("quiet", True):
            watch = Watch("rising", at_ms, at_ms)
        case ("rising", True):
            watch = Watch("rising", at_ms if lapsed else watch.since_ms, at_ms)
        case ("rising", False):
            watch = Watch("quiet", at_ms, at_ms)
        case ("open", False):
            watch = Watch("falling", at_ms, at_ms)
        case ("falling", False):
            watch = Watch("falling", at_ms if lapsed else watch.since_ms, at_ms)
        case ("falling", True):
            watch = Watch("open", at_ms, at_ms)
        case _:
            return watch, None
    if watch.phase == "rising" and at_ms - watch.since_ms >= rule.raise_after_ms:
        return Watch("open", at_ms, at_ms), "raised"
    if watch.phase == "falling" and at_ms - watch.since_ms >= rule.clear_after_ms:
        return Watch("quiet", at_ms, at_ms), "cleared"
    return watch, None
