"""A kiosk as it is: its own process, a camera of pixels, a real hub and broker, a customer's browser.

The customer is a rendered animation of one public-domain portrait: nothing here is measured on people.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from brokers import until
from consentworld import SITE, ConsentWorld, consent_world
from playwright.sync_api import Browser, Page, expect
from written import written

from branchloop.codes import qr_text
from branchloop.credentials import username
from branchloop.keys.box import sign_box_key
from branchloop.keys.sealing import decode, encode, raw_public
from branchloop.processes import free_port
from branchloop.wire.arrivals import BoxCertificate
from edge.checkin.vault import Vault, template_key
from edge.crowding import CROWDING
from hub.api.state import now_ms
from hub.broker.passwords import ensure_password

ROOT = Path(__file__).parents[2]
VIDEO = ROOT / "sample_video"
NAME = "Wanda Findable"


@dataclass
class KioskWorld:
    """One kiosk beside a hub; `customer` stands before its camera."""

    hub: ConsentWorld
    folder: Path
    config: Path
    url: str
    camera_port: int
    process: subprocess.Popen[bytes] | None = None
    customer: subprocess.Popen[bytes] | None = None
    held: tuple[str, ...] = ()

    @property
    def data(self) -> Path:
        return self.folder / "box" / "kiosk-1"

    def start(self) -> None:
        command = [sys.executable, "-m", "edge.main", "kiosk", str(self.config), "kiosk-1"]
        with (self.folder / "kiosk.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self.answers, "the kiosk's page answers", 40)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/about.json").status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stand(self, qr: str, *ways: str) -> None:
        """A customer before the camera, who holds up this code whenever asked, or as `ways` say; stays who is there with the same."""
        ways = ways or ("--hold-after", "0", "--hold-again")
        if self.customer is not None and self.customer.poll() is None and self.held == (qr, *ways):
            return
        self.held = (qr, *ways)
        self.leave()
        (self.folder / "qr.txt").write_text(qr, encoding="utf-8")
        self.customer = subprocess.Popen(
            [
                sys.executable, "-m", "edge.checkin.actor", "--clip", str(VIDEO / "kiosk.mp4"), "--segments",
                str(VIDEO / "kiosk.toml"), "--page", self.url, "--port", str(self.camera_port), "--qr",
                str(self.folder / "qr.txt"), *ways,
            ]
        )  # fmt: skip
        until(lambda: self.view()["camera"], "the kiosk sees its camera", 40)

    def leave(self) -> None:
        if self.customer is not None:
            self.customer.terminate()
            self.customer.wait(10)

    def view(self) -> dict[str, Any]:
        with httpx.stream("GET", f"{self.url}/api/events", timeout=10) as events:
            for line in events.iter_lines():
                if line.startswith("data: "):
                    seen: dict[str, Any] = json.loads(line[6:])
                    return seen
        raise AssertionError("the kiosk tells nothing")

    def peer(self) -> SimpleNamespace:
        """The kiosk as a customer's browser sees it."""
        text = (self.data / "box.certificate.json").read_text(encoding="utf-8")
        raw = decode(BoxCertificate.model_validate_json(text).public)
        return SimpleNamespace(raw=raw, site="north", device="kiosk-1")

    def knows(self, appointment: str) -> None:
        """The gallery with this appointment has come."""
        version = "SELECT version FROM book_change WHERE site='north'"
        assert self.hub.ask(version)
        until(lambda: appointment in self.day(), f"the kiosk knows of {appointment}", 20)

    def day(self) -> str:
        vault = Vault(self.data, template_key(self.data, None))
        try:
            return vault.kept_day() or ""
        finally:
            vault.close()


@pytest.fixture(scope="module")
def kiosk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KioskWorld]:
    folder = tmp_path_factory.mktemp("kiosk")
    with consent_world(folder / "hub") as hub:
        port, camera_port = free_port(), free_port()
        credential = hub.config.credentials_dir.resolve() / "north--kiosk-1"
        ensure_password(hub.config.credentials_dir, username("north", "kiosk-1"))
        site = SITE.format(
            id="north",
            more=f'listen = "127.0.0.1:{port}"\nrecognise = "identify"\nlanguage = "en"\n'
            f'root_public = "{encode(raw_public(hub.root.public_key()))}"\n'
            f'broker_credential_file = "{credential}"\n',
        ).replace('"usb:0"', f'"http://127.0.0.1:{camera_port}/"')
        config = folder / "north.toml"
        config.write_text(
            f'{site}\n[box]\nid = "box-1"\nbroker = "mqtt://127.0.0.1:{hub.broker.port}"\ndata_dir = "box"\n'
            'credential_env = "UNUSED"\n',
            encoding="utf-8",
        )
        made = KioskWorld(hub, folder, config, f"http://127.0.0.1:{port}", camera_port)
        sign(made)
        made.start()
        try:
            yield made
        finally:
            made.leave()
            if made.process is not None:
                made.process.terminate()
                made.process.wait(20)


def sign(world: KioskWorld) -> None:
    """The ceremony, by the commands that a bank uses."""
    command = [sys.executable, "-m", "edge.main", "kiosk-key", str(world.config), "kiosk-1", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    request = json.loads(Path(json.loads(told.splitlines()[-1])["request"]).read_text(encoding="utf-8"))
    raw = decode(request["public"])
    certificate = sign_box_key(world.hub.root, "north", "kiosk-1", raw, now_ms() + 3_600_000)
    signed = world.folder / "signed.json"
    signed.write_text(certificate.to_json(), encoding="utf-8")
    subprocess.run([*command, "--certificate", str(signed)], capture_output=True, check=True)


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    tab = chromium.new_page(viewport={"width": 1280, "height": 800}, locale="en-GB")
    tab.set_default_timeout(20_000)
    yield tab
    tab.close()


def by_face(page: Page, kiosk: KioskWorld) -> str:
    """Touch the door and wait for what comes of it; a challenge that failed once may be tried again."""
    page.goto(kiosk.url)
    page.locator("#door-face-large").click()
    ended = ", ".join(f'body[data-stage="{stage}"]' for stage in ("confirm", "refused", "staff"))
    page.locator(ended).wait_for(timeout=40_000)
    return str(page.evaluate("document.body.dataset.stage"))


def test_a_qr_code_before_the_camera_becomes_a_ticket(page: Page, kiosk: KioskWorld) -> None:
    """Pixels in, ticket on the page, arrival at the hub; the same code again shows the same ticket."""
    kiosk.hub.book_now("a-qr", "c-qr", "王小明")
    kiosk.knows("a-qr")
    kiosk.stand(qr_text("north", kiosk.hub.code("a-qr")))
    page.goto(kiosk.url)
    expect(page.locator("#crowding")).to_have_text("In branch now: not measured")
    page.locator("#door-code-large").click()
    number = page.locator("#number").inner_text()
    assert number.startswith("A")
    assert "王小明" not in page.content()
    until(lambda: kiosk.hub.kept("a-qr").state == "arrived", "the hub knows of the arrival")
    assert (kiosk.hub.kept("a-qr").number, kiosk.hub.kept("a-qr").method) == (number, "code")
    page.locator("#back").click()
    page.locator("#door-code-large").click()
    expect(page.locator("#number")).to_have_text(number)
    expect(page.locator("#main")).to_contain_text("You have checked in already")


def test_a_face_that_consented_becomes_a_ticket_until_it_withdraws(page: Page, kiosk: KioskWorld) -> None:
    """Sealed photos in, template on the box alone, challenge, confirmation, ticket; then nothing is left."""
    kiosk.hub.book_now("a-face", "c-face", NAME)
    kiosk.stand("")
    token = kiosk.hub.invite("a-face")
    photos = [path.read_bytes() for path in sorted(VIDEO.glob("kiosk-*.jpg"))]
    seen: Any = kiosk.peer()
    answer = kiosk.hub.enrol(token, seen, photos)
    assert answer.status_code == 200, answer.text
    consent = str(kiosk.hub.reaches(token, "enrolled")["consent"])
    until(lambda: f'"consent":"{consent}"' in kiosk.day(), "the kiosk may recognise", 20)
    stage = by_face(page, kiosk)
    assert stage == "confirm", page.locator("#main").inner_text()
    expect(page.locator("#who")).to_contain_text("W***")
    page.locator("#yes").click()
    number = page.locator("#number").inner_text()
    until(lambda: kiosk.hub.kept("a-face").number == number, "the hub knows of the arrival")
    assert kiosk.hub.kept("a-face").method == "face"
    vectors = _templates(kiosk)
    assert vectors

    answer = httpx.post(f"{kiosk.hub.api}/api/v1/enrolments/{token}/withdraw", json={})
    assert answer.status_code == 200, answer.text
    kiosk.hub.reaches(token, "withdrawn")
    assert by_face(page, kiosk) == "refused"
    expect(page.locator("#why")).to_contain_text("No harm done")
    _nothing_is_found(kiosk, photos, vectors)


def test_a_poster_s_qr_code_bars_nobody_from_the_keys(page: Page, kiosk: KioskWorld) -> None:
    """Pixels before the camera: refused once, then told beside the keys, where a code is typed in peace."""
    kiosk.hub.book_now("a-keys", "c-keys", "李芳")
    kiosk.knows("a-keys")
    kiosk.stand("https://elsewhere.example/offer")
    page.goto(kiosk.url)
    page.locator("#door-code-large").click()
    page.locator('body[data-stage="refused"]').wait_for()
    for _ in range(2):
        page.locator("#back").click()
        page.locator("#door-code-large").click()
        expect(page.locator("#why")).to_contain_text("not the QR code of an appointment")
        expect(page.locator("body")).to_have_attribute("data-stage", "code")
    page.locator("#typed").press_sequentially(kiosk.hub.code("a-keys"), delay=60)
    page.locator("#enter").click()
    expect(page.locator("#number")).to_be_visible()
    page.locator("#back").click()
    kiosk.stand("")


def test_whoever_types_is_let_type_and_the_demo_s_customer_holds_up_a_code_once(
    page: Page, kiosk: KioskWorld
) -> None:
    """However slowly, on the glass or a keyboard: the ticket is of the code that was typed."""
    for name in ("typed", "held"):
        kiosk.hub.book_now(f"a-{name}", f"c-{name}", "李芳")
        kiosk.knows(f"a-{name}")
    kiosk.stand(qr_text("north", kiosk.hub.code("a-held")), "--hold-after", "2")
    page.goto(kiosk.url)
    code, stage = kiosk.hub.code("a-typed"), page.locator("body")
    for keyboard in (False, True):
        page.locator("#door-code-large").click()
        for at, letter in enumerate(code):
            if keyboard:
                page.locator("#typed").press_sequentially(letter)
            elif letter != "-":
                page.locator(".keys").get_by_text(letter, exact=True).click()
            page.wait_for_timeout(3_000 if at == 1 else 50)
        expect(stage).to_have_attribute("data-stage", "code")
        page.locator("#enter").click()
        expect(page.locator("#number")).to_be_visible()
        typed = page.locator("#number").inner_text()
        page.locator("#back").click()
    page.locator("#door-code-large").click()
    expect(page.locator("#number")).not_to_have_text(typed, timeout=20_000)
    until(lambda: kiosk.hub.kept("a-held").state == "arrived", "its own code was read")
    page.locator("#back").click()
    page.locator("#door-code-large").click()
    page.wait_for_timeout(3_500)
    expect(stage).to_have_attribute("data-stage", "code")
    page.locator("#back").click()
    kiosk.stand("")


def test_without_the_hub_a_ticket_is_provisional_and_settles_once(page: Page, kiosk: KioskWorld) -> None:
    """Ingest and broker gone, the kiosk killed and started again: the ticket still counts, once."""
    kiosk.hub.book_now("a-dead", "c-dead", "李芳")
    kiosk.knows("a-dead")
    code = kiosk.hub.code("a-dead")
    kiosk.hub.stop_ingest()
    kiosk.hub.broker.kill()
    until(lambda: not kiosk.view()["hub"], "the kiosk notices", 30)
    kiosk.kill()
    kiosk.start()
    page.goto(kiosk.url)
    page.locator("#door-code-large").click()
    page.locator("#typed").fill(code)
    page.locator("#enter").click()
    expect(page.locator("#provisional")).to_be_visible()
    expect(page.locator("#note")).to_contain_text("link to the hub is down")
    assert not Axe().run(page).response["violations"]
    number = page.locator("#number").inner_text()
    kiosk.kill()
    kiosk.start()
    kiosk.hub.broker.start()
    kiosk.hub.start_ingest()
    until(lambda: kiosk.hub.kept("a-dead").number == number, "the ticket is settled", 60)
    assert kiosk.hub.ask("SELECT count(*), max(provisional) FROM ticket WHERE appointment='a-dead'") == [
        (1, 1)
    ]


def test_without_an_appointment_a_ticket_is_taken_with_and_without_the_hub(
    page: Page, kiosk: KioskWorld
) -> None:
    """One touch for the service; the wait is the hub's, with its range. Cut off and killed twice: once, later."""
    kiosk.hub.book_now("a-before", "c-before", "李芳")
    kiosk.knows("a-before")
    kiosk.stand("")
    until(lambda: '"wait_low_s"' in kiosk.day(), "the hub's forecast has come", 20)
    page.goto(kiosk.url)
    page.locator("#door-walk_in-large").click()
    expect(page.locator("#service-desk")).to_be_visible()
    assert not Axe().run(page).response["violations"]
    shoot(page, "kiosk-service")
    page.locator("#service-desk").dblclick()
    number = page.locator("#number").inner_text()
    expect(page.locator("#provisional")).to_have_count(0)
    expect(page.locator("#wait")).to_have_text(
        re.compile(r"You will be called in a moment|about \d+ min \(\d+–\d+\)")
    )
    shoot(page, "kiosk-ticket")
    assert not Axe().run(page).response["violations"]
    kept = "SELECT kind, channel, method, service, state, language FROM appointment WHERE number=?"
    until(lambda: kiosk.hub.ask(kept, number) != [], "the hub knows of the ticket")
    assert kiosk.hub.ask(kept, number) == [("walk_in", "kiosk", "kiosk", "desk", "arrived", "en")]
    board = httpx.get(f"{kiosk.hub.api}/api/v1/branches/north/board", headers=kiosk.hub.staff()).json()
    assert [item["kind"] for item in board["items"] if item["number"] == number] == ["walk_in"]

    kiosk.hub.stop_ingest()
    kiosk.hub.broker.kill()
    until(lambda: not kiosk.view()["hub"], "the kiosk notices", 30)
    page.locator("#back").click()
    page.locator("#door-walk_in-large").click()
    page.locator("#service-loan").click()
    expect(page.locator("#provisional")).to_be_visible()
    later = page.locator("#number").inner_text()
    assert int(later[1:]) > int(number[1:])
    kiosk.kill()
    kiosk.start()
    page.goto(kiosk.url)
    page.locator("#door-walk_in-large").click()
    page.locator("#service-loan").click()
    third = page.locator("#number").inner_text()
    assert int(third[1:]) == int(later[1:]) + 1
    kiosk.hub.broker.start()
    kiosk.hub.start_ingest()
    until(lambda: kiosk.hub.ask(kept, third) != [], "the tickets are settled", 60)
    both = "SELECT number, provisional FROM ticket WHERE number IN (?,?) ORDER BY number"
    assert kiosk.hub.ask(both, later, third) == [(later, 1), (third, 1)]


@pytest.mark.parametrize(
    ("told", "en", "zh"),
    [
        ({"called": True, "counter": {"en": "7", "zh": "7"}}, "You are called: please go to counter 7.", "已叫到您的号，请到 7 号柜台办理。"),
        ({"called": True, "counter": {"en": "Window 1", "zh": "1 号窗口"}}, "You are called: please go to Window 1.", "已叫到您的号，请到 1 号窗口 办理。"),
        ({"called": True}, "You are called: please go to your counter.", "已叫到您的号，请前往柜台办理。"),
        ({"ahead": 0, "wait_s": 0, "low_s": 0, "high_s": 0}, "You are next.", "下一位就是您。"),
        (
            {"ahead": 2, "wait_s": 600, "low_s": 240, "high_s": 900},
            "Before you: 2. Expected wait: about 10 min (4–15)", "您前面还有 2 位。 预计等候约 10 分钟（4–15）",
        ),
        ({}, "Your number is called when it is your turn.", "轮到您时将叫号，请留意。"),
        ({"ahead": 1, "wait_s": 0, "low_s": 0, "high_s": 9}, "Before you: 1. You will be called in a moment.", "您前面还有 1 位。 即将为您办理。"),
        ({"again": False, "wait_s": 0, "low_s": 0, "high_s": 9}, "You will be called in a moment.", "即将为您办理。"),
    ],
)  # fmt: skip
def test_a_ticket_says_what_holds_of_its_customer(
    page: Page, kiosk: KioskWorld, told: dict[str, Any], en: str, zh: str
) -> None:
    """Who asks again never reads the wait of who comes now; that nobody is ahead, only who the hub says it of. In both languages."""
    held = {
        "number": "A007", "name": "王*", "title": None, "at": "10:00", "service": {"en": "Desk", "zh": "柜台"},
        "wait_s": None, "low_s": None, "high_s": None, "walk_in": False, "provisional": False, "again": True,
        "may_enrol": False, "called": False, "counter": None, "ahead": None, **told,
    }  # fmt: skip
    view = {**kiosk.view(), "stage": "ticket", "ticket": held}
    page.route(
        "**/api/events",
        lambda route: route.fulfill(content_type="text/event-stream", body=f"data: {json.dumps(view)}\n\n"),
    )
    page.goto(kiosk.url)
    expect(page.locator("#wait")).to_have_text(en)
    already = page.locator("#main").get_by_text("You have checked in already")
    expect(already).to_have_count(1 if held["again"] else 0)
    page.locator("#language").click()
    expect(page.locator("#wait")).to_have_text(zh)


def shoot(page: Page, name: str) -> None:
    """Keep a picture to look at, where SHOTS names a folder."""
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png")


def test_consent_and_enrolment_at_the_kiosk(page: Page, kiosk: KioskWorld) -> None:
    """After the code: the text, the challenge, a template; the hub keeps the consent and a receipt."""
    kiosk.hub.book_now("a-here", "c-here", "Ida Here")
    kiosk.knows("a-here")
    kiosk.stand("")
    page.goto(kiosk.url)
    page.locator("#door-code-large").click()
    page.locator("#typed").fill(kiosk.hub.code("a-here"))
    page.locator("#enter").click()
    page.locator("#enrol").click()
    expect(page.locator("#main")).to_contain_text("nothing else")
    assert not Axe().run(page).response["violations"]
    page.locator("#agree").click()
    page.locator('body[data-stage="enrolled"]').wait_for(timeout=90_000)
    until(
        lambda: kiosk.hub.ask("SELECT channel, state FROM consent WHERE customer='c-here'") == [("kiosk", "given")],
        "the hub keeps the consent",
    )  # fmt: skip
    consent = str(kiosk.hub.ask("SELECT id FROM consent WHERE customer='c-here'")[0][0])
    until(lambda: f'"consent":"{consent}"' in kiosk.day(), "the kiosk may recognise", 20)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_stage_is_accessible(page: Page, kiosk: KioskWorld, language: str) -> None:
    """Idle, code, refused and staff: no violation, keyboard alone is enough, both languages."""
    kiosk.hub.book_now(f"a-{language}", f"c-{language}", "李芳")
    page.goto(kiosk.url)
    page.locator("#door-code-large").wait_for()
    if language == "zh":
        page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))
    assert not Axe().run(page).response["violations"]
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    shoot(page, f"kiosk-idle-{language}")
    page.locator("#door-code-large").focus()
    page.keyboard.press("Enter")
    page.locator("#typed").wait_for()
    assert not Axe().run(page).response["violations"]
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.keyboard.type("0000")
    for _ in range(2):  # drawn anew, as by whatever else changes meanwhile
        page.locator("#language").click()
        expect(page.locator("#typed")).to_have_value("0000")
    page.locator("#typed").focus()
    page.keyboard.type("-0000")
    page.keyboard.press("Enter")
    page.locator('body[data-stage="refused"]').wait_for()
    assert not Axe().run(page).response["violations"]
    page.locator("#staff").click()
    page.locator('body[data-stage="staff"]').wait_for()
    assert not Axe().run(page).response["violations"]
    page.locator("#back").click()


HEARD = """people => new Promise(done => {
  const events = new EventSource("/api/events");
  events.onmessage = (event) => {
    if (JSON.parse(event.data).crowding?.people !== people) return;
    events.close();
    setTimeout(done, 200);
  };
})"""


@pytest.mark.parametrize("by", ["keyboard", "finger"])
def test_a_door_opens_although_the_page_is_drawn_anew_meanwhile(
    page: Page, kiosk: KioskWorld, by: str
) -> None:
    """The box counts somebody while a hand goes to Enter, or a finger is on the glass."""
    page.goto(kiosk.url)
    door, people = page.locator("#door-code-large"), {"keyboard": 7, "finger": 8}[by]
    door.focus()
    if by == "finger":
        door.hover()
        page.mouse.down()
    told = {"at_ms": now_ms(), "people": people, "hours": []}
    (kiosk.data.parent / CROWDING).write_text(json.dumps(told), encoding="utf-8")
    page.evaluate(HEARD, people)
    if by == "finger":
        page.mouse.up()
    else:
        expect(page.locator("#crowding")).to_have_text(f"In branch now: {people} people")
        page.keyboard.press("Enter")
    page.locator("#typed").wait_for()
    (kiosk.data.parent / CROWDING).unlink()
    page.locator("#back").click()


def test_only_its_own_page_may_act(kiosk: KioskWorld) -> None:
    url = f"{kiosk.url}/api/act"
    act = {"what": "choose", "value": "code"}
    assert httpx.post(url, json=act).status_code == 403
    assert (
        httpx.post(url, json=act, headers={"X-Branchloop": "kiosk", "Host": "evil.example"}).status_code
        == 400
    )
    own = {"X-Branchloop": "kiosk"}
    for body in (
        b"",
        b"[]",
        b'"x"',
        b"{}",
        b'{"what": "choose", "value": "gold"}',
        b'{"what": "rm"}',
        b"x" * 2_000,
    ):
        answer = httpx.post(url, content=body, headers=own)
        assert answer.status_code == 422, body
        assert answer.json()["detail"]


def test_a_kiosk_that_is_stopped_ends_what_its_page_listens_to(kiosk: KioskWorld) -> None:
    """With a page that listens: at once, and without a word of trouble in its log."""
    log, process = kiosk.folder / "kiosk.log", kiosk.process
    assert process is not None
    before = len(log.read_bytes())
    with httpx.stream("GET", f"{kiosk.url}/api/events", timeout=20) as events:
        lines = events.iter_lines()
        assert next(lines).startswith("data: ")
        process.terminate()
        for _ in lines:
            pass
    assert process.wait(20) == 0
    assert "Traceback" not in log.read_bytes()[before:].decode()
    kiosk.start()


def _templates(kiosk: KioskWorld) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    vault = Vault(kiosk.data, template_key(kiosk.data, None))
    try:
        return [each.vector for each in vault.templates(now_ms())]
    finally:
        vault.close()


def _nothing_is_found(kiosk: KioskWorld, photos: list[bytes], vectors: list[Any]) -> None:
    """Byte search over everything that hub, broker and kiosk wrote: pictures, templates, clear names."""
    needles = [NAME.encode(), *(photo[200:260] for photo in photos)]
    needles += [base64.b64encode(photo[201:261]) for photo in photos]
    for vector in vectors:
        for form in (np.float16, np.float32):
            raw = vector.astype(form).tobytes()
            needles += [raw[:48], base64.b64encode(raw)[:48]]
    files = written(kiosk.folder)
    assert {"hub.db", "audit.db", "keys.db", "kiosk.db", "outbox.db", "kiosk.log"} <= {f.name for f in files}
    for file, content in files.items():
        found = [needle for needle in needles if needle in content]
        assert not found, file
