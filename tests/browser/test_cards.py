"""The cards in real Chromium, on a foreign page with hostile style and a strict policy, against a real hub."""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import httpx
import hubworld
import pytest
from axe_playwright_python.sync_playwright import Axe
from cardworld import PARTS, CardWorld, card_world
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Route, expect
from tables import counter
from test_api import send, window

from branchloop.clock import DAY_MS, from_ms, iso, to_ms
from hub.api.card import access as card_access
from hub.api.state import now_ms
from hub.config.events import Reminders
from hub.loop.appointments import HOLD_MS
from hub.store.book import waitlist
from hub.store.book.appointment import Appointment
from hub.store.book.entries import Wanted
from hub.store.book.places import day_slots
from hub.store.connection import DATABASE, opened

HEARD = "window.heard = []; window.addEventListener('message', (e) => window.heard.push([e.origin, e.data]));"
TOLD = """
window.told = [];
for (const name of ["booked", "moved", "cancelled", "checked-in"])
  document.addEventListener(`branchloop:${name}`, (e) => window.told.push([name, e.detail]));
"""
ACTIVE = "() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement; return at?.id || ''; }"
SAY = {
    "en": {"next": "Continue", "book": "Book", "again": "Try again", "cancel": "Cancel visit", "yes": "Yes, cancel", "booked": "Booked", "gone": "has just been taken", "service": "What is your visit for?", "time": "When would you like to come?", "who": "Who is coming?"},
    "zh": {"next": "下一步", "book": "确认预约", "again": "重试", "cancel": "取消预约", "yes": "确认取消", "booked": "预约成功", "gone": "刚被约走", "service": "您要办理什么业务？", "time": "您希望什么时间到店？", "who": "请问怎么称呼您？"},
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CardWorld]:
    with card_world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All browsers of this process are one address within one minute."""
    monkeypatch.setattr(card_access._writes, "most", 10_000)


def tab(
    chromium: Browser, faults: list[str], *, scheme: Literal["light", "dark"] = "light", width: int = 420
) -> Page:
    """A page that hears what cards tell; scripts that fail and what a policy refuses are added to `faults`."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-GB"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.add_init_script(HEARD + TOLD)
    page.on("pageerror", lambda error: faults.append(str(error)))
    refused = ("Content Security Policy", "Trusted")
    page.on(
        "console", lambda said: faults.append(said.text) if any(w in said.text for w in refused) else None
    )
    return page


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    faults: list[str] = []
    made = tab(chromium, faults)
    yield made
    made.context.close()
    assert faults == []


def appointment(world: CardWorld, page: Page, lang: str = "en", **more: object) -> Locator:
    card = f'<branch-appointment token="{world.token(**more)}"></branch-appointment>'
    page.goto(world.host.page(card, head=world.script("branch-appointment"), lang=lang))
    return page.locator("branch-appointment")


def to_time(page: Page, lang: str = "en") -> None:
    """From the first question to the times of tomorrow."""
    page.get_by_role("button", name=SAY[lang]["next"]).click()
    expect(page.locator("#question")).to_have_text(SAY[lang]["time"])
    expect(page.locator("input[name=start]").first).to_be_visible()
    day = page.locator("#day").input_value()
    page.locator("#after").click()
    expect(page.locator("#day")).not_to_have_value(day)
    expect(page.locator("input[name=start]").first).to_be_visible()


def to_name(page: Page, lang: str = "en", at: int = 0) -> str:
    """As far as the last question; answers the chosen start."""
    to_time(page, lang)
    free = page.locator("input[name=start]").nth(at)
    start = free.get_attribute("value") or ""
    free.check()
    page.get_by_role("button", name=SAY[lang]["next"]).click()
    expect(page.locator("#question")).to_have_text(SAY[lang]["who"])
    return start


def kept(world: CardWorld, start: str) -> int:
    """How many hold a start."""
    db = sqlite3.connect(world.hub.config.data_dir / DATABASE)
    sql = "SELECT count(*) FROM appointment WHERE start_ms = CAST(strftime('%s', ?) AS INTEGER) * 1000 AND state != 'cancelled'"
    try:
        (count,) = db.execute(sql, (start,)).fetchone()
    finally:
        db.close()
    return int(count)


def errand(world: CardWorld, start: str) -> list[str]:
    """The stages of the errand that a start was booked in, as the ledger has them."""
    db = sqlite3.connect(world.hub.config.data_dir / DATABASE)
    sql = (
        "SELECT stage FROM journey_event WHERE journey = (SELECT journey FROM appointment WHERE "
        "start_ms = CAST(strftime('%s', ?) AS INTEGER) * 1000 AND state = 'booked') ORDER BY id"
    )
    try:
        return [stage for (stage,) in db.execute(sql, (start,))]
    finally:
        db.close()


def faults(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    told = [(fault["id"], fault["impact"], [node["target"] for node in fault["nodes"]]) for fault in found]
    assert [fault for fault in told if fault[1] in {"serious", "critical"}] == []


def press_to(page: Page, wanted: str) -> None:
    """By the tabulator alone."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if str(page.evaluate(ACTIVE)).startswith(wanted):
            return
    pytest.fail(f"no way to {wanted} by keyboard")


@pytest.mark.parametrize(("lang", "scheme"), [("en", "light"), ("zh", "dark")])
def test_booked_by_keyboard_alone_with_nothing_for_axe(
    world: CardWorld, chromium: Browser, lang: str, scheme: Literal["light", "dark"]
) -> None:
    """Each question takes the focus; axe looks at each step, and at the pass; the page is told no name and no secret."""
    failed: list[str] = []
    page, say = tab(chromium, failed, scheme=scheme), SAY[lang]
    appointment(world, page, lang)
    expect(page.locator("#question")).to_have_text(say["service"])
    faults(page)
    press_to(page, "service-loan")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    press_to(page, page.get_by_role("button", name=say["next"]).get_attribute("id") or "?")
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    expect(page.locator("#question")).to_have_text(say["time"])
    press_to(page, "after")
    page.keyboard.press("Enter")
    expect(page.locator("#after")).to_be_focused()
    expect(page.locator("input[name=start]").first).to_be_visible()
    press_to(page, "start-")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    faults(page)
    start = page.locator("input[name=start]:checked").get_attribute("value") or ""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_have_text(say["who"])
    press_to(page, "name")
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#name")).to_be_focused()
    assert "wrong" in (page.locator("#name").get_attribute("aria-describedby") or "")
    faults(page)
    page.keyboard.type({"en": "Maria Findable", "zh": "王小明"}[lang])
    page.keyboard.press("Enter")
    expect(page.locator("branch-pass #question")).to_have_text(say["booked"])
    expect(page.locator("branch-pass svg.qr")).to_be_visible()
    faults(page)
    assert kept(world, start) == 1
    assert errand(world, start) == ["impression", "start", "booked"]
    told = page.evaluate("window.told")
    assert [name for name, _ in told] == ["booked"]
    assert told[0][1].keys() == {"site", "service", "start", "day", "state"}
    page.get_by_role("button", name=say["cancel"]).click()
    page.get_by_role("button", name=say["yes"]).click()
    expect(page.locator("branch-pass #question")).not_to_have_text(say["booked"])
    faults(page)
    assert kept(world, start) == 0
    assert [name for name, _ in page.evaluate("window.told")] == ["booked", "cancelled"]
    page.context.close()
    assert failed == []


def test_the_language_turns_and_nothing_is_lost(world: CardWorld, page: Page) -> None:
    """By the switch in the card and by the attribute; what was written and what has the focus stay."""
    card = appointment(world, page)
    to_name(page, at=2)
    page.locator("#name").fill("Maria Findable")
    page.locator("#title-ms").check()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#question")).to_have_text(SAY["zh"]["who"])
    expect(page.locator("#lang")).to_be_focused()
    expect(page.locator("#name")).to_have_value("Maria Findable")
    expect(page.locator("#title-ms")).to_be_checked()
    card.evaluate("(host) => host.setAttribute('lang', 'en')")
    expect(page.locator("#question")).to_have_text(SAY["en"]["who"])
    expect(page.locator("#name")).to_have_value("Maria Findable")


def looks(card: Locator) -> list[object]:
    """How each part of a card is drawn."""
    script = """
    (host) => [...host.shadowRoot.querySelectorAll('*')].concat(host).map((each) => {
      const at = getComputedStyle(each), box = each.getBoundingClientRect();
      return [each.tagName, at.display, at.visibility, at.opacity, at.color, at.backgroundColor, at.fontSize, at.fontStyle, at.letterSpacing,
        at.wordSpacing, at.lineHeight, at.textTransform, at.textAlign, at.direction, at.filter, at.transform, at.pointerEvents, at.position,
        Math.round(box.width), Math.round(box.height)].join(' ');
    })"""
    drawn: list[object] = card.evaluate(script)
    return drawn


def test_hostile_style_changes_nothing(world: CardWorld, page: Page) -> None:
    """Each part is drawn on the hostile page exactly as on a page without any style."""
    drawn = []
    for style in ("/host.css", "/none.css"):
        card = f'<branch-appointment token="{world.token()}"></branch-appointment>'
        address = world.host.page(card, head=world.script("branch-appointment"))
        world.host.pages["/page"] = world.host.pages["/page"].replace("/host.css", style)
        page.goto(address)
        expect(page.locator("#question")).to_be_visible()
        drawn.append(looks(page.locator("branch-appointment")))
    assert len(drawn[0]) > 20
    assert drawn[0] == drawn[1]


def test_the_answer_was_lost_and_trying_again_books_once(world: CardWorld, page: Page) -> None:
    """The hub has booked, but its answer did not arrive: told so, nothing else can be sent, one place is taken."""
    appointment(world, page)
    start = to_name(page, at=3)
    page.locator("#name").fill('Maria <img src="/x" onerror="window.hacked=1">')

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/card/appointments", lose, times=1)
    page.locator("#send").click()
    expect(page.locator(".said")).to_contain_text("it is done once only")
    expect(page.locator("#send")).to_have_text("Try again")
    expect(page.locator("#send")).to_be_focused()
    expect(page.locator("#name")).to_be_disabled()
    expect(page.get_by_role("button", name="Back")).to_have_count(0)
    assert kept(world, start) == 1
    page.locator("#send").click()
    expect(page.locator("branch-pass #question")).to_have_text("Booked")
    expect(page.locator("branch-pass dl")).to_contain_text("M***")
    assert page.evaluate("window.hacked") is None
    assert kept(world, start) == 1


def test_the_hub_did_not_answer_and_trying_again_books(world: CardWorld, page: Page) -> None:
    """Nothing arrived at all; what was written is still there, and the same press books."""
    appointment(world, page, "zh")
    start = to_name(page, "zh", at=4)
    page.locator("#name").fill("王小明")
    page.route("**/card/appointments", lambda route: route.abort(), times=2)
    for _ in range(2):
        page.locator("#send").click()
        expect(page.locator(".said")).to_contain_text("只会办理一次")
        expect(page.locator("#send")).to_have_text("重试")
    assert kept(world, start) == 0
    page.locator("#send").click()
    expect(page.locator("branch-pass #question")).to_have_text("预约成功")
    assert kept(world, start) == 1


def test_a_slot_that_just_went_is_told_and_nothing_is_lost(world: CardWorld, page: Page) -> None:
    """Somebody was faster: the other times are shown, and the name is still there."""
    appointment(world, page)
    start = to_name(page, at=5)
    page.locator("#name").fill("Maria Findable")
    site = world.hub.config.sites["hall"]
    with opened(world.hub.config.data_dir) as db:
        begins_ms = to_ms(datetime.fromisoformat(start))
        world.hub.state.book.book(db, site, Wanted("loan", begins_ms, "Somebody Else"), now_ms())
    page.locator("#send").click()
    expect(page.locator(".said")).to_contain_text("has just been taken")
    expect(page.locator("#question")).to_have_text(SAY["en"]["time"])
    expect(page.locator(f'input[value="{start}"]')).to_have_count(0)
    page.locator("input[name=start]").nth(6).check()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#name")).to_have_value("Maria Findable")
    page.locator("#send").click()
    expect(page.locator("branch-pass #question")).to_have_text("Booked")


def booked_soon(world: CardWorld) -> dict[str, Any]:
    """A visit for which one may check in now, booked as a page does."""
    headers = {"Authorization": f"Embed {world.token()}", "Origin": world.host.origin}
    ask = {"service": "cash"}
    found = httpx.get(f"{world.hub.api}/api/v1/card/slots", params=ask, headers=headers).json()
    if not found["items"]:
        found = httpx.get(
            f"{world.hub.api}/api/v1/card/slots", params={**ask, "day": found["next_day"]}, headers=headers
        ).json()
    start = next(each["start"] for each in found["items"] if each["free"])
    made = httpx.post(
        f"{world.hub.api}/api/v1/card/appointments",
        headers={**headers, "Idempotency-Key": secrets.token_hex(16)},
        json={"service": "cash", "start": start, "name": "Maria Findable", "language": "en"},
    )
    assert made.status_code == 201, made.text
    told: dict[str, Any] = made.json()
    return told


def staff(world: CardWorld, made: dict[str, Any], step: str, **body: object) -> None:
    """A step that staff take with a visit."""
    db = sqlite3.connect(world.hub.config.data_dir / DATABASE)
    try:
        (held,) = db.execute(
            "SELECT appointment FROM pass WHERE sha256=?",
            (hashlib.sha256(made["secret"].encode()).hexdigest(),),
        ).fetchone()
    finally:
        db.close()
    answer = httpx.post(
        f"{world.hub.api}/api/v1/branches/hall/appointments/{held}/{step}",
        headers=world.hub.token("staff", "hall"),
        json=body,
    )
    assert answer.status_code == 200, answer.text


def book_the_next_day(card: Page | FrameLocator, slot: int, name: str) -> None:
    """From the question for a time to the pass."""
    card.locator("#after").click()
    card.locator("input[name=start]").nth(slot).check()
    card.get_by_role("button", name="Continue").click()
    card.locator("#name").fill(name)
    card.locator("#send").click()
    expect(card.locator("branch-pass #question")).to_have_text("Booked")


def look_again(page: Page) -> None:
    """As when somebody comes back to the page."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_pass_goes_from_the_booking_to_what_comes_next(world: CardWorld, page: Page) -> None:
    """On the hub's own page: QR code, calendar, checked in, next, called, outcome, and the follow-up booked."""
    made = booked_soon(world)
    page.goto(f"{made['url'].replace('/pass#', '/pass?lang=en#')}")
    expect(page.locator("#question")).to_have_text("Booked")
    expect(page.locator("svg.qr")).to_be_visible()
    expect(page.locator("dl")).to_contain_text(made["details"]["code"])
    expect(page.locator("dl")).to_contain_text("Cash <b>desk</b>")
    with page.expect_download() as download:
        page.get_by_role("button", name="Calendar file").click()
    assert "BEGIN:VEVENT" in download.value.path().read_text(encoding="utf-8")
    faults(page)
    staff(world, made, "arrive")
    look_again(page)
    expect(page.locator("#question")).to_have_text("You are next")
    expect(page.locator(".said")).to_have_text("You are next")
    assert [name for name, _ in page.evaluate("window.told")] == ["checked-in"]
    faults(page)
    staff(world, made, "call", counter="3")
    look_again(page)
    expect(page.locator("#question")).to_have_text("Please go to 3")
    markup = '<img src="/x" onerror="window.hacked=1"> bring both'
    follow_up = {"text": markup, "service": "loan"}
    staff(world, made, "finish", outcome="documents_missing", follow_up=follow_up)
    look_again(page)
    expect(page.locator("#question")).to_have_text("Your visit is done")
    expect(page.locator("dl")).to_contain_text("documents were missing")
    expect(page.locator(".note")).to_contain_text(markup)
    assert page.evaluate("window.hacked") is None
    faults(page)
    page.get_by_role("button", name="Book it").click()
    expect(page.locator("branch-appointment #question")).to_have_text(SAY["en"]["time"])
    book_the_next_day(page, 9, "Maria Findable")
    db = sqlite3.connect(world.hub.config.data_dir / DATABASE)
    try:
        assert db.execute("SELECT count(*) FROM journey_event WHERE stage='follow_up'").fetchone() == (1,)
    finally:
        db.close()


def test_a_pass_names_the_counter_in_the_language_of_its_reader(tmp_path: Path, page: Page) -> None:
    """What staff typed where no counter has that id is told as it stands."""
    desk = counter(
        "c-1", "cash", "loan", "vault", "proof", "second", name=("Counter <b>1</b>", "<b>1</b> 号")
    )
    with card_world(tmp_path, PARTS + desk) as world:
        made = booked_soon(world)
        staff(world, made, "arrive")
        staff(world, made, "call", counter="c-1")
        for lang, says in (("en", "Please go to Counter <b>1</b>"), ("zh", "请到 <b>1</b> 号 办理")):
            page.goto(f"{made['url'].replace('/pass#', f'/pass?lang={lang}#')}")
            expect(page.locator("#question")).to_have_text(says)


def test_a_pass_moves_and_says_when_it_is_not_up_to_date(world: CardWorld, page: Page) -> None:
    """Moved under the same code; without the hub it says since when it knows nothing, and goes on by itself."""
    made = booked_soon(world)
    page.goto(made["url"].replace("/pass#", "/pass?lang=en#"))
    page.get_by_role("button", name="Move", exact=True).click()
    expect(page.locator("#question")).to_be_focused()
    page.locator("#after").click()
    page.locator("input[name=start]").nth(8).check()
    page.get_by_role("button", name="Move to this time").click()
    expect(page.locator(".said")).to_contain_text("The code stays the same")
    expect(page.locator("dl")).to_contain_text(made["details"]["code"])
    assert page.evaluate("window.told")[0][0] == "moved"
    page.route("**/card/pass", lambda route: route.abort())
    look_again(page)
    expect(page.locator(".stale")).to_contain_text("Not up to date: as of")
    faults(page)
    page.unroute("**/card/pass")
    look_again(page)
    expect(page.locator(".stale")).to_have_count(0)


def test_booked_again_on_the_pass_page_stays_booked(world: CardWorld, page: Page) -> None:
    """Loaded anew the page shows the new visit, and Back the cancelled one."""
    made = booked_soon(world)
    page.goto(made["url"].replace("/pass#", "/pass?lang=en#"))
    page.get_by_role("button", name="Cancel visit").click()
    page.get_by_role("button", name="Yes, cancel").click()
    page.get_by_role("button", name="Book again").click()
    book_the_next_day(page, 7, "Maria Again")
    code = page.locator("branch-pass .code").inner_text()
    page.reload()
    expect(page.locator("#question")).to_have_text("Booked")
    expect(page.locator(".code")).to_have_text(code)
    page.go_back()
    expect(page.locator("#question")).to_contain_text("Cancelled")


def test_booked_again_by_the_pages_own_token_while_it_holds(world: CardWorld, page: Page) -> None:
    """It says who is signed in. Once it has expired, the one that came with the pass books."""
    own = world.token(subject="u-1", expires_ms=now_ms() + 30 * 60_000)
    card = f'<branch-appointment token="{own}"></branch-appointment>'
    page.goto(world.host.page(card, head=world.script("branch-appointment")))
    page.get_by_role("button", name="Continue").click()
    book_the_next_day(page, 10, "Maria Findable")
    for expired in (False, True):
        if expired:
            page.clock.set_fixed_time((now_ms() + 40 * 60_000) / 1000)
        page.get_by_role("button", name="Cancel visit").click()
        page.get_by_role("button", name="Yes, cancel").click()
        with page.expect_request("**/card/offer?*") as asked:
            page.get_by_role("button", name="Book again").click()
        by = asked.value.all_headers()["authorization"]
        assert (by == f"Embed {own}") != expired
        book_the_next_day(page, 12, "Maria Again")


def test_what_another_tab_cancelled_is_no_longer_moved(world: CardWorld, page: Page) -> None:
    """The refusal leads to the visit as it stands, with what can be done about it."""
    made = booked_soon(world)
    page.goto(made["url"].replace("/pass#", "/pass?lang=en#"))
    page.get_by_role("button", name="Move", exact=True).click()
    page.locator("#after").click()
    page.locator("input[name=start]").nth(6).check()
    headers = {"Authorization": f"Pass {made['secret']}", "Origin": world.hub.api}
    httpx.post(f"{world.hub.api}/api/v1/card/pass/cancel", headers=headers, json={}).raise_for_status()
    page.get_by_role("button", name="Move to this time").click()
    expect(page.locator("#question")).to_contain_text("Cancelled")
    expect(page.get_by_role("button", name="Book again")).to_be_visible()
    expect(page.locator("input[name=start]")).to_have_count(0)


def test_a_press_is_not_lost_while_the_card_draws_anew(world: CardWorld, page: Page) -> None:
    """The QR picture comes between pressing a button and letting it go: the button stays the one that was pressed."""
    made = booked_soon(world)
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    page.route("**/pass/qr.svg", hold)
    page.goto(made["url"].replace("/pass#", "/pass?lang=en#"))
    move = page.get_by_role("button", name="Move", exact=True)
    expect(move).to_be_enabled()
    move.hover()
    page.mouse.down()
    with page.expect_response("**/pass/qr.svg") as answered:
        waiting[0].continue_()
    answered.value.finished()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.mouse.up()
    expect(page.locator("#question")).to_have_text("Move to which time?")
    expect(page.locator("#question")).to_be_focused()
    page.get_by_role("button", name="Keep my time").click()
    expect(page.locator("svg.qr")).to_be_visible()


@pytest.mark.parametrize("lost", [False, True])
def test_a_late_answer_of_another_service_changes_nothing(world: CardWorld, page: Page, lost: bool) -> None:
    """It comes, or fails, when the times of the service chosen since are shown, of the same day."""
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    appointment(world, page)
    page.route(re.compile("slots.service=vault"), hold)
    to_time(page)
    starts = page.locator("input[name=start]")
    shown = [each.get_attribute("value") for each in starts.all()]
    for service in ("vault", "loan"):
        page.get_by_role("button", name="Back").click()
        page.locator(f"input[name=service][value={service}]").check()
        page.get_by_role("button", name=SAY["en"]["next"]).click()
        expect(page.locator("#question")).to_have_text(SAY["en"]["time"])
    expect(starts).to_have_count(len(shown))
    with page.expect_event("requestfailed" if lost else "requestfinished"):
        (late,) = waiting
        if lost:
            late.abort()
        else:
            late.continue_()
    page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    assert [each.get_attribute("value") for each in starts.all()] == shown
    expect(page.locator(".said")).to_be_empty()


def test_the_focus_follows_a_tap(world: CardWorld, chromium: Browser) -> None:
    """A finger, not a mouse: what is asked next is there when the tap is over, and has the focus."""
    made = booked_soon(world)
    page = chromium.new_context(has_touch=True, viewport={"width": 420, "height": 900}).new_page()
    page.goto(made["url"].replace("/pass#", "/pass?lang=en#"))
    page.get_by_role("button", name="Cancel visit").tap()
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.context.close()


def full_day(world: CardWorld, ahead: int) -> tuple[date, list[Appointment]]:
    """A day of the vault, so many ahead, all of whose places others have."""
    hub = world.hub
    site = hub.config.sites["hall"]
    day = from_ms(now_ms() + ahead * DAY_MS, site.zone_info).date()
    with opened(hub.config.data_dir) as db:
        return day, [
            hub.state.book.book(db, site, Wanted("vault", each.start_ms, "Somebody Else"), now_ms())
            for each in day_slots(db, site, "vault", day, now_ms())
        ]


def test_a_full_day_is_waited_for_and_a_place_confirmed(world: CardWorld, page: Page) -> None:
    """The waitlist from a card; the pass tells of the place that is held, and takes it."""
    hub = world.hub
    site = hub.config.sites["hall"]
    day, taken = full_day(world, 2)
    appointment(world, page, service="vault")
    expect(page.locator("#question")).to_have_text(SAY["en"]["time"])
    page.locator("#day").select_option(day.isoformat())
    expect(page.locator("branch-appointment")).to_contain_text("No free times on this day.")
    expect(page.get_by_role("button", name="Next free day")).to_be_visible()
    page.get_by_role("button", name="Join the waitlist").click()
    expect(page.locator("#question")).to_have_text(SAY["en"]["who"])
    faults(page)
    page.locator("#name").fill("Maria Findable")
    page.locator("#send").click()
    expect(page.locator("branch-pass #question")).to_have_text("You are on the waitlist")
    faults(page)
    with opened(hub.config.data_dir) as db:
        hub.state.book.step(db, taken[1], "cancel", now_ms())
        assert waitlist.offer_freed(db, hub.state.book, [site], now_ms()) == 1
    look_again(page)
    expect(page.locator("branch-pass #question")).to_contain_text("A place is free. It is held until")
    faults(page)
    page.get_by_role("button", name="Take this place").click()
    expect(page.locator("branch-pass #question")).to_have_text("Booked")
    expect(page.locator("branch-pass #question")).to_be_focused()
    assert kept(world, iso(taken[1].start_ms)) == 1


def test_an_offer_that_lapsed_is_no_cancellation_of_the_customer_s_own(world: CardWorld, page: Page) -> None:
    """No notice is promised where none can go out, and the pass says what became of the place that was held."""
    hub = world.hub
    site = hub.config.sites["hall"]
    day, taken = full_day(world, 3)
    appointment(world, page, service="vault")
    page.locator("#day").select_option(day.isoformat())
    page.get_by_role("button", name="Join the waitlist").click()
    expect(page.locator("branch-appointment")).to_contain_text("Keep the pass that you get: open it")
    page.locator("#name").fill("Maria Findable")
    page.locator("#send").click()
    question, card = page.locator("branch-pass #question"), page.locator("branch-pass")
    expect(question).to_have_text("You are on the waitlist")
    expect(card).to_contain_text("Open this pass to see whether a place is held for you.")
    with opened(hub.config.data_dir) as db:
        hub.state.book.step(db, taken[1], "cancel", now_ms())
        assert waitlist.offer_freed(db, hub.state.book, [site], now_ms()) == 1
        waitlist.offer_freed(db, hub.state.book, [site], now_ms() + HOLD_MS + 1)
    look_again(page)
    expect(question).to_contain_text("The place was held for you until")
    expect(question).to_contain_text("and went to the next")
    expect(card).not_to_contain_text("Cancelled")
    faults(page)
    page.get_by_role("button", name="中文").click()
    expect(question).to_contain_text("已转给下一位")
    expect(card).not_to_contain_text("预约已取消")


def test_a_branch_nearby_is_booked_where_this_one_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Page
) -> None:
    """The other branch, on the same day, in the same card: what was chosen stays chosen."""
    place = "place = {{ lat_deg = 28.6, lon_deg = 77.2 }}\n"
    both = PARTS[: PARTS.index('[[service]]\nid = "cash"')].replace("{", "{{").replace("}", "}}")
    monkeypatch.setattr(hubworld, "SITE", hubworld.SITE.replace("[[line]]", f"{place}{both}[[line]]", 1))
    with card_world(tmp_path, parts="", hub_toml="[crowding]\nnearby_km = 5.0\n") as world:
        hub = world.hub
        day = from_ms(now_ms() + 2 * DAY_MS, hub.config.sites["hall"].zone_info).date()
        with opened(hub.config.data_dir) as db:
            site = hub.config.sites["hall"]
            for each in day_slots(db, site, "loan", day, now_ms()):
                hub.state.book.book(db, site, Wanted("loan", each.start_ms, "Somebody Else"), now_ms())
        appointment(world, page)
        expect(page.locator("#question")).to_have_text(SAY["en"]["time"])
        page.locator("#day").select_option(day.isoformat())
        page.get_by_role("button", name="Hall, 0.0 km").click()
        expect(page.locator("#day")).to_have_value(day.isoformat())
        page.locator("input[name=start]").nth(3).check()
        page.get_by_role("button", name="Continue").click()
        page.locator("#name").fill("Maria Findable")
        page.locator("#send").click()
        expect(page.locator("branch-pass #question")).to_have_text("Booked")
        assert page.evaluate("window.told")[0][1]["site"] == "annex"
        page.get_by_role("button", name="Cancel visit").click()
        page.get_by_role("button", name="Yes, cancel").click()
        with page.expect_response("**/card/offer?*") as again:
            page.get_by_role("button", name="Book again").click()
        assert again.value.json()["site"] == "annex"


@pytest.mark.parametrize(
    ("ways", "asked"),
    [((), None), (("email",), "An e-mail address."), (("email", "phone"), "E-mail, or a phone")],
)
def test_an_address_is_asked_for_where_a_reminder_can_go_out(
    world: CardWorld, page: Page, monkeypatch: pytest.MonkeyPatch, ways: tuple[str, ...], asked: str | None
) -> None:
    """And only such an address as it can go to."""
    monkeypatch.setattr(Reminders, "ways", property(lambda _rules: frozenset(ways)))
    appointment(world, page)
    to_name(page, at=3)
    contact = page.locator("#contact")
    expect(page.locator("#name")).to_be_visible()
    expect(contact).to_have_count(0 if asked is None else 1)
    if asked is None:
        return
    expect(page.locator("#contact-hint")).to_contain_text(asked)
    page.locator("#name").fill("Maria Findable")
    contact.fill("+86 138 0013 8000")
    page.locator("#send").click()
    if "phone" in ways:
        expect(page.locator("branch-pass #question")).to_have_text("Booked")
    else:
        expect(contact).to_have_attribute("aria-invalid", "true")
        expect(contact).to_be_focused()


def test_a_place_in_the_queue_is_taken_from_the_page(world: CardWorld, page: Page) -> None:
    """Without a time; no name is asked for more than is needed."""
    appointment(world, page, service="cash")
    page.locator("#day").select_option(index=0)
    page.get_by_role("button", name="Queue from here today").click()
    expect(page.locator("#contact")).to_have_count(0)
    faults(page)
    page.locator("#send").click()
    expect(page.locator("branch-pass #question")).to_have_text("You have a place in the queue")
    expect(page.locator("branch-pass dl")).to_contain_text("Your turn, about")
    faults(page)


def test_a_pass_that_nobody_knows_says_so(world: CardWorld, page: Page) -> None:
    """And one that was not given."""
    page.goto(f"{world.hub.api}/pass?lang=en#{'0' * 64}")
    expect(page.locator(".said")).to_have_text(
        "This link is not known, or its visit is long past. Please book again."
    )
    page.goto(f"{world.hub.api}/pass?lang=zh#{'1' * 64}")
    expect(page.locator(".said")).to_have_text("此链接无效，或该预约早已结束，请重新预约。")
    page.goto(f"{world.hub.api}/pass?lang=zh")
    expect(page.locator(".said")).to_contain_text("请打开预约链接")
    for own in ("pass", "document"):
        answer = page.goto(f"{world.hub.api}/{own}?lang=fr")
        assert answer is not None
        assert (answer.status, answer.headers["x-frame-options"]) == (422, "DENY")
        expect(page.locator("main")).to_contain_text("lang is “fr”; write zh or en, or leave it out")
    faults(page)


def core(world: CardWorld, step: str, **body: object) -> None:
    """What the bank's core answers to the newest request that is open."""
    headers = world.hub.token("core", "hall")
    path = f"{world.hub.api}/api/v1/branches/hall/requests"
    newest = httpx.get(path, headers=headers).json()["items"][-1]["id"]
    answer = httpx.post(f"{path}/{newest}/{step}", headers=headers, json=body)
    assert answer.status_code == 200, answer.text


FACTS = {"account_last_four": "6608", "currency": "CNY", "amount": "52000.00", "as_of": "2026-01-05"}
ASKED = {
    "en": {"what": "What shall the certificate be for?", "who": "Who asks for it?", "asked": "The bank has your request", "ready": "It is ready", "fetch": "Fetch the PDF", "withdraw": "Withdraw", "yes": "Yes, withdraw", "withdrawn": "Withdrawn"},
    "zh": {"what": "存款证明用于什么？", "who": "请填写您的信息", "asked": "银行已收到申请", "ready": "已办好", "fetch": "下载 PDF", "withdraw": "撤回", "yes": "确认撤回", "withdrawn": "已撤回"},
}  # fmt: skip


def requests_of(world: CardWorld) -> int:
    """How many requests the hub keeps."""
    with opened(world.hub.config.data_dir) as db:
        (count,) = db.execute("SELECT count(*) FROM request").fetchone()
    return int(count)


@pytest.mark.parametrize(("lang", "phone"), [("en", "+44 20 7946 0018"), ("zh", "+86 138 0013 8018")])
def test_a_certificate_comes_without_a_visit(world: CardWorld, page: Page, lang: str, phone: str) -> None:
    """Asked for in a card, answered by the core, fetched as a signed PDF, withdrawn; its own page shows the same."""
    say = ASKED[lang]
    before = requests_of(world)
    card = f'<branch-document token="{world.token()}" service="proof"></branch-document>'
    page.goto(world.host.page(card, head=world.script("branch-document"), lang=lang))
    go_on = page.get_by_role("button", name=SAY[lang]["next"])
    expect(page.locator("input[name=service]:checked")).to_have_value("proof")
    faults(page)
    go_on.click()
    expect(page.locator("#question")).to_have_text(say["what"])
    expect(page.locator("#question")).to_be_focused()
    page.locator("#currency").fill("12")
    go_on.click()
    expect(page.locator("#currency")).to_be_focused()
    page.locator("#currency").fill("cny")
    faults(page)
    go_on.click()
    expect(page.locator("#question")).to_have_text(say["who"])
    page.locator("#name").fill("王小明")
    page.locator("#phone").fill("12345")
    page.locator("#last").fill("123x")
    page.locator("#send").click()
    expect(page.locator("#phone")).to_have_attribute("aria-invalid", "true")
    page.locator("#phone").fill(phone)
    faults(page)
    page.route("**/card/requests", lambda route: (route.fetch(), route.abort())[1], times=1)
    page.locator("#send").click()
    expect(page.locator("#send")).to_have_text(SAY[lang]["again"])
    page.locator("#send").click()
    expect(page.locator("#question")).to_have_text(say["asked"])
    faults(page)
    core(world, "fulfil", certificate=FACTS)
    own = page.locator("a[href*='/document#']").get_attribute("href") or ""
    page.goto(own.replace("/document#", f"/document?lang={lang}#"))
    expect(page.locator("#question")).to_have_text(say["ready"])
    faults(page)
    with page.expect_download() as download:
        page.get_by_role("button", name=say["fetch"]).click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_role("button", name=say["withdraw"]).click()
    page.get_by_role("button", name=say["yes"]).click()
    expect(page.locator("#question")).to_have_text(say["withdrawn"])
    db = sqlite3.connect(world.hub.config.data_dir / DATABASE)
    try:
        sql = "SELECT DISTINCT stage FROM journey_event WHERE service='proof' AND stage != 'document'"
        stages = {stage for (stage,) in db.execute(sql)}
    finally:
        db.close()
    assert requests_of(world) == before + 1
    assert {"impression", "start", "served"} <= stages


def test_what_needs_no_visit_is_offered_first(world: CardWorld, page: Page) -> None:
    """From the card to book, on the hub's own page: an account asked for there, and declined with its reason."""
    card = f'<branch-appointment token="{world.token()}" service="second"></branch-appointment>'
    page.goto(world.host.page(card, head=world.script("branch-appointment")))
    expect(page.locator(".note")).to_contain_text("The branch you need not go to")
    with page.expect_popup() as opened_page:
        page.get_by_role("link", name="Do it online").click()
    other = opened_page.value
    expect(other.locator("input[name=service]:checked")).to_have_value("second")
    other.get_by_role("button", name="Continue").click()
    other.locator("#name").fill("Maria Findable")
    other.locator("#phone").fill("+86 138 0013 8019")
    other.locator("#last").fill("6608")
    other.locator("#send").click()
    expect(other.locator("#question")).to_have_text("The bank has your request")
    core(world, "decline", reason={"en": "Please come by <b>once</b>.", "zh": "请到店一次。"})
    look_again(other)
    expect(other.locator("#question")).to_have_text("The bank cannot do it online")
    expect(other.locator("branch-document")).to_contain_text("Please come by <b>once</b>.")
    faults(other)


@pytest.mark.parametrize(
    ("lang", "why"), [("en", "Consulates ask for a <i>proof</i> of deposit"), ("zh", "使馆通常要求存款证明")]
)
def test_the_scene_opens_with_its_service_and_says_why(
    world: CardWorld, page: Page, lang: str, why: str
) -> None:
    """First in the list, chosen, with the rule's reason beside it; and what of it needs no visit."""
    appointment(world, page, lang, scene="travel-visa")
    first = page.locator(".choice").first
    expect(first).to_contain_text(why)
    expect(first.locator("input")).to_be_checked()
    expect(first.locator("input")).to_have_value("proof")
    expect(page.locator(".note a")).to_be_visible()
    faults(page)


def test_a_branch_without_online_services_says_so(world: CardWorld, page: Page) -> None:
    """Also where the page's token is for one that needs a visit."""
    card = f'<branch-document token="{world.token(service="loan")}"></branch-document>'
    page.goto(world.host.page(card, head=world.script("branch-document"), lang="zh"))
    expect(page.locator("branch-document")).to_contain_text("该网点暂无可在线办理的业务。")
    faults(page)


def test_crowding_is_told_in_words_and_goes_on_live(world: CardWorld, page: Page) -> None:
    """Nothing known, then measured: the stream brings it; old is shown as old."""
    card = f'<branch-crowding token="{world.token()}"></branch-crowding>'
    page.goto(world.host.page(card, head=world.script("branch-crowding")))
    expect(page.locator(".big")).to_have_text("not measured now")
    faults(page)
    send(world.hub, "hall", [("window", window(now_ms() // 5_000 * 5_000 - 5_000, 4))])
    expect(page.locator("branch-crowding")).to_contain_text("4 people in the branch")
    expect(page.locator("branch-crowding")).to_contain_text("as of")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("branch-crowding")).to_contain_text("当前在店 4 人")
    faults(page)


def test_a_foreign_page_is_told_and_nothing_is_sent(world: CardWorld, page: Page) -> None:
    """The token of one page on another: a sentence, and not one request to the API."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
    for lang, told in (("en", "was made for"), ("zh", "仅用于")):
        card = f'<branch-appointment token="{world.token()}"></branch-appointment>'
        page.goto(world.other.page(card, head=world.script("branch-appointment"), lang=lang))
        expect(page.locator(".said")).to_contain_text(told)
        expect(page.locator(".said")).to_contain_text(world.other.origin)
        faults(page)
    assert asked == []


def test_a_token_that_does_not_hold_is_told(world: CardWorld, page: Page) -> None:
    """Expired, torn: told before anything is sent. Forged: the hub refuses, and it is told."""
    for token, told in (
        (world.token(expires_ms=1), "does not hold"),
        ("x", "does not hold"),
        (world.token()[:-4] + "0000", "not allowed"),
    ):
        card = f'<branch-appointment token="{token}"></branch-appointment>'
        page.goto(world.host.page(card, head=world.script("branch-appointment")))
        expect(page.locator(".said")).to_contain_text(told)


def test_a_frame_tells_its_own_page_alone(world: CardWorld, page: Page) -> None:
    """Booked within a frame; the page hears of it and of the height, with no name and no secret."""
    page.goto(world.host.page("", after=frame(world)))
    inside = page.frame_locator("iframe")
    expect(inside.locator("#question")).to_have_text(SAY["en"]["service"])
    inside.get_by_role("button", name="Continue").click()
    book_the_next_day(inside, 7, "Maria Findable")
    expect(inside.locator("svg.qr")).to_be_visible()
    page.wait_for_function("window.heard.some(([, data]) => data.event === 'booked')")
    height = round(inside.locator("branch-appointment").bounding_box()["height"])  # type: ignore[index]
    page.wait_for_function(
        "(height) => window.heard.findLast(([, data]) => data.event === 'resize')[1].height === height",
        arg=height,
    )
    heard = page.evaluate("window.heard")
    assert {origin for origin, _ in heard} == {world.hub.api}
    heights = [data["height"] for _, data in heard if data["event"] == "resize"]
    assert len(heights) > 2
    assert heights[-1] == height
    booked = next(data for _, data in heard if data["event"] == "booked")
    assert booked.keys() == {"type", "event", "site", "service", "start", "day", "state"}


def test_a_frame_elsewhere_is_not_shown_and_tells_nothing(world: CardWorld, chromium: Browser) -> None:
    """The policy keeps it out; even where a browser would not heed that, its messages go to the declared origin."""
    refused: list[str] = []
    page = tab(chromium, refused)
    page.goto(world.other.page("", after=frame(world)))
    expect(page.frame_locator("iframe").locator("branch-appointment")).to_have_count(0)
    assert "frame-ancestors" in refused[0]

    def bare(route: Route) -> None:
        answer = route.fetch()
        headers = {key: value for key, value in answer.headers.items() if key != "content-security-policy"}
        route.fulfill(response=answer, headers=headers)

    page.route("**/embed/**", bare)
    page.goto(world.other.page("", after=frame(world)))
    expect(page.frame_locator("iframe").locator("#question")).to_be_visible()
    assert page.evaluate("window.heard") == []
    page.context.close()


def test_a_frame_without_a_valid_token_says_so(world: CardWorld, page: Page) -> None:
    """403, in both languages."""
    answer = page.goto(f"{world.hub.api}/embed/branch-appointment?token=forged")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text("This card cannot be shown")
    expect(page.locator("main")).to_contain_text("无法显示此卡片")
    faults(page)


def test_a_frame_with_a_wrong_address_says_what_is_wrong(world: CardWorld, page: Page) -> None:
    """Within the page's own frame, and not that the hub refused to connect."""
    for address, told in (
        ("branch-appointment?lang=fr&theme=pink", "lang is “fr”; write zh or en"),
        ("branch-appointment?lang=en&theme=pink", "theme is “pink”; write light or dark"),
        ("branch-document?kind=passport", "kind is “passport”; write account or certificate"),
        ("branch-nothing?lang=en", "there is no card “branch-nothing”"),
    ):
        source = f"{world.hub.api}/embed/{address}&token={world.token()}"
        page.goto(world.host.page("", after=f'<iframe title="Book a visit" src="{source}"></iframe>'))
        expect(page.frame_locator("iframe").locator("main")).to_contain_text(told)


CARDS = Path(__file__).parents[2] / "docs" / "cards.md"


def sandbox() -> str:
    """As the documentation tells it to a page's owner."""
    (said,) = re.findall(r'sandbox="([^"]*)"', CARDS.read_text(encoding="utf-8"))
    return str(said)


def test_in_the_sandbox_of_the_documentation_a_visit_is_booked_and_kept(world: CardWorld, page: Page) -> None:
    """By Enter in a field, though no form may be submitted; the calendar file comes, and the pass has a page of its own."""
    page.goto(world.host.page("", after=frame(world, more=f'sandbox="{sandbox()}"')))
    inside = page.frame_locator("iframe")
    inside.get_by_role("button", name="Continue").click()
    inside.locator("#after").click()
    inside.locator("input[name=start]").nth(11).check()
    inside.get_by_role("button", name="Continue").click()
    name = inside.locator("#name")
    name.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True})  # ends a word
    expect(name).not_to_have_attribute("aria-invalid", "true")
    name.press("Enter")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    name.fill("Maria Findable")
    name.press("Enter")
    expect(inside.locator("branch-pass #question")).to_have_text("Booked")
    with page.expect_download() as download:
        inside.get_by_role("button", name="Calendar file").click()
    assert "BEGIN:VEVENT" in download.value.path().read_text(encoding="utf-8")
    code = inside.locator("branch-pass .code").inner_text()
    with page.expect_popup() as opened_page:
        inside.get_by_role("link", name="Keep this pass").click()
    expect(opened_page.value.locator(".code")).to_have_text(code)


def test_in_the_sandbox_of_the_documentation_an_account_is_asked_for_and_kept(
    world: CardWorld, page: Page
) -> None:
    """By the button; the request has a page of its own, from which it is taken back."""
    page.goto(
        world.host.page(
            "", after=frame(world, "branch-document", "&service=second", f'sandbox="{sandbox()}"')
        )
    )
    inside = page.frame_locator("iframe")
    inside.get_by_role("button", name="Continue").click()
    for field, value in (("name", "Maria Findable"), ("phone", "+86 138 0013 8020"), ("last", "6608")):
        inside.locator(f"#{field}").fill(value)
    inside.locator("#send").click()
    expect(inside.locator("#question")).to_have_text("The bank has your request")
    with page.expect_popup() as opened_page:
        inside.locator("a[href*='/document#']").click()
    own = opened_page.value
    expect(own.locator("#question")).to_have_text("The bank has your request")
    own.get_by_role("button", name="Withdraw").click()
    own.get_by_role("button", name="Yes, withdraw").click()
    expect(own.locator("#question")).to_have_text("Withdrawn")


def frame(world: CardWorld, card: str = "branch-appointment", asked: str = "", more: str = "") -> str:
    return f'<iframe title="Book a visit" width="420" height="800" {more} src="{world.hub.api}/embed/{card}?token={world.token()}&lang=en{asked}"></iframe>'
