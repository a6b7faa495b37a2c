"""The Streamlit app: language, sign-in, branch, and the pages."""

from __future__ import annotations

import gc

import streamlit as st

from branchloop.text import say
from dashboard import session
from dashboard.style import CSS
from dashboard.views import board, heat, journeys, live, quality, service, setup


@st.cache_resource
def _settle_memory() -> None:
    """Streamlit collects garbage after every run; what was imported by now never becomes garbage."""
    gc.collect()
    gc.freeze()


def main() -> None:
    """One run of the script for one viewer."""
    st.set_page_config(page_title="branchloop", layout="wide")
    _settle_memory()
    st.html(CSS)
    session.choose_language()
    spoken = session.language()
    pages = [
        st.Page(live.page, title=say("page.live", spoken), url_path="live", default=True),
        st.Page(heat.page, title=say("page.heat", spoken), url_path="heat"),
        st.Page(quality.page, title=say("page.quality", spoken), url_path="quality"),
        st.Page(setup.page, title=say("page.setup", spoken), url_path="setup"),
        st.Page(board.page, title=say("page.board", spoken), url_path="board"),
        st.Page(service.page, title=say("page.service", spoken), url_path="service"),
        st.Page(journeys.page, title=say("page.journeys", spoken), url_path="journeys"),
    ]
    page = st.navigation(pages)
    if session.hub() is None:
        session.sign_in()
        return
    page.run()
    session.offer_sign_out()


main()
