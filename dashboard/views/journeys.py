"""Journeys and value: where customers are lost between the card and the counter, and what a visit costs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.text.catalogue import Language, say
from dashboard import address, asked, funnel, session, tiles
from dashboard.client import Hub
from dashboard.plain import plain

DAYS = (7, 28, 90)
GROUPS = ("channel", "scene", "service")


def page() -> None:
    """The page."""
    door = session.hub()
    if door is None:
        return
    with session.told():
        site = session.choose_branch(door)
        if site is None:
            return
        branch, spoken = door.branch(site), session.language()
        days, by = _chosen(spoken)
        until = datetime.now(UTC).replace(microsecond=0)
        start = until - timedelta(days=days)
        services = _services(door, branch, spoken) if by == "service" else {}
        answer = door.funnel(site, start.isoformat(), until.isoformat(), by)
        st.title(f"{plain(branch['name'][spoken])} · {say('page.journeys', spoken)}")
        session.ribbon(branch)
        weeks = funnel.weeks(answer, start, until, ZoneInfo(branch["timezone"]), spoken)
        if weeks:
            st.html(f'<div class="bl-note">{weeks}</div>')
        if not answer["groups"]:
            st.info(say("journeys.none", spoken))
            return
        st.html(tiles.row(funnel.figures(answer, spoken)))
        st.html(funnel.table(answer["total"], spoken))
        session.head(say(f"journeys.by.{answer['by']}", spoken))
        st.html(funnel.groups_table(answer, spoken, services))


def _chosen(spoken: Language) -> tuple[int, str]:
    """So many days, and by what: of the address, until another is chosen."""
    names, usual = ("days", "by"), (DAYS[1], GROUPS[0])
    wanted = (
        asked.one_of(st.query_params.get("days", ""), DAYS, usual[0]),
        asked.one_of(st.query_params.get("by", ""), GROUPS, usual[1]),
    )
    address.follow("journeys", names, {"journeys-days": wanted[0], "journeys-by": wanted[1]}, spoken)
    days = st.sidebar.segmented_control(
        say("journeys.days", spoken),
        DAYS,
        format_func=lambda value: say("journeys.days.value", spoken, value=value),
        required=True,
        key="journeys-days",
    )
    by = st.sidebar.segmented_control(
        say("journeys.by", spoken),
        GROUPS,
        format_func=lambda value: say(f"journeys.by.{value}", spoken),
        required=True,
        key="journeys-by",
    )
    chosen = (days or usual[0], by or usual[1])
    if chosen != wanted:
        told = zip(names, chosen, usual, strict=True)
        address.keep(
            "journeys", names, {name: str(value) for name, value, as_ever in told if value != as_ever}
        )
    return chosen


def _services(door: Hub, branch: Mapping[str, Any], spoken: Language) -> dict[str, str]:
    """Names of the branch's services by id."""
    today = datetime.now(ZoneInfo(branch["timezone"])).date()
    return {
        each["service"]: each["name"][spoken] for each in door.service(branch["id"], str(today))["services"]
    }
