"""The staff's page for phones in real Chromium against a real hub."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from hubworld import NOON, World, world
from playwright.sync_api import Browser, Page, expect
from tables import counter, service

from branchloop.clock import MINUTE_MS, iso
from hub.api.pages import STAFF_PARTS, STATIC, integrity
from hub.api.state import now_ms
from hub.store.connection import connect_readonly
from hub.store.schema.core import AUDIT_DATABASE

PARTS = (
    """
simulated = true
"""
    + service("desk", name=("Accounts and cards", "账户与银行卡"), minutes=10, slot_minutes=15, per_slot=50)
    + service("loan")
    + counter("c-1", "desk", "loan")
    + counter("c-2", "desk")
)
SHOTS = os.environ.get("SHOTS")
"""A folder to look at the page in."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, parts=PARTS, book=True, zone=NOON) as made:
        yield made


def phone(chromium: Browser, hub: World, *, locale: str = "en-GB", dark: bool = False) -> Page:
    """A phone of its own, with nothing kept on it."""
    tab = chromium.new_context(
        viewport={"width": 390, "height": 844},
        locale=locale,
        color_scheme="dark" if dark else "light",
        has_touch=True,
    ).new_page()
    tab.set_default_timeout(15_000)
    tab.on("pageerror", lambda error: pytest.fail(f"the page's script failed: {error}"))
    tab.goto(f"{hub.api}/staff")
    return tab


def sign_in(tab: Page, token: dict[str, str], counter: str) -> None:
    tab.get_by_label("Token").fill(token["Authorization"].removeprefix("Bearer "))
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("button", name=counter, exact=True).click()


def ask(hub: World, staff: dict[str, str], tail: str, body: object = None) -> dict[str, object]:
    url = f"{hub.api}/api/v1/branches/hall/{tail}"
    answer = httpx.get(url, headers=staff) if body is None else httpx.post(url, headers=staff, json=body)
    answer.raise_for_status()
    told: dict[str, object] = answer.json()
    return told


def booked(hub: World, staff: dict[str, str], name: str) -> dict[str, object]:
    at_ms = now_ms()
    start = iso(at_ms - at_ms % (15 * MINUTE_MS) + 15 * MINUTE_MS)
    return ask(hub, staff, "appointments", {"service": "desk", "start": start, "name": name})


def shoot(tab: Page, name: str) -> None:
    if SHOTS:
        tab.screenshot(path=f"{SHOTS}/staff-{name}.png")


def test_a_day_at_a_counter(hub: World, chromium: Browser) -> None:
    """Check in by code, call, reveal the name (audited), call again, send on, finish with what comes next."""
    staff = hub.token("staff", "hall")
    code = str(booked(hub, staff, "王小明")["code"])
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Counter 1")
    assert "staff" in tab.url
    assert "Bearer" not in tab.url
    assert staff["Authorization"].removeprefix("Bearer ") not in tab.url
    tab.get_by_role("button", name="Check in by code").click()
    tab.get_by_label("Booking code").fill(code)
    tab.get_by_role("button", name="Check in", exact=True).click()
    expect(tab.locator("#said")).to_have_text("王* is checked in. Ticket S001.")
    tab.get_by_role("button", name="Walk-in").click()
    tab.locator("dialog").get_by_role("button", name="Loans").click()
    expect(tab.locator("#said")).to_contain_text("Ticket S002")
    expect(tab.locator("#waiting li")).to_have_count(2)
    shoot(tab, "en")
    tab.get_by_role("button", name="Call next").click()
    expect(tab.locator("#serving .number")).to_have_text("S001")
    expect(tab.locator("#said")).to_have_text("S001 is called to Counter 1.")
    assert "小明" not in tab.content()
    tab.locator("#serving").get_by_role("button", name="Show the name of 王*").click()
    expect(tab.locator("#serving")).to_contain_text("王小明")
    with contextlib.closing(connect_readonly(hub.config.data_dir / AUDIT_DATABASE)) as log:
        lines = [str(row) for row in log.execute("SELECT * FROM audit")]
    assert sum("name of" in line for line in lines) == 1
    tab.get_by_role("button", name="Call next").click()
    expect(tab.locator("#said")).to_have_text("Finish with S001 first.")
    tab.locator("#serving").get_by_role("button", name="Call again").click()
    expect(tab.locator("#serving")).to_contain_text("called 2 times")
    tab.locator("#serving").get_by_role("button", name="Finish").click()
    tab.get_by_label("What comes next").fill("Bring the deed")
    tab.get_by_label("A service of ours").select_option("loan")
    tab.get_by_role("button", name="Documents missing").click()
    expect(tab.locator("#over")).to_contain_text("Documents missing")
    expect(tab.locator("#serving")).to_contain_text("Nobody is called")
    tab.get_by_role("button", name="Call next").click()
    expect(tab.locator("#serving .number")).to_have_text("S002")
    tab.locator("#serving").get_by_role("button", name="Send on").click()
    expect(tab.locator("dialog .acts button")).to_have_text(["Accounts and cards"])  # they are at Loans
    tab.locator("dialog").get_by_role("button", name="Accounts and cards").click()
    expect(tab.locator("#waiting")).to_contain_text("Accounts and cards")
    expect(tab.locator("#waiting .number")).to_have_text("S002")
    tab.locator("#waiting summary").click()
    tab.locator("#waiting").get_by_role("button", name="Park").click()
    expect(tab.locator("#parked")).to_contain_text("S002")
    board = ask(hub, staff, "board")["items"]
    assert isinstance(board, list)
    assert [(each["number"], each["state"], each["outcome"]) for each in board] == [
        ("S001", "served", "documents_missing"), ("S002", "parked", None),
    ]  # fmt: skip


def test_a_branch_without_services_says_so(hub: World, chromium: Browser) -> None:
    """A walk-in has nothing to be for, and the page tells why."""
    tab = phone(chromium, hub)
    tab.get_by_label("Token").fill(hub.token("staff", "annex")["Authorization"].removeprefix("Bearer "))
    tab.get_by_role("button", name="Sign in").click()
    tab.locator("dialog input").fill("1")
    tab.get_by_role("button", name="Save").click()
    tab.get_by_role("button", name="Walk-in").click()
    expect(tab.locator("dialog")).to_contain_text("There is no service for that")


def test_two_phones_call_next_at_once(hub: World, chromium: Browser) -> None:
    """They get different people; two taps on one phone call one."""
    staff = hub.token("staff", "hall")
    for _ in range(3):
        ask(hub, staff, "walk-ins", {"service": "desk"})
    tabs = [phone(chromium, hub), phone(chromium, hub)]
    for tab, at in zip(tabs, ("Counter 1", "Counter 2"), strict=True):
        sign_in(tab, staff, at)
        expect(tab.locator("#waiting li")).to_have_count(3)
    for tab in tabs:
        tab.evaluate("() => { const b = document.getElementById('next'); b.click(); b.click(); }")
    for tab in tabs:
        expect(tab.locator("#serving .number")).to_be_visible()
        expect(tab.locator("#waiting li")).to_have_count(1)
    assert {tab.locator("#serving .number").inner_text() for tab in tabs} == {"S001", "S002"}


def test_without_connection_nothing_can_be_done_and_the_page_says_so(hub: World, chromium: Browser) -> None:
    staff = hub.token("staff", "hall")
    ask(hub, staff, "walk-ins", {"service": "desk"})
    tab = phone(chromium, hub)
    sign_in(tab, staff, "Counter 1")
    expect(tab.locator("#waiting li")).to_have_count(1)
    tab.context.set_offline(True)
    expect(tab.get_by_role("alert").first).to_contain_text("No connection. What you see is of")
    expect(tab.get_by_role("button", name="Call next")).to_be_disabled()
    tab.context.set_offline(False)
    expect(tab.get_by_role("button", name="Call next")).to_be_enabled()
    expect(tab.locator("#offline")).to_be_hidden()


def test_a_token_of_another_role_or_none_is_told_so(hub: World, chromium: Browser) -> None:
    """And one that was revoked meanwhile is asked for anew; it is kept in the session alone."""
    tab = phone(chromium, hub)
    tab.get_by_label("Token").fill("wrong")
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.locator("#said")).to_have_text("This token is not known, or no longer.")
    auditor = hub.token("auditor")["Authorization"].removeprefix("Bearer ")
    tab.get_by_label("Token").fill(auditor)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.locator("#said")).to_have_text("This token may not work with the queue.")
    tab = phone(chromium, hub)
    sign_in(tab, hub.token("staff", "hall"), "Counter 1")
    expect(tab.get_by_role("button", name="Call next")).to_be_enabled()
    assert "Bearer" not in str(tab.evaluate("() => JSON.stringify({...localStorage})"))
    assert tab.evaluate("() => Object.keys(localStorage).filter((k) => k.includes('token'))") == []
    tab.reload()
    expect(tab.locator("#place")).to_have_text("Counter 1")
    for token in hub.state.tokens.all():
        hub.state.tokens.revoke(token.name, 1)
    expect(tab.get_by_label("Token")).to_be_visible()


@pytest.mark.parametrize(("locale", "dark"), [("en-GB", False), ("zh-CN", False), ("zh-CN", True)])
def test_it_is_accessible_and_its_targets_are_large(
    hub: World, chromium: Browser, locale: str, dark: bool
) -> None:
    """Axe finds nothing, every control is 44 px high, and nothing is wider than the phone."""
    staff = hub.token("staff", "hall")
    booked(hub, staff, "Ann Miller")
    for wanted in ("desk", "loan", "desk"):
        ask(hub, staff, "walk-ins", {"service": wanted, "name": "李芳"})
    ask(hub, staff, "call-next", {"counter": "c-2"})
    ask(hub, staff, "call-next", {"counter": "c-1"})
    tab = phone(chromium, hub, locale=locale, dark=dark)
    token = staff["Authorization"].removeprefix("Bearer ")
    tab.locator("#token").fill(token)
    tab.locator("#enter").click()
    tab.locator("dialog .acts button").first.click()
    tab.locator("#waiting summary").first.click()
    expect(tab.locator("#serving .number")).to_be_visible()
    shoot(tab, f"{locale}-{'dark' if dark else 'light'}")
    found = Axe().run(tab).response["violations"]
    assert [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found] == []
    low = tab.evaluate(
        "() => [...document.querySelectorAll('button, summary, select, input')].filter((e) => e.checkVisibility())"
        ".filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert low == []
    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    tab.locator("#serving button").first.click()
    shoot(tab, f"finish-{locale}-{'dark' if dark else 'light'}")
    assert Axe().run(tab).response["violations"] == []


def test_it_is_pinned_by_digests_under_a_strict_policy(hub: World) -> None:
    answer = httpx.get(f"{hub.api}/staff")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "{{" not in answer.text
    for part in ("staff.js", "staff.css", *STAFF_PARTS):
        assert integrity((STATIC / part).read_bytes()) in answer.text
        assert httpx.get(f"{hub.api}/static/{part}").content == (STATIC / part).read_bytes()
