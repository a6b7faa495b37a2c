"""What every page needs of its viewer: language, token, branch; and how failures are told."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, ParamSpec, cast

import httpx
import streamlit as st

from branchloop.text import refusals as text_refusals
from branchloop.text.catalogue import LANGUAGE_NAMES, LANGUAGES, Language, say
from dashboard import plan
from dashboard.client import Distrusted, Hub, Picture, Problem, Refused, Unknown, Unreachable, connections
from dashboard.config import Dashboard, read_config, read_token
from dashboard.plain import plain

_Given = ParamSpec("_Given")
PICTURE_S = 120.0
MOST_ASKED = 40
"""So much of what an address says is repeated on the page."""


@st.cache_resource
def settings() -> tuple[Dashboard, str | None]:
    """Configuration and shared token, read once a process."""
    path = Path(os.environ["BRANCHLOOP_DASHBOARD"])
    config = read_config(path)
    return config, read_token(config, path.parent)


@st.cache_resource(on_release=httpx.Client.close)
def http() -> httpx.Client:
    """Shared by all viewers: a client may be used by any thread."""
    return connections()


def language() -> Language:
    """The viewer's language; Chinese unless chosen otherwise."""
    return cast("Language", st.session_state.get("language", LANGUAGES[0]))


def choose_language() -> None:
    """The switch in the side bar, and in the address: `?lang=en` opens a page in English."""
    asked = st.query_params.get("lang")
    if asked in LANGUAGES and asked != st.session_state.get("lang"):
        st.session_state["language"] = asked
    st.session_state["lang"] = asked
    st.sidebar.segmented_control(
        "Language / 语言",
        LANGUAGES,
        format_func=lambda code: LANGUAGE_NAMES[code],
        key="language",
        required=True,
        default=None if "language" in st.session_state else LANGUAGES[0],
        on_change=_language_chosen,
    )


def _language_chosen() -> None:
    chosen = st.session_state["language"]
    st.query_params["lang"] = st.session_state["lang"] = chosen


def hub() -> Hub | None:
    """The viewer's door to the hub; None until signed in."""
    config, shared = settings()
    token = shared or st.session_state.get("token")
    return Hub(config.api, token, http()) if token else None


def sign_in() -> None:
    """The form shown to those without a token; over it, why the last one opens nothing."""
    spoken = language()
    if "unknown-token" in st.session_state:
        st.error(say("error.unknown_token", spoken))
    with st.form("sign-in"):
        token = st.text_input(say("sign_in.token", spoken), type="password", help=say("sign_in.hint", spoken))
        if st.form_submit_button(say("sign_in", spoken)) and token:
            _forget_viewer()
            st.session_state["token"] = token.strip()
            st.rerun()


def permissions() -> list[str] | None:
    """What the viewer's token may do, asked once; None while the hub has not said: then each page says it of itself."""
    door = hub()
    if door is None:
        return None
    if "may" not in st.session_state:
        try:
            branches = door.branches()
            if not branches:
                return None
            may = door.branch(branches[0]["id"]).get("may")
        except Refused:  # a box's, a kiosk's or a partner's: no page is theirs
            return []
        except (Unreachable, Problem):
            return None
        if may is None:  # a hub of before it told that
            return None
        st.session_state["may"] = may
    told: list[str] = st.session_state["may"]
    return told


def offer_sign_out() -> None:
    """In the side bar, for who signed in with a token of their own."""
    if "token" in st.session_state and st.sidebar.button(say("sign_out", language())):
        _forget_viewer()
        st.rerun()


def _forget_viewer() -> None:
    """What one viewer saw and typed is not for the next one in the same tab: the language alone stays."""
    for key in [key for key in st.session_state if key != "language"]:
        del st.session_state[key]


def branch() -> str | None:
    """The branch in view, as the address or an earlier page says; None when neither does."""
    return st.query_params.get("branch", st.session_state.get("branch"))


def shared() -> dict[str, str]:
    """What the links from page to page hold: the branch in view, and the language where the address has it."""
    spoken = st.query_params.get("lang")
    return {
        **({"branch": seen} if (seen := branch()) else {}),
        **({"lang": spoken} if spoken in LANGUAGES else {}),
    }


def choose_branch(door: Hub) -> str | None:
    """The branch in view, kept in the address as `?branch=` and from page to page; None when there is none in scope."""
    branches = {item["id"]: item for item in door.branches()}
    if not branches:
        st.info(say("branches.none", language()))
        return None
    ids = list(branches)
    asked = branch()
    if asked is not None and asked not in ids:
        shown = plain(branches[ids[0]]["name"][language()])
        st.warning(say("branch.not_yours", language(), asked=plain(asked[:MOST_ASKED]), shown=shown))
    chosen: str = st.sidebar.selectbox(
        say("branch", language()),
        ids,
        index=ids.index(asked) if asked in ids else 0,
        format_func=lambda site: branches[site]["name"][language()],
    )
    st.session_state["branch"] = chosen
    if st.query_params.get("branch") != chosen:  # said again, it may come before the page's address
        st.query_params["branch"] = chosen
    return chosen


def ribbon(branch: Mapping[str, Any]) -> None:
    """The quiet sentence over simulated or demo data."""
    note = branch.get("note")
    if note or branch.get("simulated"):
        text = note[language()] if note else say("simulated", language())
        st.html(f'<div class="bl-ribbon">{escape(text)}</div>')


def head(text: str) -> None:
    """A section's title."""
    st.html(f'<h2 class="bl-head">{escape(text)}</h2>')


def floor_picture(door: Hub, site: str) -> Picture | None:
    """The floor as seen from above; None when there is no such picture.

    Kept for the viewer's session and fetched again every few minutes: it changes rarely.
    """
    now_s = time.monotonic()
    kept = st.session_state.get("birdseye")
    if kept is None or kept[0] != site or now_s - kept[1] > PICTURE_S:
        kept = (site, now_s, door.birdseye(site))
        st.session_state["birdseye"] = kept
    found: Picture | None = kept[2]
    return found


def forget_floor_picture() -> None:
    """Fetch it anew when it is wanted next."""
    st.session_state.pop("birdseye", None)


def add_picture(door: Hub, site: str, layers: list[str]) -> None:
    """Lay the floor as seen from above under the other layers, or say that there is no such picture."""
    found = floor_picture(door, site)
    if found is None:
        st.caption(say("layer.picture.none", language()))
        return
    layers.insert(0, plan.picture(found.data, found.media, found.bounds_m))


@contextmanager
def told(*, by_itself: bool = False) -> Iterator[None]:
    """Failures of the hub become one sentence on the page.

    What is drawn again `by_itself` needs nobody to look whether the hub is back; any other page is drawn anew then.
    """
    try:
        yield
    except Unreachable as error:
        if isinstance(error, Distrusted):
            st.error(say("error.distrusted", language(), why=plain(str(error))))
        else:
            st.warning(say("error.unreachable", language()))
        if not by_itself:
            st.fragment(_look_again, run_every=settings()[0].refresh_s)(itertools.count())
    except Unknown:
        if "token" not in st.session_state:
            st.error(say("error.shared_token", language()))
            return
        _forget_viewer()
        st.session_state["unknown-token"] = True
        st.rerun()
    except Refused:  # another page may well be for this viewer
        st.info(say("error.refused", language()))
    except Problem as problem:
        st.error(plain(text_refusals.told(str(problem), language())))


def _look_again(looks: Iterator[int]) -> None:
    """Draw the page anew once the hub answers; not at the first look, which is of the run that just failed."""
    door = hub()
    if next(looks) == 0 or door is None:
        return
    try:
        door.branches()
    except Unreachable:
        return
    except (Refused, Problem):  # this is an answer, too
        pass
    st.rerun()


def refreshed(body: Callable[[Hub, str], None]) -> None:
    """A page of one branch whose body refreshes by itself."""
    door = hub()
    if door is None:
        return
    with told():
        site = choose_branch(door)
        if site is not None:
            by_itself(body, door, site)


def by_itself(body: Callable[_Given, None], *args: _Given.args, **given: _Given.kwargs) -> None:
    """Draw a part of a page now, and again every few seconds; what stands there pales only when that takes long."""
    with st.container(key=f"by-itself-{body.__name__}"):
        st.fragment(body, run_every=settings()[0].refresh_s)(*args, **given)
