"""The Set-up page over a real hub: what is in hand while somebody else works at the same branch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import streamlit as st
from hubworld import World, world
from streamlit.testing.v1 import AppTest

from branchloop.clock import to_ms
from branchloop.site.content import content_hash
from branchloop.site.site import config_hash
from branchloop.text import refusals
from branchloop.text.catalogue import say
from branchloop.wire.commands import Reply
from branchloop.wire.status import Status
from dashboard.client import Hub, Unreachable
from dashboard.setup.draft import Marks, Shape
from dashboard.setup.work import Work, anew
from dashboard.views import setup
from hub.api.state import now_ms
from hub.ingest.apply import Applier
from hub.store.branches.pictures import Pictures
from hub.store.commands import Commands
from hub.store.connection import opened as opened_db

CAMERA = """
[[camera]]
id = "hall"
name = { en = "Hall", zh = "大厅" }
source = "rtsp://127.0.0.1/hall"
[camera.calibration]
picture_px = [80, 60]
points = [[0, 0, 0, 0], [80, 0, 2, 0], [80, 60, 2, 1], [0, 60, 0, 1]]
"""


TRIANGLE = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))


def setup_page() -> None:
    """As the app runs it."""
    from dashboard.views import setup

    setup.page()


BOX = """
[box]
id = "box-1"
broker = "mqtt://127.0.0.1:1883"
data_dir = "box"
credential_env = "BOX"
"""


@contextmanager
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: str = "") -> Iterator[World]:
    with world(tmp_path, parts=parts) as running:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{running.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        yield running
        st.cache_resource.clear()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with shown(tmp_path, monkeypatch) as running:
        yield running


@pytest.fixture
def boxed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The hall with a box and a camera."""
    with shown(tmp_path, monkeypatch, BOX + CAMERA) as running:
        yield running


def opened(hub: World, branch: str) -> AppTest:
    """The page of a head office that looks at the branch's text."""
    page = AppTest.from_function(setup_page, default_timeout=60)
    page.session_state["token"] = hub.token("head_office")["Authorization"].split()[1]
    page.query_params["branch"] = branch
    page.run()
    page.button_group[0].set_value("text").run()
    assert not page.exception
    return page


def stored(hub: World, branch: str) -> dict[str, Any]:
    headers = hub.token("manager", branch)
    found: dict[str, Any] = httpx.get(
        f"{hub.api}/api/v1/branches/{branch}/configuration", headers=headers
    ).json()
    return found


def published(hub: World, branch: str, width_m: float) -> None:
    """Another manager publishes the branch with another width."""
    now = stored(hub, branch)
    wide = tomllib.loads(now["text"])["plan"]["width_m"]
    text = now["text"].replace(f"width_m = {wide}", f"width_m = {width_m}")
    body = {"text": text, "base": now["version"], "note": "", "publish": True}
    headers = hub.token("manager", branch)
    httpx.post(
        f"{hub.api}/api/v1/branches/{branch}/configuration", headers=headers, json=body
    ).raise_for_status()


def draw(work: Work, key: str, shape: Shape) -> None:
    """As clicks on the plan do."""
    work.shapes[key], work.serial = shape, anew()


def field(page: AppTest, key: str) -> Any:
    (found,) = (each for each in page.text_input if each.label == say(key, "zh"))
    return found


def button(page: AppTest, key: str) -> Any:
    (found,) = (each for each in page.button if each.label == say(key, "zh"))
    return found


def choose(page: AppTest, shape: str) -> None:
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value(shape).run()


def test_a_text_that_was_not_touched_follows_what_another_publishes(hub: World) -> None:
    """However often: what one sees and would save is the newest, not what the field held before."""
    page = opened(hub, "hall")
    for width_m in (3.0, 4.0):
        published(hub, "hall", width_m)
        page.run()
        assert tomllib.loads(page.text_area[0].value)["plan"]["width_m"] == width_m
        (save,) = (button for button in page.button if button.label == say("setup.publish", "zh"))
        assert save.disabled, "nothing was changed"


def test_what_was_typed_and_saved_goes_on_from_what_another_publishes(hub: World) -> None:
    """One saves a text and leaves it open; another publishes: the second save is not of the first text."""
    page = opened(hub, "hall")
    page.text_area[0].set_value(page.text_area[0].value.replace("width_m = 2.0", "width_m = 2.5")).run()
    (save,) = (button for button in page.button if button.label == say("setup.publish", "zh"))
    save.click().run()
    assert tomllib.loads(stored(hub, "hall")["text"])["plan"]["width_m"] == 2.5
    published(hub, "hall", 4.0)
    page.run()
    assert tomllib.loads(page.text_area[0].value)["plan"]["width_m"] == 4.0


@pytest.mark.parametrize(("code", "detail", "words"), [
    ("expired", "hall had no background ready in time", "摄像头 大厅 未及时生成无人画面"),
    ("unreadable", None, say("picture.unreadable", "zh")),
    ("refused", "the lens cap is on", "（暂无中文说明，原文如下）the lens cap is on"),
])  # fmt: skip
def test_why_a_box_makes_no_picture_is_told(hub: World, code: str, detail: str | None, words: str) -> None:
    """In the reader's language, with the cameras' names; what nobody foresaw in the box's words."""
    with opened_db(hub.config.data_dir) as db:
        asked = Pictures(db).ask("hall", "box", "birdseye", "", "mei", now_ms())
        found = Commands(db).find(asked.command)
        assert found is not None
        reply = Reply(id=asked.command, at_ms=now_ms(), ok=False, code=code, detail=detail)
        Pictures(db).answered(found, reply, now_ms())
    page = opened(hub, "hall")
    work = page.session_state["setup-hall"]
    work.text += CAMERA
    page.button_group[0].set_value("plan").run()
    (surface,) = (box for box in page.selectbox if box.label == say("setup.on", "zh"))
    surface.set_value("above").run()
    (reload,) = (button for button in page.button if button.label == say("setup.reload", "zh"))
    reload.click().run()
    assert not page.exception
    assert say("setup.asked.failed", "zh", reason=words) in [each.value for each in page.info]


def heard(hub: World, connect_no: int, *, online: bool, version: int = 1) -> None:
    """The hall's box says which version it runs, or is gone: at 09:30 by the branch's clock."""
    at_ms = to_ms(datetime(2026, 11, 30, 4, 0, tzinfo=UTC))
    known = {each["version"]: each["hash"] for each in stored(hub, "hall")["history"]}
    status = Status(
        online=online, boot="ab" * 8, connect_no=connect_no, at_ms=at_ms, config_version=version,
        config_hash=known.get(version, ""),
    )  # fmt: skip
    Applier(hub.store, hub.config.sites, now_ms).apply(
        "branchloop/1/hall/box-1/status", status.to_json().encode(), at_ms
    )


def test_a_stale_copy_is_not_published_over_what_was_measured(
    boxed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hub and box both have version 1, the box with marks of its own: said in both languages, refused until it is mended."""
    headers = boxed.token("manager", "hall")
    at = f"{boxed.api}/api/v1/branches/hall/configuration"
    own = boxed.config.site_files["hall"]
    stale = own.read_text(encoding="utf-8")
    measured = stale.replace("[80, 60, 2, 1]", "[79, 60, 2, 1]")

    def runs(text: str, version: int, connect_no: int) -> None:
        status = Status(
            online=True, boot="ab" * 8, connect_no=connect_no, at_ms=now_ms(), config_version=version,
            config_hash=config_hash(text), config_content=content_hash(text),
        )  # fmt: skip
        Applier(boxed.store, boxed.config.sites, now_ms).apply(
            "branchloop/1/hall/box-1/status", status.to_json().encode(), now_ms()
        )

    def publish() -> httpx.Response:
        now = stored(boxed, "hall")
        body = {"text": now["text"].replace('"Hall"', '"Big hall"'), "base": now["version"], "publish": True}
        return httpx.post(at, headers=headers, json=body)

    runs(measured, 1, 1)
    assert stored(boxed, "hall")["differs"] == {"version": 1, "next": 2}
    page = opened(boxed, "hall")
    (told,) = (each.value for each in page.error)
    assert told == say("setup.differs", "zh", version=1, next=2)
    english: list[str] = []
    monkeypatch.setattr(setup.st, "error", english.append)
    setup._standing(stored(boxed, "hall"), "en", ZoneInfo("Asia/Kolkata"))
    assert english == [say("setup.differs", "en", version=1, next=2)]
    monkeypatch.undo()
    refused = publish()
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("the box runs another text of version 1 than the hub holds")
    assert "Set version = 2 in the box's branch file" in refused.json()["hint"]
    assert "请在盒子的网点文件中" in refusals.told(
        f"{refused.json()['detail']} {refused.json()['hint']}", "zh"
    )
    assert stored(boxed, "hall")["history"] == []
    carried = measured.replace('id = "hall"', 'id = "hall"\nversion = 2', 1)
    own.write_text(carried, encoding="utf-8")
    runs(carried, 2, 2)
    assert stored(boxed, "hall")["differs"] is None
    answer = publish()
    assert answer.status_code == 201, answer.text
    assert "[79, 60, 2, 1]" in stored(boxed, "hall")["text"]
    assert "Big hall" in stored(boxed, "hall")["text"]


def said(page: AppTest) -> list[str]:
    """What the page tells of the branch's box."""
    assert not page.exception
    told = [each.value for each in (*page.info, *page.success, *page.warning)]
    return [each for each in told if "盒子" in each or "生效" in each]


def test_a_box_that_is_away_takes_nothing_over_soon(boxed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since when it is, and what it does when it is back; what it ran is told of then, and nothing is green."""
    published(boxed, "hall", 3.0)
    page = opened(boxed, "hall")
    assert said(page) == ["尚未收到盒子的任何消息。盒子上线后将切换到版本 2。"]
    heard(boxed, 1, online=True)
    assert said(page.run()) == [say("setup.takes_over", "zh", version=2)]
    heard(boxed, 1, online=False)
    assert said(page.run()) == ["盒子自 11-30 09:30 起离线。盒子上线后将切换到版本 2。"]
    heard(boxed, 2, online=True, version=2)
    assert said(page.run()) == [say("setup.in_force", "zh", version=2)]
    heard(boxed, 2, online=False, version=2)
    assert said(page.run()) == ["盒子自 11-30 09:30 起离线。当时生效的是版本 2。"]
    assert say("setup.state.ran", "zh") in " ".join(block.proto.body for block in page.get("html"))
    english: list[str] = []
    monkeypatch.setattr(setup.st, "warning", english.append)
    setup._standing(stored(boxed, "hall"), "en", ZoneInfo("Asia/Kolkata"))
    published(boxed, "hall", 4.0)
    setup._standing(stored(boxed, "hall"), "en", ZoneInfo("Asia/Kolkata"))
    since = "The box has been offline since 11-30 09:30."
    assert english == [
        f"{since} Version 2 was in force then.",
        f"{since} It takes version 3 over when it is back.",
    ]


def test_a_box_that_is_away_is_asked_for_a_picture_when_it_is_back(boxed: World) -> None:
    """That is all that is promised then, and told again to who looks whether it came."""
    page = opened(boxed, "hall")
    for connect_no, online in enumerate((False, True), 1):
        heard(boxed, connect_no, online=online)
        page.button_group[0].set_value("camera").run()
        button(page, "setup.ask_picture").click().run()
        assert (say("setup.asked_offline", "zh") in said(page)) != online
        assert (say("setup.asked_picture", "zh") in said(page)) == online
        button(page, "setup.reload").click().run()
        assert (say("setup.asked.offline", "zh") in said(page)) != online
        assert (say("setup.asked.open", "zh") in said(page)) == online


@pytest.mark.parametrize("fifth", ["", ", [40, 30, 1, 0.5]"])
def test_four_marks_are_not_told_as_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fifth: str
) -> None:
    """They fit whatever was typed: a warning, and no zero for a residual; a fifth mark is a check."""
    camera = CAMERA.replace("[0, 60, 0, 1]]", f"[0, 60, 0, 1]{fifth}]")
    with shown(tmp_path, monkeypatch, BOX + camera) as hub:
        page = opened(hub, "hall")
        page.button_group[0].set_value("camera").run()
        assert not page.exception
        html = " ".join(block.proto.body for block in page.get("html"))
        assert say("setup.residual", "zh") in html
        warned = say("setup.four_marks", "zh") in [each.value for each in page.warning]
        assert (warned, "0.0 cm" in html, "<td>0.0</td>" in html) == (not fifth, bool(fifth), bool(fifth))


def test_a_new_shape_does_not_take_the_place_of_another(hub: World) -> None:
    """Its id is taken: that is said, and the old one stays."""
    page = opened(hub, "hall")
    page.button_group[0].set_value("plan").run()
    work = page.session_state["setup-hall"]
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value("new-zone").run()
    draw(work, "new-zone", Shape(points=TRIANGLE))
    (named,) = (field for field in page.text_input if field.label == say("setup.id", "zh"))
    named.set_value("queue").run()
    (apply,) = (button for button in page.button if button.label == say("setup.apply", "zh"))
    assert apply.disabled
    assert "该编号已存在" in " ".join(block.proto.body for block in page.get("html"))
    named.set_value("desk").run()
    (apply,) = (button for button in page.button if button.label == say("setup.apply", "zh"))
    assert not apply.disabled
    apply.click().run()
    assert not page.exception
    assert [zone["id"] for zone in tomllib.loads(work.text)["zone"]] == ["queue", "desk"]


def test_a_name_that_was_emptied_is_gone(hub: World) -> None:
    """The key of the file goes, too."""
    page = opened(hub, "hall")
    work = page.session_state["setup-hall"]
    work.text = work.text.replace('id = "queue"', 'id = "queue"\nname = { en = "Queue", zh = "排队区" }')
    page.button_group[0].set_value("plan").run()
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value("zone:queue").run()
    for label in ("setup.name_en", "setup.name_zh"):
        (field,) = (field for field in page.text_input if field.label == say(label, "zh"))
        field.set_value("").run()
    (apply,) = (button for button in page.button if button.label == say("setup.apply", "zh"))
    apply.click().run()
    assert not page.exception
    assert "name" not in tomllib.loads(work.text)["zone"][0]


INLINE = 'zone = [\n  { id = "a", kind = "queue", polygon = [[1.0, 0.1], [1.9, 0.1], [1.9, 0.9]] }\n  # the end\n]\n'


def inline(text: str) -> str:
    """The branch's text with its zones as an inline list."""
    top, _, tables = text.partition("[[line]]")
    return f"{top}{INLINE}[[line]]{tables.partition('[[zone]]')[0]}"


def test_zones_of_an_inline_list_are_drawn_like_others(hub: World) -> None:
    """Changed and removed where they stand; what cannot be added is told with what to do."""
    page = opened(hub, "hall")
    work = page.session_state["setup-hall"]
    work.text = inline(work.text)
    page.button_group[0].set_value("plan").run()
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value("new-zone").run()
    draw(work, "new-zone", Shape(points=TRIANGLE))
    (named,) = (field for field in page.text_input if field.label == say("setup.id", "zh"))
    named.set_value("desk").run()
    assert not page.exception
    assert "请在该项后加逗号" in " ".join(block.proto.body for block in page.get("html"))
    (apply,) = (button for button in page.button if button.label == say("setup.apply", "zh"))
    assert apply.disabled
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value("zone:a").run()
    (field,) = (field for field in page.text_input if field.label == say("setup.name_zh", "zh"))
    field.set_value("排队区").run()
    (apply,) = (button for button in page.button if button.label == say("setup.apply", "zh"))
    apply.click().run()
    assert not page.exception
    assert tomllib.loads(work.text)["zone"][0]["name"] == {"en": "排队区", "zh": "排队区"}
    assert "  # the end\n" in work.text
    (remove,) = (button for button in page.button if button.label == say("setup.remove", "zh"))
    remove.click().run()
    assert not page.exception
    assert tomllib.loads(work.text)["zone"] == []


def test_what_is_hardly_meant_is_told_beside_what_is_right(hub: World) -> None:
    """As check-config notes it, in the language of the page; it can be saved all the same."""
    page = opened(hub, "hall")
    text = page.text_area[0].value
    (unserved,) = (each.value for each in page.warning)
    assert "排队区 'queue' 没有为其服务的区域" in unserved
    over = """
[[zone]]
id = "tellers"
kind = "counter"
polygon = [[0.2, 0.2], [1.5, 0.2], [1.5, 0.8], [0.2, 0.8]]

[[zone]]
id = "seats"
kind = "queue"
polygon = [[0.2, 0.2], [1.5, 0.2], [1.5, 0.8], [0.2, 0.8]]
"""
    page.text_area[0].set_value(f"{text}{over}").run()
    assert not page.exception
    said = [each.value for each in page.warning]
    assert any(
        "'seats'" in each and "'tellers'" in each and "请在两者之间留出间隔" in each for each in said
    ), said
    assert unserved not in said
    assert not next(each for each in page.button if each.label == say("setup.publish", "zh")).disabled
    page.text_area[0].set_value(
        f"{text}{over}".replace("entrance = true", "").replace("counter", "staff")
    ).run()
    assert not page.exception
    said = [each.value for each in page.warning]
    for words in (
        "没有任何计数线设为出入口",
        "员工区 'tellers' 与 'queue' 重叠",
        "'seats' 没有为其服务的区域",
    ):
        assert sum(words in each for each in said) == 1, said


def test_the_page_in_chinese_names_cameras_and_kinds_in_chinese(hub: World) -> None:
    """An id and an English word are no names for who reads Chinese."""
    page = opened(hub, "hall")
    page.session_state["setup-hall"].text += CAMERA
    page.button_group[0].set_value("plan").run()
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value("new-zone").run()
    (kind,) = (box for box in page.selectbox if box.label == say("setup.kind", "zh"))
    assert kind.options == ["出入口", "排队区", "等候区", "柜台", "自助区", "服务台", "员工区", "其他"]
    page.button_group[0].set_value("camera").run()
    (camera,) = (box for box in page.selectbox if box.label == say("setup.camera", "zh"))
    assert (camera.options, camera.value) == (["大厅"], "hall")
    assert not page.exception


def with_a_new_zone(hub: World) -> tuple[AppTest, Work]:
    """The page with three points drawn, and nothing typed yet."""
    page = opened(hub, "hall")
    work = page.session_state["setup-hall"]
    page.button_group[0].set_value("plan").run()
    choose(page, "new-zone")
    draw(work, "new-zone", Shape(points=TRIANGLE))
    page.run()
    return page, work


def test_what_is_in_hand_outlives_what_another_publishes(hub: World) -> None:
    """Typed in the very run that learns of it, too; the text follows, and both changes of one zone are in it."""
    page, work = with_a_new_zone(hub)
    choose(page, "zone:queue")
    field(page, "setup.name_zh").set_value("队").run()
    assert not [each for each in page.info if "他人" in each.value]
    now = stored(hub, "hall")
    text = now["text"].replace('kind = "queue"', 'kind = "waiting"')
    body = {"text": text, "base": now["version"], "note": "", "publish": True}
    headers = hub.token("manager", "hall")
    at = f"{hub.api}/api/v1/branches/hall/configuration"
    httpx.post(at, headers=headers, json=body).raise_for_status()
    field(page, "setup.name_en").set_value("Line").run()
    assert not page.exception
    assert say("setup.followed", "zh", version=2) in [each.value for each in page.info]
    assert (field(page, "setup.name_zh").value, field(page, "setup.name_en").value) == ("队", "Line")
    published(hub, "hall", 3.0)
    button(page, "setup.apply").click().run()
    choose(page, "new-zone")
    assert work.shapes["new-zone"].points == TRIANGLE
    field(page, "setup.id").set_value("desk").run()
    button(page, "setup.apply").click().run()
    assert not page.exception
    assert not [each for each in page.info if "他人" in each.value], "nothing is in hand any longer"
    button(page, "setup.publish").click().run()
    told = tomllib.loads(stored(hub, "hall")["text"])
    assert told["plan"]["width_m"] == 3.0
    assert [(zone["id"], zone["kind"]) for zone in told["zone"]] == [("queue", "waiting"), ("desk", "other")]
    assert told["zone"][0]["name"] == {"zh": "队", "en": "Line"}


def test_what_another_put_in_place_meanwhile_is_not_overwritten(hub: World) -> None:
    """A zone of the same id is refused in the words of any other; who puts in place over another's version is told so once."""
    page, work = with_a_new_zone(hub)
    field(page, "setup.id").set_value("desk").run()
    now = stored(hub, "hall")
    desk = '[[zone]]\nid = "desk"\nkind = "counter"\npolygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.8]]\n'
    body = {"text": f"{now['text']}\n{desk}", "base": now["version"], "note": "", "publish": True}
    at = f"{hub.api}/api/v1/branches/hall/configuration"
    httpx.post(at, headers=hub.token("manager", "hall"), json=body).raise_for_status()
    button(page, "setup.apply").click().run()
    assert not page.exception
    assert say("setup.followed", "zh", version=2) in [each.value for each in page.info]
    assert "desk" in "".join(each.proto.body for each in page.get("html") if "bl-faults" in each.proto.body)
    assert "counter" in work.text
    assert work.shapes["new-zone"].points == TRIANGLE
    field(page, "setup.id").set_value("desk-2").run()
    published(hub, "hall", 3.0)
    button(page, "setup.apply").click().run()
    assert not work.shapes
    assert say("setup.followed", "zh", version=3) in [each.value for each in page.info]
    page.run()
    assert not [each for each in page.info if "他人" in each.value]


def test_what_is_changed_in_the_text_stays_beside_what_is_in_hand(hub: World) -> None:
    """Of the same line: each keeps what the other does not touch. A note is kept over another's version."""
    page = opened(hub, "hall")
    work = page.session_state["setup-hall"]
    page.button_group[0].set_value("plan").run()
    choose(page, "line:door")
    field(page, "setup.name_en").set_value("Main").run()
    field(page, "setup.note").set_value("before noon")
    published(hub, "hall", 3.0)
    page.run()
    assert field(page, "setup.note").value == "before noon"
    page.button_group[0].set_value("text").run()
    page.text_area[0].set_value(work.text.replace("entrance = true", "entrance = false")).run()
    page.button_group[0].set_value("plan").run()
    button(page, "setup.apply").click().run()
    assert not page.exception
    line = tomllib.loads(work.text)["line"][0]
    assert (line["entrance"], line["name"]["en"]) == (False, "Main")


def test_marks_in_hand_outlive_what_another_publishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They and the point of the picture whose place is still to be clicked."""
    own = f'{CAMERA}[box]\nid = "b"\nbroker = "mqtt://127.0.0.1:1"\ndata_dir = "d"\ncredential_file = "p"\n'
    with world(tmp_path, parts=own) as hub:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{hub.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        page = opened(hub, "hall")
        work = page.session_state["setup-hall"]
        page.button_group[0].set_value("camera").run()
        placed = Marks((*work.marks.get("hall", Marks()).points, (40.0, 30.0, 1.0, 0.5)), (20.0, 20.0))
        work.marks["hall"], work.serial = placed, anew()
        page.run()
        published(hub, "hall", 3.0)
        page.run()
        assert not page.exception
        assert work.base == 2
        assert work.marks == {"hall": placed}
        said = [each.value for each in page.warning]
        marks = say("setup.marks_of", "zh", camera="大厅")
        assert say("setup.in_hand", "zh", what=marks) in said
        page.button_group[0].set_value("plan").run()
        page.button_group[0].set_value("camera").run()
        assert work.marks == {"hall": placed}
        button(page, "setup.undo").click().run()
        assert work.marks == {}
        assert not [each.value for each in page.warning if marks in each.value]
        st.cache_resource.clear()


def test_nothing_is_saved_beside_what_is_not_in_place(hub: World) -> None:
    """It is named beside the buttons; put in place or undone, all can be saved, and rolled back when nothing is left."""
    published(hub, "hall", 2.5)
    published(hub, "hall", 3.0)
    page = opened(hub, "hall")
    assert not button(page, "setup.do_rollback").disabled
    page.text_area[0].set_value(f"{page.text_area[0].value}\n# mine\n").run()
    assert button(page, "setup.do_rollback").disabled
    assert not button(page, "setup.publish").disabled
    page.button_group[0].set_value("plan").run()
    choose(page, "zone:queue")
    field(page, "setup.name_zh").set_value("队").run()
    assert say("setup.in_hand", "zh", what="区域 queue") in [each.value for each in page.warning]
    assert button(page, "setup.publish").disabled
    assert button(page, "setup.save").disabled
    button(page, "setup.undo").click().run()
    assert field(page, "setup.name_zh").value == ""
    assert not button(page, "setup.publish").disabled
    field(page, "setup.name_zh").set_value("队").run()
    button(page, "setup.apply").click().run()
    button(page, "setup.publish").click().run()
    told = tomllib.loads(stored(hub, "hall")["text"])
    assert told["zone"][0]["name"]["zh"] == "队"


def test_what_is_typed_is_there_again_from_another_part(hub: World) -> None:
    """Every field of a line and of a zone, beside its points; each shape has its own."""
    page = opened(hub, "hall")
    page.button_group[0].set_value("plan").run()
    work = page.session_state["setup-hall"]
    choose(page, "new-zone")
    draw(work, "new-zone", Shape(points=TRIANGLE))
    field(page, "setup.id").set_value("desk").run()
    (kind,) = (box for box in page.selectbox if box.label == say("setup.kind", "zh"))
    kind.set_value("desk").run()
    page.number_input[0].set_value(4.5).run()
    choose(page, "new-line")
    field(page, "setup.id").set_value("back").run()
    page.checkbox[0].check().run()
    page.button_group[0].set_value("text").run()
    page.button_group[0].set_value("plan").run()
    assert (field(page, "setup.id").value, page.checkbox[0].value) == ("back", True)
    choose(page, "new-zone")
    (kind,) = (box for box in page.selectbox if box.label == say("setup.kind", "zh"))
    assert (field(page, "setup.id").value, kind.value, page.number_input[0].value) == ("desk", "desk", 4.5)
    assert work.shapes["new-zone"].points == TRIANGLE
    assert work.shapes["new-line"].id == "back"


def test_a_shape_that_another_removed_can_be_put_back(hub: World) -> None:
    """What was in hand of it is kept, and named."""
    page = opened(hub, "hall")
    page.button_group[0].set_value("plan").run()
    choose(page, "zone:queue")
    field(page, "setup.name_zh").set_value("队").run()
    now = stored(hub, "hall")
    body = {
        "text": now["text"].partition("[[zone]]")[0],
        "base": now["version"],
        "note": "",
        "publish": False,
    }
    headers = hub.token("manager", "hall")
    at = f"{hub.api}/api/v1/branches/hall/configuration"
    httpx.post(at, headers=headers, json=body).raise_for_status()
    page.run()
    assert say("setup.in_hand", "zh", what="区域 queue") in [each.value for each in page.warning]
    button(page, "setup.apply").click().run()
    assert not page.exception
    (zone,) = tomllib.loads(page.session_state["setup-hall"].text)["zone"]
    assert (zone["id"], zone["kind"], zone["name"]["zh"]) == ("queue", "queue", "队")


@pytest.mark.parametrize("goes_on", [False, True])
def test_who_got_no_answer_is_not_overtaken_by_himself(
    hub: World, monkeypatch: pytest.MonkeyPatch, *, goes_on: bool
) -> None:
    """The text was stored all the same: that is said, and what was typed since is made from it."""
    save = Hub.save

    def lost(*asked: Any, **more: Any) -> dict[str, Any]:
        save(*asked, **more)
        raise Unreachable

    page = opened(hub, "hall")
    page.text_area[0].set_value(f"{page.text_area[0].value}\n# first\n").run()
    with monkeypatch.context() as patched:
        patched.setattr(Hub, "save", lost)
        button(page, "setup.publish").click().run()
    assert say("error.unreachable", "zh") in [each.value for each in page.warning]
    work = page.session_state["setup-hall"]
    if goes_on:
        page.text_area[0].set_value(f"{work.text}# second\n")
    page.run()
    assert not page.exception
    assert say("setup.published", "zh", version=2) in [each.value for each in page.success]
    assert say("error.unreachable", "zh") not in [each.value for each in page.warning]
    assert (work.base, work.untouched) == (2, not goes_on)
    if goes_on:
        button(page, "setup.publish").click().run()
        assert not page.error
        assert "# first\n# second\n" in stored(hub, "hall")["text"]


def test_what_arrives_late_answers_who_asks_again(hub: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request is stored while the second is on its way: that is no conflict with anybody."""
    save = Hub.save
    asked: list[tuple[Any, ...]] = []

    def late(*now: Any, publish: bool) -> dict[str, Any]:
        asked.append(now)
        if len(asked) == 1:
            raise Unreachable
        save(*asked[0], publish=publish)
        return save(*now, publish=publish)

    monkeypatch.setattr(Hub, "save", late)
    page = opened(hub, "hall")
    page.text_area[0].set_value(f"{page.text_area[0].value}\n# mine\n").run()
    button(page, "setup.publish").click().run()
    page.run()
    button(page, "setup.publish").click().run()
    assert not page.error
    assert say("setup.published", "zh", version=2) in [each.value for each in page.success]
    assert stored(hub, "hall")["version"] == 2


def test_the_branch_goes_back_to_its_own_file(hub: World) -> None:
    """What the box ran before anybody saved is in the history from the first save on, as nobody's but the file's."""
    own = tomllib.loads(stored(hub, "hall")["text"])["plan"]
    published(hub, "hall", 3.0)
    page = opened(hub, "hall")
    assert say("setup.by.file", "zh") in " ".join(block.proto.body for block in page.get("html"))
    button(page, "setup.do_rollback").click().run()
    assert not page.exception
    assert say("setup.published", "zh", version=3) in [each.value for each in page.success]
    told = stored(hub, "hall")
    assert tomllib.loads(told["text"])["plan"] == own
    assert [each["version"] for each in told["history"]] == [3, 2, 1]


def test_a_version_that_is_saved_alone_is_published_later(hub: World) -> None:
    """As it is, by whoever opens the page next; once something is changed it is saved and published anew."""
    page = opened(hub, "hall")
    page.text_area[0].set_value(f"{page.text_area[0].value}\n# mine\n").run()
    button(page, "setup.save").click().run()
    assert stored(hub, "hall")["wanted"] is None
    page = opened(hub, "hall")
    words = say("setup.publish_saved", "zh", version=2)
    (late,) = (each for each in page.button if each.label == words)
    page.text_area[0].set_value(f"{page.text_area[0].value}\n# more\n").run()
    assert not button(page, "setup.publish").disabled
    button(page, "setup.discard").click().run()
    (late,) = (each for each in page.button if each.label == words)
    late.click().run()
    assert not page.exception
    assert say("setup.published", "zh", version=2) in [each.value for each in page.success]
    told = stored(hub, "hall")
    assert (told["version"], told["wanted"]["version"]) == (2, 2)
    assert button(page, "setup.publish").disabled
