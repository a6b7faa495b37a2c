"""Who signs in at the pages: a token that is none, one viewer after another in the same tab, refusals in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from hubworld import NOON, World, world
from streamlit.testing.v1 import AppTest
from test_api import send, window
from test_live_page import heat_page, live_page, opened, words
from test_setup_page import published, setup_page as setup_view

from branchloop.clock import DAY_MS, bucket_start_ms, from_ms
from branchloop.text.catalogue import say
from dashboard.client import Picture
from hub.api.state import now_ms
from hub.store.figures.retention import prune


def serve(hub: World, folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Pages over this hub."""
    config = folder / "dashboard.toml"
    config.write_text(f'[dashboard]\napi = "{hub.api}"\n{more}')
    monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
    st.cache_resource.clear()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path) as running:
        serve(running, tmp_path, monkeypatch)
        yield running
        st.cache_resource.clear()


def setup_page() -> None:
    """Set-up as the app runs it, with its door."""
    from dashboard import session
    from dashboard.views import setup

    if session.hub() is None:
        session.sign_in()
        return
    session.permissions()
    setup.page()
    session.offer_sign_out()


def token(hub: World, role: str, *sites: str) -> str:
    return hub.token(role, *sites)["Authorization"].split()[1]


def sign_in(page: AppTest, secret: str) -> None:
    page.text_input[0].set_value(secret)
    page.button[0].click().run()
    assert not page.exception


def door(page: Callable[[], None]) -> AppTest:
    """A page before anybody signed in."""
    shown = AppTest.from_function(page, default_timeout=60)
    shown.query_params["branch"] = "hall"
    shown.run()
    assert [each.label for each in shown.text_input] == [say("sign_in.token", "zh")]
    return shown


def test_nothing_of_a_viewer_is_left_to_the_next_in_the_tab(hub: World) -> None:
    """Neither what they typed, nor a picture that they might see, nor what they were allowed; the language stays."""
    page = door(setup_page)
    page.session_state["language"] = "zh"
    sign_in(page, token(hub, "manager", "hall"))
    page.button_group[0].set_value("text").run()
    page.text_area[0].set_value(page.text_area[0].value + "\n# for my eyes only").run()
    page.session_state["birdseye"] = ("hall", 0.0, Picture(b"", "image/jpeg", (0.0, 0.0, 1.0, 1.0)))
    page.session_state["last-week"] = (("hall",), None)
    page.sidebar.button[-1].click().run()
    kept = ("token", "may", "birdseye", "last-week", "setup-hall", "setup-part-hall")
    assert [key for key in kept if key in page.session_state] == []
    assert page.session_state["language"] == "zh"
    sign_in(page, token(hub, "head_office"))
    page.button_group[0].set_value("text").run()
    assert "for my eyes only" not in page.text_area[0].value


@pytest.mark.parametrize("secret", ["口令", "two words", "x" * 5_000, "wrong", "tab\tand\x7f"])
def test_a_token_that_is_none_is_asked_for_anew(hub: World, secret: str) -> None:
    """Whatever was typed: a sentence and the form, which then takes the right one."""
    page = door(setup_page)
    sign_in(page, secret)
    assert [said.value for said in page.error] == [say("error.unknown_token", "zh")]
    assert "token" not in page.session_state
    sign_in(page, token(hub, "head_office"))
    assert not page.error
    assert [title.value for title in page.title] == [f"大厅 · {say('page.setup', 'zh')}"]


def test_a_token_that_was_revoked_meanwhile_is_asked_for_anew(hub: World) -> None:
    """In the middle of the work: the form is there again, and nothing of the work."""
    page = door(setup_page)
    sign_in(page, token(hub, "head_office"))
    (made,) = hub.state.tokens.all()
    hub.state.tokens.revoke(made.name, now_ms())
    page.run()
    assert [said.value for said in page.error] == [say("error.unknown_token", "zh")]
    assert [each.label for each in page.text_input] == [say("sign_in.token", "zh")]
    assert "setup-hall" not in page.session_state


def test_a_token_of_the_pages_own_that_is_none_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can sign in anew with a token_file: who can mend it is named."""
    with world(tmp_path) as hub:
        (tmp_path / "token").write_text("wrong")
        (tmp_path / "token").chmod(0o600)
        serve(hub, tmp_path, monkeypatch, 'token_file = "token"\n')
        page = AppTest.from_function(live_page, default_timeout=60).run()
        assert not page.exception
        assert [said.value for said in page.error] == [say("error.shared_token", "zh")]
        st.cache_resource.clear()


def test_what_the_hub_refuses_is_told_in_the_readers_language(hub: World) -> None:
    """Somebody else published in between."""
    page = AppTest.from_function(setup_view, default_timeout=60)
    page.session_state["token"] = token(hub, "head_office")
    page.query_params["branch"] = "hall"
    page.run()
    page.button_group[0].set_value("text").run()
    page.text_area[0].set_value(page.text_area[0].value.replace("width_m = 2.0", "width_m = 2.5")).run()
    published(hub, "hall", 3.0)
    (save,) = (button for button in page.button if button.label == say("setup.publish", "zh"))
    save.click().run()
    (said,) = page.error
    assert said.value.startswith("他人已保存版本 2，而您的修改基于版本 1")


def test_a_day_of_which_no_hours_are_kept_is_shown_by_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are there, with a sentence that they are of whole days, whatever hours were chosen."""
    with world(tmp_path, hub="[retention]\nhours_days = 30\n") as hub:
        serve(hub, tmp_path, monkeypatch)
        start_ms = bucket_start_ms(now_ms() - 60 * DAY_MS, "day", hub.config.sites["hall"].zone_info)
        send(hub, "hall", [("window", window(start_ms, 1))])
        prune(hub.store, hub.config.retention, hub.config.sites, now_ms())
        page = opened(heat_page, hub.token("manager", "hall"))
        assert say("heat.widened", "zh") not in [said.value for said in page.info]
        page.slider[0].set_value((9, 12))
        page.date_input[0].set_value(from_ms(start_ms, hub.config.sites["hall"].zone_info).date()).run()
        assert not page.exception
        assert not page.error
        assert say("heat.footfall_days", "zh") in words(page)
        assert ">5.0<" in words(page)
        assert say("heat.widened", "zh") in [said.value for said in page.info]
        st.cache_resource.clear()


def test_heat_of_closed_hours_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked while the branch was open: coverage is 0 %, and what was seen later is there all the same."""
    days = ", ".join(f'{day} = "00:00-00:01"' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    with world(tmp_path, parts=f"hours = {{ {days} }}\n", zone=NOON) as hub:
        serve(hub, tmp_path, monkeypatch)
        send(hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 10_000, 1))])
        page = opened(heat_page, hub.token("manager", "hall"))
        assert say("heat.no_data", "zh") not in [said.value for said in page.info]
        assert ">5.0<" in words(page)
        assert ">0.0<small> %" in words(page)
        st.cache_resource.clear()


def test_a_plan_without_heat_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked in the last quarter of an hour, or nobody came."""
    with world(tmp_path, book=True) as hub:
        serve(hub, tmp_path, monkeypatch)
        page = opened(live_page, hub.token("manager", "hall"))
        assert say("heat.unobserved15", "zh") in words(page)
        send(hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 10_000, 0))])
        page.run()
        assert say("heat.unobserved15", "zh") not in words(page)
        assert say("heat.nobody", "zh") in words(page)
        st.cache_resource.clear()
