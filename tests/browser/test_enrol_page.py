"""The enrolment page in real Chromium against a real hub, broker and a box with a real key."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from boxpeer import BoxPeer
from consentworld import ConsentWorld, consent_world
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from branchloop.keys.box import new_private, sign_box_key
from branchloop.keys.sealing import decode, fingerprint, shown_fingerprint
from hub.api.pages import STATIC, integrity, page as served
from hub.api.state import now_ms
from hub.loop.receipt import verify

MORE_FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"]
MARK = b"Where-this-was-taken"
KEEP_BLOBS = """
window.kept = [];
const toBlob = HTMLCanvasElement.prototype.toBlob;
HTMLCanvasElement.prototype.toBlob = function (done, ...more) {
  return toBlob.call(this, (blob) => {
    blob.arrayBuffer().then((buffer) => {
      let text = ""; for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte);
      window.kept.push(btoa(text));
    });
    done(blob);
  }, ...more);
};
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsentWorld]:
    with consent_world(tmp_path_factory.mktemp("hub")) as made:
        yield made


@pytest.fixture
def kiosk(world: ConsentWorld) -> Iterator[BoxPeer]:
    peer = world.peer()
    yield peer
    peer.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    tab = chromium.new_page(viewport={"width": 420, "height": 900}, locale="en-GB")
    tab.set_default_timeout(15_000)
    tab.add_init_script(KEEP_BLOBS)
    tab.on("pageerror", lambda error: pytest.fail(f"the page's script failed: {error}"))
    yield tab
    tab.close()


def photo(folder: Path, number: int, *, level: int = 128, side: int = 1200, sharp: bool = True) -> Path:
    """A picture with texture and an EXIF note."""
    random = np.random.default_rng(number)
    small = random.integers(0, 255, (side // 20, side // 16, 3)) * level // 128
    image = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8))
    way = Image.Resampling.NEAREST if sharp else Image.Resampling.BICUBIC
    if not sharp:
        image = image.resize((4, 3), Image.Resampling.BOX)
    exif = Image.Exif()
    exif[0x010E] = MARK.decode()
    path = folder / f"photo-{number}.jpg"
    image.resize((side, side * 3 // 4), way).save(path, quality=92, exif=exif)
    assert MARK in path.read_bytes()
    return path


def agree(page: Page, world: ConsentWorld, token: str) -> None:
    page.goto(f"{world.api}/enrol/{token}")
    expect(page.locator("#points")).to_contain_text("90 days")
    assert page.locator("#next").is_disabled()
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Go on to the photos").click()


def test_the_page_seals_what_python_unseals(
    world: ConsentWorld, kiosk: BoxPeer, page: Page, tmp_path: Path
) -> None:
    """The box gets the very JPEG the canvas made: small, without EXIF; then state, withdrawal, receipts by the branch's clock."""
    token = world.invite()
    agree(page, world, token)
    expect(page.locator("#keys code")).to_have_text(shown_fingerprint(fingerprint(kiosk.raw)))
    page.set_input_files("#files", [photo(tmp_path, i) for i in range(3)])
    expect(page.locator("#count")).to_have_text("3 of 3 photos")
    page.get_by_role("button", name="Encrypt and send").click()
    expect(page.locator("#step")).to_contain_text("the kiosk can recognise you")
    made = {base64.b64decode(text) for text in page.evaluate("window.kept")}
    consent = str(world.view(token)["consent"])
    held = kiosk.photos[consent]
    assert set(held.values()) <= made
    for content in held.values():
        image = Image.open(io.BytesIO(content))
        assert (image.format, image.size) == ("JPEG", (640, 480))
        assert len(content) <= 300 * 1024
        assert MARK not in content
    with page.expect_download() as download:
        page.get_by_role("link", name="Receipt of your consent").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    assert verify(text, decode(json.loads(text)["signer"]))["consent"] == consent
    page.goto(page.locator("#link").get_attribute("href") or "")
    page.get_by_role("button", name="Withdraw my consent").click()
    page.get_by_role("button", name="Yes, withdraw").click()
    expect(page.locator("#step")).to_contain_text("Withdrawn")
    expect(page.locator("#step")).to_contain_text("deleted, as the receipt shows")
    expect(page.get_by_role("link", name="Receipt of the deletion")).to_be_visible()
    assert kiosk.templates == {}
    seen = world.view(token)
    *_, last = seen["receipts"]  # type: ignore[misc]
    at = datetime.fromisoformat(last["at"]).astimezone(ZoneInfo("Asia/Shanghai"))
    for holder, day in (
        ("north branch · kiosk-1:", f"{at.day} {MONTHS[at.month - 1]}"),
        ("网点 · kiosk-1:", f"{at.month}月{at.day}日"),
    ):
        expect(page.locator("#holders")).to_contain_text(holder)
        shown = page.locator("#receipts li").last
        expect(shown).to_contain_text(day)
        expect(shown).to_contain_text(f" {at:%H:%M}")
        expect(page.locator("#receipts")).not_to_contain_text(last["at"])
        page.locator("#language").click()


def test_a_tampered_certificate_is_refused_by_the_page(
    world: ConsentWorld, kiosk: BoxPeer, page: Page, tmp_path: Path
) -> None:
    """A hub that puts a key of its own in place of the box's gets no photo."""
    token = world.invite()
    posted: list[str] = []
    thief = new_private()

    def swap(route: Route) -> None:
        if route.request.method == "POST":
            posted.append(route.request.url)
        answer = route.fetch()
        told = answer.json()
        for each in told.get("kiosks", []):
            forged = sign_box_key(thief, "north", each["device"], kiosk.raw, now_ms() + 60_000)
            each["certificate"] = json.loads(forged.to_json())
        route.fulfill(response=answer, json=told)

    page.route("**/api/v1/enrolments/**", swap)
    agree(page, world, token)
    expect(page.locator("#said")).to_contain_text("not signed by the bank")
    page.set_input_files("#files", [photo(tmp_path, i) for i in range(3)])
    expect(page.locator("#send")).to_be_disabled()
    assert posted == []


def test_poor_photos_are_named_before_anything_is_sent(
    world: ConsentWorld, kiosk: BoxPeer, page: Page, tmp_path: Path
) -> None:
    """Too small, too dark, blurred, and no photo at all: one sentence each; in both languages."""
    agree(page, world, world.invite())
    said = page.locator("#said")
    page.set_input_files("#files", photo(tmp_path, 1, side=160))
    expect(said).to_contain_text("too small")
    page.set_input_files("#files", photo(tmp_path, 2, level=16))
    expect(said).to_contain_text("too dark")
    page.set_input_files("#files", photo(tmp_path, 3, sharp=False))
    expect(said).to_contain_text("blurred")
    (tmp_path / "text.jpg").write_bytes(b"\xff\xd8 no picture")
    page.set_input_files("#files", tmp_path / "text.jpg")
    expect(said).to_contain_text("no photo that can be read")
    page.locator("#language").click()
    expect(said).to_contain_text("无法读取该文件")
    expect(page.locator("#count")).to_have_text("已有 0 / 3 张")


def test_the_camera_takes_photos_too(world: ConsentWorld, kiosk: BoxPeer, page: Page) -> None:
    """Three presses make three photos, which the box gets."""
    token = world.invite()
    agree(page, world, token)
    page.get_by_role("button", name="Use the camera").click()
    for number in range(1, 4):
        page.get_by_role("button", name="Take a photo").click()
        expect(page.locator("#count")).to_have_text(f"{number} of 3 photos")
    page.get_by_role("button", name="Encrypt and send").click()
    expect(page.locator("#step")).to_contain_text("the kiosk can recognise you")


def test_a_minor_goes_on_only_with_a_guardian(world: ConsentWorld, kiosk: BoxPeer, page: Page) -> None:
    """The part for the guardian appears, and holds the way until it is filled in."""
    page.goto(f"{world.api}/enrol/{world.invite()}")
    page.get_by_label("I have read this").check()
    page.get_by_label("The customer is under 14").check()
    go_on = page.get_by_role("button", name="Go on to the photos")
    expect(go_on).to_be_disabled()
    page.get_by_label("Name of the parent or guardian").fill("王五")
    page.get_by_label("I am the parent or guardian").check()
    expect(go_on).to_be_enabled()


def test_the_pages_are_accessible_and_pinned(world: ConsentWorld, kiosk: BoxPeer, page: Page) -> None:
    """Axe finds nothing in consent, photos and state; scripts load only by their digest and from here."""
    answer = page.goto(f"{world.api}/enrol/{world.invite()}")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for name in ("enrol.js", "enrol.css"):
        assert integrity((STATIC / name).read_bytes()) in served("enrol").decode()
    expect(page.locator("#points")).to_be_visible()
    faults(page)
    page.get_by_label("I have read this").check()
    page.get_by_role("button", name="Go on to the photos").click()
    expect(page.locator("#keys code")).to_be_visible()
    faults(page)
    page.goto(f"{world.api}/consent/unknown")
    expect(page.locator("#said")).to_contain_text("not known or has expired")
    faults(page)


def faults(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [(fault["id"], [node["html"][:120] for node in fault["nodes"]]) for fault in found] == []
