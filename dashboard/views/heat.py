"""Heat: where people spent their time, by day and hour; gaps shown as gaps; the sum is the API's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from branchloop import theme
from branchloop.text import Language, duration, label, say
from dashboard import heat, session, tiles

MOST_GAPS = 6


def page() -> None:
    """The page."""
    door = session.hub()
    if door is None:
        return
    with session.told():
        site = session.choose_branch(door)
        if site is None:
            return
        branch = door.branch(site)
        spoken, zone = session.language(), ZoneInfo(branch["timezone"])
        st.title(f"{branch['name'][spoken]} · {say('heat.title', spoken)}")
        session.ribbon(branch)
        start, end = _choose_time(spoken, zone)
        answer = door.heat(site, start.isoformat(), end.isoformat())
        footfall = door.footfall(site, start.isoformat(), end.isoformat(), "hour")
        zones = door.zones(site, start.isoformat(), end.isoformat())
        st.html(tiles.row(figures(answer, footfall, spoken, zone)))
        left, right = st.columns([3, 2], gap="large")
        with left:
            _floor(branch, answer, spoken)
        with right:
            session.head(say("zones", spoken))
            st.html(zone_table(branch, zones, spoken))
            session.head(say("heat.footfall", spoken))
            st.altair_chart(footfall_chart(footfall["items"], spoken, zone), width="stretch")
            session.head(say("gaps", spoken))
            st.html(gap_list(answer["gaps"], spoken, zone))


def figures(
    answer: Mapping[str, Any], footfall: Mapping[str, Any], spoken: Language, zone: ZoneInfo
) -> list[str]:
    """The tiles: the sum shown is the API's own total."""
    common = {"coverage": answer["coverage"], "as_of": answer["as_of"]}
    measured = answer["coverage"] is not None and answer["coverage"] > 0
    return [
        tiles.tile(
            say("heat.total", spoken),
            {"value": answer["total"] if measured else None, "unit": "person·s", **common},
            spoken,
            zone,
            digits=1,
        ),
        tiles.tile(
            label("footfall", spoken),
            {
                "value": footfall["total_in"],
                "unit": "people",
                "coverage": footfall["coverage"],
                "as_of": footfall["as_of"],
            },
            spoken,
            zone,
        ),
        tiles.tile(
            label("coverage", spoken),
            {
                "value": None if answer["coverage"] is None else 100 * answer["coverage"],
                "unit": "%",
                **common,
            },
            spoken,
            zone,
        ),
    ]


def zone_table(branch: Mapping[str, Any], zones: Mapping[str, Any], spoken: Language) -> str:
    """Visits and dwell of every zone in the chosen time."""
    names = {zone["id"]: heat.named(zone, spoken) for zone in branch["zones"]}
    rows = [
        [
            names.get(zone["id"], zone["id"]),
            "—" if zone["visits"] is None else f"{zone['visits']:,}",
            duration(zone["dwell_median_s"], spoken),
            duration(zone["dwell_p90_s"], spoken),
        ]
        for zone in zones["items"]
    ]
    return tiles.table([say(key, spoken) for key in ("zone", "zone.visits", "zone.median", "zone.p90")], rows)


def footfall_chart(items: Sequence[Mapping[str, Any]], spoken: Language, zone: ZoneInfo) -> alt.Chart:
    """Visitors by hour from a zero base; an hour that was not observed is a break, not a zero."""
    table = pd.DataFrame(
        {
            "hour": [
                datetime.fromisoformat(i["start"]).astimezone(zone).strftime("%m-%d %H:00") for i in items
            ],
            "visitors": [i["in"] for i in items],
        }
    )
    chart: alt.Chart = (
        alt.Chart(table)
        .mark_bar(color=theme.ACCENT)
        .encode(
            x=alt.X("hour:O", title=None, sort=None),
            y=alt.Y("visitors:Q", title=label("footfall", spoken), scale=alt.Scale(zero=True)),
        )
        .properties(height=180)
    )
    return chart


def gap_list(gaps: Sequence[Mapping[str, str]], spoken: Language, zone: ZoneInfo) -> str:
    """The times that nobody observed."""
    if not gaps:
        return f'<div class="bl-note">{escape(say("gaps.none", spoken))}</div>'
    rows = [
        say("gaps.item", spoken, start=_wall(gap["from"], zone), end=_wall(gap["to"], zone))
        for gap in gaps[:MOST_GAPS]
    ]
    rest = len(gaps) - MOST_GAPS
    if rest > 0:
        rows.append(f"+ {rest}")
    return "".join(f'<div class="bl-light">▨ {escape(row)}</div>' for row in rows)


def _choose_time(spoken: Language, zone: ZoneInfo) -> tuple[datetime, datetime]:
    today = datetime.now(zone).date()
    left, right = st.columns([1, 3])
    chosen = left.date_input(say("heat.day", spoken), today, max_value=today)
    day = chosen if isinstance(chosen, date) else today
    first, last = right.slider(say("heat.hours", spoken), 0, 24, (0, 24), format="%d:00")
    start = datetime.combine(day, time(), tzinfo=zone)
    return _at(start, first), _at(start, max(last, first + 1))


def _at(start: datetime, hour: int) -> datetime:
    """The wall-clock hour of that day, whatever the clocks did in it."""
    if hour >= 24:
        return datetime.combine(start.date() + timedelta(days=1), time(), tzinfo=start.tzinfo)
    return start.replace(hour=hour)


def _floor(branch: Mapping[str, Any], answer: Mapping[str, Any], spoken: Language) -> None:
    cells = np.asarray(answer["person_seconds"], dtype=np.float64)
    svg = heat.floor_svg(branch, spoken, cells, answer["cell_m"])
    words = say(
        "plan.alt",
        spoken,
        branch=branch["name"][spoken],
        value="—" if answer["total"] is None else f"{answer['total']:.0f}",
    )
    st.html(heat.as_image(svg, words))
    scale = heat.scale_of(heat.density(cells, answer["cell_m"]))
    if not answer["coverage"]:
        st.info(say("heat.no_data", spoken))
    elif scale.empty:
        st.info(say("heat.nobody", spoken))
    else:
        st.html(heat.legend(scale, spoken))


def _wall(text: str, zone: ZoneInfo) -> str:
    return datetime.fromisoformat(text).astimezone(zone).strftime("%m-%d %H:%M")
