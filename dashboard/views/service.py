"""Queue and service: a day's waits, visits and outcomes by service, the forecast's own error, tickets beside the floor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.text.catalogue import Language, say
from dashboard import address, asked, service, session, tiles
from dashboard.client import Hub
from dashboard.plain import plain


def page() -> None:
    """The page; a day that is over does not change, today's refreshes by itself."""
    door = session.hub()
    if door is None:
        return
    with session.told():
        site = session.choose_branch(door)
        if site is None:
            return
        today = _today(door.branch(site))
        day = _day(today, session.language())
        if day == today:
            session.by_itself(_body, door, site, str(day), is_today=True)
        else:
            _body(door, site, str(day), is_today=False)


def _today(branch: Mapping[str, Any]) -> date:
    return datetime.now(ZoneInfo(branch["timezone"])).date()


def _day(today: date, spoken: Language) -> date:
    """The day to look at: of the address, until another is chosen."""
    key, wanted = f"service-day-{today}", asked.day(st.query_params.get("day", ""), today)
    address.follow("service", ("day",), {key: wanted}, spoken)
    chosen = st.sidebar.date_input(
        say("service.day", spoken),
        min_value=asked.FIRST,
        max_value=today,
        format="YYYY-MM-DD",
        key=key,
    )
    day = chosen if isinstance(chosen, date) else today
    if day != wanted:
        address.keep("service", ("day",), {"day": str(day)} if day != today else {})
    return day


def _body(door: Hub, site: str, day: str, *, is_today: bool) -> None:
    with session.told(by_itself=is_today):
        branch, spoken = door.branch(site), session.language()
        if is_today and day != str(_today(branch)):
            st.rerun()  # left open over midnight: the day that is drawn by itself has changed
        answer = door.service(site, day)
        st.title(f"{plain(branch['name'][spoken])} · {say('page.service', spoken)}")
        session.ribbon(branch)
        if answer["services"]:
            st.html(tiles.row(service.figures(answer, spoken)))
        else:
            st.info(say("service.no_services", spoken))
        if any(each["absent"] for each in (*answer["services"], answer["total"])):
            st.html(f'<div class="bl-note">{say("service.small.why", spoken)}</div>')
        if answer["services"]:
            session.head(say("service.by_service", spoken))
            st.html(service.services(answer, spoken))
        if is_today:
            _crowd(door, site, ZoneInfo(branch["timezone"]))
        if answer["services"]:
            session.head(say("service.outcomes", spoken))
            st.html(service.outcomes(answer, spoken))
            session.head(say("service.forecast", spoken))
            st.html(f'<div class="bl-note">{say("service.forecast.how", spoken)}</div>')
            st.html(service.errors(answer, spoken))
        session.head(say("service.floor", spoken))
        if not answer["floor"]:
            st.info(say("service.floor.none", spoken))
            return
        st.html(f'<div class="bl-note">{say("service.floor.how", spoken)}</div>')
        st.html(tiles.row(service.beside(answer, spoken)))
        st.html(service.floor(answer, spoken))


def _crowd(door: Hub, site: str, zone: ZoneInfo) -> None:
    answer, spoken = door.crowding(site), session.language()
    session.head(say("service.crowd", spoken))
    table = service.crowd(answer, zone, spoken)
    if not table:
        st.html(f'<div class="bl-note">{say("service.crowd.none", spoken)}</div>')
        return
    words = say("service.crowd.how", spoken, weeks=answer["basis_weeks"])
    st.html(f'<div class="bl-note">{words}</div>{table}')
