"""What was found when a check failed or an alert was raised, in words and with units. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from branchloop.text import devices as text_devices
from branchloop.text.catalogue import Language, lasting, say
from branchloop.text.faults import told as in_language
from branchloop.wire.messages import PairFault

Names = Mapping[tuple[str, str], str]
"""("camera", "sensor", "line" or "zone", its id) -> its name: a line and a camera may share an id."""
PAIRS = frozenset(get_args(PairFault))
PERCENT = frozenset({"sensor_disagrees"})
PER_SECOND = frozenset({"camera_history"})
MILLIMETRES = frozenset({"calibration_residual"})
DAYS = frozenset({"calibration_age"})
ABOVE = frozenset({"calibration_residual", "calibration_age"})
"""Checks whose tolerance is a limit."""
NARROW = "\N{NO-BREAK SPACE}"


def evidence(alert: Mapping[str, Any], names: Names, language: Language) -> str:
    """What was found when an alert was raised, in one line; of cameras and sensors what their box said."""
    told, kind = alert["evidence"], alert["kind"]
    if kind in PAIRS:
        return apart(told, language)
    if told.get("detail"):
        cameras = {part: name for (what, part), name in names.items() if what == "camera"}
        return text_devices.told(told["detail"], language, cameras)
    if kind == "configuration_refused":
        reason = in_language(told["reason"], language)
        return say("quality.evidence.refused", language, version=str(told["version"]), reason=reason)
    if kind == "configuration_differs":
        version, following = str(told.get("version", "")), str(told.get("next", ""))
        return say("quality.evidence.differs", language, version=version, next=following)
    if kind == "box_stuck":
        count, reason = str(told.get("waiting", "")), told.get("reason", "")
        return say("quality.evidence.stuck", language, count=count, reason=reason)
    if kind == "box_behind":
        late, left_out = (str(told.get(key, "")) for key in ("late_s", "left_out"))
        return say("quality.evidence.behind", language, late=late, left_out=left_out)
    if kind == "box_clock_behind" and told.get("behind_ms"):
        return say("quality.evidence.clock_behind", language, time=lasting(told["behind_ms"], language))
    if kind == "kiosk_clock" and told.get("by_ms"):
        form = "quality.evidence.kiosk_" + ("ahead" if told["by_ms"] > 0 else "behind")
        return say(form, language, time=lasting(abs(told["by_ms"]), language))
    if kind == "box_crashes":
        form = "quality.evidence.crashes" + ("" if told.get("error") else ".mute")
        return say(form, language, count=str(told["count"]), error=told.get("error", ""))
    if told.get("value") is None:
        return ""
    value, tolerance = measured(kind, told["value"], language), measured(kind, told["tolerance"], language)
    if kind in ABOVE:
        return say("quality.evidence.above", language, value=value, most=tolerance)
    line = say(
        "quality.evidence",
        language,
        value=value,
        expected=measured(kind, told["expected"], language),
        tolerance=f"±{NARROW}{tolerance}",
    )
    numbers = told.get("numbers", {})
    if {"went_in", "went_out", "seen"} <= set(numbers):
        counts = {key: number(numbers[key]) for key in ("went_in", "went_out", "seen")}
        line += f" ({say('quality.evidence.counts', language, **counts)})"
    if told.get("turned"):
        door = names.get(("line", told["turned"]), told["turned"])
        line += say("quality.evidence.turned", language, line=door)
    return line


def apart(pair: Mapping[str, Any], language: Language) -> str:
    """How far two cameras place the same people apart, and how far their clocks are."""
    distance, clock = pair.get("disagreement_mm"), pair.get("clock_ms")
    return say(
        "quality.evidence.pair",
        language,
        distance="—" if distance is None else f"{distance / 1000:.1f}{NARROW}m",
        clock="—" if clock is None else f"{abs(clock) / 1000:.1f}{NARROW}s",
    )


def measured(check: str, value: float, language: Language) -> str:
    """What a check found, with its unit."""
    if check in PERCENT:
        return f"{100 * value:.0f}{NARROW}%"
    if check in PER_SECOND:
        return f"{value:.1f}/s"
    if check in MILLIMETRES:
        return say("quality.cm", language, value=f"{value / 10:.1f}")
    if check in DAYS:
        return say("quality.age.days", language, value=f"{value:.0f}")
    return number(value)


def number(value: float) -> str:
    """A number with no more digits than tell anything."""
    rough = round(value, 1)
    return f"{value:,.0f}" if abs(rough) >= 10 or rough == round(rough) else f"{rough:.1f}"


def percent(share: float) -> str:
    """Never rounded up to a hundred: a gap stays visible."""
    return "100" if share >= 1 else f"{min(99.9, 100 * share):.1f}"
