"""Day board: the day's appointments with masked names, arrivals, tickets and waits; one action a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from branchloop.text import refusals as text_refusals
from branchloop.text.catalogue import Language, duration, say
from dashboard import session, tiles
from dashboard.client import Hub, Problem
from dashboard.plain import plain

ACTIONS: Mapping[str, str] = {
    "booked": "arrive", "missed": "arrive", "arrived": "call", "called": "serve", "parked": "resume"
}  # fmt: skip
MORE: Mapping[str, tuple[str, ...]] = {
    "arrived": ("park", "leave"), "called": ("recall", "park", "leave"), "parked": ("leave",)
}  # fmt: skip
"""What else can be done, behind a second touch."""
OUTCOMES = ("done", "partly", "documents_missing", "not_served")
WAYS = ("code", "face", "kiosk", "staff")
"""How somebody checked in."""
WIDTHS = (0.9, 1.0, 2.0, 1.3, 2.2, 0.9, 1.8, 1.1)


def page() -> None:
    """The page."""
    session.refreshed(_body)


def _body(door: Hub, site: str) -> None:
    with session.told(by_itself=True):
        branch, board = door.branch(site), door.board(site)
        spoken, zone = session.language(), ZoneInfo(branch["timezone"])
        st.title(f"{plain(branch['name'][spoken])} · {say('page.board', spoken)} · {board['day']}")
        session.ribbon(branch)
        st.html(tiles.row(figures(board, spoken)))
        for queue in board["queues"]:
            st.html(f'<div class="bl-light">{escape(queue_line(queue, spoken))}</div>')
        _walk_in(door, site, board, spoken)
        if not board["items"]:
            st.info(say("board.none", spoken))
            return
        heads = ("time", "name", "service", "ticket", "state", "waited", "action", "more")
        for column, head in zip(st.columns(WIDTHS), heads, strict=True):
            column.html(f'<div class="bl-label">{say(f"board.{head}", spoken)}</div>')
        services = {queue["service"]: queue["name"][spoken] for queue in board["queues"]}
        counters = {counter["id"]: counter["name"][spoken] for counter in board["counters"]}
        for item in board["items"]:
            _row(door, site, item, cells(item, board["next"], services, counters, spoken, zone), spoken)


def figures(board: Mapping[str, Any], spoken: Language) -> list[str]:
    """The tiles of the first row."""
    ways = {way: board["methods"].get(way, 0) for way in WAYS}
    return [
        checked_in(due(board), spoken),
        tiles.count(say("board.waiting", spoken), str(len(board["next"]))),
        tiles.count(
            say("board.median", spoken),
            duration(board["median_wait_s"], spoken),
            say("board.methods", spoken, **ways),
        ),
    ]


def due(board: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Who has a time or a ticket; who is on the waitlist has neither."""
    return [item for item in board["items"] if item["state"] not in {"cancelled", "waitlisted"}]


def checked_in(items: Collection[Mapping[str, Any]], spoken: Language) -> str:
    """The tile of how many of those who are due came."""
    arrived = sum(item["number"] is not None for item in items)
    return tiles.count(
        say("board.checked_in", spoken), str(arrived), say("board.of", spoken, value=len(items))
    )


def queue_line(queue: Mapping[str, Any], spoken: Language) -> str:
    """The wait for one service, and what it rests on."""
    wait, high = queue["wait_s"], queue["wait_high_s"]
    told = duration(wait, spoken)
    if high:
        told = f"{told} ({duration(queue['wait_low_s'], spoken)} – {duration(high, spoken)})"
    if queue.get("floor_extra"):
        told = f"{told} · {say('board.wait.floor', spoken, count=queue['floor_extra'])}"
    return say(
        "board.wait",
        spoken,
        service=queue["name"][spoken],
        waiting=queue["waiting"],
        wait=say("board.wait.unknown", spoken) if wait is None else told,
        basis=say(f"board.basis.{queue['basis']}", spoken),
    )


def cells(
    item: Mapping[str, Any],
    order: list[str],
    services: Mapping[str, str],
    counters: Mapping[str, str],
    spoken: Language,
    zone: ZoneInfo,
) -> list[str]:
    """The words of one row, without its action."""
    at = datetime.fromisoformat(item["start"]).astimezone(zone).strftime("%H:%M")
    ticket = [item["number"] or "—"]
    if item["aliases"]:
        ticket.append(say("board.also", spoken, numbers=", ".join(item["aliases"])))
    if item["provisional"]:
        ticket.append(say("board.provisional", spoken))
    state = [say("board.state.missed" if item["missed"] else f"board.state.{item['state']}", spoken)]
    if item["state"] == "called" and item["counter"]:
        state.append(counters.get(item["counter"], item["counter"]))
    if item["outcome"] == "not_served":
        state.append(say("board.outcome.not_served", spoken))
    if item["method"]:
        state.append(say(f"board.by.{item['method']}", spoken))
    if item["id"] in order:
        state.append(say("board.next", spoken, rank=order.index(item["id"]) + 1))
    return [
        at,
        item["masked_name"],
        services.get(item["service"], item["service"]),
        " · ".join(ticket),
        " · ".join(state),
        duration(item["waited_s"], spoken),
    ]


def _row(door: Hub, site: str, item: Mapping[str, Any], words: list[str], spoken: Language) -> None:
    columns = st.columns(WIDTHS, vertical_alignment="center")
    for column, text in zip(columns, words, strict=False):
        column.text(text)
    action = ACTIONS.get(item["state"])
    if action is None:
        return
    who = f"{words[1]} {words[0]}"
    if columns[-2].button(say(f"board.do.{action}", spoken), key=f"{action}-{item['id']}", help=who):
        _do(partial(door.step, site, item["id"], action), spoken)
    if item["state"] not in MORE:
        return
    with columns[-1].popover("…", help=say("board.more", spoken)):
        for step in MORE[item["state"]]:
            if st.button(say(f"board.do.{step}", spoken), key=f"{step}-{item['id']}", help=who):
                _do(partial(door.step, site, item["id"], step), spoken)
        for outcome in OUTCOMES if item["state"] == "called" else ():
            if st.button(say(f"board.outcome.{outcome}", spoken), key=f"{outcome}-{item['id']}", help=who):
                _do(partial(door.finish, site, item["id"], outcome), spoken)


def _walk_in(door: Hub, site: str, board: Mapping[str, Any], spoken: Language) -> None:
    """A ticket for who has no appointment: one touch per service."""
    if not board["queues"]:
        return
    with st.popover(say("board.walk_in", spoken)):
        for queue in board["queues"]:
            if st.button(plain(queue["name"][spoken]), key=f"walk-in-{queue['service']}"):
                _do(partial(_given, door, site, queue["service"], spoken), spoken)


def _given(door: Hub, site: str, service: str, spoken: Language) -> None:
    made = door.walk_in(site, service, spoken)
    st.toast(say("board.walk_in.made", spoken, number=made["number"]))


def _do(act: Callable[[], object], spoken: Language) -> None:
    """Do it, then draw the board as it is now; why it was refused outlasts that."""
    try:
        act()
    except Problem as problem:
        st.toast(plain(text_refusals.told(str(problem), spoken)), duration="long")
    st.rerun(scope="fragment")
