"""Which figures a fault of a camera or sensor spoils, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from branchloop.kpis import TAINTS
from hub.api.models import Fault, Taint

Part = Literal["camera", "sensor"]
Faults = Mapping[tuple[str, str], Mapping[str, int | None]]
"""(part, its id) -> fault -> for how long (ms); None for a fault that is there right now."""


def of_figure(figure: str, faults: Faults) -> list[Fault]:
    """The faults that spoil one figure."""
    return [
        Fault(part=part, subject=subject, fault=fault, seconds=_seconds(lasted_ms))
        for part, subject, fault, lasted_ms in _each(faults)
        if figure in TAINTS.get(fault, ())
    ]


def of_figures(figures: Collection[str], faults: Faults) -> list[Taint]:
    """The faults that spoil any of some figures, each with those that it spoils."""
    found = []
    for part, subject, fault, lasted_ms in _each(faults):
        spoiled = [figure for figure in TAINTS.get(fault, ()) if figure in figures]
        if spoiled:
            seconds = _seconds(lasted_ms)
            found.append(Taint(part=part, subject=subject, fault=fault, seconds=seconds, figures=spoiled))
    return found


def right_now(
    window: Mapping[str, Any], lights: Mapping[str, Any]
) -> dict[tuple[str, str], dict[str, int | None]]:
    """The faults that the newest window and the last status of a box tell of (their JSON)."""
    found: dict[tuple[str, str], dict[str, int | None]] = {}
    parts: tuple[tuple[Part, str], ...] = (("camera", "cameras"), ("sensor", "sensors"))
    for part, plural in parts:
        for told, key in ((window.get(plural, []), part), (lights.get(plural, []), "id")):
            for each in told:
                if each.get("fault"):
                    found.setdefault((part, each[key]), {})[each["fault"]] = None
    return found


def _each(faults: Faults) -> Iterator[tuple[Part, str, str, int | None]]:
    for part, subject in sorted(faults):
        for fault, lasted_ms in sorted(faults[part, subject].items()):
            yield "camera" if part == "camera" else "sensor", subject, fault, lasted_ms


def _seconds(lasted_ms: int | None) -> float | None:
    return None if lasted_ms is None else lasted_ms / 1000
