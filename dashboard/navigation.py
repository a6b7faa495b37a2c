"""The pages of the side bar: each is offered to whom the hub would open it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import StreamlitPage

from branchloop.text.catalogue import Language, say
from dashboard import address, session
from dashboard.views import board, heat, journeys, live, quality, service, setup

_PAGES: tuple[tuple[str, Callable[[], None], str | None], ...] = (
    ("live", live.page, None),
    ("heat", heat.page, "figures"),
    ("quality", quality.page, "quality"),
    ("setup", setup.page, "configure"),
    ("board", board.page, "board"),
    ("service", service.page, "figures"),
    ("journeys", journeys.page, "figures"),
)
"""Name and address, the page, and what its viewer must be allowed; the first page is there for everybody."""


def pages(may: Collection[str] | None, spoken: Language) -> list[StreamlitPage]:
    """All pages; who may not open one has it at its address alone, where it says so. None: nobody knows yet."""
    return [
        st.Page(
            page,
            title=say(f"page.{name}", spoken),
            url_path=name,
            default=needs is None,
            visibility="visible" if may is None or needs is None or needs in may else "hidden",
        )
        for name, page, needs in _PAGES
    ]


def addresses(offered: Sequence[StreamlitPage]) -> dict[str, dict[str, str]]:
    """What the link to each page holds: the branch in view, the language as the address has it, and how the page was left."""
    shared = session.shared()
    return {page.url_path: {**shared, **address.of(page.url_path)} for page in offered}


def offer(
    place: DeltaGenerator, offered: Sequence[StreamlitPage], held: Mapping[str, Mapping[str, str]]
) -> None:
    """The links with their addresses: a page that adds to its own makes a second step of the browser's history."""
    with place.container(gap="small"):
        for page in offered:
            if page.visibility == "visible":
                st.page_link(page, query_params=held[page.url_path] or None)
