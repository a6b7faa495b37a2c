"""Queue and service on a screen that is left on overnight."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from hubworld import NOON, World, world
from streamlit.testing.v1 import AppTest
from tables import service
from test_viewers import serve


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, parts=service("desk"), book=True, zone=NOON) as running:
        serve(running, tmp_path, monkeypatch)
        yield running
        st.cache_resource.clear()


def overnight() -> None:
    """What draws itself again had begun the day before; a page that is drawn anew asks which day it is."""
    import streamlit as st

    from dashboard import session
    from dashboard.views import service

    door = session.hub()
    assert door is not None
    if "began" in st.session_state:
        service.page()
        return
    st.session_state["began"] = True
    service._body(door, "hall", "2026-01-05", is_today=True)


def test_a_page_that_is_left_open_goes_on_with_the_new_day(hub: World) -> None:
    """It told the day before as today's, with who waits now, until somebody touched it."""
    page = AppTest.from_function(overnight, default_timeout=60)
    page.session_state["token"] = hub.token("manager", "hall")["Authorization"].split()[1]
    page.query_params["branch"] = "hall"
    page.run()
    assert not page.exception
    assert len(page.date_input) == 1
