"""The Set-up page in a real browser over a real hub: a line drawn on a camera's picture, and pictures asked for."""

from __future__ import annotations

import base64
import io
import os
import re
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from hubworld import World, world
from pages import served
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect
from quiet import quiet

from branchloop.text.catalogue import Language, say
from branchloop.wire.commands import Picture, Reply
from branchloop.wire.status import Status
from hub.api.state import now_ms
from hub.ingest.apply import Applier
from hub.store.branches.pictures import Pictures, What
from hub.store.commands import Commands
from hub.store.connection import opened

expect.set_options(timeout=20_000)

PICTURE_PX = (640, 480)
MARKS = {
    (220, 200): (0.2, 0.2), (420, 200): (1.8, 0.2), (40, 460): (0.2, 0.8), (600, 460): (1.8, 0.8),
}  # fmt: skip
"""Four marks fix a floor exactly: a click on one of them is its metres, whatever the lens."""
CAMERA = """
# the camera over the door
[[camera]]
id = "cam"
name = { en = "Hall camera", zh = "大厅摄像头" }
source = "rtsp://cam.example/1"
[camera.calibration]
picture_px = [640, 480]
distortion = [-0.08, 0.01]
focal_px = 600.0
points = [[220, 200, 0.2, 0.2], [420, 200, 1.8, 0.2], [40, 460, 0.2, 0.8], [600, 460, 1.8, 0.8]]
[box]
id = "box-1"
broker = "mqtt://127.0.0.1:1883"
data_dir = "data"
credential_file = "password"
"""


@dataclass(frozen=True, slots=True)
class Branch:
    """A hub with one branch, and the managers' pages over it."""

    hub: World
    pages: str

    def hello(self) -> None:
        """The branch's box is there."""
        birth = Status(online=True, boot="ab" * 8, connect_no=1, at_ms=now_ms())
        Applier(self.hub.store, self.hub.config.sites, now_ms).apply(
            "branchloop/1/hall/box-1/status", birth.to_json().encode(), now_ms()
        )

    def answer(self, what: What, camera: str, media: str, image: bytes, **more: object) -> None:
        """Let the branch's box send a picture, which somebody asked for."""
        with opened(self.hub.config.data_dir) as db:
            pictures = Pictures(db)
            asked = pictures.ask("hall", "box-1", what, camera, "test", now_ms())
            command = Commands(db).find(asked.command)
            assert command is not None
            made = Picture.model_validate(
                {
                    "media": media, "image": base64.b64encode(image).decode(), "made_ms": now_ms(),
                    "width_px": 640, "height_px": 480, "blank_share": 0.0, **more,
                }
            )  # fmt: skip
            reply = Reply(id=asked.command, at_ms=now_ms(), ok=True, code="done", body=made.model_dump())
            assert pictures.answered(command, reply, now_ms()) is None


@pytest.fixture
def branch(tmp_path: Path) -> Iterator[Branch]:
    with world(tmp_path, parts=CAMERA) as hub:
        token = hub.token("manager", "hall")["Authorization"].split()[1]
        with served(tmp_path, hub.api, token) as address:
            yield Branch(hub, address)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    tab = chromium.new_page(viewport={"width": 1280, "height": 1000}, locale="en-GB")
    tab.set_default_timeout(30_000)
    yield tab
    tab.close()


def floor(kind: str) -> bytes:
    """A tiled floor: a picture to see where one draws."""
    image = Image.new("RGB", PICTURE_PX, "#b9b2a6")
    pen = ImageDraw.Draw(image)
    for at in range(0, 640, 40):
        pen.line([(at, 480), (320 + (at - 320) // 3, 56)], fill="#8f887c", width=2)
        pen.line([(0, 56 + at), (640, 56 + at)], fill="#8f887c", width=2)
    pen.rectangle([0, 0, 640, 56], fill="#d8dce2")
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def click(pad: Locator, x_px: float, y_px: float, size: tuple[float, float] = PICTURE_PX) -> None:
    box = pad.bounding_box()
    assert box is not None
    pad.click(position={"x": x_px / size[0] * box["width"], "y": y_px / size[1] * box["height"]})


def drawn(pad: Locator, number: int) -> str:
    """What the pad shows once the point of that number is in it."""
    until_s = time.monotonic() + 20
    while time.monotonic() < until_s:
        source = pad.locator("img").get_attribute("src") or ""
        shown = base64.b64decode(source.partition(",")[2]).decode()
        if f">{number}</text></svg>" in shown:
            return shown
        pad.page.wait_for_timeout(100)
    raise AssertionError(f"point {number} was not drawn")


def draw_on(page: Page, surface: str, spoken: Language) -> None:
    page.get_by_role("combobox", name=say("setup.on", spoken)).click()
    page.get_by_role("option", name=surface, exact=True).click()


def shoot(page: Page, name: str) -> None:
    """Keep a picture to look at, where SHOTS names a folder."""
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", full_page=True)


def test_a_line_drawn_on_a_picture_is_saved_in_metres(branch: Branch, page: Page) -> None:
    """Three clicks on marks whose metres are known; a click at the sky is refused; comments of the file stay."""
    branch.answer("background", "cam", "image/jpeg", floor("JPEG"), camera_px=PICTURE_PX)
    page.goto(f"{branch.pages}/setup?branch=hall&lang=en")
    draw_on(page, "Picture of Hall camera", "en")
    pad = page.get_by_role("application", name="Picture of camera Hall camera")
    expect(pad).to_be_visible()
    click(pad, 320, 20)
    expect(page.get_by_text("That is above the horizon")).to_be_visible()
    clicked = list(MARKS)[:3]
    for number, place in enumerate(clicked, 1):
        click(pad, *place)
        shown = drawn(pad, number)
    expect(page.get_by_text("That is above the horizon")).to_have_count(0)
    assert "data:image/jpeg" in shown
    page.get_by_label("Id (a-z").fill("drawn")
    page.get_by_label("Id (a-z").press("Tab")
    page.get_by_role("button", name="Put in place").click()
    expect(page.get_by_text("changed, not saved")).to_be_visible()
    quiet(page)
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found] == []
    shoot(page, "setup-picture-en")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("is saved.")).to_be_visible()
    told = httpx.get(
        f"{branch.hub.api}/api/v1/branches/hall/configuration", headers=branch.hub.token("manager", "hall")
    ).json()
    assert "# the camera over the door" in told["text"]
    (line,) = (line for line in tomllib.loads(told["text"])["line"] if line["id"] == "drawn")
    for key, place in zip(("from", "to", "inside"), clicked, strict=True):
        assert line[key] == pytest.approx(MARKS[place], abs=0.02)


def test_who_was_overtaken_can_load_the_other_s_version(branch: Branch, page: Page) -> None:
    """The refusal names what to do, and the button for it is there: nothing of the other's is overwritten."""
    page.goto(f"{branch.pages}/setup?branch=hall&lang=en")
    page.get_by_role("radio", name=say("setup.part.text", "en")).click()
    mine = page.get_by_role("textbox", name=say("setup.text", "en"))
    expect(mine).to_have_value(re.compile("# the camera over the door"))  # it is drawn empty, then filled
    text = mine.input_value()
    mine.fill(text.replace("# the camera over the door", "# mine"))
    mine.press("Control+Enter")
    expect(page.get_by_text("changed, not saved")).to_be_visible()
    at = f"{branch.hub.api}/api/v1/branches/hall/configuration"
    headers = branch.hub.token("manager", "hall")
    base = httpx.get(at, headers=headers).json()["version"]
    other = {"text": text.replace("# the camera over the door", "# theirs"), "base": base}
    httpx.post(at, headers=headers, json=other).raise_for_status()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was saved meanwhile")).to_contain_text("discard your changes")
    page.get_by_role("button", name=say("setup.discard", "en")).click()
    expect(page.get_by_text("# theirs")).to_be_visible()
    assert "# mine" not in httpx.get(at, headers=headers).json()["text"]


def test_what_is_drawn_stays_over_pages_and_what_others_save(branch: Branch, page: Page) -> None:
    """Nothing is saved without it; a click after another's version goes to it, and that one's change is kept."""
    at = f"{branch.hub.api}/api/v1/branches/hall/configuration"
    headers = branch.hub.token("manager", "hall")
    page.goto(f"{branch.pages}/setup?branch=hall&lang=en")
    page.get_by_role("combobox", name=say("setup.what", "en")).click()
    page.get_by_role("option", name=say("setup.new_zone", "en")).click()
    pad = page.get_by_role("application", name="Floor plan of Hall")
    for number, place in enumerate([(0.2, 0.2), (0.6, 0.2)], 1):
        click(pad, *place, size=(2.0, 1.0))
        drawn(pad, number)
    page.get_by_label("Id (a-z").fill("desk")
    expect(page.get_by_text(say("setup.in_hand", "en", what="A new zone"))).to_be_visible()
    page.get_by_label("Name in English").fill("Front desk")
    page.get_by_label("Name in English").press("Tab")
    page.get_by_role("link", name="Quality").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(say("page.quality", "en"))
    page.get_by_role("link", name=say("page.setup", "en")).click()
    expect(page.get_by_label("Name in English")).to_have_value("Front desk")
    expect(page.get_by_label("Id (a-z")).to_have_value("desk")
    drawn(pad, 2)
    now = httpx.get(at, headers=headers).json()
    other = {"text": now["text"].replace("# the camera over the door", "# theirs"), "base": now["version"]}
    httpx.post(at, headers=headers, json=other).raise_for_status()
    click(pad, 0.6, 0.8, size=(2.0, 1.0))
    drawn(pad, 3)
    expect(page.get_by_text(say("setup.followed", "en", version=2))).to_be_visible()
    publish = page.get_by_role("button", name=say("setup.publish", "en"))
    expect(publish).to_be_disabled()
    quiet(page)
    shoot(page, "setup-in-hand-en")
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found] == []
    page.get_by_role("button", name="Put in place").click()
    publish.click()
    expect(page.get_by_text(say("setup.published", "en", version=3))).to_be_visible()
    told = httpx.get(at, headers=headers).json()["text"]
    assert "# theirs" in told
    assert [zone["id"] for zone in tomllib.loads(told)["zone"]] == ["queue", "desk"]


def test_a_picture_from_above_is_asked_for_and_drawn_on(branch: Branch, page: Page) -> None:
    """None yet; asked for, made, under the plan; too soon again is told in the hub's words, in both languages."""
    page.goto(f"{branch.pages}/setup?branch=hall&lang=en")
    draw_on(page, say("setup.on.above", "en"), "en")
    expect(page.get_by_text(say("setup.no_above", "en"))).to_be_visible()
    page.get_by_role("button", name="Ask for a picture").click()
    expect(page.get_by_text(say("setup.asked_offline", "en"))).to_be_visible()
    branch.hello()
    page.get_by_role("button", name="Ask for a picture").click()
    expect(page.get_by_text("The box was asked")).to_be_visible()
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_text("The box has not answered yet.")).to_be_visible()
    asked = httpx.get(
        f"{branch.hub.api}/api/v1/branches/hall/pictures", headers=branch.hub.token("manager", "hall")
    ).json()["items"]
    assert [(each["what"], each["asked"]["state"]) for each in asked if each["asked"]] == [
        ("birdseye", "open")
    ]
    branch.answer("birdseye", "", "image/webp", floor("WEBP"), bounds_m=(0.0, 0.0, 2.0, 1.0))
    page.get_by_role("button", name="Load again").click()
    expect(page.get_by_text(say("setup.no_above", "en"))).to_have_count(0)
    pad = page.get_by_role("application", name="Floor plan of Hall")
    for number, place in enumerate([(0.4, 0.2), (0.4, 0.8), (1.0, 0.5)], 1):
        click(pad, *place, size=(2.0, 1.0))
        shown = drawn(pad, number)
    assert "data:image/webp" in shown
    page.get_by_role("button", name="Ask for a picture").click()
    refused = page.get_by_text("The hub did not ask the box: the picture is")
    expect(refused).to_contain_text("Ask again in")
    shoot(page, "setup-above-en")
    page.goto(f"{branch.pages}/setup?branch=hall&lang=zh")
    draw_on(page, say("setup.on.above", "zh"), "zh")
    page.get_by_role("button", name="请求背景画面").click()
    expect(page.get_by_text("中心未向盒子请求：现有画面才")).to_contain_text("秒后再次请求")
    quiet(page)
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found] == []
    shoot(page, "setup-above-zh")
