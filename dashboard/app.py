"""The Streamlit app: language, sign-in, branch, and the pages."""

from __future__ import annotations

import gc

import streamlit as st

from dashboard import navigation, session
from dashboard.style import CSS


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
    place = st.sidebar.empty()
    session.choose_language()
    offered = navigation.pages(session.permissions(), session.language())
    page = st.navigation(offered, position="hidden")
    held = navigation.addresses(offered)
    navigation.offer(place, offered, held)
    if session.hub() is None:
        session.sign_in()
        return
    page.run()
    left = navigation.addresses(offered)
    if left != held:
        navigation.offer(place, offered, left)
    session.offer_sign_out()


main()
