"""What comes from elsewhere does nothing on the managers' pages: it is text, and no frame of another page has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hubworld import NOON, World, world
from pages import served
from playwright.sync_api import Browser, expect

from branchloop.text.catalogue import say
from dashboard.plain import plain
from dashboard.served import HEADERS

expect.set_options(timeout=20_000)
HOSTILE = "1. ![x](http://evil.example/b.png) **[Sign in](http://evil.example)** <b>b</b> www.evil.example :red[r] $x$"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    service = f"""
    [[service]]
    id = "loan"
    name = {{ en = "{HOSTILE}", zh = "{HOSTILE}" }}
    minutes = 15
    per_slot = 3
    """
    with world(tmp_path_factory.mktemp("hub"), parts=service, book=True, zone=NOON) as made:
        yield made


@pytest.fixture(scope="module")
def address(hub: World) -> Iterator[str]:
    token = hub.token("manager", "hall")["Authorization"].split()[1]
    with served(hub.config.path.parent, hub.api, token) as made:
        yield made


def test_a_name_is_shown_as_it_is(address: str, chromium: Browser) -> None:
    tab = chromium.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(f"{address}/board?branch=hall&lang=en")
    tab.get_by_role("button", name=say("board.walk_in", "en")).click()
    named = tab.get_by_test_id("stPopoverBody").get_by_role("button")
    expect(named).to_have_text(HOSTILE.replace("://", ":\u2060//").replace("www", "w\u2060ww"))
    assert named.locator("a, img, strong, b").count() == 0
    assert not [url for url in asked if "evil" in url]
    tab.close()


def test_no_frame_shows_the_pages(address: str, tmp_path: Path, chromium: Browser) -> None:
    tab = chromium.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text))
    (tmp_path / "evil.html").write_text(f'<iframe src="{address}/setup?branch=hall"></iframe>')
    with tab.expect_console_message(lambda message: "frame-ancestors" in message.text):
        tab.goto((tmp_path / "evil.html").as_uri())
    assert tab.frame_locator("iframe").get_by_role("heading").count() == 0
    told = tab.goto(f"{address}/setup?branch=hall")
    assert told is not None
    assert {name: told.headers.get(name.lower()) for name in HEADERS} == HEADERS
    tab.close()


def test_plain_is_one_paragraph() -> None:
    assert plain("a\n\n    b * c") == r"a b \* c"
