"""The Live page over a real hub, for a role that may not see figures of the past."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from hubworld import world
from streamlit.testing.v1 import AppTest
from test_api import send, window

import dashboard
from branchloop.text import say
from hub.api.state import now_ms


def test_staff_see_the_plan_without_its_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heat of the last minutes is refused to staff: the page shows the rest, and nobody is signed out."""
    with world(tmp_path, book=True) as hub:
        start = now_ms() // 5_000 * 5_000 - 10_000
        queue = {"queue": "queue", "person_ms": 15_000, "waiting_end": 3, "joined": 3}
        send(hub, "hall", [("window", window(start, 3, queues=[queue]))])
        token = hub.token("staff", "hall")["Authorization"].split()[1]
        (tmp_path / "token").write_text(token)
        (tmp_path / "token").chmod(0o600)
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\ntoken_file = "token"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = AppTest.from_file(str(Path(dashboard.__file__).parent / "app.py"), default_timeout=60)
        page.query_params["lang"] = "en"
        page.run()
        assert not page.exception
        assert not page.error
        assert [title.value for title in page.title] == ["Hall"]
        html = " ".join(block.proto.body for block in page.get("html"))
        assert "Waiting" in html
        assert "Floor plan of Hall" in html
        st.cache_resource.clear()


def test_who_may_not_see_a_page_stays_signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor, who is for the page Quality, comes in by the Live page; a token that is none is asked for anew."""
    with world(tmp_path) as hub:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = AppTest.from_file(str(Path(dashboard.__file__).parent / "app.py"), default_timeout=60)
        page.session_state["token"] = hub.token("auditor")["Authorization"].split()[1]
        page.run()
        assert [said.value for said in page.info] == [say("error.refused", "zh")]
        assert "token" in page.session_state
        (sign_out,) = (button for button in page.sidebar.button if button.label == say("sign_out", "zh"))
        sign_out.click().run()
        assert "token" not in page.session_state
        page.session_state["token"] = "nobody's"
        page.run()
        assert [said.value for said in page.error] == [say("error.unknown_token", "zh")]
        assert "token" not in page.session_state
        st.cache_resource.clear()
