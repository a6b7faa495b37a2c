"""The staff's page when something is in the way: answers cut off, a hub that is away, two at one counter, the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hubworld import NOON, World, world
from playwright.sync_api import Browser, Page, Route, expect
from tables import counter, service
from test_staff_page import ask, phone, sign_in

LONG = "relationship-manager-desk-one-01"
"""As long as an id may be."""
PARTS = (
    service("desk", minutes=10, per_slot=50)
    + service("loan")
    + counter("c-1", "desk", "loan")
    + counter(LONG, "desk", name=("Adviser", "客户经理"))
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        yield made


def tickets(hub: World, staff: dict[str, str], count: int) -> list[str]:
    return [str(ask(hub, staff, "walk-ins", {"service": "desk"})["id"]) for _ in range(count)]


def cut_off(route: Route) -> None:
    """The hub did it; of its answer only the beginning came."""
    route.fetch()
    route.fulfill(status=200, content_type="application/json", body='{"called": {"id"')


def away(route: Route) -> None:
    """What a proxy says while the hub starts anew."""
    route.fulfill(status=502, content_type="text/html", body="<html>502 Bad Gateway</html>")


def test_an_answer_that_is_cut_off_stops_nothing(hub: World, chromium: Browser) -> None:
    """The page goes on asking, says meanwhile that there is no connection, and shows then what the hub did."""
    staff = hub.token("staff", "hall")
    tickets(hub, staff, 2)
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Counter 1")
    expect(tab.locator("#waiting li")).to_have_count(2)
    tab.route("**/board", cut_off)
    expect(tab.locator("#offline")).to_contain_text("No connection. What you see is of")
    expect(tab.get_by_role("button", name="Call next")).to_be_disabled()
    tab.unroute("**/board")
    expect(tab.locator("#offline")).to_be_hidden()
    tab.route("**/call-next", cut_off)
    tab.get_by_role("button", name="Call next").click()
    expect(tab.locator("#serving .number")).to_have_text("S001")
    expect(tab.locator("#offline")).to_be_hidden()
    expect(tab.get_by_role("button", name="Call next")).to_be_enabled()


def test_a_hub_that_is_away_is_said_while_it_is_and_signs_nobody_out(hub: World, chromium: Browser) -> None:
    """Also where the page is opened anew meanwhile."""
    staff = hub.token("staff", "hall")
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Counter 1")
    expect(tab.get_by_role("button", name="Call next")).to_be_enabled()
    tab.route("**/api/v1/**", away)
    expect(tab.locator("#offline")).to_contain_text("The hub does not answer. What you see is of")
    expect(tab.get_by_role("button", name="Call next")).to_be_disabled()
    tab.reload()
    expect(tab.locator("#offline")).to_contain_text("The hub does not answer.")
    tab.unroute("**/api/v1/**")
    expect(tab.locator("#offline")).to_be_hidden()
    expect(tab.locator("#said")).to_be_empty()
    expect(tab.get_by_role("button", name="Call next")).to_be_enabled()


def test_what_no_request_can_carry_is_no_token(hub: World, chromium: Browser) -> None:
    """It was told as a lost connection, and tried for ever."""
    tab = phone(chromium, hub)
    tab.get_by_label("Token").fill("口令")
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.locator("#said")).to_have_text("This token is not known, or no longer.")
    expect(tab.locator("#offline")).to_be_hidden()


def test_who_is_called_by_hand_is_at_my_counter(hub: World, chromium: Browser) -> None:
    """Whatever the length of the counter's id, and whoever else was called there before."""
    staff = hub.token("staff", "hall")
    tickets(hub, staff, 2)
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Adviser")
    call_by_hand(tab, "S002")
    expect(tab.locator("#serving .number")).to_have_text(["S002"])
    call_by_hand(tab, "S001")
    expect(tab.locator("#serving .number")).to_have_text(["S002", "S001"])
    expect(tab.locator("#elsewhere")).to_be_hidden()
    expect(tab.locator("#next-count")).to_have_text("Finish with S002 first.")
    tab.get_by_role("button", name="Call next").click()
    expect(tab.locator("#said")).to_have_text("Finish with S002 first.")
    tab.locator("#serving .card").first.get_by_role("button", name="Went away").click()
    expect(tab.locator("#serving .number")).to_have_text(["S001"])
    expect(tab.locator("#said")).to_be_empty()


def call_by_hand(tab: Page, number: str) -> None:
    row = tab.locator("#waiting li.person").filter(has_text=number)
    row.locator("summary").click()
    row.get_by_role("button", name="Call to my counter").click()


def test_what_held_of_the_line_goes_when_it_is_over(hub: World, chromium: Browser) -> None:
    """Nobody waits, says the page, until somebody does."""
    staff = hub.token("staff", "hall")
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Counter 1")
    tab.get_by_role("button", name="Call next").click()
    expect(tab.locator("#said")).to_have_text("Nobody waits for this counter.")
    tickets(hub, staff, 1)
    expect(tab.locator("#waiting li.person")).to_have_count(1)
    expect(tab.locator("#said")).to_be_empty()


def test_a_refusal_is_told_in_the_language_of_the_page(hub: World, chromium: Browser) -> None:
    """By the rules that the dashboard has; another counter was quicker, or a code opens nothing."""
    staff = hub.token("staff", "hall")
    (first,) = tickets(hub, staff, 1)
    tab = phone(chromium, hub, locale="zh-CN")
    tab.locator("#token").fill(staff["Authorization"].removeprefix("Bearer "))
    tab.locator("#enter").click()
    tab.locator("dialog .acts button").first.click()
    tab.locator("#waiting summary").click()

    def quicker(route: Route) -> None:
        """Another counter's call is there first."""
        ask(hub, staff, f"appointments/{first}/call", {"counter": LONG})
        route.fallback()

    tab.route("**/call", quicker)
    tab.locator("#waiting").get_by_role("button", name="请到我的柜台").click()
    expect(tab.locator("#said")).to_have_text(f"该预约已由 {LONG} 叫号；请叫其他等候者。")
    tab.locator("#by-code").click()
    tab.locator("#code").fill("0000-0000")
    tab.locator("dialog button[type=submit]").click()
    expect(tab.locator("#dialog-said")).to_have_text("未找到该预约码；请核对，或现场取号。")


def test_the_keyboard_alone_is_enough(hub: World, chromium: Browser) -> None:
    """What was pressed, or the same person, or the next call has the keyboard after a step."""
    staff = hub.token("staff", "hall")
    tickets(hub, staff, 2)
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Counter 1")
    expect(tab.locator("#waiting li")).to_have_count(2)
    tab.locator("#next").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#serving .number")).to_have_text("S001")
    expect(tab.locator("#next")).to_be_focused()
    tab.locator("#serving").get_by_role("button", name="Call again").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#serving")).to_contain_text("called 2 times")
    expect(tab.locator("#serving").get_by_role("button", name="Call again")).to_be_focused()
    tab.locator("#serving").get_by_role("button", name="Finish").focus()
    tab.keyboard.press("Enter")
    tab.locator("dialog").get_by_role("button", name="Done", exact=True).focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#serving")).to_contain_text("Nobody is called")
    expect(tab.locator("dialog")).to_be_hidden()
    expect(tab.locator("#next")).to_be_focused()
    tab.locator("#walk-in").focus()
    tab.keyboard.press("Enter")
    tab.locator("dialog").get_by_role("button", name="Loans").focus()
    tab.keyboard.press("Enter")
    expect(tab.locator("#said")).to_contain_text("Ticket S003")
    expect(tab.locator("#walk-in")).to_be_focused()
