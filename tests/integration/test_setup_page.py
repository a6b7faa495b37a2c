"""The Set-up page over a real hub: what is in hand while somebody else works at the same branch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from hubworld import World, world
from streamlit.testing.v1 import AppTest

from branchloop.commands import Reply
from branchloop.text import say
from dashboard.setup_work import anew
from hub.api.state import now_ms
from hub.store.commands import Commands
from hub.store.connection import opened as opened_db
from hub.store.pictures import Pictures

CAMERA = """
[[camera]]
id = "hall"
name = { en = "Hall", zh = "大厅" }
source = "rtsp://127.0.0.1/hall"
[camera.calibration]
picture_px = [80, 60]
points = [[0, 0, 0, 0], [80, 0, 2, 0], [80, 60, 2, 1], [0, 60, 0, 1]]
"""


def setup_page() -> None:
    """As the app runs it."""
    from dashboard.views import setup

    setup.page()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path) as running:
        config = tmp_path / "dashboard.toml"
        config.write_text(f'[dashboard]\napi = "{running.api}"\n')
        monkeypatch.setenv("BRANCHLOOP_DASHBOARD", str(config))
        st.cache_resource.clear()
        yield running
        st.cache_resource.clear()


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


def test_a_new_shape_does_not_take_the_place_of_another(hub: World) -> None:
    """Its id is taken: that is said, and the old one stays."""
    page = opened(hub, "hall")
    page.button_group[0].set_value("plan").run()
    work = page.session_state["setup-hall"]
    (what,) = (box for box in page.selectbox if box.label == say("setup.what", "zh"))
    what.set_value("new-zone").run()
    work.points, work.serial = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], anew()
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
    work.points, work.serial = [(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], anew()
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


def test_zones_drawn_over_each_other_are_told_beside_what_is_right(hub: World) -> None:
    """As check-config notes it, in the language of the page; it can be saved all the same."""
    page = opened(hub, "hall")
    text = page.text_area[0].value
    assert not page.warning
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
    assert not next(each for each in page.button if each.label == say("setup.publish", "zh")).disabled


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
