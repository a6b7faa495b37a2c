"""Quality: can the counts be trusted, and what says so."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.text.catalogue import Language, say
from dashboard import acceptance, address, asked, coverage_calendar, plan, quality, session, tiles
from dashboard.plain import plain

DAYS = (7, 14, 28)


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
        answer = door.quality(site, _days(spoken))
        names = quality.names_of(branch, spoken)
        st.title(f"{plain(branch['name'][spoken])} · {say('page.quality', spoken)}")
        session.ribbon(branch)
        st.html(quality.verdict(answer, spoken))
        st.html(tiles.row(quality.figures(answer, spoken)))
        left, right = st.columns([3, 2], gap="large")
        with left:
            session.head(say("quality.calendar", spoken))
            svg = coverage_calendar.svg(answer["days"], spoken)
            st.html(plan.as_image(svg, coverage_calendar.alt(answer, spoken)))
            changes = coverage_calendar.clock_changes(answer["days"], spoken)
            st.html(coverage_calendar.legend(spoken) + changes)
        with right:
            session.head(say("quality.alerts", spoken))
            st.html(quality.alert_list(answer, names, spoken, zone))
            session.head(say("quality.gaps", spoken))
            st.html(coverage_calendar.gap_list(answer, spoken))
        session.head(say("quality.parts", spoken))
        st.html(quality.part_table(answer, names, spoken))
        session.head(say("quality.balance", spoken))
        st.html(f'<div class="bl-note">{say("quality.balance.why", spoken)}</div>')
        st.html(quality.balance_table(answer, spoken))
        session.head(say("quality.checks", spoken))
        st.html(quality.check_table(answer, names, spoken))
        session.head(say("quality.reports", spoken))
        st.html(acceptance.report(answer, branch, spoken))


def _days(spoken: Language) -> int:
    """So many days: of the address, until another number is chosen."""
    usual = DAYS[1]
    wanted = asked.one_of(st.query_params.get("days", ""), DAYS, usual)
    address.follow("quality", ("days",), {"quality-days": wanted}, spoken)
    chosen = st.sidebar.segmented_control(
        say("quality.days", spoken), DAYS, format_func=str, required=True, key="quality-days"
    )
    days = chosen or usual
    if days != wanted:
        address.keep("quality", ("days",), {"days": str(days)} if days != usual else {})
    return days
