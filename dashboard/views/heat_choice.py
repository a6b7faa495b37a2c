"""What the viewer of the heat page chose, by its switches and its address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.text.catalogue import Language, say
from dashboard import address, heat_address, periods
from dashboard.asked import FIRST
from dashboard.heat_address import AGAINST, KEYS, LAYERS, Layer, Shown

PAGE = "heat"


@dataclass(frozen=True, slots=True)
class Choice:
    """What the viewer asked for."""

    spans: list[periods.Span]
    layer: Layer
    against_days: int
    picture: bool
    sensors: bool


def choose(branch: Mapping[str, Any], spoken: Language, zone: ZoneInfo) -> Choice:
    """The switches, set as the address has them; it is written anew when one is used."""
    today = datetime.now(zone).date()
    layers = [layer for layer in LAYERS if layer != "filled" or branch["sensors"]]
    asked = heat_address.read(st.query_params, today, layers)
    keys = {
        "day": f"heat-day-{today}",
        "period": "heat-period",
        "hours": "heat-hours",
        "layer": f"heat-layer-{bool(branch['sensors'])}",
        "against": "heat-against",
    }
    address.follow(PAGE, KEYS, {keys[name]: getattr(asked, name) for name in KEYS}, spoken)
    first_row = st.columns([1, 1, 2])
    chosen = first_row[0].date_input(
        say("heat.day", spoken), min_value=FIRST, max_value=today, key=keys["day"]
    )
    period: periods.Period = first_row[1].selectbox(
        say("period", spoken),
        periods.PERIODS,
        format_func=lambda key: say(f"period.{key}", spoken),
        key=keys["period"],
    )
    of_two = first_row[2].slider(say("heat.hours", spoken), 0, 24, format="%d:00", key=keys["hours"])
    hours = cast("tuple[int, int]", of_two)  # as `follow` has set it
    first, last = hours
    if first == last:
        first, last = min(first, 23), min(first, 23) + 1
        first_row[2].caption(say("heat.hour_least", spoken, first=first, last=last))
    layer, against, beside = _layers(layers, asked, keys, spoken)
    shown = Shown(chosen if isinstance(chosen, date) else today, period, hours, layer, against)
    if shown != asked:
        address.keep(PAGE, KEYS, heat_address.write(shown, today))
    picture = bool(branch["cameras"]) and beside.checkbox(say("layer.picture", spoken), key="heat-picture")
    sensors = bool(branch["sensors"]) and beside.checkbox(
        say("layer.sensors", spoken), value=True, key="heat-sensors"
    )
    spans = periods.spans(periods.days(period, shown.day), first, last, zone)
    return Choice(spans, layer, AGAINST[against], picture, sensors)


def _layers(
    layers: Sequence[Layer], asked: Shown, keys: Mapping[str, str], spoken: Language
) -> tuple[Layer, str, Any]:
    row = st.columns([9, 5, 5], vertical_alignment="bottom")
    layer = row[0].segmented_control(
        say("layer", spoken),
        layers,
        format_func=lambda key: say(f"layer.{key}", spoken),
        required=True,
        key=keys["layer"],
    )
    against = asked.against
    if layer == "difference":
        against = row[1].selectbox(
            say("difference.with", spoken),
            list(AGAINST),
            format_func=lambda key: say(f"difference.{key}", spoken),
            key=keys["against"],
        )
    return layer or LAYERS[0], against, row[2].container(horizontal=True)
