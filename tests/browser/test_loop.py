"""The loop closes: a card on a foreign page, the kiosk, the staff's phone, the pass, the funnel. All of it real.

A customer books on a partner's page with hostile style, is reminded, checks in at the kiosk by code, is called and
served by staff on their phone, reads what comes next in the pass, books it, comes again; and the funnel of that
scene shows one more in every stage.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from brokers import until
from cardworld import HOSTILE, Host, hosting
from consentworld import SITE, consent_world
from hubworld import NOON
from playwright.sync_api import Browser, Page, expect
from receiver import SECRET, Receiver, receiving
from tables import partner
from test_kiosk import KioskWorld, sign

from branchloop.clock import DAY_MS
from branchloop.credentials import username
from branchloop.keys.sealing import encode, raw_public
from branchloop.processes import free_port
from hub.api.card import access as card_access
from hub.api.state import now_ms
from hub.broker.passwords import ensure_password
from hub.loop.embedding import Embed, issue
from hub.loop.journey import STAGES
from hub.store.connection import opened


def hub_tables(origin: str, gateway: str) -> str:
    """What hub.toml holds besides."""
    return (
        partner("travel", origin)
        + f"""
[reminders]
sink = "webhook"
hours_before = [24]
quiet_from_h = 24
quiet_to_h = 0
[reminders.webhook]
url = "{gateway}"
secret_env = "GATEWAY_SECRET"
"""
    )


SAY = {
    "en": {"next": "Continue", "book": "Book", "booked": "Booked", "follow": "Book it", "name": "Maria Lange", "masked": "M***", "text": "Please bring the lease"},
    "zh": {"next": "下一步", "book": "确认预约", "booked": "预约成功", "follow": "预约办理", "name": "王小明", "masked": "王*", "text": "请携带租赁合同"},
}  # fmt: skip


@dataclass
class LoopWorld:
    """A kiosk beside a hub, and a partner's page."""

    kiosk: KioskWorld
    host: Host
    gateway: Receiver

    @property
    def api(self) -> str:
        return self.kiosk.hub.api

    def token(self, scene: str) -> str:
        seen = Embed("travel", self.host.origin, "north", now_ms() + DAY_MS, scene=scene)
        return issue(seen, self.kiosk.hub.keys.mac)

    def card(self, scene: str, lang: str) -> str:
        body = f'<branch-appointment token="{self.token(scene)}"></branch-appointment>'
        head = (
            f'<script defer src="{self.api}/cards/v1/branch-appointment.js" crossorigin="anonymous"></script>'
        )
        return self.host.page(body, head=head, lang=lang)

    def funnel(self, scene: str) -> dict[str, int]:
        """Journeys of a scene in each stage, as its manager sees them."""
        tokens = self.kiosk.hub.state.tokens
        made = tokens.add(f"manager-{now_ms()}", "manager", ["north"], now_ms())
        now = datetime.now(UTC)
        query = {
            "from": (now - timedelta(days=3)).isoformat(), "to": (now + timedelta(days=1)).isoformat(), "by": "scene"
        }  # fmt: skip
        answer = httpx.get(
            f"{self.api}/api/v1/branches/north/funnel",
            params=query,
            headers={"Authorization": f"Bearer {made}"},
        )
        assert answer.status_code == 200, answer.text
        group = next((each for each in answer.json()["groups"] if each["group"] == scene), None)
        return {} if group is None else {each["stage"]: each["journeys"] or 0 for each in group["stages"]}


@contextmanager
def telling(config: Path) -> Iterator[None]:
    """The hub's process of what goes out."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.outgoing.main", str(config)], env={**os.environ, "GATEWAY_SECRET": SECRET}
    )
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopWorld]:
    folder = tmp_path_factory.mktemp("loop")
    kiosk_port, camera_port = free_port(), free_port()
    text = "\narrive_early_min = 60" + SITE.replace("Asia/Shanghai", NOON)
    with (
        receiving() as gateway,
        hosting(HOSTILE) as host,
        pytest.MonkeyPatch.context() as patch,
        consent_world(
            folder / "hub",
            hub=hub_tables(origin=host.origin, gateway=gateway.url),
            site_text=text,
        ) as hub,
        telling(folder / "hub" / "hub.toml"),
    ):
        patch.setattr(card_access._writes, "most", 10_000)
        credential = hub.config.credentials_dir.resolve() / "north--kiosk-1"
        ensure_password(hub.config.credentials_dir, username("north", "kiosk-1"))
        config = folder / "north.toml"
        config.write_text(
            text.format(
                id="north",
                more=f'listen = "127.0.0.1:{kiosk_port}"\nlanguage = "en"\n'
                f'root_public = "{encode(raw_public(hub.root.public_key()))}"\n'
                f'broker_credential_file = "{credential}"\n',
            ).replace('"usb:0"', f'"http://127.0.0.1:{camera_port}/"')
            + f'\n[box]\nid = "box-1"\nbroker = "mqtt://127.0.0.1:{hub.broker.port}"\ndata_dir = "box"\n'
            'credential_env = "UNUSED"\n',
            encoding="utf-8",
        )
        kiosk = KioskWorld(hub, folder, config, f"http://127.0.0.1:{kiosk_port}", camera_port)
        sign(kiosk)
        kiosk.start()
        host.policy = f"default-src 'none'; script-src {hub.api}; style-src 'self'; connect-src {hub.api}"
        try:
            yield LoopWorld(kiosk, host, gateway)
        finally:
            assert kiosk.process is not None
            kiosk.process.terminate()
            kiosk.process.wait(20)


def tab(chromium: Browser, width: int = 420) -> Page:
    made = chromium.new_context(viewport={"width": width, "height": 900}, locale="en-GB").new_page()
    made.set_default_timeout(20_000)
    return made


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_booking_on_a_foreign_page_becomes_one_more_in_every_stage(
    world: LoopWorld, chromium: Browser, lang: str
) -> None:
    say, scene = SAY[lang], f"moving-{lang}"
    assert world.funnel(scene) == {}
    code = books(world, tab(chromium), scene, lang)
    is_reminded(world)
    number = checks_in(world, tab(chromium, 1280), code)
    own = opens_pass(world, tab(chromium), code, lang)
    expect(own.locator("branch-pass .big").first).to_have_text(number)
    is_served(world, tab(chromium, 390), number, say["text"])
    expect(own.locator("branch-pass .note")).to_contain_text(say["text"], timeout=40_000)
    seen = world.funnel(scene)
    assert {stage: seen[stage] for stage in STAGES[:8]} == dict.fromkeys(STAGES[:8], 1), seen
    assert (seen["follow_up"], seen["returned"]) == (0, 0)
    following = books_what_follows(own, say)
    again = checks_in(world, tab(chromium, 1280), following)
    assert again != number
    once = dict.fromkeys(STAGES, 1)
    as_well = dict.fromkeys(("impression", "start", "booked", "arrived", "checked_in"), 2)
    assert world.funnel(scene) == once | as_well  # what followed is an errand of the same scene, so far come
    assert say["name"] not in own.content()
    is_served(world, tab(chromium, 390), again, say["text"])  # nobody waits before the next test's customer


def books(world: LoopWorld, page: Page, scene: str, lang: str) -> str:
    """On the partner's page; answers the code that the pass shows."""
    say = SAY[lang]
    page.goto(world.card(scene, lang))
    card = page.locator("branch-appointment")
    card.locator("input[name=service][value=desk]").check()
    card.get_by_role("button", name=say["next"]).click()
    card.locator("input[name=start]").nth(1).check()  # the first may begin before anybody is reminded of it
    card.get_by_role("button", name=say["next"]).click()
    card.locator("#name").fill(say["name"])
    card.locator("#contact").fill("+86 138 0013 8000")
    card.get_by_role("button", name=say["book"], exact=True).click()
    expect(page.locator("branch-pass #question")).to_have_text(say["booked"])
    expect(page.locator("branch-pass")).to_contain_text(say["masked"])
    return page.locator("branch-pass .code").inner_text()


def is_reminded(world: LoopWorld) -> None:
    """As if booked the day before; by the hub's own process, through the bank's gateway, signed."""
    told = len(world.gateway.got)
    with opened(world.kiosk.hub.config.data_dir) as db:
        db.execute(
            "UPDATE appointment SET booked_ms=booked_ms-? WHERE remind=1 AND state='booked'", (DAY_MS,)
        )
    until(lambda: len(world.gateway.got) > told, "the customer is reminded", 40)
    assert [each["phone"] for each in world.gateway.got[told:]] == ["+8613800138000"]


def checks_in(world: LoopWorld, page: Page, code: str) -> str:
    """By code at the kiosk; answers the ticket."""
    hub = world.kiosk.hub
    (identity,) = hub.ask("SELECT id FROM appointment WHERE code_mac=?", hub.keys.mac(code.replace("-", "")))[
        0
    ]
    world.kiosk.knows(str(identity))
    page.goto(world.kiosk.url)
    page.locator("#door-code-large").click()
    page.locator("#typed").fill(code)
    page.locator("#enter").click()
    number = page.locator("#number").inner_text()
    until(lambda: hub.kept(str(identity)).state == "arrived", "the hub knows of the arrival")
    assert hub.kept(str(identity)).number == number
    return number


def opens_pass(world: LoopWorld, page: Page, code: str, lang: str) -> Page:
    """The hub's own page of the pass, by the link that the customer kept."""
    hub = world.kiosk.hub
    (identity,) = hub.ask("SELECT id FROM pass WHERE appointment=(SELECT id FROM appointment WHERE code_mac=?)", hub.keys.mac(code.replace("-", "")))[0]  # fmt: skip
    page.goto(f"{world.api}/pass?lang={lang}#{hub.keys.mac(f'pass{chr(10)}{identity}')}")
    return page


def is_served(world: LoopWorld, page: Page, number: str, text: str) -> None:
    """On the staff's phone: called, finished, with what comes next."""
    page.goto(f"{world.api}/staff")
    page.get_by_label("Token").fill(world.kiosk.hub.staff("north")["Authorization"].removeprefix("Bearer "))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Number or name of your counter").fill("3")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Call next").click()
    expect(page.locator("#serving .number")).to_have_text(number)
    page.locator("#serving").get_by_role("button", name="Finish").click()
    page.get_by_label("What comes next").fill(text)
    page.get_by_label("A service of ours").select_option("desk")
    page.get_by_role("button", name="Documents missing").click()
    expect(page.locator("#over")).to_contain_text("Documents missing")


def books_what_follows(page: Page, say: dict[str, str]) -> str:
    """In the pass itself; answers the new code."""
    page.locator("branch-pass .note").get_by_role("button", name=say["follow"]).click()
    page.locator("input[name=start]").nth(2).check()
    page.get_by_role("button", name=say["next"]).click()
    page.locator("#name").fill(say["name"])
    page.get_by_role("button", name=say["book"], exact=True).click()
    expect(page.locator("branch-pass #question")).to_have_text(say["booked"])
    return page.locator("branch-pass .code").inner_text()
