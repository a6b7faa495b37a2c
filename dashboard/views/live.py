"""Live: what is the case in the branch right now, with its evidence underneath."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from branchloop.text.catalogue import Language, duration, label, say
from dashboard import flow, heat, periods, plan, quality, session, tiles, waiting
from dashboard.client import Hub, Refused
from dashboard.devices import device_names, lights, notices
from dashboard.plain import plain
from dashboard.plan import named
from dashboard.views import board as board_view, quality as quality_view

LAST = timedelta(minutes=15)
LAYERS: Mapping[str, str | None] = {
    "heat": None, "flow": None, "sensors": "sensors", "filled": "sensors", "picture": "cameras",
}  # fmt: skip
"""Layer -> what a branch needs to have for it."""
SHOWN = ("heat", "sensors", "filled")


def page() -> None:
    """The page."""
    session.refreshed(_body)


def _body(door: Hub, site: str) -> None:
    with session.told(by_itself=True):
        branch, live = door.branch(site), door.live(site)
        spoken, zone = session.language(), ZoneInfo(branch["timezone"])
        st.title(plain(branch["name"][spoken]))
        session.ribbon(branch)
        names = device_names(branch, spoken)
        then = _last_week(door, site, live, zone)
        st.html(
            tiles.row(
                [
                    *figures(branch, live, then, names, spoken, zone),
                    *checked_in(door, site, spoken),
                ]
            )
        )
        left, right = st.columns([4, 3], gap="large")
        with left:
            session.head(say("heat.last15", spoken))
            _floor(door, branch, live, spoken)
        with right:
            _alerts(site, branch, live, spoken, zone)
            session.head(say("devices", spoken))
            st.html("".join(lights(branch, live, spoken)))
            if live["tainted"]:
                session.head(say("taint.today", spoken))
                st.html(tiles.taint_list(live["tainted"], names, spoken))
            if live["queues"]:
                session.head(say("queues", spoken))
                st.html(waiting.now_table(branch, live, spoken))
            session.head(say("zones", spoken))
            st.html(zone_table(branch, live, spoken))
            session.head(say("lines", spoken))
            st.html(line_table(branch, live, spoken))
            session.head(say("notices", spoken))
            st.html(notices(branch, live, spoken, zone))


def _alerts(
    site: str, branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language, zone: ZoneInfo
) -> None:
    """Open alerts with their evidence; to who may open it, the way to the page that says what they mean."""
    if not live["alerts"]:
        return
    session.head(say("alerts.open", spoken))
    st.html(quality.alert_list(live, quality.names_of(branch, spoken), spoken, zone))
    if "quality" not in branch.get("may", ()):
        return
    page = st.Page(quality_view.page, title=say("page.quality", spoken), url_path="quality")
    st.page_link(page, label=say("alerts.quality", spoken), query_params={**session.shared(), "branch": site})


def figures(
    branch: Mapping[str, Any],
    live: Mapping[str, Any],
    then: waiting.Then | None,
    names: Mapping[str, str],
    spoken: Language,
    zone: ZoneInfo,
) -> list[str]:
    """The tiles of the first row; `then` is the same time a week ago, where that is known."""
    stale, now = bool(live["stale"]), live["server_time"]
    went_in, went_out = live["in_today"], live["out_today"]
    return [
        tiles.tile(
            label("occupancy", spoken), live["occupancy"], spoken, zone, stale=stale, names=names, now=now
        ),
        *waiting.tiles_of(branch, live, then, names, spoken, zone),
        tiles.tile(
            label("footfall", spoken),
            live["footfall_today"],
            spoken,
            zone,
            stale=stale,
            note=say("since_opening", spoken),
            names=names,
            now=now,
        ),
        tiles.tile(
            say("in_out", spoken),
            went_in,
            spoken,
            zone,
            stale=stale,
            shown=(f"{_count(went_in['value'])} / {_count(went_out['value'])}", ""),
            names=names,
            now=now,
        ),
    ]


def checked_in(door: Hub, site: str, spoken: Language) -> list[str]:
    """How many of the day's appointments have arrived; nothing for those who may not see the board."""
    try:
        due = board_view.due(door.board(site))
    except Refused:
        return []
    return [board_view.checked_in(due, spoken)] if due else []


def zone_table(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> str:
    """People, visits and dwell of every zone today; people are a dash where nothing was heard lately."""
    names = {zone["id"]: named(zone, spoken) for zone in branch["zones"]}
    head = ["zone", "zone.now", "zone.visits", "zone.median", "zone.p90"]
    rows = [
        [
            names.get(zone["id"], zone["id"]),
            _count(None if live["stale"] else zone["occupancy"]["value"], digits=1),
            _count(zone["visits_today"]),
            duration(zone["dwell_median_s"], spoken),
            duration(zone["dwell_p90_s"], spoken),
        ]
        for zone in live["zones"]
    ]
    return tiles.table([say(key, spoken) for key in head], rows)


def line_table(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> str:
    """Crossings of every line today."""
    names = {line["id"]: named(line, spoken) for line in branch["lines"]}
    rows = [
        [names.get(line["id"], line["id"]), _count(line["in"]), _count(line["out"])] for line in live["lines"]
    ]
    return tiles.table([say("line", spoken), say("in", spoken), say("out", spoken)], rows)


def _floor(door: Hub, branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> None:
    with st.container(horizontal=True):
        shown = {
            layer
            for layer, needs in LAYERS.items()
            if (needs is None or branch[needs])
            and st.checkbox(say(f"layer.{layer}", spoken), layer in SHOWN, key=f"live-{layer}")
        }
    layers: list[str] = []
    below: list[str] = []
    if "picture" in shown:
        session.add_picture(door, branch["id"], layers)
    total = _heat(door, branch["id"], live, shown, layers, below, spoken)
    if "flow" in shown:
        _flow(door, branch, live, layers, below, spoken)
    sensors = None
    if "sensors" in shown:
        sensors = {each["id"]: None if live["stale"] else each["present"] for each in live["sensors"]}
    svg = plan.floor_svg(branch, spoken, layers, live["dots"], sensors)
    value = "—" if total is None else f"{total:.0f}"
    st.html(plan.as_image(svg, say("plan.alt", spoken, branch=branch["name"][spoken], value=value)))
    if sensors:
        below.append(f'<div class="bl-note">◇ {escape(say("sensors.legend", spoken))}</div>')
    st.html("".join(below) or "<div></div>")


def _heat(
    door: Hub,
    site: str,
    live: Mapping[str, Any],
    shown: Collection[str],
    layers: list[str],
    below: list[str],
    spoken: Language,
) -> float | None:
    """The heat of the last minutes, seen and estimated on one scale; returns the measured total.

    Who may not see figures of the past sees the plan without it, and is told so.
    """
    end = datetime.fromisoformat(live["server_time"])
    span = ((end - LAST).isoformat(), end.isoformat())
    try:
        seen = door.heat(site, *span)
        guessed = door.heat(site, *span, "filled") if seen["filled_person_seconds"] is not None else None
    except Refused:
        if "heat" in shown:
            below.append(f'<div class="bl-note">{escape(say("heat.refused", spoken))}</div>')
        return None
    cell_m = seen["cell_m"]
    seen_m2 = heat.density(np.asarray(seen["person_seconds"], dtype=np.float64), cell_m)
    filled = guessed["person_seconds"] if guessed is not None else np.zeros(seen_m2.shape)
    filled_m2 = heat.density(np.asarray(filled, dtype=np.float64), cell_m)
    scale = heat.scale_of(
        *([seen_m2] if "heat" in shown else []), *([filled_m2] if "filled" in shown else [])
    )
    if "heat" in shown:
        layers.append(heat.layer(seen_m2, scale, cell_m))
    if "filled" in shown and guessed is not None:
        layers.append(heat.striped(filled_m2, scale, cell_m))
        below.append(heat.estimate_note(guessed["total"], spoken))
    if not scale.empty:
        below.insert(0, heat.legend(scale, spoken))
    elif {"heat", "filled"} & set(shown):
        below.insert(0, f'<div class="bl-note">{escape(_nothing(seen, spoken))}</div>')
    return float(seen["total"]) if seen["total"] is not None else None


def _nothing(seen: Mapping[str, Any], spoken: Language) -> str:
    """Why there is no heat to see: nobody came, nobody looked, or it lies in cells that the plan no longer has."""
    if seen["total"] is not None:
        return say("heat.nobody", spoken)
    elsewhere = seen["left_out_person_seconds"]
    if elsewhere > 0:
        return say("heat.elsewhere", spoken, value=f"{elsewhere:,.0f}")
    return say("heat.unobserved15", spoken)


def _flow(
    door: Hub,
    branch: Mapping[str, Any],
    live: Mapping[str, Any],
    layers: list[str],
    below: list[str],
    spoken: Language,
) -> None:
    """Which way people walked in the last minutes, and which minutes these are."""
    end = datetime.fromisoformat(live["server_time"])
    try:
        told = door.flow(branch["id"], (end - LAST).isoformat(), end.isoformat())
    except Refused:
        below.append(f'<div class="bl-note">→ {escape(say("flow.refused", spoken))}</div>')
        return
    zone = ZoneInfo(branch["timezone"])
    span = "–".join(
        datetime.fromisoformat(told[key]).astimezone(zone).strftime("%H:%M") for key in ("from", "to")
    )
    elsewhere_m = flow.left_out_m([told], told["cell_m"])
    if told["cell_m"] is None:
        words = say("flow.of", spoken, span=span, words=flow.nothing(elsewhere_m, spoken))
        below.append(f'<div class="bl-note">→ {escape(words)}</div>')
        return
    across, down, path = (periods.grid([told], key) for key in ("dx_m", "dy_m", "path_m"))
    layers.append(flow.layer(across, down, path, told["cell_m"]))
    below.append(flow.legend(path / told["cell_m"] ** 2, spoken, span))
    below.append(flow.left_out_note(elsewhere_m, spoken))


def _last_week(door: Hub, site: str, live: Mapping[str, Any], zone: ZoneInfo) -> waiting.Then | None:
    """The queues of the same half hour a week ago; asked for once a minute, not at every refresh."""
    if not live["queues"] or live["stale"]:
        return None
    start, end = waiting.span_of(live, zone)
    key = (site, start, end)
    kept = st.session_state.get("last-week")
    if kept is None or kept[0] != key:
        try:
            kept = (key, door.queues(site, start.isoformat(), end.isoformat(), "day"))
        except Refused:
            kept = (key, None)
        st.session_state["last-week"] = kept
    return None if kept[1] is None else waiting.Then(start, end, kept[1])


def _count(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"
