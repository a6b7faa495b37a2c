"""Live: what is the case in the branch right now, with its evidence underneath."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import streamlit as st

from branchloop.text import Language, duration, label, say
from dashboard import heat, session, tiles
from dashboard.client import Hub, Refused

LAST = timedelta(minutes=15)


def page() -> None:
    """The page; its body refreshes by itself."""
    door = session.hub()
    if door is None:
        return
    with session.told():
        site = session.choose_branch(door)
        if site is not None:
            refresh_s = session.settings()[0].refresh_s
            st.fragment(_body, run_every=refresh_s)(door, site)


def _body(door: Hub, site: str) -> None:
    with session.told():
        branch, live = door.branch(site), door.live(site)
        spoken, zone = session.language(), ZoneInfo(branch["timezone"])
        st.title(branch["name"][spoken])
        session.ribbon(branch)
        st.html(tiles.row([*figures(live, spoken, zone), *checked_in(door, site, spoken)]))
        left, right = st.columns([3, 2], gap="large")
        with left:
            session.head(say("heat.last15", spoken))
            _floor(door, branch, live, spoken)
        with right:
            session.head(say("devices", spoken))
            st.html("".join(lights(branch, live, spoken)))
            session.head(say("zones", spoken))
            st.html(zone_table(branch, live, spoken))
            session.head(say("lines", spoken))
            st.html(line_table(branch, live, spoken))
            session.head(say("notices", spoken))
            st.html(notices(branch, live, spoken, zone))


def figures(live: Mapping[str, Any], spoken: Language, zone: ZoneInfo) -> list[str]:
    """The tiles of the first row."""
    stale = bool(live["stale"])
    return [
        tiles.tile(label("occupancy", spoken), live["occupancy"], spoken, zone, stale=stale),
        tiles.tile(
            label("footfall", spoken),
            live["footfall_today"],
            spoken,
            zone,
            stale=stale,
            note=say("since_opening", spoken),
        ),
        tiles.tile(label("crossings_in", spoken), live["in_today"], spoken, zone, stale=stale),
        tiles.tile(label("crossings_out", spoken), live["out_today"], spoken, zone, stale=stale),
    ]


def checked_in(door: Hub, site: str, spoken: Language) -> list[str]:
    """How many of the day's appointments have arrived; nothing for those who may not see the board."""
    try:
        items = [item for item in door.board(site)["items"] if item["state"] != "cancelled"]
    except Refused:
        return []
    if not items:
        return []
    arrived = sum(item["number"] is not None for item in items)
    return [
        tiles.count(say("board.checked_in", spoken), str(arrived), say("board.of", spoken, value=len(items)))
    ]


def lights(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> list[str]:
    """One light for the box and for every camera and sensor."""
    device = live["device"]
    online = bool(device and device["online"])
    shape, tone = ("●", "good") if online else ("○", "bad")
    rows = [
        f'<div class="bl-light"><span class="bl-{tone}" aria-hidden="true">{shape}</span> '
        f"{escape(say('box.online' if online else 'box.offline', spoken))}</div>"
    ]
    names = {part["id"]: heat.named(part, spoken) for part in (*branch["cameras"], *branch["sensors"])}
    for camera in live["cameras"]:
        coverage = camera.get("coverage")
        detail = "" if coverage is None else say("coverage.value", spoken, value=round(100 * coverage))
        rows.append(tiles.light(names.get(camera["id"], camera["id"]), camera["state"], spoken, detail))
    return rows + [
        tiles.light(names.get(sensor["id"], sensor["id"]), sensor["state"], spoken, _reading(sensor, spoken))
        for sensor in live["sensors"]
    ]


def _reading(sensor: Mapping[str, Any], spoken: Language) -> str:
    parts = []
    if sensor["nearest_mm"] is not None:
        parts.append(say("sensor.range", spoken, value=f"{sensor['nearest_mm'] / 1000:.2f}"))
    if sensor["present"] is not None:
        parts.append(say("sensor.present" if sensor["present"] else "sensor.clear", spoken))
    return " · ".join(parts)


def zone_table(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> str:
    """People, visits and dwell of every zone today."""
    names = {zone["id"]: heat.named(zone, spoken) for zone in branch["zones"]}
    head = ["zone", "zone.now", "zone.visits", "zone.median", "zone.p90"]
    rows = [
        [
            names.get(zone["id"], zone["id"]),
            _count(zone["occupancy"]["value"], digits=1),
            _count(zone["visits_today"]),
            duration(zone["dwell_median_s"], spoken),
            duration(zone["dwell_p90_s"], spoken),
        ]
        for zone in live["zones"]
    ]
    return tiles.table([say(key, spoken) for key in head], rows)


def line_table(branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> str:
    """Crossings of every line today."""
    names = {line["id"]: heat.named(line, spoken) for line in branch["lines"]}
    rows = [
        [names.get(line["id"], line["id"]), _count(line["in"]), _count(line["out"])] for line in live["lines"]
    ]
    return tiles.table([say("line", spoken), say("in", spoken), say("out", spoken)], rows)


def notices(
    branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language, zone: ZoneInfo, most: int = 8
) -> str:
    """The last things that happened, newest first; what was withdrawn is struck out."""
    names = {
        part["id"]: heat.named(part, spoken)
        for part in (*branch["lines"], *branch["cameras"], *branch["sensors"])
    }
    rows = []
    for notice in live["notices"][:most]:
        words = say(
            f"notice.{notice['what']}",
            spoken,
            line=names.get(notice["line"], notice["line"]),
            direction=say(notice["direction"], spoken) if notice["direction"] else "",
            subject=names.get(notice["subject"], notice["subject"]),
            state=say(f"state.{notice['state']}", spoken) if notice["state"] else "",
        )
        tag = "s" if notice["fate"] == "withdrawn" else "span"
        rows.append(
            f'<div class="bl-light"><span class="bl-note">{tiles.clock(notice["at"], zone)}</span> '
            f"<{tag}>{escape(words)}</{tag}></div>"
        )
    return "".join(rows) or f'<div class="bl-note">{escape(say("notices.none", spoken))}</div>'


def _floor(door: Hub, branch: Mapping[str, Any], live: Mapping[str, Any], spoken: Language) -> None:
    end = datetime.fromisoformat(live["server_time"])
    answer = door.heat(branch["id"], (end - LAST).isoformat(), end.isoformat())
    cells = np.asarray(answer["person_seconds"], dtype=np.float64)
    present = {sensor["id"]: sensor["present"] for sensor in live["sensors"]}
    svg = heat.floor_svg(branch, spoken, cells, answer["cell_m"], live["dots"], present)
    alt = say(
        "plan.alt",
        spoken,
        branch=branch["name"][spoken],
        value="—" if answer["total"] is None else f"{answer['total']:.0f}",
    )
    st.html(heat.as_image(svg, alt))
    st.html(heat.legend(heat.scale_of(heat.density(cells, answer["cell_m"])), spoken))


def _count(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"
