"""The day board as staff see it: at which counter somebody is, and why a step was refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import streamlit as st
from hubworld import NOON, World, world
from streamlit.testing.v1 import AppTest
from tables import counter, service
from test_viewers import serve

EVENING = ", ".join(f'{day} = "18:00-20:00"' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
PARTS = (
    f"\nhours = {{ {EVENING} }}\n"
    + service("desk", name=("Accounts <& cards>", "账户"))
    + counter("c-1", "desk")
)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as running:
        serve(running, tmp_path, monkeypatch)
        monkeypatch.setattr(
            st, "rerun", lambda **_: None
        )  # a fragment's own, which no test can draw by itself
        yield running
        st.cache_resource.clear()


def board_page() -> None:
    """The board as the app runs it."""
    from dashboard.views import board

    board.page()


def post(hub: World, staff: dict[str, str], tail: str, body: object) -> str:
    answer = httpx.post(f"{hub.api}/api/v1/branches/hall/{tail}", headers=staff, json=body)
    assert answer.status_code < 300, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def staff(hub: World) -> dict[str, str]:
    return hub.token("staff", "hall")


def booked(hub: World, staff: dict[str, str]) -> str:
    at = f"{hub.api}/api/v1/branches/hall/slots"
    (start, *_) = httpx.get(at, headers=staff, params={"service": "desk"}).json()["items"]
    return post(hub, staff, "appointments", {"service": "desk", "start": start["start"], "name": "Li"})


def shown(staff: dict[str, str], language: str) -> AppTest:
    page = AppTest.from_function(board_page, default_timeout=60)
    page.session_state["token"] = staff["Authorization"].split()[1]
    page.session_state["language"] = language
    page.query_params["branch"] = "hall"
    page.run()
    assert not page.exception
    return page


def test_why_something_was_refused_outlasts_the_next_drawing(hub: World, staff: dict[str, str]) -> None:
    """The board draws itself anew every two seconds: an error in it was gone with that, and the rows below it meanwhile."""
    expected = booked(hub, staff)
    page = shown(staff, "zh")
    page.button("walk-in-desk").click().run()
    assert [each.value for each in page.toast] == ["网点当前已闭店；请为客户预约其他时间。"]
    assert not page.error
    assert page.button(f"arrive-{expected}")


def test_who_is_called_is_told_with_the_counter(hub: World, staff: dict[str, str]) -> None:
    """And a service's name is told as it is written."""
    came = post(hub, staff, f"appointments/{booked(hub, staff)}/arrive", {})
    post(hub, staff, f"appointments/{came}/call", {"counter": "c-1"})
    page = shown(staff, "en")
    assert [each.value for each in page.text if each.value.startswith("called")] == [
        "called · Counter 1 · by staff"
    ]
    assert any("Accounts &lt;&amp; cards&gt;: 0 waiting" in each.proto.body for each in page.get("html"))
