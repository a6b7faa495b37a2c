"""Switches of a page kept in its address, so that a link, a new browser or Back shows what was shown.

Whoever changes a switch changes the address, in one step of the browser's history; where the address is another
than it was left (a link, Back), the switches follow it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import streamlit as st

from branchloop.text.catalogue import Language


def follow(page: str, names: Collection[str], switches: Mapping[str, Any], spoken: Language) -> None:
    """Set switches (widget key -> value, as the address has it) before they are drawn.

    All of them where the address was changed elsewhere, otherwise those that were not drawn before. In another
    language each is set to what it was: a browser does not find its choice in the new words.
    """
    elsewhere = st.session_state.get(_seen(page)) != _told(names)
    translated = st.session_state.get(_spoken(page)) != spoken
    st.session_state[_spoken(page)] = spoken
    for key, value in switches.items():
        if elsewhere or key not in st.session_state:
            st.session_state[key] = value
        elif translated:  # not to the address: a switch may have been used in the same moment
            st.session_state[key] = st.session_state[key]
    st.session_state[_seen(page)] = _told(names)


def keep(page: str, names: Collection[str], told: Mapping[str, str]) -> None:
    """Write what is shown now into the address, all at once: each message is a step of the browser's history."""
    others = {key: value for key, value in st.query_params.items() if key not in names}
    st.query_params.from_dict({**others, **told})
    st.session_state[_seen(page)] = _told(names)


def of(page: str) -> dict[str, str]:
    """What a link to a page needs to hold to show it as it was left."""
    found: dict[str, str] = st.session_state.get(_seen(page), {})
    return found


def _seen(page: str) -> str:
    return f"address-{page}"


def _spoken(page: str) -> str:
    return f"address-{page}-language"


def _told(names: Collection[str]) -> dict[str, str]:
    return {name: st.query_params[name] for name in names if name in st.query_params}
