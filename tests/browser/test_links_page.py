"""Links and tags on the hub's own page of a pass, in real Chromium: agreed to, seen, removed, taken back."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cardworld import SCENES, CardWorld, card_world
from playwright.sync_api import Browser, Locator, Page, expect
from test_cards import ACTIVE, appointment, faults, look_again, press_to, tab, to_name

from hub.api.card import access as card_access

NARROW = 320
TAGS = """
[[tag]]
id = "visa"
name = { en = "Has <i>applied</i> for a visa", zh = "已申请 <i>签证</i>" }
purposes = ["suggest", "share"]
"""
SAY = {
    "en": {"open": "open it on the bank's page", "offer": "Link Travel page with this bank", "agree": "Agree and link", "made": "You are linked with Travel page.", "with": "Linked with", "partner": "Travel page", "use": "to suggest services to you", "tag": "Has <i>applied</i> for a visa: Lisbon", "from": "From Travel page", "remove": "Remove the tag Has <i>applied</i> for a visa", "yes": "Yes, remove", "keep": "Keep it", "removed": "is removed", "back": "Take back the link with Travel page", "yes_back": "Yes, take back", "gone": "The link with Travel page is taken back", "receipt": "Save the receipt", "away": "The bank does not answer now", "other": "You are linked there with another visitor"},
    "zh": {"open": "在本行页面打开", "offer": "关联旅行网站与本行", "agree": "同意并关联", "made": "已关联旅行网站。", "with": "已关联", "partner": "旅行网站", "use": "用于向您推荐业务", "tag": "已申请 <i>签证</i>：Lisbon", "from": "来自旅行网站", "remove": "删除标签：已申请 <i>签证</i>", "yes": "确认删除", "keep": "保留", "removed": "已删除", "back": "解除关联：旅行网站", "yes_back": "确认解除", "gone": "已解除与旅行网站的关联", "receipt": "保存同意凭证", "away": "银行暂无响应", "other": "您在该处已与其他访客"},
}  # fmt: skip
WIDE = """() => {
  const found = [], look = (root) => { for (const each of root.querySelectorAll('*')) {
    const box = each.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + .5 || box.left < -.5 || each.scrollWidth > each.clientWidth + 1 && each.clientWidth)) found.push(each.outerHTML.slice(0, 90));
    if (each.shadowRoot) look(each.shadowRoot);
  } };
  look(document.querySelector('branch-links').shadowRoot);
  return [document.documentElement.scrollWidth, found];
}"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardWorld]:
    folder = tmp_path_factory.mktemp("hub")
    with card_world(folder) as made:
        (folder / "scenes.toml").write_text(SCENES + TAGS, encoding="utf-8")
        yield made


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All browsers of this process are one address within one minute."""
    monkeypatch.setattr(card_access._writes, "most", 10_000)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    failed: list[str] = []
    made = tab(chromium, failed, width=NARROW)
    yield made
    made.context.close()
    assert failed == []


def booked(world: CardWorld, subject: str | None = None) -> dict[str, Any]:
    """A visit, booked as the page of the user who is signed in there does."""
    headers = {"Authorization": f"Embed {world.token(subject=subject)}", "Origin": world.host.origin}
    api, wish = f"{world.hub.api}/api/v1/card", {"service": "loan"}
    found = httpx.get(f"{api}/slots", params=wish, headers=headers).json()
    if found["next_day"]:
        found = httpx.get(f"{api}/slots", params={**wish, "day": found["next_day"]}, headers=headers).json()
    start = next(each["start"] for each in found["items"] if each["free"])
    made = httpx.post(
        f"{api}/appointments",
        headers={**headers, "Idempotency-Key": secrets.token_hex(16)},
        json={**wish, "start": start, "name": "Maria Findable"},
    )
    assert made.status_code == 201, made.text
    told: dict[str, Any] = made.json()
    return told


def told(world: CardWorld, secret: str, what: str) -> list[dict[str, Any]]:
    """What the API says by the same pass."""
    headers = {"Authorization": f"Pass {secret}", "Origin": world.hub.api}
    answer = httpx.get(f"{world.hub.api}/api/v1/card/{what}", headers=headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def tagged(world: CardWorld, subject: str, **more: str) -> None:
    tag = {"subject": subject, "tag": "visa", "purpose": "suggest", **more}
    url = f"{world.hub.api}/api/v1/partners/travel/tags"
    answer = httpx.post(url, json=tag, headers=world.hub.token("partner", "travel"))
    assert answer.status_code == 201, answer.text


def section(page: Page) -> Locator:
    return page.locator("branch-links").get_by_role("region")


def fits(page: Page) -> None:
    """Nothing wider than the narrowest phone, and nothing for axe."""
    wide, found = page.evaluate(WIDE)
    assert (wide, found) == (NARROW, [])
    faults(page)


def saved(page: Page, name: str) -> dict[str, Any]:
    """The receipt, as its button gives it."""
    with page.expect_download() as download:
        section(page).get_by_role("button", name=name).click()
    receipt: dict[str, Any] = json.loads(download.value.path().read_text(encoding="utf-8"))
    return receipt


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_agreed_to_seen_removed_and_taken_back(world: CardWorld, page: Page, lang: str) -> None:
    """From the card on the partner's page to the bank's own; after each step the API says what the page says."""
    say, user = SAY[lang], f"user-{lang}"
    appointment(world, page, lang, subject=user)
    to_name(page, lang)
    page.locator("#name").fill({"en": "Maria Findable", "zh": "王小明"}[lang])
    page.locator("#send").click()
    keep = page.locator("branch-pass").get_by_role("link", name=re.compile(say["open"]))
    own = page
    own.goto((keep.get_attribute("href") or "").replace("/pass#", f"/pass?lang={lang}#"))
    expect(section(own).get_by_role("heading", name=say["offer"])).to_be_visible()
    secret = own.url.partition("#")[2]
    assert len(secret) == 64, "the address that is kept holds the secret alone"
    assert told(world, secret, "links") == []
    boxes = section(own).get_by_role("checkbox")
    assert [each.is_checked() for each in boxes.all()] == [False, False, False]
    fits(own)

    press_to(own, "link")
    own.keyboard.press("Enter")
    expect(own.locator("branch-links #agree")).to_be_focused()
    expect(own.locator("branch-links #agree")).to_have_attribute("aria-invalid", "true")
    assert told(world, secret, "links") == []
    fits(own)
    own.keyboard.press("Space")
    expect(own.locator("branch-links #wrong")).to_have_count(0)
    expect(own.locator("branch-links #agree")).to_be_focused()
    own.keyboard.press("Tab")
    own.keyboard.press("Space")
    press_to(own, "link")
    own.keyboard.press("Enter")
    expect(section(own).get_by_role("status")).to_have_text(say["made"])
    expect(own.locator("branch-links #known")).to_be_focused()
    (link,) = told(world, secret, "links")
    assert (link["partner"], link["purposes"]) == ("travel", ["suggest"])
    expect(section(own).get_by_role("listitem")).to_have_count(1)
    expect(section(own).get_by_role("listitem")).to_contain_text(say["partner"])
    expect(section(own).get_by_role("listitem")).to_contain_text(say["use"])
    expect(boxes).to_have_count(0)
    assert saved(own, say["receipt"])["event"] == "given"
    fits(own)

    tagged(world, user, value="Lisbon")
    look_again(own)
    shown = section(own).get_by_role("listitem").nth(1)
    for part in ("tag", "from", "use"):
        expect(shown).to_contain_text(say[part])
    (tag,) = told(world, secret, "tags")
    assert tag["name"][lang] in say["tag"]
    fits(own)
    press_to(own, f"tag-{tag['id']}")
    assert own.evaluate(ACTIVE) == f"tag-{tag['id']}"
    own.keyboard.press("Enter")
    expect(section(own).get_by_role("button", name=say["keep"])).to_be_focused()
    fits(own)
    own.keyboard.press("Enter")
    expect(section(own).get_by_role("button", name=say["remove"])).to_be_focused()
    assert len(told(world, secret, "tags")) == 1
    own.keyboard.press("Enter")
    section(own).get_by_role("button", name=say["yes"]).click()
    expect(section(own).get_by_role("status")).to_contain_text(say["removed"])
    expect(section(own).get_by_role("listitem")).to_have_count(1)
    assert told(world, secret, "tags") == []

    section(own).get_by_role("button", name=say["back"]).click()
    own.route("**/card/unlink", lambda route: route.abort(), times=1)
    section(own).get_by_role("button", name=say["yes_back"]).click()
    expect(section(own).get_by_role("status")).to_contain_text(say["away"])
    expect(section(own).get_by_role("button", name=say["yes_back"])).to_be_focused()
    assert len(told(world, secret, "links")) == 1
    fits(own)
    section(own).get_by_role("button", name=say["yes_back"]).click()
    expect(section(own).get_by_role("status")).to_contain_text(say["gone"])
    expect(section(own).get_by_role("listitem")).to_have_count(0)
    assert (told(world, secret, "links"), told(world, secret, "tags")) == ([], [])
    assert saved(own, say["receipt"])["event"] == "withdrawn"
    expect(section(own).get_by_role("heading", name=say["offer"])).to_be_visible()
    assert [each.is_checked() for each in boxes.all()] == [False, False, False]
    fits(own)


def test_where_there_is_nothing_there_is_no_section(world: CardWorld, page: Page) -> None:
    """Nobody signed in, and nobody linked: the pass stands alone. The partner's own page never shows it."""
    made = booked(world)
    with page.expect_response("**/card/tags"):
        page.goto(made["url"].replace("/pass#", "/pass?lang=en#"))
    expect(page.locator("branch-pass #question")).to_have_text("Booked")
    expect(section(page)).to_have_count(0)
    assert page.locator("branch-links").evaluate("(host) => host.offsetHeight") == 0
    answer = httpx.get(f"{world.hub.api}/embed/branch-links", params={"token": world.token(subject="user-a")})
    assert answer.status_code == 404


def test_a_kept_address_shows_what_was_agreed_to_and_turns_with_the_pass(
    world: CardWorld, page: Page, chromium: Browser
) -> None:
    """Reloaded, the offer is there still; opened elsewhere by the kept address there is what was agreed to, and no offer."""
    made = booked(world, "user-k")
    address = made["url"].replace("/pass#", "/pass?lang=en#")
    page.goto(address)
    expect(section(page).get_by_role("heading", name=SAY["en"]["offer"])).to_be_visible()
    page.reload()
    expect(section(page).get_by_role("heading", name=SAY["en"]["offer"])).to_be_visible()
    page.get_by_role("button", name="中文").click()
    expect(section(page).get_by_role("heading", name=SAY["zh"]["offer"])).to_be_visible()
    page.locator("branch-links #agree").check()
    section(page).get_by_role("button", name=SAY["zh"]["agree"]).click()
    expect(section(page).get_by_role("status")).to_have_text(SAY["zh"]["made"])
    page.get_by_role("button", name="English").click()
    expect(section(page).get_by_role("status")).to_have_text(SAY["en"]["made"])
    failed: list[str] = []
    other = tab(chromium, failed, width=NARROW)
    other.goto(page.url)
    expect(section(other).get_by_role("listitem")).to_contain_text(SAY["en"]["partner"])
    expect(section(other).get_by_role("checkbox")).to_have_count(0)
    other.context.close()
    assert failed == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_refusal_is_told_in_a_sentence(world: CardWorld, page: Page, lang: str) -> None:
    """Two visits booked before either was linked: who is linked by the one is not linked by the other."""
    user = f"user-r-{lang}"
    first, second = booked(world, user), booked(world, user)
    page.goto(second["url"].replace("/pass#", f"/pass?lang={lang}#"))
    page.locator("branch-links #agree").check()
    headers = {"Authorization": f"Pass {first['secret']}", "Origin": world.host.origin}
    text = httpx.get(f"{world.hub.api}/api/v1/card/link-text", headers=headers).json()
    agreed = {key: text[key] for key in ("language", "version", "sha256")} | {
        "embed": world.token(subject=user)
    }
    linked = httpx.post(f"{world.hub.api}/api/v1/card/link", json=agreed, headers=headers)
    assert linked.status_code == 201, linked.text
    section(page).get_by_role("button", name=SAY[lang]["agree"]).click()
    expect(section(page).get_by_role("status")).to_contain_text(SAY[lang]["other"])
    expect(page.locator("branch-links #link")).to_be_focused()
    assert told(world, second["secret"], "links") == []
    fits(page)


def test_a_request_done_online_has_the_same_section(world: CardWorld, page: Page) -> None:
    """From the card on the partner's page to the bank's page of the request."""
    card = f'<branch-document token="{world.token(subject="user-d")}" service="second"></branch-document>'
    page.goto(world.host.page(card, head=world.script("branch-document")))
    page.get_by_role("button", name="Continue").click()
    page.locator("#name").fill("Maria Findable")
    page.locator("#phone").fill("+86 138 0013 8021")
    page.locator("#last").fill("6608")
    page.locator("#send").click()
    with page.expect_popup() as opened_page:
        page.get_by_role("link", name=re.compile("Keep this request")).click()
    own = opened_page.value
    expect(own.locator("branch-document #question")).to_have_text("The bank has your request")
    own.locator("branch-links #agree").check()
    section(own).get_by_role("button", name=SAY["en"]["agree"]).click()
    expect(section(own).get_by_role("status")).to_have_text(SAY["en"]["made"])
    secret = own.url.partition("#")[2]
    assert [each["partner"] for each in told(world, secret, "links")] == ["travel"]
