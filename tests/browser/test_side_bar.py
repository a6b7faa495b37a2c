"""The side bar of the managers' pages: to each role the pages that the hub opens to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hubworld import World, world
from pages import served
from playwright.sync_api import Browser, Page, expect
from quiet import quiet

from branchloop.text.catalogue import Language, say

expect.set_options(timeout=20_000)

ALL = ["live", "heat", "quality", "setup", "board", "service", "journeys"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(scope="module")
def address(hub: World) -> Iterator[str]:
    with served(hub.config.path.parent, hub.api) as made:
        yield made


def sign_in(tab: Page, hub: World, role: str) -> None:
    headers = hub.token(role) if role in {"head_office", "auditor"} else hub.token(role, "hall")
    tab.locator("input[type=password]").fill(headers["Authorization"].split()[1])
    tab.get_by_role("button", name=say("sign_in", "en")).click()


@pytest.mark.parametrize(
    ("role", "shown"),
    [
        ("staff", ["live", "board"]),
        ("manager", ALL),
        ("head_office", [name for name in ALL if name != "board"]),
        ("auditor", ["live", "quality"]),
        ("kiosk", ["live"]),
    ],
)
def test_each_role_is_offered_its_own_pages(
    hub: World, address: str, chromium: Browser, role: str, shown: list[str]
) -> None:
    tab = chromium.new_page()
    tab.goto(f"{address}/?lang=en")
    sign_in(tab, hub, role)
    expect(tab.get_by_role("button", name=say("sign_out", "en"))).to_be_visible()
    links = tab.get_by_test_id("stSidebar").get_by_test_id("stPageLink-NavLink")
    expect(links).to_have_text([say(f"page.{name}", "en") for name in shown])
    tab.close()


def test_a_page_that_is_not_theirs_says_so_at_its_address(
    hub: World, address: str, chromium: Browser
) -> None:
    tab = chromium.new_page()
    tab.goto(f"{address}/quality?lang=en")
    sign_in(tab, hub, "staff")
    expect(tab.get_by_text(say("error.refused", "en"))).to_be_visible()
    tab.close()


def test_keys_pass_by_a_side_bar_that_is_closed(hub: World, address: str, chromium: Browser) -> None:
    """On a phone's width its links are off screen: Tab goes to what opens it, and then they are there."""
    tab = chromium.new_page(viewport={"width": 390, "height": 844})
    tab.goto(f"{address}/?lang=en")
    sign_in(tab, hub, "manager")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Hall")
    quiet(tab)
    opens = tab.get_by_role("button", name="Expand sidebar")
    for _ in range(20):  # round the page, from where the form was
        tab.keyboard.press("Tab")
        assert tab.evaluate("!document.activeElement.closest('[data-testid=stSidebar]')")
        if opens.evaluate("each => each === document.activeElement"):
            break
    expect(opens).to_be_focused()
    tab.keyboard.press("Enter")
    link = tab.get_by_test_id("stSidebar").get_by_test_id("stPageLink-NavLink").first
    expect(link).to_be_in_viewport()
    link.focus()
    expect(link).to_be_focused()
    tab.get_by_role("button", name="Collapse sidebar").click()
    expect(link).to_be_hidden()
    tab.close()


@pytest.mark.parametrize("branch", ["annex", "hall"])
def test_back_takes_one_press_and_the_branch_is_kept(
    hub: World, address: str, chromium: Browser, branch: str
) -> None:
    """Each link of the side bar is one step of the browser's history, with the branch in its address."""
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto(f"{address}/?branch={branch}&lang=en")
    sign_in(tab, hub, "head_office")
    title = tab.get_by_role("heading", level=1)
    expect(title).to_be_visible()
    links = tab.get_by_test_id("stSidebar").get_by_test_id("stPageLink-NavLink")
    for name in ("heat", "quality"):
        quiet(tab)
        before = tab.evaluate("history.length")
        links.get_by_text(say(f"page.{name}", "en"), exact=True).click()
        expect(tab).to_have_url(f"{address}/{name}?branch={branch}&lang=en")
        expect(title).to_contain_text(say(f"page.{name}", "en").lower(), ignore_case=True)
        quiet(tab)
        assert tab.evaluate("history.length") == before + 1
    tab.go_back()
    expect(tab).to_have_url(re.compile(rf"/heat\?branch={branch}"))
    expect(title).to_contain_text(say("page.heat", "en").lower(), ignore_case=True)
    tab.go_back()
    expect(tab).to_have_url(re.compile(rf"/\?.*branch={branch}"))
    expect(title).to_have_text("Hall")
    context.close()


def test_back_shows_what_was_shown(hub: World, address: str, chromium: Browser) -> None:
    """A link of one language and layer, another of both, another page: each press of Back undoes one of them."""
    context = chromium.new_context()
    tab = context.new_page()
    tab.goto(f"{address}/heat?branch=hall&lang=en&day=2026-01-05&period=week")
    sign_in(tab, hub, "manager")
    links = tab.get_by_test_id("stSidebar").get_by_test_id("stPageLink-NavLink")

    def expect_shown(spoken: Language, layer: str) -> None:
        expect(tab.get_by_role("radio", name=say(f"layer.{layer}", spoken))).to_be_checked()
        expect(tab.get_by_role("combobox", name=say("period", spoken))).to_have_value(
            say("period.week", spoken)
        )

    expect_shown("en", "presence")
    quiet(tab)
    tab.get_by_role("radio", name=say("layer.flow", "en")).click()
    expect(tab).to_have_url(re.compile(r"day=2026-01-05&period=week&layer=flow$"))
    quiet(tab)
    tab.get_by_role("radio", name="中文").click()
    expect_shown("zh", "flow")
    links.get_by_text(say("page.live", "zh"), exact=True).click()
    expect(tab).to_have_url(f"{address}/?branch=hall&lang=zh")
    left: list[tuple[Language, str]] = [("zh", "flow"), ("en", "flow"), ("en", "presence")]
    for spoken, layer in left:
        quiet(tab)
        tab.go_back()
        expect_shown(spoken, layer)
    context.close()
