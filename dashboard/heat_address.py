"""What the heat page shows, as its address has it: `?day=2026-11-27&period=week&hours=9-17&layer=flow`. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, cast

from dashboard import asked, periods

Layer = Literal["presence", "flow", "filled", "difference"]
LAYERS: tuple[Layer, ...] = ("presence", "flow", "filled", "difference")
AGAINST = {"week": 7, "day": 1}
"""What a difference is taken against -> days before."""
KEYS = ("day", "period", "hours", "layer", "against")


@dataclass(frozen=True, slots=True)
class Shown:
    """What was chosen to be shown; of an address without any of it, today's presence."""

    day: date
    period: periods.Period = "day"
    hours: tuple[int, int] = (0, 24)
    layer: Layer = "presence"
    against: str = "week"


def read(address: Mapping[str, str], today: date, layers: Collection[str]) -> Shown:
    """What an address asks for; what it does not say, or says of no day, hour or layer there is, is as without it."""
    period, layer, against = (address.get(key, "") for key in ("period", "layer", "against"))
    usual = Shown(today)
    return Shown(
        asked.day(address.get("day", ""), today),
        period if period in periods.PERIODS else usual.period,
        _hours(address.get("hours", "")) or usual.hours,
        cast("Layer", layer) if layer in layers else usual.layer,
        against if against in AGAINST else usual.against,
    )


def write(shown: Shown, today: date) -> dict[str, str]:
    """The address of it; what is as without it is left out."""
    usual = Shown(today)
    first, last = shown.hours
    told = {
        "day": shown.day.isoformat() if shown.day != today else "",
        "period": shown.period if shown.period != usual.period else "",
        "hours": f"{first}-{last}" if shown.hours != usual.hours else "",
        "layer": shown.layer if shown.layer != usual.layer else "",
        "against": shown.against if shown.layer == "difference" and shown.against != usual.against else "",
    }
    return {key: value for key, value in told.items() if value}


def _hours(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,2})-(\d{1,2})", text, re.ASCII)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    return (first, last) if first <= last <= 24 else None
