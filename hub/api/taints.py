"""Which figures a fault or a check that does not add up spoils, and for how long. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, cast

from hub.api.models.answers import Fault, Part, Taint
from hub.loop.alerts import PROOFS, tainted

Faults = Mapping[tuple[str, str], Mapping[str, int | None]]
"""(part, its id) -> fault -> for how long (ms); None for a fault that is there right now."""


def of_figure(figure: str, faults: Faults) -> list[Fault]:
    """The faults that spoil one figure."""
    return [
        Fault(part=part, subject=subject, fault=fault, seconds=_seconds(lasted_ms))
        for part, subject, fault, lasted_ms in _each(faults)
        if figure in tainted(fault)
    ]


def of_figures(figures: Collection[str], faults: Faults) -> list[Taint]:
    """The faults that spoil any of some figures, each with those that it spoils."""
    found = []
    for part, subject, fault, lasted_ms in _each(faults):
        spoiled = [figure for figure in tainted(fault) if figure in figures]
        if spoiled:
            seconds = _seconds(lasted_ms)
            found.append(Taint(part=part, subject=subject, fault=fault, seconds=seconds, figures=spoiled))
    return found


def right_now(
    window: Mapping[str, Any], lights: Mapping[str, Any], opened: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, int | None]]:
    """The faults that the newest window and the last status of a box tell of (their JSON), and checks that are off.

    `opened` are kind and subject of open alerts.
    """
    found: dict[tuple[str, str], dict[str, int | None]] = {}
    for part, plural in (("camera", "cameras"), ("sensor", "sensors")):
        for told, key in ((window.get(plural, []), part), (lights.get(plural, []), "id")):
            for each in told:
                if each.get("fault"):
                    found.setdefault((part, each[key]), {})[each["fault"]] = None
    for pair in wrong_pairs(window):
        found.setdefault(("pair", f"{pair['first']}/{pair['second']}"), {})[pair["wrong"]] = None
    for kind, subject in opened:
        if kind in PROOFS:
            found.setdefault(("check", subject), {})[kind] = None
    return found


def wrong_pairs(window: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The pairs of cameras that a window (its JSON) complains of; a box that knows of no pairs tells none."""
    return [pair for pair in window.get("pairs", []) if pair.get("wrong")]


def _each(faults: Faults) -> Iterator[tuple[Part, str, str, int | None]]:
    for part, subject in sorted(faults):
        for fault, lasted_ms in sorted(faults[part, subject].items()):
            yield cast("Part", part), subject, fault, lasted_ms


def _seconds(lasted_ms: int | None) -> float | None:
    return None if lasted_ms is None else lasted_ms / 1000
